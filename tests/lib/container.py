"""A throwaway Debian 12 that systemd has booted: made once by mmdebstrap in a cache folder outside the checkout,
with a layer of its own over it for each use. Shares the network of this machine; needs root."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from harness import Skip
from synapse import CACHE, log, making, mirror

SOURCE = pathlib.Path(__file__).parent.parent.parent
PACKAGES = "systemd,dbus,apparmor,procps,ca-certificates,tzdata"  # what an operator has


def depends(package):
    """What a .deb wants to be there, as a list for mmdebstrap."""
    words = subprocess.check_output(["dpkg-deb", "-f", package, "Depends"], text=True).split(",")
    return ",".join(sorted(word.split("|")[0].split()[0].split(":")[0] for word in words))


def make_root(packages):
    root = CACHE / "container"
    with making():
        if (root / "packages").exists() and (root / "packages").read_text() == packages:
            return root
        log("making a Debian 12 with systemd in it, once (about a minute) …")
        shutil.rmtree(root, ignore_errors=True)
        fresh = pathlib.Path(tempfile.mkdtemp(dir=CACHE))
        subprocess.run(
            ["mmdebstrap", "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\"", f"--include={packages}",
             "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg", "bookworm", str(fresh), *mirror()],
            check=True, stdout=subprocess.DEVNULL)
        fresh.chmod(0o755)
        (fresh / "packages").write_text(packages)
        fresh.rename(root)
    return root


class Container:
    """Booted in the constructor; wiped by close()."""

    def __init__(self, package):
        """Has all that the package depends on; not the package."""
        if not shutil.which("systemd-nspawn"):
            raise Skip("systemd-nspawn is not installed")
        made = make_root(f"{PACKAGES},{depends(package)}")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mtb-container-", dir=CACHE))
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o755)  # whatever the umask: its users must get into it
        self.console = self.folder / "console"
        script = f"""mount -t overlay overlay -o lowerdir={made},upperdir=upper,workdir=work root || cp -a {made}/. root
            exec systemd-nspawn -q -D root --boot --register=no --keep-unit --console=pipe"""
        with open(self.console, "wb") as out:
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            self.init = self.wait_booted()
        except Skip:
            self.close()
            raise

    def wait_booted(self):
        """The process id of its systemd, once that has started everything."""
        end = time.monotonic() + 60
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while time.monotonic() < end and self.process.poll() is None:
            for self.init in children.read_text().split():
                if self.run("systemctl", "is-system-running", "--wait").stdout.strip() in ("running", "degraded"):
                    return self.init
            time.sleep(0.1)  # there is no event for a boot outside of it
        raise Skip("systemd cannot be booted here: " + (self.console.read_text(errors="replace").strip() or "no reason given"))

    def run(self, *words, user=None, text="", timeout=120):
        """A command inside it; as root, or as user with the groups of that user."""
        become = ["runuser", "-u", user, "--"] if user else []
        return subprocess.run(["nsenter", "-t", self.init, "-a", *become, *words], input=text, capture_output=True, text=True,
                              timeout=timeout)

    def must(self, *words, **more):
        """As run(), and returns what it printed; raises when it fails."""
        done = self.run(*words, **more)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, unit, name):
        """One property of a unit."""
        return self.must("systemctl", "show", "-P", name, unit).strip()

    def path(self, name):
        """A file in it, mounts such as /run included, as this machine sees it."""
        return pathlib.Path(f"/proc/{self.init}/root") / name.lstrip("/")

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(AttributeError, ProcessLookupError):
                os.kill(int(self.init), signal.SIGKILL)  # all of it is thrown away
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def build_package(folder):
    """The .deb of this source."""
    done = subprocess.run(["nice", "-n", "19", SOURCE / "bot/packaging/build-deb", folder], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return next(pathlib.Path(folder).glob("matrix-telemetry-bot_*.deb"))


def of_version(package, version, out):
    """The same package under another version."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
        control = pathlib.Path(folder) / "DEBIAN/control"
        lines = [f"Version: {version}" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
        control.write_text("\n".join(lines) + "\n")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", folder, out], check=True, stdout=subprocess.DEVNULL)
    return out
