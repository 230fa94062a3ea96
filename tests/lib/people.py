"""People in rooms on a real Synapse, alike with a plain client and with one that encrypts, and the
bot among them: what they write there, and what they see."""
import sqlite3
import subprocess

import client as clients
from bot import BUILD, Bot
from harness import check, until
from synapse import Reader, quote

MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


def node(run, app, name=None, **more):
    return {"op": "alert", "app": app, "kind": "node_failed", "run_id": run,
            "fields": {"node_id": name or f"node_{run}", "duration_ms": 5321, "error": "no"}, **more}


class Plain:
    """A person whose client knows no encryption."""

    def __init__(self, server, account):
        self.server, self.account, self.user = server, account, account["user_id"]
        self.reader = Reader(server, account["access_token"])
        self.count = 0

    def put(self, room, kind, content):
        self.count += 1
        return self.server.call("PUT", f"/_matrix/client/v3/rooms/{room}/{kind}/cmd{self.count}", content,
                                self.account["access_token"])["event_id"]

    def send(self, room, content, kind="m.room.message"):
        return self.put(room, f"send/{kind}", content)

    def redact(self, room, event_id):
        return self.put(room, f"redact/{quote(event_id)}", {})

    def join(self, room):
        self.server.call("POST", f"/_matrix/client/v3/join/{room}", {}, self.account["access_token"])

    def wait(self, condition, seconds, what):
        try:
            self.reader.wait(condition, seconds)
        except TimeoutError:
            raise TimeoutError(what) from None

    def events(self, room):
        """(event id, sender, newest content, relation) of each message."""
        return [(m["event"]["event_id"], m["event"]["sender"], m["content"],
                 m["event"]["content"].get("m.relates_to", {})) for m in self.reader.messages(room)]

    def stop(self):
        self.reader.stopped = True


class Secret:
    """The same with matrix-js-sdk, which takes no device that its owner has not signed."""

    def __init__(self, server, account, **options):
        self.client = clients.js(server, account, **options)
        self.account, self.user = account, account["user_id"]
        self.wait = self.client.wait

    def send(self, room, content, kind="m.room.message"):
        return self.client.call("send", room=room, content=content, type=kind)["event_id"]

    def redact(self, room, event_id):
        return self.client.call("redact", room=room, event_id=event_id)["event_id"]

    def join(self, room):
        self.client.call("join", room=room)

    def events(self, room):
        found = {}
        for m in self.client.messages(room):
            relates = m["relates"] or {}
            if relates.get("rel_type") == "m.replace":
                if relates["event_id"] in found:
                    found[relates["event_id"]][2] = m["content"].get("m.new_content", m["content"])
            else:
                found[m["event_id"]] = [m["event_id"], m["sender"], m["content"], relates]
        return list(found.values())

    def stop(self):
        self.client.stop()


class Place:
    """A room with an operator who made it, somebody else, and a bot of its own."""

    def __init__(self, world, secret, extra="", **options):
        self.world, self.secret = world, secret
        self.op, self.other = world.people(secret)
        self.account = world.server.register(f"bot{world.number()}")
        version, creation = options.get("version"), options.get("creation")
        self.ops = self.room("ops", version, creation=creation)
        self.dev = self.room("dev", version, options.get("dev_levels"), creation)
        self.bot = Bot(world.server.url, self.account["user_id"], self.account["access_token"],
                       {"ops": self.ops, "dev": self.dev},
                       "[delivery]\nthrottle = 0\nstorm = 0\n" + (extra or "[commands]\nremind = 0\n"))
        self.bot.environment = options.get("environment", {})
        self.bot.start()
        self.in_touch()

    def room(self, name, version=None, levels=None, creation=None):
        body = {"preset": "private_chat", "name": name, "invite": [self.other.user, self.account["user_id"]],
                "power_level_content_override": {"users_default": 0, **(levels or {})},
                "initial_state": [{"type": "m.room.encryption", "state_key": "", "content": MEGOLM}] if self.secret else []}
        if version:
            body["room_version"] = version
        if creation:
            body["creation_content"] = creation
        room = self.world.server.call("POST", "/_matrix/client/v3/createRoom", body,
                                      self.op.account["access_token"])["room_id"]
        for person in (self.op, self.other):
            person.join(room)
        self.world.server.call("POST", f"/_matrix/client/v3/join/{room}", {}, self.account["access_token"])
        return room

    def in_touch(self):
        """Signed, and in sync: what is written from now on is new to it."""
        def good():
            status = self.bot.call({"op": "status"})
            return status["last_sync_ms"] and all(r["ready"] for r in status["rooms"]) and (
                not self.secret or status["encryption"]["identity"] == "signed")
        until(good, "the bot is not in touch", 120)
        for person in (self.op, self.other) if self.secret else ():
            # what a client encrypts before it knows the bot's device, nobody can read there
            until(lambda: person.client.call("user_status", user=self.account["user_id"],
                                             device=self.account["device_id"])["signed"],
                  "a client does not see the bot's device signed")

    def levels(self, **changes):
        path = f"/_matrix/client/v3/rooms/{self.ops}/state/m.room.power_levels/"
        content = self.world.server.call("GET", path, token=self.op.account["access_token"])
        for user, level in changes.pop("users", {}).items():
            content["users"][user] = level
        self.world.server.call("PUT", path, {**content, **changes}, self.op.account["access_token"])

    # what people do

    def say(self, text, who=None, room=None, **content):
        return (who or self.op).send(room or self.ops, {"msgtype": "m.text", "body": text, **content})

    def reply(self, text, target, who=None):
        return self.say(text, who, **{"m.relates_to": {"m.in_reply_to": {"event_id": target}}})

    def in_thread(self, text, root, last=None):
        relates = {"rel_type": "m.thread", "event_id": root, "is_falling_back": last is None,
                   "m.in_reply_to": {"event_id": last or root}}
        return self.say(text, **{"m.relates_to": relates})

    def react(self, target, key, who=None):
        return (who or self.op).send(self.ops, {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": target, "key": key}}, "m.reaction")

    # what they see

    def bodies(self, room=None):
        return [content.get("body", "") for _, sender, content, _ in self.op.events(room or self.ops)
                if sender == self.account["user_id"]]

    def shown(self, part, room=None, seconds=30):
        """The newest text of some message of the bot holds it."""
        self.op.wait(lambda: any(part in body for body in self.bodies(room)), seconds,
                     f"not shown: {part}")
        return next(body for body in self.bodies(room) if part in body)

    def event_of(self, part):
        """The event id of the alert whose text holds that."""
        self.shown(part)
        return next(event_id for event_id, sender, content, relates in self.op.events(self.ops)
                    if sender == self.account["user_id"] and part in content.get("body", "") and not relates)

    def answers(self, event_id, room=None):
        return [(content, relates) for _, sender, content, relates in self.op.events(room or self.ops)
                if sender == self.account["user_id"] and
                relates.get("m.in_reply_to", {}).get("event_id") == event_id]

    def answered(self, event_id, *parts, room=None, thread=True):
        self.op.wait(lambda: self.answers(event_id, room), 30, f"no answer; log: {self.bot.log.read_text()[-1500:]}")
        found = self.answers(event_id, room)
        check(len(found) == 1, f"{len(found)} answers: {found}")
        content, relates = found[0]
        check(content["msgtype"] == "m.notice" and relates.get("rel_type") == ("m.thread" if thread else None), str(found[0]))
        for part in parts:
            check(part in content["body"], f"{part!r} is not in: {content['body']}")
        return content["body"]

    def ask(self, text, *parts, thread=True, **where):
        return self.answered(self.say(text, **where), *parts, thread=thread)

    def forget_refusals(self):
        """What was refused so far was refused over a minute ago, so that the next refusal is told."""
        database = sqlite3.connect(self.bot.folder / "operations.db", timeout=30, isolation_level=None)
        database.execute("UPDATE commands SET at_ms = at_ms - 61000 WHERE result = 'refused'")
        database.close()

    def audit(self, event_id):
        db = sqlite3.connect(self.bot.folder / "operations.db")
        rows = db.execute("SELECT result, sender, device_id, room, command, effect FROM commands "
                          "WHERE event_id = ?", (event_id,)).fetchall()
        db.close()
        return rows

    def cli(self, *words, code=0):
        """What a command of the host prints, which must end with that code."""
        done = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", self.bot.config, *words],
                              capture_output=True, text=True)
        check(done.returncode == code, f"{words}: exit code {done.returncode}, {done.stdout}{done.stderr}")
        return done.stdout or done.stderr
