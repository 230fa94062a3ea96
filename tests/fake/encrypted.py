"""The bot in encrypted rooms of a misbehaving homeserver, read by devices on bare libolm. Prints
"ok NAME" or "not ok NAME" a test. Usage: /usr/bin/python3 encrypted.py [NAME …] (needs python3-olm)"""
import json
import re
import signal
import sqlite3
import sys
import threading
import time

try:
    from encrypted_world import World, check, node  # first: it sets the path
    import encrypted_lies
    import encrypted_lost
    import encrypted_readers
    import encrypted_start
    import encrypted_verify
    from crypto import OPS, Person
except ImportError as error:
    print(f"skip encrypted: {error}")
    sys.exit()
from harness import run_tests

KIB = 1024
RUN = re.compile(r"\br-[a-z]*-?\d+\b")


def test_both_ways():
    w = World()
    w.in_touch()
    w.answered(w.op.say("!help"), "!ack")  # from a device that the bot never heard of
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.end()


# --- grouping and delivery, as in plain rooms ---


def once_after(trick):
    """A send that fails: it arrives all the same, once, and every try carries the same bytes."""
    w = World()
    w.server.trick("PUT", f"{OPS}/send/", trick)
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.server.wait(lambda: len(w.server.puts) >= 2)
    check(len({(path, json.dumps(body)) for path, body in w.server.puts}) == 1, f"other bytes: {w.server.puts}")
    check(len(w.server.timeline) == 1, "twice in the room")
    w.end()


def test_a_lost_answer_is_retried_with_the_same_ciphertext():
    def taken(request):
        request.proceed(silent=True)
        request.reset()
    once_after(taken)


def test_a_refused_send_is_retried_with_the_same_ciphertext():
    once_after(lambda r: r.reply(502, None, raw=b"<html>"))


def test_an_event_of_unknown_fate_is_found_by_its_ciphertext():
    w = World()
    w.in_touch()

    def taken(request):
        request.proceed(silent=True)
        stop.wait(30)
    stop = threading.Event()
    w.server.trick("PUT", f"{OPS}/send/", taken)
    w.bot.call(node("r-1"))
    w.server.wait(lambda: w.server.timeline)
    w.bot.kill()
    stop.set()
    db = sqlite3.connect(w.bot.folder / "operations.db")
    with db:  # eleven minutes later, when no homeserver need know its transaction id
        check(db.execute("UPDATE outbox SET known_ms = known_ms - 660000").rowcount == 1, "not stored")
    db.close()
    w.bot.start()
    w.wait_status(lambda s: s["waiting"] == 0, "still waiting")
    check(len(w.server.puts) == 1 and len(w.server.timeline) == 1, "sent again")
    w.end()


def test_what_was_undeliverable_is_encrypted_anew_on_retry():
    w = World()
    w.in_touch()
    w.server.trick("PUT", f"{OPS}/send/", lambda r: r.reply(403, {"errcode": "M_FORBIDDEN", "error": "never"}))
    w.bot.call(node("r-1"))
    w.wait_status(lambda s: s["undeliverable"] == 1, "not undeliverable")
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")
    check(w.bot.call({"op": "retry"})["count"] == 1, "not retried")
    w.readable("r-1")
    paths, bodies = zip(*w.server.puts)
    check(len(set(paths)) == 3 and len({body["ciphertext"] for body in bodies}) == 3, "a transaction id or index twice")
    w.end()


def test_many_queued_while_the_homeserver_was_down():
    w = World()
    w.in_touch()
    w.server.shut()
    client = w.bot.client()
    for i in range(60):
        client.send(node(f"r-{i}", app=f"app_{i}"))
    check(all(client.receive()["ok"] for _ in range(60)), "not all acknowledged")
    w.server.open()
    w.server.wait(lambda: len(w.server.timeline) >= 60, 60)
    runs = [RUN.findall(e["body"])[-1] for e in w.new()]
    check(runs == [f"r-{i}" for i in range(60)], f"order: {runs}")
    w.end()


def test_ten_equal_alerts_are_one_message_with_edits():
    w = World(throttle="60s")
    w.bot.call(node("r-0", "etl"))
    w.readable("r-0")
    for i in range(1, 10):
        w.bot.call(node(f"r-{i}", "etl"))
    w.server.wait(lambda: "×10" in w.op.text(), 60)
    new = w.new()
    check(len(new) == 1, f"{len(new)} new messages")
    edits = [e for e in w.op.events() if e["relates"]]
    check(edits and all(e["relates"] == {"rel_type": "m.replace", "event_id": new[0]["event_id"]} for e in edits),
          f"relations do not stand outside: {edits[:1]}")
    check(edits[-1]["body"].startswith("* ") and "m.new_content" in edits[-1], "no fallback")
    check(all("r-" not in json.dumps(event["content"]) for _, event in w.server.timeline), "clear text on the wire")
    w.bot.call(node("r-9", "etl", status="resolved"))
    w.server.wait(lambda: w.op.text().count("resolved") >= 2)
    w.end()


def test_no_event_passes_40_kib():
    w = World(throttle="600s")
    client = w.bot.client()
    for i in range(120):
        alert = node(f"r-{i}", f"node_{i}_" + "x" * 100)
        alert["fields"]["error"] = "<&>" * 70
        client.send(alert)
    check(all(client.receive()["ok"] for _ in range(120)), "not all acknowledged")
    # what does not fit is counted, and listed by a command
    w.server.wait(lambda: any("more" in (e.get("m.new_content") or e)["body"] for e in w.op.events() if e), 60)
    largest = max(len(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()) for _, body in w.server.puts)
    check(largest <= 40 * KIB, f"{largest} bytes")
    check(largest > 20 * KIB, f"the test shows nothing: {largest} bytes")
    w.end()


def test_a_storm_sums_up():
    w = World(storm=5)
    client = w.bot.client()
    for i in range(30):
        client.send(node(f"r-{i}", app=f"app_{i}"))
    check(all(client.receive()["ok"] for _ in range(30)), "not all acknowledged")
    w.server.wait(lambda: "25 alerts" in w.op.text() or "storm" in w.op.text().lower(), 60)
    w.server.wait(lambda: re.search(r"\b25\b", w.op.text()), 60)
    check(len(w.new()) <= 7, f"{len(w.new())} new messages in a storm")
    w.end()


def test_stopping_while_a_send_is_under_way():
    """What /sync brings meanwhile finds the other parts closed already."""
    w = World()
    w.in_touch()
    w.answered(w.op.say("!help"), "!ack")
    stop = threading.Event()

    def slow(request):
        stop.wait(30)
        request.proceed()
    w.server.trick("PUT", f"{OPS}/send/", slow)
    w.bot.call(node("r-1"))
    w.server.wait(lambda: len(w.server.puts) == 2)
    w.bot.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 30
    while w.bot.path.exists():  # the socket goes first
        check(time.monotonic() < end, "it does not stop")
        time.sleep(0.01)
    w.op.say("!status")
    w.server.wait(lambda: w.server.requests[-1][1].endswith("/sync"))
    stop.set()
    w.end()


# --- kill -9 ---


def test_kill_9_uses_no_index_and_no_one_time_key_twice():
    w = World()
    w.in_touch()
    used = {}  # (session, index): ciphertext
    other = Person(w.server, "@other:fake.local")

    def lost(request):
        request.proceed(silent=True)
        request.reset()
    acknowledged = []
    for round_ in range(12):
        w.server.trick("PUT", "/send/" if round_ % 2 else "/keys/upload", lost, 1)
        client = w.bot.client()
        for i in range(8):
            run = f"r-{round_ * 100 + i}"
            client.send(node(run, app=f"app_{run}"))
        acknowledged += [f"r-{round_ * 100 + i}" for i in range(8) if client.receive()["ok"]]
        with w.server.changed:  # somebody claims keys, so that new ones are made
            for _ in range(10):
                w.server.claim(w.server.USER, w.server.DEVICE)
        count = len(w.server.puts)
        w.server.tell(to_device=[other.begin(f"!r{round_}:fake.local")])
        w.server.wait(lambda: len(w.server.puts) >= count + round_ % 4)
        w.bot.kill()
        w.bot.start()
    w.readable(*acknowledged)
    for _, body in w.server.puts:  # what never reached the room counts as well
        clear = w.op.read(body)
        if clear:
            spot = (body["session_id"], clear[1])
            check(used.setdefault(spot, body["ciphertext"]) == body["ciphertext"], f"an index with two messages: {spot}")
    check(len(used) >= len(acknowledged), f"the test shows nothing: {len(used)} messages")
    bodies = [e["body"] for e in w.new()]
    for run in acknowledged:
        check(sum(bool(re.search(rf"\b{run}\b", body)) for body in bodies) == 1, f"{run} is not in the room once")
    check(len(w.server.published) > 60, f"the test shows nothing: {len(w.server.published)} one-time keys")
    w.end()


if __name__ == "__main__":
    sys.exit(run_tests({**vars(encrypted_lies), **vars(encrypted_lost), **vars(encrypted_readers), **vars(encrypted_start), **vars(encrypted_verify), **globals()}) > 0)
