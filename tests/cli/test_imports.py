"""What the hot commands load: the price of every start."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


IMAGES = ALLOWED | {
    "_functools",
    "_queue",
    "_random",
    "_sha256",
    "_signal",
    "_weakrefset",
    "binascii",
    "collections",
    "contextlib",
    "fcntl",
    "functools",
    "itertools",
    "keyword",
    "operator",
    "reprlib",
    "shlex",
    "threading",
    "zlib",
}
"""What commands on images may load that bring some in or send some out, but for what follows."""

HASHING = {"_hashlib", "hashlib"}
"""Where layers are hashed, OpenSSL is faster by more than it takes to load it."""


def loads(command: list[str], env: dict[str, str]) -> list[str]:
    """Return the modules that a program loads, those of all its processes."""
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
    return [line.rpartition("|")[2].strip() for line in lines[1:]]


def loaded(command: list[str], env: dict[str, str]) -> set[str]:
    """Return the same, each once."""
    return set(loads(command, env))


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
    assert len(ours) <= MOST.get(line.split()[0], 129)
    if line.split()[0] in ("ps", "images", "inspect"):
        assert "ctypes" not in theirs


@pytest.fixture(scope="module")
def registry(running: Store) -> Iterator[str]:
    """The address of a registry that has the image `t/x:1`, which the store has, too."""
    served = running.start(
        "registry", "serve", "--listen", "127.0.0.1:0", "--storage", f"{running.directory}/served"
    )
    assert served.stdout is not None
    address = next(line for line in served.stdout if "http://" in line).rpartition("http://")[2]
    yield address.strip()
    served.terminate()
    served.communicate(timeout=30)


@pytest.fixture(scope="module")
def stocked(running: Store, registry: str, busybox_archive: str) -> Store:
    """The same store with `busybox`, which is `t/x:1` of the registry."""
    running.ok("load", "-i", busybox_archive)
    running.ok("tag", "busybox", f"{registry}/t/x:1")
    running.ok("push", f"{registry}/t/x:1")
    running.ok("pull", f"{registry}/t/x:1")  # the layer as it was compressed for it
    running.ok("create", "--name", "ran", "busybox", "true")
    return running


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("tag busybox other:1", set()),
        ("untag busybox other:1", set()),
        ("rmi other:2", set()),
        ("history busybox", set()),
        ("image tree busybox", set()),
        ("image prune -f", set()),
        ("search --list-tags REGISTRY/t/x", set()),
        ("pull REGISTRY/t/x:1", set()),
        ("push REGISTRY/t/x:1", set()),
        ("load -i ARCHIVE", set()),
        ("save -o DIR/saved.tar busybox", HASHING),
        ("save --format oci-archive -o DIR/saved.tar busybox", HASHING),
        ("copy -q docker-archive:ARCHIVE oci:DIR/copied:1", HASHING),
        ("commit ran committed:1", HASHING),
        ("import ARCHIVE imported:1", HASHING),
    ],
)
def test_commands_on_images_load_no_more_than_they_may(
    stocked: Store, bare: set[str], registry: str, busybox_archive: str, line: str, more: set[str]
) -> None:
    stocked.ok("tag", "busybox", "other:1")
    stocked.ok("tag", "busybox", "other:2")
    for name, value in (("REGISTRY", registry), ("ARCHIVE", busybox_archive)):
        line = line.replace(name, value)
    line = line.replace("DIR", stocked.directory)
    found = loaded([*stocked.command, *line.split()], stocked.env) - bare
    theirs = {name for name in found if name.split(".")[0] != "rootless"}
    assert theirs - IMAGES - more == set()
    assert "rootless.cli.app" not in found


def test_a_build_loads_for_its_steps_once(
    cli: Store, bare: set[str], busybox_archive: str, tmp_path: Path
) -> None:
    """What a child of a build loads, each of its children loads; and what is cached needs few."""
    cli.ok("load", "-i", busybox_archive)
    lines = ("FROM busybox", *("COPY f /", "RUN true", "RUN touch /g") * 2, "WORKDIR /w")
    (tmp_path / "f").write_text("f")
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY Dockerfile /\nRUN true")
    cli.ok("build", str(tmp_path))  # the first in a store counts what the cache has
    (tmp_path / "Dockerfile").write_text("\n".join(lines))
    line = [*cli.command, "build", "-q", "-t", "b", str(tmp_path)]
    found = loads(line, cli.env)
    assert [name for name in dict.fromkeys(found) if found.count(name) > 1] == []
    assert {"_pickle", "rootless.build.steps.run", "rootless.build.steps.laying"} <= set(found)
    theirs = {name for name in loaded(line, cli.env) - bare if name.split(".")[0] != "rootless"}
    assert theirs - IMAGES == set()


def test_the_start_script_imports_only_sys(bare: set[str], cli: Store) -> None:
    with open(cli.command[-1], encoding="utf-8") as script:
        text = script.read()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("import")] == ["sys"]
    version = loaded([*cli.command, "--version"], cli.env) - bare
    ours = {name for name in version if name.startswith("rootless")}
    assert version - ours <= ALLOWED - {"_json"}
    assert not [name for name in ours if "grammar" in name or "engine" in name]
    assert len(ours) <= 18
