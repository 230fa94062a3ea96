"""HTTP: on the Unix socket and over TCP, as curl, Prometheus and Alertmanager speak it."""
import http.client
import json
import pathlib
import re
import shutil
import socket
import subprocess
import time

from bot import Bot, Client
from harness import Skip, check, until
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
                                ({"Authorization": "bearer s3cret"}, "/alerts", 200)):
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        status, text, _ = ask(web, "GET" if path == "/healthz" else "POST", path, alert, **headers)
        check(status == code, f"{headers} {path}: {status} {text}")
    check("s3cret" not in bot.log.read_text(), "a token is in the log")
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
    ended(server, bot)


def test_http_metrics_are_well_formed():
    server, bot = started()
    bot.call({"op": "alert", "app": "a", "title": "x", "severity": "critical"})
    server.wait(lambda: server.bodies(OPS))
    web = Local(bot.path)
    status, text, answer = ask(web, "GET", "/metrics")
    check(status == 200 and answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"), text)
    check('matrix_telemetry_bot_alerts_last_day{severity="critical"} 1\n' in text, text)
    check("\nmatrix_telemetry_bot_events_sent_total " in text and "# EOF" not in text, text)
    if shutil.which("promtool"):
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        check(lint.returncode == 0 and not lint.stdout + lint.stderr, lint.stdout + lint.stderr)
    check("matrix_telemetry_bot_problems{" not in text, "a problem: " + text)
    if shutil.which("promtool"):
        rules = pathlib.Path(__file__).parents[2] / "bot/packaging/prometheus-rules.yml"
        lint = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
        check(lint.returncode == 0 and "6 rules found" in lint.stdout, lint.stdout + lint.stderr)
        for name in set(re.findall(r"matrix_telemetry_bot_\w+", rules.read_text())) - {"matrix_telemetry_bot_sync_age_seconds"}:
            check(f"# TYPE {name} " in text, f"the rules ask for {name}, which there is not")
    status, text, answer = ask(web, "GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    check("openmetrics" in answer.getheader("Content-Type") and text.endswith("# EOF\n"), text[-200:])
    check("# TYPE matrix_telemetry_bot_events_sent counter\n" in text, text)
    ended(server, bot)


def test_http_alertmanagers_webhook():
    server, bot = started()
    web = Local(bot.path)
    hook = {"version": "4", "status": "firing", "externalURL": "https://am.example",
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
    check(ask(web, "POST", "/alertmanager", "{}")[0] == 400, "no webhook")
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


def test_http_a_real_prometheus_posts():
    if not shutil.which("prometheus"):
        raise Skip("no prometheus")
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\n")
    (bot.folder / "rules.yml").write_text(
        "groups: [{name: g, interval: 1s, rules: [{alert: Always, expr: vector(1), "
        "labels: {severity: page}, annotations: {summary: always firing}}]}]\n")
    (bot.folder / "prometheus.yml").write_text(
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs: [{job_name: bot, "
        f"scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]}}\n")
    own = free_port()
    log = open(bot.folder / "prometheus.log", "w")
    process = subprocess.Popen(["prometheus", f"--config.file={bot.folder}/prometheus.yml",
                                f"--storage.tsdb.path={bot.folder}/tsdb", "--rules.alert.resend-delay=1s",
                                f"--web.listen-address=127.0.0.1:{own}"],
                               stdout=log, stderr=log)
    try:
        server.wait(lambda: any("always firing" in body for body in server.bodies(OPS)), 60)

        def scraped():
            try:
                web = http.client.HTTPConnection("127.0.0.1", own, timeout=10)
                _, text, _ = ask(web, "GET", "/api/v1/query?query=matrix_telemetry_bot_uptime_seconds")
                return '"value"' in text
            except OSError:
                return False
        until(scraped, "Prometheus scraped the bot", 60)
    finally:
        process.kill()
        process.wait()
        log.close()
    ended(server, bot)


def test_http_amtool_works():
    if not shutil.which("amtool"):
        raise Skip("no amtool")
    port = free_port()
    server, bot = make(f"[http]\nlisten = 127.0.0.1:{port}\n")
    token = bot.folder / "http-token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    bot.config.write_text(bot.config.read_text() + f"token_file = {token}\n")
    bot.start()
    client = bot.folder / "client.yml"
    client.write_text("authorization: {type: Bearer, credentials: s3cret}\n")

    def amtool(*arguments, code=0):
        done = subprocess.run(["amtool", f"--alertmanager.url=http://127.0.0.1:{port}", f"--http.config.file={client}",
                               *arguments], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(bot.folder)})
        check(done.returncode == code, f"{arguments}: {done}")
        return done.stdout

    amtool("alert", "add", "HighLoad", "job=node", "severity=page", "--annotation=summary=load is high")
    bot.call({"op": "alert", "app": "etl", "kind": "node_failed", "run_id": "r-1",
              "fields": {"node_id": "users", "a label": 7}})
    server.wait(lambda: any("load is high" in body for body in server.bodies(OPS)))
    alerts = {a["labels"]["alertname"]: a for a in json.loads(amtool("alert", "query", "-o", "json"))}
    check(alerts["HighLoad"]["labels"]["job"] == "node" and alerts["HighLoad"]["labels"]["severity"] == "critical" and
          alerts["HighLoad"]["annotations"]["summary"] == "load is high", str(alerts))
    check(alerts["users"]["labels"]["app"] == "etl" and alerts["users"]["labels"]["a_label"] == "7", str(alerts))
    identity = amtool("silence", "add", "app=etl", 'node_id=~"us.*"', "job!=x", "--duration=2h", "--author=op",
                      "--comment=a deploy").strip()
    silences = json.loads(amtool("silence", "query", "-o", "json"))
    check([s["id"] for s in silences] == [identity] and silences[0]["status"]["state"] == "active" and
          "a deploy" in silences[0]["comment"], str(silences))
    check({(m["name"], m["value"], m["isRegex"], m["isEqual"]) for m in silences[0]["matchers"]} ==
          {("app", "etl", False, True), ("node_id", "us.*", True, True), ("job", "x", False, False)}, str(silences))
    answer = bot.call({"op": "alert", "app": "etl", "kind": "node_failed", "fields": {"node_id": "users"}})
    check(answer["state"] == "silenced", str(answer))
    amtool("silence", "expire", identity)
    check(json.loads(amtool("silence", "query", "-o", "json")) == [], "it still holds")
    amtool("silence", "expire", identity, code=1)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200))
    amtool("silence", "add", "app=etl", f"--start={later}", "--duration=1h", "--author=op", "--comment=later")
    check(json.loads(amtool("silence", "query", "-o", "json"))[0]["status"]["state"] == "pending", "not later")
    check("versionInfo" in ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/api/v2/status",
                               Authorization="Bearer s3cret")[1], "no status")
    bot.stop()
    server.shut()


def test_http_a_real_alertmanager_posts_as_a_cluster():
    """Two of them, which both send what the first has sent already."""
    if not shutil.which("prometheus-alertmanager"):
        raise Skip("no alertmanager")
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\n")
    config = bot.folder / "alertmanager.yml"
    config.write_text("route: {receiver: bot, group_wait: 0s, group_interval: 1s}\n"
                      f"receivers: [{{name: bot, webhook_configs: [{{url: 'http://127.0.0.1:{port}/alertmanager'}}]}}]\n")
    ports = [free_port(), free_port()]
    log = open(bot.folder / "alertmanager.log", "w")
    processes = [subprocess.Popen(
        ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={bot.folder}/am{own}",
         f"--web.listen-address=127.0.0.1:{own}", "--cluster.listen-address="], stdout=log, stderr=log) for own in ports]
    try:
        body = json.dumps([{**AM_ALERT, "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}])

        def posted(own):
            try:
                return ask(http.client.HTTPConnection("127.0.0.1", own, timeout=10), "POST", "/api/v2/alerts", body,
                           **{"Content-Type": "application/json"})[0] == 200
            except OSError:
                return False
        for own in ports:
            until(lambda own=own: posted(own), "Alertmanager takes the alert", 60)
        server.wait(lambda: any("load is" in b for b in server.bodies(OPS)), 60)
        # both have handed it in when each counts a notification
        for own in ports:
            until(lambda own=own: 'alertmanager_notifications_total{integration="webhook"} 1' in ask(
                http.client.HTTPConnection("127.0.0.1", own, timeout=10), "GET", "/metrics")[1], "a notification", 60)
        check(len([b for b in server.bodies(OPS) if "load is" in b]) == 1, str(server.bodies(OPS)))
        fingerprint = json.loads(ask(http.client.HTTPConnection("127.0.0.1", ports[0]), "GET", "/api/v2/alerts")[1])[0]
        stored = bot.call({"op": "firing"})["alerts"][0]
        check(stored["key"] == fingerprint["fingerprint"], f"{stored['key']} is not {fingerprint['fingerprint']}")
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()
    ended(server, bot)


def test_http_webhooks():
    server, bot = started("[webhook ci]\ntitle = {/job/name} failed\nstatus = {/job/result}\nkey = {/job/name}\n"
                          "severity = critical\nfields = host={/job/host}\n")
    web = Local(bot.path)
    job = {"job": {"name": "nightly build", "result": "broken", "host": "ci1"}}
    status, text, _ = ask(web, "POST", "/webhook/ci", json.dumps(job))
    check(status == 200 and json.loads(text)["state"] == "queued", text)
    server.wait(lambda: any("nightly build failed" in body for body in server.bodies(OPS)))
    job["job"]["result"] = "ok"
    check(ask(web, "POST", "/webhook/ci", json.dumps(job))[0] == 200, "not resolved")
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)))
    kuma = {"heartbeat": {"status": 0}, "monitor": {"name": "shop", "url": "https://shop.example"}, "msg": "[shop] down"}
    check(ask(web, "POST", "/uptime-kuma", json.dumps(kuma))[0] == 200, "not taken")
    check(ask(web, "POST", "/healthchecks", '{"name":"backup","status":"down"}')[0] == 200, "not taken")
    server.wait(lambda: any("shop" in body for body in server.bodies(OPS)) and
                any("backup is down" in body for body in server.bodies(OPS)))
    check(ask(web, "POST", "/webhook/other", "{}")[0] == 404 and ask(web, "POST", "/webhook/ci", "no")[0] == 400,
          "what is none is taken")
    ended(server, bot)
