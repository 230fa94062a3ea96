"""`setup` of an account that has cross-signing keys already: its recovery key, new keys, or neither; on the
terminal and by options."""
import pathlib
import re
import tempfile

from crypto import CryptoHomeserver
from harness import check
from setting_up import BOT, Terminal, run

QUESTION = "key, reset or none [key]: "


class Account:
    """With a homeserver of its own; each setup is on a new device."""

    def __init__(self):
        self.server = CryptoHomeserver(encrypted=())
        self.server.uia = "pw"
        self.server.state[("!ops:fake.local", "m.room.member")] = {"membership": "join"}
        self.count = 1

    def place(self):
        """A folder of its own for a new device: where its config will be, and the options."""
        self.count += 1
        self.server.login_device = self.server.whoami["device_id"] = f"DEV{self.count}"
        self.server.published.clear()  # ids of one-time keys are of a device
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-setting-up-keys-"))
        self.keep(folder / "pw", "pw")
        return folder / "bot.conf", ("--homeserver", self.server.url, "--user", self.server.USER, "--no-test",
                                     "--room", "ops=#ops:fake.local", "--operator", "@op:fake.local",
                                     "--dashboard", "etl=https://d.example.com/")

    @staticmethod
    def keep(path, text):
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def master(self):
        return next(iter(self.server.identity[self.server.USER]["master_key"]["keys"].values()))

    def signed(self):
        """Whether the newest device is signed by the account's current identity."""
        own = next(iter(self.server.identity[self.server.USER]["self_signing_key"]["keys"]))
        device = self.server.devices[self.server.USER][f"DEV{self.count}"]
        return own in device["signatures"][self.server.USER]

    def first(self):
        """The account's identity, made by its first device; returns the recovery key."""
        config, options = self.place()
        done = run(config, *options, "--yes", "--password-file", config.parent / "pw")
        check(self.signed(), str(done))
        return recovery_key(done.stderr)


def recovery_key(text):
    found = re.search(r"shown only once.*?\n\s*\n\s+(\S[^\r\n]+)", text, re.S)
    check(found, f"no recovery key: {text}")
    return found[1].strip()


def test_setup_signs_with_the_recovery_key():
    account = Account()
    key, master = account.first(), account.master()
    config, options = account.place()
    at = Terminal(BOT, "setup", "-c", config, *options)
    at.answer("Does this account exist already? [Y/n]: ", "")
    at.answer("Password of ", "pw")
    at.answer(QUESTION, "what")
    at.answer(QUESTION, "")
    at.answer("Recovery key or passphrase: ", "EsTc wrong")
    wrong = at.answer(QUESTION, "key")
    check("recovery key: it is not the one of the account" in wrong, wrong)
    at.answer("Recovery key or passphrase: ", key)
    said = at.answer("Write them? [Y/n]: ", "")
    check("Signing this device … done" in said and key not in said and "shown only once" not in said, said)
    said, _ = at.end()
    check("✓ device" in said and account.signed() and account.master() == master, said)
    # what is there is shown, and nothing is asked any more
    said = run(config, "--yes", "--no-test")
    check(f"device DEV{account.count} is signed" in said.stdout and "unchanged" in said.stdout, str(said))
    # by options
    config, options = account.place()
    options += ("--yes", "--password-file", config.parent / "pw", "--recovery-key-file", config.parent / "key")
    account.keep(config.parent / "key", "EsTc wrong")
    done = run(config, *options)
    check(done.returncode == 65 and "it is not the one" in done.stderr and not config.exists(), str(done))
    account.keep(config.parent / "key", key.replace(" ", ""))
    done = run(config, *options)
    check("Signing this device … done" in done.stdout and account.signed() and config.exists(), str(done))
    account.server.shut()


def test_setup_goes_on_without_and_resets_later():
    account = Account()
    account.first()
    master = account.master()
    config, options = account.place()
    done = run(config, *options, "--yes", "--password-file", config.parent / "pw")
    check("Encrypted rooms: on hold" in done.stdout and "--reset-identity" in done.stdout and config.exists(), str(done))
    at = Terminal(BOT, "setup", "-c", config, *options)
    at.answer(QUESTION, "none")
    said, _ = at.end()
    check("Encrypted rooms: on hold" in said and not account.signed() and account.master() == master, said)
    at = Terminal(BOT, "setup", "-c", config, *options)
    at.answer(QUESTION, "reset")
    warning = at.answer("Replace them? [y/N]: ", "")
    check("for good" in warning and account.master() == master, warning)
    at.answer(QUESTION, "reset")
    at.answer("Replace them? [y/N]: ", "yes")
    at.answer("Password of ", "mistyped")
    at.answer(QUESTION, "reset")
    at.answer("Replace them? [y/N]: ", "y")
    at.answer("Password of ", "pw")
    said = at.answer("Press Enter when you have written it down: ", "")
    key = recovery_key(said)
    said, _ = at.end()
    check(account.signed() and account.master() != master and "✓ device" in said, said)
    # the new recovery key opens what is stored now; a reset by options
    config, options = account.place()
    options += ("--yes", "--password-file", config.parent / "pw")
    master = account.master()
    done = run(config, *options, "--recovery-key-file", account.keep(config.parent / "key", key))
    check(account.signed() and account.master() == master, str(done))
    config, options = account.place()
    done = run(config, *options, "--yes", "--password-file", config.parent / "pw", "--reset-identity")
    check(account.signed() and account.master() != master and recovery_key(done.stderr), str(done))
    done = run(config, "--recovery-key-file", config.parent / "key", "--reset-identity")
    check(done.returncode == 64, str(done))
    account.server.shut()
