"""The bot in encrypted rooms on a real Synapse, read by real clients that take no device which its
owner has not signed. Prints "ok NAME" or "not ok NAME" a test. Usage: encrypted.py [NAME …]"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import client as clients  # noqa: E402
from bot import BUILD, Bot  # noqa: E402
from harness import check, node, run_tests  # noqa: E402
from synapse import homeserver, log  # noqa: E402
from watcher import Watcher, due_next  # noqa: E402

MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
RUN = re.compile(r"\brun-[a-z]+-\d+\b")
KEY = "org.matrix-telemetry-bot.alert"


class World:
    """One homeserver and one operator for all tests; each test has a bot account of its own."""

    def __init__(self):
        self.server = homeserver()
        self.count, self.mark = 0, os.urandom(3).hex()  # a homeserver may have seen tests before
        self.operator = clients.js(self.server, self.server.register("operator"))

    def account(self, name):
        self.count += 1
        return self.server.register(f"{name}{self.count}")

    def login(self, account):
        """A second device of the same user."""
        return self.server.call("POST", "/_matrix/client/v3/login", {
            "type": "m.login.password", "password": "pw",
            "identifier": {"type": "m.id.user", "user": account["user_id"]}})

    def bot(self, account=None, encryption=None, extra="", throttle="0s", start=True):
        account = account or self.account("bot")
        self.count += 1
        rooms = {}
        for name in ("ops", "dev"):
            room = self.operator.call("create", alias=f"{name}-{self.mark}-{self.count}", invite=[account["user_id"]],
                                      encryption=encryption or MEGOLM)["room_id"]
            self.server.call("POST", f"/_matrix/client/v3/join/{room}", {}, account["access_token"])
            rooms[name] = room
        bot = Bot(self.server.url, account["user_id"], account["access_token"], rooms,
                  f"[delivery]\nthrottle = {throttle}\nstorm = 0\n{extra}")
        bot.ids, bot.account = rooms, account
        if start:
            bot.start()
        return bot

    def close(self):
        self.operator.stop()
        self.server.close()


def readable(reader, bot, run, room="ops", seconds=30):
    reader.wait(lambda: run in reader.text(bot.ids[room]), seconds, f"{run} is not readable")


def others(bot, room="ops"):
    """How many others the bot knows to be in that room."""
    status = bot.call({"op": "status"})
    readers = next(r["readers"] for r in status["rooms"] if r["name"] == room) or {}
    return readers.get("members", 0) + readers.get("unknown", 0)


def knows_members(world, bot, room="ops"):
    """Waits until the bot knows as many others there as the homeserver: what it sends before is not for who comes."""
    joined = world.server.call("GET", f"/_matrix/client/v3/rooms/{bot.ids[room]}/joined_members", None,
                               bot.account["access_token"])["joined"]
    end = time.monotonic() + 30
    while others(bot, room) != len(joined) - 1:
        check(time.monotonic() < end, f"the bot knows {others(bot, room)} others of {list(joined)}")
        time.sleep(0.05)  # there is no event for it on the socket


def comes(world, bot, person, *devices):
    """A person comes to the bot's room, and the bot has heard of it."""
    ops = bot.ids["ops"]
    world.operator.call("invite", room=ops, user=person.account["user_id"])
    for client in (person, *devices):
        client.call("join", room=ops)
    knows_members(world, bot)


def settled(bot):
    """Signed, and in touch: what is written from now on is new to it."""
    end = time.monotonic() + 30
    while True:
        status = bot.call({"op": "status"})
        if status["encryption"]["identity"] == "signed" and status["last_sync_ms"]:
            return
        check(time.monotonic() < end, f"not settled: {status}")
        time.sleep(0.05)  # there is no event for it on the socket


def check_all_encrypted(reader, bot, room="ops"):
    for event in reader.messages(bot.ids[room]):
        if event["sender"] == bot.account["user_id"]:
            check(event["wire_type"] == "m.room.encrypted", "plain text in an encrypted room")
    check(not reader.failures(bot.ids[room]), f"not readable: {reader.failures(bot.ids[room])}")


def test_alerts_edits_and_resolved_are_read(world):
    bot = world.bot(throttle="60s")
    op, ops = world.operator, bot.ids["ops"]
    started = time.monotonic()
    bot.call(node("run-ten-0"))
    readable(op, bot, "run-ten-0")
    log(f"a new account's first start to its first message read: {time.monotonic() - started:.1f} s")
    for i in range(1, 10):
        bot.call(node(f"run-ten-{i}"))
    op.wait(lambda: "×10" in op.text(ops), 30, "ten equal alerts are not ×10")
    bot.call(node("run-ten-9", status="resolved"))
    op.wait(lambda: op.text(ops).count("resolved") >= 2, 30, "resolved is not shown in message and thread")
    messages = op.messages(ops)
    new = [m for m in messages if not m["relates"]]
    check(len(new) == 1, f"{len(new)} new messages")
    check(all(KEY in m["content"] for m in messages), "no data inside")
    edits = [m for m in messages if m["relates"] and m["relates"].get("rel_type") == "m.replace"]
    check(edits and all(m["relates"]["event_id"] == new[0]["event_id"] for m in edits), "edits of another event")
    check_all_encrypted(op, bot)
    status = bot.call({"op": "status"})
    check(status["encryption"]["identity"] == "signed", str(status["encryption"]))
    found = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "check", "-c", bot.config], capture_output=True, text=True)
    check("is cross-signed; fingerprint" in found.stdout and "may write, encrypted" in found.stdout, found.stdout)
    check(found.returncode == 0, found.stdout)
    signed = op.call("user_status", user=bot.account["user_id"], device=bot.account["device_id"])
    check(signed["signed"], "the client does not see the bot's device signed")
    bot.stop()


def test_a_device_that_is_not_signed_gets_no_keys(world):
    account = world.account("careless")
    signed = clients.js(world.server, account)
    unsigned = clients.js(world.server, world.login(account), sign=False, all_devices=True)
    bot = world.bot()
    comes(world, bot, signed, unsigned)
    bot.call(node("run-sig-1"))
    readable(signed, bot, "run-sig-1")
    unsigned.wait(lambda: unsigned.failures(bot.ids["ops"]), 30, "it was not told at all")
    bot.call(node("run-sig-2"))
    readable(signed, bot, "run-sig-2")
    check("run-sig" not in unsigned.text(bot.ids["ops"]), "an unsigned device reads")
    signed.stop()
    unsigned.stop()
    bot.stop()


def test_a_device_added_while_the_bot_was_down_reads_the_first_alert(world):
    account = world.account("phone")
    first = clients.js(world.server, account)
    bot = world.bot(extra="[encryption]\ntrust = all\n")  # a second device is not signed by itself
    comes(world, bot, first)
    bot.call(node("run-down-1"))
    readable(first, bot, "run-down-1")
    bot.stop()
    second = clients.js(world.server, world.login(account), sign=False)
    second.call("join", room=bot.ids["ops"])
    bot.start()
    bot.call(node("run-down-2"))
    readable(first, bot, "run-down-2")
    readable(second, bot, "run-down-2")
    first.stop()
    second.stop()
    bot.stop()


def test_clients_without_cross_signing_are_named_and_told(world):
    careless = clients.js(world.server, world.account("careless"), sign=False)
    user, bot = careless.account["user_id"], world.bot()
    ops = bot.ids["ops"]
    comes(world, bot, careless)
    bot.call(node("run-named-1"))
    readable(world.operator, bot, "run-named-1")
    careless.wait(lambda: any("WITHHELD" in f["failure"] for f in careless.failures(ops)), 30, "it is not told why")
    text = f"{user} has no cross-signed device"
    end = time.monotonic() + 30
    while text not in subprocess.run([BUILD / "bot/matrix-telemetry-bot", "status", "-c", bot.config],
                                     capture_output=True, text=True).stdout:
        check(time.monotonic() < end, "status does not name the member")
        time.sleep(0.2)  # there is no event for it on the socket
    found = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "check", "-c", bot.config], capture_output=True, text=True)
    check(text in found.stdout, found.stdout)
    check(text in bot.log.read_text(), "the log does not name the member")
    careless.stop()
    bot.stop()


def test_who_leaves_reads_no_more_and_who_comes_reads_what_follows(world):
    leaver, comer = (clients.js(world.server, world.account(name)) for name in ("leaver", "comer"))
    bot = world.bot()
    ops = bot.ids["ops"]
    comes(world, bot, leaver)
    bot.call(node("run-who-1"))
    readable(leaver, bot, "run-who-1")
    readable(world.operator, bot, "run-who-1")
    before = {m["session_id"] for m in world.operator.messages(ops)}
    leaver.call("leave", room=ops)
    knows_members(world, bot)
    comes(world, bot, comer)
    bot.call(node("run-who-2"))
    readable(comer, bot, "run-who-2")
    readable(world.operator, bot, "run-who-2")
    after = [m["session_id"] for m in world.operator.messages(ops) if "run-who-2" in m["content"]["body"]]
    check(not before.intersection(after), "the session that the leaver has went on")
    check("run-who-1" not in comer.text(ops), "a new member reads what was before")
    leaver.stop()
    comer.stop()
    bot.stop()


def test_a_new_device_of_the_operator_reads_what_follows(world):
    account = world.account("phone")
    first = clients.js(world.server, account)
    bot = world.bot()
    comes(world, bot, first)
    bot.call(node("run-dev-1"))
    readable(first, bot, "run-dev-1")
    # takes the identity over: every device of before is unsigned from now on
    second = clients.js(world.server, world.login(account), sign=True)
    second.call("join", room=bot.ids["ops"])
    bot.call(node("run-dev-2"))
    readable(world.operator, bot, "run-dev-2")
    status = bot.call({"op": "status"})
    check("run-dev-2" not in second.text(bot.ids["ops"]), "a changed identity was taken silently")
    check(any(account["user_id"] in text for text in status["encryption"]["notices"]), str(status))
    first.stop()
    second.stop()
    bot.stop()


def test_another_implementation_reads_and_commands_where_all_are_trusted(world):
    reader = clients.nio(world.server, world.account("nio"))
    bot = world.bot(extra=f"[encryption]\ntrust = all\n[commands]\nusers = {reader.account['user_id']}\n",
                    throttle="60s")
    ops = bot.ids["ops"]
    comes(world, bot, reader)
    bot.call(node("run-nio-1"))
    readable(reader, bot, "run-nio-1")
    readable(world.operator, bot, "run-nio-1")
    bot.call(node("run-nio-2"))
    reader.wait(lambda: "×2" in reader.text(ops), 30, "the edit is not readable")
    answered(reader, bot, command(reader, ops, "!ack run-nio-1 mine"), "acknowledged by you")
    reader.wait(lambda: "acknowledged by " + reader.account["user_id"][1:].split(":")[0] in reader.text(ops), 30, "the ack is not shown")
    check_all_encrypted(reader, bot)
    reader.stop()
    bot.stop()


def test_1000_messages_over_many_rotations(world):
    bot = world.bot(encryption={**MEGOLM, "rotation_period_msgs": 50})
    client = bot.client()
    for i in range(1000):
        client.send(node(f"run-rot-{i}", f"n{i}", app=f"app_{i}"))
    check(all(client.receive()["ok"] for _ in range(1000)), "not all acknowledged")
    op, ops = world.operator, bot.ids["ops"]
    op.wait(lambda: len(op.messages(ops)) >= 1000, 240, "not all readable")
    check(len(set(RUN.findall(op.text(ops)))) == 1000, "run ids are missing")
    sessions = {}
    for m in op.messages(ops):
        sessions.setdefault(m["session_id"], []).append(m["event_id"])
    check(len(sessions) >= 20, f"{len(sessions)} sessions")
    check(all(len(events) <= 50 for events in sessions.values()), "a session went on too long")
    check_all_encrypted(op, bot)
    bot.stop()


def test_kill_9_under_load(world):
    bot = world.bot()
    op, ops = world.operator, bot.ids["ops"]
    acknowledged = []
    for round_ in range(10):
        client = bot.client()
        for i in range(20):
            run = f"run-kill-{round_ * 100 + i}"
            client.send(node(run, run, app=f"app_{round_}_{i}"))
        for i in range(20):
            if client.receive()["ok"]:
                acknowledged.append(f"run-kill-{round_ * 100 + i}")
        count = len(op.messages(ops))
        op.wait(lambda: len(op.messages(ops)) > count, 60, "nothing arrives")
        bot.kill()
        bot.start()
    op.wait(lambda: set(acknowledged) <= set(RUN.findall(op.text(ops))), 120, "acknowledged alerts are missing")
    new = [m["content"]["body"] for m in op.messages(ops) if not m["relates"]]
    for run in acknowledged:
        check(sum(bool(re.search(rf"\b{run}\b", body)) for body in new) == 1, f"{run} is in two messages")
    check_all_encrypted(op, bot)
    bot.stop()


def test_restored_from_a_backup(world):
    bot = world.bot(extra=f"[commands]\nusers = {world.operator.account['user_id']}\n")
    bot.call(node("run-bak-1"))
    readable(world.operator, bot, "run-bak-1")
    answered(world.operator, bot, command(world.operator, bot.ids["ops"], "!help"), "!ack")
    bot.stop()
    backup = bot.folder / "backup"
    backup.mkdir()
    for file in [*bot.folder.glob("operations.db*"), bot.folder / "pickle-key"]:
        shutil.copy(file, backup)
    bot.start()
    for i in range(2, 6):
        bot.call(node(f"run-bak-{i}", app=f"app_{i}"))
        readable(world.operator, bot, f"run-bak-{i}")
    answered(world.operator, bot, command(world.operator, bot.ids["ops"], "!help"), "!ack")
    bot.stop()
    for file in bot.folder.glob("operations.db*"):
        file.unlink()
    for file in backup.iterdir():
        shutil.copy(file, bot.folder)
    bot.start()
    bot.call(node("run-bak-6", app="app_6"))
    readable(world.operator, bot, "run-bak-6")
    check("a restored backup" in bot.log.read_text(), "it did not notice")
    # what comes over a session that is newer than the backup: mended, asked for, obeyed
    answered(world.operator, bot, command(world.operator, bot.ids["ops"], "!help"), "!ack", 60)
    bot.stop()


def test_another_pickle_key_says_so_and_plain_rooms_go_on(world):
    bot = world.bot()
    bot.call(node("run-key-1"))
    readable(world.operator, bot, "run-key-1")
    bot.stop()
    (bot.folder / "pickle-key").write_text("another key, of at least twenty characters\n")
    bot.start()
    bot.call(node("run-key-2", app="other"))
    end = time.monotonic() + 30
    while "pickle key" not in bot.call({"op": "status"})["encryption"]["problem"]:
        check(time.monotonic() < end, "status does not say so")
        time.sleep(0.1)
    check("run-key-2" not in world.operator.text(bot.ids["ops"]), "sent with new keys")
    bot.stop()


def command(client, room, text, **content):
    return client.call("send", room=room, content={"msgtype": "m.text", "body": text, **content})["event_id"]


def answers(reader, bot, event_id, room="ops"):
    """The bot's answers in the thread of an event."""
    return [m["content"]["body"] for m in reader.messages(bot.ids[room])
            if m["sender"] == bot.account["user_id"] and m["relates"]
            and m["relates"].get("m.in_reply_to", {}).get("event_id") == event_id]


def answered(reader, bot, event_id, part, seconds=30):
    reader.wait(lambda: answers(reader, bot, event_id), seconds, "no answer")
    found = answers(reader, bot, event_id)
    check(len(found) == 1 and part in found[0], str(found))


def test_commands_are_obeyed_from_signed_devices_alone(world):
    op = world.operator
    bot = world.bot(extra=f"[commands]\nusers = {op.account['user_id']}\n")
    settled(bot)
    # the first word of a device that the bot never heard of, and before it wrote anything itself
    answered(op, bot, command(op, bot.ids["ops"], "!help"), "!help")
    bot.call(node("run-cmd-1"))
    readable(op, bot, "run-cmd-1")
    answered(op, bot, command(op, bot.ids["ops"], "!hlep"), "!help")
    unsigned = clients.js(world.server, world.login(op.account), sign=False, all_devices=True)
    unsigned.call("join", room=bot.ids["ops"])
    event = command(unsigned, bot.ids["ops"], "!help")
    answered(op, bot, event, "not verified")
    # what comes in the clear may have been put there by anybody
    clear = world.server.call("PUT", f"/_matrix/client/v3/rooms/{bot.ids['ops']}/send/m.room.message/clear1",
                              {"msgtype": "m.text", "body": "!silence data_factory 1h"},
                              op.account["access_token"])["event_id"]
    done = command(op, bot.ids["ops"], "!ack run-cmd-1 mine")
    answered(op, bot, done, "etl_users")
    op.wait(lambda: "acknowledged by " + op.account["user_id"][1:].split(":")[0] + ": mine" in op.text(bot.ids["ops"]), 30, "the ack is not shown")
    check(not [a for a in answers(op, bot, clear) if "silence" in a and "until" in a], "obeyed in the clear")
    check(bot.call({"op": "silences"})["silences"] == [], "obeyed in the clear")
    check_all_encrypted_from_bot(op, bot)
    unsigned.stop()
    bot.stop()


def test_watch_in_an_encrypted_room(world):
    """The watcher reads the heartbeat there, and the operator reads the watcher."""
    at, date = due_next(40)
    bot = world.bot(extra=f"[heartbeat]\nat = {at:%H:%M}\ngrace = 10s\n")
    account = world.account("watcher")
    op, ops = world.operator, bot.ids["ops"]
    op.call("invite", room=ops, user=account["user_id"])
    world.server.call("POST", f"/_matrix/client/v3/join/{ops}", {}, account["access_token"])
    watcher = Watcher(world.server.url, account["user_id"], account["access_token"], ops,
                      bot.account["user_id"], at, "5s")
    settled(bot)
    watcher.start()
    watcher.wait_state(lambda s: s.get("ok_ms"))
    check(watcher.state()["from_ms"] < at.timestamp() * 1000, "too slow a start for this test")
    bot.wait_stored("heartbeat.since_ms", lambda value: value)
    bot.kill()

    def mine(mark):
        return [m for m in op.messages(ops) if m["sender"] == account["user_id"] and mark in m["content"]["body"]]
    op.wait(lambda: mine("🚨"), 180, "no alarm")
    check("· due " in mine("🚨")[0]["content"]["body"], str(mine("🚨")))
    bot.start()
    op.wait(lambda: mine("is back"), 60, "not told that it is back")
    check(watcher.state()["seen"] == date, str(watcher.state()))
    check(all(m["wire_type"] == "m.room.encrypted" for m in mine("")) and len(mine("")) == 2, str(mine("")))
    check(len(watcher.told()) == 2, str(watcher.told()))
    watcher.stop()
    bot.stop()


def check_all_encrypted_from_bot(reader, bot):
    mine = [m for m in reader.messages(bot.ids["ops"]) if m["sender"] == bot.account["user_id"]]
    check(mine and all(m["wire_type"] == "m.room.encrypted" for m in mine), "plain text in an encrypted room")


def run_in_world(names):
    try:
        world = World()
    except (OSError, RuntimeError) as error:
        print(f"skip encrypted: no Synapse or no client to be had: {error}")
        return
    failed = run_tests(names, world)
    world.close()
    sys.exit(failed > 0)


if __name__ == "__main__":
    run_in_world(globals())
