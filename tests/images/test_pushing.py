"""push and login against docker-registry; podman and skopeo look at what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import pytest
from images_help import docker_registry, leavings, skopeo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.needs("skopeo", "docker-registry")

SECURE = """
version: 0.1
log: {level: info, formatter: text, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %(data)s}}
auth: {htpasswd: {realm: test, path: %(users)s}}
http:
  addr: "127.0.0.1:%(port)s"
  tls: {certificate: %(directory)s/cert.pem, key: %(directory)s/key.cert}
"""
USERS = "me:$2y$05$usJ9IQdqIcy/ArLhNpL2MuZZI4B/h9x3Gc.qyfs5PUnths58Te2ki\n"
"""me, with the password "secret", as htpasswd -B writes it."""


def raw(name: str) -> bytes:
    return skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{name}").encode()


def test_what_was_pulled_is_pushed_as_it_came(
    cli: Store, registry: str, busybox_image: str
) -> None:
    """OCI and docker manifests, byte for byte."""
    push = ("copy", "-q", "--dest-tls-verify=false")
    for kind in ("oci", "v2s2"):
        source = f"oci:{busybox_image}:busybox:latest"
        skopeo(*push, "--format", kind, source, f"docker://{registry}/from:{kind}")
        cli.ok("pull", "-q", f"{registry}/from:{kind}")
        said = cli.ok("push", f"{registry}/from:{kind}", f"{registry}/to:{kind}")
        data = raw(f"{registry}/to:{kind}")
        assert data == raw(f"{registry}/from:{kind}")
        assert said == f"{kind}: digest: {archives.digest(data)} size: {len(data)}"
    assert leavings(cli.root) == []


def test_what_was_loaded_is_compressed(busybox: Store, registry: str, tmp_path: Path) -> None:
    """Twice the same; the digest goes to a file; the image runs where it is pulled."""
    busybox.ok("save", "-o", str(tmp_path / "x.tar"), "busybox")
    busybox.ok("rmi", "busybox")
    busybox.ok("load", "-i", str(tmp_path / "x.tar"))
    line = ["push", "--quiet", "--digestfile", str(tmp_path / "digest"), "busybox"]
    name = f"{registry}/a/b/busybox:1"
    assert busybox.ok(*line, f"docker://{name}") == name
    first = raw(name)
    assert (tmp_path / "digest").read_text() == archives.digest(first)
    assert all(one["mediaType"].endswith("+gzip") for one in json.loads(first)["layers"])
    busybox.ok(*line, name)
    assert raw(name) == first
    busybox.ok("rmi", "busybox")
    busybox.ok("pull", "-q", name)
    assert busybox.ok("run", "--rm", "--network", "none", name, "echo", "works") == "works"


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_compressed_otherwise(busybox: Store, registry: str, kind: str) -> None:
    name = f"{registry}/busybox:{kind}"
    busybox.ok("push", "-q", "--format", "oci", "--compression-format", kind, "busybox", name)
    assert all(x["mediaType"].endswith(f"+{kind}") for x in json.loads(raw(name))["layers"])
    busybox.ok("rmi", "busybox")
    busybox.ok("pull", "-q", name)


def test_in_dockers_format(busybox: Store, registry: str) -> None:
    name = f"{registry}/busybox:docker"
    busybox.ok("push", "-q", "--format", "v2s2", "busybox", name)
    document = json.loads(raw(name))
    assert document["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"dir:{busybox.directory}/d")


def test_refusals(busybox: Store, registry: str) -> None:
    for line, words in (
        (["push", "host", f"{registry}/x"], "cannot be pushed"),
        (["push", "nothing", f"{registry}/x"], "no such image"),
        (["push", "--format=v2s2", "--compression-format=zstd", "busybox", "x"], "knows no zstd"),
        (["push", "busybox", f"{registry}/UPPER"], "must be lowercase"),
    ):
        done = busybox(*line)
        assert done.returncode == 125
        assert words in done.stderr
    busybox.ok("tag", "busybox", "localhost/mine")
    done = busybox("push", "localhost/mine")
    assert "of this machine alone (push mine:latest REGISTRY/mine:latest" in done.stderr


def test_layers_are_mounted_from_another_repository(cli: Store, registry: str) -> None:
    layer = archives.layer({"big": os.urandom(2_000_000)})
    archive = Path(cli.directory, "x.tar")
    archive.write_bytes(archives.docker([layer], names=["big:1"]))
    cli.ok("load", "-q", "-i", str(archive))
    cli.ok("push", "-q", "big:1", f"{registry}/one:1")
    cli.ok("pull", "-q", f"{registry}/one:1")
    shown = cli("push", f"{registry}/one:1", f"{registry}/two:1")
    assert shown.returncode == 0
    assert "mounted" in shown.stderr
    assert raw(f"{registry}/one:1") == raw(f"{registry}/two:1")


@pytest.fixture
def secure(tmp_path: Path, cli: Store) -> Iterator[str]:
    """A docker-registry with TLS, for the user "me" with the password "secret"; its address."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    for name in ("cert", "other"):
        files = ["-keyout", f"{tmp_path}/key.{name}", "-out", f"{tmp_path}/{name}.pem"]
        subprocess.run([*line, *subject, *files], check=True, capture_output=True)
    (tmp_path / "users").write_text(USERS)
    values = {"data": tmp_path / "data", "users": tmp_path / "users", "directory": tmp_path}
    (tmp_path / "secure.yml").write_text(SECURE % {**values, "port": 0})
    with docker_registry(tmp_path / "secure.yml") as port:
        yield f"localhost:{port}"


def test_login(busybox: Store, secure: str, tmp_path: Path) -> None:
    """Wrong and right passwords, certificates, push and pull as somebody, logout."""
    certificates = Path(busybox.env["XDG_CONFIG_HOME"], "containers", "certs.d", secure)
    name = f"{secure}/mine:1"
    auth = Path(busybox.env["XDG_CONFIG_HOME"], "containers", "auth.json")
    line = ["login", "-u", "me", "--password-stdin", secure]
    certificates.mkdir(parents=True)
    shutil.copy(tmp_path / "other.pem", certificates / "ca.crt")
    assert "certificate" in busybox(*line, input="secret\n").stderr
    shutil.copy(tmp_path / "cert.pem", certificates / "ca.crt")
    wrong = busybox(*line, input="wrong\n")
    assert wrong.returncode == 125
    assert "does not accept these credentials" in wrong.stderr
    assert not auth.exists()
    denied = busybox("push", "-q", "busybox", name)
    assert f"rootless login {secure} first" in denied.stderr
    done = busybox(*line, input="secret\n")
    assert (done.returncode, done.stdout) == (0, "Login Succeeded!\n")
    assert auth.stat().st_mode & 0o777 == 0o600
    assert busybox.ok("login", "--get-login", secure) == "me"
    busybox.ok("push", "-q", "busybox", name)
    shown = skopeo(
        "inspect", "--authfile", str(auth), "--cert-dir", str(certificates), f"docker://{name}"
    )
    assert json.loads(shown)["RepoTags"] == ["1"]
    busybox.ok("rmi", "busybox")
    busybox.ok("pull", "-q", name)
    assert busybox.ok("logout", secure) == f"Removed login credentials for {secure}"
    assert "not logged in" in busybox("logout", secure).stderr
    assert busybox("pull", "-q", name).returncode == 125
    busybox.ok("pull", "-q", "--creds", "me:secret", "--cert-dir", str(certificates), name)


def test_a_password_on_the_command_line_warns(cli: Store, secure: str) -> None:
    line = ["login", "--tls-verify=false", "-u", "me", "-p", "secret", secure]
    done = cli(*line)
    assert done.stdout == "Login Succeeded!\n"
    assert "use --password-stdin" in done.stderr
    assert "no terminal" in cli("login", secure).stderr
