"""A throwaway real Synapse: made once by mmdebstrap in a cache folder outside the checkout, then
started in a chroot with fresh data for each use. Loopback only; needs root."""
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import Skip

CACHE = pathlib.Path(os.environ.get("MTB_CACHE", "/var/cache/matrix-telemetry-bot"))
SECRET = "registration-for-tests"


def log(text):
    print(f"# {text}", flush=True)


def mirror():
    """The machine's own Debian mirror as a list, without its suites; [] leaves it to mmdebstrap."""
    for path in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            words = line.replace("URIs:", "deb").split()
            if words[:1] == ["deb"]:
                for word in words[1:]:
                    if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                        return [word]
    return []


@contextlib.contextmanager
def making():
    """What is made once is made by one of several programs that start together."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_root():
    """The folder with Debian sid and Synapse in it; made when it is missing (about a minute)."""
    root = CACHE / "synapse"
    with making():
        if not (root / "usr/bin/python3").exists():
            make_root_anew(root)
    return root


def make_root_anew(root):
    log("making a Debian with Synapse in it, once (about a minute) …")
    fresh = pathlib.Path(tempfile.mkdtemp(dir=CACHE))
    subprocess.run(
        ["mmdebstrap", "--variant=apt", "--aptopt=Acquire::Check-Valid-Until \"false\"",
         "--include=matrix-synapse,ca-certificates",
         "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg", "sid", str(fresh), *mirror()],
        check=True, stdout=subprocess.DEVNULL)
    fresh.chmod(0o755)
    fresh.rename(root)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class HTTPError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Calls:
    """What tests ask of any homeserver; `url` and `secret` (of registration) are set."""

    def call(self, method, path, body=None, token=None, timeout=60):
        request = urllib.request.Request(
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json",
                     **({"Authorization": f"Bearer {token}"} if token else {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise HTTPError(error.code, error.read().decode(errors="replace")) from None

    def register(self, name, password="pw", admin=False):
        nonce = self.call("GET", "/_synapse/admin/v1/register")["nonce"]
        mac = hmac.new(self.secret.encode(), f"{nonce}\0{name}\0{password}\0{'' if admin else 'not'}admin".encode(), hashlib.sha1)
        return self.call("POST", "/_synapse/admin/v1/register",
                         {"nonce": nonce, "username": name, "password": password, "admin": admin,
                          "mac": mac.hexdigest()})


class Running(Calls):
    """A Synapse that is there already: $MTB_HOMESERVER is its URL, $MTB_REGISTRATION_SECRET its
    registration_shared_secret. Its rate limits must be high. It is not stopped: tests that do are
    skipped."""

    def __init__(self):
        self.url = os.environ["MTB_HOMESERVER"].rstrip("/")
        self.secret = os.environ["MTB_REGISTRATION_SECRET"]
        self.suffix = os.urandom(4).hex()
        self.name = self.register("probe")["user_id"].split(":", 1)[1]

    def register(self, name, password="pw", admin=False):
        return super().register(f"{name}-{self.suffix}", password, admin)

    def kill(self):
        raise Skip("stops the homeserver")

    def close(self):
        pass


def homeserver():
    return Running() if "MTB_HOMESERVER" in os.environ else Synapse()


class Synapse(Calls):
    """Its data live in root/srv/NAME and are wiped by close()."""

    def __init__(self, limits=False, extra=""):
        """limits: as a server has them that nobody changed; else none that a test could meet."""
        self.root = make_root()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.name, self.secret = "test.local", SECRET
        self.inside = f"/srv/test-{self.port}"
        self.data = self.root / self.inside.lstrip("/")
        shutil.rmtree(self.data, ignore_errors=True)  # of a run that was killed, on the same port
        self.data.mkdir(parents=True)
        self.process = None
        self._run(["python3", "-m", "synapse.app.homeserver", "--server-name", "test.local",
                   "--config-path", f"{self.inside}/homeserver.yaml", "--generate-config",
                   "--report-stats=no", "--data-directory", self.inside])
        config = self.data / "homeserver.yaml"
        text = config.read_text().rstrip("\n").replace("port: 8008", f"port: {self.port}")
        fast = "{per_second: 10000, burst_count: 10000}"
        config.write_text(text + f"""
registration_shared_secret: "{SECRET}"
suppress_key_server_warning: true
trusted_key_servers: []
{"" if limits else f"rc_message: {fast}"}
rc_registration: {fast}
rc_login: {{address: {fast}, account: {fast}, failed_attempts: {fast}}}
rc_joins: {{local: {fast}, remote: {fast}}}
rc_invites: {{per_room: {fast}, per_user: {fast}, per_issuer: {fast}}}
rc_room_creation: {fast}
rc_admin_redaction: {fast}
{extra}
""")
        self.start()

    def _command(self, args):
        script = f'mount --bind /dev "{self.root}/dev"; mount -t proc proc "{self.root}/proc"; exec chroot "{self.root}" "$@"'
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", script, "bash", *args]

    def _run(self, args):
        subprocess.run(self._command(args), check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def start(self):
        self.log = open(self.data / "output.log", "ab")
        self.process = subprocess.Popen(
            self._command(["python3", "-m", "synapse.app.homeserver", "-c",
                           f"{self.inside}/homeserver.yaml"]),
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                self.call("GET", "/_matrix/client/versions")
                return
            except (OSError, HTTPError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)  # there is no event for a port that begins to listen
        raise RuntimeError("Synapse did not start: " + (self.data / "output.log").read_text()[-2000:])

    def kill(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.log.close()
            self.process = None

    def close(self):
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)


class Reader(threading.Thread):
    """A second account's /sync: what a person's client would see, with the time it came."""

    def __init__(self, server, token):
        super().__init__(daemon=True)
        self.server, self.token = server, token
        self.changed = threading.Condition()
        self.events = []  # (room_id, event, time.time() of arrival)
        self.since = None
        self.stopped = False
        self.start()
        self.wait(lambda: self.since is not None, 60)

    def run(self):
        while not self.stopped:
            path = "/_matrix/client/v3/sync?timeout=10000" + (f"&since={self.since}" if self.since else "")
            try:
                answer = self.server.call("GET", path, token=self.token)
            except (OSError, HTTPError):
                time.sleep(0.2)  # the homeserver is away: nothing to wait for
                continue
            now = time.time()
            with self.changed:
                for room_id, room in answer.get("rooms", {}).get("join", {}).items():
                    self.events += [(room_id, event, now) for event in room["timeline"]["events"]]
                self.since = answer["next_batch"]
                self.changed.notify_all()

    def wait(self, condition, seconds):
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                raise TimeoutError("did not happen in time")

    def messages(self, room_id):
        """New messages of a room in order: event, newest content, number of edits, arrival."""
        found = {}
        for room, event, when in list(self.events):
            if room != room_id or event["type"] != "m.room.message":
                continue
            relates = event["content"].get("m.relates_to", {})
            if relates.get("rel_type") == "m.replace":
                if relates["event_id"] in found:
                    item = found[relates["event_id"]]
                    item["data"] = event["content"].get("org.matrix-telemetry-bot.alert")
                    item["content"] = event["content"]["m.new_content"]
                    item["edits"] += 1
            else:
                found[event["event_id"]] = {"event": event, "content": event["content"], "edits": 0,
                                            "data": event["content"].get("org.matrix-telemetry-bot.alert"),
                                            "when": when}
        return list(found.values())

    def text(self, room_id):
        return "\n".join(message["content"]["body"] for message in self.messages(room_id))


def quote(text):
    return urllib.parse.quote(text, safe="")
