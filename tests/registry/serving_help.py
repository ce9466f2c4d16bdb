"""A registry under test: the real command, and a client that sends what it is told."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

from archives import Oci, config, digest, layer

if TYPE_CHECKING:
    from conftest import Store

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Reply:
    """An answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The first error's code (distribution-spec, "Error Codes")."""
        return str(self.json["errors"][0]["code"])

    @property
    def location(self) -> str:
        return str(self.headers["Location"])


class Registry:
    """`rootless registry serve` on a free port of loopback, until `stop`.

    What is asked by this class is asked by its owner, where there are no passwords.
    """

    def __init__(self, store: Store, *options: str, **popen: Any) -> None:
        self.store = store
        self.log = tempfile.TemporaryFile("w+")
        popen.setdefault("stderr", self.log)
        command = ("registry", "serve", "--listen", "127.0.0.1:0", *options)
        self.process = store.start(*command, **popen)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        if "://" not in self.said:
            self.process.wait()
            raise AssertionError(self.errors())
        self.token = ""
        if "--htpasswd" not in options:
            self.terms = self.process.stdout.readline() + self.process.stdout.readline()
            self.token = self.terms.split()[-1]
        self.owner = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.address = self.said.strip().rpartition("://")[2]
        self.port = int(self.address.rpartition(":")[2])

    def errors(self) -> str:
        """What it wrote to stderr so far."""
        self.log.seek(0)
        return self.log.read()

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.communicate()
            self.log.close()

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request on a connection of its own; `path` without /v2/ unless it begins so."""
        target = path if path.startswith("/") else f"/v2/{path}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            chunked = "Transfer-Encoding" in (headers or {})
            sent = {**self.owner, **(headers or {})}
            connection.request(method, target, body, sent, encode_chunked=chunked)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def raw(self, data: bytes, *, wait: bool = True) -> bytes:
        """Send bytes; return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as sock:
            sock.sendall(data)
            if wait:
                with contextlib.suppress(OSError):  # ENOTCONN: the server has closed already
                    sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def blob(self, name: str, data: bytes) -> str:
        """Push a blob at once; its digest."""
        reply = self("POST", f"{name}/blobs/uploads/?digest={digest(data)}", data)
        assert reply.status == 201, reply.body
        return digest(data)

    def manifest(self, name: str, reference: str, document: dict[str, Any]) -> Reply:
        """Push a manifest."""
        data = json.dumps(document).encode()
        headers = {"Content-Type": document["mediaType"]}
        return self("PUT", f"{name}/manifests/{reference or digest(data)}", data, headers)

    def image(self, name: str, tag: str, *layers: bytes, **more: Any) -> str:
        """Push an image of these layers; its digest."""
        oci = Oci()
        layers = layers or (layer(),)
        top = oci.manifest(list(layers), config(*layers), **more)
        data = oci.blobs.pop(top["digest"])
        for blob in oci.blobs.values():
            self.blob(name, blob)
        reply = self.manifest(name, tag, json.loads(data))
        assert reply.status == 201, reply.body
        return str(top["digest"])


def artifact(subject: str = "", kind: str = "application/x-sbom", **more: Any) -> dict[str, Any]:
    """A manifest of an artifact without content (image-spec, "Guidelines for Artifact Usage")."""
    empty = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": digest(b"{}"),
        "size": 2,
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": dict(empty),
        "layers": [dict(empty)],
        **more,
    }
    if subject:
        document["subject"] = {"mediaType": MANIFEST, "digest": subject, "size": 1}
    return document


def blobs(directory: str) -> set[str]:
    """The digests in a layout."""
    return {f"sha256:{name}" for name in os.listdir(f"{directory}/blobs/sha256")}


def run(*command: str, **options: Any) -> str:
    """Run a program that must succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
