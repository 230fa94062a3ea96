"""Who is on call, as rooms and the socket hear of it, against the scripted homeserver."""
from commands import ADMIN, OPS, OTHER, answered, in_touch, make, message, tell
from harness import check, until

ROTA = (f"[oncall main]\nusers = {ADMIN}, {OTHER}\nrotate = weekly mon 09:00\nfrom = 2026-01-05\n"
        "[severity critical]\nmention = oncall:main\n")


def told(server, part):
    """The notices of a change, with whom each mentions."""
    return [event["content"] for room, event in server.timeline
            if room == OPS and event["content"].get("body", "").startswith("📟 On call: ")
            and part in event["content"]["body"] and event["content"]["msgtype"] == "m.text"]


def test_who_is_on_call():
    server, bot = make(ROTA)
    server.members = [ADMIN, OTHER, server.USER]
    bot.start()
    in_touch(server)
    now = bot.call({"op": "oncall"})["oncall"][0]
    first, second = now["user"], now["next"]
    check({first, second} == {ADMIN, OTHER} and now["until_ms"] > 0, str(now))
    tell(server, message("$c1", "!oncall"), message("$c2", "!oncall give @nobody:fake.local 2h"),
         message("$c3", "!oncall give"), message("$c4", "!oncall take forever"), message("$c5", "!oncall sleep"))
    check(second.split(":")[0][1:] in answered(server, "$c1", first.split(":")[0][1:]), "nobody follows")
    answered(server, "$c2", "not in room ops")
    for event_id in ("$c3", "$c4", "$c5"):
        answered(server, event_id)
    check(bot.call({"op": "oncall"})["oncall"][0]["user"] == first, "something was changed")
    # given, and told with a mention, which alerts follow
    answer = bot.call({"op": "oncall", "action": "give", "user": second, "duration": "2h"})
    check(answer["ok"] and answer["oncall"][0]["user"] == second and answer["oncall"][0]["next"] == first, str(answer))
    server.wait(lambda: told(server, "set by"))
    check([c["m.mentions"] for c in told(server, "set by")] == [{"user_ids": [second]}], str(told(server, "")))
    bot.call({"op": "alert", "app": "etl", "severity": "critical", "title": "disk"})
    server.wait(lambda: any("disk" in body for body in server.bodies(OPS)))
    alert = next(e["content"] for r, e in server.timeline if r == OPS and "disk" in e["content"]["body"])
    check(alert["m.mentions"] == {"user_ids": [second]}, str(alert))
    # kept over a restart; taken by who has the right
    bot.stop()
    bot.start()
    check(bot.call({"op": "oncall"})["oncall"][0]["user"] == second, "forgotten")
    if second != ADMIN:
        in_touch(server)
        tell(server, message("$c6", "!oncall take 1h"))
        answered(server, "$c6", ADMIN.split(":")[0][1:])
    check(bot.call({"op": "oncall", "action": "take"})["field"] is not None, "a socket takes nothing")
    bot.stop()
    server.shut()


def test_nobody_by_that_name_is_told_at_once():
    server, bot = make(ROTA)
    server.members = [ADMIN, server.USER]
    bot.start()
    server.wait(lambda: any("not in this room" in body and OTHER in body for body in server.bodies(OPS)))
    until(lambda: "on call, but not in room ops: " + OTHER in bot.log.read_text(), "the log")
    bot.stop()
    server.shut()
