"""Where keys come from and go to, in encrypted rooms on a real Synapse: recovery keys, used-up keys,
devices that go; and a homeserver that is down. Prints "ok NAME" or "not ok NAME" a test.
Usage: encrypted_keys.py [NAME …]"""
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import client as clients  # noqa: E402
from bot import BUILD  # noqa: E402
from encrypted import (  # noqa: E402
    answered, check, check_all_encrypted, comes, command, node, readable, run_in_world, settled)


def tool(bot, *words, stdin=""):
    return subprocess.run([BUILD / "bot/matrix-telemetry-bot", *words, "-c", bot.config], input=stdin,
                          capture_output=True, text=True)


def in_order(world, room):
    """Event ids of the room as the homeserver has them."""
    path = f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=500"
    chunk = world.server.call("GET", path, token=world.operator.account["access_token"])["chunk"]
    return [event["event_id"] for event in reversed(chunk)]


def test_homeserver_down_with_many_queued(world):
    bot = world.bot()
    op, ops = world.operator, bot.ids["ops"]
    bot.call(node("run-down-0"))
    readable(op, bot, "run-down-0")
    world.server.kill()
    client = bot.client()
    for i in range(1, 41):
        client.send(node(f"run-down-{i}", f"n{i}", app=f"app_{i}"))
    check(all(client.receive()["ok"] for _ in range(40)), "not all acknowledged")
    bot.kill()
    bot.start()
    world.server.start()
    op.wait(lambda: "run-down-40" in op.text(ops), 120, "not readable")
    op.call("scrollback", room=ops)  # what is new at once is more than its /sync tells
    op.wait(lambda: len(op.messages(ops)) >= 41, 30, "not all readable")
    bodies = {m["event_id"]: m["content"]["body"] for m in op.messages(ops)}
    runs = [re.findall(r"run-down-\d+", bodies[event])[0] for event in in_order(world, ops) if event in bodies]
    check(runs == [f"run-down-{i}" for i in range(41)], f"order, or not once: {runs}")
    check_all_encrypted(op, bot)
    bot.stop()


def wait_problem(bot, part):
    end = time.monotonic() + 30
    while part not in (text := bot.call({"op": "status"})["encryption"]["problem"]):
        check(time.monotonic() < end, f"status says: {text}")
        time.sleep(0.1)  # there is no event for it on the socket


def wait_signed(client, other):
    """The client sees the other's device signed by its owner."""
    end = time.monotonic() + 30
    while not client.call("user_status", user=other.account["user_id"], device=other.account["device_id"])["signed"]:
        check(time.monotonic() < end, "the device is not signed")
        time.sleep(0.1)  # nothing tells


def test_an_account_that_has_cross_signing_needs_its_recovery_key(world):
    account = world.account("known")
    owner = clients.js(world.server, account)
    keys = [owner.call("make_storage")["recovery_key"]]
    bot = world.bot(account=world.login(account), start=False)
    bot.start()
    bot.call(node("run-rec-1"))
    wait_problem(bot, "recovery_key_command")
    check("run-rec-1" not in world.operator.text(bot.ids["ops"]), "an unsigned device wrote")
    found = tool(bot, "check").stdout
    check("recovery_key_command" in found, found)
    bot.stop()
    config = bot.config.read_text()
    bot.config.write_text(config + "[encryption]\nrecovery_key_command = echo EsTx1234\n")
    bot.start()
    wait_problem(bot, "recovery key: ")
    bot.stop()
    bot.config.write_text(config + f"[encryption]\nrecovery_key_command = echo {keys[0]}\n")
    bot.start()
    readable(world.operator, bot, "run-rec-1")
    wait_signed(world.operator, bot)
    check(keys[0] not in bot.log.read_text(), "the recovery key is in the log")
    bot.stop()
    owner.stop()


def test_a_passphrase_is_as_good_as_the_recovery_key(world):
    account = world.account("phrase")
    owner = clients.js(world.server, account)
    owner.call("make_storage", passphrase="correct horse battery")
    bot = world.bot(account=world.login(account),
                    extra="[encryption]\nrecovery_key_command = echo correct horse battery\n")
    bot.call(node("run-phrase-1"))
    readable(world.operator, bot, "run-phrase-1")
    bot.stop()
    owner.stop()


def test_login_shows_the_recovery_key_once_and_fills_secret_storage(world):
    account = world.account("fresh")
    bot = world.bot(account=account, start=False)
    first = tool(bot, "login", "--password-stdin", stdin="pw\n")
    check(first.returncode == 0, first.stderr)
    key = re.search(r"^ {4}(Es\w\w(?: \w{4})+)$", first.stderr, re.M)
    check(key and first.stdout == "", first.stderr)
    # what this client takes out of secret storage is the account's identity
    other = clients.js(world.server, world.login(account), sign=False)
    other.call("recover", recovery_key=key[1])
    wait_signed(other, other)
    again = tool(bot, "login", "--password-stdin", "--json", stdin="pw\n")
    check("recovery_key" not in again.stdout and "secret storage already" in again.stdout, again.stdout)
    device = re.search(r"device (\w+)\.", first.stderr)[1]
    check(device in again.stdout, "another device")
    bot.start()
    bot.call(node("run-login-1"))
    readable(world.operator, bot, "run-login-1")
    running = tool(bot, "login", "--password-stdin", stdin="pw\n")
    check(running.returncode == 0 and "the daemon is running" in running.stderr, running.stderr)
    bot.stop()
    # the session is signed out, as by its owner in another client, and logged in anew
    world.server.call("POST", "/_matrix/client/v3/logout", {}, (bot.folder / "token").read_text().strip())
    last = tool(bot, "login", "--password-stdin", stdin="pw\n")
    check(f"device {device}." in last.stderr, last.stderr)
    bot.start()
    bot.call(node("run-login-2", app="second"))
    readable(world.operator, bot, "run-login-2", seconds=60)
    other.stop()
    bot.stop()


def test_used_up_one_time_keys(world):
    """The operator's first word reaches the bot by its fallback key."""
    op = world.operator
    writer = clients.js(world.server, world.account("writer"))
    bot = world.bot(extra=f"[commands]\nusers = {writer.account['user_id']}\n")
    settled(bot)
    ops, user, device = bot.ids["ops"], bot.account["user_id"], bot.account["device_id"]
    comes(world, bot, writer)
    bot.call(node("run-used-1"))  # its own session with the operator takes none of the bot's keys
    readable(op, bot, "run-used-1")
    bot.kill()
    seen = set()
    for _ in range(200):
        keys = world.server.call("POST", "/_matrix/client/v3/keys/claim", {
            "one_time_keys": {user: {device: "signed_curve25519"}}}, op.account["access_token"])
        (name, key), = keys["one_time_keys"][user][device].items()
        if key.get("fallback"):
            break
        check(name not in seen, "a one-time key was given twice")
        seen.add(name)
    check(key.get("fallback") and len(seen) >= 40, f"{len(seen)} keys, {key}")
    event = command(writer, ops, "!help")
    bot.start()
    answered(writer, bot, event, "!ack")
    writer.stop()
    bot.stop()


def test_a_device_that_is_signed_out_reads_no_more(world):
    account = world.account("pair")
    phone = clients.js(world.server, account)
    key = phone.call("make_storage")["recovery_key"]
    laptop = clients.js(world.server, world.login(account), sign=False)
    laptop.call("recover", recovery_key=key)
    bot = world.bot()
    ops = bot.ids["ops"]
    comes(world, bot, phone, laptop)
    bot.call(node("run-out-1"))
    readable(phone, bot, "run-out-1")
    readable(laptop, bot, "run-out-1")
    world.server.call("POST", "/_matrix/client/v3/logout", {}, laptop.account["access_token"])
    end = time.monotonic() + 30
    while True:  # the bot hears of it by /sync, which nothing here can wait for
        run = f"run-out-{int(time.monotonic() * 1000)}"
        bot.call(node(run, app=run))
        readable(phone, bot, run)
        sessions = {m["content"]["body"].split("run ")[-1].split()[0]: m["session_id"] for m in phone.messages(ops)}
        if sessions[run] != sessions["run-out-1"]:
            break
        check(time.monotonic() < end, "the session goes on")
    phone.stop()
    laptop.stop()
    bot.stop()


if __name__ == "__main__":
    run_in_world(globals())
