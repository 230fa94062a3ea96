"""A week of days of the real daemon under a faked wall clock, read by a second account."""
import re
import sqlite3

from harness import check, until
from wallclock import Clock, seconds

KEY = "org.matrix-telemetry-bot.alert"


def looked(bot, text):
    """The bot has looked at what is due since its clock shows this: a leap leaves a mark."""
    def alive():
        db = sqlite3.connect(bot.folder / "operations.db")
        row = db.execute("SELECT value FROM state WHERE name = 'alive_ms'").fetchone()
        db.close()
        return row and int(row[0]) >= seconds(text) * 1000 and int(row[0]) < seconds(text) * 1000 + 600000
    until(alive, "a look", 90)


def test_a_week_of_heartbeats(world):
    """Madrid, 26 March to 1 April 2026: the night of the 29th has 23 hours, on the 30th the bot is
    down at nine, on the 31st the clock is set back after nine."""
    bot = world.bot("[heartbeat]\ntimezone = Europe/Madrid\n[meta]\nexec = EXEC\nroom = dev\n", start=False)
    told, script = bot.folder / "told", bot.folder / "tell"
    script.write_text(f"#!/bin/sh\n{{ cat; echo; echo ==; }} >> {told}\n")
    script.chmod(0o755)
    bot.config.write_text(bot.config.read_text().replace("EXEC", str(script)))
    clock = Clock("2026-03-25T12:00:00+01:00")
    bot.environment = clock.environment

    def beats():
        found = [m["data"]["heartbeat"] for m in world.reader.messages(bot.ids["ops"])
                 if "heartbeat" in (m["data"] or {})]
        return [(beat["date"], beat["late"]) for beat in found]

    def nine(date, offset, count):
        clock.set(f"{date}T08:59:57{offset}")
        world.reader.wait(lambda: len(beats()) >= count, 90)
        check(beats()[-1] == (date, False), str(beats()))
        # read in the room is not yet confirmed to the bot, and its clock leaps next
        until(lambda: not bot.call({"op": "status"})["waiting"], "the homeserver's answer", 90)

    bot.start()
    looked(bot, "2026-03-25T12:00:00+01:00")
    nine("2026-03-26", "+01:00", 1)
    clock.set("2026-03-27T08:30:00+01:00")  # half an hour early is not yet
    looked(bot, "2026-03-27T08:30:00+01:00")
    check(len(beats()) == 1, str(beats()))
    nine("2026-03-27", "+01:00", 2)
    nine("2026-03-28", "+01:00", 3)
    clock.set("2026-03-29T08:30:00+02:00")  # 07:30 in winter's time
    looked(bot, "2026-03-29T08:30:00+02:00")
    check(len(beats()) == 3, str(beats()))
    nine("2026-03-29", "+02:00", 4)
    check(not told.exists(), told.exists() and told.read_text())

    clock.set("2026-03-30T08:00:00+02:00")
    looked(bot, "2026-03-30T08:00:00+02:00")
    bot.stop()
    clock.set("2026-03-30T10:30:00+02:00")
    bot.start()
    world.reader.wait(lambda: len(beats()) >= 5, 90)
    check(beats()[-1] == ("2026-03-30", True), str(beats()))
    until(lambda: told.exists() and told.read_text().endswith("==\n"), "the alarm by exec", 90)
    alarm = told.read_text()
    check("due Mon 30 Mar 09:00 CEST" in alarm, alarm)
    check(re.search(r"The bot was down 2h \d+m \(08:0\d–10:3\d CEST\)", alarm), alarm)
    world.reader.wait(lambda: "The bot was down" in world.reader.text(bot.ids["dev"]), 90)
    check("the 09:00 heartbeat is late" in world.reader.text(bot.ids["ops"]), world.reader.text(bot.ids["ops"]))

    nine("2026-03-31", "+02:00", 6)
    clock.set("2026-03-31T08:30:00+02:00")
    looked(bot, "2026-03-31T08:30:00+02:00")
    clock.set("2026-03-31T09:00:30+02:00")
    looked(bot, "2026-03-31T09:00:30+02:00")
    check(bot.call({"op": "heartbeat", "action": "now"})["ok"], "no extra one")
    world.reader.wait(lambda: any("extra_heartbeat" in (m["data"] or {})
                                  for m in world.reader.messages(bot.ids["ops"])), 90)  # behind all others
    check(len(beats()) == 6, str(beats()))
    nine("2026-04-01", "+02:00", 7)
    bot.stop()
    check([date for date, _ in beats()] == [f"2026-03-{day}" for day in range(26, 32)] + ["2026-04-01"],
          str(beats()))
    check(told.read_text().count("==") == 1, told.read_text())
