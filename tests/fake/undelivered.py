"""What the other channels of [meta] hear when a critical alert is not in its room in time."""
import re
import subprocess

from bot import BUILD
from commands import OPS, in_touch, make
from harness import check, until

DEV = "!dev:fake.local"


def told(bot):
    """What `exec` was given until now."""
    file = bot.folder / "told"
    return file.read_text() if file.exists() else ""


def make_meta():
    server, bot = make("[meta]\nundelivered = 1s\nexec = EXEC\n")
    command = bot.folder / "hear"
    command.write_text(f"#!/bin/sh\ncat >> {bot.folder}/told\n")
    command.chmod(0o755)
    bot.config.write_text(bot.config.read_text().replace("EXEC", str(command)))
    return server, bot


def critical(title):
    return {"op": "alert", "app": "etl", "severity": "critical", "title": title}


def test_undelivered_alerts_are_told_elsewhere():
    server, bot = make_meta()
    server.trick("PUT", "/rooms/!ops.*/send/", lambda r: r.reply(500, {"errcode": "M_UNKNOWN", "error": "down"}), -1)
    bot.start()
    in_touch(server)
    bot.call(critical("disk"))
    bot.call({**critical("slow"), "severity": "warning"})
    until(lambda: "etl · disk" in told(bot), "the other channel")
    bot.stop()
    bot.start()  # it is not told again
    server.tricks.clear()
    server.wait(lambda: any("disk" in body for body in server.bodies(OPS)))
    until(lambda: "✅ 1 critical alert that was late is in its room now" in told(bot), "the recovery")
    check(told(bot).count("etl · disk") == 1 and "slow" not in told(bot), told(bot))
    done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "test", "undelivered"],
                          capture_output=True, text=True)
    check(done.returncode == 0 and "exec, second account (not configured)" in done.stdout, str(done))
    until(lambda: told(bot).count("not in its room yet") == 2, "the test")
    until(lambda: told(bot).count("✅ 1 critical alert that was late is in its room now") == 2, "its recovery")
    bot.stop()
    server.shut()


def test_what_is_for_a_room_removed_from_the_config_moves():
    """Frozen, to be edited in, and never tried; and what waits for a room that nobody has is given up."""
    server, bot = make("[route]\ninfo = ghost\n[rooms]\nghost = #ghost:fake.local\n")
    warning = {"op": "alert", "severity": "warning"}
    bot.start()
    in_touch(server)
    bot.call({**warning, "app": "one", "title": "told"})
    server.wait(lambda: server.bodies(DEV))
    server.trick("PUT", "/rooms/!dev.*/send/", lambda r: r.reply(503, {}), -1)
    bot.call({**warning, "app": "two", "title": "frozen"})
    server.wait(lambda: len(server.sends(DEV)) >= 2)
    bot.call({**warning, "app": "one", "title": "edited in"})
    bot.call({**warning, "app": "three", "title": "queued"})
    ghost = bot.call({"op": "alert", "app": "four", "severity": "info", "title": "for nobody"})["alert"]
    waiter = bot.client()
    waiter.send({"op": "wait", "alert": ghost, "timeout_ms": 60000})
    problems = bot.call({"op": "status"})["problems"]
    found = [p for p in problems if "ghost" in p["text"]]
    check(found and "1 waiting" in found[0]["text"], str(problems))
    number = int(re.search(r"discard (\d+)", found[0]["fix"]).group(1))
    check(bot.call({"op": "discard", "id": number})["ok"], "not discarded")
    waiter.socket.settimeout(30)  # at once, not at the time-out
    check(waiter.receive()["error"] == "discarded", "who waits is not told")
    waiter.close()
    check(bot.call({"op": "wait", "alert": ghost, "timeout_ms": 60000})["error"] == "discarded", "waiting for nothing")
    bot.config.write_text(bot.config.read_text().replace("dev = #dev:fake.local\n", "")
                          .replace("[route]\n", "[route]\nwarning = ops\n"))
    server.tricks.clear()
    check(bot.call({"op": "reload"})["ok"], "not reloaded")
    server.wait(lambda: all(any(text in body for body in server.bodies(OPS))
                            for text in ("frozen", "edited in", "queued")))
    check(len(server.bodies(DEV)) == 1, str(server.bodies(DEV)))
    until(lambda: bot.call({"op": "status"})["waiting"] == 0, "the queue")
    check(not any("for nobody" in body for body in server.bodies(OPS)), "it was discarded")
    bot.stop()
    server.shut()
