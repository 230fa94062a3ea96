"""`setup` from nothing to a message that an operator answered, on a real Synapse, in plain and in
encrypted rooms. Run by commands.py."""
import pathlib
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


@both
def test_setup_from_nothing(world, secret):
    op, _ = world.people(secret)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-setup-"))
    name = op.user.split(":", 1)[1]
    user, config = f"@fresh{world.number()}-{folder.name[-6:].lower()}:{name}", folder / "bot.conf"
    aliases = {room: f"#{room}-{folder.name[-6:].lower()}:{name}" for room in ("ops", "dev")}
    for file, text in (("password", "pw-of-the-bot"), ("secret", world.server.secret)):
        (folder / file).write_text(text + "\n")
        (folder / file).chmod(0o600)
    setup = [BUILD / "bot/matrix-telemetry-bot", "setup", "-c", config, "--yes", "--wait", "90s"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [*setup, "--homeserver", world.server.url, "--user", user, "--password-file", folder / "password",
             "--registration-secret-file", folder / "secret", "--operator", op.user,
             *(f"--room={room}={alias}" for room, alias in aliases.items()), *(["--encrypted"] if secret else [])],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    Bot.started.append(process)
    told = (folder / "log").read_text
    token = op.account["access_token"]
    until(lambda: "bot.conf … written" in told() or process.poll() is not None, "the config", 60)
    check(process.poll() is None, told())
    ops = room_id(world.server, aliases["ops"], token)
    for alias in aliases.values():
        op.join(room_id(world.server, alias, token))
    found = lambda: [e for e, sender, content, _ in op.events(ops)  # noqa: E731
                     if sender == user and content.get("body", "").startswith("🧪")]
    op.wait(lambda: found() or process.poll() is not None, 90, f"no test message\n{told()}")
    check(found(), told())
    op.send(ops, {"m.relates_to": {"rel_type": "m.annotation", "event_id": found()[0], "key": "✅"}}, "m.reaction")
    check(process.wait(90) == 0, told())
    log = told()
    check(f"✅ Acknowledged by {op.user}" in log and "all well" in log, log)
    check("pw-of-the-bot" not in log and world.server.secret not in log, log)
    check(log.count("recovery key. It is shown only once") == 1, log)
    check(config.stat().st_mode & 0o777 == 0o600 and (folder / "token").stat().st_mode & 0o777 == 0o600, "modes")
    text = config.read_text()
    check(text.count(op.user) == 1 and f"user = {user}\n" in text and "example.org\n" not in text.replace("#", "\0"), text)
    # again: what is there is shown and stays; only what is asked for changes
    config.write_text(text.replace("[rooms]", "# ours\n[rooms]"))
    again = subprocess.run([*setup, "--no-test", "--dashboard", "etl=https://d.example.com/{run_id}"], capture_output=True,
                           text=True, timeout=90, stdin=subprocess.DEVNULL)
    check(again.returncode == 0 and "logged in, device" in again.stdout and "recovery key" not in again.stderr, str(again))
    check(f"operator    {op.user}" in again.stdout and aliases["dev"] in again.stdout, again.stdout)
    check(config.read_text() == text.replace("[rooms]", "# ours\n[rooms]") +
          "\n[app etl]\ndashboard = https://d.example.com/{run_id}\n", config.read_text())
    again = subprocess.run([*setup, "--no-test"], capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    check(again.returncode == 0 and "unchanged" in again.stdout, str(again))
