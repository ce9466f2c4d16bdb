"""Two guests on a bridge of the kernel's, with real programs; see switch.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

SWITCH = Path(__file__).with_name("switch.py")
SERVE = f"{sys.executable} -m http.server -b :: 8000 2>/dev/null"


def fetch(url: str) -> str:
    """A command that succeeds as soon as the file comes from there, byte for byte."""
    once = f"curl -sS --retry 100 --retry-delay 0 --retry-all-errors {url}/file 2>/dev/null"
    return f"{once} | cmp - file"


@pytest.mark.needs("curl", "/dev/net/tun")
def test_two_guests_on_a_bridge(tmp_path: Path) -> None:
    """Each reaches the world, by both versions; they each other; the world a port of the second.

    And when the second has gone, the first goes on.
    """
    (tmp_path / "file").write_bytes(bytes(range(256)) * 8192)
    host = f"{SERVE} & {fetch('http://127.0.0.1:8080')} && touch one; code=$?; "
    host += "until [ -e end ]; do sleep 0.05; done; kill $!; exit $code"
    world = fetch("http://192.0.2.1:8000")
    first = f"{world} && {fetch('http://10.0.2.7:8000')} && {fetch('http://[fd00::7]:8000')} && "
    first += f"touch two && until [ -e gone ]; do sleep 0.05; done && sleep 0.3 && {world}; "
    first += "code=$?; touch two end; exit $code"
    second = f"{SERVE} & {world}; code=$?; until [ -e one ] && [ -e two ]; do sleep 0.05; done; "
    second += "kill $!; touch gone; exit $code"
    command = [sys.executable, str(SWITCH), host, first, second]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[(0, True), (0, True)]"
