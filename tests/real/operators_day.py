"""The end of silences, who is on call and what other channels hear of, on a real Synapse, each in a
plain and in an encrypted room. Run by commands.py."""
from people import Place, check, until


def both(test):
    test.both = True
    return test


def alert(title, app="od_app", severity="critical", **more):
    return {"op": "alert", "app": app, "severity": severity, "title": title, **more}


def new_messages(place, part, room=None):
    """Events of the bot with that in their text, edits not counted."""
    return [content for _, sender, content, relates in place.op.events(room or place.ops)
            if sender == place.account["user_id"] and part in content.get("body", "") and not relates]


def name(person):
    """As the bot calls those of its own homeserver."""
    return person.user.split(":")[0][1:]


def ringing(place, part):
    return [content for content in new_messages(place, part) if content["msgtype"] == "m.text"]


@both
def test_what_fires_after_a_silence_is_told(world, secret):
    place = Place(world, secret)
    check(place.bot.call({"op": "silence", "what": "app=od_app", "duration": "6s"})["ok"], "refused")
    for title in ("od-fires", "od-resolved"):
        check(place.bot.call(alert(title))["state"] == "silenced", "not silenced")
    place.bot.call(alert("od-resolved", status="resolved"))
    place.shown("ilence 1")
    until(lambda: ringing(place, "od-fires"), "what fires still is not told", 60)
    check(len(ringing(place, "od-fires")) == 1 and not ringing(place, "od-resolved"), str(ringing(place, "od-")))
    place.bot.call({"op": "silence", "what": "app=od_wait", "duration": "until resolved"})
    check(place.bot.call(alert("od-waits", app="od_wait"))["state"] == "silenced", "not silenced")
    place.bot.call(alert("od-waits", app="od_wait", severity="warning", status="resolved"))
    place.shown("ilence 2")
    check(place.bot.call({"op": "silences"})["silences"] == [], "it holds still")
    place.bot.stop()


@both
def test_on_call(world, secret):
    op, other = world.people(secret)
    absent = f"@nobody-is-called-so:{op.user.split(':', 1)[1]}"
    place = Place(world, secret, f"[commands]\nremind = 0\n[oncall main]\nusers = {op.user}, {absent}\nrotate = weekly mon 09:00\n"
                  "from = 2100-01-04\n[severity critical]\nmention = oncall:main\n")
    place.shown("Not in this room")
    check(absent in place.shown("Not in this room"), place.shown("Not in this room"))
    place.ask("!oncall", f"main: {name(op)} until ", "then nobody-is-called-so")
    place.ask(f"!oncall give {absent} 1h", "not in room ops")
    place.ask(f"!oncall give {other.user} 1h", f"main: {name(other)} until ")
    place.shown("On call: ")
    said = new_messages(place, "On call: ")[0]
    check(said["m.mentions"] == {"user_ids": [other.user]} and other.user in said["formatted_body"], str(said))
    place.bot.call(alert("od-mentions"))
    place.shown("od-mentions")
    check(new_messages(place, "od-mentions")[0]["m.mentions"] == {"user_ids": [other.user]}, "mentions somebody else")
    place.ask("!oncall take 30m", f"main: {name(op)} until ")
    until(lambda: len(new_messages(place, "On call: ")) == 2, "the room is not told")
    check(new_messages(place, "On call: ")[1]["m.mentions"] == {"user_ids": [op.user]}, "mentions somebody else")
    place.bot.stop()


@both
def test_undelivered(world, secret):
    op, _ = world.people(secret)
    place = Place(world, secret, "[commands]\nremind = 0\n[meta]\nundelivered = 3s\nexec = /tmp/mtb-real-hear\n")
    told = place.bot.folder / "told"
    hear = place.bot.folder / "hear"
    hear.write_text(f"#!/bin/sh\ncat >> {told}\n")
    hear.chmod(0o755)
    place.bot.config.write_text(place.bot.config.read_text().replace("/tmp/mtb-real-hear", str(hear)))
    place.bot.stop()
    place.bot.start()
    place.in_touch()
    bot, token = place.account["user_id"], op.account["access_token"]
    path = f"/_matrix/client/v3/rooms/{place.ops}"
    world.server.call("POST", f"{path}/kick", {"user_id": bot}, token)
    until(lambda: not all(r["ready"] for r in place.bot.call({"op": "status"})["rooms"]), "the bot is in the room", 60)
    place.bot.call(alert("od-late"))
    until(lambda: told.exists() and "od-late" in told.read_text(), "the other channel hears nothing", 60)
    world.server.call("POST", f"{path}/invite", {"user_id": bot}, token)
    world.server.call("POST", f"/_matrix/client/v3/join/{place.ops}", {}, place.account["access_token"])
    place.shown("od-late", seconds=120)
    until(lambda: "Recovered: 1 critical alert" in told.read_text(), "recovery is not told", 60)
    check(told.read_text().count("od-late") == 1, told.read_text())
    place.bot.stop()
