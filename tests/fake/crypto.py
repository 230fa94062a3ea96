"""The homeserver's part of encryption, and people's devices on bare libolm (python3-olm) that read
what the bot writes, write to it, and lie."""
import json
import time

import olm

from homeserver import Homeserver

OPS = "!ops:fake.local"
OLM, MEGOLM = "m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def signed_part(value):
    return canonical({key: item for key, item in value.items() if key not in ("signatures", "unsigned")})


class CryptoHomeserver(Homeserver):
    """Keeps keys as a homeserver does. `lie(path, body, answer)` may change an answer."""

    def __init__(self, encrypted=(OPS,)):
        self.keys_of = {}       # (user, device): {"one_time": {id: key}, "fallback": {id: key}}
        self.published = {}     # id of a one-time key of the bot: the key; never another one
        self.reused = []        # ids that came with two keys
        self.puts = []          # (path, body) of every send, those that had no effect included
        self.lie = None
        self.uia = None         # password that device_signing/upload wants
        self.signature_failures = {}
        super().__init__()
        for room in encrypted:
            self.state[(room, "m.room.encryption")] = {"algorithm": MEGOLM}

    def note_body(self, method, path, body):
        if method == "PUT" and "/send/" in path:
            with self.changed:
                self.puts.append((path, body))
                self.changed.notify_all()

    def own(self, user, device):
        return self.keys_of.setdefault((user, device), {"one_time": {}, "fallback": {}, "used": True})

    def keys(self, path, body):
        status, answer = self.true_keys(path, body)
        if self.lie and status == 200:
            answer = json.loads(json.dumps(answer))
            self.lie(path.removeprefix("/v3/"), body, answer)
        return status, answer

    def true_keys(self, path, body):
        mine = self.own(self.USER, self.whoami["device_id"])
        if path == "/v3/keys/upload":
            for name, key in body.get("one_time_keys", {}).items():
                if self.published.setdefault(name, key["key"]) != key["key"]:
                    self.reused.append(name)
                    return 400, {"errcode": "M_UNKNOWN", "error": f"One time key {name} already exists"}
                mine["one_time"][name] = key
            if body.get("fallback_keys"):
                mine.update(fallback=body["fallback_keys"], used=False)
            if "device_keys" in body:
                self.devices.setdefault(self.USER, {})[body["device_keys"]["device_id"]] = body["device_keys"]
            return 200, {"one_time_key_counts": {"signed_curve25519": len(mine["one_time"])}}
        if path == "/v3/keys/device_signing/upload" and self.uia:
            auth = body.get("auth")
            if not auth or auth["session"] != "s1" or auth.get("password") != self.uia:
                return 401, {"session": "s1", "flows": [{"stages": ["m.login.password"]}], "params": {}}
            body = {key: value for key, value in body.items() if key != "auth"}
        if path == "/v3/keys/signatures/upload" and self.signature_failures:
            return 200, {"failures": self.signature_failures}
        if path == "/v3/keys/claim":
            return 200, {"one_time_keys": {user: {device: self.claim(user, device) for device in devices}
                                           for user, devices in body["one_time_keys"].items()}, "failures": {}}
        return super().keys(path, body)

    def claim(self, user, device):
        own = self.own(user, device)
        if own["one_time"]:
            name = next(iter(own["one_time"]))
            return {name: own["one_time"].pop(name)}
        own["used"] = True
        return own["fallback"]

    def tell(self, to_device=(), changed=(), **rooms):
        with self.changed:
            self.batches.append({"rooms": rooms, "to_device": {"events": list(to_device)},
                                 "device_lists": {"changed": list(changed), "left": []}})
            self.changed.notify_all()

    def sync(self, query):
        status, answer = super().sync(query)
        answer.update(answer.pop("rooms") or {"rooms": {}})
        mine = self.own(self.USER, self.whoami["device_id"])
        answer["device_one_time_keys_count"] = {"signed_curve25519": len(mine["one_time"])}
        answer["device_unused_fallback_key_types"] = [] if mine["used"] else ["signed_curve25519"]
        return status, answer


class Person:
    """A user with one device, signed by its owner."""

    def __init__(self, server, user="@op:fake.local", device="PHONE", sign=True, shown=True):
        self.server, self.user, self.device = server, user, device
        self.account = olm.Account()
        self.seeds = {name: olm.PkSigning(olm.PkSigning.generate_seed())
                      for name in ("master", "self_signing", "user_signing")}
        self.curve, self.ed = (self.account.identity_keys[name] for name in ("curve25519", "ed25519"))
        self.sessions, self.rooms, self.withheld = [], {}, []
        self.out = {}            # room: our outbound session
        self.seen = 0            # of server.to_device
        self.dummies, self.opened = 0, {}
        self.count = 0
        if shown:
            self.show(sign)

    def device_keys(self, sign=True):
        keys = {"user_id": self.user, "device_id": self.device, "algorithms": [OLM, MEGOLM],
                "keys": {f"curve25519:{self.device}": self.curve, f"ed25519:{self.device}": self.ed}}
        signatures = {f"ed25519:{self.device}": self.account.sign(signed_part(keys))}
        if sign:
            own = self.seeds["self_signing"]
            signatures[f"ed25519:{own.public_key}"] = own.sign(signed_part(keys))
        return {**keys, "signatures": {self.user: signatures}}

    def cross_key(self, name):
        key = self.seeds[name].public_key
        value = {"user_id": self.user, "usage": [name], "keys": {f"ed25519:{key}": key}}
        if name != "master":
            master = self.seeds["master"]
            value["signatures"] = {self.user: {f"ed25519:{master.public_key}": master.sign(signed_part(value))}}
        return value

    def show(self, sign=True):
        with self.server.changed:
            self.server.devices.setdefault(self.user, {})[self.device] = self.device_keys(sign)
            if sign:
                self.server.identity[self.user] = {f"{name}_key": self.cross_key(name) for name in self.seeds}
            self.account.generate_one_time_keys(20)
            own = self.server.own(self.user, self.device)
            for name, key in self.account.one_time_keys["curve25519"].items():
                own["one_time"][f"signed_curve25519:{name}"] = self.signed_key(key)
            self.account.mark_keys_as_published()

    def signed_key(self, key):
        value = {"key": key}
        return {**value, "signatures": {self.user: {f"ed25519:{self.device}": self.account.sign(canonical(value))}}}

    # --- reading ---

    def fetch(self):
        """What was sent to this device since."""
        for kind, messages in self.server.to_device[self.seen:]:
            self.seen += 1
            content = messages.get(self.user, {}).get(self.device)
            if content and kind == "m.room_key.withheld":
                self.withheld.append(content)
            elif content and kind == "m.room.encrypted":
                self.take(content)

    def take(self, content):
        message = content["ciphertext"][self.curve]
        payload = json.loads(self.open(content["sender_key"], message))
        assert payload["recipient"] == self.user and payload["recipient_keys"]["ed25519"] == self.ed
        self.dummies += payload["type"] == "m.dummy"
        if payload["type"] == "m.room_key":
            key = payload["content"]
            self.rooms[key["session_id"]] = (key["room_id"], olm.InboundGroupSession(key["session_key"]))

    def open(self, sender_key, message):
        if message["type"] == 0:
            message = olm.OlmPreKeyMessage(message["body"])
            for session in self.sessions:
                if session.matches(message, sender_key):
                    return session.decrypt(message)
            session = olm.InboundSession(self.account, message, sender_key)
            self.account.remove_one_time_keys(session)
            self.sessions.append(session)
            return session.decrypt(message)
        for session in self.sessions:
            try:
                return session.decrypt(olm.OlmMessage(message["body"]))
            except olm.OlmSessionError:
                continue
        raise AssertionError("no session opens it")

    def read(self, content, room=OPS):
        """(clear event, index) of an m.room.encrypted content; None without its key."""
        self.fetch()
        found = self.rooms.get(content["session_id"])
        if not found:
            return None
        if content["ciphertext"] in self.opened:
            return self.opened[content["ciphertext"]]
        try:
            text, index = found[1].decrypt(content["ciphertext"])
        except olm.OlmGroupSessionError:  # given to us from a later message on
            return None
        clear = json.loads(text)
        assert clear["room_id"] == room == found[0]
        self.opened[content["ciphertext"]] = clear, index
        return clear, index

    def events(self, room=OPS):
        """Clear contents of the room in order, relations as they stand outside; those that are
        not readable are None. Plain text is never taken."""
        found = []
        for where, event in list(self.server.timeline):
            if where != room:
                continue
            assert event["type"] == "m.room.encrypted", f"plain text: {event}"
            clear = self.read(event["content"], room)
            relates = event["content"].get("m.relates_to")
            found.append(clear and {**clear[0]["content"], "relates": relates, "event_id": event["event_id"]})
        return found

    def text(self, room=OPS):
        return "\n".join(content.get("m.new_content", content)["body"] for content in self.events(room) if content)

    # --- writing ---

    def olm_event(self, kind, content, **more):
        """A to-device event for the bot, encrypted."""
        server = self.server
        with server.changed:
            bot = server.devices[server.USER][server.whoami["device_id"]]
            curve = bot["keys"][f"curve25519:{server.whoami['device_id']}"]
            if not getattr(self, "to_bot", None):
                key = next(iter(server.claim(server.USER, server.whoami["device_id"]).values()))["key"]
                self.to_bot = olm.OutboundSession(self.account, curve, key)
                self.sessions.append(self.to_bot)
        payload = {"type": kind, "content": content, "sender": self.user, "recipient": server.USER,
                   "recipient_keys": {"ed25519": bot["keys"][f"ed25519:{server.whoami['device_id']}"]},
                   "keys": {"ed25519": self.ed}, **more}
        message = self.to_bot.encrypt(json.dumps(payload))
        return {"type": "m.room.encrypted", "sender": self.user, "content": {
            "algorithm": OLM, "sender_key": self.curve,
            "ciphertext": {curve: {"type": message.message_type, "body": message.ciphertext}}}}

    def begin(self, room=OPS):
        """A new session for the room; the to-device event that gives the bot its key."""
        self.out[room] = session = olm.OutboundGroupSession()
        return self.olm_event("m.room_key", {"algorithm": MEGOLM, "room_id": room, "session_id": session.id,
                                             "session_key": session.session_key})

    def encrypt(self, body, room=OPS, inside=None, **content):
        session = self.out[room]
        self.count += 1
        clear = {"type": "m.room.message", "room_id": inside or room,
                 "content": {"msgtype": "m.text", "body": body, **content}}
        return {"type": "m.room.encrypted", "event_id": f"$p{self.count}-{self.device}", "sender": self.user,
                "origin_server_ts": int(time.time() * 1000),
                "content": {"algorithm": MEGOLM, "sender_key": self.curve, "device_id": self.device,
                            "session_id": session.id, "ciphertext": session.encrypt(json.dumps(clear))}}

    def say(self, body, room=OPS, **options):
        """Writes into the room with a new session; returns the event."""
        key = self.begin(room)
        event = self.encrypt(body, room, **options)
        self.server.tell(to_device=[key], join={room: {"timeline": {"events": [event]}}})
        return event
