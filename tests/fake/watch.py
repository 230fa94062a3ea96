"""The watcher of a heartbeat, against a homeserver that is not always there."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time

from bot import BUILD, Bot
from harness import check
from homeserver import Homeserver
from watcher import Watcher, due_ago, due_next, heartbeat, ms_ago

OPS, DEV = "!ops:fake.local", "!dev:fake.local"
BOT, OTHER = "@telemetry:fake.local", "@other:fake.local"


def make(at, grace="1s", extra="", meta=""):
    server = Homeserver()
    meta = meta.replace("SERVER", server.url)
    watcher = Watcher(server.url, server.USER, "good", "#ops:fake.local", BOT, at, grace, extra, meta)
    watcher.server = server
    return server, watcher


def make_seeded(grace="1s", **more):
    """One that has watched for days when a heartbeat was due minutes ago; not started."""
    at, date = due_ago(150)
    server, watcher = make(at, grace, **more)
    watcher.start()
    look_until(server, watcher, lambda: watcher.state().get("ok_ms"))
    watcher.stop()
    with sqlite3.connect(watcher.folder / "operations.db") as database:  # a homeserver has no empty answers to catch up on
        database.execute("UPDATE state SET value = ? WHERE name = 'sync.since'", (str(len(server.batches)),))
    database.close()
    watcher.seed(from_ms=ms_ago(3 * 86400), back_ms=ms_ago(86400), ok_ms=ms_ago(220),
                 mark_ms=ms_ago(220), awake_ms=ms_ago(86400))
    return server, watcher, date


def look_until(server, watcher, condition, seconds=60):
    """Answers of /sync with nothing in them, until something happened."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{watcher.state()}\n{watcher.log.read_text()[-3000:]}")
        tell(server)
        time.sleep(0.1)


def grace_is_over(watcher):
    """It looked once more, longer after the view began than the grace of 1s."""
    state = watcher.state()
    return state["ok_ms"] >= max(state["back_ms"], state["awake_ms"]) + 1500


def event(event_id, content, sender=BOT, kind="m.room.message"):
    return {"type": kind, "event_id": event_id, "sender": sender, "origin_server_ts": ms_ago(0),
            "content": content}


def tell(server, *events, room=OPS, **timeline):
    server.tell(join={room: {"timeline": {"events": list(events), **timeline}}})


def alarms(texts):
    return [text for text in texts if "🚨" in text]


def test_watch_missing_and_back():
    server, watcher, date = make_seeded(meta="ping_url = SERVER/ping")
    watcher.start()
    look_until(server, watcher, lambda: alarms(server.bodies(OPS)))
    watcher.wait_told(alarms)
    body = server.bodies(OPS)[0]
    check(f"No heartbeat from {BOT} · due " in body and "#ops:fake.local" in body, body)
    check(server.timeline[0][1]["content"]["msgtype"] == "m.text", str(server.timeline))
    check(watcher.told() == server.bodies(OPS), f"{watcher.told()} is not {server.bodies(OPS)}")
    watcher.kill()
    watcher.start()
    before = watcher.state()["ok_ms"]
    look_until(server, watcher, lambda: watcher.state()["ok_ms"] > before)
    check(not any(path == "/ping" for _, path, _ in server.requests), "pinged without a heartbeat")
    tell(server, event("$h", heartbeat(date)))
    server.wait(lambda: len(server.bodies(OPS)) == 2)
    server.wait(lambda: any(path == "/ping" for _, path, _ in server.requests))
    watcher.wait_told(lambda told: len(told) == 2)
    check(f"{BOT} is back: its heartbeat due " in server.bodies(OPS)[1], str(server.bodies(OPS)))
    check(watcher.told() == server.bodies(OPS), f"{watcher.told()} is not {server.bodies(OPS)}")
    watcher.stop()
    server.shut()


def test_watch_forgets_what_is_old():
    """Its own database does not grow for ever either."""
    server, watcher, _ = make_seeded()
    database = sqlite3.connect(watcher.folder / "operations.db")
    for age in (100, 1):
        database.execute("INSERT INTO calls (at_ms, id, what, room, duration_ms, latency_ms, result, http_status) "
                         "VALUES (?, 1, 'old', 'ops', 1, 1, 'ok', 200)", (ms_ago(age * 86400),))
    database.commit()
    watcher.start()
    look_until(server, watcher, lambda: database.execute(
        "SELECT count(*) FROM calls WHERE what = 'old'").fetchone() == (1,))
    database.close()
    watcher.stop()
    server.shut()


def test_watch_takes_no_other_message():
    """Neither from others, nor of other days, nor edits; and it obeys nobody."""
    server, watcher, date = make_seeded(extra=f"[commands]\nusers = {OTHER} {BOT}\n")
    tell(server,
         event("$1", heartbeat(date), sender=OTHER),
         event("$2", heartbeat("2020-01-01", due_ms=1577847601000)),
         event("$3", heartbeat("9999-01-01")),
         event("$4", {**heartbeat(date), "m.relates_to": {"rel_type": "m.replace", "event_id": "$2"}}),
         event("$5", {"msgtype": "m.text", "body": f"heartbeat {date}"}),
         event("$6", heartbeat(date), kind="m.reaction"),
         event("$7", heartbeat(date), sender=server.USER),
         event("$8", {"msgtype": "m.text", "body": "!help"}, sender=OTHER),
         event("$9", {**heartbeat(date), "org.matrix-telemetry-bot.alert": {"heartbeat": date}}))
    tell(server, event("$10", heartbeat(date)), room=DEV)
    watcher.start()
    look_until(server, watcher, lambda: alarms(server.bodies(OPS)))
    state = watcher.state()
    check(state["seen"] == "2020-01-01" and state["alarm"] == date, str(state))
    check(len(server.timeline) == 1, f"it answered: {server.timeline}")
    check("set [heartbeat] at and timezone as in the bot's config" in watcher.log.read_text(), "no word of the odd time")
    watcher.stop()
    server.shut()


def test_watch_fills_a_limited_timeline():
    server, watcher, date = make_seeded()
    server.timeline.append((OPS, event("$h", heartbeat(date))))
    tell(server, event("$talk", {"msgtype": "m.text", "body": "…"}, sender=OTHER), limited=True,
         prev_batch="before")
    watcher.start()
    watcher.wait_state(lambda s: s["seen"] == date)
    look_until(server, watcher, lambda: grace_is_over(watcher))
    watcher.stop()
    check(not watcher.told() and len(server.timeline) == 1, f"{watcher.told()} {server.timeline}")
    server.shut()


def test_watch_while_the_homeserver_is_down():
    """That it cannot be seen is told elsewhere, once; what was in the room meanwhile counts."""
    server, watcher, date = make_seeded()
    watcher.seed(mark_ms=ms_ago(1))
    server.shut()
    watcher.start()
    watcher.wait_told(lambda told: told)
    check("⚠️ The watcher cannot read #ops:fake.local" in watcher.told()[0] and BOT in watcher.told()[0], str(watcher.told()))
    watcher.stop()
    watcher.start()
    tell(server, event("$h", heartbeat(date)))
    server.open()
    watcher.wait_told(lambda told: len(told) == 2)
    check("✅ The watcher can read #ops:fake.local again" in watcher.told()[1], str(watcher.told()))
    look_until(server, watcher, lambda: grace_is_over(watcher))
    state = watcher.state()
    check(state["seen"] == date and not state["alarm"] and not state["blind_ms"], str(state))
    check(len(watcher.told()) == 2 and not server.timeline, f"{watcher.told()} {server.timeline}")
    watcher.stop()
    server.shut()


def test_watch_while_the_room_is_shut():
    """The homeserver answers, but the watcher is not in the room: that is not "missing" either."""
    server, watcher, date = make_seeded()
    watcher.seed(mark_ms=ms_ago(1), awake_ms=ms_ago(118))  # blind in two seconds
    server.trick("POST", "/join/", lambda r: r.reply(403, {"errcode": "M_FORBIDDEN", "error": "not invited"}), -1)
    server.trick("GET", "/sync", lambda r: r.reply(200, {
        "next_batch": "0", "rooms": {"leave": {"!ops:fake.local": {"timeline": {"events": []}}}}}), 1)
    watcher.start()
    watcher.wait_told(lambda told: told)
    check("cannot read" in watcher.told()[0] and "not invited" in watcher.told()[0], str(watcher.told()))
    check(not alarms(watcher.told()), str(watcher.told()))
    watcher.stop()
    server.shut()


def test_watch_check_for_nagios():
    at, date = due_ago(150)
    server, watcher = make(at)
    code, line = watcher.check()
    check(code == 2 and line.startswith("CRITICAL: no watcher has used") and "\n→ start it: " in line, f"{code} {line}")
    watcher.start()
    look_until(server, watcher, lambda: watcher.state().get("ok_ms"))
    code, line = watcher.check()
    check(code == 0 and line.startswith("OK: no heartbeat seen yet, next one due at"), f"{code} {line}")
    tell(server, event("$h", heartbeat(date)))
    watcher.wait_state(lambda s: s["seen"] == date)
    code, line = watcher.check()
    check(code == 0 and "last heartbeat seen at" in line, f"{code} {line}")
    code, line = watcher.check("--json")
    check(code == 0 and json.loads(line)["ok"] is True and json.loads(line)["seen"] == date, f"{code} {line}")
    watcher.stop()
    watcher.seed(ok_ms=ms_ago(200))
    code, line = watcher.check()
    check(code == 1 and line.startswith("WARNING: the watcher is running, but has not been able to read the room since"), f"{code} {line}")
    watcher.seed(ok_ms=ms_ago(70), problem="not invited")
    code, line = watcher.check()
    check(code == 1 and "has not been able to read the room since" in line and
          line.endswith(": not invited\n→ run `matrix-telemetry-bot check` with the watcher's config\n"), f"{code} {line}")
    watcher.seed(ok_ms=0, problem="not invited")
    code, line = watcher.check()
    check(code == 1 and "has never read the room: not invited" in line, f"{code} {line}")
    watcher.seed(ok_ms=ms_ago(1), problem="")
    database = sqlite3.connect(watcher.folder / "operations.db", isolation_level=None)
    database.execute("INSERT INTO undecrypted VALUES (1, ?, 0, 0, 'ops', ?, '$e', '{}')", (ms_ago(5), OPS))
    code, line = watcher.check()
    check(code == 1 and line.startswith("WARNING: the watcher cannot decrypt 1 message"), f"{code} {line}")
    database.execute("DELETE FROM undecrypted")
    database.close()
    watcher.seed(alarm=date, alarm_ms=ms_ago(100))
    code, line = watcher.check()
    check(code == 2 and f"no heartbeat from {BOT} for {date}" in line and "\n→ look at the bot: " in line, f"{code} {line}")
    watcher.seed(mark_ms=ms_ago(200))
    code, line = watcher.check()
    check(code == 2 and "the watcher is not running" in line, f"{code} {line}")
    code, line = watcher.check("--no-such-thing")
    check(code == 3, f"{code} {line}")
    done = watcher.run("watch", "--check-config")
    check(done.returncode == 0 and not done.stderr, str(done))
    watcher.config.write_text(watcher.config.read_text().replace("sender =", "#sender ="))
    done = watcher.run("watch", "--check-config")
    check(done.returncode == 78 and "sender is missing" in done.stderr, str(done))
    watcher.config.write_text("[matrix]\n")
    done = watcher.run("watch", "--check-config")
    check(done.returncode == 78 and "homeserver" in done.stderr, str(done))
    code, line = watcher.check()
    check(code == 3 and line.startswith("UNKNOWN: bad config"), f"{code} {line}")
    server.shut()


def test_watch_wants_a_sender():
    server, watcher = make(due_next()[0])
    text = watcher.config.read_text()
    for bad, hint in ((text.replace(f"sender = {BOT}\n", ""), "sender is missing"),
                      (text.replace(f"sender = {BOT}", f"sender = {server.USER}"), "own account")):
        watcher.config.write_text(bad)
        done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "watch", "-c", watcher.config],
                              capture_output=True, text=True, timeout=30)
        check(done.returncode == 78 and hint in done.stderr, str(done))
        code, line = watcher.check()
        check(code == 3 and hint in line, f"{code} {line}")
    server.shut()


def test_watch_reload():
    """A good config counts at once; one without a sender is rejected, and the previous one stays."""
    server, watcher, date = make_seeded()
    watcher.start()
    good = watcher.config.read_text()
    for text, line in ((good.replace(f"sender = {BOT}\n", ""), "keeping the previous configuration"),
                       (good.replace(f"sender = {BOT}", f"sender = {OTHER}"), "config reloaded")):
        watcher.config.write_text(text)
        before = watcher.log.read_text().count(line)
        watcher.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 30
        while watcher.log.read_text().count(line) == before:
            check(time.monotonic() < end, f"not in the log: {line}")
            time.sleep(0.02)  # a log has no event to wait for
    tell(server, event("$h", heartbeat(date), sender=OTHER))
    watcher.wait_state(lambda s: s["seen"] == date)
    watcher.stop()
    server.shut()


def test_watch_reload_in_every_phase_of_the_start():
    for i in range(10):
        server, watcher = make(due_next()[0])
        watcher.start(wait=False)
        deadline = time.monotonic() + 30
        while not (watcher.folder / "operations.db.lock").exists():
            check(time.monotonic() < deadline and watcher.process.poll() is None, "does not start")
        time.sleep(0.003 * i)  # the phase
        watcher.process.send_signal(signal.SIGHUP)
        server.wait(lambda: any("/sync" in path for _, path, _ in server.requests))
        watcher.stop()
        server.shut()


def test_watch_tells_systemd():
    server, watcher = make(due_next()[0])
    path = watcher.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(watcher.log, "ab") as out:
        ready.bind(str(path))
        ready.settimeout(60)
        watcher.process = subprocess.Popen(
            [BUILD / "bot/matrix-telemetry-bot", "watch", "-c", watcher.config], stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"})
        Bot.started.append(watcher.process)
        missing = {b"READY=1", b"WATCHDOG=1", b"STATUS=online"}
        while missing:
            missing -= set(ready.recv(4096).splitlines())
        watcher.stop()
        while b"STOPPING=1" not in ready.recv(4096):
            pass
    server.shut()
