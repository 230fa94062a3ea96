"""Commands from a room, against a homeserver that loses, repeats and cuts what it tells."""
import sqlite3
import time

from bot import Bot
from homeserver import Homeserver

OPS = "!ops:fake.local"
ADMIN, OTHER = "@admin:fake.local", "@other:fake.local"


def check(condition, text):
    if not condition:
        raise AssertionError(text)


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
         message("$typo", "!hlep"),
         message("$unknown", "!xyzzy"))
    answered(server, "$late", "Not carried out")
    answered(server, "$refused", "Sorry")
    answered(server, "$typo", "Did you mean !help?")
    answered(server, "$unknown", "lists what I know")
    server.wait(lambda: len(audit(bot)) == 5)
    for quiet in ("$own", "$notice", "$edit", "$talk", "$wow", "$again"):
        check(not answers(server, quiet), f"{quiet} was answered")
    check(audit(bot) == [("$late", "late"), ("$refused", "refused"), ("$again", "refused"),
                         ("$typo", "unknown"), ("$unknown", "unknown")], str(audit(bot)))
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
        answered(server, good, "what there is")
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
