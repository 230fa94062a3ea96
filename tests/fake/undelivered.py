"""What the other channels of [meta] hear when a critical alert is not in its room in time."""
import subprocess

from bot import BUILD
from commands import OPS, in_touch, make
from harness import check, until


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
    until(lambda: "recovered, 1 critical alert" in told(bot), "the recovery")
    check(told(bot).count("etl · disk") == 1 and "slow" not in told(bot), told(bot))
    done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "test", "undelivered"],
                          capture_output=True, text=True)
    check(done.returncode == 0 and "exec, second account (not configured)" in done.stdout, str(done))
    until(lambda: told(bot).count("not in its room yet") == 2, "the test")
    until(lambda: told(bot).count("recovered, 1 critical alert") == 2, "its recovery")
    bot.stop()
    server.shut()
