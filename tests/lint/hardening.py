#!/usr/bin/python3
"""Whether the programs and modules that are installed are hardened, as readelf sees it, and whether programs
start without cairo, which is for the module that draws. Prints "ok NAME" or "not ok NAME".
Usage: hardening.py FILE …"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# what an attacker would like best: each must be found unhardened, else the check itself is blind
SOFT = ["-O0", "-no-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE",
        "-Wl,-z,norelro,-z,lazy,-z,execstack,-rpath,/tmp,--no-as-needed", "-lcairo"]
CARELESS = """#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
	char name[64];

	strcpy(name, argv[argc - 1]);
	return printf("%s", name) < 0;
}
"""


def faults(program):
    """The names of what is missing. A module (.so) need not call what is checked."""
    def readelf(*options):
        return subprocess.check_output(["readelf", "-W", *options, program], text=True, env={**os.environ, "LC_ALL": "C"})

    head, segments, dynamic = readelf("-h"), readelf("-l"), readelf("-d")
    symbols = set(re.findall(r"\bUND (\w+)", readelf("--dyn-syms")))
    if not str(program).endswith(".so"):
        if not re.search(r"Type:\s+DYN", head) or not re.search(r"FLAGS_1\).*\bPIE\b", dynamic):
            yield "pie"
        if "__stack_chk_fail" not in symbols:
            yield "stack_protector"
        if not any(name.startswith("__") and name.endswith("_chk") for name in symbols):
            yield "fortify"
        if "libcairo" in subprocess.check_output(["ldd", program], text=True):
            yield "no_cairo"
    if "GNU_RELRO" not in segments:
        yield "relro"
    if not re.search(r"FLAGS_1\).*\bNOW\b", dynamic):
        yield "bind_now"
    if not re.search(r"GNU_STACK .*\bRW\b", segments):
        yield "stack_not_executable"
    if re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic):
        yield "no_path_and_no_text_relocations"


def test_the_check_sees_what_is_missing():
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder) / "soft.c", pathlib.Path(folder) / "soft"
        source.write_text(CARELESS)
        subprocess.run(["cc", *SOFT, "-w", "-o", program, source], check=True)
        seen = set(faults(program))
    every = set(re.findall(r'yield "(\w+)"', pathlib.Path(__file__).read_text()))
    return every - seen


def main():
    failed = 0
    for name, missing in [("the_check_sees_what_is_missing", test_the_check_sees_what_is_missing()),
                          *((pathlib.Path(program).name + "_is_hardened", set(faults(program))) for program in sys.argv[1:])]:
        failed += bool(missing)
        print(f"{'not ok' if missing else 'ok'} {name}" + (": " + ", ".join(sorted(missing)) if missing else ""))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
