"""What --help lists is in the manual pages, and what the config knows in bot.conf(5)."""
import pathlib
import re
import subprocess

from bot import BUILD

MAN = pathlib.Path(__file__).parent.parent.parent / "bot/man"
EXAMPLE = MAN.parent.parent / "bot.conf.example"
FIXTURES = MAN.parent.parent / "tests/fixtures/alertmanager"


def page(name):
    """The page's text without its markup."""
    return (MAN / f"{name}.scd").read_text().replace("\\", "")


def help_of(program, *words):
    return subprocess.run([BUILD / program, *words, "--help"], capture_output=True, text=True, timeout=60).stdout


def check(missing, where):
    if missing:
        raise AssertionError(f"not in {where}: {missing}")


def test_manual_pages_name_what_there_is():
    verbs = re.findall(r"^  ([a-z]+)\b", help_of("bot/matrix-telemetry-bot"), re.M)
    heads = re.findall(r"^(\*.*)\n\t", page("matrix-telemetry-bot.1"), re.M)
    named = {word for head in heads for word in re.findall(r"[a-z]+", head)}
    check([] if len(verbs) > 15 else ["verbs"], "--help")
    check([verb for verb in verbs if verb not in named], "matrix-telemetry-bot(1)")
    manual = page("matrix-telemetry-bot.1")
    usages = re.findall(r"^             ([a-z]+ .*)", help_of("bot/matrix-telemetry-bot"), re.M)
    words = {word for usage in usages for word in re.findall(r"--?[a-z-]+|\b[a-z]{3,}\b", usage)}
    check([] if len(words) > 20 else ["usages"], "--help")
    check([word for word in words if word not in manual.lower().replace("_", "") and word.replace("_", "") not in
           manual.lower()], "matrix-telemetry-bot(1)")
    options = re.findall(r"(--[a-z-]+)", help_of("bot/matrix-telemetry-bot", "setup"))
    check([] if len(options) > 10 else ["options"], "setup --help")
    check([o for o in options if o not in manual], "matrix-telemetry-bot(1)")
    options = re.findall(r"(--[a-z-]+)", help_of("bot/client/matrix-send-message"))
    check([o for o in options if o not in page("matrix-send-message.1")], "matrix-send-message(1)")
    sections = re.findall(r"^#?\[([a-z_]+)", EXAMPLE.read_text(), re.M)
    check([s for s in sections if f"[{s}" not in page("bot.conf.5")], "bot.conf(5)")


def test_versions_can_be_told_apart():
    """By number, by build and by schema; and the help has every exit code of sysexits(3) that is used."""
    told = subprocess.run([BUILD / "bot/matrix-telemetry-bot", "--version"], capture_output=True, text=True, timeout=60).stdout
    if not re.fullmatch(r"matrix-telemetry-bot \d+\.\d+\.\d+ \(\S.*, schema \d+\)\n", told):
        raise AssertionError(told)
    codes = {"0 ok", "64 usage", "65 bad data", "69 no daemon", "73 cannot create", "75 try again", "77 not permitted",
             "78 bad config"}
    for where in (help_of("bot/matrix-telemetry-bot"), page("matrix-telemetry-bot.1")):
        words = " ".join(where.split())
        check({code for code in codes if code.split()[0] not in words}, "the help or its page")
    check({code for code in codes if code not in " ".join(help_of("bot/matrix-telemetry-bot").split())}, "the help")
    unit = (MAN.parent / "packaging/matrix-telemetry-bot.service.in").read_text()
    check([] if re.search(r"^ExecReload=\S*/matrix-telemetry-bot .* reload$", unit, re.M) else ["reload"],
          "the unit, which must not succeed with a rejected config")


def convert(path, *words):
    return subprocess.run([BUILD / "bot/matrix-telemetry-bot", *words, "--alertmanager", path], capture_output=True,
                          text=True, timeout=60)


def test_an_alertmanager_yml_becomes_a_config():
    """Files that Alertmanager itself takes; what is printed, the reader of configs has taken."""
    files = sorted(FIXTURES.glob("*.yml"))
    check([] if len(files) >= 4 else ["fixtures"], FIXTURES)
    for path in files:
        subprocess.run(["amtool", "check-config", path], check=True, capture_output=True, timeout=60)
        done = convert(path, "check")
        check([] if done.returncode == 0 and done.stderr == "" else [done.stderr], path)
        check([part for part in ("[rooms]\n", "[route]\ncritical = ", "Without a counterpart") if part not in done.stdout], path)
        check([line for line in done.stdout.splitlines() if "do-not-print" in line], "what is secret")
    for path, words, code in ((MAN / "bot.conf.5.scd", ["check"], 65), ("/nowhere.yml", ["check"], 65), (files[0], ["status"], 64)):
        done = convert(path, *words)
        check([] if done.returncode == code and done.stdout == "" and len(done.stderr.splitlines()) == 1 else [str(done)], path)


def test_readme_names_the_packages_of_the_build():
    control = (MAN.parent / "packaging/debian/control").read_text()
    depends = re.search(r"Build-Depends:\n((?: .*\n)+)", control)[1]
    wanted = {word for word in re.findall(r"^ ([\w.+-]+)", depends, re.M) if not word.startswith(("debhelper", "dh-"))}
    lines = re.search(r"^sudo apt install (gcc (?:.*\\\n)*.*)", (EXAMPLE.parent / "README.md").read_text(), re.M)[1]
    named = set(lines.replace("\\", " ").split())
    if named != wanted | {"gcc", "ninja-build"}:
        raise AssertionError(f"README.md against debian/control: {named ^ (wanted | {'gcc', 'ninja-build'})}")
