"""Of encrypted.py: a pickle key that is lost, and the way out."""
import subprocess

from encrypted_world import World, check, node
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
    check("makes a new device" in login.stderr and "DEV2" in login.stderr, login.stderr + login.stdout)
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
