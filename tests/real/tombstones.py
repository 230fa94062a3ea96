"""Of run.py: rooms that somebody closed, and what is left of that."""
from harness import node, until
from synapse import quote


def test_a_tombstone_that_leads_nowhere_takes_no_room_away(world):
    bot = world.bot()
    ops, token = bot.ids["ops"], world.reader_account["access_token"]
    path = f"/_matrix/client/v3/rooms/{quote(ops)}"

    def close_room(replacement):
        return world.server.call("PUT", f"{path}/state/m.room.tombstone",
                                 {"body": "closed", "replacement_room": replacement}, token)["event_id"]

    def is_ready():
        return next(room for room in bot.call({"op": "status"})["rooms"] if room["name"] == "ops")["ready"]
    close_room("")
    bot.call(node("run-tomb-1"))
    world.reader.wait(lambda: "run-tomb-1" in world.reader.text(ops), 30)
    tombstone = close_room(f"!nowhere:{world.server.name}")  # a room that nobody can join
    until(lambda: not is_ready(), "the room is not lost")
    bot.call(node("run-tomb-2", app="second"))
    world.server.call("PUT", f"{path}/redact/{quote(tombstone)}/t1", {}, token)
    world.reader.wait(lambda: "run-tomb-2" in world.reader.text(ops), 30)
    bot.stop()
