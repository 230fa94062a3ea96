"""What the bot notices itself, a heartbeat that stays away and a watch, is an alert like any other:
escalated, acked, silenced, resolved, in `status`, and told in the configured zone."""
import signal
import sqlite3

from people import Place, check, until

STOCK = """
[watch stock]
database = stock.db
sql = SELECT name AS title FROM goods
severity = critical
every = 1s
"""


def hushed(place):
    """Its own messages: answers to !alerts name it too."""
    return [content["body"] for _, _, content, relates in place.op.events(place.ops)
            if "🚨 hushed · heartbeat missed" in content.get("body", "") and not relates]


def test_heartbeats_and_watches_are_alerts(world, secret):
    place = Place(world, secret, "[commands]\nremind = 0\n[heartbeat]\ntimezone = Asia/Tokyo\n"
                                 "[escalate lead]\nafter = 1s\nmention = room\n")
    bot = place.bot
    goods = sqlite3.connect(bot.folder / "stock.db", isolation_level=None)
    goods.execute("CREATE TABLE goods (name TEXT)")
    goods.execute("INSERT INTO goods VALUES ('apple')")
    bot.config.write_text(bot.config.read_text() + STOCK)
    bot.process.send_signal(signal.SIGHUP)
    listener = bot.client()
    listener.call({"op": "subscribe"})
    beat = {"op": "heartbeat", "app": "beat", "every": "10s", "grace": "1s"}
    check(" JST" in bot.call(beat)["text"], "not in the zone")
    bot.call({**beat, "app": "hushed"})
    place.ask("!silence app=hushed 1h", " JST (1h)")
    watch = place.event_of("stock · apple")
    missed = place.event_of("beat · heartbeat missed")
    check(" JST, every 10 s)" in place.shown("beat · heartbeat missed"), str(place.bodies()))
    for part in ("stock · apple", "beat · heartbeat"):
        place.op.wait(lambda: any("⏫" in b and part in b for b in place.bodies()), 60, f"not escalated: {part}")
    until(lambda: bot.call({"op": "status"})["app_heartbeats"]["missed"] == 2, "two are missed")
    said = place.ask("!status", "App heartbeats: 2, 2 missed", "Watches: 1, 1 firing", "🚨 2 unacknowledged",
                     "🔕 1 silence")
    check("UTC" not in said, said)
    place.react(missed, "✅")
    place.reply("!ack mine", watch)
    for part in ("heartbeat missed", "stock · apple"):
        place.op.wait(lambda: any("acknowledged by" in b and part in b for b in place.bodies()), 30, f"not acked: {part}")
    check("unacknowledged" not in place.ask("!status"), "acked ones are listed")
    check("UTC" not in place.ask("!alerts") + place.ask("!heartbeat") + place.ask("!silences"), "two zones")
    goods.execute("DELETE FROM goods")
    bot.call(beat)
    for part in ("beat · heartbeat", "stock · apple"):
        place.op.wait(lambda: any(" resolved after" in b and part in b for b in place.bodies()), 30, f"not over: {part}")
    check(not hushed(place), "what is silenced is shown")
    place.ask("!unsilence 1", "1 silenced", "Still firing:\n• hushed · heartbeat")
    place.op.wait(lambda: hushed(place), 60, "not told after the silence")
    told = []
    while ("alert", "hushed", "queued") not in told:
        event = listener.receive()
        told.append((event["event"], event.get("app"), event.get("state")))
    for wanted in (("alert", "beat", "queued"), ("heartbeat", "beat", "missed"), ("resolved", "beat", "grouped"),
                   ("alert", "stock", "queued"), ("resolved", "stock", "grouped"), ("alert", "hushed", "silenced")):
        check(wanted in told, f"not told: {wanted} in {told}")
    listener.close()
    goods.close()
    bot.stop()


test_heartbeats_and_watches_are_alerts.both = True
