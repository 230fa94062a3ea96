"""Verification by emoji on a real Synapse: operators' clients with matrix-js-sdk's Rust crypto (what
Element runs on) against the bot and `matrix-telemetry-bot verify` on a terminal. Prints "ok NAME" or
"not ok NAME" a test. Usage: verify.py [NAME …]"""
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import client as clients  # noqa: E402
from bot import BUILD  # noqa: E402
from encrypted import (  # noqa: E402
    MEGOLM, answered, answers, check, comes, command, node, readable, run_in_world, settled)


class Terminal:
    """`matrix-telemetry-bot verify` on a pseudo-terminal."""

    def __init__(self, bot, *arguments):
        self.screen, self.input = "", None
        mine, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "verify", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.fd = mine

    def wait(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.screen:
            check(time.monotonic() < end, f"the terminal does not show {text!r}:\n{self.screen}")
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.screen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:  # the other end is closed
                    check(text in self.screen, f"it ended without {text!r}:\n{self.screen}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, seconds=60):
        code = self.process.wait(seconds)
        try:
            while select.select([self.fd], [], [], 0.2)[0]:
                data = os.read(self.fd, 65536)
                if not data:
                    break
                self.screen += data.decode(errors="replace")
        except OSError:
            pass
        os.close(self.fd)
        return code

    def emoji(self):
        """The names that are shown."""
        line = next(line for line in self.screen.splitlines() if len(re.findall(r"\w+", line)) >= 7
                    and not re.search(r"[.:?]", line))
        return line.strip()

    def decimals(self):
        return [int(number) for number in re.search(r"numbers: (\d+) (\d+) (\d+)", self.screen).groups()]


def events(client, kind):
    return [event for event in list(client.events) if event["event"] == kind]


def shown(client, before=0):
    client.wait(lambda: len(events(client, "sas")) > before, 60, "the client shows no emoji")
    return events(client, "sas")[-1]


def same(terminal, sas):
    line = terminal.emoji()
    names = [part.strip() for part in re.split(r"[^\w ]+", line) if part.strip()]
    check([n.lower() for n in names] == [n.lower() for n in sas["emoji"]], f"{line} but {sas['emoji']}")
    check(terminal.decimals() == sas["decimal"], f"{terminal.screen} but {sas['decimal']}")


def sees_verified(client, bot, seconds=60):
    end = time.monotonic() + seconds
    while True:
        status = client.call("user_status", user=bot.account["user_id"], device=bot.account["device_id"])
        if status["verified"]:
            return
        check(time.monotonic() < end, f"the client does not see the bot verified: {status}")
        time.sleep(0.2)  # there is no event for it


def bot_sees_verified(bot, user, seconds=60):
    end = time.monotonic() + seconds
    while user not in bot.call({"op": "status"})["encryption"]["verified"]:
        check(time.monotonic() < end, "status does not say that the user is verified")
        time.sleep(0.2)


def operator(world, bot, name):
    """A person with a signed client, in the bot's room."""
    person = clients.js(world.server, world.account(name))
    comes(world, bot, person)
    return person


def request(person, bot):
    """Asks the bot's device, once the client has heard of it."""
    end = time.monotonic() + 60
    while True:
        try:
            return person.call("verify", user=bot.account["user_id"], device=bot.account["device_id"])
        except RuntimeError as error:
            check("Not a known device" in str(error) and time.monotonic() < end, str(error))
            time.sleep(0.2)  # there is no event for it


def sender_verified(bot, user):
    """What the homeserver tells the bot of the user: is there a signature of the bot's?"""
    found = bot.server.call("POST", "/_matrix/client/v3/keys/query", {"device_keys": {user: []}},
                            bot.account["access_token"])
    return bot.account["user_id"] in found["master_keys"][user].get("signatures", {})


def dialogue(world, bot, person, ask, start):
    """From the request to both having said yes."""
    terminal, before = Terminal(bot), len(events(person, "sas"))
    terminal.wait("Waiting for a request")
    ask()
    terminal.wait(f"{person.account['user_id']} asks for verification")
    if start == "client":
        person.wait(lambda: any(e["phase"] == 3 for e in events(person, "verification")), 60, "not ready")
        person.call("start_sas")
    terminal.wait("Do they match?")
    same(terminal, shown(person, before))
    terminal.type("y\n")
    person.call("confirm_sas")
    person.wait(lambda: events(person, "verified"), 60, f"not verified: {events(person, 'unverified')}")
    terminal.wait("is verified")
    check(terminal.end() == 0, terminal.screen)
    sees_verified(person, bot)
    bot_sees_verified(bot, person.account["user_id"])
    bot.server = world.server
    end = time.monotonic() + 30
    while not sender_verified(bot, person.account["user_id"]):
        check(time.monotonic() < end, "the bot's signature is not on the server")
        time.sleep(0.2)


def test_by_to_device_the_client_starts(world):
    bot = world.bot()
    settled(bot)
    person = operator(world, bot, "tdc")
    dialogue(world, bot, person, lambda: request(person, bot), "client")
    person.stop()
    bot.stop()


def test_by_to_device_the_bot_starts(world):
    bot = world.bot()
    settled(bot)
    person = operator(world, bot, "tdb")
    dialogue(world, bot, person, lambda: request(person, bot), "bot")
    person.stop()
    bot.stop()


def test_in_an_encrypted_room_the_client_starts(world):
    bot = world.bot()
    settled(bot)
    person = operator(world, bot, "irc")
    bot.call(node("run-irc-1"))
    readable(person, bot, "run-irc-1")
    dialogue(world, bot, person, lambda: person.call(
        "verify", user=bot.account["user_id"], room=bot.ids["ops"]), "client")
    person.stop()
    bot.stop()


def test_in_an_encrypted_room_the_bot_starts(world):
    bot = world.bot()
    settled(bot)
    person = operator(world, bot, "irb")
    dialogue(world, bot, person, lambda: person.call(
        "verify", user=bot.account["user_id"], room=bot.ids["ops"]), "bot")
    person.stop()
    bot.stop()


def test_in_a_direct_chat(world):
    """As Element begins: a new room with the bot, and the request at once."""
    for encryption in (MEGOLM, None):
        person = clients.js(world.server, world.account("dmc"))
        bot = world.bot(extra=f"[matrix]\ninvite_from = {person.account['user_id']}\n")
        settled(bot)
        chat = person.call("create", invite=[bot.account["user_id"]], encryption=encryption)["room_id"]
        comes(world, bot, person)  # so that the clients know each other's devices
        bot.call(node("run-dmc-1"))
        readable(person, bot, "run-dmc-1")
        dialogue(world, bot, person, lambda: person.call("verify", user=bot.account["user_id"], room=chat),
                 "bot" if encryption else "client")
        wires = {event["wire_type"] for event in person.events if event["event"] == "message"
                 and event["room_id"] == chat and event["sender"] == bot.account["user_id"]}
        check(("m.room.encrypted" in wires) == (encryption is not None), str(wires))
        check(not encryption or wires <= {"m.room.encrypted", "m.room.member"}, str(wires))
        # nothing but that is listened to there
        person.call("send", room=chat, content={"msgtype": "m.text", "body": "!help"})
        bot.call(node("run-dmc-2"))
        readable(person, bot, "run-dmc-2")
        check(not [m for m in person.messages(chat) if m["sender"] == bot.account["user_id"]],
              "a command was answered outside of the rooms")
        person.stop()
        bot.stop()


def test_requests_that_are_encrypted(world):
    """As other clients send them; the first word that the bot hears of that person."""
    person = clients.js(world.server, world.account("enc"))
    bot = world.bot(extra=f"[matrix]\ninvite_from = {person.account['user_id']}\n")
    settled(bot)
    chat = person.call("create", invite=[bot.account["user_id"]], encryption=MEGOLM)["room_id"]
    comes(world, bot, person)
    end = time.monotonic() + 60
    while bot.account["user_id"] not in world.server.call(  # who is not there is given no key
            "GET", f"/_matrix/client/v3/rooms/{chat}/joined_members", None,
            person.account["access_token"])["joined"]:
        check(time.monotonic() < end, "the bot does not come")
        time.sleep(0.2)
    for room in (chat, bot.ids["ops"]):
        person.call("send", room=room, content={
            "msgtype": "m.key.verification.request", "to": bot.account["user_id"], "body": "verify",
            "from_device": person.account["device_id"], "methods": ["m.sas.v1"]})
        end = time.monotonic() + 60
        while not [v for v in bot.call({"op": "verify"})["verifications"]
                   if v["room_id"] == room and v["state"] == "requested"]:
            check(time.monotonic() < end, f"the request is not read: {bot.call({'op': 'verify'})}")
            time.sleep(0.2)
    person.stop()
    bot.stop()


def test_in_the_room_where_only_verified_ones_get_keys(world):
    bot = world.bot(extra="[encryption]\ntrust = verified\n")
    settled(bot)
    person = operator(world, bot, "rov")
    bot.call(node("run-rov-1"))
    person.wait(lambda: person.failures(bot.ids["ops"]), 60, "it was not told at all")
    dialogue(world, bot, person, lambda: person.call(
        "verify", user=bot.account["user_id"], room=bot.ids["ops"]), "client")
    bot.call(node("run-rov-2"))
    readable(person, bot, "run-rov-2")
    person.stop()
    bot.stop()


def test_a_mismatch_ends_both(world):
    bot = world.bot()
    settled(bot)
    for says_no in ("bot", "client"):
        person = operator(world, bot, "mis")
        request(person, bot)  # it waits, and status says so
        end = time.monotonic() + 60
        while f"{person.account['user_id']} requested it " not in bot.call({"op": "status"})["text"]:
            check(time.monotonic() < end, "status does not say that somebody asks")
            time.sleep(0.2)  # there is no event for it on the socket
        terminal = Terminal(bot, person.account["user_id"], *["--json"][says_no == "bot":])
        terminal.wait("Do they match?")
        names = shown(person)["emoji"]
        if says_no == "bot":
            terminal.type("n\n")
        else:
            person.call("confirm_sas", mismatch=True)
        person.wait(lambda: events(person, "unverified"), 60, "the client does not see the end")
        terminal.wait("Not verified" if says_no == "bot" else '"cancelled"')
        check(terminal.end() == 65, terminal.screen)
        if says_no == "client":
            lines = [json.loads(line) for line in terminal.screen.splitlines() if line.startswith("{")]
            states = [line["state"] for line in lines]
            check(states[0] == "requested" and states[-2:] == ["compare", "cancelled"], str(states))
            check([e["name"].lower() for e in lines[-2]["emoji"]] == [n.lower() for n in names], str(lines[-2]))
        status = person.call("user_status", user=bot.account["user_id"], device=bot.account["device_id"])
        check(not status["verified"], str(status))
        check(person.account["user_id"] not in bot.call({"op": "status"})["encryption"]["verified"], "verified")
        person.stop()
    bot.stop()


def test_a_restart_ends_it(world):
    bot = world.bot()
    settled(bot)
    person = operator(world, bot, "rst")
    terminal = Terminal(bot)
    request(person, bot)
    terminal.wait("Do they match?")
    shown(person)
    bot.kill()
    terminal.wait("matrix-telemetry-bot: verify:")
    check(terminal.end() == 69, terminal.screen)
    bot.start()
    settled(bot)
    person.call("confirm_sas")
    person.wait(lambda: events(person, "unverified"), 60, "the client is not told")
    check(any(e["code"] == "m.unknown_transaction" for e in events(person, "verification")), str(person.events[-3:]))
    # and anew
    dialogue(world, bot, person, lambda: request(person, bot), "bot")
    person.stop()
    bot.stop()


def in_memory(process, pattern, overlap=1024):
    """Whether something like that is anywhere in what the process may write."""
    wanted, found = re.compile(pattern.encode()), False
    with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
        for line in maps:
            part, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            at, end = (int(number, 16) for number in part.split("-"))
            if end - at > 1 << 30:  # the sanitizer's shadow
                continue
            while at < end and not found:
                try:
                    memory.seek(at)
                    found = wanted.search(memory.read(min(end - at, 1 << 22))) is not None
                except OSError:
                    break
                at += (1 << 22) - overlap
    return found


def test_no_secret_is_logged_or_kept(world):
    """Recovery, a verification, alerts, commands and a stop in the middle of a second verification,
    with all that is logged."""
    account = world.account("secret")
    owner = clients.js(world.server, account)
    recovery = owner.call("make_storage")["recovery_key"]
    bot = world.bot(account=world.login(account), start=False)
    for name, text in (("recovery", recovery), ("pickle", "correct-horse-battery-staple-31")):
        (bot.folder / name).write_text(text + "\n")
    bot.config.write_text(bot.config.read_text() + f"""[encryption]
recovery_key_command = cat {bot.folder}/recovery
pickle_key_command = cat {bot.folder}/pickle
[log]
level = debug
""")
    bot.start()
    settled(bot)
    person = operator(world, bot, "sec")
    dialogue(world, bot, person, lambda: request(person, bot), "client")
    bot.call(node("run-sec-1", name="hush_hush"))
    readable(person, bot, "run-sec-1")
    event = command(world.operator, bot.ids["ops"], "!silence hush_app 1h whisper")
    world.operator.wait(lambda: answers(world.operator, bot, event), 60, "no answer")
    token = bot.account["access_token"]
    check(in_memory(bot.process, re.escape(token)), "memory cannot be looked at")
    room_key = "AgAAAAA[A-Za-z0-9+/]{200}"  # of an m.room_key: version 2, index 0
    for secret in (recovery, recovery.replace(" ", ""), "correct-horse-battery-staple-31", room_key):
        check(not in_memory(bot.process, secret), f"not needed any more, but still in memory: {secret}")
    terminal = Terminal(bot)
    request(person, bot)
    terminal.wait("Do they match?")
    bot.stop()  # the sanitizers look
    terminal.end()
    log = bot.log.read_text()
    for text in (token, recovery, recovery.replace(" ", ""), "correct-horse", "hush_hush", "whisper"):
        check(text not in log, f"{text} is in the log")
    long = re.findall(r"[A-Za-z0-9+/]{60,}", log)  # keys of sessions and pickles are longer
    check(not long, str(long))
    person.stop()
    owner.stop()


def test_trust_verified_gives_keys_to_who_was_verified(world):
    bot = world.bot(extra="[encryption]\ntrust = verified\n")
    settled(bot)
    person, other = operator(world, bot, "trv"), operator(world, bot, "trn")
    bot.call(node("run-trv-1"))
    for client in (person, other):
        client.wait(lambda: client.failures(bot.ids["ops"]), 60, "it was not told at all")
    dialogue(world, bot, person, lambda: request(person, bot), "client")
    bot.call(node("run-trv-2"))
    readable(person, bot, "run-trv-2")
    other.wait(lambda: len(other.failures(bot.ids["ops"])) >= 2, 60, "it was not told at all")
    check("run-trv" not in other.text(bot.ids["ops"]), "who is not verified reads")
    check("run-trv-1" not in person.text(bot.ids["ops"]), "what was before is read")
    event = command(world.operator, bot.ids["ops"], "!status")  # may command, but is not verified
    answered(person, bot, event, "verify the bot")
    person.stop()
    other.stop()
    bot.stop()


def test_another_session_of_the_bot_s_account(world):
    bot = world.bot()
    settled(bot)
    session = clients.js(world.server, world.login(bot.account), sign=False, all_devices=True)
    own = dict(user=session.account["user_id"], device=session.account["device_id"])
    check(not session.call("user_status", **own)["signed"], "it is signed already")
    terminal = Terminal(bot)
    request(session, bot)
    terminal.wait("the bot's own account")
    terminal.wait("Do they match?")
    same(terminal, shown(session))
    terminal.type("y\n")
    session.call("confirm_sas")
    session.wait(lambda: events(session, "verified"), 60, "not verified")
    check(terminal.end() == 0, terminal.screen)
    end = time.monotonic() + 60
    while not session.call("user_status", **own)["signed"]:
        check(time.monotonic() < end, "the bot did not sign it")
        time.sleep(0.2)  # there is no event for it
    session.stop()
    bot.stop()


def test_a_reset_identity_is_accepted_on_the_host(world):
    account = world.account("reset")
    user = account["user_id"]
    first = clients.js(world.server, account)
    bot = world.bot()
    settled(bot)
    comes(world, bot, first)
    bot.call(node("run-res-1"))
    readable(first, bot, "run-res-1")
    second = clients.js(world.server, world.login(account))
    second.call("join", room=bot.ids["ops"])
    end = time.monotonic() + 60

    def named():
        notices = bot.call({"op": "status"})["encryption"]["notices"]
        return [found for text in notices for found in re.findall(rf"\(accept {re.escape(user)} (\S+)\)", text)]
    while not named():
        check(time.monotonic() < end, "status does not say how it is accepted")
        time.sleep(0.2)  # there is no event for it on the socket
    (key,) = named()
    command = [BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "accept", user]
    done = subprocess.run([*command, "another"], capture_output=True, text=True)
    check(done.returncode == 65 and "did not change to that key" in done.stderr, str(done))
    done = subprocess.run([*command, key], capture_output=True, text=True)
    check(done.returncode == 0 and f"trusting {user} with" in done.stdout, str(done))
    bot.call(node("run-res-2"))
    readable(second, bot, "run-res-2")
    check(not named(), "still noticed")
    first.stop()
    second.stop()
    bot.stop()


if __name__ == "__main__":
    run_in_world(globals())
