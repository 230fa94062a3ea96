"""The watcher under test: as the bot, with another verb; what its `exec` was told is in a file."""
import datetime
import json
import sqlite3
import subprocess
import time

from bot import BUILD, Bot


class Watcher(Bot):
    verb = "watch"

    def __init__(self, homeserver, user, token, address, sender, at, grace="1s", extra="", meta=""):
        super().__init__(homeserver, user, token, {"ops": address}, f"""
[heartbeat]
sender = {sender}
at = {at:%H:%M}
timezone = UTC
grace = {grace}
[meta]
exec = FOLDER/tell
{meta}
{extra}""")
        self.told_file = self.folder / "told"
        self.told_file.touch()
        script = self.folder / "tell"
        script.write_text(f"#!/bin/sh\ncat >> {self.told_file}\nprintf '\\n--\\n' >> {self.told_file}\n")
        script.chmod(0o700)
        self.config.write_text(self.config.read_text().replace("FOLDER", str(self.folder)))

    def told(self):
        """What `exec` was given, in order."""
        return [text.rstrip("\n") for text in self.told_file.read_text().split("\n--\n")[:-1]]

    def wait_told(self, condition, seconds=60):
        """A file has no event to wait for."""
        end = time.monotonic() + seconds
        while not condition(self.told()):
            if time.monotonic() > end:
                raise TimeoutError(f"not told in time; told: {self.told()}\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def state(self):
        return json.loads(self.stored("vigil") or "{}")

    def wait_state(self, condition, seconds=60):
        self.wait_stored("vigil", lambda value: condition(json.loads(value or "{}")), seconds)

    def seed(self, **values):
        """What it knows is changed while it does not run."""
        state = {**self.state(), **values}
        database = sqlite3.connect(self.folder / "operations.db")
        database.execute("UPDATE state SET value = ? WHERE name = 'vigil'", (json.dumps(state),))
        database.commit()
        database.close()

    def check(self, *args):
        done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", self.config, "watch", "--check", *args],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    def run(self, *args):
        return subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", self.config, *args],
                              capture_output=True, text=True, timeout=60)


def heartbeat(date, **more):
    """The content of a bot's heartbeat, as far as a watcher looks at it."""
    return {"msgtype": "m.notice", "body": f"💓 alive, {date}", "m.mentions": {},
            "org.matrix-telemetry-bot.alert": {"heartbeat": {"date": date, **more}}}


def due_ago(seconds):
    """A time of day that was due so long ago at least, with its date: (datetime, "2026-11-24")."""
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    at = at.replace(second=0, microsecond=0)
    return at, f"{at:%Y-%m-%d}"


def due_next(lead=10):
    """The next full minute that is so many seconds ahead."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60 + lead)
    at = at.replace(second=0, microsecond=0)
    return at, f"{at:%Y-%m-%d}"


def ms_ago(seconds):
    return int((time.time() - seconds) * 1000)
