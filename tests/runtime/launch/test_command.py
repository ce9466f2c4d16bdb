"""Where a command is, and why it cannot be executed; with our own root in the container's place."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from rootless.errors import CommandNotExecutable, CommandNotFound
from rootless.runtime.launch.command import code_of_failure, find_command, not_executable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


def script(directory: Path, first: bytes, name: str = "run") -> str:
    path = directory / name
    path.write_bytes(first + b"\necho hello\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("first", "interpreter", "hint"),
    [
        (b"#!/bin/sh\r", "/bin/sh", "a carriage return ends that line"),
        (b"#! /bin/sh\r", "/bin/sh", "a carriage return ends that line"),
        (b"#!/nothing/here -x", "/nothing/here", "install that program"),
    ],
)
def test_an_interpreter_that_is_not_there(
    tmp_path: Path, first: bytes, interpreter: str, hint: str
) -> None:
    """It is said, by whichever way the script was found."""
    for name, search in ((script(tmp_path, first), ""), ("run", f"/nothing:{tmp_path}:/bin")):
        with pytest.raises(CommandNotFound) as caught:
            find_command(name, search)
        assert caught.value.message == (
            f'"{name}": no such file or directory: its "#!{interpreter}"'
        )
        assert hint in caught.value.hint
        assert code_of_failure(caught.value) == 127


def test_a_whole_one_behind_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    script(tmp_path, b"#!/bin/sh\r")
    whole = script(tmp_path / "b", b"#!/bin/sh")
    assert find_command("run", f"{tmp_path}:{tmp_path}/b") == whole
    assert find_command(whole, "") == whole
    with pytest.raises(CommandNotFound, match=r"executable file not found in \$PATH"):
        find_command("nothing", str(tmp_path))


def test_what_is_there_but_asks_for_what_is_not() -> None:
    """execve(2) says ENOENT where the loader of a program is missing."""
    lost = not_executable("run", OSError(errno.ENOENT, ""))
    assert isinstance(lost, CommandNotFound)
    assert code_of_failure(lost) == 127
    denied = not_executable("run", OSError(errno.EACCES, ""))
    assert isinstance(denied, CommandNotExecutable)
    assert code_of_failure(denied) == 126
