"""Of encrypted.py: a homeserver that lies, and keys that are lost, withheld, used up."""
import sqlite3
import subprocess
import time

from encrypted_world import DEV, World, check, node  # first: it sets the path
from bot import BUILD
from crypto import MEGOLM, OPS, Person


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
    w.answered(event, "Silence 1")
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
    w.refused("refused: a message that came as @other:fake.local's was not written by that user for this device")
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
    w.wait_status(lambda s: "is encrypted and it is not" in s["text"], "not told")
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
        w.server.trick("PUT", f"{OPS}/send/", lambda r: r.reply(503, {}, headers=[("Retry-After", "2")]))
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
    check("not cross-signed yet" in w.status()["encryption"]["problem"], str(w.status()["encryption"]))
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
    told = [e for e in w.op.events() if e and "I cannot decrypt this" in e["body"]]
    check(len(told) == 1 and told[0]["relates"]["m.in_reply_to"]["event_id"] == "$p1-PHONE", str(told))
    w.answered(w.op.say("!help"), "!ack")
    check(len([e for e in w.op.events() if e and "I cannot decrypt this" in e["body"]]) == 1, "told again")
    w.end()


def test_a_key_that_comes_late_opens_what_was_kept():
    w = World()
    w.in_touch()
    key = w.op.begin()
    event, old = ({**w.op.encrypt(text), "unsigned": {"age": 1000}} for text in ("!help", "!silence etl 1h"))
    w.server.tell(join={OPS: {"timeline": {"events": [event, old]}}})
    w.server.wait(lambda: any(kind == "m.room_key_request" for kind, _ in w.server.to_device))
    w.bot.kill()
    db = sqlite3.connect(w.bot.folder / "operations.db")
    with db:  # it has been waiting for six minutes, and the room knows
        check(db.execute("UPDATE undecrypted SET at_ms = at_ms - 360000, told_ms = at_ms WHERE event_id = ?",
                         (old["event_id"],)).rowcount == 1, "not kept")
    db.close()
    w.bot.start()
    w.server.tell(to_device=[key])
    w.answered(event, "!ack")
    w.answered(old, "6m")
    check(w.bot.call({"op": "silences"})["silences"] == [], "an old command was carried out")
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
