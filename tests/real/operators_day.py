"""The end of silences, many alerts at once, who is on call and what other channels hear of, on a real Synapse, each in a
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
    said = place.shown("not in this room")
    check(absent in said, said)
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


def acknowledged(place, part):
    return any(body.startswith("👀") and part in body for body in place.bodies())


@both
def test_many_at_once_and_by_hand(world, secret):
    """!ack without a run id, of an app, of all; !unacked; !resolve with its note, ☑️ and resolve_after; silences by app."""
    place = Place(world, secret, "[commands]\nremind = 0\n[app od_short]\nresolve_after = 2s\n")
    me, call = name(place.op), place.bot.call
    place.ask("!ack", "Nothing is unacknowledged")
    call(alert("od-one", run_id="od-1"))
    place.event_of("od-one")
    place.ask("!ack", "od-one acknowledged by you")
    for run, app in (("od-2", "od_app"), ("od-3", "od_app"), ("od-4", "od_other"), ("od-5", "od_third")):
        call(alert(f"title {run}", app=app, run_id=run))
        place.event_of(f"title {run}")
    place.ask("!ack", "Which of the 4 unacknowledged alerts?")
    event = place.say("!unacked")
    place.answered(event, "4 unacknowledged critical alerts", "od_app · title od-2", "od_third · title od-5")
    html = place.answers(event)[0][0]["formatted_body"]
    check(html.count("https://matrix.to/#/") == 4, html)
    place.ask("!ack od_app on it", "title od-2 and 1 more acknowledged by you")
    place.ask("!ack all", "and 1 more acknowledged by you")
    place.ask("!unacked", "Nothing is unacknowledged")
    place.op.wait(lambda: all(acknowledged(place, f"od-{i}") for i in range(2, 6)), 30, "no message says so")
    # resolved by hand: the message and its thread say by whom, and the note
    place.ask("!resolve od-2 fixed by hand", "✅ od_app · title od-2 resolved")
    said = "✅ od_app · title od-2 resolved after "
    place.op.wait(lambda: len([body for body in place.bodies() if body.startswith(said) and
                               f" by {me}: fixed by hand" in body]) == 2, 30, "the note is not shown")
    place.react(place.event_of("od-3"), "☑️")
    place.shown("title od-3 resolved after")
    place.ask("!resolve od_other", "title od-4 resolved")
    call(alert("od-last", run_id="od-6"))
    place.event_of("od-last")
    place.ask("!resolve all", "and ", " more resolved")
    place.ask("!resolve od-6", "nothing is firing")
    call(alert("od-brief", app="od_short", run_id="od-7"))
    place.shown("od_short · od-brief resolved after", seconds=40)
    # silences by app, and longer ones
    place.ask("!silence od_app 1h deploy", 'Silence 1: app="od_app" until ', "reason: deploy")
    place.ask("!silence 1 extend 2h", "Silence 1")
    place.ask("!unsilence od_app", 'Silence 1 cancelled: app="od_app" · 0 silenced')
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
