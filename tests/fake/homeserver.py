"""A scripted homeserver that can do evil. Its timelines are the truth that tests read.

A test installs tricks: trick(method, part of the path, what) for the next matching requests.
`what` is a function (server, request) -> None that answers by itself, or lets the request take
effect first by calling request.proceed()."""
import http.server
import io
import json
import re
import socket
import struct
import threading
import time
import urllib.parse


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body, headers=(), raw=None):
        data = raw if raw is not None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def reset(self):
        """The connection ends by RST, as when a proxy dies."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        self.wfile = io.BytesIO()  # the handler flushes it at the end

    def proceed(self, silent=False):
        """Does what the request asks for; returns (status, body), and answers unless silent."""
        status, body = self.server.fake.handle(self.command, self.path_only, self.query, self.body,
                                               self.token)
        if not silent:
            self.reply(status, body)
        return status, body

    def do_any(self):
        fake = self.server.fake
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        if not self.path.startswith("/_matrix/media/"):
            self.body = json.loads(self.body or b"{}")
        path, _, query = self.path.partition("?")
        self.path_only = urllib.parse.unquote(path.replace("%2F", "\0")).replace("\0", "/")
        self.query = dict(urllib.parse.parse_qsl(query))
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        trick = fake.take_trick(self.command, self.path_only)
        fake.note(self.command, self.path_only, self.token)
        fake.note_body(self.command, self.path_only, self.body)
        try:
            if trick:
                trick(self)
            else:
                self.proceed()
        except (BrokenPipeError, ConnectionResetError, ValueError, OSError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_any


def has_float(value):
    """Canonical JSON has none, and homeservers refuse events with one."""
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, float) or isinstance(value, list) and any(map(has_float, value))


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a peer that was killed resets its connections

    daemon_threads = True
    request_queue_size = 64


class Homeserver:
    USER, DEVICE = "@bot:fake.local", "DEV1"

    def __init__(self):
        self.changed = threading.Condition()
        self.tokens = {"good"}
        self.soft_logout = False
        self.rooms = {"#ops:fake.local": "!ops:fake.local", "#dev:fake.local": "!dev:fake.local"}
        self.state = {}     # (room_id, type) → content
        self.timeline = []  # (room_id, event)
        self.transactions = {}
        self.requests = []  # (method, path, token)
        self.members = [self.USER, "@op:fake.local"]
        self.devices = {}  # user: {device: its keys}
        self.identity = {}  # user: body of device_signing/upload
        self.unsigned = False  # shows no signature but the device's own
        self.one_time_keys = {}
        self.account_data = {}  # path: content
        self.media = {}  # mxc:// URL: what was uploaded
        self.to_device = []  # (type, messages)
        self.tricks = []    # [method, pattern, function, times left]
        self.whoami = {"user_id": self.USER, "device_id": self.DEVICE}
        self.login_device = "DEV2"  # of a login that brings none
        self.created = []   # bodies of createRoom
        self.accounts = {}  # what was registered: name → password
        self.batches = []   # what the next /sync answers tell
        self.port = None
        self.open()

    def open(self):
        self.server = Server(("127.0.0.1", self.port or 0), Request)
        self.server.fake = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self):
        """Connections are refused until open()."""
        self.server.shutdown()
        self.server.server_close()

    def note(self, *request):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def note_body(self, method, path, body):
        """For who wants to know every body, whatever becomes of it."""

    def wait(self, condition, seconds=30):
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                raise TimeoutError("did not happen in time")

    def trick(self, method, pattern, function, times=1):
        with self.changed:
            self.tricks.append([method, pattern, function, times])

    def take_trick(self, method, path):
        with self.changed:
            for item in self.tricks:
                if item[0] == method and re.search(item[1], path) and item[3] != 0:
                    item[3] -= 1
                    return item[2]
        return None

    def tell(self, **rooms):
        """The next /sync answers with these parts of "rooms"."""
        with self.changed:
            self.batches.append(rooms)
            self.changed.notify_all()

    def sends(self, room_id):
        return [r for r in self.requests if r[0] == "PUT" and f"/rooms/{room_id}/send/" in r[1]]

    def bodies(self, room_id):
        """Every event's text, edits' new content included."""
        return [event["content"].get("m.new_content", event["content"]).get("body", "")
                for room, event in self.timeline if room == room_id]

    def handle(self, method, path, query, body, token):
        with self.changed:
            try:
                return self.answer(method, path, query, body, token)
            finally:
                self.changed.notify_all()

    def answer(self, method, path, query, body, token):
        path = path.removeprefix("/_matrix/client")
        if path == "/ping":
            return 200, {}
        if path == "/versions":
            return 200, {"versions": ["v1.11"]}
        if path == "/v3/login" and method == "GET":
            return 200, {"flows": [{"type": "m.login.password"}]}
        if path == "/v3/login" and method == "POST":
            if body.get("password") != "pw":
                return 403, {"errcode": "M_FORBIDDEN", "error": "wrong password"}
            self.tokens.add("by-password")
            return 200, {"access_token": "by-password", "user_id": self.USER,
                         "device_id": body.get("device_id", self.login_device)}
        if path == "/v3/register":
            return self.register(body)
        if token not in self.tokens:
            return 401, {"errcode": "M_UNKNOWN_TOKEN", "error": "who?",
                         "soft_logout": self.soft_logout}
        if path == "/_matrix/media/v3/upload" and method == "POST":
            url = f"mxc://fake.local/m{len(self.media)}"
            self.media[url] = body
            return 200, {"content_uri": url}
        if path == "/v3/account/whoami":
            return 200, self.whoami
        if path.endswith("/filter") and method == "POST":
            return 200, {"filter_id": "f1"}
        if path == "/v3/sync":
            return self.sync(query)
        if path == "/v3/createRoom":
            alias = f"#{body['room_alias_name']}:fake.local"
            self.rooms[alias] = "!" + alias[1:]
            self.state[(self.rooms[alias], "m.room.member")] = {"membership": "join"}
            self.created.append(body)
            return 200, {"room_id": self.rooms[alias]}
        match = re.match(r"/v3/join/(.+)", path)
        if match:
            address = match[1]
            room_id = self.rooms.get(address, address if address.startswith("!") else None)
            return (200, {"room_id": room_id}) if room_id else (404, {"errcode": "M_NOT_FOUND", "error": "no such alias"})
        match = re.match(r"/v3/directory/room/(.+)", path)
        if match:
            room_id = self.rooms.get(match[1])
            return (200, {"room_id": room_id, "servers": []}) if room_id else (404, {"errcode": "M_NOT_FOUND", "error": "no such alias"})
        match = re.match(r"/v3/rooms/([^/]+)/state/([^/]+)", path)
        if match:
            content = self.state.get((match[1], match[2]))
            return (200, content) if content is not None else (404, {"errcode": "M_NOT_FOUND", "error": "no such state"})
        match = re.match(r"/v3/rooms/([^/]+)/send/([^/]+)/([^/]+)", path)
        if match:
            return self.send(match[1], match[2], match[3], body)
        match = re.match(r"/v3/rooms/([^/]+)/messages", path)
        if match:
            return 200, {"chunk": [e for r, e in reversed(self.timeline) if r == match[1]], "start": "s"}
        if "/account_data/" in path:
            if method == "PUT":
                self.account_data[path] = body
            known = self.account_data.get(path)
            return (200, known) if known is not None else (404, {"errcode": "M_NOT_FOUND", "error": "none"})
        match = re.match(r"/v3/rooms/([^/]+)/members", path)
        if match:
            return 200, {"chunk": [{"type": "m.room.member", "state_key": user, "content": {"membership": "join"}}
                                   for user in self.members]}
        if path.startswith("/v3/keys/") or path.startswith("/v3/sendToDevice/"):
            return self.keys(path, body)
        return 404, {"errcode": "M_UNRECOGNIZED", "error": path}

    def register(self, body):
        """By a registration token, which is "invited", and then nothing more."""
        if body["username"] in self.accounts:
            return 400, {"errcode": "M_USER_IN_USE", "error": "taken"}
        auth = body.get("auth", {})
        if auth.get("type") == "m.login.dummy":
            self.accounts[body["username"]] = body["password"]
            return 200, {"user_id": f"@{body['username']}:fake.local"}
        stages = ["m.login.registration_token", "m.login.dummy"]
        answer = {"flows": [{"stages": ["m.login.email.identity"]}, {"stages": stages}], "session": "s1", "params": {}}
        if not auth:
            return 401, answer
        if auth.get("token") != "invited":
            return 401, {**answer, "errcode": "M_FORBIDDEN", "error": "no such token"}
        return 401, {**answer, "completed": stages[:1]}

    def keys(self, path, body):
        """What a device needs to be signed; tests change `devices` and `identity` to lie."""
        if path == "/v3/keys/upload":
            if "device_keys" in body:
                if self.unsigned:  # as if only the device itself had signed
                    own = "ed25519:" + body["device_keys"]["device_id"]
                    signatures = body["device_keys"]["signatures"][self.USER]
                    body["device_keys"]["signatures"][self.USER] = {own: signatures[own]}
                self.devices.setdefault(self.USER, {})[body["device_keys"]["device_id"]] = body["device_keys"]
            self.one_time_keys.update(body.get("one_time_keys", {}))
            return 200, {"one_time_key_counts": {"signed_curve25519": len(self.one_time_keys)}}
        if path == "/v3/keys/device_signing/upload":
            self.identity[self.USER] = body
        if path == "/v3/keys/signatures/upload":
            for user, objects in body.items():
                for key, value in objects.items():
                    if key in self.devices.get(user, {}):
                        self.devices[user][key] = value
            return 200, {"failures": {}}
        if path == "/v3/keys/query":
            wanted = body["device_keys"]
            answer = {"device_keys": {user: self.devices.get(user, {}) for user in wanted}, "failures": {}}
            for kind in ("master_key", "self_signing_key", "user_signing_key"):
                answer[kind + "s"] = {user: self.identity[user][kind] for user in wanted
                                      if kind in self.identity.get(user, {})}
            return 200, answer
        if path == "/v3/keys/claim":
            return 200, {"one_time_keys": {}, "failures": {}}
        if path.startswith("/v3/sendToDevice/"):
            self.to_device.append((path.split("/")[3], body["messages"]))
        return 200, {}

    def send(self, room_id, kind, txn, content):
        if has_float(content):
            return 400, {"errcode": "M_BAD_JSON", "error": "Bad JSON value: float"}
        key = (room_id, kind, txn)
        if key not in self.transactions:
            event_id = f"$event{len(self.timeline)}"
            self.transactions[key] = event_id
            self.timeline.append((room_id, {
                "type": kind, "event_id": event_id, "sender": self.USER, "content": content,
                "origin_server_ts": int(time.time() * 1000)}))
        return 200, {"event_id": self.transactions[key]}

    def sync(self, query):
        since = int(query.get("since", "0"))
        if "since" in query and since >= len(self.batches):
            self.changed.wait_for(lambda: since < len(self.batches),
                                  int(query.get("timeout", "0")) / 1000)
        rooms = self.batches[since] if "since" in query and since < len(self.batches) else {}
        following = min(since + 1, len(self.batches)) if "since" in query else len(self.batches)
        return 200, {"next_batch": str(following), "rooms": rooms,
                     "device_one_time_keys_count": {"signed_curve25519": len(self.one_time_keys)},
                     "device_unused_fallback_key_types": ["signed_curve25519"]}
