"""load, pull and import as commands: what they tell beside their result."""

from __future__ import annotations

import signal
import socket
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from rootless.cli import teller
from tests.containers.terminals import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once


def devices(path: Path, count: int) -> str:
    """Write a root file system of devices, which no user namespace lets anybody make."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            entry = tarfile.TarInfo(f"dev{number}")
            entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 3
            tar.addfile(entry)
    return str(path)


@pytest.mark.parametrize(("count", "more"), [(0, 0), (1, 0), (5, 0), (7, 2), (150, 145)])
def test_a_handful_of_warnings_and_then_their_number(
    cli: Store, tmp_path: Path, count: int, more: int
) -> None:
    done = cli("import", devices(tmp_path / "fs.tar", count), "devices:1")
    assert done.returncode == 0
    assert done.stdout.startswith("sha256:")
    lines = done.stderr.splitlines()
    assert all(line.startswith("Warning: ") for line in lines)
    assert len(lines) == min(count, 5) + bool(more)
    for number, line in enumerate(lines[:5]):
        assert f"'dev{number}'" in line
    if more:
        assert lines[5] == f"Warning: and {more} more of this kind"


def test_load_warns_too(cli: Store, tmp_path: Path) -> None:
    cli("import", devices(tmp_path / "fs.tar", 2), "devices:1")
    cli.ok("save", "-o", str(tmp_path / "image.tar"), "devices:1")
    cli.ok("rmi", "devices:1")
    done = cli("load", "-q", "-i", str(tmp_path / "image.tar"))
    assert done.stdout == "Loaded image: devices:1\n"
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Warning"] * 2


def test_a_pull_of_several_goes_on_after_a_failure(cli: Store, busybox_image: str) -> None:
    here, nowhere = f"oci:{busybox_image}:busybox:latest", f"oci:{busybox_image}:none"
    done = cli("pull", "-q", here, nowhere, here)
    assert done.returncode == 1
    assert len(done.stdout.split()) == 2
    assert done.stderr.startswith(f"Error: {nowhere} names no image")
    assert done.stderr.count("\n") == 1


def test_a_registry_that_says_nothing_is_named_and_left(cli: Store) -> None:
    """Who takes the connection and does not answer is asked once, for as long as is wanted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"127.0.0.1:{server.getsockname()[1]}/x:1"
        line = ("pull", "--tls-verify=false", name)
        done = cli(*line, env={"ROOTLESS_REGISTRY_TIMEOUT": "1"})
    assert done.returncode in (1, 125)
    assert "no answer within 1 seconds (ROOTLESS_REGISTRY_TIMEOUT=SECONDS" in done.stderr


def test_it_is_said_that_a_registry_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(teller, "PATIENCE", 0.01)
    before = signal.getsignal(signal.SIGALRM)
    try:
        with teller.Teller(waits="example.com/x"):
            time.sleep(0.2)
        assert "example.com/x: no registry has answered so far" in capsys.readouterr().err
        with teller.Teller(waits="example.com/x"):
            pass
        time.sleep(0.05)
        assert capsys.readouterr().err == ""
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("", "Username: ", "nobody says who logs in to localhost:1"),
        ("me", "Password for me at localhost:1: ", "no password for me at localhost:1"),
    ],
)
def test_the_end_of_input_at_a_question_of_login(
    cli: Store, name: str, asked: str, said: str
) -> None:
    words = ["-u", name] if name else []
    with Terminal(cli, "login", *words, "localhost:1") as terminal:
        terminal.expect(asked)
        terminal.type("\x04")
        assert terminal.wait() == 1
        assert "Password" not in terminal.seen.decode()
        assert terminal.seen.decode().splitlines()[-1].startswith(f"Error: {said}")
