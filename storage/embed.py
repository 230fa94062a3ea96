#!/usr/bin/env python3
"""Makes one C file of the migrations: embed.py OUTPUT 001.sql 002.sql …

They must be numbered 1, 2, 3 … without a gap, in that order."""

import pathlib
import sys


def literal(line):
    return '\t"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main(output, *paths):
    parts = ['#include "storage/migrate.h"\n\nconst char *const migrations[] = {\n']
    for number, path in enumerate(map(pathlib.Path, paths), 1):
        if path.name != f"{number:03}.sql":
            sys.exit(f"{path}: expected {number:03}.sql")
        lines = path.read_text(encoding="ascii").splitlines()
        parts.append("\n".join(map(literal, lines)) + ",\n")
    parts.append(f"}};\nconst int migrations_len = {len(paths)};\n")
    pathlib.Path(output).write_text("".join(parts), encoding="ascii")


main(*sys.argv[1:])
