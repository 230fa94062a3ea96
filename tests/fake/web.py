"""HTTP: on the Unix socket and over TCP, as curl and webhooks speak it."""
import http.client
import json
import signal
import socket
import subprocess
import time
import urllib.parse

from bot import BUILD, Bot, Client
from harness import check, until
from homeserver import Homeserver

OPS = "!ops:fake.local"
AM_ALERT = {"labels": {"alertname": "HighLoad", "instance": "db1:9100", "job": "node", "severity": "page"},
            "annotations": {"summary": "load is <no value> high", "description": "on db1%!f(string=x)"},
            "startsAt": "2026-11-26T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://prometheus.example/graph?g0.expr=up"}


class Local(http.client.HTTPConnection):
    """HTTP over the Unix socket."""

    def __init__(self, path):
        super().__init__("bot", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(connection, method, path, body=None, **headers):
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer


def make(extra=""):
    server = Homeserver()
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"}, extra)
    bot.server = server
    return server, bot


def started(extra=""):
    server, bot = make("[delivery]\nthrottle = 0\n" + extra)
    bot.start()
    return server, bot


def ended(server, bot):
    bot.stop()
    server.shut()


def test_http_takes_alerts_on_the_socket():
    server, bot = started()
    web = Local(bot.path)
    status, text, _ = ask(web, "POST", "/alerts", json.dumps({"app": "a", "title": "one", "severity": "critical"}))
    check(status == 200 and json.loads(text)["state"] == "queued", text)
    status, text, _ = ask(web, "POST", "/alerts", json.dumps([{"app": "b", "title": "two"}, {"title": "no app"}]))
    answers = json.loads(text)
    check(status == 200 and answers[0]["ok"] and answers[1]["field"] == "app", text)  # by element
    status, text, _ = ask(web, "POST", "/alerts", '{"app":"c","title":"three"}\n\nnonsense\n{"app":"d","n":NaN}\n')
    answers = json.loads(text)
    check(status == 200 and [a["ok"] for a in answers] == [True, False, True] and answers[2]["warnings"], text)
    for body, code in (("", 400), ("nonsense", 400), ("[1]", 400), ('{"title":"no app"}', 400), ("[]", 200)):
        status, text, _ = ask(web, "POST", "/alerts", body)
        check(status == code, f"{body}: {status} {text}")
    check(ask(web, "GET", "/alerts")[0] == 405 and ask(web, "GET", "/nowhere")[0] == 404, "not told apart")
    # the other protocol, on the same socket
    check(bot.call({"op": "alert", "app": "e", "title": "x"})["ok"], "no JSON any more")
    server.wait(lambda: any("one" in body for body in server.bodies(OPS)))
    ended(server, bot)


def test_http_bounds_bodies_and_ends_with_the_daemon():
    server, bot = started()
    status, text, _ = ask(Local(bot.path), "POST", "/alerts", "x" * (5 << 20))
    check(status == 413, f"{status} {text}")
    hanging = [Client(bot.path) for _ in range(5)]
    for client in hanging:  # headers that never end
        client.socket.sendall(b"POST /alerts HTTP/1.1\r\nHost: x\r\nContent-Le")
    many = Local(bot.path)
    for i in range(50):
        check(ask(many, "POST", "/alerts", json.dumps({"app": "a", "title": str(i)}))[0] == 200, "not taken")
    started_at = time.monotonic()
    bot.stop()
    check(time.monotonic() - started_at < 8, "stopping took too long")
    for client in hanging:
        client.close()
    server.shut()


def test_http_over_tcp_wants_a_token():
    port = free_port()
    server, bot = make(f"[http]\nlisten = 127.0.0.1:{port}\n")
    tokens = bot.folder / "tokens"
    tokens.write_text("# name rights token\nprom send,read s3cret\nreader read r3ad\n")
    tokens.chmod(0o600)
    bot.config.write_text(bot.config.read_text() + f"tokens = {tokens}\n")
    bot.start()
    web = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    alert = json.dumps({"app": "a", "title": "x"})
    for headers, path, code in (({}, "/healthz", 200), ({}, "/alerts", 401),
                                ({"Authorization": "Bearer wrong"}, "/alerts", 401),
                                ({"Authorization": "Bearer r3ad"}, "/alerts", 403),
                                ({"Authorization": "bearer s3cret"}, "/alerts", 200),
                                # a program's password, as GitHub, Grafana and Alertmanager send it; no browser's
                                ({"Authorization": "Basic eDpzM2NyZXQ="}, "/alerts", 200),
                                ({"Authorization": "Basic eDpzM2NyZXQ=", "Origin": "https://evil.example"}, "/alerts", 401),
                                ({"Authorization": "Basic eDpzM2NyZXQ=", "Sec-Fetch-Site": "none"}, "/alerts", 401)):
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        status, text, _ = ask(web, "GET" if path == "/healthz" else "POST", path, alert, **headers)
        check(status == code, f"{headers} {path}: {status} {text}")
    check("s3cret" not in bot.log.read_text(), "a token is in the log")
    ended(server, bot)


def test_a_reload_with_token_files_of_no_use_is_rejected():
    """By whoever asks; the previous tokens and the rest of the previous config stay."""
    port = free_port()
    server, bot = make(f"[http]\nlisten = 127.0.0.1:{port}\n")
    tokens, other = bot.folder / "tokens", bot.folder / "other"
    tokens.write_text("prom send s3cret\n")
    tokens.chmod(0o600)
    good = bot.config.read_text() + f"tokens = {tokens}\n"
    bot.config.write_text(good)
    bot.start()

    def send(token):
        return ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), "POST", "/alerts", json.dumps({"app": "a", "title": "x"}),
                   Authorization=f"Bearer {token}")[0]

    def reload():
        return subprocess.run([BUILD / "bot/matrix-telemetry-bot", "-c", bot.config, "reload"], capture_output=True, text=True, timeout=30)
    for text, mode, said in (("prom all n3w\n", 0o600, "other:1: a line is NAME RIGHTS TOKEN"), ("prom send n3w\n", 0o644, "accessible by other users"),
                             (None, None, "cannot read"), ("prom send n3w\n" * 1001, 0o600, "more than 1000 tokens")):
        other.unlink(missing_ok=True)
        if text:
            other.write_text(text)
            other.chmod(mode)
        bot.config.write_text(good.replace(f"tokens = {tokens}", f"tokens = {other}") + "[delivery]\nthrottle = 7s\n")
        done = reload()
        check(done.returncode == 78 and said in done.stderr and "keeping the previous" in done.stderr and not done.stdout, str(done))
        check(send("s3cret") == 200 and send("n3w") == 401, "other tokens")
    for extra in (f"token_file = {other}-none\n", f"[meta]\nhomeserver = {server.url}\nuser = @m:fake.local\ntoken_file = {other}-none\n"):
        bot.config.write_text(good + extra)
        done = reload()
        check(done.returncode == 78 and "token_file" in done.stderr and f"{other}-none" in done.stderr, str(done))
    own = bot.config.read_text().split("token_file = ")[1].split("\n")[0]
    bot.config.write_text(good.replace(own, f"{other}-none", 1))
    done = reload()
    check(done.returncode == 78 and "[matrix] token_file" in done.stderr and f"{other}-none" in done.stderr, str(done))
    other.write_text("prom send n3w\n")
    other.chmod(0o600)
    bot.config.write_text(good.replace(f"tokens = {tokens}", f"tokens = {other}"))
    check(reload().returncode == 0 and send("n3w") == 200 and send("s3cret") == 401, "does not recover")
    ended(server, bot)


def test_http_health_and_heartbeats():
    server, bot = started()
    web = Local(bot.path)
    until(lambda: ask(web, "GET", "/readyz")[1] == "ready\n", "ready")
    check(ask(web, "GET", "/healthz")[:2] == (200, "ok\n"), "not healthy")
    status, text, _ = ask(web, "GET", "/heartbeat/etl?every=1h&name=nightly")
    check(status == 200 and json.loads(text)["state"] == "new", text)
    status, text, _ = ask(web, "POST", "/heartbeat/etl?name=nightly", "output of the job")
    check(status == 200 and json.loads(text)["state"] == "seen", text)
    check(ask(web, "GET", "/heartbeat/")[0] == 404, "a heartbeat of nobody")
    # as the ping URLs of Healthchecks and the push monitors of Uptime Kuma are called
    for path, body, code, state, said in (
            ("start?name=nightly", "", 200, "ignored", None), ("log?name=nightly", "a line", 200, "ignored", None),
            ("7?name=nightly", "é\n" * 2000 + "no space \udcff\n", 200, "failed", "🚨 etl · heartbeat nightly FAILED\nexit 7\n…\n" + 9 * "é\n" + "no space �"),
            ("0?name=nightly&rid=123e4567", "", 200, "back", "✅ etl · heartbeat nightly resolved"), ("fail/?name=nightly", "", 200, "failed", None),
            ("?name=nightly", "", 200, "back", None), ("?name=nightly&status=down&msg=No+route&ping=", "", 200, "failed", "\nNo route"),
            ("?name=nightly&status=up&msg=OK&ping=3", "", 200, "back", None),
            ("1000?name=nightly", "", 404, None, None), ("failed?name=nightly", "", 404, None, None), ("fail?name=other", "", 400, None, None)):
        status, text, _ = ask(web, "POST", f"/heartbeat/etl/{path}", body.encode("utf-8", "surrogateescape"))
        check(status == code and json.loads(text).get("state") == state, f"{path}: {status} {text}")
        if said:
            until(lambda said=said: any(said in body for body in server.bodies(OPS)), lambda said=said: f"{said}: {server.bodies(OPS)}", 10)
    check(ask(web, "HEAD", "/heartbeat/etl/?name=nightly")[:2] == (200, ""), "HEAD")
    ended(server, bot)


def test_http_alertmanagers_webhook():
    server, bot = started()
    web = Local(bot.path)
    hook = {"version": "4", "status": "firing", "externalURL": "https://am.example", "truncatedAlerts": 2,
            "alerts": [{**AM_ALERT, "status": "firing", "fingerprint": "ignored"}]}
    status, text, _ = ask(web, "POST", "/alertmanager", json.dumps(hook))
    first = json.loads(text)
    check(status == 200 and first["state"] == "queued", text)
    status, text, _ = ask(web, "POST", "/alertmanager", json.dumps(hook))  # the other one of a cluster
    check(status == 200 and json.loads(text)["state"] == "duplicate", text)
    server.wait(lambda: any("load is  high" in body and "on db1" in body and "%!" not in body
                            for body in server.bodies(OPS)))
    hook["alerts"][0].update(status="resolved", endsAt="2026-11-26T10:05:00Z")
    status, text, _ = ask(web, "POST", "/alertmanager", json.dumps(hook))
    check(status == 200 and json.loads(text)["ok"], text)
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)))
    check(bot.log.read_text().count("/alertmanager: the sender left out 2 alerts") == 1, bot.log.read_text())
    check(ask(web, "POST", "/alertmanager", "{}")[0] == 400, "no webhook")
    ended(server, bot)


def test_http_resolved_is_of_what_fired_under_another_app():
    """As after an upgrade or another [labels]: by the sender's own words, whatever app they make."""
    server, bot = started("[labels]\napp = team\n")
    web = Local(bot.path)
    quiet = {**AM_ALERT, "labels": {**AM_ALERT["labels"], "team": "night", "alertname": "Quiet"}, "annotations": {"summary": "held back"}}
    bot.call({"op": "silence", "what": "app=night", "duration": "1h"})
    said = [json.dumps({"version": "4", "alerts": [{**alert, "status": status, "endsAt": "2026-11-26T10:05:00Z"} for alert in (AM_ALERT, quiet)]})
            for status in ("firing", "resolved")]
    states = [a["state"] for a in json.loads(ask(web, "POST", "/alertmanager", said[0])[1])]
    check(states == ["queued", "silenced"], str(states))
    server.wait(lambda: any("🚨 alertmanager · load is" in body for body in server.bodies(OPS)))
    bot.config.write_text(bot.config.read_text().replace("app = team", "app = none"))
    bot.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in bot.log.read_text(), "the config is read")
    answers = json.loads(ask(web, "POST", "/grafana", said[1])[1])
    check([a["state"] for a in answers] == ["grouped", "silenced"], str(answers))
    server.wait(lambda: any("✅ alertmanager · load is" in body for body in server.bodies(OPS)))
    check(not [a for a in bot.call({"op": "firing"})["alerts"]], "it still fires")
    answers = json.loads(ask(web, "POST", "/grafana", said[1])[1])  # once more
    check([a["state"] for a in answers] == ["duplicate", "duplicate"], str(answers))
    ended(server, bot)


def test_http_prometheus_posts_what_fires_until_it_ends():
    server, bot = started()
    web = Local(bot.path)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    alert = {**AM_ALERT, "endsAt": soon}
    for _ in range(3):
        status, text, _ = ask(web, "POST", "/api/v2/alerts", json.dumps([alert]))
        check(status == 200 and text == "", text)
    server.wait(lambda: any("load is" in body for body in server.bodies(OPS)))
    check(len(server.bodies(OPS)) == 1, "told more than once")
    # it does not come again, and nobody says that it is over
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)))
    ended(server, bot)


def test_http_webhooks():
    server, bot = started("[webhook ci]\ntitle = {/job/name} failed\nstatus = {/job/result}\nkey = {/job/name}\n"
                          "severity = critical\nfields = host={/job/host}\n[webhook flat]\ntitle = {/what} {/ok}\n"
                          # GitHub's workflows, which it tells of from their beginning on
                          "[webhook github]\nstatus = {/workflow_run/conclusion}\nfiring = failure, timed_out\nresolved = success\n"
                          "title = {/repository/full_name}: {/workflow_run/name} on {/workflow_run/head_branch}\nseverity = critical\n"
                          "url = {/workflow_run/html_url}\nrun_id = {/workflow_run/id}\n")
    web = Local(bot.path)
    job = {"job": {"name": "nightly build", "result": "broken", "host": "ci1"}}
    status, text, _ = ask(web, "POST", "/webhook/ci", json.dumps(job))
    check(status == 200 and json.loads(text)["state"] == "queued", text)
    server.wait(lambda: any("nightly build failed" in body for body in server.bodies(OPS)))
    job["job"]["result"] = "ok"
    check(ask(web, "POST", "/webhook/ci", json.dumps(job))[0] == 200, "not resolved")
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)))
    # with the members that each program sends
    kuma = {"heartbeat": {"monitorID": 1, "status": 0, "time": "2026-11-26 10:00:00.123", "msg": "timeout", "ping": None, "important": True,
                          "duration": 60, "timezone": "Europe/Madrid", "localDateTime": "2026-11-26 11:00:00"},
            "monitor": {"id": 1, "name": "shop", "url": "https://", "hostname": "db1", "port": None, "type": "ping"}, "msg": "[shop] [🔴 Down] timeout"}
    healthchecks = {"name": "backup", "slug": "backup", "tags": "", "desc": "", "grace": 3600, "n_pings": 5, "status": "down", "started": False,
                    "last_ping": "2026-11-26T10:00:00+00:00", "next_ping": None, "uuid": "79b84ab1-9bd6-440f-85fc-43de38bc30d7", "timeout": 86400}
    grafana = {"receiver": "bot", "status": "firing", "orgId": 1, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
               "externalURL": "https://g.example/", "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0, "title": "[FIRING:1]", "state": "alerting",
               "message": "**Firing**", "alerts": [{
                   "status": "firing", "labels": {"alertname": "High memory", "severity": "critical", "grafana_folder": "Infra"},
                   "annotations": {"summary": "memory is short", "description": "of db1", "runbook_url": "https://run.example/1"},
                   "startsAt": time.strftime("%Y-%m-%dT%H:%M:%S.123456+00:00", time.gmtime()), "endsAt": "0001-01-01T00:00:00Z", "values": {"B": 44.2, "C": 1},
                   "valueString": "[ var='B' labels={} value=44.2 ]", "generatorURL": "https://g.example/alerting/1/edit", "fingerprint": "c6eadffa33fcdf37",
                   "silenceURL": "https://g.example/alerting/silence/new", "dashboardURL": "https://g.example/d/1",
                   "panelURL": "https://g.example/d/1?viewPanel=2", "imageURL": "https://g.example/1.png"}]}
    ends = {"/uptime-kuma": {**kuma, "heartbeat": {**kuma["heartbeat"], "status": 1}}, "/healthchecks": {**healthchecks, "status": "up"},
            "/grafana": {**grafana, "status": "resolved", "alerts": [{**grafana["alerts"][0], "status": "resolved", "endsAt": time.strftime(
                "%Y-%m-%dT%H:%M:%SZ", time.gmtime())}]}}
    for path, body, said in (("/uptime-kuma", kuma, "uptime-kuma · shop\n[shop] [🔴 Down] timeout"), ("/healthchecks", healthchecks, "healthchecks · backup is down"),
                             ("/grafana", grafana, "grafana · memory is short\nof db1\ndashboard: https://g.example/d/1?viewPanel=2 · "
                              "runbook: https://run.example/1 · silence: https://g.example/alerting/silence/new")):
        check(ask(web, "POST", path, json.dumps(body))[0] == 200, "not taken")
        server.wait(lambda said=said: any("🚨 " + said == body for body in server.bodies(OPS)))
        check(ask(web, "POST", path, json.dumps(ends[path]))[0] == 200, "not taken")
        name = said.split("\n")[0].replace(" is down", "")
        server.wait(lambda name=name: any(body.startswith("✅ " + name) and " resolved" in body for body in server.bodies(OPS)))
    check(ask(web, "POST", "/uptime-kuma", json.dumps({"heartbeat": None, "monitor": None, "msg": "hook Testing"}))[0] == 200, "not taken")
    server.wait(lambda: any("⚠️ uptime-kuma · hook Testing" in body for body in server.bodies("!dev:fake.local")))
    for conclusion, state in (("ping", "ignored"), (None, "ignored"), ("cancelled", "ignored"), ("failure", "queued"), ("success", "grouped")):
        run = {"id": 30433642, "name": "Build", "head_branch": "main", "html_url": "https://github.example/o/r/actions/runs/30433642",
               "status": "completed" if conclusion else "queued", "conclusion": conclusion}
        body = {"zen": "Keep it logically awesome.", "hook_id": 1} if conclusion == "ping" else {
            "action": "completed", "workflow_run": run, "repository": {"full_name": "o/r"}}
        answer = json.loads(ask(web, "POST", "/webhook/github", json.dumps(body))[1])
        check(answer["ok"] and answer["state"] == state, f"{conclusion}: {answer}")
        if conclusion == "failure":
            server.wait(lambda: any("o/r: Build on main" in body and "30433642" in body for body in server.bodies(OPS)))
    # as forms: Uptime Kuma's other content type, GitHub's, and one that has no JSON in it
    kuma["monitor"]["name"] = job["job"]["name"] = "form"
    job["job"]["result"] = "broken"
    multipart = "".join(f'------form7\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                        for name, value in (("before", "1"), ("data", json.dumps(kuma, indent=1)))) + "------form7--\r\n"
    for path, kind, body in (("/uptime-kuma", "multipart/form-data; boundary=----form7", multipart),
                             ("/webhook/ci", "application/x-www-form-urlencoded", urllib.parse.urlencode({"payload": json.dumps(job)})),
                             ("/webhook/flat", "application/x-www-form-urlencoded; charset=UTF-8", "what=a+flat%20form%21&ok=%C3%A9"),
                             ("/webhook/flat", "application/x-www-form-urlencoded", '{"what":"no form","ok":1}')):
        status, text, _ = ask(web, "POST" if "flat" not in path else "PUT", path, body, **{"Content-Type": kind})
        check(status == 200, f"{path}: {text}")
    for said in ("🚨 uptime-kuma · form\n", "form failed", "a flat form! é", "no form 1"):
        server.wait(lambda said=said: any(said in body for room in (OPS, "!dev:fake.local") for body in server.bodies(room)))
    for kind, body in (("multipart/form-data", multipart), ("multipart/form-data; boundary=----form8", multipart), ("application/x-www-form-urlencoded", "%%%"),
                       ("multipart/form-data; boundary=----form7", multipart[:40])):
        check(ask(web, "POST", "/webhook/flat", body, **{"Content-Type": kind})[0] == 400, f"{kind}: {body[:20]}")
    check(ask(web, "POST", "/webhook/other", "{}")[0] == 404 and ask(web, "POST", "/webhook/ci", "no")[0] == 400,
          "what is none is taken")
    ended(server, bot)
