"""What operators do in the rooms, on a real Synapse, each thing in a plain and in an encrypted room,
through a second and a third account. Prints "ok NAME" or "not ok NAME" a test.
Usage: commands.py [NAME …]"""
import json
import os
import pathlib
import pwd
import signal
import sqlite3
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from bot import BUILD, Bot  # noqa: E402
from charts import test_chart  # noqa: E402,F401
from harness import Skip  # noqa: E402
from from_nothing import test_setup_from_nothing  # noqa: E402,F401
from own_alerts import test_heartbeats_and_watches_are_alerts  # noqa: E402,F401
from operators_day import (test_many_at_once_and_by_hand, test_on_call, test_rights_on_the_socket, test_undeliverable_ones_on_the_host_and_in_the_room,  # noqa: E402,F401
                           test_undelivered, test_what_fires_after_a_silence_is_told)  # noqa: E402,F401
from people import Place, Plain, Secret, check, node, until  # noqa: E402
from synapse import homeserver, log  # noqa: E402


class World:
    def __init__(self):
        self.server = homeserver()
        self.count = 0
        self.known, self.places = {}, {}

    def number(self):
        self.count += 1
        return self.count

    def people(self, secret):
        if secret not in self.known:
            kind = Secret if secret else Plain
            self.known[secret] = [kind(self.server, self.server.register(f"{name}{self.number()}"))
                                  for name in ("op", "other")]
        return self.known[secret]

    def place(self, secret):
        """The one that most tests share."""
        if secret not in self.places:
            self.places[secret] = Place(self, secret, "[commands]\nremind = 0\n[socket]\nmode = 0666\nadmin_uid = 4712\n"
                                        "admin_gid = 4713\n", version="12")
            self.places[secret].bot.folder.chmod(0o755)  # for other users of this host
        return self.places[secret]

    def close(self):
        for people in self.known.values():
            for person in people:
                person.stop()
        self.server.close()


def both(test):
    """The test is run in a plain and in an encrypted room."""
    test.both = True
    return test


# --- each command ---------------------------------------------------------------------------


@both
def test_help_and_suggestions(world, secret):
    place = world.place(secret)
    body = place.ask("!help", "!ack", "!silence", "!test")
    check(len(body.splitlines()) < 22 and all(len(line) < 70 for line in body.splitlines()), body)
    for name in ("ack", "alert", "alerts", "discard", "heartbeat", "help", "resolve", "retry", "unacked", "silence", "silences", "status", "test", "unack",
                 "unsilence"):
        place.ask(f"!help {name}", f"!{name}", "!")
    place.ask("!stauts", "Did you mean !status?")
    place.ask("!xyzzy", "There is no command !")
    place.ask("!help hlep", "Did you mean !help?")


@both
def test_status_fits_a_screen(world, secret):
    place = world.place(secret)
    for i in range(4):
        place.bot.call(node(f"st-{i}", "stat_app"))
    place.event_of("st-3")
    body = place.ask("!status", "Running · up ", "last sync now", "Queue empty", "Last 24 h: ", "stat_app: st-3 st-2 st-1 +1")
    check(len(body.splitlines()) <= 16, body)
    place.ask("!ack st-0 st-1 st-2 st-3", "stat_app")
    check("stat_app" not in place.ask("!status"), "acked ones are listed")


@both
def test_ack_by_run_with_a_note(world, secret):
    place = world.place(secret)
    place.bot.call(node("ac-1", "ack_app", "load"))
    place.bot.call(node("ac-1", "ack_app", "clean"))
    place.bot.call(node("ac-2", "ack_app2"))
    place.event_of("clean")
    event = place.say("!ack ac-1 ac-2 -- ac-9 was the cause")
    body = place.answered(event, "ack_app2 · node_ac-2", "ack_app · clean and 1 more acknowledged by you")
    check("ac-9" not in body, body)
    mark = f"acknowledged by {place.op.user[1:].split(':')[0]}: ac-9 was the cause"
    marks = lambda: sum(b.count(mark) for b in place.bodies())  # noqa: E731
    both = lambda: any("ack_app · 2" in b and "2 acknowledged" in b for b in place.bodies())  # noqa: E731
    place.op.wait(lambda: marks() == 1 and both(), 30, "not shown on all three")
    result, sender, device, room, command, effect = place.audit(event)[0]
    check((result, sender, room) == ("done", place.op.user, "ops") and "acked 2: ack_app" in effect, effect)
    check(device == (place.op.account["device_id"] if secret else None), f"device {device}")
    place.ask("!ack ac-11", "There is no run ac-11. Did you mean ac-")
    place.ask("!unack", "Which run?")
    place.ask("!unack ac-1", "ack_app · clean and 1 more: acknowledgement removed")
    place.op.wait(lambda: marks() == 1 and not both(), 30, "still shown")
    place.ask("!unack ac-1", "is not acknowledged")
    place.bot.call(node("ac-2", "ack_app2", status="resolved"))
    place.ask("!ack ac-2", "ack_app2 · node_ac-2 was resolved at ")


@both
def test_ack_goes_on_in_the_next_message(world, secret):
    place = world.place(secret)
    for run in ("on-1", "on-2"):
        alert = place.bot.call(node(run, "on_app", "same"))["alert"]
        # a reader may see it before the bot has its confirmation, and what comes in between joins it
        place.bot.call({"op": "wait", "alert": alert})
        place.event_of(run)
    place.ask("!ack on-1", "on_app · same acknowledged by you")
    mark = "acknowledged by " + place.op.user[1:].split(":")[0]
    place.op.wait(lambda: sum(mark in b and "on_app" in b for b in place.bodies()) == 2, 30, "not on both")
    place.bot.call(node("on-3", "on_app", "same"))
    check(mark in place.shown("on-3"), "the next one is nobody's")
    place.bot.call(node("on-3", "on_app", "same", status="resolved"))
    place.bot.call(node("on-4", "on_app", "same"))
    check(mark not in place.shown("on-4"), "acked although it was resolved in between")


@both
def test_ack_as_an_answer(world, secret):
    place = world.place(secret)
    events = {}
    for i in range(4):
        place.bot.call(node(f"re-{i}", f"re_app{i}"))
        events[i] = place.event_of(f"re-{i}")
    place.answered(place.reply("!ack as a reply", events[0]), "re_app0")
    place.shown("👀 re_app0 · node_re-0 FAILED · acknowledged by " + place.op.user[1:].split(":")[0] + ": as a reply")
    place.answered(place.in_thread("!ack", events[1]), "re_app1 · node_re-1 acknowledged by you")
    answer = place.in_thread("!alert re-2", events[2])
    place.answered(answer, "re_app2", "firing")
    reply = next(e for e, s, c, r in place.op.events(place.ops) if r.get("m.in_reply_to", {}).get("event_id") == answer)
    place.answered(place.in_thread("!ack", events[2], reply), "re_app2 · node_re-2 acknowledged by you")
    place.answered(place.reply("!unack", events[2]), "acknowledgement removed")
    talk = place.say("good night")
    place.answered(place.reply("!ack", talk), "That message is not an alert")


@both
def test_ack_by_reaction(world, secret):
    place = world.place(secret)
    watcher = place.bot.client()
    watcher.send({"op": "subscribe"})
    events = {}
    for i in range(3):
        place.bot.call(node(f"em-{i}", f"em_app{i}"))
        events[i] = place.event_of(f"em-{i}")
    first = place.react(events[0], "✅")
    second = place.react(events[1], "👍️")
    place.react(events[2], "✅", place.other)
    place.react(events[2], "🎉")
    mark = "acknowledged by " + place.op.user[1:].split(":")[0]
    for i in range(2):
        place.op.wait(lambda: any(mark in b and f"em_app{i}" in b for b in place.bodies()), 30, "not acked")
    place.op.redact(place.ops, first)
    place.op.wait(lambda: not any(mark in b and "em_app0" in b for b in place.bodies()), 30, "acked still")
    check(place.audit(second)[0][0] == "reaction", str(place.audit(second)))
    check(not any("acknowledged by" in b and "em_app2" in b for b in place.bodies()), "a stranger's reaction")
    told = []
    while not any(t.get("event") == "unacked" for t in told):
        told.append(watcher.receive())
    check([(t["event"], t["run_id"]) for t in told if "acked" in t["event"]] ==
          [("acked", "em-0"), ("acked", "em-1"), ("unacked", "em-0")], str(told))
    watcher.close()


@both
def test_silences(world, secret):
    place = world.place(secret)
    place.bot.call(node("si-1", "si_app"))
    place.bot.call(node("si-2", "other_si"))
    place.event_of("si-2")
    body = place.ask("!silence app=si_app, node_id=~“node_si-.*” 30m \"deploy of v2\"",
                     'app="si_app", node_id=~"node_si-.*" until ', "(30m) · reason: deploy of v2", "Firing now: 1 (si_app · node_si-1) · last 24 h: 1\nTo end it: !unsilence ")
    check("UTC" in body and "T" not in body.split("until ")[1].split(" ")[0], body)
    number = body.split()[2].rstrip(":")
    check(place.bot.call(node("si-3", "si_app"))["state"] == "silenced", "not held back")
    check(place.bot.call(node("si-4", "other_si"))["state"] == "queued", "held back too much")
    place.ask("!silences", f"{number}: app=", f"by {place.op.user[1:].split(':')[0]} · 1 silenced")
    place.ask("!status", "🔕 1 silence: !silences")
    place.ask("!alert si-3", f"silenced: silence {number}", f"Why: silence {number}")
    place.ask("!ack si-3", f"is in no message (silence {number})")
    place.ask(f"!silence {number} 2h", f"Silence {number}: ", "(2h)")
    place.ask(f"!unsilence {number}", f"Silence {number} cancelled: ", "1 silenced\nStill firing:\n• si_app · node_si-3")
    place.ask(f"!unsilence {number}", "There is no active silence")
    state = place.bot.call(node("si-5", "si_app"))["state"]
    check(state in ("queued", "grouped"), state)
    place.ask("!silence si-5", 'app="si_app" until ', "(1h)")
    place.ask("!silence si_app in 2h for 1h maintenance", "from ", "(1h)")
    place.ask("!silence si_app from 22:00 until 23:30", "from ", "22:00 UTC until ", "23:30 UTC (1h 30m)")
    for text, why in (("si_app 3x", "A duration looks like"), ("si_app 400d", "longer than a silence may last"),
                      ("si_app forever", "A silence needs an end"), ("si_app -1h", "A duration looks like"),
                      ("si_app until tomorrow", "Until when?"), ("app=~.* 1h", "everything"),
                      ("app=~( 1h", "regular expression"), ("si_ap 1h", "Did you mean si_app?"), ("", "Silence what?")):
        place.ask(f"!silence {text}", why)
    check(len(place.bot.call({"op": "silences"})["silences"]) == 3, "refused ones were made")
    for i in range(3):
        place.ask(f"!unsilence {int(number) + 1 + i}", "cancelled")


@both
def test_silences_end_and_say_so(world, secret):
    place = world.place(secret)
    for run in ("en-1", "en-2"):
        place.bot.call(node(run, "en_app"))
    place.event_of("en-2")
    body = place.ask("!silence en_app until resolved", "until resolved, at most ", "Firing now: 2 (en_app")
    number = body.split()[2].rstrip(":")
    place.bot.call(node("en-3", "en_app"))
    for run in ("en-1", "en-2"):
        place.bot.call(node(run, "en_app", status="resolved"))
    check(any(s["id"] == int(number) for s in place.bot.call({"op": "silences"})["silences"]),
          "it ended while something is firing")
    place.bot.call(node("en-3", "en_app", status="resolved"))
    place.shown(f'Silence {number} ended, its alerts are resolved: app="en_app" · 1 silenced')
    body = place.ask("!silence en_app 1s")
    number = body.split()[2].rstrip(":")
    place.shown(f'Silence {number} expired: app="en_app" · 0 silenced')


@both
def test_bell_reaction(world, secret):
    place = world.place(secret)
    place.bot.call(node("be-1", "bell_app"))
    event = place.react(place.event_of("be-1"), "🔕")
    until(lambda: place.audit(event), "the reaction was not seen")
    if secret:  # reactions travel in the clear: anybody's server can make them up
        check(place.audit(event)[0][0] == "refused", str(place.audit(event)))
        place.shown("reactions are not encrypted")
        check(place.bot.call(node("be-2", "bell_app"))["state"] == "queued", "obeyed in the clear")
    else:
        place.shown('app="bell_app" until ')
        check(place.bot.call(node("be-2", "bell_app"))["state"] == "silenced", "not held back")
        for silence in place.bot.call({"op": "silences"})["silences"]:
            place.bot.call({"op": "unsilence", "id": silence["id"]})


@both
def test_alerts_and_history(world, secret):
    place = world.place(secret)
    for run in ("al-1", "al-2"):
        place.bot.call(node(run, "al_app", "thing", url=f"https://dash.example/{run}"))
    place.event_of("al-2")
    place.ask("!ack al-2 mine", "al_app · thing acknowledged by you")
    place.bot.call(node("al-3", "al_app", "thing2"))
    place.ask("!alerts al_app 5", "🚨 al_app · thing2 · ", "· al-3 · firing", "· al-2 · acknowledged by")
    place.ask("!alerts al_ap", "Did you mean al_app?")
    place.bot.call(node("al-2", "al_app", "thing", status="resolved"))
    event = place.say("!alert al-1")
    body = place.answered(event, "✅ al_app · thing ", "resolved", "UTC received", "UTC sent", "acknowledged by op", ": mine",
                          "Why: new message", "critical alerts go to room ops", "https://dash.example/al-1")
    content = place.answers(event)[0][0]
    check('<a href="https://dash.example/al-1">' in content["formatted_body"], str(content))
    place.ask("!alert al-9", "There is no run al-9. Did you mean al-")


@both
def test_test_in_the_room(world, secret):
    place = world.place(secret)
    body = place.ask("!test node", "🧪 Test alert node: run test-", "room ops")
    run = body.split("run ")[1].split(",")[0]
    place.shown(f"run {run}")
    place.ask("!ack " + run, "acknowledged by you")
    place.ask("!test all", "Test alert dag: ", "Test alert violation: ", "room dev")
    place.ask("!test nuclear", "one of node|dag|violation|all")


# --- who may --------------------------------------------------------------------------------


@both
def test_strangers_are_refused_politely_and_not_often(world, secret):
    place = world.place(secret)
    place.forget_refusals()
    first = place.say("!silence everything 1h", place.other)
    place.answered(first, "Sorry, you need power level 50 in this room to use commands.")
    second = place.say("!status", place.other)
    until(lambda: place.audit(second), "not seen")
    check(place.audit(first)[0][:2] == ("refused", place.other.user), str(place.audit(first)))
    place.ask("!help", "!ack")
    check(not place.answers(second), "every refusal is told")
    check("refused in ops to " + place.other.user in place.bot.log.read_text(), "not logged")
    check(place.bot.call({"op": "silences"})["silences"] == [], "obeyed")


@both
def test_power_levels_count_at_once(world, secret):
    place = world.place(secret)
    place.levels(users={place.other.user: 50})
    event = place.say("!alerts 1", place.other)
    until(lambda: place.audit(event), "not seen")
    check(place.audit(event)[0][0] == "done", "a moderator is refused: " + str(place.audit(event)))
    place.levels(users={place.other.user: 49})
    event = place.say("!alerts 1", place.other)
    until(lambda: place.audit(event), "not seen")
    check(place.audit(event)[0][0] == "refused", "demoted, and obeyed: " + str(place.audit(event)))


def test_creators_of_version_12_have_all_power(world):
    """op made the room, other is named there; neither has a power level."""
    op, other = world.people(False)
    place = Place(world, False, "[commands]\nremind = 0\npower_level = 100\n", version="12",
                  creation={"additional_creators": [other.user]})
    levels = world.server.call("GET", f"/_matrix/client/v3/rooms/{place.ops}/state/m.room.power_levels/",
                               token=op.account["access_token"])
    check(not levels.get("users"), str(levels))
    place.ask("!alerts 1", "No alerts")
    place.ask("!alerts 1", "No alerts", who=other)
    place.bot.stop()


@both
def test_what_is_no_command(world, secret):
    place = world.place(secret)
    quiet = [
        place.say("what does !help do"),
        place.say("!!! no"),
        place.op.send(place.ops, {"msgtype": "m.notice", "body": "!status"}),
        place.op.send(place.ops, {"msgtype": "m.emote", "body": "!status"}),
    ]
    quiet.append(place.say("!status", **{"m.new_content": {"msgtype": "m.text", "body": "!status"}, "m.relates_to": {
        "rel_type": "m.replace", "event_id": quiet[0]}}))
    elsewhere = place.room("elsewhere")
    quiet.append(place.say("!status", room=elsewhere))
    place.ask("!help", "!ack")
    for event in quiet:
        check(not place.answers(event) and not place.audit(event), f"{event} was taken for a command")


def test_unsigned_devices_and_clear_text_in_encrypted_rooms(world):
    place = world.place(True)
    device = world.server.call("POST", "/_matrix/client/v3/login", {
        "type": "m.login.password", "password": "pw",
        "identifier": {"type": "m.id.user", "user": place.op.user}})
    unsigned = Secret(world.server, device, sign=False, all_devices=True)
    unsigned.join(place.ops)
    event = place.say("!silence everything 1h", unsigned)
    place.answered(event, "your device is not verified")
    clear = Plain(world.server, place.op.account)
    event = place.say("!silence everything 1h", clear)
    until(lambda: place.audit(event), "not seen")
    check(place.audit(event)[0][0] == "refused", str(place.audit(event)))
    check(place.bot.call({"op": "silences"})["silences"] == [], "obeyed")
    clear.stop()
    unsigned.stop()


def test_rooms_and_users_of_the_config(world):
    op, other = world.people(False)
    place = Place(world, False, f"[commands]\nremind = 0\nrooms = ops\nusers = {other.user}\npower_level = 100\n"
                  "[heartbeat]\ntimezone = Europe/Madrid\n", version="11")
    place.ask("!alerts 1", who=other)  # has no power, but is named
    check(" CE" in place.ask("!silence app=x 2h", "until "), "not in the zone of the config")
    ignored = place.say("!status", room=place.dev)
    place.ask("!alerts 1")  # the creator of a room before version 12 has 100
    check(not place.audit(ignored) and not place.answers(ignored, place.dev), "obeyed in another room")
    place.bot.stop()


def test_invitations(world):
    op, other = world.people(False)
    account = world.server.register(f"bot{world.number()}")
    made = {who.user: world.server.call("POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat"},
                                        who.account["access_token"])["room_id"] for who in (op, other)}
    bot = Bot(world.server.url, account["user_id"], account["access_token"], {"ops": made[op.user]})
    bot.config.write_text(bot.config.read_text().replace("[rooms]", f"invite_from = {op.user}\n[rooms]"))
    bot.start()
    until(lambda: bot.call({"op": "status"})["last_sync_ms"], "not in touch")
    for who in (other, op):
        world.server.call("POST", f"/_matrix/client/v3/rooms/{made[who.user]}/invite",
                          {"user_id": account["user_id"]}, who.account["access_token"])
    until(lambda: "an invitation to " + made[other.user] in bot.log.read_text(), "the stranger's was not seen")
    until(lambda: bot.call({"op": "status"})["rooms"][0]["ready"], "it did not come")
    joined = world.server.call("GET", "/_matrix/client/v3/joined_rooms", token=account["access_token"])["joined_rooms"]
    check(joined == [made[op.user]], str(joined))
    bot.stop()


# --- never lost, never twice ----------------------------------------------------------------


@both
def test_200_events_in_between_hide_no_command(world, secret):
    place = world.place(secret)
    place.ask("!help", "!ack")
    place.bot.process.send_signal(signal.SIGSTOP)
    try:
        events = []
        for i in range(200):
            if i % 50 == 25:
                events.append(place.say("!alerts 1"))
            # talk goes by the plain way, which is quick
            world.server.call("PUT", f"/_matrix/client/v3/rooms/{place.ops}/send/org.example.talk/{i}-{secret}",
                              {"body": "blah"}, place.op.account["access_token"])
    finally:
        place.bot.process.send_signal(signal.SIGCONT)
    for event in events:
        place.answered(event)


@both
def test_each_once_over_kill_9(world, secret):
    place = Place(world, secret)
    events = []
    for round_ in range(4):
        for i in range(3):
            events.append(place.say(f"!silence app=kill_{round_}_{i} 1h"))
        if round_ % 2:  # as it works on the first of them
            until(lambda: place.audit(events[-3]), "not seen")
        place.bot.kill()
        place.bot.start()
    for event in events:
        place.answered(event, "🔕 Silence ")
    silences = [s["matchers"] for s in place.bot.call({"op": "silences"})["silences"]]
    check(len(silences) == len(set(silences)) == 12, f"{len(silences)} silences: {silences}")
    place.bot.stop()


def test_a_wrong_clock_makes_no_command_late(world):
    """The homeserver says how old an event is; the clock of this host is six minutes ahead."""
    place = Place(world, False)
    place.bot.call(node("la-1", "late_app"))
    alert = place.event_of("la-1")
    place.bot.stop()
    event, reaction = place.say("!silence late_app 1h"), place.react(alert, "✅")
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if not library:
        raise Skip("no libfaketime")
    os.environ.update(LD_PRELOAD=str(library), FAKETIME="+6m", ASAN_OPTIONS="verify_asan_link_order=0",
                      FAKETIME_DONT_FAKE_MONOTONIC="1")
    try:
        place.bot.start()
    finally:
        for name in ("LD_PRELOAD", "FAKETIME", "ASAN_OPTIONS", "FAKETIME_DONT_FAKE_MONOTONIC"):
            os.environ.pop(name)
    place.answered(event, "🔕 ")
    until(lambda: place.audit(reaction), "not seen")
    check(place.audit(event)[0][0] == "done" and place.audit(reaction)[0][0] == "reaction", str(place.audit(event)))
    place.bot.kill()


# --- nobody takes it on; the night ----------------------------------------------------------


@both
def test_reminders_and_escalation(world, secret):
    op, other = world.people(secret)
    place = Place(world, secret, f"""[commands]
remind = 2s
[severity critical]
mention = {op.user}
[escalate first]
after = 1s
mention = {other.user}
[escalate second]
after = 3s
room = dev
""")
    place.bot.call(node("es-1", "es_app"))
    place.bot.call(node("es-0", "acked_app"))
    place.bot.call(node("es-2", "quiet_app"))
    place.bot.call({**node("es-3", "test_app"), "test": True})
    place.event_of("es-3")
    place.ask("!ack es-0", "acked_app")
    place.ask("!silence quiet_app 1h", "quiet_app")
    place.shown("⏫ Escalation “first”: 1 unacknowledged critical alert for 1 s")
    place.shown("⏫ Escalation “second”: 1 unacknowledged critical alert for 3 s", place.dev)
    reminder = place.event_of("⏰ 1 unacknowledged critical alert")
    found = {c["body"].split()[0]: c for e, s, c, r in place.op.events(place.ops) if c.get("body", "")[:1] in "⏫⏰"}
    check(found["⏫"]["m.mentions"] == {"user_ids": [other.user]}, str(found["⏫"]))
    check(found["⏰"]["m.mentions"] == {"user_ids": [op.user]} and found["⏰"]["msgtype"] == "m.text", str(found["⏰"]))
    place.bot.stop()
    place.bot.start()
    place.react(reminder, "✅")
    place.op.wait(lambda: any("acknowledged by" in b and "es_app" in b for b in place.bodies()), 30, "the reminder cannot be acked")
    count = len([b for b in place.bodies() if "⏰" in b])
    place.bot.call(node("es-4", "late_app"))
    place.shown("• late_app · ")
    mine = [b for b in place.bodies() + place.bodies(place.dev) if "⏫" in b or "⏰" in b]
    check(not any(app in b for b in mine for app in ("acked_app", "quiet_app", "test_app")), str(mine))
    check(len([b for b in mine if "⏫" in b and "es_app" in b]) == 2, f"a step came twice: {mine}")
    check(not any("es_app" in b for b in [b for b in place.bodies() if "⏰" in b][count:]), "reminded of what is acked")
    place.ask("!alert es-1", "escalation sent: first", "escalation sent: second", "acknowledged by op")
    place.bot.stop()


@both
def test_quiet_times(world, secret):
    start, end = (time.strftime("%H:%M", time.gmtime(time.time() + seconds)) for seconds in (-3600, 3600))
    quiet = f"[quiet nightly]\nwhat = app!=loud\nfrom = {start}\nto = {end}\n"
    place = Place(world, secret, quiet + "[commands]\nremind = 0\n")
    check(place.bot.call(node("qu-1", "night_app", severity="warning"))["state"] == "silenced", "not held back")
    check(place.bot.call(node("qu-2", "loud", severity="warning"))["state"] == "queued", "held back too much")
    check(place.bot.call(node("qu-3", "night_app"))["state"] == "queued", "a critical one is held back")
    place.ask("!status", "🔕 Quiet time nightly until ", f"{end} UTC")
    place.ask("!silences", f"Quiet time nightly: mon-sun {start}–{end}, now until ", f"{end} UTC: app!=loud, except critical alerts")
    place.ask("!alert qu-1", "silenced: quiet time nightly", "Why: quiet time nightly")
    place.bot.config.write_text(place.bot.config.read_text().replace(quiet, ""))
    place.bot.process.send_signal(signal.SIGHUP)
    place.shown("🔔 Quiet time nightly is over · 1 silenced, !alerts shows it", place.dev)
    check(place.bot.call(node("qu-4", "night_app", severity="warning"))["state"] == "queued", "held back still")
    place.bot.stop()


# --- on the host ----------------------------------------------------------------------------


def test_the_same_verbs_on_the_command_line(world):
    place = world.place(False)
    place.bot.call(node("cl-1", "cli_app"))
    place.event_of("cl-1")
    check("cli_app · node_cl-1 acknowledged by you" in place.cli("ack", "cl-1", "from", "the", "host"), "ack")
    who = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"
    place.shown(f"acknowledged by {who}: from the host")
    db = sqlite3.connect(place.bot.folder / "operations.db")
    row = db.execute("SELECT result, sender, event_id, room, command, effect FROM commands ORDER BY id DESC LIMIT 1").fetchone()
    db.close()
    check(row == ("done", who, None, None, "ack cl-1 from the host", "acked 1: cli_app · node_cl-1"), str(row))
    check("acknowledgement removed" in place.cli("unack", "cl-1"), "unack")
    check(json.loads(place.cli("--json", "ack", "cl-1"))["changed"] == 1, "ack --json")
    check("no run cl-9" in place.cli("ack", "cl-9", code=65), "unknown run")
    place.cli("ack", code=65)
    silence = json.loads(place.cli("--json", "silence", "cli_app", "30m", "by", "hand"))
    check("until" in silence["text"], str(silence))
    check("by hand" in place.cli("silences"), "silences")
    check("cancelled" in place.cli("unsilence", str(silence["id"])), "unsilence")
    check("There is no active silence" in place.cli("unsilence", str(silence["id"]), code=65), "unsilence again")
    check("A duration looks like" in place.cli("silence", "cli_app", "3x", code=65), "bad duration")
    check(f"· cl-1 · acknowledged by {who}" in place.cli("alerts", "cli_app"), "alerts")
    check(json.loads(place.cli("--json", "alerts", "cli_app", "1"))["alerts"][0]["run_id"] == "cl-1", "alerts --json")
    message = json.loads(place.cli("--json", "alerts", "cli_app", "1"))["alerts"][0]["message"]
    check(message["acked_by"] == who and message["count"] == 1 and not message["resolved_ms"],
          str(message))
    check(json.loads(place.cli("--json", "silences"))["quiet_times"] == [], "silences --json")
    beat = json.loads(place.cli("--json", "heartbeat"))
    check("Next heartbeat " in beat["text"] and beat["last_own"] is None and beat["next_ms"] > 0, str(beat))
    check(f"acknowledged by {who}" in place.cli("alert", "cl-1"), "alert")
    check(json.loads(place.cli("--json", "alert", "cl-1"))["history"], "alert --json")
    check("no run cl-9" in place.cli("alert", "cl-9", code=65), "alert of nothing")
    check("Nothing is undeliverable" in place.cli("retry"), "retry")
    place.cli("retry", "77", code=65)
    check("Running" in place.cli("status") and "unacked" in json.loads(place.cli("--json", "status")), "status")
    answer = place.bot.call({"op": "silence", "what": "cli_app", "reason": "2h is too long"})
    check("(1h)" in answer["text"], str(answer))
    place.bot.call({"op": "unsilence", "id": answer["id"]})
    stopped = Bot(world.server.url, "@x:y", "t", {"ops": "#a:b"})
    done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", stopped.config, "silences"], capture_output=True)
    check(done.returncode == 69, "no daemon")


def main():
    wanted = sys.argv[1:]
    tests = [(name[5:], test) for name, test in globals().items() if name.startswith("test_")]
    try:
        world = World()
        world.people(True)
    except (OSError, RuntimeError) as error:
        print(f"skip commands: no Synapse or no client to be had: {error}")
        return
    failed = 0
    for name, test in tests:
        for secret in (False, True) if hasattr(test, "both") else (None,):
            label = name if secret is None else f"{name}_{'encrypted' if secret else 'plain'}"
            if wanted and name not in wanted and label not in wanted:
                continue
            started = time.monotonic()
            try:
                test(world) if secret is None else test(world, secret)
                print(f"ok {label} ({time.monotonic() - started:.1f} s)", flush=True)
            except Skip as why:
                print(f"skip {label}: {why}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {label}\n" + traceback.format_exc(), flush=True)
    for place in world.places.values():
        try:
            place.bot.stop()
        except Exception:
            failed += 1
            print("not ok the_shared_bots_end_well\n" + traceback.format_exc(), flush=True)
    Bot.kill_all()
    world.close()
    log(f"{failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
