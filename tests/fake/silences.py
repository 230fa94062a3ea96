"""Silences, quiet times and the ends of both, against the scripted homeserver."""
import time

from commands import OPS, answered, in_touch, make, message, tell
from harness import check

COSTLY = r'title=~"(a*)*b|(a|aa)+$"'


def text(title, app="etl", severity="critical", **more):
    return {"op": "alert", "app": app, "severity": severity, "title": title, **more}


def test_a_costly_pattern_stops_nothing():
    server, bot = make("[delivery]\nthrottle = 0\n[quiet costly]\nwhat = text=~\"(a|aa)+[bc]\"\n"
                       "from = 00:00\nto = 23:59\ncritical = yes\n")
    bot.start()
    in_touch(server)
    for what in (r'title=~"(.*)(.*)(.*)(.*)\5\4\3\2x"', r'app=~"((a{1,100}){1,100}){1,100}"',
                 r'title=~"a++++++++++++++++++++++"', r'title=~"(((a{255}){255}){255})"', r'title=~"\C"'):
        answer = bot.call({"op": "silence", "what": what, "duration": "1h"})
        check(not answer["ok"] and "regular expression" in answer["message"], f"{what}: {answer}")
    check(bot.call({"op": "silence", "what": COSTLY, "duration": "1h"})["ok"], "refused")
    started = time.monotonic()
    for i in range(100):
        answer = bot.call(text("a" * 64 + "!", app=f"app{i % 5}", text="a" * 500))
        check(answer["ok"] and answer["state"] != "silenced", str(answer))
    check(time.monotonic() - started < 10, f"{time.monotonic() - started:.1f} s for 100 alerts")
    tell(server, message("$c1", "!silences"), message("$c2", "!status"))
    said = answered(server, "$c1", "limit of its cost")
    check("Quiet time costly has no effect" in said, said)
    answered(server, "$c2", "silences without effect: 2")
    check(bot.call({"op": "status"})["silences_failed"] == 2, "not in the data")
    log = bot.log.read_text()
    check(log.count("no longer has any effect") == 1 and log.count("has no effect until its end") == 1, log[-2000:])
    # what was tried on alerts that are there already is refused at once
    answer = bot.call({"op": "silence", "what": r'title=~"(a|aa)+[bc]|x"', "duration": "1h"})
    check(not answer["ok"] and "limit of its cost" in answer["message"], str(answer))
    bot.stop()
    server.shut()


def test_everything_is_what_nothing_is_left_out_of():
    server, bot = make()
    bot.start()
    in_touch(server)
    tell(server, message("$c1", "!silence severity!=critical 2h"), message("$c2", "!silence severity!=loud 2h"),
         message("$c3", "!silence status=firing 2h"))
    answered(server, "$c1", 'Silence 1: severity!="critical"')
    answered(server, "$c2", "everything")
    answered(server, "$c3", "everything")
    check(bot.call(text("t", severity="warning"))["state"] == "silenced", "a warning")
    check(bot.call(text("t"))["state"] == "queued", "a critical")
    bot.stop()
    server.shut()


def test_a_stored_alert_answers_to_the_same_names():
    server, bot = make()
    bot.start()
    in_touch(server)
    check(bot.call(text("t", key="k-1", id="i-1", url="https://x/1"))["state"] == "queued", "not queued")
    server.wait(lambda: any("etl" in body for body in server.bodies(OPS)))
    for i, what in enumerate(("key=k-1", "id=i-1", 'url="https://x/1"', "status=firing key=k-1", "at=~2.* app=etl")):
        tell(server, message(f"$c{i}", f"!silence {what} 1h"))
        said = answered(server, f"$c{i}", "Firing now: 1 (")
        check("last 24 h: 1\n" in said, said)
    bot.stop()
    server.shut()


def rings(server, part, room=OPS):
    """New messages that ring, with that in their text."""
    return [event for r, event in server.timeline if r == room and event["content"].get("msgtype") == "m.text"
            and "m.new_content" not in event["content"] and part in event["content"]["body"]]


def test_the_end_of_a_silence_of_the_host_is_told():
    server, bot = make("[commands]\nremind = 1h\n")
    bot.start()
    in_touch(server)
    check(bot.call({"op": "silence", "what": "app=etl", "duration": "2s"})["ok"], "refused")
    check(bot.call(text("fires"))["state"] == "silenced", "not silenced")
    check(bot.call(text("resolved"))["state"] == "silenced", "not silenced")
    bot.call(text("resolved", status="resolved"))
    server.wait(lambda: any("ilence 1" in body and "2 silenced" in body for body in server.bodies(OPS)))
    server.wait(lambda: rings(server, "fires"))
    check(len(rings(server, "fires")) == 1 and not rings(server, "resolved"), str(server.bodies(OPS)))
    # and one that is ended by hand
    check(bot.call({"op": "silence", "what": "app=billing", "duration": "1h"})["ok"], "refused")
    check(bot.call(text("late", app="billing"))["state"] == "silenced", "not silenced")
    bot.stop()
    bot.start()
    check(bot.call({"op": "unsilence", "id": 2})["ok"], "not ended")
    server.wait(lambda: rings(server, "late"))
    bot.stop()
    server.shut()
