"""The bot against a real Synapse, read back through a second account. Prints "ok NAME" or
"not ok NAME" a test. Usage: run.py [NAME …]"""
import os
import json
import pathlib
import random
import re
import sqlite3
import subprocess
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from bot import BUILD, Bot  # noqa: E402
from harness import Skip, check, node, run_tests  # noqa: E402
from heartbeats import test_a_week_of_heartbeats  # noqa: E402,F401
from synapse import Reader, Synapse, free_port, homeserver, log, quote  # noqa: E402
from tombstones import test_a_tombstone_that_leads_nowhere_takes_no_room_away  # noqa: E402,F401
from watcher import Watcher, due_next  # noqa: E402

RUN = re.compile(r"\brun-[a-z]+-\d+\b")


class World:
    """One homeserver for all tests; each test has rooms and a bot of its own."""

    def __init__(self, limits=False):
        if limits and "MTB_HOMESERVER" in os.environ:
            raise Skip("needs a homeserver with other limits")
        self.server = Synapse(limits) if limits else homeserver()
        self.bot_account = self.server.register("bot")
        self.reader_account = self.server.register("reader")
        self.reader = Reader(self.server, self.reader_account["access_token"])
        self.count, self.mark = 0, os.urandom(3).hex()  # a homeserver may have seen tests before

    def room(self, name, bot_may_write=True):
        self.count += 1
        alias = f"{name}-{self.mark}-{self.count}"
        body = {"room_alias_name": alias, "preset": "public_chat"}
        if not bot_may_write:
            body["power_level_content_override"] = {"events_default": 50}
        room_id = self.server.call("POST", "/_matrix/client/v3/createRoom", body,
                                   self.reader_account["access_token"])["room_id"]
        return f"#{alias}:{self.server.name}", room_id

    def bot(self, extra="", start=True, **rooms):
        made = {name: rooms.get(name) or self.room("fn-registry-" + name) for name in ("ops", "dev", *rooms)}
        bot = Bot(self.server.url, self.bot_account["user_id"], self.bot_account["access_token"],
                  {name: alias for name, (alias, _) in made.items()}, extra)
        bot.ids = {name: room_id for name, (_, room_id) in made.items()}
        if start:
            bot.start()
        return bot

    def close(self):
        self.reader.stopped = True
        self.server.close()


def bot_user(world):
    return world.bot_account["user_id"]


def dag(run, name="nightly"):
    return {"op": "alert", "app": "dag_engine", "kind": "dag_failed", "run_id": run,
            "fields": {"dag_name": name, "step_name": "load", "exit_code": 2}}


def violations(run, rules="no-force-push"):
    return {"op": "alert", "app": "call_monitor", "kind": "violations", "run_id": run, "key": rules,
            "fields": {"count": 61, "threshold": 50, "rules": rules}}


def runs_in(world, room_id):
    """The runs that each message of a room ever spoke of: its text names the newest alone."""
    runs = {}
    for room, event, _ in list(world.reader.events):
        if room == room_id and event["type"] == "m.room.message":
            relates = event["content"].get("m.relates_to", {})
            if relates.get("rel_type") == "m.thread":
                continue
            first = relates["event_id"] if relates.get("rel_type") == "m.replace" else event["event_id"]
            runs.setdefault(first, set()).update(RUN.findall(json.dumps(event["content"])))
    return [run for message in runs.values() for run in message]


def told(world, *room_ids):
    """How many alerts of each kind the messages speak of."""
    counts = {}
    for room_id in room_ids:
        for message in world.reader.messages(room_id):
            for entry in message["data"]["entries"]:
                counts[entry["kind"]] = counts.get(entry["kind"], 0) + entry["count"]
    return counts


def check_minute(world, room_id):
    """At most one new message a minute for each origin."""
    last = {}
    for message in world.reader.messages(room_id):
        data = message["event"]["content"]["org.matrix-telemetry-bot.alert"]
        origin = data["entries"][0]["app"] if data["entries"] else "ring"
        when = message["event"]["origin_server_ts"]
        check(origin not in last or when - last[origin] >= 60000,
              f"{origin}: two new messages in {when - last.get(origin, 0)} ms")
        last[origin] = when


def test_three_triggers_100_each(world):
    bot = world.bot()
    client = bot.client()
    for i in range(100):
        client.send(node(f"run-node-{i}", f"node_{i % 7}"), dag(f"run-dag-{i}", f"dag_{i % 5}"),
                    violations(f"run-vio-{i}"))
    answers = [client.receive() for _ in range(300)]
    check(all(a["ok"] for a in answers), "not all acknowledged")
    ops, dev = bot.ids["ops"], bot.ids["dev"]
    wanted = {"node_failed": 100, "dag_failed": 100, "violations": 100}
    world.reader.wait(lambda: told(world, ops, dev) == wanted, 60)
    for i in range(100):  # a message names its newest runs; the bot knows them all, and where they are
        for run in (f"run-node-{i}", f"run-dag-{i}", f"run-vio-{i}"):
            found = bot.call({"op": "alerts", "run_id": run})
            check(found["ok"] and found["alerts"][0]["run_id"] == run, f"{run}: {found}")
    check_minute(world, ops)
    check_minute(world, dev)
    bot.stop()


def test_100_origins_latency(world):
    bot = world.bot("[delivery]\nstorm = 0\n")
    client = bot.client()
    times = []
    for i in range(100):
        sent = time.time()
        check(client.call(node(f"run-lat-{i}", app=f"app_{i}"))["ok"], "refused")
        world.reader.wait(lambda: f"run-lat-{i}" in runs_in(world, bot.ids["ops"]), 30)
        arrived = next(m["when"] for m in world.reader.messages(bot.ids["ops"])
                       if f"run-lat-{i}" in m["content"]["body"])
        times.append((arrived - sent) * 1000)
    times.sort()
    log(f"100 sends from 100 origins, socket write to the second account's /sync: median "
        f"{statistics.median(times):.0f} ms, p95 {times[94]:.0f} ms, max {times[99]:.0f} ms")
    check(times[94] < 3000, "p95 over 3 s")
    bot.stop()


def test_ten_equal_are_one_message(world):
    bot = world.bot()
    client = bot.client()
    for i in range(10):
        client.send(node(f"run-same-{i}"))
        check(client.receive()["ok"], "refused")
    world.reader.wait(lambda: "×10" in world.reader.text(bot.ids["ops"]), 30)
    messages = world.reader.messages(bot.ids["ops"])
    check(len(messages) == 1, f"{len(messages)} messages")
    check(len(set(runs_in(world, bot.ids["ops"]))) == 10, "not ten run ids")
    body = messages[0]["content"]["body"]
    check(body.startswith("🚨 data_factory · etl_users FAILED ×10 in 5321ms\nerror: connection refused\n10 runs: "), body)
    check("https://dash.example/runs/run-same-9" in body, "no link")
    bot.stop()


def test_homeserver_down_500_alerts(world):
    bot = world.bot("[delivery]\nstorm = 0\n")
    client = bot.client()
    client.call(node("run-before-0"))
    world.reader.wait(lambda: runs_in(world, bot.ids["ops"]), 30)
    world.server.kill()
    for i in range(500):
        client.send(node(f"run-down-{i}", f"node_{i % 50}", app=f"app_{i // 5}"))
    started = time.time()
    check(all(client.receive()["ok"] for _ in range(500)), "not all acknowledged")
    check(time.time() - started < 10, "not at once")
    world.server.start()
    world.reader.wait(lambda: len(set(runs_in(world, bot.ids["ops"]))) == 501, 120)
    apps = [m["event"]["content"]["org.matrix-telemetry-bot.alert"]["entries"][0]["app"]
            for m in world.reader.messages(bot.ids["ops"])][1:]
    check(apps == [f"app_{i}" for i in range(100)], f"out of order: {apps}")
    found = runs_in(world, bot.ids["ops"])
    plain = [run for run in found if run.startswith("run-down")]
    # each run id stands twice in a message: as the run and in its link; 5 runs make an app
    check(len(set(plain)) == 500, "lost")
    bot.stop()


def test_kill_9_fifty_times(world):
    bot = world.bot("[delivery]\nstorm = 0\nthrottle = 0\n")
    acknowledged, number, stop = set(), [0], threading.Event()

    def feed():
        client = None
        while not stop.is_set():
            run = f"run-kill-{number[0]}"
            try:
                client = client or bot.client()
                # twenty apps: what a slow homeserver lets wait fits in their messages, each run by name
                if client.call(node(run, f"n{number[0]}", app=f"app_{number[0] % 20}", id=run))["ok"]:
                    acknowledged.add(run)
                    number[0] += 1
                    stop.wait(0.02)
            except OSError:
                client = None
                stop.wait(0.01)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(50):
            stop.wait(random.uniform(0.02, 0.4))
            bot.kill()
            bot.start(wait=False)
    finally:
        stop.set()
        feeder.join()
    try:
        world.reader.wait(lambda: acknowledged <= set(runs_in(world, bot.ids["ops"])), 120)
    except TimeoutError:
        missing = sorted(acknowledged - set(runs_in(world, bot.ids["ops"])))
        raise AssertionError(f"not in the room: {missing} of {len(acknowledged)}; {bot.state()}") from None
    bodies = [m["event"]["content"]["org.matrix-telemetry-bot.alert"]["txn_id"]
              for m in world.reader.messages(bot.ids["ops"])]
    check(len(bodies) == len(set(bodies)), "a message is in the room twice")
    seen = [entry["fingerprint"] for m in world.reader.messages(bot.ids["ops"])
            for entry in m["event"]["content"]["org.matrix-telemetry-bot.alert"]["entries"]]
    check(len(seen) == len(set(seen)), "an alert is in two messages")
    log(f"{len(acknowledged)} acknowledged over 50 kills")
    check(len(acknowledged) > 50, "too little load to tell")
    bot.stop()


def test_failures_over_many_minutes(world):
    """Minutes of two seconds: 100 failures of one app over several of them."""
    bot = world.bot("[delivery]\nthrottle = 2s\nedit_interval = 200ms\n")
    client, ops = bot.client(), bot.ids["ops"]
    written = {}
    for i in range(100):
        written[f"run-min-{i}"] = time.time()
        check(client.call(node(f"run-min-{i}", f"node_{i % 10}"))["ok"], "refused")
        time.sleep(0.07)  # the pace is what is tested
    world.reader.wait(lambda: set(runs_in(world, ops)) == set(written), 30)
    new = [m["event"]["origin_server_ts"] for m in world.reader.messages(ops)]
    check(len(new) >= 3, f"{len(new)} messages in seven seconds")
    check(all(b - a >= 2000 for a, b in zip(new, new[1:])), f"too close: {new}")
    slowest = 0
    for run, at in written.items():
        seen = next(when for room, event, when in world.reader.events
                    if room == ops and run in RUN.findall(json.dumps(event["content"])))
        slowest = max(slowest, seen - at)
    check(slowest < 3, f"readable after {slowest:.1f} s")
    # of criticals that joined in silence the next message says how many
    check("more critical failure" in "".join(m["event"]["content"]["body"]
                                                     for m in world.reader.messages(ops)), "nothing rang")
    bot.stop()


def test_a_storm_is_summed_up(world):
    bot = world.bot()
    client, ops = bot.client(), bot.ids["ops"]
    for i in range(40):
        client.send(node(f"run-storm-{i}", app=f"app_{i}"))
    check(all(client.receive()["ok"] for _ in range(40)), "not all acknowledged")
    world.reader.wait(lambda: len(set(runs_in(world, ops))) == 40, 30)
    new = world.reader.messages(ops)
    check(len(new) == 21, f"{len(new)} new messages, 20 and the storm were to come")
    check("Alert storm: 20 critical from 20 apps" in new[-1]["content"]["body"],
          new[-1]["content"]["body"][:200])
    listed = bot.call({"op": "alerts", "limit": 100})["alerts"]
    check(len({alert["run_id"] for alert in listed}) == 40, "the single alerts are not listed")
    bot.stop()


def test_what_happened_a_while_ago_says_when(world):
    """Spooled while the daemon was down: the message tells when, not when it was taken in."""
    bot = world.bot(start=False)
    sent = subprocess.run([BUILD / "bot/client/matrix-send-message", "-c", bot.config, "--app", "late", "--run-id",
                           "run-late-1", "-s", "critical", "disk full"], capture_output=True, text=True)
    check(sent.returncode == 0 and sent.stdout == "spooled\n", str(sent))
    (file,) = (bot.folder / "spool").glob("*.json")
    os.utime(file, (time.time() - 600, time.time() - 600))
    bot.start()
    world.reader.wait(lambda: "run-late-1" in runs_in(world, bot.ids["ops"]), 30)
    body = world.reader.messages(bot.ids["ops"])[0]["content"]["body"]
    check("happened at" in body, body)
    bot.stop()


def test_routes_and_a_closed_room(world):
    shut = world.room("shut", bot_may_write=False)
    bot = world.bot("[app payments]\ncritical = pay\n[app locked]\ncritical = shut\n", pay=None, shut=shut)
    client = bot.client()
    client.call(node("run-shut-1", app="locked"))
    client.call(node("run-pay-1", app="payments"))
    client.call(node("run-ops-1"))
    client.call(violations("run-dev-1"))
    for name in ("pay", "ops", "dev"):
        world.reader.wait(lambda: f"run-{name}-1" in runs_in(world, bot.ids[name]), 30)
    check(not runs_in(world, bot.ids["shut"]), "wrote where it may not")
    end = time.monotonic() + 20
    status = client.call({"op": "status"})
    while status["undeliverable"] != 1 and time.monotonic() < end:
        time.sleep(0.05)
        status = client.call({"op": "status"})
    check(status["undeliverable"] == 1 and status["undeliverable_messages"][0]["error"], f"not undeliverable: {status}")
    bot.stop()


def test_hostile_text(world):
    bot = world.bot()
    client = bot.client()
    evil = "<b>x</b> @room <a href='https://evil'>y</a> \u202egnp.exe https://matrix.to/#/@reader:{self.server.name}"
    check(client.call(node("run-evil-1", evil))["ok"], "refused")
    world.reader.wait(lambda: "run-evil-1" in runs_in(world, bot.ids["ops"]), 30)
    content = world.reader.messages(bot.ids["ops"])[0]["event"]["content"]
    check(content["m.mentions"] == {}, "mentions somebody")
    check("<b>x" not in content["formatted_body"] and "href='https://evil" not in content["formatted_body"], "HTML got through")
    check("\u202e" not in content["body"] + content["formatted_body"], "RTL override got through")
    client.socket.sendall(b'{"op":"alert","app":"a","text":"\\u0000"}\n{"op":"alert","app":"a","text":"\xff"}\n')
    for answer in (client.receive(), client.receive()):
        check(answer["ok"] and answer["warnings"], f"NUL or broken UTF-8 is mended, and said: {answer}")
    long = client.call(node("run-evil-2", "n2", fields={"node_id": "n2", "error": "x" * 60000}))
    check(long["ok"], f"60 KB of error: {long}")
    world.reader.wait(lambda: "run-evil-2" in runs_in(world, bot.ids["ops"]), 30)
    client.socket.sendall(b'{"op":"alert","app":"' + b"x" * 70000 + b'"}\n')
    check(client.receive()["ok"] is False, "over the limit was taken")
    wrong = bot.call({"op": "alert", "app": "a", "severity": "loud"})
    check(wrong["ok"] and wrong["warnings"][0]["field"] == "severity", str(wrong))
    bot.stop()


def test_resolved(world):
    bot = world.bot()
    bot.call(node("run-res-1"))
    world.reader.wait(lambda: "run-res-1" in runs_in(world, bot.ids["ops"]), 30)
    check(bot.call(node("run-res-1", status="resolved"))["state"] == "grouped", "not grouped")
    world.reader.wait(lambda: " resolved after" in world.reader.text(bot.ids["ops"]), 30)
    world.reader.wait(lambda: len(world.reader.messages(bot.ids["ops"])) == 2, 30)
    answer = world.reader.messages(bot.ids["ops"])[1]["content"]
    check(answer["msgtype"] == "m.notice" and answer["m.relates_to"]["rel_type"] == "m.thread", str(answer))
    bot.stop()


def test_commands_of_the_host(world):
    """check, status and test, as an operator types them."""
    bot = world.bot()

    def run(*args):
        return subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, *args],
                              capture_output=True, text=True, timeout=60)
    world.reader.wait(lambda: bot.call({"op": "status"})["online"], 30)
    done = run("test", "all")
    check(done.returncode == 0 and done.stdout.count("in the room after") == 3, str(done))
    world.reader.wait(lambda: len(world.reader.messages(bot.ids["ops"])) == 2 and
                      len(world.reader.messages(bot.ids["dev"])) == 1, 30)
    done = run("status")
    check(done.returncode == 0 and "Running" in done.stdout, str(done))
    done = run("check")
    check(done.returncode == 0, f"{done.stdout}{done.stderr}")
    bot.stop()
    done = run("status")
    check(done.returncode == 69, f"no daemon, and yet {done}")


def test_calls_of_another_app(world):
    """Each send is a row in the own database and in call_monitor's."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-test-"))
    other = sqlite3.connect(folder / "calls.db")
    other.execute("CREATE TABLE calls (function TEXT, at TEXT, ms INTEGER, outcome TEXT)")
    other.commit()
    bot = world.bot(f"[call_monitor]\ndatabase = {folder}/calls.db\ncalls_table = calls\n"
                    "calls_columns = what=function, at=at, duration_ms=ms, result=outcome\n"
                    "violations_sql = off\nerror_rate_sql = off\n")
    bot.call(node("run-call-1"))
    world.reader.wait(lambda: "run-call-1" in runs_in(world, bot.ids["ops"]), 30)
    bot.stop()
    check(other.execute("SELECT function, outcome FROM calls").fetchall() == [("send", "ok")], "not in theirs")
    ours = sqlite3.connect(bot.folder / "operations.db")
    check(ours.execute("SELECT what, result FROM calls").fetchall() == [("send", "ok")], "not in ours")
    other.close()
    ours.close()


def test_call_monitor_over_its_thresholds(world):
    """Its database is over a threshold: a message with the top rules; below again: resolved."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-test-"))
    theirs = sqlite3.connect(folder / "call_monitor.db", isolation_level=None)
    theirs.execute("PRAGMA journal_mode = WAL")
    theirs.execute("CREATE TABLE violations (at TEXT, rule TEXT)")
    theirs.execute("CREATE TABLE calls (at TEXT, function TEXT, error TEXT)")
    bot = world.bot(f"[call_monitor]\ndatabase = {folder}/call_monitor.db\nevery = 1s\n")
    dev = bot.ids["dev"]
    theirs.executemany("INSERT INTO violations VALUES (datetime('now'), ?)",
                       [("no-force-push",)] * 31 + [("no-secrets",)] * 20)
    theirs.executemany("INSERT INTO calls VALUES (datetime('now'), ?, ?)",
                       [("parse", None)] * 3 + [("parse", "boom")])
    for part in ("no-force-push (31), no-secrets (20)", "0.25", "https://dash.example/calls"):
        world.reader.wait(lambda: any(part in json.dumps(m["data"]) for m in world.reader.messages(dev)), 60)
    theirs.execute("DELETE FROM violations WHERE rule = 'no-secrets'")
    theirs.execute("DELETE FROM calls WHERE error IS NOT NULL")
    world.reader.wait(lambda: all(entry["status"] == "resolved" for m in world.reader.messages(dev)
                                  for entry in m["data"].get("entries", [])), 60)
    new = [m for m in world.reader.messages(dev) if "m.relates_to" not in m["event"]["content"]
           and "violations" in [entry["kind"] for entry in m["data"].get("entries", [])]]
    check(len(new) == 1, f"{len(new)} messages about the violations")
    bot.stop()
    theirs.close()


def test_http2_over_tls_with_a_private_ca(world):
    """One warm HTTP/2 connection for all, behind a proxy whose CA only the config knows."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-test-"))
    port = free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    proxy = subprocess.Popen(
        ["nghttpx", f"-f127.0.0.1,{port}", f"-b127.0.0.1,{urllib.parse.urlsplit(world.server.url).port}", "--no-ocsp", "--workers=1",
         f"--accesslog-file={folder}/access", "--accesslog-format=$alpn $remote_port $request",
         folder / "key.pem", folder / "cert.pem"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bot = world.bot(start=False)
        text = bot.config.read_text().replace(f"homeserver = {world.server.url}",
                                              f"homeserver = https://localhost:{port}\nca_file = {folder}/cert.pem", 1)
        bot.config.write_text(text)
        bot.start()
        for i in range(20):
            bot.call(node(f"run-http-{i}", app=f"app_{i}"))
        world.reader.wait(lambda: len(set(runs_in(world, bot.ids["ops"]))) == 20, 30)
        before = len((folder / "access").read_text().splitlines())
        severities = {"ops": "critical", "dev": "warning"}
        for i in range(12):
            room = ("ops", "dev")[i % 2]
            bot.call(node(f"run-two-{i}", app=f"two_{i}", severity=severities[room]))
            world.reader.wait(lambda: f"run-two-{i}" in runs_in(world, bot.ids[room]), 30)
        bot.stop()
        lines = (folder / "access").read_text().splitlines()
        # Synapse names the bot's own keys with messages to one room after the other; they are not asked for each time
        asked = [line for line in lines[before:] if "/keys/query" in line or "/members" in line]
        check(len(asked) <= 1, f"asked for keys or members: {asked}")
        lines = lines[:before]
        sends = [line.split() for line in lines if "/send/m.room.message/" in line]
        check(len(sends) == 20 and all(line[0] == "h2" for line in sends), str(lines[:5]))
        check(len({line[1] for line in sends}) == 1, f"sends over {len({line[1] for line in sends})} connections")
        # without the CA nothing is sent, and the problem is named
        bot.config.write_text(text.replace(f"ca_file = {folder}/cert.pem\n", "", 1))
        bot.start()
        bot.call(node("run-http-99", app="late"))
        end = time.monotonic() + 30
        while "certificate" not in bot.call({"op": "status"})["problem"]:
            check(time.monotonic() < end, "the problem is not named: " + str(bot.call({"op": "status"})))
            time.sleep(0.1)
        check("run-http-99" not in runs_in(world, bot.ids["ops"]), "sent without a trusted certificate")
        bot.stop()
    finally:
        proxy.kill()
        proxy.wait()


def test_rate_limits_as_a_server_has_them(world):
    """Synapse lets a user send ten events, then one in five seconds: 18 apps that fail at once are
    readable within seconds all the same, and nothing is there twice."""
    other = World(limits=True)
    try:
        bot = other.bot()
        ops = bot.ids["ops"]
        other.reader.wait(lambda: any(event["type"] == "m.room.member" and room == ops
                                      and event["state_key"] == bot_user(other)
                                      for room, event, _ in other.reader.events), 30)
        time.sleep(10)  # joining two rooms counted: it is forgiven, one event in five seconds
        client = bot.client()
        started = time.time()
        for i in range(18):
            client.send(node(f"run-slow-{i}", app=f"app_{i}"))
        check(all(client.receive()["ok"] for _ in range(18)), "not all acknowledged")
        other.reader.wait(lambda: len(set(runs_in(other, ops))) == 18, 60)
        check(len(runs_in(other, ops)) == 18, "something is there twice")
        seen = sorted(min(when for room, event, when in other.reader.events
                          if room == ops and re.search(rf"run-slow-{i}\b", event["content"].get("body", "")))
                      - started for i in range(18))
        check(seen[9] < 3 and seen[-1] < 6, f"readable after {seen}")
        calls = sqlite3.connect(bot.folder / "operations.db")
        limited = calls.execute("SELECT count(*) FROM calls WHERE http_status = 429").fetchone()[0]
        calls.close()
        check(0 < limited < 4, f"{limited} times refused")
        check("override_ratelimit" in bot.call({"op": "status"})["rate_limit"], "status does not tell")
        log(f"18 apps at Synapse's own limits: ten after {seen[9]:.1f} s, all after {seen[-1]:.1f} s")
        bot.stop()
    finally:
        other.close()


def test_refusals_of_the_account_end_by_themselves(world):
    """A homeserver that is disabled, then an account that is suspended: alerts wait with the reason
    shown, and arrive once when that is over."""
    other = World(limits=True)  # of its own, since it is restarted
    try:
        config = other.server.data / "homeserver.yaml"
        text = config.read_text()
        bot = other.bot()
        ops = bot.ids["ops"]

        def refused(run, words):
            bot.call(node(run, app=run.replace("run", "app")))
            end = time.monotonic() + 60
            while words not in (bot.call({"op": "status"})["held"] or ""):
                check(time.monotonic() < end, str(bot.call({"op": "status"})))
                time.sleep(0.1)  # status has no event to wait for

        def arrives(run):
            other.reader.wait(lambda: run in runs_in(other, ops), 60)
            check(runs_in(other, ops).count(run) == 1, "it is there twice")
            check(bot.call({"op": "status"})["undeliverable"] == 0, "something is undeliverable")

        bot.call(node("run-held-0", app="app-held-0"))
        arrives("run-held-0")
        for flag, words in (("hs_disabled: true\nhs_disabled_message: 'closed today'\n", "closed today"),
                            ("limit_usage_by_mau: true\nmax_mau_value: 0\n", "M_RESOURCE_LIMIT_EXCEEDED")):
            other.server.kill()
            config.write_text(text + flag)
            other.server.start()
            refused(f"run-held-{len(words)}", words)
            other.server.kill()
            config.write_text(text)
            other.server.start()
            arrives(f"run-held-{len(words)}")
        admin = other.server.register("admin", admin=True)["access_token"]
        path = f"/_synapse/admin/v1/suspend/{quote(bot_user(other))}"
        other.server.call("PUT", path, {"suspend": True}, admin)
        refused("run-held-3", "M_USER_SUSPENDED")
        other.server.call("PUT", path, {"suspend": False}, admin)
        arrives("run-held-3")
        bot.stop()
    finally:
        other.close()


def test_tokens_that_expire(world):
    """First the stored token ends (soft logout: in by password, same device), then one after the
    other of those that can be refreshed: nothing is lost, and the device stays the same."""
    if "MTB_HOMESERVER" in os.environ:
        raise Skip("needs a homeserver whose tokens expire")
    server = Synapse(extra="refreshable_access_token_lifetime: 3s\nnonrefreshable_access_token_lifetime: 4s\n")
    try:
        account = server.register("bot")
        reader_account = server.register("reader")
        login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": reader_account["user_id"]},
                 "password": "pw"}
        token = server.call("POST", "/_matrix/client/v3/login", login)["access_token"]
        room = server.call("POST", "/_matrix/client/v3/createRoom",
                           {"preset": "public_chat", "room_alias_name": "ops"}, token)["room_id"]
        first = server.call("POST", "/_matrix/client/v3/login", {
            **login, "identifier": {"type": "m.id.user", "user": account["user_id"]}})
        bot = Bot(server.url, account["user_id"], first["access_token"], {"ops": room, "dev": room},
                  "[encryption]\npassword_command = echo pw\n[delivery]\nthrottle = 0\nstorm = 0\n")
        bot.start()

        def there():
            token = server.call("POST", "/_matrix/client/v3/login", login)["access_token"]
            chunk = server.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/messages?dir=b&limit=100", None, token)
            return [e["content"].get("body", "") for e in chunk["chunk"] if e["type"] == "m.room.message"]
        end = time.monotonic() + 14
        count = 0
        while time.monotonic() < end:
            check(bot.call(node(f"run-exp-{count}", app=f"app_{count}"))["ok"], "refused")
            count += 1
            time.sleep(0.5)  # tokens end by the clock alone
        while sum("run-exp-" in body for body in there()) < count:
            check(time.monotonic() < end + 30, f"{len(there())} of {count} arrived")
            time.sleep(0.2)
        check(sum("run-exp-" in body for body in there()) == count, f"something is there twice: {there()}")
        text = bot.log.read_text()
        check("logged in by password, with the same device" in text, text[-2000:])
        check(text.count("logged in by password") == 1, "refreshing did not work: " + text[-2000:])
        bot.stop()
    finally:
        server.close()


def test_counts_of_grouped_messages(world):
    """What is counted in the messages is what was handed in: nothing is merged away."""
    bot = world.bot()
    client = bot.client()
    sent = {}
    for i in range(120):
        name = f"node_{i % 6}"
        client.send(node(f"run-count-{i}", name))
        sent[name] = sent.get(name, 0) + 1
    check(all(client.receive()["ok"] for _ in range(120)), "not all acknowledged")

    def counts():
        found = {}
        for m in world.reader.messages(bot.ids["ops"]):
            for entry in m["data"]["entries"]:
                found[entry["identity"]] = found.get(entry["identity"], 0) + entry["count"]
        return found
    world.reader.wait(lambda: counts() == sent, 30)
    bot.stop()


def test_watch_when_the_bot_is_killed(world):
    """Told in the room, by exec and by a second account; and so is that it is back."""
    second = world.server.register(f"second-{world.mark}")
    alias, second_id = world.room("second")
    at, _ = due_next(25)
    bot = world.bot(f"[heartbeat]\nat = {at:%H:%M}\ngrace = 10s\n")
    account = world.server.register(f"watcher-{world.mark}")
    ops = bot.ids["ops"]
    watcher = Watcher(world.server.url, account["user_id"], account["access_token"], ops,
                      world.bot_account["user_id"], at, "2s", meta=f"""
homeserver = {world.server.url}
user = {second["user_id"]}
token_file = second-token
second_room = {alias}""")
    token = watcher.folder / "second-token"
    token.write_text(second["access_token"] + "\n")
    token.chmod(0o600)
    found = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "check", "-c", watcher.config],
                           capture_output=True, text=True, timeout=60)
    check("✓ [meta] exec" in found.stdout and "✓ [meta] account" in found.stdout, found.stdout)
    watcher.start()
    watcher.wait_state(lambda s: s.get("ok_ms"))
    check(watcher.state()["from_ms"] < at.timestamp() * 1000, "too slow a start for this test")
    bot.wait_stored("heartbeat.since_ms", lambda value: value)
    check(watcher.check()[0] == 0, str(watcher.check()))
    bot.kill()

    def told(sender, mark):
        return [m["content"]["body"] for m in world.reader.messages(ops)
                if m["event"]["sender"] == sender["user_id"] and mark in m["content"]["body"]]
    world.reader.wait(lambda: told(account, "🚨"), 180)
    check("· due " in told(account, "🚨")[0], str(told(account, "🚨")))
    watcher.wait_told(lambda texts: "🚨" in texts[0] if texts else False)
    world.reader.wait(lambda: "🚨" in world.reader.text(second_id), 60)
    check(world.reader.messages(second_id)[0]["event"]["sender"] == second["user_id"], "not by the second account")
    check(watcher.check()[0] == 2, str(watcher.check()))
    bot.start()
    world.reader.wait(lambda: told(account, "is back"), 60)
    watcher.wait_told(lambda texts: len(texts) == 2)
    check("✅" in watcher.told()[1], str(watcher.told()))
    world.reader.wait(lambda: "is back" in world.reader.text(second_id), 60)
    check(watcher.check()[0] == 0, str(watcher.check()))
    check(len(told(account, "")) == 2, str(told(account, "")))
    watcher.stop()
    bot.stop()


def main():
    try:
        world = World()
    except (OSError, RuntimeError) as error:
        print(f"skip real: no Synapse to be had: {error}")
        return
    failed = run_tests(globals(), world)
    world.close()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
