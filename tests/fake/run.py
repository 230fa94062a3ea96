"""The bot against a misbehaving homeserver. Prints "ok NAME" or "not ok NAME" a test.
Usage: run.py [NAME …]"""
import json
import os
import pathlib
import resource
import signal
import socket
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from bot import BUILD, Bot, Client  # noqa: E402
from harness import check, run_tests, until  # noqa: E402
import charts  # noqa: E402
import commands  # noqa: E402
import completions  # noqa: E402
import docs  # noqa: E402
import heartbeats  # noqa: E402
import neighbours  # noqa: E402
import refusing  # noqa: E402
import oncall  # noqa: E402
import setting_up  # noqa: E402
import setting_up_keys  # noqa: E402
import silences  # noqa: E402
import undelivered  # noqa: E402
import watch  # noqa: E402
import watches  # noqa: E402
import web  # noqa: E402
import web_limits  # noqa: E402
import web_neighbours  # noqa: E402
import web_page  # noqa: E402
import web_prometheus  # noqa: E402
from homeserver import Homeserver  # noqa: E402

OPS, DEV = "!ops:fake.local", "!dev:fake.local"
SEND = "/rooms/!ops.*/send/"


def node(run, name=None, app="data_factory", **more):
    return {"op": "alert", "app": app, "kind": "node_failed", "run_id": run,
            "fields": {"node_id": name or run, "duration_ms": 1, "error": "no"}, **more}


def make(extra="", **options):
    server = Homeserver()
    for name, value in options.items():
        setattr(server, name, value)
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"},
              extra)
    bot.server = server
    return server, bot


def delivered(server, run, room=OPS):
    """The run id is in exactly one new event of the room."""
    server.wait(lambda: any(run in body for body in server.bodies(room)))
    new = [event for r, event in server.timeline
           if r == room and "m.new_content" not in event["content"] and run in event["content"]["body"]]
    check(len(new) == 1, f"{run} is in {len(new)} events")


def once_after(trick, times=1, tries=2, extra=""):
    """One evil answer to a send: it arrives all the same, once, under one transaction id."""
    server, bot = make(extra)
    server.trick("PUT", SEND, trick, times)
    bot.start()
    bot.call(node("r-1"))
    delivered(server, "r-1")
    server.wait(lambda: len(server.sends(OPS)) >= tries)
    check(len({path for _, path, _ in server.sends(OPS)}) == 1, "another transaction id")
    check(len(server.timeline) == 1, f"{len(server.timeline)} events")
    bot.stop()
    server.shut()


def test_429_with_retry_after_ms():
    started = time.monotonic()
    once_after(lambda r: r.reply(429, {"errcode": "M_LIMIT_EXCEEDED", "error": "slow", "retry_after_ms": 700}))
    check(time.monotonic() - started >= 0.7, "did not wait as asked")


def test_429_with_retry_after_header():
    started = time.monotonic()
    once_after(lambda r: r.reply(429, {"errcode": "M_LIMIT_EXCEEDED"}, [("Retry-After", "1")]))
    check(time.monotonic() - started >= 1, "did not wait as asked")


def test_429_without_a_wait():
    once_after(lambda r: r.reply(429, {}))


def test_a_limited_account_says_all_in_few_events():
    """Ten events at once, then one in two seconds, for all rooms together; also after a restart."""
    server, bot = make("[delivery]\nthrottle = 10s\n")
    free = [0.0]  # when the bucket is empty
    lock = threading.Lock()

    def limited(request):
        with lock:
            now = time.monotonic()
            wait = free[0] - now - 9 * 2
            if wait <= 0:
                free[0] = max(free[0], now) + 2
        if wait > 0:
            request.reply(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": int(wait * 1000)})
        else:
            request.proceed()

    def burst(name, room, severity):
        before, started = len(server.timeline), time.monotonic()
        runs = [f"{name}-{i}." for i in range(18)]
        client = bot.client()
        client.send(*(node(run, "n", f"{name}_{i}", severity=severity) for i, run in enumerate(runs)))
        check(all(client.receive()["ok"] for _ in runs), "not all acknowledged")
        client.close()
        server.wait(lambda: all(any(run in body for body in server.bodies(room)) for run in runs))
        return len(server.timeline) - before, time.monotonic() - started

    server.trick("PUT", "/send/", limited, -1)
    bot.start()
    events, seconds = burst("first", OPS, "critical")
    check(events == 11 and seconds < 4, f"{events} events in {seconds} s")
    events, seconds = burst("dev", DEV, "warning")  # all rooms share the limit
    check(events == 1 and seconds < 4, f"{events} events in {seconds} s")
    text = bot.call({"op": "status"})["rate_limit"]
    check("override_ratelimit" in text and server.USER in text, text)
    check("override_ratelimit" in bot.log.read_text(), "the log does not say how it is lifted")
    bot.kill()
    bot.start()
    events, seconds = burst("again", OPS, "critical")
    check(events <= 2 and seconds < 6, f"{events} events in {seconds} s")
    texts = server.bodies(OPS) + server.bodies(DEV)
    check(len(texts) == len(server.timeline), "an event elsewhere")
    free[0] = 0
    server.wait(lambda: bot.call({"op": "status"})["waiting"] == 0)
    refused = sum(1 for call in server.sends(OPS) + server.sends(DEV)) - len(server.timeline)
    check(refused <= 6, f"refused {refused} times")
    bot.stop()
    server.shut()


def test_each_event_is_tried_once():
    """Many alerts in many batches: what was chosen is what is sent. Whether an event was tried before
    decides what a refusal means."""
    server, bot = make("[delivery]\nthrottle = 0\nstorm = 0\n")
    bot.start()

    def feed(first):
        client = bot.client()
        for i in range(first, first + 100):
            check(client.call(node(f"r-{i}.", app=f"app{i % 30}"))["ok"], "refused")
        client.close()

    feeders = [threading.Thread(target=feed, args=(first,)) for first in (0, 100, 200)]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join()
    until(lambda: bot.call({"op": "status"})["waiting"] == 0, "the queue drains")
    database = sqlite3.connect(bot.folder / "operations.db")
    check(database.execute("SELECT max(tries) FROM outbox").fetchone()[0] == 1, "counted tries that were none")
    database.close()
    bot.stop()
    server.shut()


def fill(server, bot, count):
    """Messages that wait for a homeserver that is not there."""
    server.shut()
    bot.start()
    client = bot.client()
    client.send(*(node(f"r-{i}.", "n", app=f"app{i}") for i in range(count)))
    check(all(client.receive()["ok"] for _ in range(count)), "not all acknowledged")
    client.close()


def once_each(server, count):
    """Every run id is in one new event; their numbers in the order of the room."""
    server.wait(lambda: all(any(f"r-{i}." in body for body in server.bodies(OPS)) for i in range(count)), 60)
    new = [event["content"]["body"] for room, event in server.timeline
           if room == OPS and "m.new_content" not in event["content"]]
    runs = [int(body.split("r-")[1].split(".")[0]) for body in new]
    check(sorted(runs) == list(range(count)), f"not once each: {runs}")
    return runs


def test_the_next_leaves_before_the_answer_is_written_down():
    server, bot = make("[delivery]\nthrottle = 0\nstorm = 0\n")
    fill(server, bot, 3)
    database = sqlite3.connect(bot.folder / "operations.db", timeout=30, isolation_level=None,
                               check_same_thread=False)

    def first(request):
        until(lambda: database.execute("SELECT count(*) FROM outbox WHERE frozen_ms > 0").fetchone()[0] == 2,
              "the second is made ready")
        database.execute("BEGIN IMMEDIATE")  # nothing can be written down
        request.proceed()

    server.trick("PUT", SEND, first)
    server.open()
    server.wait(lambda: len(server.sends(OPS)) == 2)
    check(len(server.timeline) >= 1, "nothing was taken")
    database.execute("ROLLBACK")
    check(once_each(server, 3) == [0, 1, 2], "out of order")
    database.close()
    bot.stop()
    server.shut()


def test_a_drain_with_faults_is_complete():
    """Of events that are one ahead none is lost, doubled or left, whatever the answer before it was."""
    server, bot = make("[delivery]\nthrottle = 0\nstorm = 0\n")
    fill(server, bot, 60)
    count = [0]

    def evil(request):
        count[0] += 1
        if count[0] % 7 == 0:
            request.reply(502, {})
        elif count[0] % 11 == 0:
            request.proceed(silent=True)
            request.reset()
        elif count[0] % 13 == 0:
            request.reply(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 50})
        elif count[0] % 17 == 0:
            request.reply(403, {"errcode": "M_USER_SUSPENDED"})
        else:
            request.proceed()

    server.trick("PUT", SEND, evil, -1)
    server.open()
    server.wait(lambda: all(any(f"r-{i}." in body for body in server.bodies(OPS)) for i in range(60)), 60)
    bodies = "\n".join(event["content"]["body"] for _, event in server.timeline
                       if "m.new_content" not in event["content"])
    check(all(bodies.count(f"r-{i}.") == 1 for i in range(60)), "not once each")
    until(lambda: bot.call({"op": "status"})["waiting"] == 0, "the queue is empty")
    bot.stop()
    server.shut()


def test_kills_while_it_drains():
    server, bot = make("[delivery]\nthrottle = 0\nstorm = 0\n")
    fill(server, bot, 120)
    bot.kill()

    def slow(request):
        time.sleep(0.01)  # so that a kill meets every phase
        request.proceed()

    server.trick("PUT", SEND, slow, -1)
    server.open()
    for i in range(25):
        before = len(server.timeline)
        bot.start()
        server.wait(lambda: len(server.timeline) >= min(before + i % 5, 120))
        time.sleep(0.001 * (i * 7 % 13))
        bot.kill()
    bot.start()
    check(once_each(server, 120) == list(range(120)), "out of order")
    until(lambda: bot.call({"op": "status"})["waiting"] == 0, "the queue is empty")
    bot.stop()
    server.shut()


def test_502_with_html():
    once_after(lambda r: r.reply(502, None, raw=b"<html>bad gateway</html>"))


def test_half_a_json_answer():
    def half(request):
        request.proceed(silent=True)
        request.reply(200, None, raw=b'{"event_id": "$ev')
    once_after(half)


def test_an_answer_that_is_too_large():
    def large(request):
        request.proceed(silent=True)
        request.send_response(200)
        request.send_header("Content-Length", str(4 << 20))
        request.end_headers()
        request.wfile.write(b" " * (4 << 20))
    once_after(large)


def test_an_answer_that_is_no_object():
    once_after(lambda r: r.reply(200, None, raw=b'["$x"]'))


def test_reset_before_it_is_taken_in():
    once_after(lambda r: r.reset())


def test_reset_after_it_was_taken_in():
    def taken(request):
        request.proceed(silent=True)
        request.reset()
    once_after(taken)


def test_slow_bytes():
    def slow(request):
        _, body = request.proceed(silent=True)
        data = f'{{"event_id": "{body["event_id"]}"}}'.encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        for byte in data:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            time.sleep(0.02)  # this is the evil itself
    once_after(slow, tries=1)


def test_wrong_content_length():
    def wrong(request):
        request.proceed(silent=True)
        request.send_response(200)
        request.send_header("Content-Length", "5000")
        request.end_headers()
        request.wfile.write(b"{}")
        request.close_connection = True
    once_after(wrong)


def refused(status, errcode):
    """Undeliverable with its reason; the other room and what follows go on; !retry brings it."""
    server, bot = make("[delivery]\nthrottle = 0\n")
    server.trick("PUT", SEND, lambda r: r.reply(status, {"errcode": errcode, "error": "never"}))
    bot.start()
    bot.call(node("r-1"))
    server.wait(lambda: len(server.sends(OPS)) == 1)
    bot.call(node("r-2", app="other"))
    bot.call(node("r-3", severity="warning"))
    delivered(server, "r-2")
    delivered(server, "r-3", DEV)
    status = bot.call({"op": "status"})
    check(status["undeliverable"] == 1 and "never" in status["undeliverable_messages"][0]["error"], str(status))
    check(bot.call({"op": "retry"})["count"] == 1, "not retried")
    delivered(server, "r-1")
    check(bot.call({"op": "status"})["undeliverable"] == 0, "still undeliverable")
    bot.stop()
    server.shut()


def test_403_is_undeliverable():
    refused(403, "M_FORBIDDEN")


def held(status, answer, reason):
    """A refusal of the account or the homeserver: the queue waits, says why, and drains by itself."""
    server, bot = make("[delivery]\nthrottle = 0\n")
    refusing = threading.Event()
    refusing.set()

    def refuse(request):
        if refusing.is_set():
            request.reply(status, answer)
        else:
            request.proceed()

    server.trick("PUT", "/send/", refuse, -1)
    bot.start()
    bot.call(node("r-1"))
    server.wait(lambda: len(server.sends(OPS)) >= 2)  # it is tried again
    bot.call(node("r-2", app="other"))
    bot.call(node("r-3", severity="warning"))
    status = bot.call({"op": "status"})
    check(status["undeliverable"] == 0 and status["waiting"] == 3, str(status))
    check(reason in status["held"] and answer["errcode"] in bot.log.read_text(), str(status))
    refusing.clear()
    started = time.monotonic()
    for run, room in (("r-1", OPS), ("r-2", OPS), ("r-3", DEV)):
        delivered(server, run, room)
    check(time.monotonic() - started < 10, "it drains late")
    until(lambda: bot.call({"op": "status"})["held"] is None, "the problem is over")
    bot.stop()
    server.shut()


def test_a_disabled_homeserver_holds_the_queue():
    held(403, {"errcode": "M_RESOURCE_LIMIT_EXCEEDED", "error": "disabled", "limit_type": "hs_disabled",
               "admin_contact": "mailto:admin@example.org"}, "disabled")


def test_a_suspended_account_holds_the_queue():
    held(403, {"errcode": "M_USER_SUSPENDED", "error": "suspended"}, "suspended")


def test_missing_consent_holds_the_queue():
    held(403, {"errcode": "M_CONSENT_NOT_GIVEN", "error": "terms", "consent_uri": "https://x/"}, "terms")


def test_a_locked_account_holds_the_queue():
    held(401, {"errcode": "M_USER_LOCKED", "error": "locked", "soft_logout": True}, "locked")


def test_an_unrecognized_send_holds_the_queue():
    held(404, {"errcode": "M_UNRECOGNIZED", "error": "what?"}, "what?")


def test_413_is_undeliverable():
    refused(413, "M_TOO_LARGE")


def test_a_sync_that_never_answers():
    server, bot = make()
    stuck = threading.Event()
    server.trick("GET", "/v3/sync", lambda r: stuck.wait(60), -1)
    bot.start()
    bot.call(node("r-1"))
    delivered(server, "r-1")
    bot.stop()
    stuck.set()
    server.shut()


def token_refused(soft, extra=""):
    server, bot = make(extra)
    bot.start()
    bot.call(node("r-1"))
    delivered(server, "r-1")
    with server.changed:
        server.tokens = set()
        server.soft_logout = soft
    answer = bot.call(node("r-2", app="second"))
    check(answer["ok"] and answer["state"] == "queued", f"not taken in meanwhile: {answer}")
    return server, bot


def test_401_then_a_new_token():
    server, bot = token_refused(False)
    server.wait(lambda: [r for r in server.requests if r[1].endswith("/whoami")][1:])
    token = bot.folder / "token"
    token.write_text("fresh\n")
    with server.changed:
        server.tokens = {"fresh"}
    delivered(server, "r-2")
    check(not [r for r in server.sends(OPS) if r[2] not in ("good", "fresh")], "odd token")
    bot.stop()
    check("fresh" not in bot.log.read_text(), "the token is in the log")
    server.shut()


def test_401_soft_logout_logs_in_by_password():
    server, bot = token_refused(True, "[encryption]\npassword_command = echo pw\n")
    delivered(server, "r-2")
    check(server.sends(OPS)[-1][2] == "by-password", "not by the new token")
    bot.stop()
    server.shut()


def test_the_homeserver_is_gone_for_a_while():
    server, bot = make("[delivery]\nstorm = 0\n")
    bot.start()
    bot.call(node("r-0"))
    delivered(server, "r-0")
    server.shut()
    client = bot.client()
    for i in range(200):
        client.send(node(f"q-{i:03}", app=f"app_{i // 10}"))
    check(all(client.receive()["ok"] for _ in range(200)), "not acknowledged")
    server.open()
    server.wait(lambda: "q-199" in "".join(server.bodies(OPS)), 90)
    order = [event["content"]["org.matrix-telemetry-bot.alert"]["entries"][0]["app"]
             for _, event in server.timeline[1:]]
    check(order == [f"app_{i}" for i in range(20)], f"out of order: {order}")
    bot.stop()
    server.shut()


def test_an_old_unknown_fate_is_looked_up():
    """The homeserver took it, the answer was lost, and its transaction ids are forgotten since."""
    server, bot = make()

    def taken(request):
        request.proceed(silent=True)
        request.reset()
    server.trick("PUT", SEND, taken)
    server.trick("PUT", SEND, lambda r: r.reset(), -1)
    bot.start()
    bot.call(node("r-1"))
    server.wait(lambda: len(server.timeline) == 1)
    bot.kill()
    with server.changed:
        server.transactions.clear()
        server.tricks.clear()
    database = sqlite3.connect(bot.folder / "operations.db")
    database.execute("UPDATE outbox SET known_ms = known_ms - 3600000, frozen_ms = frozen_ms - 3600000")
    database.commit()
    database.close()

    def first_page(request):
        """Two later events, of which one claims to be from 1970, as any server may."""
        later = [{"type": "m.room.message", "event_id": f"$later{ts}", "sender": "@op:fake.local",
                  "content": {"body": "x"}, "origin_server_ts": ts} for ts in (int(time.time() * 1000), 1)]
        request.reply(200, {"chunk": later, "start": "s", "end": "page2"})
    server.trick("GET", "/messages", first_page)
    bot.start()
    bot.call(node("r-2", app="other"))
    delivered(server, "r-2")
    check(any("/messages" in path for _, path, _ in server.requests), "did not look")
    delivered(server, "r-1")
    check(len(server.timeline) == 2, "sent again")
    bot.stop()
    server.shut()


def test_another_device_stops():
    server, bot = make()
    bot.start()
    bot.call(node("r-1"))
    delivered(server, "r-1")
    bot.stop()
    server.whoami = {"user_id": server.USER, "device_id": "STRANGE"}
    bot.start()
    check(bot.process.wait(30) == 78, "went on with another device")
    check("--accept-new-device" in bot.log.read_text(), "does not tell the way out")
    server.shut()


def events_of(server, room):
    return [event for r, event in server.timeline if r == room]


def test_no_plain_text_in_an_encrypted_room():
    server, bot = make()
    server.state[(OPS, "m.room.encryption")] = {"algorithm": "m.megolm.v1.aes-sha2"}
    bot.start()
    bot.call(node("r-1"))
    server.wait(lambda: events_of(server, OPS))
    bot.stop()
    server.state.clear()  # and now it lies
    bot.start()
    bot.call(node("r-2", app="other"))
    server.wait(lambda: len(events_of(server, OPS)) == 2)
    check(all(event["type"] == "m.room.encrypted" and "ciphertext" in event["content"]
              for event in events_of(server, OPS)), str(events_of(server, OPS)))
    sessions = {event["content"]["session_id"] for event in events_of(server, OPS)}
    check(len(sessions) == 2, "a restarted bot went on with the old room session")
    bot.stop()
    server.shut()


def test_nothing_is_encrypted_before_the_device_is_signed():
    server, bot = make(unsigned=True)
    server.state[(OPS, "m.room.encryption")] = {"algorithm": "m.megolm.v1.aes-sha2"}
    # the failure names something else, and still nobody sees a signature
    server.trick("POST", "/keys/signatures/upload", lambda r: r.reply(
        200, {"failures": {server.USER: {"OTHER": {"errcode": "M_UNKNOWN", "error": "bad signature"}}}}), -1)
    bot.start()
    bot.call(node("r-1"))
    bot.call(node("r-2", severity="warning"))
    delivered(server, "r-2", DEV)
    server.wait(lambda: any(path.endswith("/keys/signatures/upload") for _, path, _ in server.requests))
    status = bot.call({"op": "status"})
    check(status["encryption"]["identity"] != "signed" and status["encryption"]["problem"], str(status))
    check(not events_of(server, OPS), "sent from a device that is not signed")
    bot.stop()
    server.shut()


def test_not_ready_while_encryption_is_unknown():
    server, bot = make()
    server.trick("GET", "/rooms/!ops.*/state/m.room.encryption", lambda r: r.reply(500, {}), -1)
    bot.start()
    bot.call(node("r-1"))
    bot.call(node("r-2", severity="warning"))
    delivered(server, "r-2", DEV)
    check(not server.sends(OPS), "wrote into a room of unknown encryption")
    bot.stop()
    server.shut()


def test_a_tombstone_is_followed():
    server, bot = make("[delivery]\nthrottle = 0\n")
    bot.start()
    bot.call(node("r-1"))
    delivered(server, "r-1")
    server.state[(OPS, "m.room.tombstone")] = {"replacement_room": "!new:fake.local"}
    server.tell(join={OPS: {"timeline": {"events": [{
        "type": "m.room.tombstone", "state_key": "", "sender": "@a:fake.local", "event_id": "$t",
        "content": {"replacement_room": "!new:fake.local"}}]}}})
    server.wait(lambda: any(path.endswith("/join/!new:fake.local") for _, path, _ in server.requests))
    server.wait(lambda: any("!new:fake.local/state/m.room.encryption" in path for _, path, _ in server.requests))
    bot.call(node("r-2", app="other"))
    delivered(server, "r-2", "!new:fake.local")
    bot.stop()
    server.shut()


def test_what_was_refused_follows_an_upgrade():
    server, bot = make()
    bot.start()
    bot.call(node("r-0"))
    delivered(server, "r-0")
    server.trick("PUT", SEND, lambda r: r.reply(403, {"errcode": "M_FORBIDDEN", "error": "room closed"}), 2)
    bot.call(node("r-1", app="one"))
    bot.call(node("r-2", app="two"))
    end = time.monotonic() + 30
    while bot.call({"op": "status"})["undeliverable"] != 2:
        check(time.monotonic() < end, "not undeliverable")
        time.sleep(0.02)
    server.state[(OPS, "m.room.tombstone")] = {"replacement_room": "!new:fake.local"}
    server.tell(join={OPS: {"timeline": {"events": [{
        "type": "m.room.tombstone", "state_key": "", "sender": "@a:fake.local", "event_id": "$t",
        "content": {"replacement_room": "!new:fake.local"}}]}}})
    delivered(server, "r-1", "!new:fake.local")
    delivered(server, "r-2", "!new:fake.local")
    bodies = "".join(server.bodies("!new:fake.local"))
    check(bodies.index("r-1") < bodies.index("r-2"), "out of order")
    check(bot.call({"op": "status"})["undeliverable"] == 0, "still undeliverable")
    bot.stop()
    server.shut()


def test_a_good_reload_counts_at_once():
    server, bot = make()
    server.rooms["#second:fake.local"] = "!second:fake.local"
    bot.start()
    bot.call(node("r-1"))
    delivered(server, "r-1")
    bot.config.write_text(bot.config.read_text().replace(
        "[rooms]", "[route]\ncritical = second\n[rooms]\nsecond = #second:fake.local", 1))
    bot.process.send_signal(signal.SIGHUP)
    server.wait(lambda: any("!second:fake.local" in path for _, path, _ in server.requests))
    bot.call(node("r-2", app="other"))
    delivered(server, "r-2", "!second:fake.local")
    bot.stop()
    server.shut()


def test_socket_activation():
    """systemd listens; the daemon takes the socket over and leaves its file alone."""
    server, bot = make()
    with open(bot.log, "ab") as out:
        bot.process = subprocess.Popen(
            ["systemd-socket-activate", "-l", bot.path, BUILD / "bot/matrix-telemetry-bot", "run", "-c", bot.config],
            stderr=out, stdin=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not bot.path.exists():
        check(time.monotonic() < end, "systemd-socket-activate does not listen")
        time.sleep(0.02)
    check(bot.call(node("r-1"))["ok"], "refused")  # this connection starts the daemon
    delivered(server, "r-1")
    bot.stop()
    check(bot.path.exists(), "the daemon removed a socket that is not its own")
    server.shut()


def test_invitations():
    server, bot = make()
    config = bot.config.read_text().replace("[rooms]", "invite_from = @boss:fake.local\n[rooms]", 1)
    bot.config.write_text(config)
    bot.start()

    def invite(room_id, sender):
        return {room_id: {"invite_state": {"events": [{
            "type": "m.room.member", "state_key": server.USER, "sender": sender,
            "content": {"membership": "invite"}}]}}}
    server.wait(lambda: any(path.endswith("/sync") for _, path, _ in server.requests))
    server.tell(invite=invite("!stranger:fake.local", "@stranger:fake.local"))
    server.tell(invite=invite("!boss:fake.local", "@boss:fake.local"))
    server.wait(lambda: any(path.endswith("/join/!boss:fake.local") for _, path, _ in server.requests))
    check(not any("stranger" in path for _, path, _ in server.requests), "followed a stranger")
    bot.stop()
    server.shut()


def test_a_bad_reload_keeps_the_old_config():
    server, bot = make()
    bot.start()
    good = bot.config.read_text()
    bot.config.write_text(good + "\n[delivery]\nthrotle = 5s\n")
    bot.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while "keeping the previous configuration" not in bot.log.read_text() and time.monotonic() < end:
        time.sleep(0.02)  # a log has no event to wait for
    check("throttle" in bot.log.read_text(), "no hint at the right key")
    bot.call(node("r-1"))
    delivered(server, "r-1")
    bot.stop()
    server.shut()


def reload(bot):
    return subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "reload"],
                          capture_output=True, text=True, timeout=30)


def test_reload_tells_whether_it_was_taken_over():
    """What `systemctl reload` calls: it fails when the config was rejected, by whoever reads it."""
    server, bot = make()
    bot.start()
    good = bot.config.read_text()
    done = reload(bot)
    check(done.returncode == 0 and done.stdout == "config reloaded\n", str(done))
    bot.config.write_text(good + "\n[delivery]\nthrotle = 5s\n")
    done = reload(bot)
    check(done.returncode == 78 and "throttle" in done.stderr, str(done))
    # the one who asks reads another file than the daemon
    other = bot.config.with_name("other.conf")
    other.write_text(good)
    bot.config, daemons = other, bot.config
    done = reload(bot)
    check(done.returncode == 78 and "throttle" in done.stderr and "keeping the previous" in done.stderr, str(done))
    daemons.write_text(good)
    check(reload(bot).returncode == 0, "does not recover")
    bot.config = daemons
    bot.stop()
    check(reload(bot).returncode == 69, "without a daemon")
    server.shut()


def test_sigterm_loses_nothing_in_flight():
    server, bot = make()
    stuck = threading.Event()
    server.trick("PUT", SEND, lambda r: stuck.wait(60))
    bot.start()
    bot.call(node("r-1"))
    server.wait(lambda: len(server.sends(OPS)) == 1)
    bot.stop()
    stuck.set()
    bot.start()
    delivered(server, "r-1")
    bot.stop()
    server.shut()


def limit_files(bot, size):
    """What the daemon writes beyond this many bytes of a file fails, as on a full disk."""
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_full_disk_while_the_token_is_proved():
    server, bot = make()
    full = threading.Event()

    def whoami(request):
        limit_files(bot, 4096)
        full.set()
        request.proceed()
    server.trick("GET", "/whoami", whoami)
    bot.start()
    check(full.wait(30), "no whoami")
    refused = bot.call(node("r-1"))
    check(not refused["ok"] and refused.get("retry"), str(refused))
    deadline = time.monotonic() + 30
    while "identity" not in bot.call({"op": "status"})["problem"]:
        check(time.monotonic() < deadline, str(bot.call({"op": "status"})))
    limit_files(bot, resource.RLIM_INFINITY)
    check(bot.call(node("r-2"))["ok"], "refused with room on the disk")
    delivered(server, "r-2")
    check(not any("r-1" in body for body in server.bodies(OPS)), "a refused alert is in the room")
    bot.stop()
    server.shut()


def test_full_disk_while_it_sends():
    """What was taken in goes out once there is room again; the log does not fill up meanwhile."""
    server, bot = make()
    bot.start()
    bot.call(node("r-0"))
    delivered(server, "r-0")
    server.trick("PUT", SEND, lambda request: (limit_files(bot, 8192), request.proceed()))
    check(bot.call(node("r-1", app="another"))["ok"], "refused")
    server.wait(lambda: any("r-1" in body for body in server.bodies(OPS)))
    client = bot.client()
    for i in range(100):
        refused = client.call(node(f"full-{i}"))
        check(not refused["ok"] and refused.get("retry"), str(refused))
    client.close()
    status = bot.call({"op": "status"})  # nobody takes that for healthy
    check([problem["cause"] for problem in status["problems"]] == ["storage"] and
          status["text"].startswith("⚠️ the database cannot be written: ") and "make room" in status["text"], str(status))
    done = tool(bot, "status", "--check")
    check(done.returncode == 2 and done.stdout.startswith("CRITICAL: the database cannot be written: "), str(done))
    check(ready(bot) == (503, "not ready: alerts cannot be stored\n"), str(ready(bot)))
    lines = bot.log.read_text().count("\n")
    check(lines < 40, f"{lines} lines in the log")
    limit_files(bot, resource.RLIM_INFINITY)
    check(bot.call(node("r-2", app="third"))["ok"], "refused with room on the disk")
    delivered(server, "r-2")
    delivered(server, "r-1")
    check(not bot.call({"op": "status"})["problems"] and ready(bot) == (200, "ready\n"), "still told")
    check(len(server.timeline) == 3, f"{len(server.timeline)} events")
    bot.stop()
    server.shut()


def test_stop_while_the_spool_drains():
    """A file that is met while the daemon stops stays for the next start, and holds up nothing."""
    server, bot = make("[delivery]\nthrottle = 0\n")
    spool = bot.folder / "spool"
    spool.mkdir(0o700)
    for i in range(3000):
        (spool / f"{i:06}.json").write_text(json.dumps(node(f"r-{i:04}")))
    bot.start()
    with socket.socket(socket.AF_UNIX) as deaf:  # reads no answers: the socket takes its time
        deaf.connect(str(bot.path))
        deaf.setblocking(False)
        try:
            while True:
                deaf.send(b'{"op":"alerts","limit":500}\n' * 100)
        except BlockingIOError:
            pass
        server.wait(lambda: any("r-0001" in body for body in server.bodies(OPS)))
        bot.stop()
    check(list(spool.glob("*.json")), "nothing was left to be met")
    server.shut()


def test_stop_in_every_phase_of_the_start():
    for i in range(30):
        server, bot = make()
        bot.start()
        time.sleep(0.01 * i)  # the phase
        bot.stop()
        server.shut()


def test_reload_in_every_phase_of_the_start():
    for i in range(20):
        server, bot = make()
        bot.start(wait=False)
        deadline = time.monotonic() + 30
        while not (bot.folder / "operations.db.lock").exists():
            check(time.monotonic() < deadline and bot.process.poll() is None, "does not start")
        time.sleep(0.003 * i)  # the phase
        bot.process.send_signal(signal.SIGHUP)
        server.wait(lambda: any("/sync" in path for _, path, _ in server.requests))
        check(bot.call(node("r-1"))["ok"], "takes no alert")
        bot.stop()
        server.shut()


def test_spool_while_down_and_while_up():
    server, bot = make("[delivery]\nthrottle = 0\n")
    send = [BUILD / "bot/client/matrix-send-message", "-c", bot.config, "--app"]
    for i in range(3):
        done = subprocess.run([*send, f"app_{i}", "--title", f"spooled {i}", "--severity", "critical"],
                              capture_output=True, text=True)
        check(done.returncode == 0 and "spooled" in done.stdout, f"{done}")
    bot.start()
    server.wait(lambda: len(server.bodies(OPS)) == 3)
    check([b.splitlines()[0][-1] for b in server.bodies(OPS)] == ["0", "1", "2"], str(server.bodies(OPS)))
    done = subprocess.run([*send, "live", "--severity", "critical", "--wait", "hello"],
                          capture_output=True, text=True)
    check(done.returncode == 0 and "$event3" in done.stdout, f"{done}")
    check(not list((bot.folder / "spool").glob("*.json")), "a spooled file is left")
    bot.stop()
    server.shut()


def replaced(change):
    """The database loses its name under the daemon: what comes then is spooled, and not lost."""
    server, bot = make("[delivery]\nthrottle = 0\n")
    bot.start()
    alert = bot.call(node("r-1"))["alert"]
    check(bot.call({"op": "wait", "alert": alert})["ok"], "before")
    change(bot.folder / "operations.db")
    try:
        answer = bot.call(node("r-2"))
        check(not answer["ok"] and answer["retry"] is True, str(answer))
    except OSError:
        pass  # what the daemon stores by itself noticed it first, and it has ended
    check(bot.process.wait(30) == 75, "the daemon's end")
    check("was replaced or deleted" in bot.log.read_text(), "the log does not say it")
    done = subprocess.run([BUILD / "bot/client/matrix-send-message", "-c", bot.config, "--app", "etl",
                           "--severity", "critical", "--title", "kept"], capture_output=True, text=True)
    check(done.returncode == 0 and "spooled" in done.stdout, f"{done}")
    bot.start()
    server.wait(lambda: any("kept" in body for body in server.bodies(OPS)))
    check(bot.call(node("r-3"))["ok"], "after")
    bot.stop()
    server.shut()


def test_database_deleted_under_the_daemon():
    replaced(lambda path: path.unlink())


def test_database_replaced_under_the_daemon():
    def change(path):
        shutil.copy(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").rename(path)
    replaced(change)


def test_log_of_the_database_deleted_under_the_daemon():
    replaced(lambda path: path.with_name(path.name + "-wal").unlink())


def test_faults_of_its_own_are_to_be_tried_again():
    """The database cannot be read any more: apps are told to come again, and their alerts are spooled."""
    server, bot = make()
    bot.start()
    check(bot.call(node("r-1"))["ok"], "before")
    server.wait(lambda: len(server.bodies(OPS)) == 1)
    bot.stop()
    path = bot.folder / "operations.db"
    with sqlite3.connect(path) as db:
        root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entries'").fetchone()
        size, = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with open(path, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    bot.start()
    answer = bot.call(node("r-2"))
    check(not answer["ok"] and answer["retry"] is True, str(answer))
    done = subprocess.run([BUILD / "bot/client/matrix-send-message", "-c", bot.config, "--app", "etl",
                           "--severity", "critical", "--title", "kept"], capture_output=True, text=True)
    check(done.returncode == 0 and "spooled" in done.stdout, f"{done}")
    bot.stop()
    server.shut()


def test_prune_follows_the_load():
    """What a loop left behind goes in seconds, not weeks, and alerts are acknowledged meanwhile."""
    server, bot = make()
    bot.start()
    bot.stop()
    with sqlite3.connect(bot.folder / "operations.db") as db:
        db.execute("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                   "INSERT INTO alerts (severity, resolved, state, cause, at_ms, received_ms, held, uid, gid, "
                   "pid, app, kind, run_id, subject, fingerprint, reason, identity, fields) "
                   "SELECT 'critical', FALSE, 'silenced', 'silence', i, i, FALSE, 0, 0, 0, 'loop', 'message', "
                   "'r-' || i, 's', 'f', '', 't', '{}' FROM n")
    db.close()
    bot.start()
    slowest = 0
    deadline = time.monotonic() + 30
    while True:
        began = time.monotonic()
        check(bot.call({"op": "alert", "app": "etl", "title": "t", "severity": "info"})["ok"], "refused")
        slowest = max(slowest, time.monotonic() - began)
        with sqlite3.connect(f"file:{bot.folder}/operations.db?mode=ro", uri=True) as db:
            left, = db.execute("SELECT count(*) FROM alerts WHERE app = 'loop'").fetchone()
        db.close()
        if left == 0:
            break
        check(time.monotonic() < deadline, f"{left} are left")
    check(slowest < 2, f"an alert took {slowest:.1f} s")
    bot.stop()
    server.shut()


def test_the_same_id_is_one_alert():
    server, bot = make()
    bot.start()
    first = bot.call(node("r-1", id="abc"))
    again = bot.call(node("r-1", id="abc"))
    check(again["state"] == "duplicate" and again["alert"] == first["alert"], str(again))
    bot.stop()
    server.shut()


def test_clients_beyond_the_soft_limit_of_files():
    server, bot = make()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (48, before[1]))
    try:
        bot.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    clients = [bot.client() for _ in range(60)]
    for i, client in enumerate(clients):
        answer = client.call(node(f"r-{i}"))
        check(answer["ok"], f"client {i}: {answer}")
    for client in clients:
        client.close()
    bot.stop()
    server.shut()


def test_json_for_failures_too():
    """What a program asks for as JSON it gets as JSON, on standard output, with the exit code."""
    server, bot = make()
    broken = bot.folder / "broken.conf"
    broken.write_text("[matrix]\nnope = 1\n")
    for code, error, *arguments in (
            (69, "no_daemon", "status"), (69, "no_daemon", "test", "all"),
            (64, "usage", "status", "extra"), (64, "usage", "nope"), (64, "usage", "check", "x"),
            (78, "config", "status", "-c", broken)):
        done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "--json", *arguments],
                              capture_output=True, text=True, timeout=30)
        answer = json.loads(done.stdout)
        check(done.returncode == code and answer["error"] == error and not answer["ok"] and
              answer["message"] and not done.stderr, f"{arguments}: {done}")
    done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "status"],
                          capture_output=True, text=True, timeout=30)
    check(done.returncode == 69 and "no daemon listens on" in done.stderr and not done.stdout, str(done))
    server.shut()


def test_the_client_needs_no_config():
    """Neither an unreadable config nor none keeps an alert; what cannot be sent is told exactly."""
    server, bot = make()
    bot.start()
    send = [(BUILD / "bot/client/matrix-send-message").resolve(), "--app", "a", "hello"]
    nowhere = bot.folder / "nowhere"
    nowhere.mkdir()
    broken = nowhere / "bot.conf"  # where it is looked for first
    broken.write_text("[matrix]\nnope = 1\n")

    def run(*options, **env):
        return subprocess.run([*send, *options], cwd=nowhere, capture_output=True, text=True, timeout=30,
                              env={"PATH": os.environ["PATH"], **env})

    done = run("--socket", bot.path)
    check(done.returncode == 0 and done.stdout.startswith("queued"), str(done))
    done = run(MATRIX_TELEMETRY_BOT_SOCKET=str(bot.path))
    check(done.returncode == 0 and done.stdout.startswith("grouped"), str(done))
    done = run(MATRIX_TELEMETRY_BOT_SOCKET=str(nowhere / "none"), MATRIX_TELEMETRY_BOT_SPOOL=str(nowhere / "spool"))
    check(done.returncode == 0 and done.stdout == "spooled\n", str(done))
    done = run("--spool", "/proc/none")
    check(done.returncode == 69 and "no daemon listens on /run/matrix-telemetry-bot/socket" in done.stderr, str(done))
    check(run("-c", broken).returncode == 78, "a config that was asked for is read")
    bot.stop()
    server.shut()


def test_odd_bytes_reach_the_room():
    """What Python and shells hand over for bytes that are no text."""
    server, bot = make()
    bot.start()
    send = [BUILD / "bot/client/matrix-send-message", "--socket", bot.path, "--app", "files", "--severity", "critical"]
    done = subprocess.run([*send, "--title", b"cannot open caf\xe9.csv"], capture_output=True, timeout=30)
    check(done.returncode == 0 and b"corrected: title" in done.stderr, str(done))
    done = subprocess.run([*send, "--title", "log", "-"], input=bytes(512) + b"ERROR: journal replay failed\n",
                          capture_output=True, timeout=30)
    check(done.returncode == 0 and b"corrected: text" in done.stderr, str(done))
    done = subprocess.run([*send, "--title", "long", "--json", "-"], input=b"x" * 300000, capture_output=True, timeout=30)
    check(done.returncode == 0 and json.loads(done.stdout)["warnings"][0]["field"] == "text", str(done))
    server.wait(lambda: any("caf\ufffd.csv" in body for body in server.bodies(OPS)))
    server.wait(lambda: any("journal replay failed" in body for body in server.bodies(OPS)))
    bot.stop()
    server.shut()


def test_status_tells_of_mended_alerts_and_bad_files():
    server, bot = make()
    spool = bot.folder / "spool"
    spool.mkdir(0o700)
    (spool / "1.json").write_text("nonsense")
    bot.start()
    client = Client(bot.path)
    client.socket.sendall(b'{"op":"alert","app":"etl","title":"half \\ud83d","severity":"error"}\n')
    answer = client.receive()
    client.close()
    check(answer["ok"] and [w["field"] for w in answer["warnings"]] == ["title", "severity"], str(answer))
    for i in range(5):
        bot.call({"op": "alert", "app": f"odd_{i}", "severity": "error"})
    until(lambda: bot.call({"op": "status"})["spool_bad"] == 1, "the rejected file")
    status = bot.call({"op": "status"})
    check([app["app"] for app in status["mended_24h"]] == ["etl", *(f"odd_{i}" for i in range(5))], str(status))
    check(status["mended_24h"][0]["app"] == "etl" and status["mended_24h"][0]["alerts"] == 1, str(status))
    check("Corrected alerts: etl 1" in status["text"] and "1 file rejected" in status["text"] and
          status["text"].startswith("⚠️"), status["text"])
    # one idea of health: the exit codes, the plugin's line with the way out, the endpoint, check
    done = tool(bot, "status")
    check(done.returncode == 69 and "→ look at the files *.bad" in done.stdout, str(done))
    done = tool(bot, "status", "--check")
    check(done.returncode == 1 and done.stdout.startswith("WARNING: spool: 1 file rejected") and
          "\n→ look at the files *.bad" in done.stdout, str(done))
    check(ready(bot) == (200, "ready, but alerts may not be read: spool (`matrix-telemetry-bot status` says more)\n"),
          str(ready(bot)))
    done = tool(bot, "check")
    check(done.returncode == 69 and "✗ spool" in done.stdout and "✗ daemon" not in done.stdout, str(done))
    bot.stop()
    server.shut()


def tool(bot, *words, **more):
    return subprocess.run([BUILD.resolve() / "bot/matrix-telemetry-bot", "-c", bot.config, *words],
                          capture_output=True, text=True, timeout=30, **more)


def ready(bot):
    """What /readyz answers on the socket: its status and its text."""
    with socket.socket(socket.AF_UNIX) as web:
        web.settimeout(30)
        web.connect(str(bot.path))
        web.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, text = web.makefile("rb").read().decode().partition("\r\n\r\n")
    return int(head.split()[1]), text


def test_who_asks_without_a_right_is_told_the_way_out():
    """Also a plugin of Nagios, which then does not know how the bot is; and nothing reaches the terminal's ears."""
    server, bot = make()
    bot.start()
    check(bot.call({"op": "silence", "what": "node_id=\"a\x1b[31m\"", "duration": "1h"})["ok"], "refused")
    done = tool(bot, "silences")
    check(done.returncode == 0 and "[31m" in done.stdout and "\x1b" not in done.stdout, repr(done.stdout))
    if os.geteuid() == 0:
        bot.folder.chmod(0o755)
        bot.config.chmod(0o644)
        other = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        done = tool(bot, "status", **other)
        check(done.returncode == 77 and "no permission to use" in done.stderr and
              "add this user to the group root (adduser USER root)" in done.stderr, str(done))
        done = tool(bot, "status", "--check", **other)
        check(done.returncode == 3 and done.stdout.startswith("UNKNOWN: no permission to use"), str(done))
    bot.stop()
    done = tool(bot, "status", "--check")
    check(done.returncode == 2 and "start it (systemctl start" in done.stdout, str(done))
    server.shut()


def test_waiting_ends_at_once_for_what_is_held_back():
    server, bot = make()
    bot.start()
    check(bot.call({"op": "silence", "what": "app=quiet", "duration": "1h"})["ok"], "no silence")
    answer = bot.call({"op": "alert", "app": "quiet", "title": "x"})
    check(answer["state"] == "silenced", str(answer))
    waited = bot.call({"op": "wait", "alert": answer["alert"], "timeout_ms": 60000})
    check(not waited["ok"] and waited["error"] == "held_back" and "silence 1" in waited["message"], str(waited))
    ignored = bot.call({"op": "alert", "app": "loud", "title": "x", "status": "resolved"})
    check(ignored["state"] == "ignored", str(ignored))
    waited = bot.call({"op": "wait", "alert": ignored["alert"], "timeout_ms": 60000})
    check(not waited["ok"] and "no matching alert is firing" in waited["message"], str(waited))
    done = subprocess.run([BUILD / "bot/client/matrix-send-message", "--socket", bot.path, "-a", "quiet", "--wait", "x"],
                          capture_output=True, text=True, timeout=30)
    check(done.returncode == 75 and "it will not be sent: silenced" in done.stderr, str(done))
    bot.stop()
    server.shut()


def test_an_answer_is_bounded_in_bytes():
    server, bot = make()
    bot.start()
    client = Client(bot.path)
    for n in range(300):
        client.send({"op": "alert", "app": "etl", "title": f"{n} " + "😀" * 190})
        check(client.receive()["ok"], "not taken")
    few = client.call({"op": "alerts", "limit": 45})["alerts"]
    check([a["alert"] for a in few] == list(range(300, 255, -1)), "not the newest in order")
    client.send({"op": "alerts", "limit": 500})
    answer = client.receive()
    check(100 < len(answer["alerts"]) < 300 and answer["more"], str(len(answer["alerts"])))
    client.close()
    bot.stop()
    server.shut()


def test_a_second_daemon_is_refused():
    server, bot = make()
    bot.start()
    second = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "run", "-c", bot.config],
                            capture_output=True, text=True, timeout=30)
    check(second.returncode == 75 and "locked by process" in second.stderr, str(second))
    bot.stop()
    server.shut()


if __name__ == "__main__":
    tests = dict(globals())
    for module in (charts, commands, completions, docs, heartbeats, neighbours, refusing, oncall, setting_up, setting_up_keys, silences, undelivered,
                   watch, watches, web, web_limits, web_neighbours, web_page, web_prometheus):
        more = {name: test for name, test in vars(module).items() if name.startswith("test_")}
        check(not more.keys() & tests.keys(), f"two tests have one name: {more.keys() & tests.keys()}")
        tests.update(more)
    sys.exit(run_tests(tests) > 0)
