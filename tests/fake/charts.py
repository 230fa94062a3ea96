"""!chart: a picture that the homeserver takes, refuses, or takes without saying so."""
import shutil
import struct

from bot import BUILD
from commands import alert, answered, answers, in_touch, make, message, tell
from harness import check

UPLOAD = "/_matrix/media/v3/upload"


def pictures(server):
    return [e["content"] for _, e in server.timeline if e["content"].get("msgtype") == "m.image"]


def uploads(server):
    return sum(1 for method, path, _ in server.requests if path == UPLOAD)


def is_chart(server, content):
    png = server.media[content["url"]]
    check(png[:8] == b"\x89PNG\r\n\x1a\n" and png.endswith(b"IEND\xaeB\x60\x82"), "it is no PNG")
    info = content["info"]
    check(struct.unpack(">II", png[16:24]) == (info["w"], info["h"]) and info["w"] == 780, str(info))
    check(info["size"] == len(png) and info["mimetype"] == "image/png", str(info))
    check(content["filename"].endswith(".png") and "critical" in content["body"], str(content))


def test_chart_is_a_picture_in_the_thread():
    server, bot = make()
    bot.start()
    in_touch(server)
    for i in range(3):
        bot.call(alert(f"r-{i}"))
    tell(server, message("$c1", "!chart 24h"))
    body = answered(server, "$c1", "📊 Alerts, last 24 hours: 3 critical")
    check("data_factory 3" in body, body)
    content = pictures(server)[0]
    is_chart(server, content)
    check(content["m.relates_to"]["rel_type"] == "m.thread" and content["m.mentions"] == {}, str(content))
    check(content["org.matrix-telemetry-bot.alert"]["chart"]["alerts"]["critical"] == 3, str(content))
    # without an app by that name, and of a time that is none
    tell(server, message("$c2", "!chart data_factry"), message("$c3", "!chart 5d"), message("$c4", "!chart data_factory day"))
    answered(server, "$c2", "Did you mean data_factory?")
    answered(server, "$c3", "A chart covers 24h, 7d or 30d")
    answered(server, "$c4", "data_factory · Alerts, last 24 hours: 3 critical")
    check(len(pictures(server)) == 2, "no second picture")
    words = bot.call({"op": "chart", "span": "7d"})
    check(words["ok"] and "Alerts, last 7 days: 3 critical" in words["text"] and len(words["bars"]) == 7, str(words))
    bot.stop()
    server.shut()


def test_chart_that_the_homeserver_refuses():
    server, bot = make()
    bot.start()
    in_touch(server)
    bot.call(alert("r-1"))
    refusals = [(413, "M_TOO_LARGE", "accepts no file of this size"), (403, "M_FORBIDDEN", "does not let the bot upload")]
    for status, errcode, why in refusals:
        server.trick("POST", UPLOAD, lambda r, s=status, c=errcode: r.reply(s, {"errcode": c, "error": "no"}))
        tell(server, message(f"$c{status}", "!chart"))
        body = answered(server, f"$c{status}", why)
        check("last 7 days: 1 critical" in body and errcode in body, body)
    # what may pass is tried again: rate limit, a proxy's error, no answer
    server.trick("POST", UPLOAD, lambda r: r.reply(429, {"errcode": "M_LIMIT_EXCEEDED", "error": "slow", "retry_after_ms": 200}))
    server.trick("POST", UPLOAD, lambda r: r.reply(502, {}))
    server.trick("POST", UPLOAD, lambda r: r.reset())
    before = uploads(server)
    tell(server, message("$again", "!chart"))
    answered(server, "$again", "last 7 days: 1 critical")
    check(uploads(server) - before == 4 and len(pictures(server)) == 1, f"{uploads(server) - before} tries")
    is_chart(server, pictures(server)[0])
    bot.stop()
    server.shut()


def test_chart_without_anything_to_draw_with():
    """The module is not where the program looks for it, or is no module."""
    server, bot = make()
    program = bot.folder / "matrix-telemetry-bot"
    shutil.copy(bot.program, program)
    bot.program = program
    bot.start()
    in_touch(server)
    bot.call(alert("r-1"))
    tell(server, message("$none", "!chart"))
    body = answered(server, "$none", "No picture: the bot's host has no library to draw charts with")
    check("last 7 days: 1 critical" in body and "chart_cairo.so: cannot open" in body, body)
    (bot.folder / "charts").mkdir()
    (bot.folder / "charts/chart_cairo.so").write_text("no module")
    tell(server, message("$torn", "!chart"))
    answered(server, "$torn", "No picture: the bot's host has no library to draw charts with")
    # put in place while the bot runs: from then on there are pictures
    shutil.copy(BUILD / "bot/charts/chart_cairo.so", bot.folder / "charts")
    tell(server, message("$drawn", "!chart"))
    answered(server, "$drawn", "last 7 days: 1 critical")
    is_chart(server, pictures(server)[0])
    bot.stop()
    server.shut()


def test_chart_is_posted_once_whatever_happens():
    """Killed when the homeserver has the picture and nobody knows, then when it has its event."""
    server, bot = make()
    bot.start()
    in_touch(server)
    bot.call(alert("r-1"))

    def die_after(request):
        request.proceed(silent=True)
        bot.kill()
        request.reset()

    server.trick("POST", UPLOAD, die_after)
    tell(server, message("$c1", "!chart"))
    server.wait(lambda: uploads(server) == 1)
    bot.process.wait(30)
    server.trick("PUT", "/send/m.room.message", die_after)
    bot.start(wait=False)
    server.wait(lambda: pictures(server))
    bot.process.wait(30)
    bot.start()
    tell(server, message("$c2", "!help"))
    answered(server, "$c2")
    check(len(answers(server, "$c1")) == 1 and uploads(server) == 2, f"{answers(server, '$c1')}, {uploads(server)} uploads")
    is_chart(server, pictures(server)[0])
    bot.stop()
    server.shut()
