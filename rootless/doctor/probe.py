"""Trying things out: in a child process, so that nothing of it stays with the caller."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from rootless.oci import jsonio
from rootless.runtime.userns import worker
from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def child(function: Callable[[], Any]) -> Any:
    """Return the JSON value that `function` returns in a forked child, None where it died."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(readable)
            os.write(writable, jsonio.dump_bytes(function()))
        finally:
            os._exit(0)
    os.close(writable)
    with open(readable, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return jsonio.loads(answer) if answer else None


def inside(paths: Paths, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `function(*arguments)` returns as root of a user namespace of the right mode.

    The namespace is a new one: the true runtime directory is not touched, for its own finding
    says whether it can be had at all. Raises Error as `worker.call` does.
    """
    directory = tempfile.mkdtemp(prefix="rootless-doctor-")
    try:
        alone = Paths(paths.root)
        alone._runtime = directory
        return worker.call(alone, function, *arguments)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def attempt(function: Callable[[], object]) -> str:
    """Run `function` and return "" or why it failed."""
    try:
        function()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return ""


def read(path: str) -> str:
    """Return the text of a small file without the last newline, "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536).rstrip("\n")
    except OSError:
        return ""


def output(*command: str) -> str:
    """Return what a program prints, "" where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def writable_ancestor(path: str) -> str:
    """Return `path`, or the nearest directory above it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
