"""What apps use to hand in alerts: the Python module, the C header, shell."""
import asyncio
import contextlib
import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest.mock

APPS = pathlib.Path(__file__).parent.parent.parent / "bot/apps"
sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / "lib"), str(APPS / "python")]
from bot import BUILD, Bot  # noqa: E402
from harness import check, run_tests, until  # noqa: E402
from homeserver import Homeserver  # noqa: E402
import matrix_telemetry  # noqa: E402
from matrix_telemetry import AlertRefused, MatrixHandler, heartbeat, matrix_send_message, report_failure, reporting  # noqa: E402

TIMEOUT = 60


def make(start=True):
    server = Homeserver()
    bot = Bot(server.url, server.USER, "good", {"ops": "#ops:fake.local", "dev": "#dev:fake.local"})
    bot.spool = bot.folder / "spool"
    os.environ["MATRIX_TELEMETRY_BOT_SOCKET"] = str(bot.path)
    os.environ["MATRIX_TELEMETRY_BOT_SPOOL"] = str(bot.spool)
    if start:
        bot.start()
    return server, bot


def bodies(server):
    """The newest text of each message, edits taken in."""
    found = {}
    for _, event in server.timeline:
        content = event["content"]
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            found[relation["event_id"]] = content["m.new_content"]["body"]
        else:
            found[event["event_id"]] = content.get("body", "")
    return list(found.values())


def test_python_sends_and_is_answered():
    server, bot = make()
    answer = matrix_send_message(app="data_factory", kind="node_failed", run_id="r-81",
                                 fields={"node_id": "etl_users", "duration_ms": 5321, "error": "refused",
                                         "left": None, "path": pathlib.Path("/x"), "huge": 10 ** 40})
    check(answer["ok"] and answer["state"] == "queued" and answer["alert"] == 1, str(answer))
    server.wait(lambda: any("etl_users FAILED" in body for body in bodies(server)))
    again = matrix_send_message("one", app="x", title="t", id="same")
    check(matrix_send_message("two", app="x", title="t", id="same")["alert"] == again["alert"], "taken twice")
    answer = heartbeat("etl", every="1h", grace="5m")
    check(answer["ok"] and answer["state"] == "new", str(answer))
    bot.stop()
    server.shut()


def test_python_refusals_are_an_exception():
    server, bot = make()
    try:
        heartbeat("etl", every="never")
        raise AssertionError("taken")
    except AlertRefused as refused:
        check(refused.answer["field"] == "every", str(refused.answer))
    bot.stop()
    server.shut()


def test_python_spools_while_the_daemon_is_down():
    server, bot = make(start=False)
    bot.spool.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        for n in range(3):
            answer = matrix_send_message(app="spooler", title=f"number {n}", severity="critical")
            check(answer["state"] == "spooled", str(answer))
    finally:
        os.umask(before)
    files = sorted(bot.spool.iterdir())
    check(len(files) == 3 and all(file.stat().st_mode & 0o777 == 0o640 for file in files), str(files))
    bot.start()
    server.wait(lambda: any("number 2" in body for body in bodies(server)))
    until(lambda: not list(bot.spool.iterdir()), "the spool is read")
    bot.stop()
    server.shut()
    os.environ["MATRIX_TELEMETRY_BOT_SPOOL"] = str(bot.folder / "nowhere")
    try:
        matrix_send_message(app="x", title="t")
        raise AssertionError("neither daemon nor spool, and no error")
    except OSError as failure:
        check("neither the daemon" in str(failure) and "group" not in str(failure), str(failure))
    with unittest.mock.patch("os.open", side_effect=PermissionError(13, "Permission denied")):
        try:
            matrix_send_message(app="x", title="t")
            raise AssertionError("no permission, and no error")
        except OSError as failure:
            check("must be in the socket's group" in str(failure), str(failure))


def test_python_reports_what_fails_and_resolves_it():
    server, bot = make()

    @report_failure(app="backup")
    def nightly(fail):
        if fail:
            raise RuntimeError("disk full")
        return 7

    try:
        nightly(True)
        raise AssertionError("the exception was swallowed")
    except RuntimeError:
        pass
    server.wait(lambda: any("nightly" in body and "disk full" in body for body in bodies(server)))
    check(nightly(False) == 7, "the result is the function's")
    server.wait(lambda: any("✅" in body for body in bodies(server)))
    # of what is waited for, and of what yields; the exception comes first, as a list of several shows it
    @report_failure(app="waits")
    async def waits():
        await asyncio.sleep(0)
        raise ValueError("no route")

    @report_failure(app="yields")
    def yields():
        yield b"one"
        raise OSError(b"two \xff".decode("utf-8", "replace"))

    @report_failure(app="cancelled")
    async def cancelled():
        await asyncio.sleep(60)

    async def cancel():
        task = asyncio.ensure_future(cancelled())
        await asyncio.sleep(0)
        task.cancel()
        await task

    for run, failure in ((lambda: asyncio.run(waits()), ValueError), (lambda: list(yields()), OSError),
                         (lambda: asyncio.run(cancel()), asyncio.CancelledError)):
        try:
            run()
            raise AssertionError("the exception was swallowed")
        except failure:
            pass
    for part in ("waits · waits\nValueError: no route\nTraceback", "yields · yields\nOSError: two �\nTraceback"):
        server.wait(lambda part=part: any(part in body for body in bodies(server)))
    check(not any("cancelled" in body for body in bodies(server)), "a cancelled task has not failed")
    bot.stop()
    server.shut()
    # without any daemon the program's own exception is what it gets
    try:
        with reporting(app="backup", title="t"):
            raise KeyError("mine")
    except KeyError as failure:
        check(failure.args == ("mine",), str(failure))


def test_python_logging_never_blocks():
    server, bot = make()
    handler = MatrixHandler("shop", socket=str(bot.path))
    log = logging.getLogger("shop.orders")
    log.propagate = False
    log.addHandler(handler)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("order %d failed", 7)
    log.warning("not told")
    server.wait(lambda: any("ZeroDivisionError" in body for body in bodies(server)))
    told = [body for body in bodies(server) if "shop" in body]
    check(len(told) == 1 and "order 7 failed" in told[0] and "order %d failed" in told[0], str(told))
    log.removeHandler(handler)
    handler.close()
    bot.stop()
    server.shut()
    # a daemon that takes connections and says nothing: the program goes on at once, and what is
    # over the capacity is counted
    full = MatrixHandler("shop", capacity=2, drain=0.1, socket=str(bot.path), spool="/nonexistent", timeout=0.1)
    log.addHandler(full)
    for n in range(50):
        log.error("failure %s", n)
    check(full.dropped >= 40, f"{full.dropped} dropped")
    log.removeHandler(full)
    full.close()


def test_python_comes_again_when_many_connect_at_once():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/socket"
        listener.bind(path)
        listener.listen(0)
        waiting, pauses, sleep = [], [], matrix_telemetry.time.sleep

        def serve():
            for _ in waiting:
                listener.accept()[0].close()
            stream = listener.accept()[0]
            check(stream.recv(65536).endswith(b"\n"), "no line")
            stream.sendall(b'{"ok":true,"alert":1,"state":"queued"}\n')
            stream.close()

        def pause(seconds):
            if not pauses:
                server.start()
            pauses.append(seconds)
            sleep(seconds)

        server = threading.Thread(target=serve, daemon=True)
        with contextlib.suppress(BlockingIOError):  # the backlog is full
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(path)
        waiting.pop().close()
        matrix_telemetry.time.sleep = pause
        try:
            answer = matrix_send_message("text", app="shop", socket=path, spool="/nonexistent", timeout=TIMEOUT)
        finally:
            matrix_telemetry.time.sleep = sleep
        check(answer["state"] == "queued" and pauses, f"{answer} {pauses}")
        server.join()
        for one in waiting:
            one.close()


def test_python_lines_fit_the_limit():
    request = {"op": "alert", "app": "x", "text": "é" * 100_000 + "the end", "fields": {"error": "\0" * 50_000}}
    line = matrix_telemetry._line(request)
    check(len(line) <= 64 * 1024 and b"the end" in line and line.count(b"\n") == 1, str(len(line)))
    for long in ({"title": "t" * 100_000}, {"url": "https://x/" + "é" * 70_000}, {"fields": {"n" * 70_000: 1}},
                 {"fields": {f"field {i}": i for i in range(10_000)}},
                 {"title": "t" * 100_000, "fields": {f"field {i}": "v" * 5000 for i in range(200)}}):
        line = matrix_telemetry._line({"op": "alert", "app": "x", **long})
        check(len(line) <= 64 * 1024 and json.loads(line)["app"] == "x", str(long)[:60])
    check(matrix_telemetry._line({"text": "half \ud83d"}) == b'{"text": "half ?"}\n', "a lone surrogate")
    check(matrix_telemetry._scalar(b"x\xff") == "x\ufffd", "bytes are text")


def test_python_is_typed_and_runs_on_3_9():
    """By mypy: also what the language and the standard library have only since, which must be found in a control."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-mypy-"))

    def faults(name, text):
        (folder / name).write_text(text)
        done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--python-version", "3.9", "--cache-dir", folder / "cache",
                               APPS / "python/matrix_telemetry.py", folder / name], capture_output=True, text=True, timeout=TIMEOUT,
                              env={**os.environ, "MYPYPATH": str(APPS / "python")})
        check(done.stderr == "" and (name == "caller.py") == (done.returncode == 0), str(done))
        return [line for line in done.stdout.splitlines() if ": error: " in line]

    found = faults("caller.py", """from datetime import datetime
from matrix_telemetry import MatrixHandler, heartbeat, matrix_send_message, report_failure, reporting

@report_failure(app="etl")
def nightly(count: int) -> str:
    with reporting(app="etl", title="inner", run_id="r-1"):
        return str(matrix_send_message("x", app="etl", at=datetime.now(), fields={"a": 1, "b": 0.5, "c": True, "d": None})["state"])

def all_of_it() -> bool:
    MatrixHandler("etl", drain=1).close()
    return bool(nightly(7).strip() and heartbeat("etl", every="1h")["ok"])
""")
    check(found == [], str(found))
    # what is wrong is seen: types through the decorator, a word too many, what 3.10 and 3.11 brought
    found = faults("wrong.py", """import itertools
from matrix_telemetry import matrix_send_message, report_failure

@report_failure(app="etl")
def nightly(count: int) -> str:
    return str(count)

nightly("seven")
matrix_send_message("x", app="etl", colour="red")
itertools.pairwise([1])
isinstance(7, int | str)
""")
    check(len(found) == 4, str(found))
    check(len(faults("newer.py", "match 1:\n    case 1:\n        pass\n")) == 1, "a newer language is not seen")


def test_c_header_sends():
    server, bot = make()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-apps-"))
    (folder / "app.c").write_text('''#include "matrix_telemetry.h"
int main(int argc, char **argv)
{
	char answer[512] = "";
	int result = argc != 3 ? 2 : matrix_telemetry_send(argv[1], argv[2], answer, sizeof(answer));

	printf("%d %s\\n", result, answer);
	return 0;
}
''')
    for compiler in (["cc", "-std=c99"], ["cc", "-std=gnu11"], ["c++", "-x", "c++"]):
        try:
            subprocess.run([*compiler, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", APPS / "c", "-o", folder / "app",
                            folder / "app.c"], check=True, timeout=TIMEOUT)
        except FileNotFoundError:
            check(compiler[0] == "c++", "no C compiler")

    def send(path, request):
        return subprocess.run([folder / "app", path, request], capture_output=True, text=True,
                              timeout=TIMEOUT, check=True).stdout

    told = send(bot.path, '{"op":"alert","app":"dag_engine","kind":"dag_failed","run_id":"r-82",'
                          '"fields":{"dag_name":"nightly","step_name":"load","exit_code":2}}')
    check(told.startswith('0 {"ok":true'), told)
    server.wait(lambda: any("nightly" in body for body in bodies(server)))
    check(send(bot.path, '{"op":"alert"}').startswith('1 {"ok":false'), "refused")
    check(send("/nonexistent", "{}").startswith("-1 /nonexistent: No such file"), "no daemon")
    bot.stop()
    server.shut()


SEND = BUILD / "bot/client/matrix-send-message"


def run(options, script, **more):
    """A shell script by --exec; options in words."""
    return subprocess.run([SEND, "--exec", *options.split(), "--", "sh", "-c", script], capture_output=True,
                          timeout=TIMEOUT, **more)


def test_a_command_s_failure_is_an_alert_and_its_success_resolves_it():
    server, bot = make()
    done = run("-a cron -t nightly", "echo begun; printf '\\377 no space left\\n' >&2; exit 3")
    check((done.returncode, done.stdout, done.stderr) == (3, b"begun\n", b"\xff no space left\n"), str(done))
    server.wait(lambda: any("🚨 cron · nightly FAILED after " in body for body in bodies(server)))
    body = next(body for body in bodies(server) if "nightly" in body)
    check("\nexit 3\n" in body and "begun" in body and "no space left" in body, body)
    check(run("-a cron -t other", "exit 0").stdout == b"", "said something")
    check(run("-a cron -t nightly", "echo well").returncode == 0, "the exit code")
    server.wait(lambda: any("✅ cron · nightly resolved after" in body for body in bodies(server)))
    check(not any("other" in body for body in bodies(server)), str(bodies(server)))
    # with a heartbeat: it is registered by the first run, also by one that fails
    check(run("-a cron -t weekly --heartbeat --every 1h", "exit 4").returncode == 4, "the exit code")
    until(lambda: "cron" in str(bot.call({"op": "heartbeat"})), "the heartbeat is known")
    server.wait(lambda: any("weekly" in body for body in bodies(server)))
    bot.stop()
    server.shut()


def test_a_command_runs_whatever_the_daemon_does():
    server, bot = make(start=False)
    bot.spool.mkdir(mode=0o700)
    deaf = socket.socket(socket.AF_UNIX)  # takes connections, and says nothing
    deaf.bind(str(bot.path))
    deaf.listen(1)
    started = time.monotonic()
    done = run("-a cron", "exit 5")
    check(done.returncode == 5 and time.monotonic() - started < 5, f"{done}, {time.monotonic() - started} s")
    deaf.close()
    for options in ("-a cron", "-c /nonexistent/bot.conf"):
        check(run(options, "exit 6").returncode == 6, options)
    check(len(list(bot.spool.glob("*.json"))) == 3, "not spooled")
    bot.spool.rename(bot.folder / "elsewhere")
    (bot.folder / "spool").write_text("no folder")
    done = run("-a cron", "echo out; exit 7")
    check((done.returncode, done.stdout) == (7, b"out\n") and b"not reported" in done.stderr, str(done))
    server.shut()


def test_signals_reach_the_command():
    server, bot = make(start=False)
    bot.spool.mkdir(mode=0o700)
    for script, wanted in (("trap 'echo heard; exit 9' TERM; echo ready; while :; do sleep 0.05; done", (9, b"heard\n")),
                           ("echo ready; exec sleep 60", (-signal.SIGTERM, b""))):
        process = subprocess.Popen([SEND, "--exec", "--", "sh", "-c", script], stdout=subprocess.PIPE)
        check(process.stdout.readline() == b"ready\n", "did not begin")
        process.terminate()
        rest = process.stdout.read()
        check((process.wait(TIMEOUT), rest) == wanted, f"{process.returncode} {rest}")
    texts = [json.loads(file.read_text())["text"] for file in sorted(bot.spool.glob("*.json"))]
    check(texts[0] == "exit 9\nready\nheard" and texts[1] == "killed by SIGTERM\nready", str(texts))
    server.shut()


if __name__ == "__main__":
    sys.exit(run_tests(globals()) > 0)
