"""The wall clock of a bot under test, by libfaketime; monotonic time stays real, so that timers and
time limits go on as ever.

    clock = Clock("2026-03-28T08:59:50+01:00")
    bot.environment = clock.environment
    bot.start()
    clock.set("2026-03-29T08:59:50+02:00")   # and goes on from there
"""
import datetime
import os
import pathlib
import tempfile

LIBRARY = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


class Clock:
    def __init__(self, text):
        self.file = pathlib.Path(tempfile.mkdtemp(prefix="mtb-clock-")) / "time"
        self.set(text)
        self.environment = {
            "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FMT": "%s",
            # a preloaded library comes before the sanitizer's, which it does not mind
            "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

    def set(self, text):
        fresh = self.file.with_suffix(".new")  # never half a file
        fresh.write_text(f"@{int(seconds(text))}\n")
        fresh.rename(self.file)
