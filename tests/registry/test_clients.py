"""Real clients against it: skopeo, podman, rootless itself; and what the store then has."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from archives import config, digest, layer
from images_help import Podman, leavings, skopeo
from serving_help import INDEX, MANIFEST, Registry, artifact, blobs, run

from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def other() -> Iterator[Store]:
    """The store of a colleague."""
    store = Store()
    yield store
    store.remove()


def copy(*arguments: str) -> None:
    skopeo("copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", *arguments)


@pytest.mark.needs("skopeo")
@pytest.mark.parametrize("format_", ["oci", "v2s2"])
def test_skopeo_there_and_back(
    served: Registry, busybox_image: str, tmp_path: Path, format_: str
) -> None:
    name = f"docker://{served.address}/skopeo/{format_}:1"
    copy("--format", format_, f"oci:{busybox_image}:busybox:latest", name)
    raw = skopeo("inspect", "--raw", "--tls-verify=false", name)
    assert json.loads(raw).get("mediaType", MANIFEST) == (MANIFEST if format_ == "oci" else DOCKER)
    copy("--preserve-digests", name, f"dir:{tmp_path}/dir")
    assert (tmp_path / "dir/manifest.json").read_text() == raw
    listed = skopeo("list-tags", "--tls-verify=false", name.rpartition(":")[0])
    assert json.loads(listed)["Tags"] == ["1"]
    skopeo("delete", "--tls-verify=false", name)
    assert served("GET", f"skopeo/{format_}/manifests/1").status == 404


def test_podman_pushes_and_pulls(served: Registry, podman: Podman, busybox_archive: str) -> None:
    name = f"{served.address}/podman/bb:1"
    podman("load", "-i", busybox_archive)
    podman("push", "-q", "--tls-verify=false", "docker.io/library/busybox:latest", name)
    before = podman("image", "inspect", "--format", "{{.Id}}", "busybox")
    podman("rmi", "-a")
    podman("pull", "-q", "--tls-verify=false", name)
    assert podman("image", "inspect", "--format", "{{.Id}}", name) == before


@pytest.mark.needs("skopeo")
def test_a_colleague_pulls_and_runs(busybox: Store, other: Store, own_busybox: Registry) -> None:
    busybox.ok("tag", "busybox", "docker.io/library/busybox")
    for name in ("busybox", "library/busybox", "docker.io/library/busybox"):
        other.ok("pull", "-q", "--tls-verify=false", f"{own_busybox.address}/{name}")
    name = f"{own_busybox.address}/busybox"
    assert other.ok("run", "--rm", "--network", "none", name, "echo", "hello") == "hello"
    format_ = "{{.Id}}"
    assert other.ok("inspect", "--format", format_, name) == busybox.ok(
        "inspect", "--format", format_, "busybox"
    )


@pytest.fixture
def own_busybox(busybox: Store, start: Callable[..., Registry]) -> Registry:
    """A registry over a store that has busybox."""
    return start()


def test_what_is_pushed_is_an_image_of_the_store(own: Registry, busybox_image: str) -> None:
    source = f"oci:{busybox_image}:busybox:latest"
    creds = ("--dest-creds", f"me:{own.token}")
    copy(*creds, source, f"docker://{own.address}/tools/box:1")
    copy(*creds, "--format", "v2s2", source, f"docker://{own.address}/tools/box:docker")
    cli = own.store
    for tag in ("1", "docker"):
        line = ("run", "--rm", "--network", "none", f"localhost/tools/box:{tag}", "echo", tag)
        assert cli.ok(*line) == tag
    assert "localhost/tools/box" in cli.ok("images")
    assert cli.ok("system", "check") == ""
    # Docker's manifests lie in the layout told in OCI's words, or skopeo does not see them there.
    skopeo("inspect", f"oci:{cli.root}/images:localhost/tools/box:docker")
    events = cli.ok("events", "--since", "1h", "--until", "0s", "--format", "{{.Action}} {{.Name}}")
    assert "tag localhost/tools/box:1" in events
    assert own.stop() == 0
    assert leavings(cli.root) == []


@pytest.mark.needs("docker-registry")
def test_what_was_pulled_is_served_by_the_digests_it_came_with(
    own: Registry, registry: str, busybox_image: str
) -> None:
    source = f"oci:{busybox_image}:busybox:latest"
    copy("--format", "v2s2", source, f"docker://{registry}/team/bb:1")
    own.store.ok("pull", "-q", f"{registry}/team/bb:1")
    theirs = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/bb:1")
    for reference in ("1", digest(theirs.encode())):
        got = own("GET", f"team/bb/manifests/{reference}")
        assert got.body.decode() == theirs
        assert got.headers["Content-Type"] == DOCKER


def test_own_images_come_first_and_pushes_stay_below_localhost(
    own: Registry, tmp_path: Path
) -> None:
    cli = own.store
    (tmp_path / "a.tar").write_bytes(layer({"a": b"docker.io"}))
    cli.ok("import", f"{tmp_path}/a.tar", "docker.io/library/tools:1")
    theirs = cli.ok("inspect", "--format", "{{.Id}}", "docker.io/library/tools:1")
    for name in ("tools", "library/tools", "docker.io/library/tools"):
        assert own("GET", f"{name}/manifests/1").status == 200
        refused = own("DELETE", f"{name}/manifests/1")
        assert (refused.status, refused.code) == (403, "DENIED")
        pushed = own.image(name, "1", layer({"mine": name.encode()}))
        assert own("HEAD", f"{name}/manifests/1").headers["Docker-Content-Digest"] == pushed
        assert cli.ok("inspect", "--format", "{{.Id}}", f"localhost/{name}:1") != theirs
    assert cli.ok("inspect", "--format", "{{.Id}}", "docker.io/library/tools:1") == theirs


def test_a_deleted_image_goes_with_its_layers(own: Registry) -> None:
    pushed = own.image("tools", "1")
    assert own.store("run", "--rm", "--network", "none", "localhost/tools:1").returncode == 126
    assert os.listdir(f"{own.store.root}/layers") != []
    assert own("DELETE", f"tools/manifests/{pushed}").status == 202
    assert own.store.ok("images", "-aq") == ""
    assert os.listdir(f"{own.store.root}/layers") == []
    assert blobs(f"{own.store.root}/images") == set()


def test_a_deleted_image_that_a_container_uses_stays(busybox: Store, own_busybox: Registry) -> None:
    busybox.ok("tag", "busybox", "localhost/box:1")
    busybox.ok("rmi", "busybox")
    busybox.ok("create", "--name", "c", "localhost/box:1", "true")
    found = own_busybox("HEAD", "box/manifests/1").headers["Docker-Content-Digest"]
    assert own_busybox("DELETE", f"box/manifests/{found}").status == 202
    assert own_busybox("GET", "box/manifests/1").status == 404
    assert busybox.ok("images", "-aq") != ""
    busybox.ok("start", "-a", "c")


def test_the_store_takes_images_only(own: Registry) -> None:
    own.blob("tools", b"{}")
    for document in (artifact(), {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}):
        refused = own.manifest("tools", "1", document)
        assert (refused.status, refused.code) == (400, "MANIFEST_INVALID")
        assert "--storage takes it" in refused.json["errors"][0]["message"]
    # A configuration that is of another image would make one that cannot be unpacked.
    data = layer()
    own.blob("tools", data)
    conf = own.blob("tools", config(data, data))
    part = {"digest": digest(data), "size": len(data)}
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": conf,
            "size": 1,
        },
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **part}],
    }
    assert "diff id" in own.manifest("tools", "1", document).json["errors"][0]["message"]
    assert own.store.ok("images", "-aq") == ""


def test_attestations_come_with_their_index(own: Registry) -> None:
    """As docker's buildx pushes: what is no image goes into the store as a part of an index."""
    image = own.image("built", "")
    assert "<none>" in own.store.ok("images", "-a")
    own.blob("built", b"{}")
    other = own.manifest("built", "", artifact()).headers["Docker-Content-Digest"]
    assert own("GET", f"built/manifests/{other}").status == 200
    sizes = {one: len(own("GET", f"built/manifests/{one}").body) for one in (image, other)}
    platforms = {image: ("linux", "amd64"), other: ("unknown", "unknown")}
    entries = [
        {
            "mediaType": MANIFEST,
            "digest": one,
            "size": sizes[one],
            "platform": dict(zip(("os", "architecture"), platforms[one], strict=True)),
        }
        for one in (image, other)
    ]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    assert own.manifest("built", "1", document).status == 201
    listed = own.store.ok("images", "-a", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    assert listed == ["localhost/built:1"]
    assert own.store.ok("system", "check") == ""


@pytest.mark.needs("skopeo")
def test_a_manifest_list_is_served(own: Registry) -> None:
    image = own.image("built", "1")
    own.store.ok("manifest", "create", "multi", "localhost/built:1")
    own.store.ok("manifest", "push", "-q", "multi", f"{own.address}/pushed:1")
    got = {}
    for name in ("multi", "pushed:1"):
        line = ("inspect", "--raw", "--tls-verify=false", f"docker://{own.address}/{name}")
        (got[name],) = json.loads(skopeo(*line))["manifests"]
    assert got["multi"]["digest"] == image
    assert got["pushed:1"]["platform"] == {"os": "linux", "architecture": "amd64"}
    copy(f"docker://{own.address}/multi", f"dir:{own.store.directory}/copy")
    own.store.ok("pull", "-q", f"{own.address}/multi")
    assert own.store.ok("system", "check") == ""


@pytest.mark.needs("skopeo")
def test_a_directory_is_a_layout_that_skopeo_reads(
    start: Callable[..., Registry], busybox_image: str, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    registry = start("--storage", str(storage))
    copy(f"oci:{busybox_image}:busybox:latest", f"docker://{registry.address}/team/bb:1")
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry.address}/team/bb:1")
    assert skopeo("inspect", "--raw", f"oci:{storage}:team/bb:1") == raw
    assert registry.store.ok("images", "-aq") == ""
    copy(f"oci:{busybox_image}:busybox:latest", f"oci:{storage}:team/more:2")
    assert registry("GET", "team/more/tags/list").json["tags"] == ["2"]
    registry.blob("team/bb", b"left behind")
    old = f"{storage}/blobs/sha256/{digest(b'left behind')[7:]}"
    os.utime(old, (1, 1))
    for name in ("team/bb", "team/more"):
        pushed = registry("HEAD", f"{name}/manifests/{1 if name == 'team/bb' else 2}")
        found = pushed.headers["Docker-Content-Digest"]
        assert registry("DELETE", f"{name}/manifests/{found}").status == 202
    assert blobs(str(storage)) == set(), "what nothing needs stayed"


# -- passwords and TLS


@pytest.fixture
def users(tmp_path: Path) -> str:
    """A file with the user alice, whose password is `secret`."""
    path = tmp_path / "users"
    run("htpasswd", "-cbB", "-C", "5", str(path), "alice", "secret")
    return str(path)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key; skopeo wants it as DIR/*.crt."""
    directory = tmp_path / "certificates"
    directory.mkdir()
    crt, key = f"{directory}/ca.crt", f"{tmp_path}/server.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    run(*command, "-addext", "subjectAltName=IP:127.0.0.1", "-out", crt, "-keyout", key)
    return crt, key


@pytest.mark.needs("htpasswd", "skopeo")
def test_passwords(start: Callable[..., Registry], users: str, busybox_image: str) -> None:
    registry = start("--htpasswd", users)
    reply = registry("GET", "/v2/")
    assert (reply.status, reply.code) == (401, "UNAUTHORIZED")
    assert reply.headers["WWW-Authenticate"].startswith("Basic realm=")
    line = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]
    line += [f"oci:{busybox_image}:busybox:latest", f"docker://{registry.address}/x:1"]
    for wrong in ([], ["--dest-creds", "alice:wrong"], ["--dest-creds", "bob:secret"]):
        assert subprocess.run([*line, *wrong], capture_output=True).returncode != 0
    for _ in range(2):
        run(*line, "--dest-creds", "alice:secret")
    assert "127.0.0.1 alice PUT /v2/x/manifests/1 201" in registry.errors()
    for header in ("Basic", "Basic !!!", "Basic YQ==", "Bearer x", "Basic " + "A" * 8000):
        assert registry("GET", "/v2/", headers={"Authorization": header}).status == 401
    basic = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
    assert registry("GET", "/v2/", headers=basic).status == 200
    run("htpasswd", "-bB", "-C", "5", users, "alice", "other")
    assert registry("GET", "/v2/", headers=basic).status == 401, "the file was changed"


@pytest.mark.needs("openssl", "skopeo")
def test_tls(
    start: Callable[..., Registry], certificate: tuple[str, str], busybox_image: str
) -> None:
    crt, key = certificate
    registry = start("--tls-cert", crt, "--tls-key", key)
    assert registry.said.strip().endswith(f"at https://{registry.address}")
    name = f"docker://{registry.address}/x:1"
    directory = os.path.dirname(crt)
    line = ("copy", "-q", f"oci:{busybox_image}:busybox:latest", name)
    skopeo(*line, "--dest-cert-dir", directory)
    inspected = skopeo("inspect", "--cert-dir", directory, "--raw", name)
    assert "layers" in json.loads(inspected)
    registry.store.ok("pull", "-q", "--tls-verify=false", f"{registry.address}/x:1")
    # Who speaks no TLS, or nothing at all, is in nobody's way.
    with contextlib.suppress(ConnectionError):
        assert b"HTTP/1.1 200" not in registry.raw(b"GET /v2/ HTTP/1.1\r\n\r\n")
    assert registry.stop() == 0


def test_options_that_make_no_sense(cli: Store, tmp_path: Path, users: str) -> None:
    (tmp_path / "md5").write_text("alice:$apr1$x$y\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    for options, words in (
        (["--listen", "5000"], "malformed address '5000'"),
        (["--listen", "127.0.0.1:99999"], "malformed address"),
        (["--listen", "192.0.2.1:0"], "cannot listen on 192.0.2.1:0"),
        (["--tls-key", users], "--tls-key without --tls-cert"),
        (["--tls-cert", "/no/such"], "cannot read /no/such"),
        (["--tls-cert", users], "there is no certificate in it, or no key"),
        (["--htpasswd", "/no/such"], "cannot read /no/such"),
        (["--htpasswd", f"{tmp_path}/md5"], "line 1: no user with a bcrypt hash"),
        (["--storage", f"{tmp_path}/full"], "is no OCI image layout"),
        (["--storage", "/proc/no/such"], "cannot write to /proc/no/such: No such file"),
    ):
        done = cli("registry", "serve", "--listen", "127.0.0.1:0", *options, timeout=20)
        assert done.returncode == 125, options
        assert done.stderr.count("\n") == 1
        assert words in done.stderr


def test_an_address_in_use(own: Registry) -> None:
    done = own.store("registry", "serve", "--listen", own.address)
    assert f"cannot listen on {own.address}: Address already in use" in done.stderr


def test_a_warning_where_others_can_reach_it(cli: Store, users: str) -> None:
    """Bound to every address of a network of its own: nobody outside can reach it."""
    assert shutil.which("unshare")
    for options, words in (
        ([], "may pull and push"),
        (["--htpasswd", users], "passwords cross the network"),
    ):
        line = [*cli.command, "registry", "serve", "--listen", "0.0.0.0:0", *options]
        process = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--net", *line],
            env=cli.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "at http://0.0.0.0:" in process.stdout.readline()
        process.terminate()
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert said.startswith("Warning: ")
        assert words in said


def test_a_pull_from_itself_takes_nothing_from_guests(own: Registry) -> None:
    """Its copy in the owner's store has the name of this very registry, and is not the owner's."""
    token, own.owner = own.owner, {}
    own.image("t/x", "1")
    own.store.ok("pull", "-q", f"{own.address}/t/x:1")
    own.image("t/x", "2")
    own.store.ok("tag", f"{own.address}/t/x:1", "localhost/t/y:1")
    with pytest.raises(AssertionError, match="belongs to the owner"):
        own.image("t/y", "2")
    own.owner = token
    own.image("t/y", "2")
