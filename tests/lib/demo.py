"""What tests/demo shows. Usage: demo.py [--keep]"""
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from bot import BUILD, Bot  # noqa: E402
from synapse import Reader, Synapse  # noqa: E402

ALERTS = [
    {"op": "alert", "app": "data_factory", "kind": "node_failed", "run_id": "r-81",
     "fields": {"node_id": "etl_users", "duration_ms": 5321, "error": "connection refused"}},
    {"op": "alert", "app": "dag_engine", "kind": "dag_failed", "run_id": "r-82",
     "fields": {"dag_name": "nightly", "step_name": "load", "exit_code": 2}},
    {"op": "alert", "app": "call_monitor", "kind": "violations", "run_id": "r-83",
     "fields": {"count": 61, "threshold": 50, "rules": "no-force-push, no-secrets"}},
]
# other origins: each gets a message of its own, so that the order of the drain can be seen
MORE = [{"op": "alert", "app": app, "kind": "node_failed", "run_id": f"r-{90 + i}",
         "fields": {"node_id": f"step_{i}", "duration_ms": 100 * i, "error": "disk full"}}
        for i, app in enumerate(["billing", "importer", "mailer", "search"])]
COLOUR = sys.stdout.isatty()


def title(text):
    print(f"\n\033[1m== {text}\033[0m" if COLOUR else f"\n== {text}", flush=True)


class Demo:
    def __init__(self):
        title("A throwaway Synapse on loopback")
        self.server = Synapse()
        self.me = self.server.register("operator")
        bot = self.server.register("telemetry-bot")
        self.rooms = {}
        for name in ("ops", "dev"):
            self.rooms[name] = self.server.call(
                "POST", "/_matrix/client/v3/createRoom",
                {"room_alias_name": f"fn-registry-{name}", "preset": "public_chat"},
                self.me["access_token"])["room_id"]
        self.reader = Reader(self.server, self.me["access_token"])
        title("The bot")
        self.bot = Bot(self.server.url, bot["user_id"], bot["access_token"],
                       {name: f"#fn-registry-{name}:test.local" for name in self.rooms})
        self.bot.start()
        self.client = self.bot.client()
        self.ready()
        self.written = {}  # run id → time of the socket write

    def ready(self):
        """In both rooms, so that what follows shows the way of an alert and not of a start."""
        end = time.monotonic() + 60
        while sum(room["ready"] for room in self.client.call({"op": "status"})["rooms"]) < len(self.rooms):
            if time.monotonic() > end:
                raise TimeoutError("the bot did not come into its rooms")
            time.sleep(0.05)  # there is no event for it on the socket

    def fire(self, number, more=()):
        for alert in [*ALERTS, *more]:
            run = f"{alert['run_id']}-{number}"
            self.written[run] = time.time()
            answer = self.client.call({**alert, "run_id": run})
            print(f"{alert['app']:13} {run}: {answer}")

    def arrived(self, number, more=()):
        wanted = [f"{alert['run_id']}-{number}" for alert in [*ALERTS, *more]]
        self.reader.wait(lambda: all(run in self.reader.text(self.rooms["ops"]) +
                                     self.reader.text(self.rooms["dev"]) for run in wanted), 120)

    def transcript(self):
        for name, room_id in self.rooms.items():
            title(f"#fn-registry-{name}, as a person reads it")
            for message in self.reader.messages(room_id):
                body = message["content"]["body"]
                runs = [run for run in self.written if run in message["event"]["content"]["body"]]
                late = (message["when"] - self.written[runs[0]]) * 1000 if runs else None
                clock = time.strftime("%H:%M:%S", time.localtime(message["when"]))
                edits = f", edited {message['edits']}×" if message["edits"] else ""
                note = f"  ({late:.0f} ms after the socket write{edits})" if runs else ""
                print(f"{clock} telemetry-bot{note}")
                print("    " + body.replace("\n", "\n    "))

    def close(self):
        self.client.close()
        self.bot.stop()
        self.reader.stopped = True
        self.server.close()


def main():
    demo = Demo()
    title("Three failures, handed in on the Unix socket")
    demo.fire(1)
    demo.arrived(1)
    demo.transcript()
    title("The homeserver is killed; seven more failures come")
    demo.server.kill()
    demo.fire(2, MORE)
    status = demo.client.call({"op": "status"})
    print("\n" + status["text"].rstrip())
    title("The homeserver comes back; the queue drains")
    demo.server.start()
    demo.arrived(2, MORE)
    demo.transcript()
    if "--keep" in sys.argv:
        title("Left running; Ctrl-C ends it")
        print(f"homeserver {demo.server.url}, user operator, password pw\nsocket     {demo.bot.path}\n"
              f"config     {demo.bot.config}\n"
              f"try        {BUILD}/bot/matrix-telemetry-bot -c {demo.bot.config} test all")
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
    demo.close()
    title("Done")


if __name__ == "__main__":
    main()
