"""Make this machine fit for tests: ordinary users, devices, a checkout and Pythons they can use.

Containers of this engine are for people without root, so the tests run as such people. Started
as root, as in a CI container, we make two: one with subordinate ids (subuid(5)) and one without.
Every step looks first and does only what is missing.
"""

from __future__ import annotations

import glob
import grp
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CACHE = Path("/var/cache/rootless-tests")
"""Where root puts the copy of the checkout and the virtual environments that the users share."""

SUPPORTED = ("3.11", "3.12", "3.13")
GROUP = "rootless-extra"
"""A supplementary group of both users, for the tests of --group-add keep-groups."""


class Account:
    """An ordinary user (or ourselves) and how to run a command as that user."""

    def __init__(self, name: str, mode: str) -> None:
        entry = pwd.getpwnam(name)
        self.name, self.mode, self.uid, self.gid = name, mode, entry.pw_uid, entry.pw_gid
        self.home = entry.pw_dir
        self.runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        if os.geteuid() == 0 or not self.runtime:
            self.runtime = f"/run/user/{self.uid}"

    def environment(self) -> dict[str, str]:
        """Return the environment of a fresh login, and nothing of ours."""
        keep = {
            name: os.environ[name]
            for name in ("TEST_SEED", "BENCH_DIRECTORY")
            if name in os.environ
        }
        return {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": self.runtime,
            **keep,
        }

    def places(self) -> list[str]:
        """Return the directories that belong to the tests alone: those of users that we made."""
        return [self.home, self.runtime] if self.mode in ("mapped", "single") else []

    def command(self, argv: list[str]) -> list[str]:
        """Return `argv` so that it runs as this user, whoever starts it."""
        if self.uid == os.geteuid():
            return argv
        ids = ["--reuid", str(self.uid), "--regid", str(self.gid), "--init-groups"]
        return ["setpriv", *ids, *argv]


class Interpreter:
    """A Python of this machine; `hidden` is the directory above it that others may not enter."""

    def __init__(self, version: str, path: str) -> None:
        self.version, self.path = version, path
        real = Path(os.path.realpath(path))
        self.prefix = str(real.parent.parent)
        closed = [d for d in reversed(real.parents) if not d.stat().st_mode & stat.S_IXOTH]
        self.hidden = str(closed[0]) if closed else ""

    def uncovered(self, argv: list[str]) -> list[str]:
        """Return `argv` so that it runs, started as root, where every user can reach this Python.

        In a mount namespace of its own the closed directory is an empty file system that holds
        nothing but the interpreter, so no permission on the machine changes.
        """
        if not self.hidden:
            return argv
        script = (
            'set -e; stage=$(mktemp -d); mount --bind "$1" "$stage"; '
            'mount -t tmpfs -o mode=755 none "$2"; mkdir -p "$1"; '
            'mount --move "$stage" "$1"; rmdir "$stage"; shift 2; exec "$@"'
        )
        return ["unshare", "--mount", "sh", "-c", script, "sh", self.prefix, self.hidden, *argv]


def accounts() -> list[Account]:
    """Return the users to test as: those that root makes, or else only ourselves."""
    if os.geteuid() != 0:
        return [Account(pwd.getpwuid(os.getuid()).pw_name, "own")]
    _open_devices()
    subprocess.run(["groupadd", "--force", GROUP], check=True)
    return [_account("rootless-mapped", "mapped"), _account("rootless-single", "single")]


def root_account() -> Account:
    """Return root itself, for the small part of the tests that runs as root."""
    return Account("root", "root")


def _open_devices() -> None:
    """Set the modes that udev gives these devices, where there is no udev."""
    for device in ("/dev/fuse", "/dev/net/tun"):
        if os.path.exists(device) and os.stat(device).st_mode & 0o666 != 0o666:
            os.chmod(device, 0o666)


def _account(name: str, mode: str) -> Account:
    """Return the user `name`, made if it is not there, with or without subordinate ids."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", name], check=True)
    if name not in grp.getgrnam(GROUP).gr_mem:
        subprocess.run(["usermod", "--append", "--groups", GROUP, name], check=True)
    for kind in ("uid", "gid"):
        _grant(name, kind, wanted=mode == "mapped")
    account = Account(name, mode)
    os.makedirs(account.runtime, 0o700, exist_ok=True)
    os.chown(account.runtime, account.uid, account.gid)
    os.chmod(account.runtime, 0o700)
    return account


def _grant(name: str, kind: str, *, wanted: bool) -> None:
    """Give `name` subordinate ids in /etc/subuid or /etc/subgid, or take them away."""
    path = Path(f"/etc/sub{kind}")
    lines = path.read_text().splitlines() if path.exists() else []
    mine = [line for line in lines if line.startswith(f"{name}:")]
    if wanted and not mine:
        lines.append(f"{name}:{_free_range(lines, kind)}")
    elif not wanted and mine:
        lines = [line for line in lines if line not in mine]
    else:
        return
    new = path.with_suffix(".rootless-tests")
    new.write_text("".join(f"{line}\n" for line in lines))
    new.chmod(0o644)
    new.replace(path)


def _free_range(lines: list[str], kind: str) -> str:
    """Return "start:count" behind all ranges that are given away, within what this machine has.

    In a container there may be no more than 65536 ids in all; then the range lies within them.
    """
    taken = [line.split(":")[1:] for line in lines if line.count(":") == 2]
    start = max([100000, *(int(first) + int(count) for first, count in taken)])
    rows = [row.split() for row in Path(f"/proc/self/{kind}_map").read_text().splitlines()]
    end = max(int(inside) + int(count) for inside, _, count in rows)
    if start + 65536 > end:
        start = 20000
    return f"{start}:{min(65536, end - start - 2)}"


def interpreters() -> list[Interpreter]:
    """Return one Python of each supported version that is installed, the easiest to reach first."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = []
    for version in SUPPORTED:
        paths = [f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
        paths += sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python{version}"))
        usable = [Interpreter(version, path) for path in paths if os.access(path, os.X_OK)]
        found += usable[:1]
    if not found:  # a Python in a place of its own: the one that runs this
        version = "{}.{}".format(*sys.version_info)
        found = [Interpreter(version, os.path.realpath(sys.executable))]
    return sorted(found, key=lambda interpreter: bool(interpreter.hidden))


def checkout() -> Path:
    """Return a checkout that the test users can read: this one, or as root a copy of it."""
    if os.geteuid() != 0:
        return REPOSITORY
    target = CACHE / "src"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    git = ["git", "-c", f"safe.directory={REPOSITORY}", "-C", str(REPOSITORY)]
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in sorted(set(listed.stdout.split("\0")) - {""}):
        source, copy = REPOSITORY / name, target / name
        if not os.path.lexists(source):
            continue  # deleted, and the deletion not committed yet
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy, follow_symlinks=False)
    # What tests/releases.py wants of the history, which the copy has not.
    last = (REPOSITORY / "tests/last-release").read_text().strip()
    archive = ["archive", "-o", f"{target}/last-release.tar", last, "rootless", "cli", "oci"]
    subprocess.run([*git, *archive], capture_output=True)
    subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(target)], check=True)
    return target


def debian() -> None:
    """See that there is a small Debian for those users to build upon who cannot make one.

    Where it cannot be made, tests say so (tests/build/debian.py).
    """
    archive = CACHE / "debian.tar"
    if os.geteuid() != 0 or archive.exists() or not shutil.which("mmdebstrap"):
        return
    new = archive.with_name("debian.new.tar")
    words = ["--quiet", "--variant=minbase", "bookworm", str(new)]
    try:
        done = subprocess.run(["mmdebstrap", *words], stdin=subprocess.DEVNULL, timeout=600)
    except subprocess.TimeoutExpired:
        return
    if done.returncode == 0:
        new.chmod(0o644)
        new.rename(archive)


def environment(interpreter: Interpreter, tree: Path) -> str:
    """Return the Python of a virtual environment with `tree` and what its tests need.

    As root it lies in CACHE, where it is made anew only when pyproject.toml changes.
    """
    if os.geteuid() != 0 and interpreter.version == "{}.{}".format(*sys.version_info):
        return sys.executable
    base = CACHE if os.geteuid() == 0 else tree / ".venv"
    wanted = hashlib.sha256((tree / "pyproject.toml").read_bytes()).hexdigest()[:16]
    directory = base / f"python{interpreter.version}-{wanted}"
    if not (directory / "installed-test").exists():
        for old in base.glob(f"python{interpreter.version}-*"):
            shutil.rmtree(old)
        script = str(tree / "tests/tools/venv.sh")
        subprocess.run(
            ["sh", script, str(directory), "test"],
            check=True,
            env={**os.environ, "PYTHON": interpreter.path},
        )
    python = f"{directory}/bin/python"
    # The copy of the checkout is new each time, and its users may not write beside it.
    sources = [f"{tree}/{name}" for name in ("rootless", "cli", "oci")]
    subprocess.run([python, "-m", "compileall", "-q", *sources], check=True)
    return python
