"""Of encrypted.py: what leaves after a start, before and after it is known who must be able to read it."""
import sqlite3
import threading

from encrypted_world import World, check, node
from crypto import OPS, Person


def down_with_a_new_device():
    """The bot was stopped; the operator has a second device since."""
    w = World()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.bot.stop()
    tablet = Person(w.server, w.op.user, "TABLET", shown=False)
    tablet.seeds = w.op.seeds
    tablet.show()
    w.server.tell(changed=[w.op.user])
    return w, tablet


def held_sync(w):
    """No /sync is answered before the event is set."""
    go = threading.Event()

    def hold(request):
        go.wait(60)
        request.proceed()
    w.server.trick("GET", "/sync", hold, 1)
    return go


def test_nothing_leaves_before_the_first_sync_and_query():
    w, tablet = down_with_a_new_device()
    go, queries = held_sync(w), w.count("/keys/query")
    w.bot.start()
    w.bot.call(node("r-2", app="second"))
    w.server.wait(lambda: w.count("/keys/query") > queries)  # of this run, not told by /sync
    w.wait_status(lambda s: s["encryption"]["identity"] == "signed", "not signed")
    check(len(w.server.puts) == 1, "sent before the first /sync")
    go.set()
    w.readable("r-2")
    w.readable("r-2", reader=tablet)
    w.end()


def test_a_sync_that_hangs_delays_an_alert_for_seconds_and_late_devices_get_the_key():
    w, tablet = down_with_a_new_device()
    lists = []

    def hide(path, body, answer):  # as if the homeserver had not heard of it either
        if path == "keys/query" and lists:
            answer["device_keys"].get(w.op.user, {}).pop("TABLET", None)
    lists.append("hidden")
    w.server.lie = hide
    go = held_sync(w)
    w.bot.start()
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")
    check("r-2" not in tablet.text(), "the test shows nothing")
    lists.clear()
    sent = len(w.server.puts)
    go.set()
    w.readable("r-2", reader=tablet)  # without another message
    check(len(w.server.puts) == sent, "another message")
    w.end()


def test_key_queries_that_fail_hold_no_room_up_for_ever():
    w, tablet = down_with_a_new_device()
    w.server.trick("POST", "/keys/query", lambda r: r.reply(500, {"errcode": "M_UNKNOWN", "error": "no"}), 1000)
    w.bot.start()
    w.bot.call(node("r-2", app="second"))
    w.server.wait(lambda: "r-2" in w.op.text(OPS), 90)
    w.server.tricks.clear()
    w.server.wait(lambda: "r-2" in tablet.text(OPS), 90)
    w.end()


def test_a_homeserver_that_keeps_no_mark_holds_no_room_up():
    w = World(start=False)
    w.server.trick("PUT", "/account_data/org.matrix-telemetry-bot.run",
                   lambda r: r.reply(403, {"errcode": "M_FORBIDDEN", "error": "no data here"}), 100)
    w.bot.start()
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.wait_status(lambda s: any("does not store the mark" in notice for notice in s["encryption"]["notices"]), "not told")
    w.bot.stop()
    w.bot.start()
    w.bot.call(node("r-2", app="second"))
    w.readable("r-2")
    w.end()


def test_a_mark_that_fails_is_told_while_rooms_wait():
    w = World(start=False)
    w.server.trick("PUT", "/account_data/org.matrix-telemetry-bot.run",
                   lambda r: r.reply(500, {"errcode": "M_UNKNOWN", "error": "disk"}), 3)
    w.bot.start()
    w.bot.call(node("r-1"))
    w.wait_status(lambda s: "backup" in s["encryption"]["problem"], "not told")
    w.readable("r-1")
    check(w.status()["encryption"]["problem"] == "", "still told")
    w.end()


def test_a_mark_that_cannot_be_stored_is_tried_again():
    w = World(start=False)
    free = threading.Event()

    def locked(request):
        db = sqlite3.connect(w.bot.folder / "operations.db", isolation_level=None,
                             check_same_thread=False)
        db.execute("BEGIN IMMEDIATE")
        request.proceed()
        threading.Timer(1.5, lambda: (db.close(), free.set())).start()
    w.server.trick("PUT", "/account_data/org.matrix-telemetry-bot.run", locked)
    w.bot.start()
    check(free.wait(30), "the test shows nothing")
    w.bot.call(node("r-1"))
    w.readable("r-1")
    w.end()
