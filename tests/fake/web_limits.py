"""HTTP attacked: slow, large, many, pipelined and broken requests. Nobody else notices, and what was
acknowledged is on the disk."""
import contextlib
import http.client
import json
import socket
import sqlite3
import subprocess
import time

from bot import BUILD, Client
from harness import check, until
from web import AM_ALERT, OPS, Local, ask, ended, free_port, make, started

ALERT = json.dumps({"app": "a", "title": "x"}).encode()


def request(path="/alerts", body=ALERT, more=b""):
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n".encode() + more + b"\r\n" + body)


def talk(port, data, timeout=30):
    """All that is answered to these bytes, until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(data)
        with contextlib.suppress(OSError):  # refused, answered and closed before that
            s.shutdown(socket.SHUT_WR)
        answer = b""
        while more := s.recv(65536):
            answer += more
        return answer


def test_http_slow_peers_are_closed_and_hold_up_nobody():
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\ntimeout = 1s\n")
    slow = []
    for first in (b"POST /alerts HTTP/1.1\r\nHost: x\r\nX-A: ", b"POST /alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{"):
        for _ in range(100):
            s = socket.create_connection(("127.0.0.1", port), 30)
            s.sendall(first)
            slow.append(s)
    began, longest = time.monotonic(), 0
    alive = slow
    while alive:  # a byte now and then is no reason to wait for more
        check(time.monotonic() - began < 30, f"{len(alive)} of them are still there")
        mine = time.monotonic()
        check(ask(Local(bot.path), "POST", "/alerts", ALERT)[0] == 200, "not taken")
        longest = max(longest, time.monotonic() - mine)
        still = []
        for s in alive:
            try:
                s.sendall(b"a")
                s.setblocking(False)
                try:
                    if s.recv(100) == b"":
                        continue
                except BlockingIOError:
                    pass
                s.setblocking(True)
                still.append(s)
            except OSError:
                pass
        alive = still
    check(longest < 5, f"another was taken after {longest} s")
    for s in slow:
        s.close()
    check(ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "GET", "/healthz")[0] == 200, "not well")
    bot.stop()
    server.shut()


def test_http_too_many_connections_are_told_and_leave_room():
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\n")
    held = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(300)]
    refused = 0
    for s in held[224:]:
        answer = s.recv(200)
        refused += b" 503 " in answer and b"Retry-After" in answer
    check(refused == 76, f"{refused} of them were told")
    # the Unix socket has places of its own, in both protocols
    check(ask(Local(bot.path), "POST", "/alerts", ALERT)[0] == 200 and bot.call(json.loads(ALERT) | {"op": "alert"})["ok"],
          "the socket is full too")
    for s in held:
        s.close()
    until(lambda: ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "GET", "/healthz")[0] == 200, "free places")
    bot.stop()
    server.shut()


def test_http_pipelined_and_broken_requests():
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\ntimeout = 2s\n")
    answers = talk(port, request() * 50)
    check(answers.count(b"HTTP/1.1 200") == 50 and answers.count(b'"ok":true') == 50, answers[-300:])
    for name, data, code in (
            ("no HTTP", b"GARBAGE\r\n\r\n", None), ("a header of 64 KiB", request(more=b"X: " + b"a" * 65536 + b"\r\n"), 431),
            ("5,000 headers", request(more=b"".join(b"X-%d: 1\r\n" % i for i in range(5000))), 431),
            ("a path of 64 KiB", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
            ("a length that is none", b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: -5\r\n\r\n", 400),
            ("a length beyond all", b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
            ("a chunk that is none", b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            ("a body in chunks", b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
             % (len(ALERT), ALERT), 200),
            ("NUL in the path", b"POST /alerts%00/../x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 400),
            ("a path up", b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
            ("another method", b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
            ("a method of other paths", b"PUT /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
            ("the whole address", b"GET http://127.0.0.1/healthz/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 200),
            ("the page's whole address", b"GET http://127.0.0.1:9400 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 200),
            ("slashes too many", b"GET ///healthz// HTTP/1.0\r\n\r\n", 200), ("two slashes", b"GET // HTTP/1.0\r\n\r\n", 200),
            ("a compressed body", request(more=b"Content-Encoding: gzip\r\n"), 415), ("one that is not", request(more=b"Content-Encoding: identity\r\n"), 200),
            ("an end behind it", b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 400),
            ("an end in the middle", request()[:-4], None)):
        answer = talk(port, data)
        got = answer.split(b"\r\n")[0]
        check(code is None and not answer or code and b" %d " % code in got, f"{name}: {got}")
    for method, path, allowed in (("GET", "/alerts", "POST"), ("OPTIONS", "/api/v2/alerts", "POST, GET, HEAD"), ("PATCH", "/webhook/x", "POST, PUT"),
                                  ("DELETE", "/heartbeat/etl/fail", "POST, GET, HEAD"), ("POST", "/healthz", "GET, HEAD")):
        answer = ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), method, path)[2]
        check((answer.status, answer.getheader("Allow")) == (405, allowed), f"{method} {path}: {answer.getheader('Allow')}")
    # what a browser's page would send, by a name that points here for a moment
    status, _, _ = ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "GET", "/", Host="evil.example:9400")
    check(status == 403, f"by another name: {status}")
    status, _, _ = ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "POST", "/alerts", ALERT,
                       Origin="https://evil.example")
    check(status == 403, f"by a page: {status}")
    check(ask(Local(bot.path), "GET", "/healthz")[0] == 200, "not well")
    bot.stop()
    server.shut()


def test_http_bodies_take_little_memory_and_time():
    """What would take a hundred times its length as a tree is refused before; what a large body may
    bring holds up nobody; large bodies that never end leave room for small ones."""
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\n")
    size = 4 << 20
    for name, body, code in (("arrays", "[" + "[]," * (size // 3 - 2) + "[]]", 413), ("objects", "[" + "{}," * (size // 3 - 2) + "{}]", 413),
                             ("lines", '"\n' + "[]," * (size // 3 - 2), 413),
                             ("members", '{"app":"a",' + ",".join(f'"{i}":{i}' for i in range(250000)) + "}", 413),
                             ("texts", '{"app":"a",' + ",".join(f'"{i}":"{"x" * 400}"' for i in range(10000)) + "}", 200),
                             ("a shared link", json.dumps({"externalURL": "x" * (size // 2), "alerts": [AM_ALERT] * 1000}), 200)):
        began = time.monotonic()
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        status, text, _ = ask(web, "POST", "/alertmanager" if "link" in name else "/alerts", body)
        check(status == code, f"{name}: {status} {text[:200]}")
        check(time.monotonic() - began < 20, f"{name}: {time.monotonic() - began} s")
    unfinished = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(17)]
    for s in unfinished:
        s.sendall(f"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * (size - 1))
    web = Local(bot.path)
    until(lambda: ask(web, "POST", "/alerts", "x" * (1 << 20))[0] == 503, "too many large requests")
    check(ask(web, "POST", "/alerts", ALERT)[0] == 200, "a small one is refused")
    for s in unfinished:
        s.close()
    until(lambda: ask(web, "POST", "/alerts", json.dumps({"app": "a", "text": "x" * (1 << 20)}))[0] == 200, "room again")
    bot.stop()
    server.shut()


def test_http_answers_that_nobody_reads_are_bounded():
    """16 MiB of them are held; then large answers are short, until the peers have left. What was stored stays stored. Sixteen
    are made at once."""
    server, bot = started()
    web = Local(bot.path)
    fill = json.dumps([{"app": f"app{i}", "title": "t", "text": "x" * 8000} for i in range(80)])
    check(ask(web, "POST", "/alerts", fill)[0] == 200, "not stored")
    size = len(ask(web, "GET", "/api/v2/alerts")[1])
    check(size > 300000, str(size))
    deaf = []
    for _ in range((16 << 20) // size):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(bot.path))
        s.sendall(b"GET /api/v2/alerts HTTP/1.1\r\nHost: x\r\n\r\n")
        check(s.recv(12, socket.MSG_PEEK), "no answer")  # it began, and most of it waits in memory
        deaf.append(s)
    status, text, more = ask(web, "GET", "/api/v2/alerts")
    check(status == 503 and more.getheader("Retry-After") == "1", f"{status} {text[:200]}")
    status, text, _ = ask(web, "POST", "/alerts", json.dumps([{}] * 4095 + [json.loads(ALERT)]))
    check((status, text) == (200, "{}\n"), f"{status} {len(text)} {text[:200]}")
    check(len(ask(web, "POST", "/alerts", ALERT)[1]) > 10, "a small one is refused")
    for s in deaf:
        s.close()
    until(lambda: ask(web, "GET", "/api/v2/alerts")[0] == 200, "large answers again")
    # nor is everything read for whoever asks and perhaps leaves
    many = [Local(bot.path) for _ in range(60)]
    for one in many:
        one.request("GET", "/api/v2/alerts")
    codes = [one.getresponse().status for one in many]
    check(codes.count(200) >= 16 and codes.count(503) > 0 and len(set(codes)) == 2, str(codes))
    check(ask(web, "GET", "/api/v2/alerts")[0] == 200, "nothing is read any more")
    ended(server, bot)


def test_http_many_large_requests_delay_nobody_else():
    """They take turns with everybody, though they arrive at once."""
    server, bot = started()
    body = json.dumps([{}] * 1500).encode()
    many = []
    for _ in range(40):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(bot.path))
        s.sendall(request(body=body)[:-1])
        many.append(s)
    client = bot.client()
    for s in many:
        s.sendall(body[-1:])
    check(client.call(json.loads(ALERT) | {"op": "alert"})["ok"], "not taken")
    answered = 0
    for s in many:
        with contextlib.suppress(BlockingIOError):
            answered += len(s.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    check(answered <= 20, f"{answered} of them were answered before")
    for s in many:
        check(s.recv(12) == b"HTTP/1.1 400", "not answered")
        s.close()
    client.close()
    ended(server, bot)


def test_clients_leave_file_descriptors_for_the_rest():
    """Each client is told to come again, and what is spooled meanwhile is read and sent."""
    port = free_port()
    server, bot = make(f"[http]\nlisten = 127.0.0.1:{port}\n[delivery]\nthrottle = 0\n")
    program = bot.folder / "few"
    program.write_text(f'#!/bin/sh\nulimit -n 64\nexec "{bot.program.resolve()}" "$@"\n')
    program.chmod(0o700)
    bot.program = program
    bot.start()

    def refused():
        try:
            return bot.call({"op": "status"}).get("error") == "busy"
        except ConnectionError:  # closed at once
            return False

    def filled():
        """What the start held open for a moment leaves places."""
        held.append(make_one())
        return refused()

    for make_one in (lambda: socket.create_connection(("127.0.0.1", port), 30), lambda: Client(bot.path).socket):
        held = [make_one() for _ in range(60)]
        until(filled, "a client that is refused")
        before = len(server.timeline)
        done = subprocess.run([BUILD / "bot/client/matrix-send-message", "-c", bot.config, "-a", "spooled", "--title", str(before)],
                              capture_output=True, text=True, timeout=30)
        check(done.returncode == 0 and done.stdout == "spooled\n", str(done))
        server.wait(lambda n=before: len(server.timeline) > n, 15)
        for s in held:
            s.close()
        until(lambda: not refused(), "a place")
    bot.stop()
    server.shut()


def test_http_partial_batches_are_answered_by_element():
    server, bot = started()
    web = Local(bot.path)
    good = json.loads(ALERT)
    for path, body, want in (
            ("/alerts", [good, 7, None, {"title": "no app"}, good], [True, False, False, False, True]),
            ("/api/v2/alerts", [AM_ALERT, 7, {"labels": []}, {}], [True, False, False, False]),
            ("/alertmanager", {"version": "4", "alerts": [{}, AM_ALERT, {"labels": None}]}, [False, True, False])):
        status, text, _ = ask(web, "POST", path, json.dumps(body))
        check(status == 200 and [a["ok"] for a in json.loads(text)] == want, f"{path}: {status} {text}")
    for path, body, code in (("/api/v2/alerts", [7], 400), ("/api/v2/alerts", [], 200), ("/api/v2/alerts", {}, 400),
                             ("/alertmanager", {"alerts": [{}]}, 400), ("/alerts", [{}] * 5000, 413),
                             ("/api/v2/alerts", [AM_ALERT] * 5000, 413), ("/alerts", "x\n" * 5000, 413)):
        status, text, _ = ask(web, "POST", path, body if isinstance(body, str) else json.dumps(body))
        check(status == code, f"{path} {str(body)[:40]}: {status} {text[:200]}")
    bot.stop()
    server.shut()


def test_http_503_for_what_passes_and_200_only_when_it_is_stored():
    server, bot = started()
    bot.call({"op": "alert", "app": "a", "title": "x"})
    server.wait(lambda: server.bodies("!dev:fake.local"))
    check(ask(Local(bot.path), "POST", "/alerts", json.dumps([{"app": "a", "id": f"i-{i}", "title": "x"} for i in range(300)]))[0] == 200,
          "not taken")
    bot.kill()  # at once: what was answered with 200 is there
    bot.start()
    answers = json.loads(ask(Local(bot.path), "POST", "/alerts", json.dumps(
        [{"app": "a", "id": f"i-{i}", "title": "x"} for i in range(300)]))[1])
    check({a["state"] for a in answers} == {"duplicate"}, str(answers[:3]))
    # somebody holds the database: that passes
    other = sqlite3.connect(bot.folder / "operations.db", timeout=30, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    status, text, answer = ask(Local(bot.path), "POST", "/alertmanager", json.dumps({"version": "4", "alerts": [AM_ALERT]}))
    check(status == 503 and answer.getheader("Retry-After") and json.loads(text)["retry"], f"{status} {text}")
    other.execute("ROLLBACK")
    other.close()
    check(ask(Local(bot.path), "POST", "/alertmanager", json.dumps({"version": "4", "alerts": [AM_ALERT]}))[0] == 200, "not taken")
    bot.stop()
    server.shut()


def test_http_what_prometheus_posted_survives_a_restart():
    server, bot = started()
    web = Local(bot.path)
    alert = {**AM_ALERT, "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))}
    check(ask(web, "POST", "/api/v2/alerts", json.dumps([alert]))[0] == 200, "not taken")
    server.wait(lambda: any("load is" in body for body in server.bodies(OPS)))
    bot.kill()
    bot.start()
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)), 60)
    # it begins again under the startsAt that it had, which Prometheus keeps
    alert["endsAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    check(ask(Local(bot.path), "POST", "/api/v2/alerts", json.dumps([alert]))[0] == 200, "not taken")
    check(len(bot.call({"op": "firing"})["alerts"]) == 1, "it does not fire")
    bot.stop()
    server.shut()
