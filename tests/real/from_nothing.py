"""`setup` from nothing to a message that an operator answered, on a real Synapse, in plain and in
encrypted rooms. Run by commands.py."""
import pathlib
import re
import subprocess
import tempfile

from bot import BUILD, Bot
from people import check, until
from synapse import HTTPError, quote


def both(test):
    test.both = True
    return test


def room_id(server, alias, token):
    try:
        return server.call("GET", f"/_matrix/client/v3/directory/room/{quote(alias)}", token=token)["room_id"]
    except HTTPError:
        return None


def acknowledge(op, room, user, process, told, known=()):
    """The test message, once it is there, which is none of those known; that setup then ends well."""
    found = lambda: [event for event, sender, content, _ in op.events(room)  # noqa: E731
                     if event not in known and sender == user and content.get("body", "").startswith("🧪")]
    op.wait(lambda: found() or process.poll() is not None, 90, f"no test message\n{told()}")
    check(found(), told())
    op.send(room, {"m.relates_to": {"rel_type": "m.annotation", "event_id": found()[0], "key": "✅"}}, "m.reaction")
    check(process.wait(90) == 0, told())
    check(f"✅ Acknowledged by {op.user}" in told() and "all well" in told(), told())


def start(folder, *words):
    """setup in a folder, without questions; the process, and what gives its output."""
    (folder / "password").write_text("pw-of-the-bot\n")
    (folder / "password").chmod(0o600)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([BUILD / "bot/matrix-telemetry-bot", "setup", "-c", folder / "bot.conf", "--yes", "--wait", "90s",
                                    "--password-file", folder / "password", *words],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    Bot.started.append(process)
    return process, (folder / "log").read_text


@both
def test_setup_from_nothing(world, secret):
    op, _ = world.people(secret)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-setup-"))
    name = op.user.split(":", 1)[1]
    user, config = f"@fresh{world.number()}-{folder.name[-6:].lower()}:{name}", folder / "bot.conf"
    aliases = {room: f"#{room}-{folder.name[-6:].lower()}:{name}" for room in ("ops", "dev")}
    (folder / "secret").write_text(world.server.secret + "\n")
    (folder / "secret").chmod(0o600)
    options = ["--homeserver", world.server.url, "--user", user, "--operator", op.user,
               *(f"--room={room}={alias}" for room, alias in aliases.items())]
    process, told = start(folder, *options, "--registration-secret-file", folder / "secret", *(["--encrypted"] if secret else []))
    token = op.account["access_token"]
    until(lambda: "bot.conf … written" in told() or process.poll() is not None, "the config", 60)
    check(process.poll() is None, told())
    ops = room_id(world.server, aliases["ops"], token)
    for alias in aliases.values():
        op.join(room_id(world.server, alias, token))
    acknowledge(op, ops, user, process, told)
    log = told()
    check("pw-of-the-bot" not in log and world.server.secret not in log, log)
    check(log.count("recovery key. It is shown only once") == 1, log)
    check(config.stat().st_mode & 0o777 == 0o600 and (folder / "token").stat().st_mode & 0o777 == 0o600, "modes")
    text = config.read_text()
    check(text.count(op.user) == 1 and f"user = {user}\n" in text and "example.org\n" not in text.replace("#", "\0"), text)
    # again: what is there is shown and stays; only what is asked for changes
    config.write_text(text.replace("[rooms]", "# ours\n[rooms]"))
    setup = [BUILD / "bot/matrix-telemetry-bot", "setup", "-c", config, "--yes", "--no-test"]
    again = subprocess.run([*setup, "--dashboard", "etl=https://d.example.com/{run_id}"], capture_output=True,
                           text=True, timeout=90, stdin=subprocess.DEVNULL)
    check(again.returncode == 0 and "logged in, device" in again.stdout and "recovery key" not in again.stderr, str(again))
    check(f"operator    {op.user}" in again.stdout and aliases["dev"] in again.stdout, again.stdout)
    check(config.read_text() == text.replace("[rooms]", "# ours\n[rooms]") +
          "\n[app etl]\ndashboard = https://d.example.com/{run_id}\n", config.read_text())
    again = subprocess.run(setup, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    check(again.returncode == 0 and "unchanged" in again.stdout, str(again))
    another_device(op, ops, user, options, log)


def another_device(op, room, user, options, log):
    """Of the same account, which has cross-signing keys now: signed by the recovery key, and what it writes is read; then
    new keys by the password."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-setup-"))
    (folder / "key").write_text(re.search(r"shown only once.*?\n\s*\n\s+(\S.*)", log, re.S)[1].split("\n")[0] + "\n")
    (folder / "key").chmod(0o600)
    known = {event for event, *_ in op.events(room)}
    process, told = start(folder, *options, "--recovery-key-file", folder / "key")
    acknowledge(op, room, user, process, told, known)
    check("Signing this device … done" in told() and "recovery key. It" not in told(), told())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-setup-"))
    process, told = start(folder, *options, "--reset-identity", "--no-test")
    check(process.wait(90) == 0 and "is cross-signed; fingerprint" in told() and told().count("recovery key. It is shown only once") == 1, told())
