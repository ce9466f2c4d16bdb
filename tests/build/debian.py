"""A Debian to build upon, and what of the world such builds need."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import user_mode

KEPT = Path("/var/cache/rootless-tests/debian.tar")
"""What root makes once for all users (tests/tools/machine.py)."""

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""This machine's: where all goes through a mirror, its certificate is among them."""


def archive(directory: Path) -> str:
    """Return a tar of Debian's smallest system, made in a directory where root has left none."""
    if KEPT.exists():
        return str(KEPT)
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap is not installed, and there is no Debian to build upon")
    if user_mode() == "single":
        pytest.skip(f"there is no {KEPT}, and mmdebstrap needs subordinate ids to make another")
    path, new = directory / "debian.tar", directory / "debian.new.tar"
    with open(directory / "debian.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            words = ["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", str(new)]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"mmdebstrap makes no Debian: {done.stderr[-300:]}")
            os.rename(new, path)
    return str(path)


def need_packages(archive: str) -> None:
    """Skip where the archive's own mirror cannot be reached."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("./etc/apt/sources.list")
        assert file is not None
        _, address, suite, *_ = file.read().decode().split()
    need(f"{address}/dists/{suite}/InRelease")


def need(address: str) -> None:
    """Skip a test where something of the web cannot be reached."""
    try:
        urllib.request.urlopen(address, timeout=20).close()
    except OSError as error:
        pytest.skip(f"{address} cannot be reached: {error}")


def python_index(directory: Path, requirement: str) -> list[str]:
    """Return options by which pip in a build asks whom it asks here; skip where that is nobody."""
    pip = [sys.executable, "-m", "pip"]
    words = ["download", "--quiet", "--no-deps", "--dest", str(directory), requirement]
    done = subprocess.run([*pip, *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot fetch {requirement}: {done.stderr[-300:]}")
    told = subprocess.run([*pip, "config", "get", "global.index-url"], capture_output=True)
    address = told.stdout.decode().strip()
    return ["--build-arg", f"PIP_INDEX_URL={address}"] if address else []
