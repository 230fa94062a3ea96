"""SQL watches of the real daemon: a database made by Python that changes while the bot runs."""
import json
import signal
import sqlite3
import subprocess
import time

from bot import BUILD, Bot
from harness import check
from homeserver import Homeserver
from wallclock import Clock

DEV = "!dev:fake.local"
FOREVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


class World:
    def __init__(self, extra, start=True, now=None):
        self.server = Homeserver()
        self.bot = Bot(self.server.url, self.server.USER, "good",
                       {"ops": "#ops:fake.local", "dev": "#dev:fake.local"},
                       "[delivery]\nthrottle = 1s\n" + extra)
        self.path = self.bot.folder / "shop.db"
        if now:
            self.clock = Clock(now)
            self.bot.environment = self.clock.environment
        if start:
            self.make()
            self.bot.start()

    def make(self):
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("CREATE TABLE goods (name TEXT, stock INTEGER)")

    def stock(self, name, stock):
        self.db.execute("DELETE FROM goods WHERE name = ?", (name,))
        self.db.execute("INSERT INTO goods VALUES (?, ?)", (name, stock))

    def wait_body(self, *parts, room=DEV):
        self.server.wait(lambda: any(all(part in body for part in parts)
                                     for body in self.server.bodies(room)), 60)

    def fresh(self, room=DEV):
        """Texts of new messages: no edits, no answers in threads."""
        return [event["content"]["body"] for r, event in self.server.timeline
                if r == room and "m.relates_to" not in event["content"]]

    def wait_status(self, condition):
        end = time.monotonic() + 60
        while True:
            status = self.bot.call({"op": "status"})
            if condition(status):
                return status
            check(time.monotonic() < end, f"never so: {status['watches']}\n{status['text']}")
            time.sleep(0.05)

    def runs(self, count, name=None):
        """That many more runs of each watch (or of one) have been made."""
        for _ in range(count):
            before = {w["name"]: w["last_ms"] for w in self.bot.call({"op": "status"})["watches"]}
            self.wait_status(lambda s: all(w["last_ms"] > before.get(w["name"], 0) for w in s["watches"]
                                           if name in (None, w["name"])))

    def reload(self, old, new):
        text = self.bot.config.read_text()
        check(old in text, "nothing to replace")
        self.bot.config.write_text(text.replace(old, new))
        loads = self.bot.log.read_text().count("config reloaded")
        self.bot.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 30
        while self.bot.log.read_text().count("config reloaded") == loads:
            check(time.monotonic() < end, self.bot.log.read_text()[-2000:])
            time.sleep(0.02)

    def end(self):
        self.bot.stop()
        self.server.shut()


STOCK = """[watch stock]
database = shop.db
sql = SELECT name, stock FROM goods
	WHERE stock < 5 ORDER BY name
every = 1s
"""


def test_watch_fires_once_and_resolves():
    world = World(STOCK)
    subscriber = world.bot.client()
    check(subscriber.call({"op": "subscribe"})["ok"], "not subscribed")
    world.stock("apple", 3)
    world.stock("pear", 70)
    world.wait_body("⚠️ stock · stock: apple\nstock: 3")
    world.runs(3)
    check(len(world.fresh()) == 1, f"not once: {world.fresh()}")
    status = world.bot.call({"op": "status"})
    check(status["watches"][0]["firing"] == 1 and "Watches: 1, 1 firing" in status["text"], str(status))
    alerts = world.bot.call({"op": "alerts"})["alerts"]
    check(len(alerts) == 1 and alerts[0]["app"] == "stock", str(alerts))
    world.stock("apple", 30)
    world.wait_body("✅", "stock: apple")
    world.wait_status(lambda s: s["watches"][0]["firing"] == 0)
    told = []
    while told[-1:] != ["resolved"]:
        event = subscriber.receive()
        told += [event["event"]] if event.get("app") == "stock" else []
    check(told == ["alert", "resolved"], str(told))
    subscriber.close()
    world.stock("apple", 1)  # and again
    world.server.wait(lambda: len(world.fresh()) == 2, 60)
    world.end()


def test_watch_edits_as_soon_as_it_knows():
    """The details of a message follow what the watch finds, and wait for nothing else that is due."""
    world = World(STOCK.replace("< 5", "< 50"), now="2026-11-24T10:00:00+00:00")
    world.stock("apple", 3)
    world.wait_body("stock: 3")
    for minute in range(2, 14, 2):  # each message is edited once a minute
        world.clock.set(f"2026-11-24T10:{minute:02}:00+00:00")
        world.stock("apple", minute + 10)
        changed = time.monotonic()
        world.wait_body(f"stock: {minute + 10}")
        check(time.monotonic() - changed < 2.5, f"{time.monotonic() - changed:.1f} s after the change")
    world.end()


def test_watch_is_remembered_across_restarts():
    world = World(STOCK)
    world.stock("apple", 3)
    world.wait_body("apple")
    world.bot.kill()
    world.bot.start()
    world.runs(2)
    check(len(world.fresh()) == 1, f"told again: {world.fresh()}")
    world.bot.stop()
    world.stock("apple", 30)
    world.bot.start()
    world.wait_body("✅", "stock: apple")
    world.end()


def test_watch_columns_are_the_alerts_own_keys():
    world = World("""[kind stock_low]
text = {emoji} {app} · only {stock} {name}
identity = name
[watch stock]
database = shop.db
sql = SELECT 'shop' AS app, 'critical' AS severity, 'r-' || stock AS run_id, 'https://shop.example/' AS url,
	name, stock FROM goods WHERE stock < 5
every = 1s
kind = stock_low
""")
    world.stock("apple", 3)
    world.wait_body("🚨 shop · only 3 apple", "run r-3 · dashboard: https://shop.example/", room="!ops:fake.local")
    world.end()


def test_watch_hostile_contents():
    world = World(STOCK)
    world.db.execute("INSERT INTO goods VALUES (CAST(x'6100ff62' AS TEXT), 1), (?, 2), (x'0102', 3)",
                     ("@room [x](http://evil) \u202e" + "y" * 100000,))
    world.server.wait(lambda: len({part for body in world.server.bodies(DEV) for part in ("a\ufffd\ufffdb", "@room", "(2 bytes)")
                                   if part in body}) == 3, 60)
    world.runs(2)
    events = [e for r, e in world.server.timeline if r == DEV]
    check(all(len(json.dumps(e)) < 60000 for e in events), "too large")
    check("\u202e" not in json.dumps(events, ensure_ascii=False), "a control character got through")
    check(all(e["content"]["m.mentions"] == {} for e in events), "pings")
    check(world.bot.call({"op": "status"})["watches"][0]["problem"] == "", "fails")
    world.end()


def test_watch_failure_is_told_once_and_resolved():
    world = World(STOCK, start=False)
    world.bot.start()
    world.wait_body("⚠️ matrix-telemetry-bot · watch stock: ", "No such file")
    world.runs(3)
    check(len(world.fresh()) == 1, str(world.fresh()))
    status = world.bot.call({"op": "status"})
    check("watch stock: " in status["text"] and status["text"].startswith("⚠️ watch stock"), status["text"])
    check("stock: " in world.bot.log.read_text(), "not in the log")
    sqlite3.connect(world.path, isolation_level=None).execute("CREATE TABLE other (x)")
    world.wait_status(lambda s: s["watches"][0]["problem"] == "no such table: goods")
    world.path.unlink()
    world.make()
    world.stock("apple", 3)
    world.wait_body("✅", "watch stock: ")
    world.wait_body("⚠️ stock · stock: apple")
    check(world.bot.call({"op": "status"})["watches"][0]["problem"] == "", "still in trouble")
    world.end()


def test_watch_locked_keeps_what_fires():
    world = World(STOCK)
    world.db.execute("PRAGMA journal_mode = DELETE")
    world.stock("apple", 3)
    world.wait_body("apple")
    world.db.execute("BEGIN EXCLUSIVE")
    world.db.execute("DELETE FROM goods")
    world.wait_body("watch stock: ", "is locked")
    check(not any("✅" in body for body in world.server.bodies(DEV)), "resolved unseen")
    world.db.execute("ROLLBACK")
    world.wait_body("✅", "is locked")
    world.runs(1)
    check(len([b for b in world.fresh() if "apple" in b]) == 1, str(world.fresh()))
    world.end()


def test_watch_that_never_ends_holds_nothing_up():
    world = World(STOCK + f"[watch endless]\ndatabase = shop.db\nsql = {FOREVER}\nevery = 1s\n")
    world.stock("apple", 3)
    world.wait_body("apple")
    world.wait_body("watch endless: ", "takes too long")
    world.wait_status(lambda s: s["watches"][1]["problem"] == "the query takes too long")
    check(world.bot.call({"op": "alert", "app": "x", "title": "quick"})["ok"], "refused")
    started = time.monotonic()
    world.end()  # also while it runs
    check(time.monotonic() - started < 20, "the end waited for the query")


def test_watch_appears_changes_and_goes_by_reload():
    world = World("#here\n")
    world.stock("apple", 3)
    check(world.bot.call({"op": "status"})["watches"] == [], "a watch from nowhere")
    world.reload("#here\n", STOCK)
    world.wait_body("stock: apple\nstock: 3")
    world.stock("pear", 6)
    world.reload("stock < 5", "stock < 10")
    world.wait_body("stock: pear")
    world.reload(STOCK.replace("< 5", "< 10"), "#here\n")
    world.wait_body("✅", "stock: apple")
    world.wait_body("✅", "stock: pear")
    check(world.bot.call({"op": "status"})["watches"] == [], "still there")
    world.end()


def test_watch_silenced_is_kept_back():
    world = World(STOCK)
    world.bot.call({"op": "silence", "what": "app=stock", "duration": "1h"})
    world.stock("apple", 3)
    world.runs(3)
    check(world.fresh() == [], str(world.fresh()))
    alerts = world.bot.call({"op": "alerts"})["alerts"]
    check([a["state"] for a in alerts] == ["silenced"], str(alerts))
    world.end()


CALLS = """[call_monitor]
database = shop.db
every = 1s
"""


def make_calls(world):
    db = sqlite3.connect(world.path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE violations (at TEXT, rule TEXT)")
    db.execute("CREATE TABLE calls (at INTEGER, function TEXT, error TEXT)")
    return db


def test_call_monitor_violations_and_error_rate():
    world = World(CALLS, start=False)
    db = make_calls(world)
    world.bot.start()
    now = int(time.time())
    db.executemany("INSERT INTO violations VALUES (datetime(?, 'unixepoch'), ?)",
                   [(now - i * 60, f"rule_{min(i % 10, 6)}") for i in range(51)]
                   + [(now - 90000, "old")] * 30)
    world.wait_body("⚠️ call_monitor · violations_24h = 51 (threshold 50) — top rules: "
                    "rule_6 (20), rule_0 (6), rule_1 (5), rule_2 (5), rule_3 (5)")
    # times in seconds and in milliseconds; 2 of 10 fail, 1 of 10 fails, and one long ago
    db.executemany("INSERT INTO calls VALUES (?, ?, ?)",
                   [(now - i, "fetch", "boom" if i < 2 else None) for i in range(10)]
                   + [((now - i) * 1000, "store", "boom" if i < 1 else "") for i in range(10)]
                   + [(now - 8 * 86400, "ancient", "boom")])
    world.wait_body("⚠️ call_monitor · fetch error_rate_7d = 0.2 (threshold 0.1)")
    world.runs(2)
    text = "".join(world.server.bodies(DEV))
    check("store" not in text and "ancient" not in text, text)
    db.execute("DELETE FROM violations WHERE rule = 'rule_0'")
    world.wait_body("✅", "call_monitor · violations resolved")
    db.execute("UPDATE calls SET error = NULL")
    world.wait_body("✅", "call_monitor · fetch resolved")
    done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", world.bot.config, "test", "violation"],
                          capture_output=True, text=True, timeout=60)
    check(done.returncode == 0 and "$event" in done.stdout, str(done))
    check(db.execute("SELECT count(*) FROM violations").fetchone()[0] == 75, "the test wrote there")
    world.end()


def test_call_monitor_with_another_schema():
    world = World(CALLS + "violations_threshold = 1\n", start=False)
    db = sqlite3.connect(world.path, isolation_level=None)
    db.execute("CREATE TABLE breaches (seen INTEGER, name TEXT)")
    db.execute("INSERT INTO breaches VALUES (?1, 'a'), (?1, 'b')", (int(time.time()),))
    world.bot.start()
    world.wait_body("watch call_monitor violations: no such table: violations", "[call_monitor] violations_sql")
    world.wait_body("watch call_monitor error_rate: no such table: calls", "[call_monitor] error_rate_sql")
    world.reload(CALLS, CALLS + "error_rate_sql = off\nviolations_sql = SELECT count(*) AS count, :threshold AS threshold,\n"
                 "\tgroup_concat(name, ', ') AS rules FROM breaches WHERE seen >= :since_s\n\tHAVING count(*) > :threshold\n")
    world.wait_body("violations_24h = 2 (threshold 1) — top rules: a, b")
    world.wait_body("✅", "no such table: violations")
    world.wait_body("✅", "no such table: calls")
    world.end()
