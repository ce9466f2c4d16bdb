"""Programs of a test's own that use the engine as a library, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from tests.children import Process

if TYPE_CHECKING:
    from conftest import Store

_BEFORE = """
import json, os, sys
from rootless import Engine
from rootless.containers.running.ends import Ends
from rootless.errors import Error

containers = Engine().containers
sys.excepthook = lambda kind, error, _: print(f"{kind.__name__}: {error}", file=sys.stderr)
"""


def program(store: Store, code: str, *args: str, **popen: Any) -> subprocess.Popen[str]:
    """Start a program that has `containers`, Ends and its arguments in sys.argv[1:].

    An exception's class and message is its last line on stderr, and the exit code is 1.
    """
    for stream in ("stdin", "stdout", "stderr"):
        popen.setdefault(stream, subprocess.PIPE)
    command = [sys.executable, "-c", _BEFORE + textwrap.dedent(code), *args]
    return Process(command, env=store.env, text=True, **popen)


def say(store: Store, code: str, *args: str, **popen: Any) -> str:
    """Run such a program, which must succeed; return what it prints."""
    with program(store, code, *args, **popen) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.rstrip("\n")


def fail(store: Store, code: str, *args: str) -> str:
    """Run such a program, which must fail; return the exception that it ends with."""
    with program(store, code, *args) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    return err.rstrip("\n")
