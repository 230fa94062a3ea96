"""The bot in encrypted rooms of a homeserver that does evil, read by devices on bare libolm. Prints
"ok NAME" or "not ok NAME" a test. Usage: /usr/bin/python3 encrypted.py [NAME …] (needs python3-olm)"""
import json
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from bot import BUILD, Bot  # noqa: E402

try:
    from crypto import MEGOLM, OPS, CryptoHomeserver, Person, signed_part  # noqa: E402
except ImportError as error:
    print(f"skip encrypted: {error}")
    sys.exit()

DEV = "!dev:fake.local"
KIB = 1024
RUN = re.compile(r"\br-[a-z]*-?\d+\b")


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def node(run, name=None, app="data_factory", **more):
    return {"op": "alert", "app": app, "kind": "node_failed", "run_id": run,
            "fields": {"node_id": name or run, "duration_ms": 1, "error": "no"}, **more}


class World:
    """A homeserver whose room ops is encrypted, an operator's phone, the bot."""

    def __init__(self, extra="", throttle="0s", storm=0, encryption="", start=True, **options):
        self.server = CryptoHomeserver(**options)
        self.op = Person(self.server)
        self.bot = Bot(self.server.url, self.server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"},
                       f"[delivery]\nthrottle = {throttle}\nstorm = {storm}\n[commands]\nusers = {self.op.user}\n"
                       f"[encryption]\n{encryption}\n{extra}")
        if start:
            self.bot.start()

    def status(self):
        return self.bot.call({"op": "status"})

    def wait_status(self, condition, what):
        end = time.monotonic() + 30
        while not condition(status := self.status()):
            check(time.monotonic() < end, f"{what}: {status['encryption']} {status}")
            time.sleep(0.05)  # there is no event for it on the socket
        return status

    def in_touch(self):
        """Signed, and what is told from now on is new."""
        self.wait_status(lambda s: s["encryption"]["identity"] == "signed", "not signed")
        self.server.wait(lambda: sum(1 for m, p, _ in self.server.requests if p.endswith("/sync")) >= 2)

    def readable(self, *runs, reader=None, room=OPS):
        reader = reader or self.op
        self.server.wait(lambda: all(run in reader.text(room) for run in runs), 60)

    def count(self, path):
        return sum(1 for request in list(self.server.requests) if request[1].endswith(path))

    def new(self, reader=None):
        """New messages that the operator reads, edits and answers left out."""
        return [e for e in (reader or self.op).events() if e and not e["relates"]]

    def refused(self, text):
        """It is told in !status and on the host, and stands in the log once."""
        self.wait_status(lambda s: any(text in notice for notice in s["encryption"]["notices"]), f"no notice: {text}")
        log = self.bot.log.read_text()
        check(log.count(text) == 1, f"{log.count(text)} times in the log: {text}")

    def answers(self, event_id):
        return [e["body"] for e in self.op.events() if e and e["relates"]
                and e["relates"].get("m.in_reply_to", {}).get("event_id") == event_id]

    def answered(self, event, part):
        self.server.wait(lambda: self.answers(event["event_id"]))
        found = self.answers(event["event_id"])
        check(len(found) == 1 and part in found[0], str(found))

    def end(self):
        self.bot.stop()
        check(not self.server.reused, f"one-time keys published twice: {self.server.reused}")
        self.server.shut()


def test_both_ways():
    w = World()
    w.in_touch()
    w.answered(w.op.say("!help"), "!ack")  # from a device that the bot never heard of
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.end()


# --- contract §5 and §6, as in plain rooms ---


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
    w.server.wait(lambda: len(set(RUN.findall(w.op.text()))) == 120, 60)
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


# --- a homeserver that lies ---


def test_forged_devices_get_nothing_and_command_nothing():
    w = World(start=False)
    evil, thief = (Person(w.server, "@op:fake.local", name, shown=False) for name in ("EVIL", "THIEF"))

    def lie(path, body, answer):
        if path != "keys/query" or "@op:fake.local" not in answer["device_keys"]:
            return
        devices = answer["device_keys"]["@op:fake.local"]
        forged = evil.device_keys(sign=False)  # the signature does not fit what it says
        forged["algorithms"] = [MEGOLM]
        devices["EVIL"] = forged
        devices["THIEF"] = thief.device_keys()  # signed by a self-signing key of the thief's own
    w.server.lie = lie
    w.bot.start()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.refused("refused: @op:fake.local's device EVIL is not signed by its own key")
    check(evil.events() == [None] and thief.events() == [None], "a forged device reads")
    check(thief.withheld and thief.withheld[0]["code"] == "m.unverified", f"not told: {thief.withheld}")
    check(thief.withheld[0]["session_id"] == w.server.timeline[0][1]["content"]["session_id"], "of no session")
    w.in_touch()
    command = thief.say("!silence data_factory 1h")
    w.answered(command, "not verified")
    check(w.bot.call({"op": "silences"})["silences"] == [], "obeyed")
    w.end()


def test_a_swapped_master_key_is_refused_until_it_is_accepted():
    w = World()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    fresh = Person(w.server, "@op:fake.local", "FRESH")  # the homeserver shows another identity
    w.server.tell(changed=["@op:fake.local"])
    w.refused("the cross-signing identity of @op:fake.local changed")
    w.bot.call(node("r-2", app="second"))
    w.server.wait(lambda: len(w.server.timeline) == 2)
    check("r-2" not in fresh.text() and "r-2" not in w.op.text(), "a changed identity was taken silently")
    key = fresh.seeds["master"].public_key

    def accept(*words):
        return subprocess.run([BUILD / "bot/matrix-telemetry-bot", "accept", "-c", w.bot.config, *words],
                              capture_output=True, text=True)
    check(accept("@op:fake.local", "A" * 43).returncode == 65, "another key was accepted")
    check(accept("@op:fake.local", key).returncode == 0, "not accepted")
    check(w.status()["encryption"]["notices"] == [] or w.wait_status(
        lambda s: s["encryption"]["notices"] == [], "still told"), "")
    w.bot.call(node("r-3", app="third"))
    w.readable("r-3", reader=fresh)
    check("r-3" not in w.op.text(), "the former device reads on")
    w.end()


def test_swapped_one_time_keys_are_refused():
    w = World(start=False)
    evil = Person(w.server, "@evil:fake.local", "EVIL")

    def lie(path, body, answer):
        if path == "keys/claim" and "@op:fake.local" in answer["one_time_keys"]:
            answer["one_time_keys"]["@op:fake.local"]["PHONE"] = w.server.claim(evil.user, evil.device)
    w.server.lie = lie
    w.bot.start()
    w.bot.call(node("r-1"))
    w.server.wait(lambda: len(w.server.timeline) == 1)  # the room does not wait for that device
    w.refused("refused: a one-time key of @op:fake.local's device PHONE is not signed by it")
    check(w.op.events() == [None] and evil.events() == [None], "somebody reads")
    w.server.wait(lambda: w.op.fetch() or w.op.withheld)
    check(w.op.withheld[0]["code"] == "m.no_olm", f"not told: {w.op.withheld}")
    w.end()


def test_replays_and_spoofs_are_refused():
    w = World()
    w.in_touch()
    other = Person(w.server, "@other:fake.local")
    w.server.members.append(other.user)
    key = w.op.begin()
    event = w.op.encrypt("!silence data_factory 1h")
    w.server.tell(to_device=[key], join={OPS: {"timeline": {"events": [event]}}})
    w.answered(event, "silence 1")
    # the pre-key message again, as it was and under another's name; it brings nothing
    w.server.tell(to_device=[key, {**key, "sender": other.user}])
    # the message again under another id
    again = {**event, "event_id": "$again"}
    w.server.tell(join={OPS: {"timeline": {"events": [again]}}})
    w.refused("refused: an encrypted event of @op:fake.local in !ops:fake.local: a message that was sent before")
    # with the operator's name on another's message
    w.server.tell(to_device=[other.begin()], join={OPS: {"timeline": {"events": [
        {**other.encrypt("!silence dag_engine 1h"), "sender": w.op.user}]}}})
    w.refused("refused: an encrypted event of @op:fake.local in !ops:fake.local: its key belongs to another user")
    # in another room than it was written for
    w.server.state[(DEV, "m.room.encryption")] = {"algorithm": MEGOLM}
    moved = w.op.encrypt("!silence call_monitor 1h", inside=DEV)
    w.server.tell(join={OPS: {"timeline": {"events": [moved]}}})
    w.refused("refused: an encrypted event of @op:fake.local in !ops:fake.local: encrypted for another room")
    # in the clear
    clear = {"type": "m.room.message", "event_id": "$clear", "sender": w.op.user,
             "origin_server_ts": int(time.time() * 1000), "content": {"msgtype": "m.text", "body": "!silence billing 1h"}}
    w.server.tell(join={OPS: {"timeline": {"events": [clear]}}})
    w.answered(clear, "unencrypted")
    check(len(w.bot.call({"op": "silences"})["silences"]) == 1, "a replay was obeyed")
    check(not w.answers("$again"), "a replay was answered")
    w.answered(w.op.say("!help"), "!ack")
    w.end()


def test_who_writes_as_another_device_is_refused():
    """A payload that names other keys or people than its session proves."""
    w = World()
    w.in_touch()
    other = Person(w.server, "@other:fake.local")
    for field, value in (("sender", "@op:fake.local"), ("recipient", "@other:fake.local"),
                         ("recipient_keys", {"ed25519": other.ed}), ("keys", {})):
        event = other.olm_event("m.room_key", {"algorithm": MEGOLM, "room_id": OPS, "session_id": "s",
                                               "session_key": "k"}, **{field: value})
        w.server.tell(to_device=[event])
    w.refused("refused: a message that came as @other:fake.local's was not written by that user for us")
    w.end()


def test_no_fallback_to_plain_text():
    w = World()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.bot.stop()
    del w.server.state[(OPS, "m.room.encryption")]  # the homeserver takes it back
    w.bot.start()
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")  # asserts that all is encrypted
    w.wait_status(lambda s: "refused: the homeserver says that it is not" in s["text"], "not told")
    check(w.bot.log.read_text().count("refused: the homeserver says that") == 1, "not told once")
    w.bot.stop()
    # the alias leads elsewhere, to a room in the clear
    w.server.rooms["#ops:fake.local"] = "!plain:fake.local"
    w.bot.start()
    w.bot.call(node("r-3", app="third"))
    w.wait_status(lambda s: "is encrypted and this one is not" in s["text"], "not told")
    check(not w.server.sends("!plain:fake.local"), "plain text")
    w.server.rooms["#ops:fake.local"] = OPS
    w.bot.stop()
    w.bot.start()
    w.readable("r-3")
    w.end()


def test_encryption_switched_on_while_alerts_wait():
    """What may have been sent in the clear is looked for; the rest is encrypted."""
    for arrived in (True, False):
        w = World(encrypted=())

        def lost(request):
            if arrived:
                request.proceed(silent=True)
            request.reset()
        w.in_touch()
        w.server.trick("PUT", f"{OPS}/send/", lost)
        w.server.trick("PUT", f"{OPS}/send/", lambda r: r.reply(429, {"retry_after_ms": 1500}))
        w.bot.call(node("r-1"))
        w.server.wait(lambda: len(w.server.puts) == 2)
        w.bot.call(node("r-2", app="second"))
        encryption = {"type": "m.room.encryption", "state_key": "", "event_id": "$enc", "sender": w.op.user,
                      "origin_server_ts": 1, "content": {"algorithm": MEGOLM}}
        w.server.state[(OPS, "m.room.encryption")] = encryption["content"]
        w.server.tell(join={OPS: {"timeline": {"events": [encryption]}}})
        w.server.wait(lambda: len(w.server.timeline) == 2, 60)
        types = [event["type"] for _, event in w.server.timeline]
        check(types == ["m.room.message" if arrived else "m.room.encrypted", "m.room.encrypted"], str(types))
        clear = [w.op.read(event["content"])[0]["content"]["body"] for _, event in w.server.timeline
                 if event["type"] == "m.room.encrypted"]
        check(len(clear) == (1 if arrived else 2) and "r-2" in clear[-1], str(clear))
        if not arrived:
            check(w.server.puts[2][0].split("/")[-1] == w.server.puts[0][0].split("/")[-1], "another transaction id")
        w.end()


def test_a_signature_that_is_refused_holds_encrypted_rooms_up():
    w = World(start=False)
    w.server.signature_failures = {w.server.USER: {w.server.DEVICE: {
        "errcode": "M_INVALID_SIGNATURE", "error": "bad signature"}}}
    w.bot.start()
    w.bot.call(node("r-1"))
    w.bot.call(node("r-2", severity="warning"))
    w.server.wait(lambda: w.server.sends(DEV))  # plain rooms go on
    w.refused("the homeserver refuses the signature of @bot:fake.local: bad signature")
    check("not signed yet" in w.status()["encryption"]["problem"], str(w.status()["encryption"]))
    check(not w.server.sends(OPS), "an unsigned device wrote")
    w.end()


def test_password_for_the_upload_of_keys():
    w = World(start=False, encryption="password_command = echo pw-for-uia")
    w.server.uia = "pw-for-uia"
    w.bot.start()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    check("pw-for-uia" not in w.bot.log.read_text(), "the password is in the log")
    w.end()
    w = World(start=False)
    w.server.uia = "pw-for-uia"
    w.bot.start()
    w.refused("set [encryption] password_command")
    check(not w.server.sends(OPS), "an unsigned device wrote")
    w.end()


# --- keys that are lost, withheld, used up ---


def test_a_missing_key_is_asked_for_once_and_the_room_is_told():
    w = World()
    w.in_touch()
    w.op.begin()  # nobody gets the key
    for _ in range(3):
        w.server.tell(join={OPS: {"timeline": {"events": [w.op.encrypt("!help")]}}})

    def requests():
        return [m for kind, m in w.server.to_device if kind == "m.room_key_request"]
    w.server.wait(requests)
    w.answered(w.op.say("!help"), "!ack")
    check(len(requests()) == 1, f"asked {len(requests())} times")
    asked = requests()[0]["@op:fake.local"]["*"]
    check(asked["action"] == "request" and asked["body"]["room_id"] == OPS, str(asked))
    w.bot.stop()
    db = sqlite3.connect(w.bot.folder / "operations.db")
    with db:  # two minutes later
        check(db.execute("UPDATE undecrypted SET at_ms = at_ms - 120000").rowcount == 3, "not kept")
    db.close()
    w.bot.start()
    w.in_touch()
    w.answered(w.op.say("!help"), "!ack")
    told = [e for e in w.op.events() if e and "I cannot read this" in e["body"]]
    check(len(told) == 1 and told[0]["relates"]["m.in_reply_to"]["event_id"] == "$p1-PHONE", str(told))
    w.answered(w.op.say("!help"), "!ack")
    check(len([e for e in w.op.events() if e and "I cannot read this" in e["body"]]) == 1, "told again")
    w.end()


def test_a_key_that_comes_late_opens_what_was_kept():
    w = World()
    w.in_touch()
    key = w.op.begin()
    event = w.op.encrypt("!help")
    w.server.tell(join={OPS: {"timeline": {"events": [event]}}})
    w.server.wait(lambda: any(kind == "m.room_key_request" for kind, _ in w.server.to_device))
    w.bot.kill()
    w.bot.start()
    w.server.tell(to_device=[key])
    w.answered(event, "!ack")
    w.server.wait(lambda: any(m.get("@op:fake.local", {}).get("*", {}).get("action") == "request_cancellation"
                              for kind, m in w.server.to_device if kind == "m.room_key_request"))
    w.end()


def test_a_broken_olm_session_is_mended_once():
    w = World()
    w.in_touch()
    w.answered(w.op.say("!help"), "!ack")
    for _ in range(3):  # the ratchet is not where the bot's is
        event = w.op.begin()
        curve = next(iter(event["content"]["ciphertext"]))
        event["content"]["ciphertext"][curve] = {"type": 1, "body": "AwogAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAiEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
        w.server.tell(to_device=[event])
    w.server.wait(lambda: w.op.fetch() or w.op.dummies)  # over a new session, which goes on
    w.op.to_bot = w.op.sessions[-1]
    w.answered(w.op.say("!help"), "!ack")
    w.bot.call(node("r-1"))
    w.readable("r-1")
    check(w.op.dummies == 1 and w.count("/keys/claim") == 1, f"{w.op.dummies}, {w.count('/keys/claim')} claims")
    w.end()


def test_used_up_one_time_keys_and_the_fallback_key():
    w = World()
    w.in_touch()
    mine = w.server.own(w.server.USER, w.server.DEVICE)
    before = dict(mine["fallback"])
    # nobody tells the bot; the last key is the fallback key
    with w.server.changed:
        mine["one_time"].clear()
    key = w.op.begin()
    event = w.op.encrypt("!help")
    check(mine["used"], "not the fallback key")
    w.server.tell(to_device=[key], join={OPS: {"timeline": {"events": [event]}}})
    w.answered(event, "!ack")
    w.server.wait(lambda: len(mine["one_time"]) >= 50)
    check(len(w.server.published) >= 100, "no new one-time keys")
    check(before, "there was no fallback key")
    w.end()


def test_withheld_keys_are_told_by_status_and_check():
    w = World()
    w.in_touch()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.server.tell(to_device=[{"type": "m.room_key.withheld", "sender": "@op:fake.local", "content": {
        "algorithm": MEGOLM, "code": "m.unverified", "room_id": OPS, "session_id": "s", "sender_key": w.op.curve}}])
    text = "@op:fake.local's client gives this device no keys (m.unverified)"
    w.refused(text)
    found = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "check", "-c", w.bot.config],
                           capture_output=True, text=True).stdout
    check(text in found, found)
    w.answered(w.op.say("!help"), "!ack")
    w.wait_status(lambda s: s["encryption"]["notices"] == [], "still told")
    w.end()


def test_a_device_that_goes_and_a_member_that_goes_while_the_bot_is_down():
    w = World()
    second = Person(w.server, "@second:fake.local")
    w.server.members.append(second.user)
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.readable("r-1", reader=second)
    queries = w.count("/keys/query")
    del w.server.devices[second.user]["PHONE"]  # signed out
    w.server.tell(changed=[second.user])
    w.server.wait(lambda: w.count("/keys/query") > queries)
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")
    check("r-2" not in second.text(), "a device that was signed out reads on")
    second.show()
    w.server.tell(changed=[second.user])
    w.bot.call(node("r-3", app="third"))
    w.readable("r-3")
    w.bot.stop()
    w.server.members.remove(second.user)
    w.bot.start()
    w.bot.call(node("r-4", app="fourth"))
    w.readable("r-4")
    check("r-4" not in second.text(), "who left while the bot was down reads on")
    w.end()


def main():
    wanted = sys.argv[1:]
    failed = 0
    for name, test in sorted((name[5:], test) for name, test in globals().items() if name.startswith("test_")):
        if wanted and name not in wanted:
            continue
        started = time.monotonic()
        try:
            test()
            print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {name}\n" + traceback.format_exc(), flush=True)
        Bot.kill_all()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
