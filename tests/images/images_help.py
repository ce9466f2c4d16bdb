"""Foreign programs, and looks into a store."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.oci import archives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store


class Podman:
    """`podman(...)` runs it and returns what it printed."""

    def __init__(self, store: Store) -> None:
        # In the test's own store, which is removed inside the user namespace if need be.
        places = ["--root", f"{store.directory}/podman", "--runroot", f"{store.runtime}/podman"]
        self._command = ["podman", *places, "--storage-driver=vfs", "--events-backend=none"]
        self._env = store.env
        if reason := _what_keeps_podman((*self._command, "info"), self._env):
            pytest.skip(f"podman does not run here: {reason}")

    def __call__(self, *arguments: str) -> bytes:
        command = [*self._command, *arguments]
        done = subprocess.run(command, env=self._env, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


_ANSWERS: list[str] = []


def _what_keeps_podman(command: tuple[str, ...], env: dict[str, str]) -> str:
    """Return the end of what podman says if it does not run on this machine; it is asked once."""
    if not _ANSWERS:
        done = subprocess.run(command, env=env, capture_output=True)
        _ANSWERS.append(done.stderr.decode()[-200:] if done.returncode else "")
    return _ANSWERS[0]


@contextlib.contextmanager
def docker_registry(settings: Path) -> Iterator[int]:
    """Run docker-registry with a file of settings; its port on 127.0.0.1."""
    # No pipe: it says so much in a long test that one would be full, and it would stand still.
    words = settings.with_suffix(".log")
    with open(words, "wb") as file:
        server = subprocess.Popen(["docker-registry", "serve", str(settings)], stderr=file)
    try:
        deadline = time.monotonic() + 20
        while not (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", words.read_text())):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"docker-registry did not start: {words.read_text()[-500:]}")
            time.sleep(0.02)
        yield int(found[1])
    finally:
        server.kill()
        server.communicate()


def skopeo(*arguments: str) -> str:
    """Run skopeo without policy and without TLS; return what it printed."""
    command = ["skopeo", "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def attach(name: str, digest: str, *signatures: tuple[bytes, bytes]) -> None:
    """Put signatures (payload, signature) into a registry as cosign does, with skopeo's help.

    `name` is that of the image, `digest` that of its manifest.
    """
    config = b"{}"
    layers = [
        {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": archives.digest(payload),
            "size": len(payload),
            "annotations": {
                "dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()
            },
        }
        for payload, signature in signatures
    ]
    kind = "application/vnd.oci.image.config.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": kind, "digest": archives.digest(config), "size": len(config)},
        "layers": layers,
    }
    with tempfile.TemporaryDirectory() as directory:
        for data in (config, *(payload for payload, _ in signatures)):
            Path(directory, archives.digest(data).partition(":")[2]).write_bytes(data)
        Path(directory, "version").write_text("Directory Transport Version: 1.1\n")
        Path(directory, "manifest.json").write_text(json.dumps(manifest))
        target = f"{name.rpartition(':')[0]}:{digest.replace(':', '-')}.sig"
        skopeo("copy", "-q", "--dest-tls-verify=false", f"dir:{directory}", f"docker://{target}")


def leavings(root: str) -> list[str]:
    """Names in a store that only something unfinished has."""
    return [
        name
        for directory in ("images", "layers")
        for name in os.listdir(f"{root}/{directory}")
        if name.startswith(".") and name != ".reserve"
    ]


def content(directory: str, path: str) -> bytes:
    """What is in a file of an unpacked layer."""
    with open(f"{directory}/{path}", "rb") as file:
        return file.read()
