"""What the hot commands load: the price of every start."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

# fmt: off
ALLOWED = {
    "__future__", "_blake2", "_collections", "_collections_abc", "_ctypes", "_json", "_operator",
    "_socket", "_stat", "_struct", "ctypes", "ctypes._endian", "errno", "fcntl", "gc",
    "genericpath", "grp", "math", "os", "posixpath", "pwd", "resource", "select", "stat", "struct",
    "termios", "types",
}
"""All that hot commands may load of Python's own library, beyond what Python itself does."""

BANNED = {
    "asyncio", "collections", "contextlib", "dataclasses", "datetime", "enum", "functools",
    "inspect", "json", "logging", "pathlib", "re", "rich", "selectors", "shutil",
    "signal", "site", "sitecustomize", "socket", "subprocess", "tempfile", "typer", "typing",
    "urllib3",
}
"""What must never be there, whatever ALLOWED says."""
# fmt: on

MOST = {"ps": 46, "images": 37, "inspect": 43, "logs": 39}
"""How many modules of ours the commands load that start nothing."""


def loaded(command: list[str], env: dict[str, str]) -> set[str]:
    """Return the modules that a program loads in all its processes."""
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return loaded([sys.executable, "-S", "-c", "pass"], {})


@pytest.fixture(scope="module")
def running() -> Iterator[Store]:
    """A store where a container `box` runs."""
    store = Store()
    store.ok("run", "-d", "--name", "box", "host", "sleep", "1000")
    yield store
    store.remove()


@pytest.mark.parametrize(
    "line",
    [
        "run --rm host true",
        "run --rm -d -e A=1 -v /etc:/x:ro -w / -u 0 --name y host true",
        "run --rm --userns keep-id host true",
        "exec box true",
        "exec -e A=1 -w / -u 0 box true",
        "start box",
        "ps",
        "ps -a --format {{.Names}}",
        "ps -aq --filter name=box",
        "images",
        "inspect box",
        "inspect host",
        "logs box",
    ],
)
def test_hot_commands_load_no_more_than_they_may(running: Store, bare: set[str], line: str) -> None:
    found = loaded([*running.command, *line.split()], running.env) - bare
    theirs = {name for name in found if name.split(".")[0] != "rootless"}
    assert theirs & BANNED == set()
    assert theirs - ALLOWED == set()
    ours = found - theirs
    assert "rootless.cli.app" not in ours
    assert len(ours) <= MOST.get(line.split()[0], 126)
    if line.split()[0] in ("ps", "images", "inspect"):
        assert "ctypes" not in theirs


def test_the_start_script_imports_only_sys(bare: set[str], cli: Store) -> None:
    with open(cli.command[-1], encoding="utf-8") as script:
        text = script.read()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("import")] == ["sys"]
    version = loaded([*cli.command, "--version"], cli.env) - bare
    ours = {name for name in version if name.startswith("rootless")}
    assert version - ours <= ALLOWED - {"_json"}
    assert not [name for name in ours if "grammar" in name or "engine" in name]
    assert len(ours) <= 18
