"""Of encrypted.py: a pickle key that is lost, and the way out."""
import sqlite3
import subprocess
import time

from encrypted_world import DEV, World, check, node
from bot import BUILD


def tool(w, *words, stdin=""):
    return subprocess.run([BUILD / "bot/matrix-telemetry-bot", *words, "-c", w.bot.config], input=stdin,
                          capture_output=True, text=True)


def test_a_lost_pickle_key_is_not_replaced_and_there_is_a_way_out():
    w = World()
    key = w.bot.folder / "pickle-key"
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.bot.stop()
    key.unlink()
    w.bot.start()
    w.wait_status(lambda s: "is missing" in s["encryption"]["problem"], "not told")
    check("--accept-new-device" in w.status()["encryption"]["problem"], "no way out")
    check(not key.exists(), "a new key was made in its place")
    w.bot.call(node("w-1", app="plain", severity="warning"))
    w.server.wait(lambda: any("w-1" in body for body in w.server.bodies("!dev:fake.local")))
    found = tool(w, "check")
    check("✗ pickle key" in found.stdout and "is missing" in found.stdout and found.returncode == 78, found.stdout)
    w.bot.call(node("r-2", app="second"))  # which waits
    w.bot.stop()
    # the way out: another device, and the account's identity reset since the recovery key is lost too
    with w.server.changed:
        w.server.whoami = {"user_id": w.server.USER, "device_id": "DEV2"}
        w.server.identity.pop(w.server.USER)
        w.server.published.clear()
    login = tool(w, "login", "--password-stdin", stdin="pw\n")
    check("creates a new device" in login.stderr and "DEV2" in login.stderr, login.stderr + login.stdout)
    w.bot.words = ("--accept-new-device",)
    w.bot.start()
    w.readable("r-2")
    check(key.exists(), "no new key")
    w.bot.words = ()
    w.bot.stop()
    w.bot.start()
    w.bot.call(node("r-3", app="third"))
    w.readable("r-3")
    found = tool(w, "check")
    check("✓ pickle key" in found.stdout, found.stdout)
    w.end()


def test_another_pickle_key_opens_nothing_and_check_says_so():
    w = World()
    w.in_touch()
    w.bot.stop()
    (w.bot.folder / "pickle-key").write_text("another key, of at least twenty characters\n")
    found = tool(w, "check")
    check("✗ pickle key" in found.stdout and "does not open" in found.stdout, found.stdout)
    w.server.shut()


def plain(w, body):
    """A command in the room that is not encrypted; it is answered there."""
    w.said = getattr(w, "said", 0) + 1
    event = {"type": "m.room.message", "event_id": f"$plain{w.said}", "sender": w.op.user,
             "origin_server_ts": int(time.time() * 1000), "content": {"msgtype": "m.text", "body": body}}
    w.server.tell(join={DEV: {"timeline": {"events": [event]}}})
    w.server.wait(lambda: any(told["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
                              == event["event_id"] for room, told in w.server.timeline if room == DEV), 10)


def change_keys(w, change, *values):
    database = sqlite3.connect(w.bot.folder / "operations.db", isolation_level=None)
    database.execute(change, values)
    database.close()


def test_damaged_keys_hold_up_no_room_without_encryption():
    """Alerts and commands there work as ever; what is encrypted meanwhile is kept, and read when the keys are back."""
    w = World()
    w.in_touch()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.bot.stop()
    database = sqlite3.connect(w.bot.folder / "operations.db")
    account, = database.execute("SELECT value FROM crypto WHERE kind = 'machine' AND key = 'account'").fetchone()
    database.close()
    change_keys(w, "UPDATE crypto SET value = 'x' WHERE kind = 'machine' AND key = 'account'")
    w.bot.start()
    w.bot.call(node("w-1", app="plain", severity="warning"))
    w.server.wait(lambda: any("w-1" in body for body in w.server.bodies(DEV)))
    secret = w.op.say("!silence secret 1h")  # with the key that opens it, in one answer
    plain(w, "!ack w-1")
    w.wait_status(lambda s: "or those are damaged" in s["encryption"]["problem"], "not told")
    check("restore" in tool(w, "status").stdout and tool(w, "status").returncode == 69, "no way out")
    w.bot.stop()
    change_keys(w, "UPDATE crypto SET value = ? WHERE kind = 'machine' AND key = 'account'", account)
    change_keys(w, "UPDATE crypto SET value = 'x' WHERE kind = 'outbound'")  # this one is made anew
    w.bot.start()
    plain(w, "!help")
    w.answered(secret, "secret")
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")
    w.end()
