"""Commands from a room, against a homeserver that loses, repeats and cuts what it tells."""
import json
import os
import pwd
import signal
import sqlite3
import subprocess
import sys
import time

from bot import BUILD, Bot
from harness import Skip, check, until
from homeserver import Homeserver

OPS = "!ops:fake.local"
ADMIN, OTHER = "@admin:fake.local", "@other:fake.local"


def make(extra=""):
    server = Homeserver()
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"},
              f"[commands]\nusers = {ADMIN}\n{extra}")
    bot.server = server
    return server, bot


def message(event_id, body, sender=ADMIN, age=0, **content):
    return {"type": "m.room.message", "event_id": event_id, "sender": sender,
            "origin_server_ts": int((time.time() - age) * 1000),
            "content": {"msgtype": "m.text", "body": body, **content}}


def sent_by(server, event_id, body, age):
    """By a homeserver whose clock is ten minutes behind."""
    event = message(event_id, body, age=600)
    event["unsigned"] = {"age": age}
    return event


def tell(server, *events, **timeline):
    server.tell(join={OPS: {"timeline": {"events": list(events), **timeline}}})


def in_touch(server):
    """The bot has its first position: what is told from now on is new."""
    server.wait(lambda: sum(1 for m, p, _ in server.requests if p.endswith("/sync")) >= 2)


def answers(server, event_id):
    return [e["content"]["body"] for _, e in server.timeline
            if e["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == event_id]


def answered(server, event_id, part=""):
    server.wait(lambda: answers(server, event_id))
    found = answers(server, event_id)
    check(len(found) == 1, f"{len(found)} answers: {found}")
    check(part in found[0], found[0])
    return found[0]


def audit(bot):
    db = sqlite3.connect(bot.folder / "operations.db")
    rows = db.execute("SELECT event_id, result FROM commands ORDER BY id").fetchall()
    db.close()
    return rows


def test_command_is_answered_in_its_thread():
    server, bot = make()
    bot.start()
    in_touch(server)
    tell(server, message("$c1", "!help"))
    answered(server, "$c1", "!help")
    content = server.timeline[0][1]["content"]
    check(content["msgtype"] == "m.notice" and content["m.mentions"] == {}, str(content))
    check(content["m.relates_to"]["rel_type"] == "m.thread" and
          content["m.relates_to"]["event_id"] == "$c1", str(content))
    bot.stop()
    server.shut()


def test_commands_amid_talk_are_carried_out_once_whatever_is_told_again():
    """The position after talk is stored later: after kill -9 the talk comes again, no command does."""
    server, bot = make()
    asked = [0]  # positions that the bot has had
    answer_sync = server.sync

    def sync(query):
        asked.append(int(query.get("since", "0")))
        server.changed.notify_all()
        return answer_sync(query)

    def talk(name):
        for i in range(2):
            tell(server, message(f"${name}{i}", "how was the weekend?", OTHER))

    server.sync = sync
    bot.start()
    in_touch(server)
    for turn in range(3):
        talk(f"before{turn}")
        tell(server, message(f"$c{turn}", "!help"), message(f"$with{turn}", "see?", OTHER))
        talk(f"after{turn}")
        server.wait(lambda: asked[-1] == len(server.batches))
        check(int(bot.stored("sync.since")) < len(server.batches), "stored after talk")
        bot.kill()
        bot.start()
        answered(server, f"$c{turn}", "!help")
    tell(server, message("$last", "!help"))
    answered(server, "$last")
    bot.wait_stored("sync.since", lambda since: int(since) == len(server.batches))
    check(audit(bot) == [(event, "done") for event in ("$c0", "$c1", "$c2", "$last")], str(audit(bot)))
    for turn in range(3):
        answered(server, f"$c{turn}")
    bot.stop()
    server.shut()


def test_command_left_alone_or_refused():
    server, bot = make()
    bot.start()
    in_touch(server)
    tell(server,
         message("$own", "!help", sender=server.USER),
         message("$notice", "!help", msgtype="m.notice"),
         message("$edit", "* !help", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"},
                                        "m.new_content": {"msgtype": "m.text", "body": "!help"}}),
         message("$talk", "what is !help"),
         message("$wow", "!!! wow"),
         message("$late", "!help", age=400),
         message("$refused", "!help", sender=OTHER),
         message("$again", "!help", sender=OTHER),
         sent_by(server, "$behind", "!hlep", 50),
         sent_by(server, "$behind_late", "!help", 400_000),
         message("$typo", "!hlep"),
         message("$unknown", "!xyzzy"))
    answered(server, "$late", "Not carried out")
    answered(server, "$refused", "Sorry")
    answered(server, "$behind_late", "Not carried out")
    answered(server, "$behind", "Did you mean !help?")
    answered(server, "$typo", "Did you mean !help?")
    answered(server, "$unknown", "There is no command !")
    server.wait(lambda: len(audit(bot)) == 7)
    for quiet in ("$own", "$notice", "$edit", "$talk", "$wow", "$again"):
        check(not answers(server, quiet), f"{quiet} was answered")
    check(audit(bot) == [("$late", "late"), ("$refused", "refused"), ("$again", "refused"),
                         ("$behind", "unknown"), ("$behind_late", "late"), ("$typo", "unknown"), ("$unknown", "unknown")], str(audit(bot)))
    bot.stop()
    server.shut()


def test_command_by_power_level():
    server, bot = make()
    create = {"type": "m.room.create", "state_key": "", "sender": "@creator:fake.local",
              "content": {"room_version": "12", "additional_creators": ["@second:fake.local"]}}
    server.state[(OPS, "m.room.create")] = create
    server.state[(OPS, "m.room.power_levels")] = {"users": {"@mod:fake.local": 50}}
    bot.start()
    in_touch(server)
    tell(server,
         message("$mod", "!help", sender="@mod:fake.local"),
         message("$creator", "!help", sender="@creator:fake.local"),
         message("$second", "!help", sender="@second:fake.local"),
         message("$none", "!help", sender=OTHER),
         {"type": "m.room.power_levels", "state_key": "", "event_id": "$pl", "sender": ADMIN,
          "origin_server_ts": 1, "content": {"users": {OTHER: 50}}},
         message("$raised", "!help", sender=OTHER),
         message("$lowered", "!help", sender="@mod:fake.local"))
    for good in ("$mod", "$creator", "$second", "$raised"):
        answered(server, good, "list commands")
    for bad in ("$none", "$lowered"):
        answered(server, bad, "Sorry")
    bot.stop()
    server.shut()


def test_limited_timeline_is_filled():
    server, bot = make()
    pages = {"p1": ([message("$m2", "!help"), message("$m1", "!help")], "p2"),
             "p2": ([message("$m0", "!help")], None)}

    def page(request):
        chunk, end = pages[request.query["from"]]
        check(request.query["to"] == "0", str(request.query))
        request.reply(200, {"chunk": chunk, "start": "s", **({"end": end} if end else {})})
    server.trick("GET", "/messages", lambda r: r.reply(502, {}))
    server.trick("GET", "/messages", page, 2)
    bot.start()
    in_touch(server)
    tell(server, message("$m3", "!help"), limited=True, prev_batch="p1")
    for event in ("$m0", "$m1", "$m2", "$m3"):
        answered(server, event)
    check([row[0] for row in audit(bot)] == ["$m0", "$m1", "$m2", "$m3"], str(audit(bot)))
    bot.stop()
    server.shut()


def test_power_changes_in_a_gap():
    """What was written in a gap is judged by the levels of that moment; what follows it, by those
    after it."""
    server, bot = make()
    server.state[(OPS, "m.room.create")] = {"type": "m.room.create", "state_key": "", "sender": "@c:fake.local",
                                            "content": {"room_version": "11"}}
    server.state[(OPS, "m.room.power_levels")] = {"users": {"@mod:fake.local": 50}}
    lowered = {"type": "m.room.power_levels", "state_key": "", "event_id": "$pl", "sender": ADMIN,
               "origin_server_ts": 1, "content": {"users": {OTHER: 50}}}
    server.trick("GET", "/messages", lambda r: r.reply(200, {"start": "s", "chunk": [
        message("$m3", "!help", "@mod:fake.local"), message("$o3", "!help", OTHER), lowered,
        message("$o1", "!help", OTHER), message("$m1", "!help", "@mod:fake.local")]}))
    bot.start()
    in_touch(server)
    tell(server, message("$known", "!help"))
    answered(server, "$known")
    server.tell(join={OPS: {"state": {"events": [lowered]}, "timeline": {
        "events": [message("$m4", "!help", "@mod:fake.local"), message("$o4", "!help", OTHER)],
        "limited": True, "prev_batch": "p1"}}})
    answered(server, "$o4")
    server.wait(lambda: len(audit(bot)) == 7)
    check(dict(audit(bot)) == {"$known": "done", "$m1": "done", "$o1": "refused", "$o3": "done",
                               "$m3": "refused", "$m4": "refused", "$o4": "done"}, str(audit(bot)))
    bot.stop()
    server.shut()


def test_subscribers_hear_of_silences_and_steps():
    server, bot = make("remind = 0\n[escalate now]\nafter = 1s\nmention = room\n")
    bot.start()
    in_touch(server)
    watcher = bot.client()
    watcher.send({"op": "subscribe"})
    bot.call(alert("r-0"))
    event_of(server, "r-0")
    tell(server, message("$c1", "!silence app=other 1s why not"))
    wanted, told = {"silenced", "unsilenced", "escalated"}, {}
    while not wanted <= told.keys():
        event = watcher.receive()
        told[event.get("event")] = event
    check(told["silenced"]["reason"] == "why not" and told["silenced"]["by"] == ADMIN, str(told))
    check(told["unsilenced"]["id"] == told["silenced"]["id"] and told["unsilenced"]["held"] == 0, str(told))
    check(told["escalated"]["step"] == "now" and told["escalated"]["run_ids"] == ["r-0"], str(told))
    shown(server, "⏫ Escalation “now”: 1 unacknowledged critical alert")
    line = next(e["content"] for _, e in server.timeline if "⏫" in e["content"]["body"])
    check(line["m.mentions"] == {"room": True}, str(line))
    bot.stop()
    server.shut()


def test_an_ack_of_the_ring_is_one_of_what_joined():
    server, bot = make("remind = 0\n[delivery]\nthrottle = 2s\n")
    bot.start()
    in_touch(server)
    bot.call(alert("r-0"))
    event_of(server, "r-0")
    bot.call(alert("r-1"))
    bot.call(alert("r-2"))
    server.wait(lambda: any("more critical failures" in b for b in server.bodies(OPS)), 30)
    ring = next(e["event_id"] for _, e in server.timeline if "more critical failures" in e["content"].get("body", ""))
    tell(server, reaction("$r1", ring, "✅"))
    server.wait(lambda: any("👀 " in b and "3 acknowledged" in b for b in server.bodies(OPS)), 30)
    tell(server, message("$c1", "!status"))
    check("unacknowledged" not in answered(server, "$c1"), "not all")
    bot.stop()
    server.shut()


def test_what_answers_hold_of_apps_links_nothing():
    server, bot = make("remind = 0\n")
    bot.start()
    in_touch(server)
    bot.call({"op": "alert", "app": "evil", "severity": "critical", "run_id": "r-0",
              "title": "<b>see https://evil.example @admin:fake.local</b>"})
    event_of(server, "r-0")
    tell(server, message("$c1", "!alerts"))
    answered(server, "$c1", "evil.example")
    html = next(e["content"] for _, e in server.timeline
                if e["content"].get("m.relates_to", {}).get("event_id") == "$c1")["formatted_body"]
    check("<b>see" not in html and "<a " not in html, html)
    check("<code>" in html and html.index("<code>") < html.index("evil.example") < html.index("</code>"), html)
    bot.stop()
    server.shut()


def test_kill_between_and_replay():
    """Killed while the answer leaves; the same events come again: each is carried out once."""
    server, bot = make()
    held = []

    def hold(request):
        held.append(1)
        request.proceed(silent=True)
        server.wait(lambda: len(held) > 1)
    server.trick("PUT", "/rooms/!ops.*/send/", hold)
    bot.start()
    in_touch(server)
    tell(server, message("$c1", "!help"))
    server.wait(lambda: held)
    bot.kill()
    held.append(2)
    tell(server, message("$c1", "!help"), message("$c2", "!help"))
    bot.start()
    answered(server, "$c1")
    answered(server, "$c2")
    check(audit(bot) == [("$c1", "done"), ("$c2", "done")], str(audit(bot)))
    bot.stop()
    server.shut()


def alert(run, app="data_factory", severity="critical", **more):
    return {"op": "alert", "app": app, "kind": "node_failed", "severity": severity, "run_id": run,
            "fields": {"node_id": f"node_{run}", "duration_ms": 1, "error": "no"}, **more}


def reaction(event_id, target, key, sender=ADMIN):
    return {"type": "m.reaction", "event_id": event_id, "sender": sender,
            "origin_server_ts": int(time.time() * 1000),
            "content": {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}}


def shown(server, part):
    """The newest text of some message holds it."""
    server.wait(lambda: any(part in body for body in server.bodies(OPS)))


def event_of(server, run):
    server.wait(lambda: any(run in body for body in server.bodies(OPS)))
    return next(e["event_id"] for _, e in server.timeline if run in e["content"].get("body", ""))


def test_ack_in_all_its_forms():
    server, bot = make("[delivery]\nthrottle = 0\n")
    bot.start()
    in_touch(server)
    watcher = bot.client()
    watcher.send({"op": "subscribe"})
    events = {}
    for i in range(4):
        bot.call(alert(f"r-{i}", app=f"app_{i}"))
        events[i] = event_of(server, f"r-{i}")
    tell(server, message("$c1", "!ack r-0 I am on it"))
    answered(server, "$c1", "app_0")
    shown(server, "acknowledged by admin: I am on it")
    tell(server, message("$c2", "> <@bot> x\n\n!ack", **{"m.relates_to": {"m.in_reply_to": {"event_id": events[1]}}}))
    answered(server, "$c2", "app_1")
    tell(server, reaction("$r1", events[2], "👍"), reaction("$r2", events[3], "✅\ufe0f", OTHER))
    server.wait(lambda: sum("acknowledged by" in b and "app_2" in b for b in server.bodies(OPS)) == 1)
    tell(server, {"type": "m.room.redaction", "event_id": "$x1", "sender": ADMIN, "redacts": "$r1",
                  "origin_server_ts": int(time.time() * 1000), "content": {}})
    server.wait(lambda: "acknowledged by" not in [b for b in server.bodies(OPS) if "app_2" in b][-1])
    check(not any("acknowledged by" in b for b in server.bodies(OPS) if "app_3" in b), "a stranger's reaction")
    tell(server, message("$c3", "!ack nope"), message("$c4", "!unack r-0"), message("$c5", "!ack"))
    answered(server, "$c3", "There is no run nope.")
    answered(server, "$c4", "acknowledgement removed")
    answered(server, "$c5", "Which of the ")
    told = []
    while sum(t.get("event") in ("acked", "unacked") for t in told) < 5:
        told.append(watcher.receive())
    check([(t["event"], t.get("run_id")) for t in told if t.get("event") in ("acked", "unacked")] ==
          [("acked", "r-0"), ("acked", "r-1"), ("acked", "r-2"), ("unacked", "r-2"), ("unacked", "r-0")], str(told))
    answer = bot.call({"op": "ack", "run_id": "r-3", "note": "from the host"})
    check(answer["ok"] and "app_3" in answer["text"], str(answer))
    shown(server, f"acknowledged by {pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})")
    bot.stop()
    bot.start()
    check(not bot.call({"op": "ack", "run_id": "nope"})["ok"], "acked what is not there")
    bot.stop()
    server.shut()


def test_a_refusal_names_the_field():
    server, bot = make()
    bot.start()
    for request, field in (({"op": "ack"}, "run_id"), ({"op": "ack", "run_id": "r-none"}, "run_id"),
                           ({"op": "unack", "run_id": "r-none"}, "run_id"),
                           ({"op": "silence", "what": "never-heard-of"}, "what"),
                           ({"op": "silence", "what": "app=x", "duration": "soon"}, "duration"),
                           ({"op": "unsilence", "id": 99}, "id"),
                           ({"op": "alerts", "run_id": "r-none"}, "run_id"),
                           ({"op": "ack", "run_id": ["nightly run 5", "r-none"]}, "run_id")):
        answer = bot.call(request)
        check(not answer["ok"] and answer["field"] == field, f"{request}: {answer}")
    bot.stop()
    server.shut()


def test_silences():
    server, bot = make("[delivery]\nthrottle = 0\n")
    bot.start()
    in_touch(server)
    bot.call(alert("r-0", app="noisy"))
    event_of(server, "r-0")
    tell(server, message("$c1", '!silence app=noisy, node_id=~"node_r-.*" 30m deploy'),
         message("$c2", "!silence app=~.* 1h"), message("$c3", "!silence noisy 3x"),
         message("$c4", "!silence app=other until resolved"), message("$c5", "!silence noisy 400d"),
         message("$c11", "!silence noisi 1h"), message("$c12", "!silence noisy forever"))
    answered(server, "$c1", '🔕 Silence 1: app="noisy", node_id=~"node_r-.*" until ')
    answered(server, "$c2", "everything")
    answered(server, "$c3", "A duration looks like")
    answered(server, "$c4", "until resolved, at most ")
    answered(server, "$c5", "longer than a silence may last")
    answered(server, "$c11", "Did you mean noisy?")
    answered(server, "$c12", "A silence needs an end")
    check("Firing now: 1 (noisy · node_r-0) · last 24 h: 1\nTo end it: !unsilence 1" in answers(server, "$c1")[0], answers(server, "$c1")[0])
    check(bot.call(alert("r-1", app="noisy"))["state"] == "silenced", "not silenced")
    check(bot.call(alert("r-2", app="other"))["state"] == "silenced", "not silenced")
    check(bot.call(alert("r-3", app="quiet"))["state"] == "queued", "silenced too much")
    bot.call(alert("r-2", app="other", status="resolved"))
    shown(server, "Silence 2 ended, its alerts are resolved: app=\"other\" · 1 silenced")
    check(bot.call(alert("r-4", app="other"))["state"] == "queued", "silenced after the end")
    check(not any("r-1" in e["content"]["body"] for _, e in server.timeline
                  if e["content"]["msgtype"] == "m.text"), "what was silenced is shown")
    tell(server, message("$c6", "!silences"), message("$c7", "!silence 1 2h"),
         message("$c10", "!alert r-1"), message("$c8", "!unsilence 1"), message("$c9", "!unsilence 9"))
    answered(server, "$c6", "deploy")
    answered(server, "$c7", "🔕 Silence 1: ")
    answered(server, "$c8", "1 silenced")
    answered(server, "$c9", "There is no active silence 9")
    answered(server, "$c10", "Why: silence 1")
    check(bot.call(alert("r-5", app="noisy"))["state"] != "silenced", "silenced after the end")
    shown(server, "node_r-1")  # what fires still is told then
    tell(server, reaction("$r1", event_of(server, "r-3"), "🔕"))
    server.wait(lambda: any("by reaction" in b or "Silence 3" in b for b in server.bodies(OPS)))
    check(bot.call(alert("r-6", app="quiet"))["state"] == "silenced", "🔕 does nothing")
    bot.stop()
    server.shut()


def test_reminders_until_somebody_takes_it_on():
    server, bot = make("remind = 1s\n[severity critical]\nmention = @oncall:fake.local\n"
                       "[delivery]\nthrottle = 0\n")
    bot.start()
    in_touch(server)
    bot.call(alert("r-0"))
    bot.call(alert("r-1", app="second"))
    server.wait(lambda: any("⏰" in b for b in server.bodies(OPS)), 30)
    reminder = next(e["content"] for _, e in server.timeline if "⏰" in e["content"]["body"])
    check("r-0" in reminder["body"] and "r-1" in reminder["body"], str(reminder))
    check(reminder["m.mentions"] == {"user_ids": ["@oncall:fake.local"]}, str(reminder))
    tell(server, message("$c1", "!ack r-0 r-1"))
    answered(server, "$c1", "second")
    count = sum("⏰" in b for b in server.bodies(OPS))
    bot.call(alert("r-2", app="third"))
    server.wait(lambda: sum("⏰" in b for b in server.bodies(OPS)) > count, 30)
    last = [b for b in server.bodies(OPS) if "⏰" in b][-1]
    check("r-2" in last and "r-0" not in last and "r-1" not in last, last)
    bot.stop()
    server.shut()


def test_status_shows_what_is_held_back():
    """What a critical mutes, silences that hold and those to come, apps' heartbeats, all the same in metrics."""
    server, bot = make("[delivery]\ninhibit = yes\nthrottle = 0\n[watch shop]\ndatabase = shop.db\n"
                       "sql = SELECT 1 AS title FROM nothing\n")
    bot.start()
    in_touch(server)
    watcher = bot.client()
    watcher.call({"op": "subscribe"})
    bot.call({"op": "alert", "app": "a", "title": "disk", "severity": "critical"})
    check(bot.call({"op": "alert", "app": "a", "title": "disk", "severity": "warning"})["state"] == "silenced",
          "not muted")
    bot.call({"op": "silence", "what": "app=b", "duration": "1h"})
    later = time.strftime("%H:%M", time.gmtime(time.time() + 7200))
    bot.call({"op": "silence", "what": "app=c", "start": later})
    for field, text in (("start", "tomorrow"), ("duration", "a while")):
        bad = bot.call({"op": "silence", "what": "app=d", field: text})
        check(not bad["ok"] and bad["field"] == field, str(bad))
    bot.call({"op": "heartbeat", "app": "etl", "every": "1h"})
    tell(server, message("$c1", "!status"), message("$c2", "!silence 1 3h"))
    said = answered(server, "$c1", "🔕 1 silence, 1 later: !silences")
    check("🔕 1 inhibited in the last 24 h" in said, said)
    check("App heartbeats: 1\n" in said, said)
    answered(server, "$c2", "🔕 Silence 1: ")
    status = bot.call({"op": "status"})
    check((status["silences"], status["silences_later"], status["muted_24h"]) == (1, 1, 1), str(status))
    check(status["app_heartbeats"] == {"expected": 1, "missed": 0}, str(status))
    end = time.monotonic() + 60
    while True:
        metrics = bot.call({"op": "metrics"})
        if metrics["watches_failing"]:
            break
        check(time.monotonic() < end, str(metrics))
        time.sleep(0.05)  # a query on the pool tells nobody
    check((metrics["silences"], metrics["app_heartbeats"], metrics["watches"], metrics["watches_firing"])
          == (1, 1, 1, 0), str(metrics))
    printed = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "metrics"],
                             capture_output=True, text=True, timeout=60)
    check(json.loads(printed.stdout)["silences"] == 1, str(printed))
    ends = []
    while len(ends) < 3:
        event = watcher.receive()
        ends += [event["end_ms"]] if event.get("event") == "silenced" else []
    check(ends[2] > ends[0] + 3600_000, f"the new end is not told: {ends}")
    watcher.close()
    bot.stop()
    server.shut()


def test_status_and_alerts_in_the_room():
    server, bot = make()
    bot.start()
    in_touch(server)
    bot.call(alert("r-0"))
    event_of(server, "r-0")
    tell(server, message("$c1", "!status"), message("$c2", "!alerts"), message("$c3", "!alert r-0"),
         message("$c4", "!retry"), message("$c5", "!help silence"))
    answered(server, "$c1", "Running · up ")
    answered(server, "$c1", "🚨 1 unacknowledged\n• data_factory: r-0\nLast 24 h: 1 critical\nQueue empty · last sync now")
    answered(server, "$c2", "r-0")
    answered(server, "$c3", "Why: new message")
    answered(server, "$c4", "Nothing is undeliverable")
    answered(server, "$c5", "Example: !silence etl")
    bot.stop()
    server.shut()


def test_rights_on_the_socket():
    """As another user than the daemon's: what changes things is for admins, alerts are for all."""
    ask = ("import json, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
           "for line in sys.argv[2:]: s.sendall(line.encode() + b'\\n'); print(s.makefile().readline(), end='')")

    def as_user(bot, uid, *requests):
        done = subprocess.run([sys.executable, "-c", ask, bot.path, *map(json.dumps, requests)],
                              user=uid, group=uid, capture_output=True, text=True, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]

    if os.geteuid() != 0:
        raise Skip("needs root to be somebody else")
    changes = [{"op": "ack", "run_id": "r-1"}, {"op": "silence", "what": "app=x"}, {"op": "resolve", "what": "r-1"},
               {"op": "discard", "id": 1}, {"op": "accept", "user": "@x:y", "key": "k"}]
    server, bot = make("[socket]\nmode = 0666\n")
    bot.folder.chmod(0o755)
    bot.start()
    check([a.get("error") for a in as_user(bot, 4711, alert("r-1"), *changes[:3])] == [None, None, None, None], "default")
    check(as_user(bot, 4711, changes[4])[0]["error"] == "denied", "trust is never for all")
    check("may also acknowledge, silence and resolve" in bot.log.read_text(), "the default is not told")
    bot.config.write_text(bot.config.read_text().replace("mode = 0666", "mode = 0666\nadmin_uid = 4712"))
    bot.process.send_signal(signal.SIGHUP)
    until(lambda: as_user(bot, 4711, changes[0])[0].get("error") == "denied", "the reload")
    changes += [{"op": "oncall", "action": "take"}, {"op": "oncall", "words": ["take"]}]
    check([a.get("error") for a in as_user(bot, 4711, alert("r-2"), *changes, {"op": "status"})] ==
          [None, *["denied"] * 7, None], "an app may too much")
    check(all(a.get("error") != "denied" for a in as_user(bot, 4711, {"op": "oncall"}, {"op": "oncall", "words": []})),
          "who is on call is no secret")
    check([a.get("error") for a in as_user(bot, 4712, *changes[:2])] == [None, None], "the admin may not")
    bot.stop()
    server.shut()
