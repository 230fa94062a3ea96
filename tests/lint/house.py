#!/usr/bin/python3
"""What holds the house in order: which room may include which, one name for each file, files of a size
that can be read, and how many places a new command or key touches. Prints "ok NAME" or "not ok NAME".
"""
import collections
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent.parent
# a room includes itself and what stands before it
ROOMS = ["bot/base", "bot/config", "bot/convert", "storage", "handlers", "bot/intake", "bot/client", "bot/matrix", "bot/crypto",
         "bot/meta", "bot/loop", "bot/http", "bot/vault", "bot/delivery", "bot/timeline", "bot/link", "bot/charts", "bot/schedule", "bot/ops",
         "bot/setup", "bot/command_line", "bot"]
# what never meets: the decisions no loop and no network, storage no JSON from the wire, crypto no network
NEVER = {"handlers": r"uv\.h|curl/|sqlite3\.h", "storage": r"uv\.h|curl/", "bot/crypto": r"uv\.h|curl/|sqlite3\.h"}
SQLITE = r"#include <sqlite3\.h>"
LINES_MAX = 600
LINES_MEDIAN = 200
COMMENT = re.compile(r"/\*.*?\*/", re.S)
OTHERS_FILES = {"olm.h", "queue.h", "uv.h"}
PLACES_MAX = 3  # for a new command or key, its text in the manual and tests aside


def files():
    found = subprocess.check_output(["git", "ls-files", "bot", "handlers", "storage"], cwd=ROOT, text=True).split()
    return [name for name in found if name.endswith((".c", ".h")) and not name.startswith("bot/apps/")]


def room_of(name):
    return max((room for room in ROOMS if name.startswith(room + "/")), key=len)


def text_of(name):
    return (ROOT / name).read_text()


def test_no_room_includes_a_later_one():
    for name in files():
        for included in re.findall(r'#include "([^"]+)"', text_of(name)):
            here, there = room_of(name), room_of(included)
            if ROOMS.index(there) > ROOMS.index(here):
                yield f"{name} includes {included}"


def test_what_never_meets():
    for name in files():
        forbidden = NEVER.get(room_of(name))
        for included in re.findall(r"#include <([^>]+)>", text_of(name)):
            if forbidden and re.match(forbidden, included):
                yield f"{name} includes {included}"
        if room_of(name) != "storage" and re.search(SQLITE, text_of(name)):
            yield f"{name} includes sqlite3.h outside storage"


def test_one_name_for_each_file():
    places = collections.defaultdict(set)
    for name in files():
        places[pathlib.Path(name).name].add(name)
    for names in places.values():
        if len(names) > 1:
            yield " and ".join(sorted(names))


def test_files_can_be_read():
    sizes = {name: text_of(name).count("\n") for name in files()}
    for name, lines in sizes.items():
        if lines > LINES_MAX:
            yield f"{name} has {lines} lines"
    if statistics.median(sizes.values()) > LINES_MEDIAN:
        yield f"the median is {statistics.median(sizes.values())} lines"


def test_each_file_says_what_it_is():
    for name in files():
        if not re.match(rf"/\*\n \* {re.escape(pathlib.Path(name).name)} - ", text_of(name)):
            yield f"{name} does not begin with its name and what it is"


def test_a_function_says_where_it_is():
    """In a backtrace of a binary without line numbers a static function's name is all there is."""
    places = collections.defaultdict(set)
    for name in files():
        for function in re.findall(r"^static (?!const|inline)[\w \t*]*?\b(\w+)\(", text_of(name), re.M):
            places[function].add(name)
    del places["__attribute__"]
    for function, names in places.items():
        if len(names) > 1:
            yield f"{function} is in {' and '.join(sorted(names))}"
        elif "_" not in function:
            yield f"{function} in {min(names)} says too little"


def test_comments_name_what_there_is():
    """A file, function or struct that was renamed leaves its name behind in comments."""
    texts = {name: text_of(name) for name in files()}
    code = set(re.findall(r"\w+", " ".join(COMMENT.sub(" ", text) for text in texts.values())))
    known = {pathlib.Path(name).name for name in texts} | set(texts)
    for name, text in texts.items():
        comments = " ".join(COMMENT.findall(text))
        for file in re.findall(r"(?<![\w/.<])((?:[\w-]+/)*[\w-]+\.[ch])\b", comments):
            if file not in known and file not in OTHERS_FILES:
                yield f"{name} speaks of {file}"
        for function in re.findall(r"\b([a-z]\w+)\(\)", comments):
            if function not in code:
                yield f"{name} speaks of {function}()"
        for struct in re.findall(r"\bstruct ([a-z]\w+)", comments):
            if struct not in code:
                yield f"{name} speaks of struct {struct}"


def test_a_command_touches_few_places():
    """Two that nothing else needs: their function and their row."""
    for command in ("unack", "unsilence"):
        places = [name for name in files() if re.search(rf"\b{command}\b", text_of(name))]
        if len(places) > PLACES_MAX:
            yield f"{command}: {places}"


def test_a_key_touches_few_places():
    """The table of keys, the struct, the example; what uses it comes beside them."""
    for key in ("retention", "ring_on_close"):
        places = [name for name in [*files(), "bot.conf.example"]
                  if room_of(f"bot/{name}" if "/" not in name else name) in ("bot/config", "bot")
                  and re.search(rf"\b{key}(_ms)?\b", text_of(name))]
        if len(places) > PLACES_MAX:
            yield f"{key}: {places}"


if __name__ == "__main__":
    failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            faults = list(test())
            failed += bool(faults)
            print("\n".join(faults + [f"{'not ok' if faults else 'ok'} {name[5:]}"]))
    sys.exit(failed > 0)
