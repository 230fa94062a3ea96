"""The end of silences, many alerts at once, who is on call and what other channels hear of, on a real Synapse, each in a
plain and in an encrypted room. Run by commands.py."""
import datetime
import json
import os
import re
import subprocess
import sys

from bot import BUILD
from harness import Skip
from people import Place, check, until
from wallclock import Clock


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
    """The turn that ends by time, with its handover; !oncall, take and give; who is mentioned; who is not in the room."""
    op, other = world.people(secret)
    absent = f"@nobody-is-called-so:{op.user.split(':', 1)[1]}"
    begins = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
    clock = Clock((begins - datetime.timedelta(seconds=50)).isoformat())
    place = Place(world, secret, f"[commands]\nremind = 0\n[oncall main]\nusers = {op.user}, {other.user}, {absent}\n"
                  f"rotate = daily {begins:%H:%M}\nfrom = {begins - datetime.timedelta(days=1):%Y-%m-%d}\n"
                  "[heartbeat]\ntimezone = UTC\n[severity critical]\nmention = oncall:main\n"
                  "[escalate lead]\nafter = 1s\nmention = oncall:main\n", environment=clock.environment)
    call = place.bot.call

    def handed_over(count, person):
        until(lambda: len(new_messages(place, "On call: ")) == count, "the room is not told")
        said = new_messages(place, "On call: ")[-1]
        check(said["m.mentions"] == {"user_ids": [person.user]} and person.user in said["formatted_body"], str(said))
        return said["body"]

    check(absent in place.shown("not in this room"), "not named")
    place.ask("!oncall", f"main: {name(op)} until ", f"{begins:%H:%M} UTC", f"then {name(other)}")
    for title in ("od-open", "od-acked"):
        call({"op": "wait", "alert": call(alert(title, run_id=title))["alert"]})
        place.event_of(title)
    place.ask("!ack od-acked", "acknowledged by you")
    place.ask("!silence app=od_quiet 1h", 'app="od_quiet"')
    place.shown("⏫ Escalation “lead”: 1 unacknowledged")
    check(new_messages(place, "⏫")[0]["m.mentions"] == {"user_ids": [op.user]}, "mentions somebody else")
    clock.set(begins.isoformat())
    said = handed_over(1, other)
    for part in (f"before: {name(op)}", "Firing: 2 · 1 acknowledged", "🚨 od_app · od-open", "👀 od_app · od-acked",
                 f"acknowledged by {name(op)}", 'Silences: 1\n• app="od_quiet" until ', ": 2 critical"):
        check(part in said, f"{part!r} is not in: {said}")
    check("then nobody-is-called-so" in said and "set by" not in said, said)
    call(alert("od-mentions"))
    place.shown("od-mentions")
    check(new_messages(place, "od-mentions")[0]["m.mentions"] == {"user_ids": [other.user]}, "mentions somebody else")
    taken = place.say("!oncall take 30m")
    place.answered(taken, f"main: {name(op)} until ", f"then {name(other)}")
    result, sender, _, room, command, _ = place.audit(taken)[0]
    check((result, sender, room, command) == ("done", op.user, "ops", "!oncall take 30m"), str(place.audit(taken)))
    check(f"set by {name(op)}" in handed_over(2, op), "not told by whom")
    place.ask(f"!oncall give {absent} 1h", "not in room ops")
    place.ask(f"!oncall give {other.user} until 18:00", f"main: {name(other)} until ")
    place.say("!heartbeat now")
    check(f"On call: {name(other)}" in place.shown("💓"), place.shown("💓"))
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
        number = call(alert(f"title {run}", app=app, run_id=run))["alert"]
        # confirmed: what comes before that joins the message
        check(call({"op": "wait", "alert": number})["ok"], f"{run} is not delivered")
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
    """What the other channels hear: a command, another room, and a second account in a room of its own."""
    op, _ = world.people(secret)
    second = world.server.register(f"second{world.number()}")
    elsewhere = world.server.call("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat"},
                                  second["access_token"])["room_id"]
    op.join(elsewhere)
    place = Place(world, secret)
    told = place.bot.folder / "told"
    hear = place.bot.folder / "hear"
    hear.write_text(f"#!/bin/sh\ncat >> {told}\n")
    hear.chmod(0o755)
    token = place.bot.folder / "second-token"
    token.write_text(second["access_token"])
    token.chmod(0o600)
    place.bot.config.write_text(place.bot.config.read_text() + f"""[meta]
undelivered = 3s
room = dev
exec = {hear}
homeserver = {world.server.url}
user = {second["user_id"]}
token_file = {token}
second_room = {elsewhere}
""")
    check(place.bot.call({"op": "reload"})["ok"], "not reloaded")

    def by_second():
        return "\n".join(content.get("body", "") for _, sender, content, _ in op.events(elsewhere) if sender == second["user_id"])

    def heard(part, what):
        until(lambda: told.exists() and part in told.read_text(), f"the command {what}", 60)
        place.shown(part, place.dev, 60)
        op.wait(lambda: part in by_second(), 60, f"the second account {what}")

    bot, access = place.account["user_id"], op.account["access_token"]
    path = f"/_matrix/client/v3/rooms/{place.ops}"
    world.server.call("POST", f"{path}/kick", {"user_id": bot}, access)
    until(lambda: not all(r["ready"] for r in place.bot.call({"op": "status"})["rooms"]), "the bot is in the room", 60)
    place.bot.call(alert("od-late"))
    heard("od-late", "hears nothing")
    world.server.call("POST", f"{path}/invite", {"user_id": bot}, access)
    world.server.call("POST", f"/_matrix/client/v3/join/{place.ops}", {}, place.account["access_token"])
    place.shown("od-late", seconds=120)
    heard("✅ 1 critical alert that was late is in its room now", "is not told of the recovery")
    for text in (told.read_text(), "\n".join(place.bodies(place.dev)), by_second()):
        check(text.count("od-late") == 1, text)
    # on demand
    said = place.cli("test", "undelivered")
    check("exec, second account" in said, said)
    until(lambda: told.read_text().count("✅ 1 critical alert that was late") == 2, "the test has no end", 60)
    op.wait(lambda: by_second().count("is not in its room yet") == 2, 60, "the second account hears no test")
    place.bot.stop()


def check_exit(place, code, *parts):
    """status --check as Nagios sees it, and for cron, which hears nothing when all is well."""
    said = place.cli("status", "--check", code=code)
    check(all(part in said.splitlines()[0] for part in parts), said)
    done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", place.bot.config, "status", "--check", "-q"],
                          capture_output=True, text=True)
    check((done.returncode, done.stdout) == (code, said if code else ""), str(done))


@both
def test_undeliverable_ones_on_the_host_and_in_the_room(world, secret):
    """!retry and !discard, status --check and -q; with answers that are replies."""
    place = Place(world, secret, "[commands]\nremind = 0\nanswers = reply\n")
    path = f"/_matrix/client/v3/rooms/{place.dev}/state/m.room.power_levels/"
    content = world.server.call("GET", path, token=place.op.account["access_token"])

    def needed(level):
        world.server.call("PUT", path, {**content, "events_default": level}, place.op.account["access_token"])

    def mute():
        return any("may not write" in problem["text"] for problem in place.bot.call({"op": "status"})["problems"])
    spool = place.bot.folder / "spool"
    check_exit(place, 0, "OK: running, 0 unacknowledged")
    check(place.cli("status", "-q") == "", "cron gets mail")
    needed(50)
    until(mute, "it is not known before a message is refused")
    place.bot.call(alert("ret-1", "late", "warning"))
    until(lambda: place.bot.call({"op": "status"})["undeliverable"] == 1, "not undeliverable")
    check_exit(place, 2, "CRITICAL: ", "1 undeliverable")
    check("1 undeliverable" in place.cli("status", "-q", code=69), "-q hides it")
    place.ask("!status", "1 undeliverable", "Undeliverable ", "!retry sends them again", thread=False)
    needed(0)
    place.ask("!retry", "1 message is in the delivery queue again", thread=False)
    place.shown("ret-1", place.dev)
    place.ask("!retry", "Nothing is undeliverable", thread=False)
    place.ask("!retry 7", "There is no undeliverable message 7.", thread=False)
    # the next one is given up
    needed(50)
    place.bot.call(alert("ret-2", "late", "warning"))
    until(lambda: place.bot.call({"op": "status"})["undeliverable"] == 1, "not undeliverable")
    number = re.search(r"Undeliverable (\d+) ", place.ask("!status", thread=False))[1]
    place.ask(f"!discard {number}", "discarded", thread=False)
    place.ask(f"!discard {number}", f"No message {number} is waiting or undeliverable", thread=False)
    # what was asked in a thread is answered there
    root = place.say("a thread of people")
    place.answered(place.in_thread("!status", root), "Queue empty")
    needed(0)
    until(lambda: not mute(), "it is not known that it may write again")
    check_exit(place, 0, "OK: running")
    check(not any("ret-2" in body for body in place.bodies(place.dev)), "it was discarded")
    (spool / "what.json").write_text("no alert\n")
    until(lambda: (spool / "what.json.bad").exists(), "it is not looked at")
    check_exit(place, 1, "WARNING: ", "*.bad")
    place.bot.stop()
    check_exit(place, 2, "CRITICAL: ")
    place.bot.config.write_text("[no such section]\n")
    check_exit(place, 3, "UNKNOWN: ")


ASK = ("import json, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
       "for line in sys.argv[2:]: s.sendall(line.encode() + b'\\n'); print(s.makefile().readline(), end='')")


@both
def test_rights_on_the_socket(world, secret):
    """Users of the host: each may send, [socket] admin_uid and admin_gid name who may do more."""
    place = world.place(secret)

    def as_user(uid, gid, *requests):
        done = subprocess.run([sys.executable, "-c", ASK, place.bot.path, *map(json.dumps, requests)],
                              user=uid, group=gid, extra_groups=[], capture_output=True, text=True, timeout=60)
        check(done.returncode == 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    if os.geteuid() != 0:
        raise Skip("needs root to be somebody else")
    changes = [{"op": "ack", "run_id": "ri-1"}, {"op": "silence", "what": "app=ri_app", "duration": "1h"},
               {"op": "resolve", "what": "ri-1"}, {"op": "discard", "id": 1}]
    sent = as_user(4711, 4711, alert("ri-one", "ri_app", run_id="ri-1"))
    check(sent[0]["ok"], str(sent))
    place.event_of("ri-one")
    refused = as_user(4711, 4711, *changes)
    check([a.get("error") for a in refused] == ["denied"] * 4, str(refused))
    check(as_user(4712, 4711, changes[0])[0]["ok"], "admin_uid may not")
    place.shown("👀 ri_app · ri-one · acknowledged by uid 4712")
    check(as_user(4711, 4713, changes[2])[0]["ok"], "admin_gid may not")
    place.shown("✅ ri_app · ri-one resolved")
