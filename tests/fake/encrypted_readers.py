"""Of encrypted.py: who cannot read is named, wherever somebody asks how the bot is."""
import subprocess

from encrypted_world import DEV, World, check, node
from bot import BUILD
from crypto import OPS, Person


def tool(w, *words):
    return subprocess.run([BUILD / "bot/matrix-telemetry-bot", *words, "-c", w.bot.config], capture_output=True, text=True)


def world():
    w = World(start=False)
    for room in (OPS, DEV):  # for check
        w.server.state[(room, "m.room.member")] = {"membership": "join"}
    return w


def readers(status):
    return next(room["readers"] for room in status["rooms"] if room["name"] == "ops")


def held(status):
    return {entry["user_id"]: entry for entry in (readers(status) or {}).get("held", [])}


def test_a_room_that_nobody_can_read_is_told():
    w = world()
    w.op.show(sign=False)  # a fresh client, without cross-signing
    del w.server.identity[w.op.user]
    w.bot.start()
    w.bot.call(node("r-1"))
    w.server.wait(lambda: w.server.puts)
    status = w.wait_status(lambda s: held(s), "nobody is named")
    check(readers(status)["readers"] == 0 and readers(status)["members"] == 1, str(readers(status)))
    check(held(status)[w.op.user]["cause"] == "not_cross_signed", str(held(status)))
    text = "nobody can read it: @op:fake.local has no cross-signed device (PHONE)"
    found = tool(w, "status").stdout
    check(found.count(text) == 1 and found.count("nobody can read it") == 1 and found.startswith("⚠️"), found)
    check(w.bot.log.read_text().count("ops: @op:fake.local has no cross-signed device (PHONE)") == 1, "not in the log once")
    found = tool(w, "check")
    check("@op:fake.local has no cross-signed device (PHONE)" in found.stdout and found.returncode != 0, found.stdout)
    w.server.wait(lambda: w.op.fetch() or w.op.withheld)
    check(w.op.withheld[0]["code"] == "m.unverified", str(w.op.withheld))
    w.op.show()
    w.server.tell(changed=[w.op.user])
    w.wait_status(lambda s: readers(s)["readers"] == 1 and not held(s), "still told")
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")
    check(tool(w, "status").stdout.startswith("✅"), "still a warning")
    w.end()


def test_members_and_devices_that_cannot_read_are_named():
    w = world()
    laptop = Person(w.server, w.op.user, "LAPTOP", sign=False)
    spent = Person(w.server, "@spent:fake.local")
    w.server.own(spent.user, spent.device).update(one_time={}, fallback={})
    w.server.members += [spent.user, "@plain:fake.local"]
    w.bot.start()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    status = w.wait_status(lambda s: len(held(s)) == 3, "not all are named")
    found = held(status)
    check(readers(status)["readers"] == 1 and readers(status)["members"] == 3, str(readers(status)))
    check(found["@plain:fake.local"]["cause"] == "no_devices", str(found))
    check(found[spent.user]["cause"] == "no_one_time_key", str(found))
    check(found[w.op.user]["reads"] and found[w.op.user]["devices"] ==
          [{"device_id": "LAPTOP", "cause": "not_cross_signed"}], str(found))
    for text in ("@op:fake.local's device LAPTOP cannot read: not cross-signed",
                 "@plain:fake.local has no device with encryption keys"):
        for where in (tool(w, "status").stdout, tool(w, "check").stdout, w.bot.log.read_text()):
            check(text in where, f"not told: {text}\n{where}")
    check(tool(w, "status").stdout.startswith("✅"), "somebody can read")
    w.server.wait(lambda: laptop.fetch() or laptop.withheld)
    w.end()
