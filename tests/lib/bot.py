"""The bot under test: its config, its process, its socket."""
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("MTB_BUILD", "build"))


class Client:
    """One connection to the socket: requests out, answers in the same order."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def send(self, *requests):
        self.socket.sendall(b"".join(json.dumps(r).encode() + b"\n" for r in requests))

    def receive(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError("the daemon closed the connection")
        return json.loads(line)

    def call(self, request):
        self.send(request)
        return self.receive()

    def close(self):
        self.lines.close()
        self.socket.close()


class Bot:
    started = []  # processes of this run
    program = BUILD / "bot/matrix-telemetry-bot"
    verb = "run"
    words = ()  # more on its command line

    def __init__(self, homeserver, user, token, rooms, extra=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-test-"))
        self.path = self.folder / "socket"
        self.config = self.folder / "bot.conf"
        self.log = self.folder / "log"
        token_file = self.folder / "token"
        token_file.write_text(token + "\n")
        token_file.chmod(0o600)
        room_lines = "\n".join(f"{name} = {address}" for name, address in rooms.items())
        self.config.write_text(f"""[matrix]
homeserver = {homeserver}
user = {user}
token_file = {token_file}
[rooms]
{room_lines}
[app data_factory]
dashboard = https://dash.example/runs/{{run_id}}
[app dag_engine]
dashboard = https://dash.example/dags/{{run_id}}
[app call_monitor]
dashboard = https://dash.example/calls
[socket]
path = {self.path}
[storage]
database = {self.folder}/operations.db
{extra}
""")
        self.process = None
        self.environment = {}
        self.output = None  # in the place of the log file
        self.deaf = None    # True: nobody reads systemd's socket any more

    def start(self, wait=True):
        out = self.output or open(self.log, "ab")
        notify = self.folder / "notify"
        notify.unlink(missing_ok=True)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(str(notify))
        ready.settimeout(60)
        self.process = subprocess.Popen(
            [self.program, self.verb, *self.words, "-c", self.config], stderr=out,
            stdin=subprocess.DEVNULL, env={**os.environ, **self.environment, "NOTIFY_SOCKET": str(notify)})
        Bot.started.append(self.process)
        while wait and b"READY=1" not in ready.recv(4096):
            pass
        if self.deaf:
            self.deaf = ready  # keeps it open
        else:
            ready.close()
        out.close()

    @staticmethod
    def kill_all():
        """What a failed test left behind, before it writes into the next one's output."""
        for process in Bot.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        Bot.started.clear()

    def stored(self, name):
        """A value of the database's table `state`, or None."""
        database = sqlite3.connect(self.folder / "operations.db", timeout=30)
        row = database.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        database.close()
        return row and row[0]

    def wait_stored(self, name, condition, seconds=60):
        """A database has no event to wait for."""
        end = time.monotonic() + seconds
        while not condition(self.stored(name)):
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: {self.stored(name)}\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def client(self):
        return Client(self.path)

    def call(self, request):
        client = self.client()
        try:
            return client.call(request)
        finally:
            client.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def state(self):
        """For the report of a test that failed: whether it runs, and the end of its log."""
        code = self.process.poll()
        return (f"the daemon {'runs' if code is None else f'ended with {code}'}; its log ends:\n"
                + self.log.read_text(errors="replace")[-3000:])

    def stop(self):
        """SIGTERM; the exit code must be 0 and no sanitizer may have spoken."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        log = self.log.read_text(errors="replace")
        if code != 0 or "Sanitizer" in log or "runtime error" in log:
            raise AssertionError(f"exit code {code}\n{log[-4000:]}")
