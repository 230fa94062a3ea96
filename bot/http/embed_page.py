#!/usr/bin/env python3
"""Makes one C file of what the page is made of beside its HTML: embed_page.py OUTPUT page.css page.js"""

import pathlib
import sys


def literal(line):
    return '\t"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main(output, *paths):
    parts = ['#include "bot/http/page_files.h"\n']
    for path in map(pathlib.Path, paths):
        name = path.name.replace(".", "_")
        lines = "\n".join(map(literal, path.read_text(encoding="ascii").splitlines()))
        parts.append(f"\nconst char {name}[] =\n{lines};\n")
    pathlib.Path(output).write_text("".join(parts), encoding="ascii")


main(*sys.argv[1:])
