"""The page of GET /: as a person sees it in a browser, and as somebody else's page would use it."""
import base64
import http.client
import json
import re
import shutil
import time

from browser import Browser
from harness import Skip, check, until
from web import OPS, ask, free_port, make

# every visible text against what is behind it: [[contrast, text], ...] of what is too weak (WCAG 2, AA)
WEAK = """(() => {
	const light = c => c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const parts = c => c.match(/[\\d.]+/g).map(Number);
	const behind = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3]) return c; } return [255, 255, 255]; };
	return [...document.querySelectorAll("main *")].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
		const both = [light(parts(getComputedStyle(e).color).slice(0, 3)), light(behind(e).slice(0, 3))].sort((a, b) => b - a);
		return [(both[0] + 0.05) / (both[1] + 0.05), e.textContent.slice(0, 40)];
	}).filter(found => found[0] < 4.5);
})()"""
EVIL = '"><script>window.evil=1</script><img src=x onerror=window.evil=1>'


def started(extra=""):
    """With tokens, on a port of its own: maria may do all, reader only look."""
    port = free_port()
    server, bot = make(f"[delivery]\nthrottle = 0\n{extra}[http]\nlisten = 127.0.0.1:{port}\n")
    tokens = bot.folder / "tokens"
    tokens.write_text("maria send,read,command s3cret\nben read,command b3n\nreader read r3ad\n")
    tokens.chmod(0o600)
    bot.config.write_text(bot.config.read_text() + f"tokens = {tokens}\n")
    bot.start()
    return server, bot, port


def basic(password):
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def page(port, method="GET", path="/", body=None, password="s3cret", **headers):
    if password:
        headers["Authorization"] = basic(password)
    return ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), method, path, body,
               **{name.replace("_", "-"): value for name, value in headers.items()})


def fire(bot, run="r-1", node="users", **more):
    check(bot.call({"op": "alert", "app": "etl", "kind": "node_failed", "run_id": run, "url": "https://dash.example/1",
                    "fields": {"node_id": node, "duration_ms": 1, "error": EVIL}, **more})["ok"], "not taken")


def test_page_says_what_a_storm_only_counts():
    server, bot, port = started("storm = 1\n")
    fire(bot, app="first")
    check("more alerts of a storm" not in page(port)[1], "too early")
    for i in range(13):  # ten of an app are listed
        fire(bot, f"r-{i}", f"node {i}")
    text = page(port)[1]
    check("<h2>Firing <b>11</b></h2>" in text and "🌊 3 more alerts of a storm are only counted" in text, text)
    bot.stop()
    server.shut()


def test_page_as_a_person_sees_it():
    if not shutil.which("chromium"):
        raise Skip("no chromium")
    server, bot, port = started("[oncall main]\nusers = @op:fake.local\n")
    fire(bot)
    server.wait(lambda: server.bodies(OPS))
    browser = Browser(("anybody", "s3cret"))
    try:
        grounds = set()
        for width, scheme in ((390, "light"), (390, "dark"), (1280, "light")):
            browser.look(width, 844, scheme)
            browser.open(f"http://127.0.0.1:{port}/")
            check(browser.run("document.documentElement.scrollWidth") <= width, f"wider than {width}")
            grounds.add(browser.run("getComputedStyle(document.body).backgroundColor"))
            # a finger needs 44 pixels
            height = browser.run("document.querySelector('button.first').offsetHeight")
            check(width > 390 or height >= 44, f"a button of {height} pixels")
            weak = browser.run(WEAK)
            check(weak == [], f"{scheme}: hard to read: {weak}")
        check(len(grounds) == 2, f"light and dark are {grounds}")
        text = browser.run("document.body.innerText")
        check("etl · users FAILED" in text and EVIL in text and "@op:fake.local" in text, text)
        check(browser.run("window.evil") is None and not browser.run("document.images.length"), "it ran")
        # live, without being loaded anew, and the keyboard stays where it is
        browser.run("window.same = 1")
        focused = browser.run("document.querySelector('button.first').focus(), document.activeElement.id")
        check(focused.startswith("ack-"), focused)
        until(lambda: browser.run("document.getElementById('live').textContent") == "live", "a stream")
        fire(bot, "r-2", "orders")
        until(lambda: "etl · orders FAILED" in browser.run("document.body.innerText"), "the page shows it")
        check(browser.run("window.same") == 1 and browser.run("document.activeElement.id") == focused, "it was loaded anew, or the focus is lost")
        # by ear: what each button is about, in whatever order they are met; lists of names and values are such
        names = browser.run("[...document.querySelectorAll('[aria-labelledby]')].map(e => "
                            "e.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent).join(' '))")
        check(len(names) == len(set(names)) == 4 and any("Acknowledge" in name and "etl · orders FAILED" in name for name in names), str(names))
        ids = browser.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
        check(len(ids) == len(set(ids)), str(ids))
        check(browser.run("[...document.querySelectorAll('select, input:not([type=hidden])')].every(e => e.labels.length || e.ariaLabel)"), "no label")
        check(browser.run("[...document.querySelectorAll('dl > *')].every(e => 'DT DD'.includes(e.tagName))"), "a list of other things")
        # without a script: the same, and it can acknowledge and silence
        browser.look(390, 844, "light", script=False)
        browser.open(f"http://127.0.0.1:{port}/")
        browser.click("button.first")
        said = browser.run("document.querySelector('.said').innerText")
        check("acknowledged by you" in said, said)
        check([a["acked_by"] for a in bot.call({"op": "firing"})["alerts"] if a["acked_by"]] == ["token maria"],
              "not acknowledged")
        browser.click(".alert:not(.acked) details button")
        silences = bot.call({"op": "silences"})["silences"]
        said = browser.run("document.body.innerText")
        check("🔕 silenced" in said and "1 silenced" in said, said)
        check([s["matchers"] for s in silences] in (['app="etl", node_id="users"'], ['app="etl", node_id="orders"']) and
              silences[0]["by"] == "token maria", str(silences))
        cards = browser.run("[...document.querySelectorAll('.alert')].map(card => card.innerText)")
        check(len([c for c in cards if "🔕 silenced" in c.splitlines()]) == 1, str(cards))
        browser.click(".rows form button")
        check(bot.call({"op": "silences"})["silences"] == [], "it still holds")
        check(not [e for e in browser.events if e["method"] == "Log.entryAdded"], str(browser.events))
    finally:
        browser.close()
    bot.stop()
    server.shut()


def test_page_forms_come_from_the_page_alone():
    server, bot, port = started()
    fire(bot)
    status, text, answer = page(port)
    cookie = answer.getheader("Set-Cookie")
    check(status == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie, cookie)
    check("Secure" in page(port, X_Forwarded_Proto="https")[2].getheader("Set-Cookie"), "a cookie in the clear")
    cookie = cookie.split(";")[0]
    nonce = re.search(r'name=nonce value="([^"]+)"', text).group(1)
    entry = re.search(r"name=entry value=(\d+)", text).group(1)
    mine = {"Origin": f"http://127.0.0.1:{port}", "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    body = f"nonce={nonce}&entry={entry}"
    other = page(port, password="b3n", Cookie=cookie)[1]
    others = re.search(r'name=nonce value="([^"]+)"', other).group(1)
    stale = re.sub(r"^\d+", str(int(time.time()) - 13 * 3600), nonce)
    for name, code, changed, send in (
            ("no password", 401, {}, {"password": None}), ("may only look", 403, {}, {"password": "r3ad"}),
            ("another site", 403, {"Origin": "https://evil.example"}, {}), ("no origin", 403, {"Origin": None}, {}),
            ("a sandbox", 403, {"Origin": "null"}, {}), ("no cookie", 403, {"Cookie": None}, {}),
            ("another cookie", 403, {"Cookie": "mtb=" + "0" * 32}, {}),
            ("a site beside it", 403, {"Sec-Fetch-Site": "same-site"}, {}),
            ("no nonce", 403, {}, {"body": f"entry={entry}"}), ("a nonce of another token", 403, {}, {"body": f"nonce={others}&entry={entry}"}),
            ("a nonce of another time", 403, {}, {"body": f"nonce={stale}&entry={entry}"}),
            ("a nonce cut", 403, {}, {"body": f"nonce={nonce[:20]}&entry={entry}"})):
        headers = {k: v for k, v in {**mine, **changed}.items() if v is not None}
        status, text, _ = page(port, "POST", "/ack", send.get("body", body), send.get("password", "s3cret"), **headers)
        check(status == code, f"{name}: {status} {text}")
    check(not bot.call({"op": "firing"})["alerts"][0]["acked_by"], "acknowledged")
    check("name=nonce" not in page(port, password="r3ad")[1], "forms for who may only look")
    check(page(port, "GET", "/ack", **mine)[0] == 405, "a link acknowledges")
    status, _, answer = page(port, "POST", "/ack", body, **mine)
    check(status == 303 and answer.getheader("Location").startswith("./?said="), str(status))
    check("acknowledged by you" in page(port, path="/" + answer.getheader("Location")[2:])[1], "nothing is said")
    check(bot.call({"op": "firing"})["alerts"][0]["acked_by"] == "token maria", "not acknowledged")
    policy = page(port)[2].getheader("Content-Security-Policy")
    check("unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and
          "form-action 'self'" in policy, policy)
    bot.stop()
    server.shut()


def test_page_streams_are_few_and_end():
    server, bot, port = started()
    streams = []

    def stream():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/events", headers={"Authorization": basic("s3cret")})
        answer = connection.getresponse()
        return connection, answer

    for _ in range(16):
        connection, answer = stream()
        check(answer.status == 200 and answer.getheader("Content-Type") == "text/event-stream", str(answer.status))
        check(answer.readline() == b"retry: 5000\n", "not begun")
        streams.append((connection, answer))
    _, answer = stream()
    check(answer.status == 503 and answer.getheader("Retry-After"), str(answer.status))
    streams.pop()[0].close()  # one goes away: its place is free when that is noticed
    fire(bot)
    for _, answer in streams:
        lines = b""
        while b"data: changed\n" not in lines:
            lines += answer.readline()
    until(lambda: fire(bot, "r-2") or stream()[1].status == 200, "a free place")  # noticed when it is written to
    # who may look may be somebody else now
    check(bot.call({"op": "reload"})["ok"], "not reloaded")
    for _, answer in streams:
        check(answer.read() in (b"\n", b"\n:\n\n", b"\ndata: changed\n\n"), "goes on")
    streams = [stream() for _ in range(8)]  # nobody reads these
    started_at = time.monotonic()
    bot.stop()
    check(time.monotonic() - started_at < 8, "stopping took too long")
    for connection, answer in streams:
        check(b"data" not in answer.read(), "data after the end")
    server.shut()
