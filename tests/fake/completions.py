"""What bash, zsh and fish complete is what the programs take: every command and every option."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

from bot import BUILD
from harness import check
from setting_up import Terminal

COMPLETION = pathlib.Path(__file__).parent.parent.parent / "bot/completion"
BOT, SEND = "matrix-telemetry-bot", "matrix-send-message"


def bash(line):
    words = line.split(" ")
    script = (f"source '{COMPLETION}/bash/{words[0]}'; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
              f"_{words[0].replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split())


def fish(line):
    script = f"source '{COMPLETION}/fish/{line.split(' ')[0]}.fish'; complete -C '{line}'"
    out = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True,
                         env={**os.environ, "XDG_DATA_HOME": tempfile.gettempdir(), "HOME": tempfile.gettempdir()}).stdout
    return {found.split("\t")[0] for found in out.splitlines()}


class Zsh:
    """One for all lines. What it would show is noted where the completion system takes it in."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-zsh-"))
        self.noted = self.folder / "noted"
        (self.folder / "start").write_text(f"""
fpath=('{COMPLETION}/zsh' $fpath)
autoload -Uz compinit
compinit -u -d {self.folder}/dump
compadd() {{
	local -a found
	if [[ ${{@[(i)-[OAD]]}} -le $# ]]; then builtin compadd "$@"; return; fi
	builtin compadd -A found "$@"
	print -rl -- $found >> {self.noted}
	builtin compadd "$@"
}}
unsetopt beep; LISTMAX=10000
PROMPT='ready> '
""")
        self.at = Terminal("/usr/bin/env", "-i", f"PATH={os.environ['PATH']}", "TERM=dumb", f"HOME={self.folder}", "zsh", "-f", "-i")
        os.write(self.at.fd, f"source {self.folder}/start\n".encode())
        self.at.until("ready> ")
        self.count = 0

    def __call__(self, line):
        self.count += 1
        self.noted.unlink(missing_ok=True)
        os.write(self.at.fd, line.encode() + f"\t\x15print do'ne'{self.count}.\n".encode())
        self.at.until(f"done{self.count}.")  # what is typed before the prompt, the terminal would edit
        self.at.until("ready> ")
        return set(self.noted.read_text().split()) if self.noted.exists() else set()

    def end(self):
        os.write(self.at.fd, b"\x15exit\n")
        self.at.end()


def help_of(*words):
    return subprocess.run([*words, "--help"], capture_output=True, text=True, check=True).stdout


def options_of(*words):
    found = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_of(*words), re.M))
    check(len(found) > 8, f"{words}: {found}")
    return found


def test_shells_complete_every_command_and_option():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-path-"))
    for program in (BUILD / "bot" / BOT, BUILD / "bot/client" / SEND):  # their help, without their start each time
        for words in ([], ["setup"]):
            (folder / f"{program.name}.{''.join(words)}").write_text(help_of(program, *(words if program.name == BOT else [])))
        script = folder / program.name
        script.write_text(f"#!/bin/sh\n[ \"$1\" = setup ] || set -- ''\ncat {script}.$1\n")
        script.chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    commands = set(re.findall(r"^  ([a-z]+)\b", help_of(BOT), re.M))
    check(len(commands) > 20, str(commands))
    zsh = Zsh()
    for complete in (bash, fish, zsh):
        name = getattr(complete, "__name__", "zsh")

        def holds(line, wanted, other=frozenset()):
            found = complete(line)
            check(wanted <= found and not other & found, f"{name}: {line!r}: {sorted(found)}, missing {sorted(wanted - found)}")

        holds(f"{BOT} ", commands)
        holds(f"{BOT} -c {folder} ", commands)
        holds(f"{BOT} unsil", {"unsilence"}, {"silence"})
        holds(f"{BOT} --", options_of(BOT), {"--homeserver"})
        holds(f"{BOT} setup --", options_of(BOT, "setup"), {"--accept-new-device"})
        holds(f"{BOT} test ", {"node", "dag", "violation", "all", "undelivered"}, commands)
        holds(f"{BOT} heartbeat ", {"now", "stop"}, {"app", "name"})
        holds(f"{BOT} oncall ", {"take", "give"}, {"user", "until"})
        holds(f"{SEND} --", options_of(SEND))
        holds(f"{SEND} --severity ", {"critical", "warning", "info"}, {"--app"})
        holds(f"{SEND} -k ", {"node_failed", "command_failed", "message"})
    zsh.end()


def test_shells_look_where_the_completions_are_installed():
    """With meson's own prefix, without what a desktop's session sets."""
    installed = json.loads(subprocess.run(["meson", "introspect", "--installed", BUILD], capture_output=True, check=True).stdout)
    bare = {"PATH": os.environ["PATH"], "HOME": tempfile.mkdtemp(prefix="mtb-home-")}
    for shell, words in (("fish", ["fish", "-c", "printf '%s\\n' $fish_complete_path"]), ("zsh", ["zsh", "-fc", "print -l $fpath"])):
        places = subprocess.run(words, capture_output=True, text=True, check=True, env=bare).stdout.split()
        found = [path for source, path in installed.items() if f"/completion/{shell}/" in source]
        check(found and all(os.path.dirname(path) in places for path in found), f"{shell}: {found}, looks at {places}")
