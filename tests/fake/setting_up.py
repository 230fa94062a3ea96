"""`setup`: the questions on a terminal, the config that comes of the answers, and what is left when
somebody thinks better of it."""
import os
import pathlib
import pty
import select
import signal
import subprocess
import tempfile
import time

from bot import BUILD
from harness import check
from homeserver import Homeserver

BOT = BUILD / "bot/matrix-telemetry-bot"
OLD = """# our own words
[matrix]
homeserver = example.org
user = @telemetry:example.org ; to be named
[rooms]
ops = #fn-registry-ops:example.org
dev = #fn-registry-dev:example.org
# [delivery] is as it was
[delivery]
throttle = 30s
"""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a shell's background jobs ignore
            os.execv(words[0], [str(word) for word in words])

    def until(self, text, seconds=60):
        """What came since the last time, up to this text."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            check(left > 0 and select.select([self.fd], [], [], left)[0], f"{text!r} did not come: {self.seen}")
            try:
                more = os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                more = ""
            check(more, f"it ended before {text!r}: {self.seen}")
            self.seen += more
        before, self.seen = self.seen.split(text, 1)
        return before

    def answer(self, question, text):
        before = self.until(question)
        os.write(self.fd, text.encode() + b"\n")
        return before

    def end(self):
        """The rest, and the wait status."""
        while True:
            try:
                more = os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                break
            if not more:
                break
            self.seen += more
        os.close(self.fd)
        return self.seen, os.waitpid(self.pid, 0)[1]


def place(text=None):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-setting-up-"))
    config = folder / "bot.conf"
    if text:
        config.write_text(text)
    server = Homeserver()
    server.whoami["device_id"] = "DEV2"  # that of the login
    server.state[("!ops:fake.local", "m.room.member")] = {"membership": "join"}
    return server, folder, config


def run(config, *words):
    return subprocess.run([BOT, "setup", "-c", config, *words], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)


def test_setup_asks_on_the_terminal():
    server, folder, config = place(OLD)
    config.chmod(0o604)
    at = Terminal(BOT, "setup", "-c", config, "--no-test")
    at.answer("Homeserver (its name or URL): ", "http://127.0.0.1:1")
    at.answer("Homeserver (its name or URL): ", server.url)
    # a URL does not say what the server is called in user ids
    at.answer("The bot's account, such as @telemetry:example.org: ", "telemetry")
    at.answer("The bot's account, such as @telemetry:example.org: ", server.USER)
    at.answer("Does this account exist already? [Y/n]: ", "perhaps")
    at.answer("Does this account exist already? [Y/n]: ", "")
    at.answer(f"Password of {server.USER} at {server.url}: ", "typing error")
    wrong = at.answer(f"Password of {server.USER} at {server.url}: ", "pw")
    said = at.answer("Press Enter when you have written it down: ", "")
    check("wrong user or password" in wrong and "recovery key. It is shown only once" in said, said)
    check("typing error" not in wrong + said and "\r\npw" not in said, "the password is shown")
    at.answer("Who may use commands (user ids, separated by commas): ", "op")
    at.answer("Who may use commands (user ids, separated by commas): ", "@op:fake.local")
    at.answer("Room for critical alerts (ops) [#fn-registry-ops:fake.local]: ", "#ops:fake.local")
    at.answer("Room for warnings and info (dev), or none [#fn-registry-dev:fake.local]: ", "")
    at.answer("There is no #fn-registry-dev:fake.local. Create it? [Y/n]: ", "y")
    at.answer("Encrypted? [y/N]: ", "yes")
    at.answer("Link to a run of data_factory, with {run_id} in it (empty: no link): ", "no link")
    at.answer("Link to a run of data_factory, with {run_id} in it (empty: no link): ", "https://d.example.com/{run_id}")
    at.answer("Link to a run of dag_engine, with {run_id} in it (empty: no link): ", "")
    at.answer("Link to a run of call_monitor, with {run_id} in it (empty: no link): ", "")
    check(config.read_text() == OLD, "written before it is all known")
    said = at.answer("Write them? [Y/n]: ", "")
    check("[rooms] dev = #fn-registry-dev:fake.local" in said, said)
    said, status = at.end()
    check("written" in said and "✓ account" in said, said)
    expected = (OLD.replace("= example.org", f"= {server.url}").replace("@telemetry:example.org", server.USER)
                .replace("#fn-registry-ops:example.org", "#ops:fake.local").replace("dev:example.org", "dev:fake.local")
                .replace("to be named\n", f"to be named\ntoken_file = {folder}/token\n"))
    check(config.read_text() == expected + "\n[commands]\nusers = @op:fake.local\n\n[app data_factory]\n"
          "dashboard = https://d.example.com/{run_id}\n", config.read_text())
    check(config.stat().st_mode & 0o777 == 0o604, "its mode")
    made = server.created[0]
    check(made["invite"] == ["@op:fake.local"] and made["initial_state"][0]["type"] == "m.room.encryption", str(made))
    # again: Enter keeps what is there, and no password is asked for
    at = Terminal(BOT, "setup", "-c", config, "--no-test")
    for question in (f"Homeserver (its name or URL) [{server.url}]: ", f"The bot's account [{server.USER}]: ",
                     "Who may use commands (user ids, separated by commas) [@op:fake.local]: ",
                     "(ops) [#ops:fake.local]: ", "(dev), or none [#fn-registry-dev:fake.local]: ",
                     "(empty: no link) [https://d.example.com/{run_id}]: ", "dag_engine, with {run_id} in it (empty: no link): "):
        at.answer(question, "")
    said = at.answer("call_monitor, with {run_id} in it (empty: no link): ", "")
    said, status = at.end()
    check("unchanged" in said and len(server.created) == 1, said)
    server.shut()


def test_setup_asks_again_after_wrong_answers():
    server, folder, config = place()
    at = Terminal(BOT, "setup", "-c", config, "--no-test")
    at.answer("Homeserver (its name or URL): ", "")
    said = at.answer("Homeserver (its name or URL): ", server.url)
    check("[matrix] homeserver: must not be empty" in said and "bot.conf" not in said and "is missing" not in said, said)
    at.answer("@telemetry:example.org: ", server.USER)
    # a refused token: another, or the account is there after all
    for token in ("wrong", "invited"):
        said = at.answer("Does this account exist already? [Y/n]: ", "n")
        at.answer("(token or secret) [token]: ", "what")
        at.answer("(token or secret) [token]: ", "")
        at.answer("Registration token: ", token)
        at.answer(f"Password of {server.USER} at {server.url}: ", "pw")
        at.answer("Again: ", "pw")
    check("refused the registration token" in said, said)
    at.answer("Press Enter when you have written it down: ", "")
    at.answer("separated by commas): ", "")
    # a room that only another server could make; and without an operator nobody could join a new one
    dev = "Room for warnings and info (dev), or none [#fn-registry-dev:fake.local]: "
    at.answer("(ops) [#fn-registry-ops:fake.local]: ", "#new:elsewhere.local")
    at.answer(dev, "none")
    said = at.answer("(ops) [#new:elsewhere.local]: ", "#new:fake.local")
    check("only elsewhere.local could create it" in said, said)
    at.answer("Room for warnings and info (dev), or none [none]: ", "")
    at.answer("There is no #new:fake.local. Create it? [Y/n]: ", "")
    at.answer("Encrypted? [y/N]: ", "")
    said = at.answer("separated by commas): ", "")
    check("A new room needs somebody to invite." in said, said)
    at.answer("separated by commas): ", "@op:fake.local")
    for _ in range(3):
        at.answer("(empty: no link): ", "")
    said = at.answer("Write them? [Y/n]: ", "")
    check(said.count("[rooms] ops = ") == 1 and "ops = #new:fake.local" in said and said.count("[rooms] dev ") == 1, said)
    said, status = at.end()
    check("written" in said and server.created[0]["invite"] == ["@op:fake.local"], said)
    text = config.read_text()
    check("ops = #new:fake.local\n" in text and "users = @op:fake.local\n" in text, text)
    server.shut()


def test_setup_ended_by_ctrl_c_leaves_no_half():
    server, folder, config = place(OLD)
    (folder / "pw").write_text("pw\n")
    (folder / "pw").chmod(0o600)
    options = ("--homeserver", server.url, "--user", server.USER, "--room", "ops=#ops:fake.local", "--operator", "@op:fake.local",
               "--password-file", folder / "pw", "--dashboard", "etl=https://d.example.com/")
    at = Terminal(BOT, "setup", "-c", config, *options)
    at.answer("Press Enter when you have written it down: ", "")
    at.answer("Write them? [Y/n]: ", "\x03")
    said, status = at.end()
    check(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, f"{status} {said}")
    check(config.read_text() == OLD, config.read_text())
    left = {file.name for file in folder.iterdir()}
    check(left <= {"bot.conf", "pw", "token", "pickle-key", "operations.db", "operations.db-wal", "operations.db-shm",
                   "operations.db.lock", "spool"}, str(left))
    at = Terminal(BOT, "setup", "-c", config, *options)
    at.answer("Write them? [Y/n]: ", "n")
    said, status = at.end()
    check(os.WEXITSTATUS(status) == 66 and config.read_text() == OLD, f"{status} {said}")
    # an empty password is asked for again; the end of the input is the end, here too
    (folder / "token").unlink()
    at = Terminal(BOT, "setup", "-c", config, *[option for option in options if option not in ("--password-file", folder / "pw")])
    at.answer("exist already? [Y/n]: ", "")
    at.answer("Password of ", "")
    at.until("the password is empty")
    at.until("Password of ")
    os.write(at.fd, b"\x04")
    said, status = at.end()
    check("the input ended" in said and os.WEXITSTATUS(status) == 66 and config.read_text() == OLD, f"{status} {said}")
    server.shut()


def test_setup_without_a_terminal_names_what_is_missing():
    server, folder, config = place()
    for words, code, text in (((), 64, "--homeserver is missing"), (("--yes",), 64, "--homeserver is missing"),
                              (("--homeserver", server.url), 64, "--user is missing"),
                              (("--homeserver", server.url, "--user", "bot"), 78, "user"),
                              (("--homeserver", server.url, "--user", server.USER), 64, "--password-file is missing"),
                              (("--homeserver", server.url, "--user", server.USER, "--password-file", folder / "no"), 66, "no"),
                              (("--homeserver", "http://127.0.0.1:1"), 75, "127.0.0.1"), (("--nonsense",), 64, "--nonsense"),
                              (("--room", "#ops:fake.local"), 64, "NAME=VALUE"), (("more",), 64, "unknown argument more")):
        done = run(config, *words)
        check(done.returncode == code and text in done.stderr, f"{words}: {done}")
        check(not config.exists() and not (folder / "operations.db").exists(), f"{words}: left something")
    # without logins by password, somebody else's token does
    words = ("--homeserver", server.url, "--user", server.USER, "--room", "ops=#ops:fake.local", "--no-test")
    server.trick("GET", "/v3/login", lambda request: request.reply(200, {"flows": [{"type": "m.login.sso"}]}), -1)
    done = run(config, *words)
    check(done.returncode == 69 and f"put the token into {folder}/token (0600)" in done.stderr and not config.exists(), str(done))
    (folder / "token").write_text("good\n")
    (folder / "token").chmod(0o600)
    done = run(config, *words)
    check("logged in, device" in done.stdout and f"token_file = {folder}/token" in config.read_text(), str(done))
    config.write_text("[matrix]\nnonsense = 1\n")
    done = run(config, "--homeserver", server.url)
    check(done.returncode == 78 and f"{config}:2" in done.stderr and "correct" in done.stderr, str(done))
    check("--registration-token-file" in run(config, "--help").stdout, "help")
    server.shut()


def test_setup_registers_by_a_token():
    server, folder, config = place()
    for name, text in (("pw", "pw"), ("token-for-it", "wrong")):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    words = ("--homeserver", server.url, "--user", server.USER, "--password-file", folder / "pw", "--registration-token-file",
             folder / "token-for-it", "--room", "ops=#ops:fake.local", "--operator", "@op:fake.local", "--no-test")
    done = run(config, *words)
    check(done.returncode == 77 and "refused the registration token" in done.stderr and not config.exists(), str(done))
    server.trick("GET", "/admin/v1/register", lambda r: r.reply(404, {"errcode": "M_UNRECOGNIZED", "error": "what?"}))
    done = run(config, *("--registration-secret-file" if word == "--registration-token-file" else word for word in words))
    check("does not offer registration by a shared secret" in done.stderr and not config.exists(), str(done))
    (folder / "token-for-it").write_text("invited\n")
    done = run(config, *words)
    check(server.accounts == {"bot": "pw"} and "written" in done.stdout, str(done))
    text = config.read_text()
    check("ops = #ops:fake.local\n" in text and "\n#dev = #fn-registry-dev:example.org\n" in text, text)
    check("\npw\n" not in done.stdout + done.stderr + text and config.stat().st_mode & 0o777 == 0o600, str(done))
    (folder / "token").unlink()
    check("exists already" in run(config, *words).stdout, "registers twice")
    config.write_text(text.replace("users = @op:fake.local\n", ""))
    done = run(config, "--room", "dev=#new:fake.local", "--no-test")
    check(done.returncode == 64 and "--operator is missing" in done.stderr and not server.created, str(done))
    done = run(config, "--room", "dev=#new:elsewhere.local", "--no-test")
    check(done.returncode == 69 and "only elsewhere.local could create it" in done.stderr, str(done))
    server.shut()
