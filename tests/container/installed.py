"""The Debian package in a Debian 12 that systemd has booted, against a scripted homeserver. Prints "ok NAME",
"not ok NAME" or "skip NAME" a test; all is skipped where no container can be booted. With $MTB_PACKAGE, of that
.deb, else of one that is built from this source. Usage: installed.py [NAME …]"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "lib"), str(TESTS / "fake")]
from bot import Client  # noqa: E402
from container import Container, build_package, of_version  # noqa: E402
from harness import Skip, check, run_tests, until  # noqa: E402
from homeserver import Homeserver  # noqa: E402
from synapse import HTTPError, Reader, homeserver, log, quote  # noqa: E402

BOT, WATCH = "matrix-telemetry-bot", "matrix-telemetry-bot-watch"
UNITS = (f"{BOT}.socket", f"{BOT}.service")
OPS = "!ops:fake.local"
CONFIG, DATABASE = f"/etc/{BOT}/bot.conf", f"/var/lib/{BOT}/operations.db"
TOKEN = f"/etc/credstore/{BOT}.token"


class World:
    """A container with the package installed, configured and running; tests leave it so."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        started = time.monotonic()
        self.package = os.environ.get("MTB_PACKAGE") or build_package(self.folder.name)
        built = time.monotonic()
        self.server = Homeserver()
        self.box = Container(self.package)
        log(f"package {built - started:.0f} s, boot {time.monotonic() - built:.1f} s")
        self.must, self.run, self.show = self.box.must, self.box.run, self.box.show
        self.must("useradd", "-m", "etl")
        self.must("useradd", "-m", "stranger")
        self.runs = 0
        self.before = self.telemetry_files()
        self.install(self.package)
        self.configure()

    def install(self, package):
        shutil.copy(package, self.box.path("/root/bot.deb"))
        return self.must("dpkg", "-i", "/root/bot.deb")

    def configure(self):
        """As the README's installation says, by hand; the token as a credential."""
        config = self.box.path(CONFIG)
        text = config.read_text()
        text = text.replace("\n#storm = 20\n", "\nstorm = 0\n")  # the load of one test is no storm for the next
        for key, value in (("homeserver", self.server.url), ("user", self.server.USER), ("ops", "#ops:fake.local"),
                           ("dev", "#dev:fake.local")):
            text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
            check(count == 1, f"{key} is {count} times in bot.conf")
        config.write_text(text)
        self.box.path("/etc/credstore").mkdir(mode=0o700, exist_ok=True)
        token = self.box.path(TOKEN)
        token.write_text("good\n")
        token.chmod(0o600)
        self.must("systemctl", "enable", "--now", *UNITS)
        self.must("usermod", "-aG", "telemetry", "etl")

    def telemetry_files(self):
        """Whatever has the project's name, of files, users and groups."""
        found = self.must("find", "/", "-xdev", "-name", "*telemetry*", "-not", "-path", "/root/*").splitlines()
        found += self.must("find", "/run", "-name", "*telemetry*").splitlines()
        accounts = [line for name in ("passwd", "group", "shadow", "gshadow")
                    for line in self.box.path(f"/etc/{name}").read_text().splitlines() if "telemetry" in line]
        return sorted(found + accounts)

    def connect(self):
        return Client(self.box.path(f"/run/{BOT}/socket"))

    def call(self, request):
        with contextlib.closing(self.connect()) as client:
            return client.call(request)

    def alert(self, app="etl", **more):
        """From another user's app; returns the run id."""
        self.runs += 1
        run = f"run-{self.runs}."
        words = [word for name, value in more.items() for word in (f"--{name}", value)]
        self.must("matrix-send-message", "--app", app, "--severity", "critical", "--run-id", run, *words, "it broke", user="etl")
        return run

    def arrived(self, text, seconds=30):
        self.server.wait(lambda: any(text in body for body in self.server.bodies(OPS)), seconds)

    def active(self, unit=UNITS[1], state="active"):
        until(lambda: self.show(unit, "ActiveState") == state,
              lambda: f"{unit} {state}\n" + self.run("journalctl", "-u", unit, "-n", "15", "--no-pager").stdout)

    @contextlib.contextmanager
    def changed(self, name, text, *restart):
        """Another text of a file; put back at the end, with restart restarted both times."""
        path = self.box.path(name)
        old = path.read_text() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if old is None:
            path.chmod(0o644)  # whatever the umask

        def restart_all():
            self.must("systemctl", "daemon-reload")
            self.run("systemctl", "reset-failed")
            if restart:
                self.run("systemctl", "restart", *restart)
        try:
            restart_all()
            yield
        finally:
            if old is None:
                path.unlink()
            else:
                path.write_text(old)
            restart_all()

    def close(self):
        self.box.close()
        self.server.shut()
        self.folder.cleanup()


def test_what_is_installed(w):
    stat = dict(line.split(" ", 1) for line in w.must(
        "stat", "-c", "%n %U:%G %a", CONFIG, f"/var/lib/{BOT}", f"/var/spool/{BOT}", f"/run/{BOT}", f"/run/{BOT}/socket",
        DATABASE).splitlines())
    check(stat == {CONFIG: f"root:{BOT} 640", f"/var/lib/{BOT}": f"{BOT}:{BOT} 700", f"/var/spool/{BOT}": f"{BOT}:telemetry 2770",
                   f"/run/{BOT}": f"{BOT}:telemetry 755", f"/run/{BOT}/socket": "root:telemetry 660",
                   DATABASE: f"{BOT}:{BOT} 600"}, str(stat))
    for unit in (BOT, WATCH):
        exposure = re.search(r"exposure level for \S+: ([\d.]+)", w.must("systemd-analyze", "security", "--no-pager", unit))
        check(float(exposure[1]) < 2.0, f"{unit}: {exposure[0]}")
    done = w.run("systemd-analyze", "verify", "--man=no", *UNITS, f"{WATCH}.service", f"{BOT}-failed@x.service")
    check(done.returncode == 0 and BOT not in done.stderr, done.stderr)
    w.must("apparmor_parser", "-QK", f"/etc/apparmor.d/{BOT}")
    w.must("sh", "-c", "python3 -c 'import matrix_telemetry'", user="etl")


def test_an_app_of_another_user(w):
    w.active()
    check(w.show(UNITS[1], "Type") == "notify" and "online" in w.show(UNITS[1], "StatusText"), w.show(UNITS[1], "StatusText"))
    w.arrived(w.alert())
    done = w.run("matrix-send-message", "--app", "x", "--title", "x", user="stranger")
    check(done.returncode == 77 and "telemetry" in done.stderr, str(done))
    # who is in the group may ask the daemon too, although only its own user reads its config
    check("version" in w.run(BOT, "status", user="etl").stdout, "no status for a member of the group")
    done = w.run(BOT, "status", user="stranger")
    check(done.returncode == 77 and "telemetry" in done.stderr, str(done))


def test_token_by_credential(w):
    """In no file that another user can read, in no environment, and in no log."""
    check({token for _, path, token in w.server.requests if path.endswith("/sync")} == {"good"}, "another token")
    pid = w.show(UNITS[1], "MainPID")
    check("good" not in w.must("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline"), "the token is to be seen")
    check(w.run("cat", f"/run/credentials/{UNITS[1]}/token", user="etl").returncode != 0, "readable by another user")
    w.must("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
    w.must("systemd-creds", "encrypt", "--name=token", TOKEN, f"/etc/credstore.encrypted/{BOT}.token")
    w.box.path(TOKEN).unlink()
    with w.changed(f"/etc/systemd/system/{UNITS[1]}.d/encrypted.conf",
                   f"[Service]\nLoadCredentialEncrypted=token:{BOT}.token\n", UNITS[1]):
        w.active()
        w.arrived(w.alert())
        w.box.path(TOKEN).write_text("good\n")


def test_setup_and_check_see_the_credential(w):
    """As root, whether the unit runs or not; one that is no longer valid is replaced by a file."""
    config = w.box.path(CONFIG)
    before = config.read_text()
    w.box.path("/root/password").write_text("pw\n")
    w.box.path("/root/password").chmod(0o600)
    setup = (BOT, "setup", "--yes", "--no-test", "--password-file", "/root/password")
    try:
        check("from systemd's credential" in w.run(BOT, "check").stdout, w.run(BOT, "check").stdout)
        w.must("systemctl", "stop", *UNITS)
        done = w.run(*setup)
        check("systemd's credential \"token\", and stays there" in done.stdout and "token_file" not in done.stdout, str(done))
        w.active()
        w.must("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
        w.must("systemd-creds", "encrypt", "--name=token", TOKEN, f"/etc/credstore.encrypted/{BOT}.token")
        w.box.path(TOKEN).unlink()
        with w.changed(f"/etc/systemd/system/{UNITS[1]}.d/encrypted.conf",
                       f"[Service]\nLoadCredentialEncrypted=token:{BOT}.token\n"):
            w.must("systemctl", "stop", *UNITS)
            done = w.run(*setup)
            check("and stays there" in done.stdout, str(done))
            w.active()
        w.must("rm", f"/etc/credstore.encrypted/{BOT}.token")
        w.box.path(TOKEN).write_text("bad\n")
        w.box.path(TOKEN).chmod(0o600)
        w.must("systemctl", "stop", *UNITS)
        w.server.login_device = w.server.DEVICE
        done = w.run(*setup)
        check("is not valid: it will be replaced" in done.stdout, str(done))
        check(f"[matrix] token_file = /var/lib/{BOT}/token" in done.stdout, str(done))
        w.active()
        w.arrived(w.alert())
        check(w.must("stat", "-c", "%U %a", f"/var/lib/{BOT}/token").split() == [BOT, "600"], "whose token")
    finally:
        config.write_text(before)
        w.box.path(TOKEN).write_text("good\n")
        w.must("systemctl", "restart", *UNITS)
        w.server.requests.clear()  # another test looks at the tokens in them
    w.active()


def test_chart_in_the_sandbox(w):
    """The module is loaded with the first chart, by the installed daemon under the unit's restrictions."""
    module = next(line for line in w.must("dpkg", "-L", BOT).splitlines() if line.endswith("/chart_cairo.so"))
    check(module in w.must("cat", f"/etc/apparmor.d/{BOT}"), f"the AppArmor profile does not name {module}")
    check(w.show(UNITS[1], "MemoryDenyWriteExecute") == "yes", "no such restriction")
    text = w.box.path(CONFIG).read_text().replace("\n[commands]\n", "\n[commands]\nusers = @op:fake.local\n", 1)
    with w.changed(CONFIG, text, UNITS[1]):
        w.active()
        w.arrived(w.alert())
        pid = w.show(UNITS[1], "MainPID")
        check("chart_cairo" not in w.must("cat", f"/proc/{pid}/maps"), "loaded before it is wanted")
        w.server.tell(join={OPS: {"timeline": {"events": [
            {"type": "m.room.message", "event_id": "$chart", "sender": "@op:fake.local",
             "origin_server_ts": int(time.time() * 1000), "content": {"msgtype": "m.text", "body": "!chart 24h"}}]}}})
        w.server.wait(lambda: w.server.media)
        png = next(iter(w.server.media.values()))
        check(png[:8] == b"\x89PNG\r\n\x1a\n" and len(png) > 8000, f"{len(png)} bytes, without letters or bars")
        check(module in w.must("cat", f"/proc/{pid}/maps"), "drawn by another module")


def test_socket_activation(w):
    w.must("systemctl", "stop", UNITS[1])
    w.active(state="inactive")
    run = w.alert("activates")  # connecting starts the daemon
    w.active()
    w.arrived(run)


def test_spool_while_all_is_stopped(w):
    w.must("systemctl", "stop", *UNITS)
    done = w.run("matrix-send-message", "--app", "spooler", "--severity", "critical", "--title", "spooled one", user="etl")
    check(done.returncode == 0 and "spooled" in done.stdout, str(done))
    w.must("systemctl", "start", *UNITS)
    w.arrived("spooled one")


def test_reload(w):
    pid = w.show(UNITS[1], "MainPID")
    text = w.box.path(CONFIG).read_text()
    with w.changed(CONFIG, text + "\n[app reloaded]\ndashboard = https://dash.example/new/{run_id}\n"):
        w.must("systemctl", "reload", BOT)
        w.alert("reloaded")
        w.arrived("https://dash.example/new/")
        w.box.path(CONFIG).write_text(text + "\n[nonsense]\nx = 1\n")
        done = w.run("systemctl", "reload", BOT)
        check(done.returncode != 0, "a rejected config is no failure")
        check("nonsense" in w.must("journalctl", "-u", BOT, "-n", "20"), "the journal does not say why")
        w.box.path(CONFIG).write_text(text + "\n[http]\ntokens = /etc/shadow\n")  # which its user cannot read
        check(w.run("systemctl", "reload", BOT).returncode != 0, "tokens of no use are no failure")
        check("cannot read /etc/shadow" in w.must("journalctl", "-u", BOT, "-n", "20"), "the journal does not say why")
        w.active()
        check(w.show(UNITS[1], "MainPID") == pid, "restarted")
        w.alert("reloaded", title="again")
        w.arrived("again")
    w.must("systemctl", "reload", BOT)


def test_stop_under_load(w):
    """Under five seconds; what was acknowledged arrives after the start, and once."""
    text = w.box.path(CONFIG).read_text().replace("\n[delivery]\n", "\n[delivery]\nthrottle = 0\n", 1)
    with w.changed(CONFIG, text, UNITS[1]):
        w.active()
        acknowledged, going = [], threading.Event()

        def feed(number):
            with contextlib.suppress(OSError, ValueError), contextlib.closing(w.connect()) as client:
                for i in range(10000):
                    run = f"load-{number}-{i}."
                    answer = client.call({"op": "alert", "app": f"load{number}", "kind": "node_failed", "run_id": run,
                                          "fields": {"node_id": f"n{i % 7}"}})
                    if answer["ok"]:
                        acknowledged.append(run)
                    if len(acknowledged) > 200:
                        going.set()

        feeders = [threading.Thread(target=feed, args=(i,)) for i in range(4)]
        for feeder in feeders:
            feeder.start()
        check(going.wait(60), "no load")
        started = time.monotonic()
        w.must("systemctl", "stop", *UNITS)
        took = time.monotonic() - started
        for feeder in feeders:
            feeder.join()
        check(w.show(UNITS[1], "Result") == "success", w.show(UNITS[1], "Result"))
        check(took < 5, f"{took:.1f} s")
        w.must("systemctl", "start", *UNITS)

        def lost():
            told = " ".join(json.dumps(event["content"]) for _, event in list(w.server.timeline))
            return set(acknowledged) - set(re.findall(r"load-\d+-\d+\.", told))
        until(lambda: not lost(), lambda: f"of {len(acknowledged)} are lost: {sorted(lost())}", 60)


def test_watchdog_and_kill(w):
    with w.changed(f"/etc/systemd/system/{UNITS[1]}.d/fast.conf", "[Service]\nWatchdogSec=1\nRestartSec=0\n", UNITS[1]):
        w.active()
        for signal, result in (("STOP", "watchdog"), ("KILL", "killed")):
            pid = w.show(UNITS[1], "MainPID")
            w.must("systemctl", "kill", "--kill-whom=main", "-s", signal, UNITS[1])
            until(lambda: w.show(UNITS[1], "MainPID") not in (pid, "0"), f"restarted after SIG{signal}")
            w.active()
            w.arrived(w.alert())
        check("Watchdog timeout" in w.must("journalctl", "-u", BOT, "-n", "60"), "not by the watchdog")


def test_a_bad_config_does_not_restart(w):
    text = w.box.path(CONFIG).read_text()
    with w.changed(CONFIG, text.replace("[matrix]", "[matrix]\nnonsense = 1"), UNITS[1]):
        w.active(state="failed")
        check(w.show(UNITS[1], "ExecMainStatus") == "78" and w.show(UNITS[1], "NRestarts") == "0",
              w.must("systemctl", "show", UNITS[1], "-p", "ExecMainStatus,NRestarts"))
        check("nonsense" in w.must("journalctl", "-u", BOT, "-n", "20"), "the journal does not say why")
        w.run("systemctl", "start", UNITS[0])
    w.active()


FAILS = """[Unit]
{}
[Service]
Type=oneshot
ExecStart=sh -c 'for i in $(seq 30); do echo line $i of %i; done; echo disk full >&2; exit 3'
"""


def test_a_failed_unit_is_an_alert(w):
    """With its exit code and its last lines; instances and escaped names too."""
    for unit, said in (("backup@db1.service", "of db1"), (r"odd\x2dname.service", "line 30"), (r"odd\x20name@a\x20b:c.service", "of ax20b:c")):
        template = re.sub(r"@.*\.", "@.", unit)
        with w.changed(f"/etc/systemd/system/{template}", FAILS.format(f"OnFailure={BOT}-failed@%n.service")):
            check(w.run("systemctl", "start", unit).returncode != 0, "it did not fail")
            w.arrived(f"{unit} failed")
            body = next(body for body in reversed(w.server.bodies(OPS)) if f"{unit} failed" in body)
            check("disk full" in body and said in body and "exit-code" in body, body)


def test_every_unit_by_one_drop_in(w):
    """As the file says; what tells of failures does not call itself, and the daemon's own failure is told too."""
    name = "/etc/systemd/system/service.d/50-matrix-telemetry-bot.conf"
    with w.changed(name, w.box.path(f"/usr/share/{BOT}/all-units.conf").read_text()):
        with w.changed("/etc/systemd/system/plain.service", FAILS.format("")):
            w.run("systemctl", "start", "plain.service")
            w.arrived("plain.service failed")
        check(w.show(f"{BOT}-failed@x.service", "OnFailure") == "", "in a circle")
        with w.changed(CONFIG, "[matrix]\n", UNITS[1]):
            w.active(state="failed")
            until(lambda: list(w.box.path(f"/var/spool/{BOT}").iterdir()), "its own failure is spooled")
            w.run("systemctl", "start", UNITS[0])
        w.arrived(f"{UNITS[1]} failed")


def test_watcher(w):
    second = Homeserver()
    second.tokens = {"watching"}
    second.whoami = {"user_id": "@watcher:fake.local", "device_id": "DEV9"}
    w.box.path("/etc/credstore/matrix-telemetry-watch.token").write_text("watching\n")
    text = f"""[matrix]
homeserver = {second.url}
user = @watcher:fake.local
[rooms]
ops = #ops:fake.local
[heartbeat]
sender = {w.server.USER}
[meta]
exec = cat
[storage]
database = /var/lib/matrix-telemetry-watch/operations.db
"""
    with w.changed(f"/etc/{BOT}/watch.conf", text):
        w.must("systemctl", "enable", "--now", WATCH)
        second.wait(lambda: any(path.endswith("/sync") and token == "watching" for _, path, token in second.requests))
        w.must("systemctl", "reload", WATCH)
        w.box.path(f"/etc/{BOT}/watch.conf").write_text(text + "nonsense = 1\n")
        check(w.run("systemctl", "reload", WATCH).returncode != 0, "a rejected config is no failure")
        w.active(f"{WATCH}.service")
        w.must("systemctl", "disable", "--now", WATCH)
    second.shut()


def test_upgrade(w):
    """Everything is kept, the daemon is restarted, and what waits is delivered by the new one."""
    config = w.box.path(CONFIG).read_text() + "# mine\n"
    w.box.path(CONFIG).write_text(config)
    before = w.alert()
    w.arrived(before)
    pid = w.show(UNITS[1], "MainPID")
    w.server.shut()
    run = w.alert("upgraded")
    w.install(of_version(w.package, "9.9", pathlib.Path(w.folder.name) / "newer.deb"))
    w.active()
    check(w.show(UNITS[1], "MainPID") != pid, "not restarted")
    check(w.box.path(CONFIG).read_text() == config, "bot.conf is not kept")
    check(w.run("systemctl", "is-enabled", *UNITS).stdout.split() == ["enabled", "enabled"], "not enabled any more")
    w.server.open()
    w.arrived(run)
    check(before in json.dumps(w.call({"op": "alerts"})), "the database is not kept")


def test_zz_purge(w):
    """Last: removed, it keeps config and data; purged, nothing is left."""
    w.must("dpkg", "-r", BOT)
    check(w.box.path(CONFIG).exists() and w.box.path(DATABASE).exists(), "removing is no purge")
    check(not w.run("pgrep", "-f", f"^/usr/bin/{BOT}").stdout, "the daemon still runs")
    w.must("dpkg", "-P", BOT)
    left = set(w.telemetry_files()) - set(w.before)
    check(not left, f"left: {sorted(left)}")
    w.install(w.package)
    w.configure()
    w.arrived(w.alert())


def test_zzz_setup_from_the_package(w):
    """After the purge: by options, against a real Synapse, until an operator's ✅."""
    w.must("dpkg", "-P", BOT)
    w.install(w.package)
    server = homeserver()
    try:
        op = server.register("op")
        name, token = op["user_id"].split(":", 1)[1], op["access_token"]
        alias = f"#ops-{os.urandom(3).hex()}:{name}"
        for file, text in (("password", "pw-of-the-bot"), ("secret", server.secret)):
            w.box.path(f"/root/{file}").write_text(text + "\n")
            w.box.path(f"/root/{file}").chmod(0o600)
        done = []
        words = (BOT, "setup", "--yes", "--wait", "90s", "--homeserver", server.url, "--user",
                 f"@installed-{os.urandom(3).hex()}:{name}", "--password-file", "/root/password",
                 "--registration-secret-file", "/root/secret", "--operator", op["user_id"], f"--room=ops={alias}")
        setup = threading.Thread(target=lambda: done.append(w.run(*words, timeout=180)))
        setup.start()

        def joined():
            with contextlib.suppress(HTTPError):
                return server.call("POST", f"/_matrix/client/v3/join/{quote(alias)}", {}, token)["room_id"]
            return None
        until(lambda: done or joined(), "the room", 60)
        check(not done, str(done))
        room, reader = joined(), Reader(server, token)
        found = lambda: [m for m in reader.messages(room) if m["content"]["body"].startswith("🧪")]  # noqa: E731
        reader.wait(lambda: found() or done, 90)
        check(found(), str(done))
        server.call("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.reaction/ok", {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": found()[0]["event"]["event_id"], "key": "✅"}}, token)
        setup.join()
        check(done[0].returncode == 0 and f"Acknowledged by {op['user_id']}" in done[0].stdout, str(done[0]))
        w.active()
        check(w.run("systemctl", "is-enabled", *UNITS).stdout.split() == ["enabled", "enabled"], "not enabled")
        check(w.must("stat", "-c", "%U:%G %a", CONFIG).strip() == f"root:{BOT} 640", "bot.conf")
        w.must("systemctl", "reload", BOT)
        w.must("usermod", "-aG", "telemetry", "etl")
        run = w.alert()
        reader.wait(lambda: run in reader.text(room), 30)
        reader.stopped = True
    finally:
        server.close()


def main():
    try:
        world = World()
    except Skip as why:
        print(f"skip everything: {why}")
        return 0
    try:
        return run_tests(globals(), world) != 0
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
