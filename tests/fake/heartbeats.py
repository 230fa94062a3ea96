"""Signs of life: the bot's own under a faked wall clock, and those of apps."""
import random
import sqlite3
import subprocess
import time

import commands
from bot import BUILD, Bot
from harness import check, until
from homeserver import Homeserver
from wallclock import Clock

OPS, DEV = "!ops:fake.local", "!dev:fake.local"
SEND = "/rooms/!ops.*/send/"


def make(extra, now=None):
    server = Homeserver()
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"}, extra)
    bot.server = server
    bot.told = bot.folder / "told"
    script = bot.folder / "tell"
    script.write_text(f"#!/bin/sh\n{{ cat; echo; echo ==; }} >> {bot.told}\n")
    script.chmod(0o755)
    bot.config.write_text(bot.config.read_text().replace("EXEC", str(script)).replace("URL", server.url))
    if now:
        bot.clock = Clock(now)
        bot.environment = bot.clock.environment
    return server, bot


def told(bot):
    return bot.told.read_text().split("\n==\n")[:-1] if bot.told.exists() else []


def heartbeats(server):
    return [event["content"]["org.matrix-telemetry-bot.alert"]["heartbeat"] for _, event in server.timeline
            if "heartbeat" in event["content"].get("org.matrix-telemetry-bot.alert", {})]


def confirmed(bot):
    db = sqlite3.connect(bot.folder / "operations.db")
    rows = db.execute("SELECT date FROM heartbeats WHERE confirmed_ms > 0").fetchall()
    db.close()
    return [date for date, in rows]


def test_heartbeat_unconfirmed_then_late():
    """Unreachable at the time: told once after grace; it arrives when it can, and is confirmed."""
    server, bot = make("[heartbeat]\ngrace = 15s\n[meta]\nexec = EXEC\nping_url = URL/ping\n",
                       "2026-11-24T08:58:00+00:00")
    bot.start()
    bot.call({"op": "alert", "app": "a", "title": "before"})
    server.wait(lambda: server.timeline)
    server.trick("PUT", SEND, lambda r: r.reply(503, {}), -1)
    bot.clock.set("2026-11-24T08:59:58+00:00")
    until(lambda: told(bot), "the alarm", 60)
    check("No heartbeat from @bot:fake.local · due Tue 24 Nov 09:00 UTC" in told(bot)[0], told(bot)[0])
    check("has not confirmed it" in told(bot)[0] and "503" in told(bot)[0], told(bot)[0])
    check(not [r for r in server.requests if r[1] == "/ping"], "pinged before it was confirmed")
    status = bot.call({"op": "status"})
    check("not confirmed yet, was reported as missing" in status["text"], status["text"])
    with server.changed:
        server.tricks.clear()
    server.wait(lambda: heartbeats(server), 90)
    server.wait(lambda: [r for r in server.requests if r[1] == "/ping"], 60)
    check(confirmed(bot) == ["2026-11-24"], str(confirmed(bot)))
    check(heartbeats(server)[0]["date"] == "2026-11-24" and not heartbeats(server)[0]["late"],
          str(heartbeats(server)))
    bot.stop()
    bot.start()
    until(lambda: bot.call({"op": "heartbeat"})["ok"], "a second start", 60)
    bot.stop()
    check(len(told(bot)) == 1, str(told(bot)))
    check(len(heartbeats(server)) == 1, str(heartbeats(server)))
    check(len([r for r in server.requests if r[1] == "/ping"]) == 1, "pinged twice")
    server.shut()


def test_heartbeat_with_kills_around_its_time():
    """kill -9 at any moment: one heartbeat of each date."""
    server, bot = make("", "2026-11-20T12:00:00+00:00")
    rng = random.Random(5)
    bot.start()
    bot.call({"op": "alert", "app": "a", "title": "before"})
    server.wait(lambda: server.timeline)
    for day in (21, 22):
        bot.clock.set(f"2026-11-{day}T08:59:57+00:00")
        if day == 22:
            server.trick("PUT", SEND, lambda r: (r.proceed(silent=True), r.reset()), 1)
        for _ in range(3):
            with server.changed:
                server.changed.wait_for(lambda: len(heartbeats(server)) == day - 20, rng.uniform(0.5, 4))
            bot.kill()
            bot.start()
        server.wait(lambda: len(heartbeats(server)) == day - 20, 60)
        until(lambda: f"2026-11-{day}" in confirmed(bot), "confirmed", 60)
    check([beat["date"] for beat in heartbeats(server)] == ["2026-11-21", "2026-11-22"],
          str(heartbeats(server)))
    bot.stop()
    server.shut()


def test_heartbeat_of_an_app():
    """Missed: critical, once; back: resolved. Over the socket, with what subscribers are told."""
    server, bot = make("[delivery]\nthrottle = 0\n")
    bot.start()
    beat = {"op": "heartbeat", "app": "data_factory", "every": "10s", "grace": "1s"}
    listener = bot.client()
    listener.call({"op": "subscribe"})
    answer = bot.call(beat)
    check(answer["ok"] and answer["state"] == "new" and answer["due_ms"] > time.time() * 1000, str(answer))
    bad = bot.call({"op": "heartbeat", "app": "data_factory", "every": "soon"})
    check(bad["field"] == "every" and not bad["ok"], str(bad))
    server.wait(lambda: server.timeline, 60)
    body = server.timeline[0][1]["content"]["body"]
    check(body.startswith("🚨 data_factory · heartbeat missed (last seen ") and ", every 10 s)" in body,
          body)
    answer = bot.call({"op": "heartbeat"})
    check("🚨 data_factory · every 10 s, received " in answer["text"] and "missed since" in answer["text"],
          answer["text"])
    check(answer["apps"][0]["missed"] and answer["next_ms"] > 0, str(answer))
    check(bot.call(beat)["state"] == "back", "not back")
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)), 60)
    states = []
    while states[-1:] != ["back"]:
        event = listener.receive()
        if event["event"] == "heartbeat":
            states.append(event["state"])
    check(states == ["new", "missed", "back"], str(states))
    command = [BUILD / "bot/matrix-telemetry-bot", "-c", bot.config]
    extra = subprocess.run([*command, "heartbeat", "now"], capture_output=True, text=True, timeout=60)
    check(extra.returncode == 0 and "Heartbeat on request" in extra.stdout, str(extra))
    server.wait(lambda: any(body.startswith("💓 Running") for body in server.bodies(OPS)), 60)
    check(not heartbeats(server), "an extra one passes for the day's")
    check(bot.call({**beat, "stop": True})["state"] == "stopped", "not stopped")
    bot.call({**beat, "name": "x"})
    gone = bot.call({"op": "heartbeat", "action": "stop", "app": "data_factory", "name": "x"})
    check(gone["ok"] and "data_factory · x" in gone["text"], str(gone))
    gone = bot.call({"op": "heartbeat", "action": "stop", "app": "data_factory", "name": "x"})
    check(not gone["ok"] and "No heartbeat of that name is registered" in gone["message"], str(gone))
    listener.close()
    bot.stop()
    server.shut()


def send(bot, *args):
    return subprocess.run([BUILD / "bot/client/matrix-send-message", "-c", bot.config, *args],
                          capture_output=True, text=True, timeout=60)


def test_heartbeat_out_of_the_spool():
    """By matrix-send-message: at once, or with the daemon down by the time it was said."""
    server, bot = make("[heartbeat]\ntimezone = Asia/Tokyo\n")
    bot.start()
    done = send(bot, "--heartbeat", "--app", "etl", "--every", "1h")
    check(done.returncode == 0 and done.stdout.startswith("new, the next one is due "), str(done))
    check(done.stdout.endswith(" JST\n"), f"not in the daemon's zone: {done.stdout}")
    done = send(bot, "--heartbeat", "--app", "etl", "--schedule", "0 25 * * *")
    check(done.returncode == 65 and "hour:" in done.stderr, str(done))
    check(send(bot, "--every", "1h", "text").returncode == 64, "--every without --heartbeat")
    check(send(bot, "--heartbeat", "--app", "a", "-k", "x").returncode == 64, "a heartbeat with a kind")
    bot.stop()
    before = int(time.time() * 1000)
    done = send(bot, "--heartbeat", "--app", "etl", "--name", "nightly", "--schedule", "0 3 * * *")
    check(done.returncode == 0 and done.stdout == "spooled\n", str(done))
    after = int(time.time() * 1000)
    bot.start()
    until(lambda: len(bot.call({"op": "heartbeat"})["apps"]) == 2, "out of the spool", 60)
    beat = bot.call({"op": "heartbeat"})["apps"][1]
    check(beat["name"] == "nightly" and before - 1000 <= beat["seen_ms"] <= after, str(beat))
    bot.stop()
    check(not list((bot.folder / "spool").iterdir()), "something is left in the spool")
    server.shut()


def test_heartbeat_database_is_locked():
    """What cannot even be written down is told by the other channels, once; then it goes on."""
    server, bot = make("[heartbeat]\ngrace = 1s\n[meta]\nexec = EXEC\n")
    bot.start()
    bot.call({"op": "alert", "app": "a", "title": "before"})
    server.wait(lambda: server.timeline)
    db = sqlite3.connect(bot.folder / "operations.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    until(lambda: told(bot), "the alarm", 120)
    db.execute("ROLLBACK")
    db.close()
    check("@bot:fake.local cannot work: its database" in told(bot)[0], told(bot)[0])
    until(lambda: bot.call({"op": "alert", "app": "a", "title": "after"})["ok"], "work again", 60)
    server.wait(lambda: any("after" in body for body in server.bodies(DEV)), 60)
    bot.stop()
    check(len(told(bot)) == 1, str(told(bot)))
    server.shut()


def test_heartbeat_in_the_room():
    server, bot = commands.make("[heartbeat]\ntimezone = Europe/Madrid\n")
    bot.start()
    commands.in_touch(server)
    bot.call({"op": "heartbeat", "app": "etl", "every": "1h"})
    commands.tell(server, commands.message("$list", "!heartbeat"), commands.message("$now", "!heartbeat now"),
                  commands.message("$what", "!heartbeat soon"), commands.message("$status", "!status"))
    listed = commands.answered(server, "$list", "Last: none yet")
    check("(in " in listed and "✅ etl · every 1h, received " in listed, listed)
    commands.answered(server, "$now", "Heartbeat on request, in room ops")
    commands.answered(server, "$what", "one of now|stop. Example: !heartbeat now")
    commands.answered(server, "$status")
    server.wait(lambda: any(body.startswith("💓 Running") for body in server.bodies(OPS)), 60)
    bot.stop()
    server.shut()
