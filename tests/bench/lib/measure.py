"""What the benches share: the bare loop, the rooms in which each sender is alone with a reader, CPU
time and private memory of a process, and how a row is printed: medians of all rounds, their ratio to
the limit beside it, the ratio of each round, and what is wanted."""
import atexit
import json
import os
import pathlib
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
import client as clients  # noqa: E402
import bot as program  # noqa: E402
from harness import until  # noqa: E402
from synapse import Reader, Synapse, quote  # noqa: E402

ROUNDS = 3
SHORT = "short" in sys.argv[1:]
ALONE = "[route]\ncritical = ops\nwarning = ops\ninfo = ops\n[delivery]\nstorm = 0\n"
MEGOLM = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


def compiled(name, *libraries):
    """A C program of tests/bench, built for this run."""
    program = pathlib.Path(tempfile.mkdtemp(prefix="mtb-bench-")) / pathlib.Path(name).stem
    subprocess.run(["cc", "-O2", "-o", program, pathlib.Path(__file__).parent / name, *libraries], check=True)
    return program


def cpu_ms(process):
    """CPU time of all its threads so far: the kernel's clock of another process."""
    return time.clock_gettime(~process.pid << 3 | 2) * 1000


def private_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def settled_mb(process, seconds):
    """The lowest of a while."""
    lowest, end = private_mb(process), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.2)
        lowest = min(lowest, private_mb(process))
    return lowest


def row(name, limit, ours, reach, unit="ms", more=False):
    """limit and ours: a figure for each round. more: the higher the better, wanted is at least reach."""
    a, b = statistics.median(limit), statistics.median(ours)
    good = b / a >= reach if more else b / a <= reach
    print(f"{name}: {b:.2f} {unit}, limit {a:.2f} {unit}, ratio {b / a:.2f} (rounds "
          f"{' '.join(f'{y / x:.2f}' for x, y in zip(limit, ours))}), wanted {'≥' if more else '≤'} {reach}"
          f"{'' if good else '  MISSED'}", flush=True)


def at_most(name, figures, most, unit="ms"):
    """A row whose limit is a figure."""
    b = statistics.median(figures)
    print(f"{name}: {b:.2f} {unit} (rounds {' '.join(f'{x:.2f}' for x in figures)}), wanted ≤ {most}"
          f"{'' if b <= most else '  MISSED'}", flush=True)


def p95(times):
    return sorted(times)[int(len(times) * 0.95) - 1]


class Bot(program.Bot):
    """The daemon with the environment that its unit gives it."""
    unit = pathlib.Path(__file__).resolve().parents[3] / "bot/packaging/matrix-telemetry-bot.service.in"

    def __init__(self, *args):
        super().__init__(*args)
        self.environment = dict(line.removeprefix("Environment=").split("=", 1)
                                for line in Bot.unit.read_text().splitlines() if line.startswith("Environment="))


def copied(bot):
    """A copy of the bot's database, and the SQL that stores its first alert in it again, of the run ?1."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mtb-bench-")) / "operations.db"
    with sqlite3.connect(bot.folder / "operations.db") as source, sqlite3.connect(path) as copy:
        source.backup(copy)
        names = [row[1] for row in copy.execute("PRAGMA table_info(alerts)") if row[1] != "id"]
    values = ["?1" if name == "run_id" else "NULL" if name == "ext_id" else name for name in names]
    return path, (f"INSERT INTO alerts ({', '.join(names)}) SELECT {', '.join(values)} FROM "
                  f"(SELECT * FROM alerts ORDER BY id LIMIT 1)")


class Bare:
    """The bare loop of bare.c. sync: it keeps a long poll too, as every bot must that listens, from a
    position if one is given. stored: it also commits a row before each event (what copied() returns), as
    every bot must that loses nothing. libraries: what it loads besides."""
    program = None

    def __init__(self, server, account, sync=False, stored=(), libraries=()):
        Bare.program = Bare.program or compiled("bare.c", "-lcurl", "-lsqlite3")
        self.process = subprocess.Popen(
            [Bare.program, server.url, account["access_token"],
             *(["sync"] if sync is True else [f"since={sync}"] if sync else []), *stored],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "LD_PRELOAD": ":".join(libraries)})

    def write(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def put(self, room_id, kind, content):
        self.write(f"{quote(room_id)} {kind} {content if isinstance(content, str) else json.dumps(content)}")
        return self.read()["event_id"]

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class World:
    """A Synapse without rate limits, an owner who reads, and rooms of the owner and one sender each.
    secret: the owner has a real client with a signed device, until reads()."""

    def __init__(self, secret=False, **options):
        self.server = Synapse(**options)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        atexit.register(self.close)
        self.secret = secret
        self.owner = self.server.register("owner")
        self.client = clients.js(self.server, self.owner, all_devices=True) if secret else None
        self.count = 0

    def room(self, account):
        """(alias, room id)"""
        self.count += 1
        made = self.server.call("POST", "/_matrix/client/v3/createRoom", {
            "room_alias_name": f"room{self.count}", "preset": "public_chat",
            "initial_state": [MEGOLM] if self.secret else []}, self.owner["access_token"])
        self.server.call("POST", f"/_matrix/client/v3/join/{quote(made['room_id'])}", {}, account["access_token"])
        return f"#room{self.count}:test.local", made["room_id"]

    def bot(self, extra=ALONE):
        """A bot in a room of its own, in touch; bot.room is its id."""
        account = self.server.register(f"bot{self.count}")
        alias, room_id = self.room(account)
        bot = Bot(self.server.url, account["user_id"], account["access_token"], {"ops": alias}, extra)
        bot.room, bot.user = room_id, account["user_id"]
        bot.start()

        def good():
            status = bot.call({"op": "status"})
            return status["last_sync_ms"] and all(r["ready"] for r in status["rooms"]) and (
                not self.secret or status["encryption"]["identity"] == "signed")
        until(good, "the bot is not in touch", 60)
        return bot

    def reads(self):
        """The owner's /sync, with nothing else that costs time: from now on ciphertext is not read."""
        if self.client:
            self.client.stop()
        return Reader(self.server, self.owner["access_token"])

    def close(self):
        """Also when the bench fails: nothing stays behind."""
        Bot.kill_all()
        self.server.close()


def alert(app, run):
    return {"op": "alert", "app": app, "kind": "node_failed", "run_id": run,
            "fields": {"node_id": "n", "duration_ms": 1, "error": "connection refused"}}


class Seen:
    """Waits for the next event that a sender wrote into a room."""

    def __init__(self, reader, room_id, sender):
        self.reader, self.room_id, self.sender, self.at = reader, room_id, sender, len(reader.events)

    def next(self, seconds=60):
        """The event, and when it came (time.time())."""
        found = []

        def look():
            while self.at < len(self.reader.events) and not found:
                room_id, event, when = self.reader.events[self.at]
                self.at += 1
                if room_id == self.room_id and event["sender"] == self.sender:
                    found.append((event, when))
            return found
        self.reader.wait(look, seconds)
        return found[0]
