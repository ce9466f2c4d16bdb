"""`copy` into the store: indexes with all their images, and images that change on their way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import Oci, config, digest, layer
from faulty import Line, end_at
from images_help import docker_registry, leavings, skopeo
from layouts import INDEX, image, index_of, raw, write

from rootless.images.transfer.wish import CopyWish
from rootless.oci.errors import DigestError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
RUN = ("run", "--rm", "--network", "none")
ALL = CopyWish(everything=True)
OTHERS = ("plain", "foreign")
"""What else the layout of these tests has: an index of two images, and an image."""


def blobs(store: Store | Images) -> set[str]:
    root = store.paths.root if hasattr(store, "paths") else store.root
    try:
        return {f"sha256:{name}" for name in os.listdir(f"{root}/images/blobs/sha256")}
    except FileNotFoundError:
        return set()


def layers(store: Store) -> list[str]:
    return [name for name in os.listdir(f"{store.root}/layers") if not name.startswith(".")]


def into(oci: Oci, layout: str, name: str) -> dict[str, Any]:
    """Add an image of a layout on the disk; return its descriptor."""
    data = raw(f"oci:{layout}:{name}")
    manifest = json.loads(data)
    for part in (manifest["config"], *manifest["layers"]):
        oci.blobs[part["digest"]] = Path(layout, "blobs/sha256", part["digest"][7:]).read_bytes()
    return oci.blob(data, manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json"))


def in_docker(oci: Oci, made: dict[str, Any]) -> dict[str, Any]:
    """Add an image once more, in docker's form; return its descriptor."""
    document = json.loads(oci.blobs[made["digest"]])
    document["mediaType"] = DOCKER
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    for one in document["layers"]:
        one["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    return {**oci.blob(json.dumps(document).encode(), DOCKER), "platform": made["platform"]}


@pytest.fixture
def layout(tmp_path: Path, busybox_image: str) -> str:
    """A layout with the index `many`, which has busybox for this machine, and all that is odd.

    Twice the same, docker's form, an index in the index, an attestation, an artifact.
    """
    oci = Oci()
    here = {**into(oci, busybox_image, "busybox:latest"), "platform": _platform("amd64")}
    proof = oci.manifest([b"{}"], kind="application/vnd.in-toto+json")
    thing = oci.manifest([b"x"], b"{}", kind="text/plain", artifactType="text/x")
    entries = [
        image(oci, "arm64"),
        here,
        {**here, "annotations": {"twice": "yes"}},
        in_docker(oci, image(oci, "s390x")),
        {**proof, "platform": {"os": "unknown", "architecture": "unknown"}},
        {**index_of(oci, [image(oci, "riscv64"), here]), "platform": _platform("riscv64")},
        {**thing, "platform": _platform("wasm")},
    ]
    oci.name(index_of(oci, entries, annotations={"note": "kept"}), "many")
    for name, made in zip(OTHERS, (index_of(oci, entries[:2]), image(oci, "s390x")), strict=True):
        oci.name(made, name)
    return write(tmp_path / "source", oci)


def _platform(architecture: str) -> dict[str, str]:
    return {"os": "linux", "architecture": architecture}


def foreign(layout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw(f"oci:{layout}:foreign"))
    return found


@pytest.mark.parametrize("kind", ["oci", "docker", "oci-archive", "dir"])
def test_an_index_comes_whole_and_goes_as_it_came(
    cli: Store, layout: str, registry: str, tmp_path: Path, kind: str
) -> None:
    source = f"oci:{layout}:many"
    data = raw(source)
    if kind != "oci":
        places = {
            "docker": f"docker://{registry}/many:1",
            "oci-archive": f"oci-archive:{tmp_path}/a.tar:x",
            "dir": f"dir:{tmp_path}/d",
        }
        cli.ok("copy", "-q", "--all", source, places[kind])
        source = places[kind]
        data = raw(source)  # an archive holds no docker's form
    assert cli.ok("copy", "--all", source, "containers-storage:tools:1") == digest(data)
    assert json.loads(cli.ok("manifest", "inspect", "tools:1")) == json.loads(data)
    if kind != "oci-archive":
        wanted = {f"sha256:{name}" for name in os.listdir(f"{layout}/blobs/sha256")}
        assert blobs(cli) == wanted - {digest(raw(f"oci:{layout}:{x}")) for x in OTHERS}
    assert len(layers(cli)) == 1  # busybox's
    assert cli.ok(*RUN, "--pull", "never", "tools:1", "echo", "works") == "works"
    assert cli.ok("system", "check") == ""
    pushed = f"docker://{registry}/back:1"
    assert cli.ok("manifest", "push", "-q", "--all", "tools:1", pushed) == digest(data)
    assert raw(pushed) == data
    assert cli.ok("copy", "--all", "tools:1", f"dir:{tmp_path}/back") == digest(data)
    assert (leavings(cli.root), leavings_of(cli)) == ([], [])
    gone = cli.ok("rmi", "tools:1").splitlines()
    assert gone[0] == "Untagged: tools:1"
    assert (blobs(cli), layers(cli)) == (set(), [])


def leavings_of(store: Store) -> list[str]:
    """What a broken copy left for the next."""
    path = f"{store.root}/images/partial"
    return os.listdir(path) if os.path.exists(path) else []


def test_the_bytes_of_ocis_own_stay_in_a_layout(images: Images, tmp_path: Path) -> None:
    oci = Oci()
    oci.name(index_of(oci, [image(oci, one) for one in ("arm64", "amd64")]), "x")
    source = write(tmp_path / "source", oci)
    whole = images.copy(f"oci:{source}:x", "a", ALL)
    assert images.copy("a", f"oci:{tmp_path}/o:x", ALL) == whole
    assert raw(f"oci:{tmp_path}/o:x") == raw(f"oci:{source}:x")
    skopeo("copy", "-q", "--all", f"oci:{tmp_path}/o:x", f"dir:{tmp_path}/check")
    assert images.copy("a", "b", ALL) == whole  # from the store to itself
    images.remove(["a"])
    assert images.look("b").digests == [whole]
    assert blobs(images) == set(oci.blobs)


def test_images_for_other_machines(cli: Store, layout: str) -> None:
    """They are unpacked when they are asked for, nested ones too, and go with the list."""
    cli.ok("copy", "-q", "--all", f"oci:{layout}:many", "tools")
    for number, machine in enumerate(("arm64", "s390x", "riscv64")):
        line = ("create", "--pull", "never", "--platform", f"linux/{machine}")
        made = cli.ok(*line, "--name", machine, "tools", "true")
        assert cli.ok("inspect", "-f", "{{.Image}}", made) in blobs(cli)
        assert len(layers(cli)) == 3 + number  # one that all have, and busybox's
    assert cli.ok("system", "check") == ""
    done = cli("run", "--pull", "never", "--platform", "linux/wasm", "tools", "true")
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1
    assert "is using" in cli("rmi", "tools").stderr
    assert "reclaimed space: 0B" in cli.ok("image", "prune", "-af")
    kept = cli.ok("system", "df", "--format", "{{.Type}} {{.Reclaimable}}").splitlines()[0]
    assert kept.startswith("Images 0B")
    cli.ok("copy", "-q", "--all", "tools", "again")
    cli.ok("rmi", "tools")  # the other list has all of it
    assert len(layers(cli)) == 5
    cli.ok("rm", "arm64", "s390x", "riscv64")
    cli.ok("rmi", "again")
    assert (blobs(cli), layers(cli)) == (set(), [])


def test_damage_to_images_for_other_machines_is_found(cli: Store, layout: str) -> None:
    cli.ok("copy", "-q", "--all", f"oci:{layout}:plain", "tools")
    cli.ok("create", "--pull", "never", "--platform", "linux/arm64", "tools", "true")
    (unpacked,) = Path(cli.root, "layers").glob("*/fs/arm64")
    content = unpacked.read_bytes()
    unpacked.write_bytes(content[::-1] + b"x")
    assert "arm64 is not what" in cli("system", "check").stdout
    assert "repaired" in cli.ok("system", "check", "--repair")
    assert unpacked.read_bytes() == content
    entries = json.loads(cli.ok("manifest", "inspect", "tools"))["manifests"]
    path = Path(cli.root, "images/blobs/sha256")
    manifest = json.loads((path / entries[0]["digest"][7:]).read_bytes())
    for blob in (manifest["layers"][0]["digest"], manifest["config"]["digest"]):
        (path / blob[7:]).unlink()
        assert f"tools:latest: blob {blob[:19]}: no such file" in cli("system", "check").stdout
    cli.ok("rm", cli.ok("ps", "-aq"))
    cli.ok("rmi", "tools")
    assert blobs(cli) == set()


def test_what_is_damaged_is_fetched_again(cli: Store, layout: str, registry: str) -> None:
    """Of the index, of an image for this machine, and of one in an index within the index."""
    source = f"docker://{registry}/many:1"
    cli.ok("copy", "-q", "--all", f"oci:{layout}:many", source)
    cli.ok("copy", "-q", "--all", source, "tools")
    index = raw(source)
    members = [member["digest"] for member in json.loads(index)["manifests"]]
    blob = lambda name: Path(cli.root, "images/blobs/sha256", name[7:])  # noqa: E731
    inner = json.loads(blob(members[5]).read_bytes())["manifests"][0]["digest"]
    layer = json.loads(blob(inner).read_bytes())["layers"][0]["digest"]
    for damaged in (digest(index), members[1], members[5], inner, layer):
        content = blob(damaged).read_bytes()
        blob(damaged).write_bytes(content[::-1])
        assert cli("system", "check").returncode != 0
        assert "repaired" in cli.ok("system", "check", "--repair")
        assert blob(damaged).read_bytes() == content
    cli.ok("rmi", "tools")
    assert blobs(cli) == set()


def test_what_is_all_here_needs_its_registry_no_more(
    cli: Store, registry: str, tmp_path: Path
) -> None:
    """Nor is an index within the index a matter of this machine's platform."""
    oci = Oci()
    inner = {**index_of(oci, [image(oci, "riscv64")]), "platform": _platform("riscv64")}
    oci.name(index_of(oci, [image(oci, "arm64"), inner]), "x")
    settings = tmp_path / "other.yml"
    text = (tmp_path / "registry.yml").read_text()
    settings.write_text(text.replace(str(tmp_path / "registry"), str(tmp_path / "other")))
    with docker_registry(settings) as port:
        source = f"docker://127.0.0.1:{port}/x:1"
        cli.ok("copy", "-q", "--all", f"oci:{write(tmp_path / 'source', oci)}:x", source)
        cli.ok("copy", "-q", "--all", source, "tools")
    data = raw(f"oci:{tmp_path}/source:x")
    assert cli.ok("manifest", "push", "-q", "tools", f"{registry}/x:1") == digest(data)
    assert raw(f"docker://{registry}/x:1") == data


def test_the_same_again_is_the_same_list(images: Images, layout: str) -> None:
    """And another index under its name takes the name from it."""
    images.copy(f"oci:{layout}:many", "tools", ALL)
    first = images.look("tools")
    images.copy(f"oci:{layout}:many", "tools", ALL)
    assert [one.id for one in images.list()] == [first.id]
    images.tag("tools", "localhost/kept")
    images.copy(f"oci:{layout}:foreign", "tools", ALL)  # no index: an image
    assert images.look("localhost/kept").id == first.id
    assert images.look("tools").platform == "linux/s390x"
    images.copy(f"oci:{layout}:many", "tools", ALL)
    assert images.look("tools").id not in (first.id, "")
    assert len(images.list()) == 3
    assert [one.platform for one in images.list() if not one.names] == ["linux/s390x"]


def test_a_list_that_came_is_changed_like_any(cli: Store, layout: str, registry: str) -> None:
    cli.ok("copy", "-q", "--all", f"oci:{layout}:many", "tools")
    cli.ok("manifest", "add", "--arch", "mips64le", "tools", f"oci:{layout}:foreign")
    cli.ok("manifest", "create", "--all", "second", "tools")
    shown = cli.ok("manifest", "inspect", "second")
    assert len(json.loads(shown)["manifests"]) == 8
    cli.ok("manifest", "remove", "tools", digest(raw(f"oci:{layout}:foreign")))
    cli.ok("manifest", "rm", "tools")
    assert cli.ok("system", "check") == ""
    assert cli.ok(*RUN, "second", "echo", "works") == "works"
    cli.ok("manifest", "push", "-q", "second", f"{registry}/second")
    assert json.loads(raw(f"docker://{registry}/second")) == json.loads(shown)
    cli.ok("manifest", "rm", "second")
    assert blobs(cli) == set()


# -- in another form


def test_docker_form(cli: Store, layout: str, registry: str, tmp_path: Path) -> None:
    """An image keeps it beside OCI's, so that it goes on as it came."""
    made = cli.ok("copy", "--format", "v2s2", f"oci:{layout}:foreign", "tools")
    cli.ok("push", "-q", "tools", f"{registry}/tools")
    data = raw(f"docker://{registry}/tools")
    assert made == digest(data)
    assert json.loads(data)["mediaType"] == DOCKER
    cli.ok("copy", "-q", "tools", f"oci:{tmp_path}/o:x")
    for key in ("config", "layers"):
        assert json.loads(raw(f"oci:{tmp_path}/o:x"))[key] == foreign(layout)[key]
    cli.ok("copy", "-q", "--all", "--format", "v2s2", f"oci:{layout}:plain", "list")
    listed = json.loads(cli.ok("manifest", "inspect", "list"))
    assert listed["mediaType"] == DOCKER_LIST
    assert {one["mediaType"] for one in listed["manifests"]} == {DOCKER}
    assert cli.ok(*RUN, "list", "echo", "works") == "works"
    assert cli.ok("system", "check") == ""


def test_layers_compressed_otherwise(cli: Store, layout: str) -> None:
    cli.ok("copy", "-q", "--compression-format", "zstd", f"oci:{layout}:plain", "one")
    cli.ok("copy", "-q", "--all", "--compression-format", "zstd", f"oci:{layout}:plain", "list")
    for name in ("one", "list"):
        assert cli.ok(*RUN, "--pull", "never", name, "echo", "works") == "works"
    kinds = set()
    for name in blobs(cli):
        with open(f"{cli.root}/images/blobs/sha256/{name[7:]}", "rb") as file:
            kinds.add(file.read(4).hex())
    assert "28b52ffd" in kinds
    assert not any(kind.startswith("1f8b") for kind in kinds)
    assert cli.ok("system", "check") == ""


# -- what breaks off, and what is wrong


@pytest.fixture
def line(registry: str, tmp_path: Path) -> Iterator[Line]:
    """A line to a registry with the index `big:1`, whose layers cannot be compressed."""
    oci = Oci()
    entries = []
    for machine in ("amd64", "arm64"):
        big = layer({machine: os.urandom(3_000_000)})
        about = {**json.loads(config(big)), "architecture": machine}
        made = oci.manifest([big], json.dumps(about).encode())
        entries.append({**made, "platform": _platform(machine)})
    oci.name(index_of(oci, entries), "big")
    source = f"oci:{write(tmp_path / 'big', oci)}:big"
    skopeo("copy", "-q", "--all", "--dest-tls-verify=false", source, f"docker://{registry}/big:1")
    made_line = Line(registry)
    yield made_line
    made_line.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_copy_that_is_ended_goes_on_later(cli: Store, line: Line, how: int) -> None:
    place = f"docker://{line.address}/big:1"
    line.pace = 0.05
    process = cli.start("copy", "--all", place, "big")
    end_at(process, line, 4_500_000, how)
    assert process.returncode == (-how if how == signal.SIGKILL else 130)
    assert cli.ok("images", "-q") == ""
    assert (blobs(cli), layers(cli)) == (set(), [])
    assert len(leavings_of(cli)) == 2
    assert cli.ok("system", "check") == ""
    line.pace, before = 0.0, line.sent
    whole = digest(raw(f"docker://{line.address}/big:1"))
    assert cli.ok("copy", "--all", place, "big") == whole
    assert line.sent - before < 3_000_000  # the first layer was there, and some of the second
    assert (leavings(cli.root), leavings_of(cli)) == ([], [])
    assert cli.ok("system", "check") == ""


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_damage(images: Images, layout: str, where: str) -> None:
    """A blob of any image, and a layer that does not unpack to what this machine's image says."""
    machine = "amd64" if where == "here" else "arm64"
    entries = json.loads(raw(f"oci:{layout}:many"))["manifests"]
    entry = next(one for one in entries if one["platform"]["architecture"] == machine)
    path = Path(layout, "blobs/sha256", entry["digest"][7:])
    bad = Path(layout, "blobs/sha256", json.loads(path.read_bytes())["layers"][-1]["digest"][7:])
    bad.write_bytes(bad.read_bytes()[::-1])
    with pytest.raises(DigestError):
        images.copy(f"oci:{layout}:many", "tools", ALL)
    assert images.list() == []
    assert (blobs(images), leavings(images.paths.root)) == (set(), [])


def test_lies(images: Images, tmp_path: Path) -> None:
    """Layers that are not those of the configuration, wrong sizes, what is nested too deep."""
    oci = Oci()
    good = image(oci)
    oci.name(index_of(oci, [{**good, "size": good["size"] + 1}]), "longer")
    manifest = json.loads(oci.blobs[good["digest"]])
    manifest["layers"][1]["size"] += 1
    lying = oci.blob(json.dumps(manifest).encode(), good["mediaType"])
    oci.name(index_of(oci, [lying]), "layer")
    oci.name(index_of(oci, [good, lying]), "again")
    wrong = oci.manifest([layer({"a": b"a"})], config(layer({"b": b"b"})))
    oci.name(index_of(oci, [{**wrong, "platform": _platform("amd64")}]), "wrong")
    inner = image(oci)
    for _ in range(6):
        inner = index_of(oci, [inner])
    oci.name(inner, "deep")
    oci.name(oci.blob(json.dumps({"schemaVersion": 2, "manifests": [1]}).encode(), INDEX), "odd")
    source = write(tmp_path / "source", oci)
    for name, match in (
        ("wrong", "unpacks to"),
        ("deep", "too deep"),
        ("odd", "cannot read"),
        ("longer", "bytes, not"),
        ("layer", "bytes, not"),
        ("again", "bytes, not"),
    ):
        with pytest.raises((DigestError, ImageError), match=match):
            images.copy(f"oci:{source}:{name}", "tools", ALL)
    assert images.list() == []
    assert (blobs(images), leavings(images.paths.root)) == (set(), [])


def test_an_index_of_many_names_for_few_things(images: Images, tmp_path: Path) -> None:
    """Who follows each name would never come to an end."""
    oci = Oci()
    inner = image(oci)
    for _ in range(4):
        inner = index_of(oci, [inner] * 1000)
    oci.name(inner, "x")
    source = write(tmp_path / "source", oci)
    images.copy(f"oci:{source}:x", "tools", ALL)
    assert images.get("tools").platform == "linux/amd64"
    assert len(images.look("tools").parts) == 3 + 1 + 3  # indexes, a manifest, its blobs
    images.remove(["tools"])
    assert blobs(images) == set()


def test_more_blobs_than_open_files(cli: Store, tmp_path: Path) -> None:
    """Each large one stays locked until all are here."""
    oci = Oci()
    several = [[layer({f"{n}": os.urandom(1_050_000)}) for n in range(12)] for _ in range(2)]
    entries = [oci.manifest(one) for one in several]
    oci.name(index_of(oci, entries), "x")
    line = [
        *cli.command,
        "copy",
        "-q",
        "--all",
        f"oci:{write(tmp_path / 'source', oci)}:x",
        "tools",
    ]
    shell = ["sh", "-c", 'ulimit -Sn 30; exec "$@"', "sh", *line]
    done = subprocess.run(shell, env=cli.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert blobs(cli) == set(oci.blobs)
