"""Of run.py: a homeserver that refuses, fails or drowns what the bot needs beside sending."""
import json
import time
import urllib.parse

from harness import check, node
from homeserver import Homeserver
from bot import Bot

OPS = "!ops:fake.local"
BIG = 17 * 1024 * 1024


def make(extra=""):
    server = Homeserver()
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"}, extra)
    return server, bot


def end(server, bot):
    bot.stop()
    server.shut()


def message(body, sender="@op:fake.local", event_id="$c1"):
    return {"type": "m.room.message", "event_id": event_id, "sender": sender,
            "origin_server_ts": int(time.time() * 1000), "content": {"msgtype": "m.text", "body": body}}


def test_sends_refused_with_401_while_whoami_is_fine():
    server, bot = make()
    refused = lambda r: r.reply(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "not here"})  # noqa: E731
    server.trick("PUT", "/rooms/!ops.*/send/", refused, 100000)
    bot.start()
    bot.call(node("r-1"))
    server.wait(lambda: len(server.sends(OPS)) >= 3)
    bot.call(node("r-2", app="other", severity="warning"))
    server.wait(lambda: any("r-2" in body for body in server.bodies("!dev:fake.local")))
    count, started = len(server.requests), time.monotonic()
    server.wait(lambda: time.monotonic() - started > 3 or len(server.requests) - count > 100, 10)
    check(len(server.requests) - count <= 100, f"{len(server.requests) - count} requests")
    status = bot.call({"op": "status"})
    check(status["waiting"] == 1, str(status))
    check(len(bot.log.read_text()) < 20000, "it fills the log")
    server.tricks.clear()
    server.wait(lambda: any("r-1" in body for body in server.bodies(OPS)), 90)
    end(server, bot)


def test_power_levels_that_cannot_be_had_are_asked_for_again():
    server, bot = make("[commands]\npower_level = 50\n")
    server.state[(OPS, "m.room.create")] = {"room_version": "10"}
    server.state[(OPS, "m.room.power_levels")] = {"users": {"@op:fake.local": 50}}
    refused = lambda r: r.reply(403, {"errcode": "M_FORBIDDEN", "error": "not now"})  # noqa: E731
    server.trick("GET", f"{OPS}/state/m.room.power_levels", refused, 100)
    bot.start()
    server.wait(lambda: sum(1 for _, path, _ in server.requests if path.endswith("/sync")) >= 2)
    server.tell(**{"join": {OPS: {"timeline": {"events": [message("!help", event_id="$c1")]}}}})
    server.wait(lambda: any("power levels right now" in body for body in server.bodies(OPS)))
    server.tricks.clear()
    server.tell(**{"join": {OPS: {"timeline": {"events": [message("!help", event_id="$c2")]}}}})
    server.wait(lambda: any("!ack" in body for body in server.bodies(OPS)))
    end(server, bot)


def whole(request):
    """Whether a /sync asks for rooms."""
    filter_ = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)["filter"][0]
    return not filter_.startswith("{") or json.loads(filter_)["room"].get("rooms") != []


def test_a_first_sync_that_is_too_large_is_passed():
    server, bot = make("[commands]\nusers = @op:fake.local\n")

    def large(request):
        if whole(request):
            request.reply(200, None, raw=b" " * BIG)
        else:
            server.tricks.clear()
            request.proceed()
    server.trick("GET", "/sync", large, 100)
    bot.start()
    server.wait(lambda: not server.tricks, 60)
    server.wait(lambda: sum(1 for _, path, _ in server.requests if path.endswith("/sync")) >= 4)
    server.tell(**{"join": {OPS: {"timeline": {"events": [message("!help")]}}}})
    server.wait(lambda: any("!ack" in body for body in server.bodies(OPS)))
    end(server, bot)


def test_what_came_in_the_meantime_is_too_much_and_still_read():
    server, bot = make("[commands]\nusers = @op:fake.local\n")
    bot.start()
    server.wait(lambda: sum(1 for _, path, _ in server.requests if path.endswith("/sync")) >= 2)
    bot.stop()

    def large(request):
        if whole(request):
            request.reply(200, None, raw=b" " * BIG)
        else:
            server.tricks.clear()
            request.proceed()
    server.trick("GET", "/sync", large, 100)
    with server.changed:  # what /messages tells
        server.timeline.append((OPS, message("!help")))
        server.batches.append({"join": {}})
    bot.start()
    server.wait(lambda: any("!ack" in body for body in server.bodies(OPS)), 60)
    check(sum(1 for _, path, _ in server.requests if path.endswith("/messages")) >= 2, "not room by room")
    end(server, bot)
