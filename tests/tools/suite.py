"""Run pytest once, as the user that runs this, and report what it leaves behind.

    suite.py REPORT PLACES PYTEST-ARGUMENTS...

We are the subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)) of everything that the tests start, so an
orphan cannot escape: when pytest has ended, whatever is still our child is a leak. So are files
below PLACES (with : between them) and in /tmp that were not there before, and, as root, mounts.
A user whose PLACES are known gets a home for this run alone: other people's programs (podman,
fish) keep caches there, which are theirs to make; what is ours below it is a leak.
Writes the counts and the leaks as JSON to REPORT.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
FOREIGN = ("podman", "catatonit")
"""podman leaves a process that holds its user namespace, by design: ended, but no leak of ours."""

GRACE = 30.0
"""Seconds that processes have to end by themselves after the last test, such as a syncfs(2)."""


def main(report: str, places: list[str], arguments: list[str]) -> int:
    """Run pytest with `arguments`, write `report`, return pytest's exit code or 1 for leaks."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = things(places)
    # Hexadecimal, for mkdtemp(3) may begin its part with "_", and podman takes the path of a
    # layout for a name of an image, in which "-_" is not allowed.
    work = f"{tempfile.gettempdir()}/rootless-suite-{secrets.token_hex(5)}"
    os.mkdir(work, 0o700)
    junit = f"{work}/junit.xml"
    home = f"{work}/home"
    if places:
        os.mkdir(home)
        os.environ["HOME"] = home
    command = ["-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={work}/tmp"]
    code = run_to_end([sys.executable, *command, f"--junitxml={junit}", *arguments])
    counts = read_counts(junit)
    leaks = [f"process {name}" for name in end_orphans()]
    leaks += [f"file {path}" for path in Path(home).rglob("rootless*")]
    remove_tree(work)
    leaks += sorted(things(places) - before)
    if code == 5:  # pytest: no tests were collected
        code = 0
    Path(report).write_text(json.dumps({**counts, "leaks": leaks, "code": code}))
    return code or bool(leaks)


def run_to_end(argv: list[str]) -> int:
    """Run a command and reap every orphan that comes to us until it ends; return its exit code."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    while True:
        pid, status = os.wait()
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode


def end_orphans() -> list[str]:
    """Give what is left a moment to end, then kill it; return the command lines of the leaks."""
    deadline = time.monotonic() + GRACE
    leaks: dict[int, str] = {}
    while pids := children():
        for pid in pids:
            if time.monotonic() > deadline:
                leaks.setdefault(pid, command_line(pid))
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        if all(Path(f"/proc/{pid}/comm").read_text().strip() in FOREIGN for pid in children()):
            deadline = 0  # nothing but these: no need to wait for them
        time.sleep(0.05)
    lines = leaks.values()
    return [line for line in lines if os.path.basename(line.split(" ")[0]) not in FOREIGN]


def children() -> list[int]:
    """Return the pids of our children; proc(5), CONFIG_PROC_CHILDREN."""
    return [
        int(pid)
        for pid in Path("/proc/self/task")
        .joinpath(str(os.getpid()), "children")
        .read_text()
        .split()
    ]


def command_line(pid: int) -> str:
    """Return the command line of a process, or its name where it has none."""
    line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return line.strip() or Path(f"/proc/{pid}/comm").read_text().strip()


def things(places: list[str]) -> set[str]:
    """Return what a test could leave behind: this user's files, and root's mounts."""
    me, found = os.getuid(), set()
    for path in Path("/tmp").iterdir():
        if path.name == f"rootless-{me}":
            continue  # the runtime directory without XDG_RUNTIME_DIR: it is there until the boot
        # Where this user does other things too, only what bears a name of ours.
        if path.lstat().st_uid == me and (places or path.name.startswith(("rl-", "rootless-"))):
            found.add(f"file {path}")
    for place in places:
        found |= {f"file {path}" for path in Path(place).rglob("*")}
    if me == 0:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        found |= {f"mount {line.split(' ')[4]}" for line in lines}
    return found


def remove_tree(directory: str) -> None:
    """Remove pytest's directory, where containers may have left files of subordinate users."""
    if os.geteuid() != 0:
        maps = ["--map-root-user", "--map-auto"]
        for flags in (maps, maps[:1]):
            command = ["unshare", *flags, "rm", "-rf", directory]
            if subprocess.run(command, capture_output=True).returncode == 0:
                break
    shutil.rmtree(directory, ignore_errors=True)


def read_counts(junit: str) -> dict[str, int]:
    """Return passed, failed and skipped from pytest's JUnit file; a crash counts as a failure."""
    try:
        suite = ElementTree.parse(junit).getroot()[0]
    except (OSError, ElementTree.ParseError):
        return {"passed": 0, "failed": 1, "skipped": 0}
    number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    passed = number["tests"] - failed - number["skipped"]
    return {"passed": passed, "failed": failed, "skipped": number["skipped"]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2].split(":") if sys.argv[2] else [], sys.argv[3:]))
