"""HTTP with what stands before it and what speaks to it: nginx with TLS, Caddy, Node, Go; the examples as they are."""
import http.client
import os
import pathlib
import re
import shutil
import ssl
import subprocess

from harness import check, until
from web import OPS, ask, free_port
from web_page import basic, fire, started

EXAMPLES = pathlib.Path(__file__).parents[2] / "bot/apps/http"


def behind(port, tls, path="/", method="GET", body=None, **headers):
    context = ssl.create_default_context(cafile=tls)
    connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
    return ask(connection, method, path, body, **{name.replace("_", "-"): value for name, value in headers.items()})


def example(name, *changes):
    """The example's text with what differs here."""
    text = (EXAMPLES / name).read_text()
    for old, new in changes:
        check(old in text, f"{name} has no {old}")
        text = text.replace(old, new)
    return text


def nginx(folder, own, port):
    text = example("nginx.conf", ("listen 443 ssl", f"listen 127.0.0.1:{own} ssl"), ("127.0.0.1:9400", f"127.0.0.1:{port}"),
                   ("/etc/ssl/certs/bot.example.org.pem", str(folder / "cert.pem")),
                   ("/etc/ssl/private/bot.example.org.key", str(folder / "key.pem")))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\nhttp {{ access_log off; "
        + "".join(f"{name}_temp_path {folder}/t-{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + text + "}")
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf"]


def caddy(folder, own, port):
    text = example("Caddyfile", ("127.0.0.1:9400", f"127.0.0.1:{port}"),
                   ("bot.example.org {", f"localhost:{own} {{\n\tbind 127.0.0.1\n\ttls {folder}/cert.pem {folder}/key.pem"))
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return ["env", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}", "caddy", "run", "--config", folder / "Caddyfile"]


def test_http_behind_nginx_and_caddy_with_tls():
    server, bot, port = started()
    folder = bot.folder
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    for number, command in enumerate((nginx, caddy)):
        own = free_port()
        fire(bot, f"r-{number}", f"node{number}")
        process = subprocess.Popen(command(folder, own, port), stderr=subprocess.DEVNULL)
        try:
            proxied(own, folder, bot)
        except AssertionError as failure:
            raise AssertionError(f"{command.__name__}: {failure}") from failure
        finally:
            process.terminate()
            process.wait()
    bot.stop()
    server.shut()


def proxied(own, folder, bot):
    def up():
        try:
            return behind(own, folder / "cert.pem", "/healthz")[0] == 200
        except OSError:
            return False
    until(up, "the proxy")
    status, text, answer = behind(own, folder / "cert.pem", Authorization=basic("s3cret"))
    cookie = answer.getheader("Set-Cookie")
    check(status == 200 and "Secure" in cookie, f"{status} {cookie}")
    nonce = re.search(r'name=nonce value="([^"]+)"', text)[1]
    entry = re.search(r"name=entry value=(\d+)", text)[1]
    form = {"Authorization": basic("s3cret"), "Cookie": cookie.split(";")[0]}
    for origin, code in (("https://evil.example", 403), (f"https://localhost:{own}", 303)):
        status, text, _ = behind(own, folder / "cert.pem", "/ack", "POST", f"nonce={nonce}&entry={entry}", Origin=origin, **form)
        check(status == code, f"{origin}: {status} {text}")
    status, text, _ = behind(own, folder / "cert.pem", "/alerts", "POST", '{"app":"a","title":"by a proxy"}',
                             Authorization="Bearer s3cret")
    check(status == 200, text)
    check(behind(own, folder / "cert.pem", "/alerts", "POST", '{"app":"a"}')[0] == 401, "without a token, as if from this host")
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    stream = http.client.HTTPSConnection("localhost", own, timeout=60, context=context)
    stream.request("GET", "/events", headers={"Authorization": basic("s3cret")})
    check(stream.getresponse().readline() == b"retry: 5000\n", "the stream is kept back")
    stream.close()


def test_http_examples_send():
    server, bot, port = started()
    env = {**os.environ, "MTB_URL": f"http://127.0.0.1:{port}", "MTB_TOKEN": "s3cret", "HOME": str(bot.folder), "GOTOOLCHAIN": "local"}
    examples = [["node", EXAMPLES / "send.mjs"]]
    if shutil.which("go"):
        examples.append(["go", "run", EXAMPLES / "send.go"])
    for number, program in enumerate(examples, 1):
        done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"{program}: {done}")
        server.wait(lambda n=number: sum("checkout fails" in body for body in server.bodies(OPS)) >= n)
        wrong = subprocess.run(program, env={**env, "MTB_TOKEN": "wrong"}, capture_output=True, text=True, timeout=120)
        check(wrong.returncode != 0 and "401" in wrong.stderr, str(wrong))
    bot.stop()
    server.shut()
