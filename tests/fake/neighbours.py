"""What the daemon does when those around it hang: homeserver, other apps' databases, commands,
whoever should read its log and systemd's socket."""
import contextlib
import fcntl
import os
import socket
import sqlite3
import threading
import time

from bot import Bot
from harness import check, node
from homeserver import Homeserver

F_SETPIPE_SZ = 1031
SLOW = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)"
        " SELECT count(*) AS count FROM n")


def make(extra=""):
    server = Homeserver()
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"}, extra)
    return server, bot


def wait_log(bot, text):
    end = time.monotonic() + 30
    while text not in bot.log.read_text():
        check(time.monotonic() < end, f"not in the log: {text}\n{bot.log.read_text()[-2000:]}")
        time.sleep(0.05)


def fill(path):
    """Until systemd's socket takes no more."""
    taken = True
    while taken:
        taken = False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as s, contextlib.suppress(BlockingIOError):
            s.connect(str(path))
            while s.send(b"STATUS="):  # each socket may have so many bytes under way
                taken = True


def test_stop_with_every_neighbour_hanging():
    """Under 5 s, whoever does not answer."""
    server, bot = make()
    shop, calls = bot.folder / "shop.db", bot.folder / "calls.db"
    sqlite3.connect(shop).execute("CREATE TABLE goods (name TEXT)")
    theirs = sqlite3.connect(calls, isolation_level=None)
    theirs.execute("CREATE TABLE calls (at TEXT, what TEXT, room TEXT, duration_ms INTEGER, result TEXT, error TEXT)")
    hang = bot.folder / "hang"
    text = bot.config.read_text()
    line = next(line for line in text.splitlines() if line.startswith("token_"))
    bot.config.write_text(text.replace(line, f"token_command = if [ -e {hang} ]; then sleep 60; fi; echo good") +
                          f"\n[call_monitor]\ndatabase = {calls}\ncalls_table = calls\n"
                          "violations_sql = off\nerror_rate_sql = off\n"
                          f"[watch slow]\ndatabase = {shop}\nsql = {SLOW}\nevery = 1s\n")
    bot.start()
    theirs.execute("BEGIN EXCLUSIVE")
    for i in range(40):  # as many calls as wait to be copied
        bot.call(node(f"r-{i}", f"n-{i}", app=f"app{i}"))
    server.wait(lambda: len(server.sends("!ops:fake.local")) >= 5)
    stuck = threading.Event()
    server.trick("PUT", "/send/", lambda r: stuck.wait(60), -1)
    before = len(server.sends("!ops:fake.local"))
    bot.call(node("last", "last", app="last"))
    server.wait(lambda: len(server.sends("!ops:fake.local")) > before)
    hang.touch()
    server.trick("GET", "/sync", lambda r: r.reply(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "gone"}), -1)
    server.trick("GET", "/whoami", lambda r: stuck.wait(60), -1)
    server.tell()  # ends the poll under way
    wait_log(bot, "getting another")
    started = time.monotonic()
    bot.stop()
    took = time.monotonic() - started
    stuck.set()
    theirs.execute("ROLLBACK")
    check(took < 5, f"{took:.1f} s")
    server.shut()


def test_nobody_reads_the_log_nor_systemds_socket():
    server, bot = make()
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    bot.output = os.fdopen(writing, "wb")
    bot.log.touch()
    bot.deaf = True
    bot.environment = {"WATCHDOG_USEC": "200000"}
    bot.start()
    fill(bot.folder / "notify")
    for _ in range(80):  # a line each
        check(bot.call({"op": "reload"})["ok"], "not reloaded")
    bot.call(node("r-1"))
    server.wait(lambda: any("r-1" in body for body in server.bodies("!ops:fake.local")))
    bot.stop()
    text = os.read(reading, 65536).decode()
    check("config reloaded" in text and "\n" in text, text)
    os.close(reading)
    server.shut()
