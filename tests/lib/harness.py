"""What the tests in Python share: a check, a wait for what no event tells, the run of a file's tests."""
import sys
import time
import traceback

from bot import Bot


class Skip(Exception):
    """A test needs what is not there."""


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def until(condition, what, seconds=30):
    """For a file or a database, which tell nobody that they changed. what: a text, or a function that gives it."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            raise AssertionError(f"{what() if callable(what) else what}: not in time")
        time.sleep(0.05)


def node(run, name="etl_users", app="data_factory", **more):
    return {"op": "alert", "app": app, "kind": "node_failed", "run_id": run,
            "fields": {"node_id": name, "duration_ms": 5321, "error": "connection refused"}, **more}


def run_tests(names, *args):
    """Calls what is named test_… with args, or of these what the command line names, and prints
    "ok NAME", "not ok NAME" or "skip NAME" for each. Returns how many failed."""
    wanted = sys.argv[1:]
    failed = 0
    for name, test in sorted((name[5:], test) for name, test in names.items() if name.startswith("test_")):
        if wanted and name not in wanted:
            continue
        started = time.monotonic()
        try:
            test(*args)
            print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Skip as why:
            print(f"skip {name}: {why}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {name}\n" + traceback.format_exc(), flush=True)
        Bot.kill_all()
    return failed
