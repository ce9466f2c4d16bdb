"""push and login against docker-registry; podman and skopeo look at what came of it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import pytest
from images_help import docker_registry, leavings, skopeo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

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
        (["push", "nothing", f"{registry}/x"], "No such image"),
        (["push", "--format=v2s2", "--compression-format=zstd", "busybox", "x"], "knows no zstd"),
        (["push", "busybox", f"{registry}/UPPER"], "must be lowercase"),
    ):
        done = busybox(*line)
        assert done.returncode == 1
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


def test_the_digest_of_a_push_is_shown(busybox: Store, registry: str) -> None:
    """By images and inspect, for the names in that repository; it names the image, too."""
    name = f"{registry}/box:1"
    busybox.ok("tag", "busybox", name)
    busybox.ok("tag", "busybox", f"{registry}/box:2")
    busybox.ok("push", "-q", name)
    digest = archives.digest(raw(name))
    shown = busybox.ok("images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}")
    own = busybox.ok("inspect", "--format", "{{.Digest}}", "busybox")
    assert sorted(shown.splitlines()) == sorted(
        [f"{name} {digest}", f"{registry}/box:2 {digest}", f"localhost/busybox:latest {own}"]
    )
    found = json.loads(busybox.ok("inspect", "--type", "image", name))[0]
    assert f"{registry}/box@{digest}" in found["RepoDigests"]
    assert busybox.ok("run", "--rm", f"{registry}/box@{digest}", "echo", "works") == "works"
    busybox.ok("push", "-q", "--compression-format", "zstd", "--format", "oci", name)
    again = archives.digest(raw(name))
    found = json.loads(busybox.ok("inspect", "--type", "image", name))[0]
    there = [one for one in found["RepoDigests"] if one.startswith(f"{registry}/box@")]
    assert there == [f"{registry}/box@{again}", f"{registry}/box@{digest}"]
    assert busybox.ok("pull", "-q", "--policy", "newer", name) == name
    assert busybox.ok("inspect", "-f", "{{.Id}}", name) == found["Id"]
    busybox.ok("push", "-q", "busybox", f"{registry}/elsewhere:1")
    assert busybox.ok("system", "check") == ""
    assert found["RepoDigests"] == json.loads(busybox.ok("inspect", name))[0]["RepoDigests"]


def test_all_tags(busybox: Store, registry: str) -> None:
    for tag in ("1", "2", "3"):
        busybox.ok("tag", "busybox", f"{registry}/box:{tag}")
    busybox.ok("tag", "busybox", f"{registry}/boxes:1")
    said = busybox.ok("push", "--all-tags", f"{registry}/box").splitlines()
    digest = archives.digest(raw(f"{registry}/box:1"))
    assert [line.split()[:3] for line in said] == [[f"{n}:", "digest:", digest] for n in (1, 2, 3)]
    listed = skopeo("list-tags", "--tls-verify=false", f"docker://{registry}/box")
    assert sorted(json.loads(listed)["Tags"]) == ["1", "2", "3"]
    for line, words in (
        (["-a", f"{registry}/box:1"], "leave its tag out"),
        (["-a", f"{registry}/nothing"], "no image of the repository"),
        (["-a", f"{registry}/box", f"{registry}/x"], "--all-tags does not go with a destination"),
        (["-a", "--digestfile=/x", f"{registry}/box"], "--all-tags does not go with --digestfile"),
    ):
        done = busybox("push", *line)
        assert done.returncode == 1
        assert words in done.stderr


def test_levels(cli: Store, registry: str) -> None:
    """Each gives what it says, and what is remembered of one is not taken for another."""
    text = b"".join(b"%d is no random number\n" % (n * n) for n in range(20_000))
    archive = Path(cli.directory, "x.tar")
    archive.write_bytes(archives.docker([archives.layer({"text": text})], names=["text:1"]))
    cli.ok("load", "-q", "-i", str(archive))
    line = ("push", "-q", "--format", "oci", "text:1")
    sizes = {}
    for kind, level in (("gzip", 1), ("gzip", 9), ("zstd", 19)):
        name = f"{registry}/box:{kind}{level}"
        words = ("--compression-format", kind, "--compression-level", str(level))
        cli.ok(*line, *words, name)
        (layer,) = json.loads(raw(name))["layers"]
        assert layer["mediaType"].endswith(f"+{kind}")
        sizes[kind, level] = layer["size"]
        cli.ok(*line, "--compression-format", kind, f"{registry}/again:1")
        assert json.loads(raw(f"{registry}/again:1"))["layers"] == [layer], "not remembered"
    assert sizes["gzip", 9] < sizes["gzip", 1]
    assert sizes["zstd", 19] < sizes["gzip", 1]
    done = cli(*line, "--compression-level", "10", f"{registry}/x")
    assert "gzip has no level 10 (1 to 9)" in done.stderr


def test_a_push_goes_where_registries_conf_leads(
    busybox: Store, registry: str, tmp_path: Path
) -> None:
    conf = tmp_path / "registries.conf"
    busybox.env["CONTAINERS_REGISTRIES_CONF"] = str(conf)
    there = registry.replace("127.0.0.1", "0.0.0.0")  # no loopback by its name
    conf.write_text(
        f'[[registry]]\nprefix = "tools.invalid/a"\nlocation = "{there}/b"\ninsecure = true\n'
        '[[registry.mirror]]\nlocation = "mirror.invalid"\n'
        '[[registry]]\nlocation = "no.invalid"\nblocked = true\n'
    )
    busybox.ok("tag", "busybox", "tools.invalid/a/box:1")
    assert busybox.ok("push", "tools.invalid/a/box:1").startswith("1: digest: sha256:")
    digest = archives.digest(raw(f"{registry}/b/box:1"))
    found = json.loads(busybox.ok("inspect", "tools.invalid/a/box:1"))[0]
    assert f"tools.invalid/a/box@{digest}" in found["RepoDigests"]
    copied = busybox.ok("copy", "busybox", "docker://tools.invalid/a/copy:1").splitlines()[-1]
    assert copied == archives.digest(raw(f"{registry}/b/copy:1"))
    blocked = "no.invalid/box"
    for line in (["push", "busybox", blocked], ["copy", "busybox", f"docker://{blocked}"]):
        done = busybox(*line)
        assert done.returncode == {"push": 1, "copy": 125}[line[0]]
        assert "no.invalid/box:latest is not pushed: no.invalid is blocked in" in done.stderr


def test_a_registry_that_does_not_answer_is_tried_again(busybox: Store) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{taken.getsockname()[1]}/x"
        began = time.monotonic()
        done = busybox("push", "--retry", "2", "--retry-delay", "300ms", "busybox", name)
        assert time.monotonic() - began > 0.6
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("Error: cannot reach http")
    assert "makes no sense" in busybox("push", "--retry", "-1", "busybox", name).stderr


NOTE = "SCHILY.xattr.user.note"


def owned_layer() -> bytes:
    """A layer whose entries belong to others, with modes and an attribute that tell."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        directory = tarfile.TarInfo("etc")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o2750
        directory.uid, directory.gid = 7, 8
        tar.addfile(directory)
        file = tarfile.TarInfo("etc/secret")
        file.size, file.mode, file.uid, file.gid = 1, 0o4710, 1234, 100
        file.pax_headers = {NOTE: "kept"}
        tar.addfile(file, io.BytesIO(b"x"))
    return buffer.getvalue()


def owners(layer: bytes) -> dict[str, tuple[int, int, int, str]]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {x.name: (x.uid, x.gid, x.mode, x.pax_headers.get(NOTE, "")) for x in tar}


def test_owners_are_pushed_as_they_came(cli: Store, registry: str, tmp_path: Path) -> None:
    """Though without subordinate ids all files of the unpacked layer are the user's own."""
    layer = owned_layer()
    archive = tmp_path / "x.tar"
    archive.write_bytes(archives.docker([layer], names=["owned:1"]))
    push = ("copy", "-q", "--dest-tls-verify=false", f"docker-archive:{archive}")
    skopeo(*push, f"docker://{registry}/from:1")
    cli.ok("pull", "-q", f"{registry}/from:1")
    cli.ok("push", "-q", f"{registry}/from:1", f"{registry}/pulled:1")
    assert raw(f"{registry}/pulled:1") == raw(f"{registry}/from:1")
    cli.ok("rmi", f"{registry}/from:1")
    cli.ok("load", "-q", "-i", str(archive))
    cli.ok("push", "-q", "owned:1", f"{registry}/loaded:1")
    for name in ("pulled", "loaded"):
        directory = tmp_path / name
        skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{registry}/{name}:1",
               f"dir:{directory}")  # fmt: skip
        manifest = json.loads((directory / "manifest.json").read_text())
        blob = directory / manifest["layers"][0]["digest"].partition(":")[2]
        there = gzip.decompress(blob.read_bytes())
        assert there == layer
        assert owners(there)["etc/secret"] == (1234, 100, 0o4710, "kept")
        assert owners(there)["etc"][:3] == (7, 8, 0o2750)


def test_a_push_needs_little_memory(cli: Store, registry: str) -> None:
    """However large the layer: it is compressed and sent in pieces."""
    layer = archives.layer({"big": os.urandom(1 << 20) * 100})
    archive = Path(cli.directory, "x.tar")
    archive.write_bytes(archives.docker([layer], names=["big:1"]))
    cli.ok("load", "-q", "-i", str(archive))
    pushing = cli.start("push", "-q", "big:1", f"{registry}/big:1")
    most = 0
    while pushing.poll() is None:
        with contextlib.suppress(OSError, StopIteration):  # it has ended
            lines = Path(f"/proc/{pushing.pid}/status").read_text().splitlines()
            most = int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
        time.sleep(0.01)
    said, errors = pushing.communicate()
    assert (said, errors) == (f"{registry}/big:1\n", "")
    assert 0 < most < 60_000, "KiB"


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
    assert wrong.returncode == 1
    assert "does not accept these credentials" in wrong.stderr
    assert not auth.exists()
    denied = busybox("push", "-q", "busybox", name)
    assert f"rootless login {secure} first" in denied.stderr
    done = busybox(*line, input="secret\n")
    assert (done.returncode, done.stdout) == (0, "Login Succeeded!\n")
    assert auth.stat().st_mode & 0o777 == 0o600
    assert busybox.ok("login", "--get-login", secure) == "me"
    assert busybox.ok("login", secure).splitlines() == [
        f"Authenticating with existing credentials for {secure}",
        f"Existing credentials are valid. Already logged in to {secure}",
    ]
    kept = auth.read_text()
    auth.write_text(kept.replace("bWU6c2VjcmV0", "bWU6d3Jvbmc="))  # me:wrong
    stale = busybox("login", secure)
    assert stale.stdout.splitlines()[1].startswith("Existing credentials are invalid")
    assert stale.stderr.startswith("Error: there is no terminal to ask for the password of")
    auth.write_text(kept)
    busybox.ok("push", "-q", "busybox", name)
    shown = skopeo(
        "inspect", "--authfile", str(auth), "--cert-dir", str(certificates), f"docker://{name}"
    )
    assert json.loads(shown)["RepoTags"] == ["1"]
    busybox.ok("rmi", "busybox")
    busybox.ok("pull", "-q", name)
    assert busybox.ok("logout", secure) == f"Removing login credentials for {secure}"
    as_podman = busybox("logout", secure, env={"ROOTLESS_DIALECT": "podman"})
    assert (as_podman.returncode, as_podman.stderr) == (
        125,
        f"Error: not logged into {secure}\n",
    )
    assert busybox.ok("logout", secure) == f"Removing login credentials for {secure}"
    assert "access denied" in busybox("pull", "-q", name).stderr
    wrong = busybox("pull", "-q", "--creds", "me:wrong", name)
    assert wrong.stderr.startswith(f"Error: {secure} does not accept the credentials of me")
    busybox.ok("pull", "-q", "--creds", "me:secret", "--cert-dir", str(certificates), name)


def test_a_password_on_the_command_line_warns(cli: Store, secure: str) -> None:
    line = ["login", "--tls-verify=false", "-u", "me", "-p", "secret", secure]
    assert "no terminal" in cli("login", secure).stderr
    done = cli(*line)
    assert done.stdout == "Login Succeeded!\n"
    assert "use --password-stdin" in done.stderr
