"""Of encrypted.py: a homeserver whose room ops is encrypted, an operator's phone, the bot."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from bot import Bot  # noqa: E402
from harness import check  # noqa: E402
from crypto import OPS, CryptoHomeserver, Person  # noqa: E402

DEV = "!dev:fake.local"


def node(run, name=None, app="data_factory", **more):
    return {"op": "alert", "app": app, "kind": "node_failed", "run_id": run,
            "fields": {"node_id": name or run, "duration_ms": 1, "error": "no"}, **more}


class World:
    def __init__(self, extra="", throttle="0s", storm=0, encryption="", start=True, **options):
        self.server = CryptoHomeserver(**options)
        self.op = Person(self.server)
        self.bot = Bot(self.server.url, self.server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"},
                       f"[delivery]\nthrottle = {throttle}\nstorm = {storm}\n[commands]\nusers = {self.op.user}\n"
                       f"[encryption]\n{encryption}\n{extra}")
        if start:
            self.bot.start()

    def status(self):
        return self.bot.call({"op": "status"})

    def wait_status(self, condition, what):
        end = time.monotonic() + 30
        while not condition(status := self.status()):
            check(time.monotonic() < end, f"{what}: {status['encryption']} {status}")
            time.sleep(0.05)  # there is no event for it on the socket
        return status

    def in_touch(self):
        """Signed, and what is told from now on is new."""
        self.wait_status(lambda s: s["encryption"]["identity"] == "signed", "not signed")
        self.server.wait(lambda: sum(1 for m, p, _ in self.server.requests if p.endswith("/sync")) >= 2)

    def readable(self, *runs, reader=None, room=OPS):
        reader = reader or self.op
        self.server.wait(lambda: all(run in reader.text(room) for run in runs), 60)

    def count(self, path):
        return sum(1 for request in list(self.server.requests) if request[1].endswith(path))

    def new(self, reader=None):
        """New messages that the operator reads, edits and answers left out."""
        return [e for e in (reader or self.op).events() if e and not e["relates"]]

    def refused(self, text):
        """It is told in !status and on the host, and stands in the log once."""
        self.wait_status(lambda s: any(text in notice for notice in s["encryption"]["notices"]), f"no notice: {text}")
        log = self.bot.log.read_text()
        check(log.count(text) == 1, f"{log.count(text)} times in the log: {text}")

    def answers(self, event_id):
        return [e["body"] for e in self.op.events() if e and e["relates"]
                and e["relates"].get("m.in_reply_to", {}).get("event_id") == event_id]

    def answered(self, event, part):
        self.server.wait(lambda: self.answers(event["event_id"]))
        found = self.answers(event["event_id"])
        check(len(found) == 1 and part in found[0], str(found))

    def end(self):
        self.bot.stop()
        check(not self.server.reused, f"one-time keys published twice: {self.server.reused}")
        self.server.shut()
