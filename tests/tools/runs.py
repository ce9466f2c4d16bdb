"""What `make test`, `make soak` and `make bench` do: everything, as the right users.

    runs.py test [PYTEST ARGUMENTS]   a part as root, the suite as the first user, what is not
                                      marked `once` as the second, a part on each further Python
    runs.py soak [PYTEST ARGUMENTS]   the tests marked soak
    runs.py bench [ROWS]              bench/run.py

Prints one line for each run, then the totals in the form "N passed, N failed, N skipped".
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine

OTHER_PYTHONS = ["tests/oci", "tests/test_smoke.py"]
"""What runs on the further Pythons: the parsers, and containers from end to end."""

WORKERS = ["-n", "4", "--dist", "worksteal"]
"""More processes than the two cores of a CI machine: tests wait for clocks and for each other."""

AS_ROOT = "as_root and not soak"
WHAT_DIFFERS = "not soak and (each or not once)"
"""What the users after the first run: all but the tests that say they are the same for each."""


class Run:
    """One run of pytest: as whom, with which Python, on what."""

    def __init__(
        self, account: machine.Account, interpreter: machine.Interpreter, arguments: list[str]
    ) -> None:
        self.account, self.interpreter, self.arguments = account, interpreter, arguments
        self.title = f"{account.mode} {interpreter.version}"

    def go(self, tree: Path) -> dict[str, int]:
        """Carry it out and return the counts, leaks counted as a failure."""
        python = machine.environment(self.interpreter, tree)
        directory = tempfile.mkdtemp(prefix="rootless-report-")
        os.chown(directory, self.account.uid, self.account.gid)
        report = Path(directory) / "report.json"
        places = ":".join(self.account.places())
        argv = [python, "tests/tools/suite.py", str(report), places, *self.arguments]
        print(f"--- {self.title}: pytest {' '.join(self.arguments)}", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            self.interpreter.uncovered(self.account.command(argv)),
            cwd=tree,
            env=self.account.environment(),
            stdin=subprocess.DEVNULL,
        )
        result = self._read(report, done.returncode)
        report.unlink(missing_ok=True)
        os.rmdir(directory)
        self._print(result, time.monotonic() - began)
        return result

    def _read(self, report: Path, code: int) -> dict[str, int]:
        try:
            result = json.loads(report.read_text())
        except (OSError, ValueError):
            return {"passed": 0, "failed": 1, "skipped": 0}
        for leak in result.pop("leaks"):
            print(f"left behind: {leak}")
        result.pop("code")
        if code and not result["failed"]:
            result["failed"] = 1
        return dict(result)

    def _print(self, result: dict[str, int], seconds: float) -> None:
        print(f"--- {self.title}: {line(result)}, in {seconds:.0f} s\n", flush=True)


def line(counts: dict[str, int]) -> str:
    """Return the counts as a person and a CI server read them."""
    return ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped"))


def plan(arguments: list[str]) -> list[Run]:
    """Return the runs of `make test`; with arguments, only the users on one Python."""
    users, (first, *others) = machine.accounts(), machine.interpreters()
    common = ["-q", *WORKERS, *arguments]
    runs = [Run(users[0], first, common)]
    further = [] if arguments else ["-m", WHAT_DIFFERS]
    runs += [Run(user, first, [*common, *further]) for user in users[1:]]
    if os.geteuid() == 0:
        # First, for only root may keep the compiled tests in the copy of the checkout.
        runs.insert(0, Run(machine.root_account(), first, [*common, "-m", AS_ROOT]))
    if not arguments:
        runs += [Run(users[0], python, [*common, *OTHER_PYTHONS]) for python in others]
    return runs


def test(arguments: list[str]) -> int:
    """Carry out the plan, print the totals, return 1 if anything failed."""
    return carry_out(plan(arguments))


def soak(arguments: list[str]) -> int:
    """Run the soak tests as the first user, from a seed that is printed and can be given again."""
    user, python = machine.accounts()[0], machine.interpreters()[0]
    seed = os.environ.setdefault("TEST_SEED", str(random.randrange(1 << 32)))
    print(f"TEST_SEED={seed} repeats this run")
    options = ["-m", "soak", "--timeout", "3600", f"--hypothesis-seed={seed}"]
    return carry_out([Run(user, python, [*options, *arguments])])


def carry_out(runs: list[Run]) -> int:
    """Do the runs one after the other and print the totals last."""
    tree = machine.checkout()
    with ThreadPoolExecutor() as pool:  # what is not there yet is made side by side
        pool.submit(machine.debian)
        list(
            pool.map(lambda one: machine.environment(one, tree), {run.interpreter for run in runs})
        )
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for run in runs:
        for name, count in run.go(tree).items():
            totals[name] += count
    print(line(totals))
    return 1 if totals["failed"] or not totals["passed"] else 0


def bench(arguments: list[str]) -> int:
    """Run the benchmarks as the first user."""
    user, python = machine.accounts()[0], machine.interpreters()[0]
    tree = machine.checkout()
    argv = [machine.environment(python, tree), "bench/run.py", *arguments]
    command = python.uncovered(user.command(argv))
    return subprocess.run(command, cwd=tree, env=user.environment()).returncode


def main(what: str, arguments: list[str]) -> int:
    """Do `what`, one at a time on this machine, for runs share their users and the copied tree."""
    if os.geteuid() != 0:
        return {"test": test, "soak": soak, "bench": bench}[what](arguments)
    machine.CACHE.mkdir(parents=True, exist_ok=True)
    with open(machine.CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return {"test": test, "soak": soak, "bench": bench}[what](arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
