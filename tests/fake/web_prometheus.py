"""HTTP with what stands around Prometheus: its own tools and programs, Alertmanager, vmalert, and what Grafana asks."""
import datetime
import http.client
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading
import time
import urllib.parse

from harness import Skip, check, until
from web import AM_ALERT, OPS, Local, ask, ended, free_port, make, started

PACKAGING = pathlib.Path(__file__).parents[2] / "bot/packaging"


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"{arguments}: {done.stdout + done.stderr}")
    return done.stdout + done.stderr


def dashboard_queries():
    """Those of the Grafana dashboard, with its variables filled in."""
    dashboard = json.loads((PACKAGING / "grafana-dashboard.json").read_text())
    return [target["expr"].replace("$job", ".*").replace("$instance", ".*")
            for panel in dashboard["panels"] for target in panel["targets"]]


# in no panel and no rule: what others say already, or what hardly changes
NOT_SHOWN = {f"matrix_telemetry_bot_{name}" for name in (
    "alerts_last_day", "build_info", "clients", "delivery_p95_seconds", "rooms_encrypted", "watches")} | {
        "process_start_time_seconds", "process_virtual_memory_bytes"}


def test_dashboard_is_well_formed():
    """Its panels lie beside each other, and each asks of the chosen jobs and instances alone."""
    panels = json.loads((PACKAGING / "grafana-dashboard.json").read_text())["panels"]
    check(len({p["id"] for p in panels}) == len(panels), "a number is there twice")
    cells = [(x, y) for p in panels for at in [p["gridPos"]] for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    check(len(set(cells)) == len(cells) and all(0 <= x < 24 for x, _ in cells), "panels lie over each other")
    for panel in panels:
        check(panel["title"] and panel["datasource"]["uid"] == "${datasource}" and len({t["refId"] for t in panel["targets"]}) == len(panel["targets"]) and
              all('{job=~"$job",instance=~"$instance"' in t["expr"] for t in panel["targets"]), str(panel))


def test_http_metrics_are_well_formed():
    server, bot = started()
    for app, severity, more in (("a", "critical", {"id": "1"}), ("a", "critical", {"id": "1"}), ("a", "critical", {"status": "resolved"}),
                                ("b", "warning", {}), ("c", "info", {})):
        bot.call({"op": "alert", "app": app, "title": "x", "severity": severity, **more})
    server.wait(lambda: any("resolved" in body for body in server.bodies(OPS)))
    for i in range(120):  # names come from outside, and there is an end to them
        bot.call({"op": "alert", "app": f"many-{i}", "title": "x", "severity": "info"})
    bot.call({"op": "silence", "what": "app=z", "duration": "1h"})
    web = Local(bot.path)
    until(lambda: "events_sent_total 0" not in ask(web, "GET", "/metrics")[1], "something is confirmed")
    status, text, answer = ask(web, "GET", "/metrics")
    check(status == 200 and answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"), text)
    for line in ('alerts_last_day{severity="critical"} 1', 'alerts_total{app="a",severity="critical",status="firing"} 1',
                 'alerts_firing{app="b",severity="warning"} 1', 'alerts_firing{app="c",severity="info"} 1',
                 'alerts_total{app="a",severity="",status="resolved"} 1', 'alerts_total{app="b",severity="warning",status="firing"} 1',
                 'alert_states_total{state="duplicate"} 1', "silences 1", "homeserver_online 1", "rate_limited_total 0",
                 'commit_seconds_count 125', 'commit_seconds_bucket{le="+Inf"} 125'):
        check(f"\nmatrix_telemetry_bot_{line}\n" in text, f"{line}:\n{text}")
    check('alerts_firing{app="a"' not in text and text.count("alerts_firing{") == 100, text)
    check(text.count('alerts_total{app="') <= 2 * 102 and 'app="other",severity="info",status="firing"} 23\n' in text, text)
    names = set(re.findall(r"^# TYPE (\w+)", text, re.M))
    wanted = {f"matrix_telemetry_bot_{name}" for name in (
        "alerts_total queue_length queue_oldest_seconds delivery_seconds commit_seconds sync_age_seconds sends_total rate_limited_total "
        "rate_limit_wait_seconds_total silences app_heartbeats app_heartbeats_missed events_encrypted_total undecrypted_events "
        "undeliverable problems").split()} | {f"process_{name}" for name in (
            "resident_memory_bytes virtual_memory_bytes cpu_seconds_total open_fds max_fds start_time_seconds").split()}
    check(not wanted - names, f"missing: {wanted - names}")
    check("# EOF" not in text and "matrix_telemetry_bot_problems{" not in text, text)
    check(int(re.search(r'matrix_telemetry_bot_sends_total{result="ok"} (\d+)', text)[1]) >= 1, text)
    check(int(re.search(r"matrix_telemetry_bot_delivery_seconds_count (\d+)", text)[1]) >= 1, text)
    rules = PACKAGING / "prometheus-rules.yml"
    asked = set(re.findall(r"(?:matrix_telemetry_bot|process)_\w+", rules.read_text() + "".join(dashboard_queries())))
    asked = {re.sub("_(bucket|sum|count)$", "", name) for name in asked}
    check(asked <= names, f"rules or dashboard ask for {asked - names}, which there is not")
    check(names - asked == NOT_SHOWN, f"shown and not: {(names - asked) ^ NOT_SHOWN}")
    tested = (PACKAGING.parents[1] / "tests/fake/prometheus-rules.test.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", rules.read_text()):  # when it fires, and when it does not
        check(f"alertname: {alert}, exp_alerts: []" in tested and f"alertname: {alert}\n        exp_alerts:\n          - " in tested, alert)
    if shutil.which("promtool"):
        check(promtool("check", "metrics", text=text) == "", "promtool found something")
        check("7 rules found" in promtool("check", "rules", rules), "rules")
        tests = bot.folder / "rules.test.yml"
        tests.write_text(tested.replace("RULES", str(rules)))
        promtool("test", "rules", tests)
    status, text, answer = ask(web, "GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    check("openmetrics" in answer.getheader("Content-Type") and text.endswith("# EOF\n"), text[-200:])
    check("# TYPE matrix_telemetry_bot_events_sent counter\n" in text and "# TYPE process_cpu_seconds counter\n" in text, text)
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
        for query in dashboard_queries():
            status, text, _ = ask(http.client.HTTPConnection("127.0.0.1", own, timeout=10), "GET",
                                  "/api/v1/query?query=" + urllib.parse.quote(query))
            check(status == 200, f"{query}: {text}")
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
              "fields": {"node_id": "users", "a field": 7, "long": 60 * "a" + "b"}})
    server.wait(lambda: any("load is high" in body for body in server.bodies(OPS)))
    alerts = {a["labels"]["alertname"]: a for a in json.loads(amtool("alert", "query", "-o", "json"))}
    check(alerts["HighLoad"]["labels"]["job"] == "node" and alerts["HighLoad"]["labels"]["severity"] == "critical" and
          alerts["HighLoad"]["annotations"]["summary"] == "load is high", str(alerts))
    check(alerts["users"]["labels"]["app"] == "etl" and alerts["users"]["annotations"]["a_field"] == "7", str(alerts))

    def names(*arguments):
        return sorted(a["labels"]["alertname"] for a in json.loads(amtool("alert", "query", "-o", "json", *arguments)))
    check(names() == ["HighLoad", "users"] and names("HighLoad") == ["HighLoad"], "by name")
    check(names("app=~e.*") == ["users"] and names("app=etl", "severity=warning") == [], "by matchers")
    check(names("a_field=7") == ["users"] and names("app!=etl") == ["HighLoad"] and names("nothere=x") == [] and len(names("nothere!=x")) == 2, "without")
    check(names("--receiver=matrix") == names() and names("--receiver=mail") == [], "by receiver")
    for query, code in (("filter=app%3Detl", 200), ("filter=app", 400), ("receiver=(", 400), ("filter=app%3D~(a*)*%5C1", 400),
                        ("active=false", 200), ("filter=nothere%3D~(a|aa)%2B", 200), ("&".join(["filter=a!%3Db"] * 9), 400)):
        for path in ("alerts", "alerts/groups", "silences"):
            status, text, _ = ask(http.client.HTTPConnection("127.0.0.1", port), "GET", f"/api/v2/{path}?{query}",
                                  Authorization="Bearer s3cret")
            check(status == code and (code != 200 or isinstance(json.loads(text), list)), f"{path}?{query}: {status} {text}")
    status, text, _ = ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/api/v2/alerts?filter=long%3D~(a|aa)%2B",
                          Authorization="Bearer s3cret")
    check(status == 400 and "takes too long" in text, f"{status} {text}")
    check(json.loads(ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/api/v2/alerts?active=false",
                         Authorization="Bearer s3cret")[1]) == [], "none is silenced")
    identity = amtool("silence", "add", "app=etl", 'node_id=~"us.*"', "job!=x", "--duration=2h", "--author=op",
                      "--comment=a deploy").strip()
    silences = json.loads(amtool("silence", "query", "-o", "json"))
    check([s["id"] for s in silences] == [identity] and silences[0]["status"]["state"] == "active" and
          "a deploy" in silences[0]["comment"], str(silences))
    check({(m["name"], m["value"], m["isRegex"], m["isEqual"]) for m in silences[0]["matchers"]} ==
          {("app", "etl", False, True), ("node_id", "us.*", True, True), ("job", "x", False, False)}, str(silences))
    check(len(json.loads(amtool("silence", "query", "-o", "json", "app=etl"))) == 1, "by its matcher")
    check(json.loads(amtool("silence", "query", "-o", "json", "app=other")) == [], "another")
    answer = bot.call({"op": "alert", "app": "etl", "kind": "node_failed", "fields": {"node_id": "users"}})
    check(answer["state"] == "silenced", str(answer))
    check(names() == ["HighLoad"] and names("--silenced") == ["users"], "what is silenced")
    (held,) = json.loads(amtool("alert", "query", "-o", "json", "--silenced"))
    check(held["status"] == {"state": "suppressed", "silencedBy": [identity], "inhibitedBy": []}, str(held))
    foreign = "8d37b8a3-1f0d-4d3c-9b7c-" + identity.rsplit("-", 1)[1]
    for other in (foreign, "0", "1x", identity + "1", "-1"):
        status, text, _ = ask(http.client.HTTPConnection("127.0.0.1", port), "DELETE", f"/api/v2/silence/{other}",
                              Authorization="Bearer s3cret")
        check(status == 404, f"{other}: {status} {text}")
    check(len(json.loads(amtool("silence", "query", "-o", "json"))) == 1, "another's id ended it")
    other = bot.call({"op": "silence", "what": "app=other", "duration": "1h"})  # without a reason
    check("other" in amtool("silence", "query") and "other" in amtool("silence", "query", "-o", "extended"), "not shown")
    check(bot.call({"op": "unsilence", "id": other["id"]})["ok"], "not ended")
    # changed: by amtool its end and comment, as Grafana does also what it covers
    amtool("silence", "update", "--duration=5h", "--comment=a longer one", identity)
    [updated] = json.loads(amtool("silence", "query", "app=etl", "-o", "json"))
    hours = (datetime.datetime.fromisoformat(updated["endsAt"][:19]) - datetime.datetime.utcnow()).total_seconds() / 3600
    check(updated["id"] == identity and 4.9 < hours < 5.1 and "a longer one" in updated["comment"], str(updated))
    check("receiver: matrix" in amtool("config", "show") and "matrix" in amtool("config", "routes", "show"), "no config")
    amtool("silence", "expire", identity)
    check(json.loads(amtool("silence", "query", "-o", "json")) == [], "it still holds")
    check([s["id"] for s in json.loads(amtool("silence", "query", "--expired", "app=etl", "-o", "json"))] == [identity], "not listed")
    amtool("silence", "expire", identity, code=1)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200))
    amtool("silence", "add", "app=etl", f"--start={later}", "--duration=1h", "--author=op", "--comment=later")
    check(json.loads(amtool("silence", "query", "-o", "json"))[0]["status"]["state"] == "pending", "not later")
    check("versionInfo" in ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/api/v2/status",
                               Authorization="Bearer s3cret")[1], "no status")
    bot.stop()
    server.shut()


def test_http_as_grafanas_data_source():
    """What its source asks an Alertmanager of the implementation "Prometheus"."""
    server, bot = started()
    web = Local(bot.path)
    for app, node in (("etl", "users"), ("etl", "orders"), ("web", "front")):
        bot.call({"op": "alert", "app": app, "kind": "node_failed", "run_id": f"r-{node}", "fields": {"node_id": node}})
    server.wait(lambda: len(server.bodies(OPS)) >= 2)
    # "Save & test": not Mimir, which has a prefix and tells its version
    check(ask(web, "GET", "/alertmanager/api/v2/status")[0] == 404 and ask(web, "GET", "/api/v1/status/buildinfo")[0] == 404, "taken for Mimir")
    state = json.loads(ask(web, "GET", "/api/v2/status")[1])
    check(set(state) >= {"cluster", "config", "uptime", "versionInfo"} and "receiver: matrix" in state["config"]["original"], str(state))

    def get(path, code=200):
        status, text, _ = ask(web, "GET", path)
        check(status == code, f"{path}: {status} {text}")
        return json.loads(text)

    [group] = get("/api/v2/alerts/groups")
    check(set(group) == {"labels", "receiver", "alerts"} and len(group["alerts"]) == 3, str(group))
    for alert in group["alerts"]:
        check(set(alert) == {"labels", "annotations", "startsAt", "updatedAt", "endsAt", "fingerprint", "generatorURL", "receivers",
                             "status"} and alert["receivers"] == [{"name": "matrix"}], str(alert))
    quoted = urllib.parse.quote
    for query, count in (("", 3), ("?filter=" + quoted('app="etl"'), 2), ("?filter=" + quoted('app="etl"') + "&filter=" + quoted('node_id=~"us.*"'), 1),
                         ("?active=true&silenced=true&inhibited=true&filter=" + quoted('app!="etl"'), 1), ("?active=false", 0),
                         ("?receiver=matrix", 3), ("?receiver=mail", 0)):
        check(len(get("/api/v2/alerts" + query)) == count, query)
        check(sum(len(g["alerts"]) for g in get("/api/v2/alerts/groups" + query)) == count, query)
    check("filter" in get("/api/v2/alerts?filter=" + quoted('app=~"("'), 400), "not told why")
    # a silence: made, shown, changed, ended
    soon, later = (time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + s)) for s in (0, 7200))
    body = {"startsAt": soon, "endsAt": later, "comment": "created", "createdBy": "admin",
            "matchers": [{"name": "app", "value": "etl", "isRegex": False, "isEqual": True}]}

    def post(body, code=200):
        status, text, _ = ask(web, "POST", "/api/v2/silences", json.dumps(body), **{"Content-Type": "application/json"})
        check(status == code, f"{body}: {status} {text}")
        return json.loads(text)
    identity = post(body)["silenceID"]
    one = get(f"/api/v2/silence/{identity}?ruleMetadata=true&accesscontrol=true")
    check(set(one) == {"id", "status", "updatedAt", "comment", "createdBy", "endsAt", "matchers", "startsAt"} and
          one["matchers"] == body["matchers"], str(one))
    states = {a["labels"]["alertname"]: a["status"] for a in get("/api/v2/alerts")}
    check(states["users"] == {"state": "suppressed", "silencedBy": [identity], "inhibitedBy": []} and
          states["front"]["state"] == "active", str(states))
    changed = {**body, "id": identity, "comment": "changed", "matchers": [
        {"name": "node_id", "value": "fr.*", "isRegex": True, "isEqual": True}, {"name": "app", "value": 'x\\"y', "isRegex": False, "isEqual": False}]}
    identity = post(changed)["silenceID"]
    [one] = get("/api/v2/silences")
    check(one["matchers"] == changed["matchers"] and "changed" in one["comment"], str(one))
    states = {a["labels"]["alertname"]: a["status"]["state"] for a in get("/api/v2/alerts")}
    check(states == {"users": "active", "orders": "active", "front": "suppressed"}, str(states))
    for _ in range(2):  # it sends back what it was shown
        post({key: one[key] for key in ("id", "comment", "createdBy", "endsAt", "startsAt", "matchers")})
    check(get(f"/api/v2/silence/{identity}")["comment"] == one["comment"], str(get("/api/v2/silences")))
    post({**body, "matchers": [{"name": "app", "value": ".*", "isRegex": True, "isEqual": True}]}, 400)
    post({**body, "id": identity, "matchers": []}, 400)
    check("(7d)" in post({**body, "endsAt": "2036-01-01T00:00:00.000Z"}, 400), "not told how long it may be")
    check(ask(web, "DELETE", f"/api/v2/silence/{identity}")[0] == 200, "not ended")
    one = get(f"/api/v2/silence/{identity}")  # shown as expired, for "Recreate", which makes a new one
    check(one["status"] == {"state": "expired"} and get("/api/v2/silences") == [one] and one["matchers"] == changed["matchers"], str(one))
    again = post({**{key: one[key] for key in ("id", "comment", "createdBy", "matchers")}, "startsAt": soon, "endsAt": later})["silenceID"]
    check(again != identity and [s["status"]["state"] for s in get("/api/v2/silences")] == ["active", "expired"], str(get("/api/v2/silences")))
    check(ask(web, "DELETE", f"/api/v2/silence/{again}")[0] == 200, "not ended")
    post({**body, "id": again[:-1] + "9"}, 400)  # there never was one
    get(f"/api/v2/silence/{again[:-1]}9", 404)
    check(ask(web, "DELETE", f"/api/v2/silence/{identity}")[0] == 400, "ended twice")
    # what "Silence" proposes for an alert, all its labels, holds that failure when it happens again, and no other
    posted = {"labels": {**{f"label_{i}": f"value {i}" for i in range(12)}, "alertname": "PodDown", "severity": "page", "job": "k8s"},
              "annotations": {"summary": "a pod is down", "runbook_url": "https://runbook.example/pod", "graph": "a", "__panelId__": "7"}}
    check(ask(web, "POST", "/api/v2/alerts", json.dumps([posted]))[0] == 200, "not taken")
    titled = {"op": "alert", "app": "a.b", "title": 'a "b" \\', "text": "once", "fields": {"took": 5.25}}
    stepped = {"op": "alert", "app": "dag", "kind": "dag_failed", "run_id": "r-9", "fields": {"dag_name": "nightly", "step_name": "load", "exit_code": 3}}
    bot.call(titled)
    bot.call(stepped)
    until(lambda: len(get("/api/v2/alerts")) == 6, "all six")
    for alert in get("/api/v2/alerts"):
        name = alert["labels"]["alertname"]
        made = post({**body, "matchers": [{"name": label, "value": value, "isRegex": False, "isEqual": True}
                                          for label, value in alert["labels"].items()]})["silenceID"]
        held = [a["labels"]["alertname"] for a in get("/api/v2/alerts?active=false")]
        check(held == [name], f"{name}: {held}")
        again = {"PodDown": None, 'a "b" \\': {**titled, "text": "twice", "fields": {"took": 6}},
                 "nightly / load": {**stepped, "run_id": "r-10", "fields": {**stepped["fields"], "exit_code": 4}}}.get(
                     name, {"op": "alert", "app": alert["labels"]["app"], "kind": "node_failed", "run_id": "r-11",
                            "fields": {"node_id": name, "error": "another"}})
        check(not again or bot.call(again)["state"] == "silenced", f"{name}: not held")
        check(ask(web, "DELETE", f"/api/v2/silence/{made}")[0] == 200, "not ended")
    [pod] = [a for a in get("/api/v2/alerts") if a["labels"]["alertname"] == "PodDown"]
    check(pod["annotations"]["runbook_url"] == posted["annotations"]["runbook_url"] and len(pod["labels"]) == 18, str(pod))
    ended(server, bot)


def test_http_real_alertmanagers_post():
    """Two of them: alone, where each sends what the other has sent already, and as a cluster."""
    if not shutil.which("prometheus-alertmanager"):
        raise Skip("no alertmanager")
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\n")
    config = bot.folder / "alertmanager.yml"
    config.write_text("route: {receiver: bot, group_wait: 0s, group_interval: 1s}\n"
                      f"receivers: [{{name: bot, webhook_configs: [{{url: 'http://127.0.0.1:{port}/alertmanager'}}]}}]\n")
    log = open(bot.folder / "alertmanager.log", "w")

    def call(own, method, path, body=None):
        try:
            status, text, _ = ask(http.client.HTTPConnection("127.0.0.1", own, timeout=10), method, path, body,
                                  **{"Content-Type": "application/json"})
            return text if status == 200 else None
        except OSError:
            return None

    def notified(own):
        found = re.search(r'alertmanager_notifications_total{integration="webhook"} (\d+)', call(own, "GET", "/metrics") or "")
        return int(found[1]) if found else 0

    for name in ("alone", "clustered"):
        ports, peers = [free_port(), free_port()], [free_port(), free_port()]
        more = {"alone": [["--cluster.listen-address="]] * 2, "clustered": [
            [f"--cluster.listen-address=127.0.0.1:{peer}", "--cluster.peer-timeout=0s", "--cluster.settle-timeout=1s",
             f"--cluster.peer=127.0.0.1:{peers[0]}"] for peer in peers]}[name]
        processes = [subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={bot.folder}/am{own}",
             f"--web.listen-address=127.0.0.1:{own}", *options], stdout=log, stderr=log) for own, options in zip(ports, more)]
        try:
            begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
            alert = {**AM_ALERT, "labels": {**AM_ALERT["labels"], "alertname": name},
                     "annotations": {"summary": f"{name} fires"}, "startsAt": begun}
            if name == "clustered":
                until(lambda: len(json.loads(call(ports[0], "GET", "/api/v2/status") or '{"cluster":{"peers":[]}}')
                                  ["cluster"]["peers"]) == 2, "a cluster", 60)
            for count, more in ((1, {}), (2, {"endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))})):
                for own in ports:
                    until(lambda own=own: call(own, "POST", "/api/v2/alerts", json.dumps([{**alert, **more}])) is not None,
                          "Alertmanager takes the alert", 60)
                server.wait(lambda: any(f"{name} fires" in b and ("resolved" in b) == bool(more) for b in server.bodies(OPS)), 60)
                if name == "alone":
                    # both have handed it in when each counts a notification
                    for own in ports:
                        until(lambda own=own: notified(own) == count, "a notification", 60)
            said = [event["content"] for room, event in server.timeline if room == OPS and f"{name} fires" in event["content"].get("body", "")]
            new = [c for c in said if "m.relates_to" not in c]
            over = [c for c in said if c.get("m.relates_to", {}).get("rel_type") == "m.thread"]
            check(len(new) == 1 and len(over) == 1, str(said))
            check(bot.call({"op": "firing"})["alerts"] == [], "it fires still")
            stored = bot.call({"op": "alerts", "limit": 10})["alerts"]
            fingerprint = json.loads(call(ports[0], "GET", "/api/v2/alerts") or "[]")
            for one in fingerprint:
                check(any(a.get("key") == one["fingerprint"] for a in stored), f"{fingerprint} {stored}")
        finally:
            for process in processes:
                process.kill()
                process.wait()
    log.close()
    ended(server, bot)


class Answers(http.server.BaseHTTPRequestHandler):
    """As a Prometheus with one series, as long as there is one."""

    def do_GET(self):
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"job": "node"}, "value": [time.time(), "1"]}] if self.server.fires else []}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_http_a_real_vmalert_posts():
    if not shutil.which("vmalert"):
        raise Skip("no vmalert")
    port = free_port()
    server, bot = started(f"[http]\nlisten = 127.0.0.1:{port}\n")
    source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    source.fires = True
    threading.Thread(target=source.serve_forever, daemon=True).start()
    (bot.folder / "rules.yml").write_text(
        "groups: [{name: g, rules: [{alert: DiskFull, expr: up, labels: {severity: critical}, "
        "annotations: {summary: 'the disk of {{ $labels.job }} is full'}}]}]\n")
    log = open(bot.folder / "vmalert.log", "w")
    process = subprocess.Popen(
        ["vmalert", f"-rule={bot.folder}/rules.yml", f"-datasource.url=http://127.0.0.1:{source.server_port}",
         f"-notifier.url=http://127.0.0.1:{port}", "-evaluationInterval=1s", f"-httpListenAddr=127.0.0.1:{free_port()}"],
        stdout=log, stderr=log)
    try:
        said = "node · the disk of node is full"
        server.wait(lambda: any(said in body for body in server.bodies(OPS)), 60)
        check(bot.call({"op": "firing"})["alerts"][0]["severity"] == "critical", "not critical")
        source.fires = False
        server.wait(lambda: any(f"{said} resolved" in body for body in server.bodies(OPS)), 60)
        check(len([c for room, event in server.timeline for c in [event["content"]] if room == OPS and "m.relates_to" not in c]) == 1,
              "more than one message")
    finally:
        process.kill()
        process.wait()
        source.shutdown()
        source.server_close()
        log.close()
    ended(server, bot)
