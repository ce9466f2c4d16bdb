"""What registries are known to have: nothing twice, and never another image by a wrong record."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import pytest
from faulty import PUSH_FAULTS, Line
from images_help import leavings, skopeo

from rootless.images.transfer.known import MOST_FORMS, MOST_PLACES, Form, Known

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

needs = pytest.mark.needs("skopeo", "docker-registry")

D = [f"sha256:{n:064x}" for n in range(20)]
SIZE = 3_000_000


@pytest.fixture
def loaded(cli: Store) -> Store:
    """A store with `big:1`: one large layer that cannot be compressed, and a small one."""
    layers = [archives.layer({"big": os.urandom(SIZE)}), archives.layer({"small": b"x"})]
    archive = Path(cli.directory, "x.tar")
    archive.write_bytes(archives.docker(layers, names=["big:1"]))
    cli.ok("load", "-q", "-i", str(archive))
    return cli


def records(store: Store) -> list[Path]:
    directory = Path(store.root, "images", "known")
    return sorted(directory.iterdir()) if directory.exists() else []


def raw(name: str) -> bytes:
    return skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{name}").encode()


def requests(line: Line, *methods: str) -> list[str]:
    return [path for method, path in line.seen if method in methods]


# -- the records


def test_a_record_is_found_again_the_latest_first(tmp_path: Path) -> None:
    known = Known(str(tmp_path))
    assert known.is_empty
    assert known.forms(D[0]) == []
    known.note(D[0], Form("gzip", 0, D[1], 7), "r.io/a")
    known.note(D[0], Form("zstd", 3, D[2], 8), "r.io/a")
    known.note(D[0], Form("gzip", 0, D[1], 7), "r.io/b")
    told = [(f.compression, f.level, f.digest, f.size, f.places) for f in known.forms(D[0])]
    assert told == [
        ("gzip", 0, D[1], 7, ["r.io/b", "r.io/a"]),
        ("zstd", 3, D[2], 8, ["r.io/a"]),
    ]
    assert not known.is_empty


def test_a_record_is_bounded(tmp_path: Path) -> None:
    known = Known(str(tmp_path))
    for number in range(1, 20):
        known.note(D[0], Form("gzip", 0, D[number], 7), "r.io/a")
        known.note(D[1], Form("gzip", 0, D[0], 7), f"r.io/{number}")
    assert [f.digest for f in known.forms(D[0])] == D[19:0:-1][:MOST_FORMS]
    (form,) = known.forms(D[1])
    assert form.places == [f"r.io/{n}" for n in range(19, 19 - MOST_PLACES, -1)]


def test_a_record_with_the_longest_names_is_read(tmp_path: Path) -> None:
    known = Known(str(tmp_path))
    for number in range(1, MOST_FORMS + 1):
        for place in range(MOST_PLACES):
            name = f"{'r' * 250}.io/{place}{'a' * 253}"
            known.note(D[0], Form("gzip", 0, D[number], 7), name)
    assert len(known.forms(D[0])) == MOST_FORMS


def test_a_record_that_is_damaged_is_none(tmp_path: Path, seed: int) -> None:
    known = Known(str(tmp_path))
    known.note(D[0], Form("gzip", 0, D[1], 7), "r.io/a")
    (file,) = (tmp_path / "known").iterdir()
    whole = file.read_bytes()
    source = random.Random(seed)
    for _ in range(200):
        at = source.randrange(len(whole))
        file.write_bytes(
            whole[:at] + bytes([whole[at] ^ (1 << source.randrange(8))]) + whole[at + 1 :]
        )
        assert known.forms(D[0]) == []
        file.write_bytes(whole[:at])
        assert known.forms(D[0]) == []
    file.write_bytes(whole)
    assert len(known.forms(D[0])) == 1
    os.rename(file, file.with_name(D[2].partition(":")[2]))
    assert known.forms(D[2]) == [], "the record of another layer"


def test_where_nothing_can_be_written_nothing_is_noted(tmp_path: Path) -> None:
    (tmp_path / "known").write_text("a file")
    known = Known(str(tmp_path))
    known.note(D[0], Form("gzip", 0, D[1], 7), "r.io/a")
    known.note("sha512:" + "0" * 128, Form("gzip", 0, D[1], 7), "r.io/a")
    known.keep_only(set())
    assert known.forms(D[0]) == []
    assert [one.name for one in tmp_path.iterdir()] == ["known"]


# -- pushes


@needs
def test_the_second_push_sends_nothing(loaded: Store, line: Line) -> None:
    """To the same repository, and to another of the registry, where all is mounted."""
    loaded.ok("push", "-q", "big:1", f"{line.address}/one:1")
    assert line.brought > SIZE
    first = raw(f"{line.registry}/one:1")
    for name in ("one:2", "two:1", "a/b/three:1"):
        line.brought = 0
        line.seen.clear()
        loaded.ok("push", "-q", "big:1", f"{line.address}/{name}")
        assert line.brought == len(first), "more was sent than the manifest"
        assert requests(line, "PATCH") == []
        assert raw(f"{line.registry}/{name}") == first
    assert len(requests(line, "POST")) == 3, "not all was mounted"
    assert "mounted" in loaded("push", "big:1", f"{line.address}/four:1").stderr
    assert leavings(loaded.root) == []


@needs
def test_a_push_that_sends_nothing_loads_little(loaded: Store, registry: str) -> None:
    """Each of these takes about as long to import as all else that it does."""
    loaded.ok("push", "-q", "big:1", f"{registry}/one:1")
    env = {"PYTHONPROFILEIMPORTTIME": "1"}
    done = loaded("push", "-q", "big:1", f"{registry}/two:1", env=env)
    assert done.returncode == 0
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "rootless.oci.distribution.brief" in names
    heavy = {"email", "http.client", "json", "re", "ssl", "typing", "urllib.parse"}
    assert names & (heavy | {"rich", "shutil", "subprocess", "tomllib", "urllib3"}) == set()


@needs
def test_what_was_pulled_is_mounted_and_known_when_loaded_again(cli: Store, line: Line) -> None:
    """Both forms of a layer: the one that was pulled, and that of an archive."""
    layer = archives.layer({"big": os.urandom(SIZE)})
    archive = Path(cli.directory, "x.tar")
    archive.write_bytes(archives.docker([layer], names=["big:1"]))
    name = f"{line.address}/one:1"
    target = f"docker://{line.registry}/one:1"
    skopeo("copy", "-q", "--dest-tls-verify=false", f"docker-archive:{archive}", target)
    cli.ok("pull", "-q", name)
    line.brought = 0
    cli.ok("push", "-q", name, f"{line.address}/two:1")
    assert raw(f"{line.registry}/two:1") == raw(f"{line.registry}/one:1")
    cli.ok("load", "-q", "-i", str(archive))
    cli.ok("push", "-q", "big:1", f"{line.address}/three:1")
    assert line.brought < 5000
    pushed, pulled = (json.loads(raw(f"{line.registry}/{x}:1")) for x in ("three", "one"))
    assert [x["digest"] for x in pushed["layers"]] == [x["digest"] for x in pulled["layers"]]


@needs
@pytest.mark.parametrize("harm", ["cut", "zeros", "gone", "absent", "size"])
def test_a_wrong_record_costs_no_more_than_a_compression(
    loaded: Store, registry: str, harm: str
) -> None:
    loaded.ok("push", "-q", "big:1", f"{registry}/one:1")
    first = raw(f"{registry}/one:1")
    known = Known(f"{loaded.root}/images")
    for file in records(loaded):
        if harm in ("cut", "zeros", "gone"):
            data = {"cut": file.read_bytes()[:50], "zeros": bytes(300)}.get(harm)
            file.unlink() if data is None else file.write_bytes(data)
            continue
        (form,) = known.forms(f"sha256:{file.name}")
        if form.compression:  # it lies: nobody has this blob, or it is of another size
            form.digest = D[5] if harm == "absent" else form.digest
            form.size += harm == "size"
            file.unlink()
            known.note(f"sha256:{file.name}", form, form.places[0])
    loaded.ok("push", "-q", "big:1", f"{registry}/one:2")
    assert raw(f"{registry}/one:2") == first


@needs
def test_records_go_with_their_image(loaded: Store, registry: str) -> None:
    loaded.ok("push", "-q", "big:1", f"{registry}/one:1")
    assert len(records(loaded)) == 3
    loaded.ok("tag", "big:1", "other:1")
    loaded.ok("rmi", "big:1")
    assert len(records(loaded)) == 3
    loaded.ok("pull", "-q", f"{registry}/one:1")
    loaded.ok("rmi", "other:1")
    left = len(records(loaded))
    assert left >= 3
    loaded.ok("rmi", f"{registry}/one:1")
    assert records(loaded) == []


@needs
def test_a_registry_that_has_lost_everything(loaded: Store, line: Line, tmp_path: Path) -> None:
    """What it was known to have is sent again."""
    loaded.ok("push", "-q", "big:1", f"{line.address}/one:1")
    first = raw(f"{line.registry}/one:1")
    shutil.rmtree(tmp_path / "registry")
    line.brought = 0
    for name in ("one:1", "two:1"):
        loaded.ok("push", "-q", "big:1", f"{line.address}/{name}")
        assert raw(f"{line.registry}/{name}") == first
    assert SIZE < line.brought < SIZE * 1.5


@needs
def test_a_damaged_layer_is_not_pushed(loaded: Store, registry: str) -> None:
    blobs = Path(loaded.root, "images/blobs/sha256")
    layer = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    data = layer.read_bytes()
    layer.chmod(0o644)
    layer.write_bytes(data[:-5000] + b"x" + data[-4999:])
    done = loaded("push", "-q", "big:1", f"{registry}/one:1")
    assert done.returncode == 1
    assert f"content of sha256:{layer.name} has digest" in done.stderr
    assert leavings(loaded.root) == []


@needs
@pytest.mark.parametrize("lie", ["another", "plain"])
def test_a_manifest_that_lies_gets_nothing_into_other_images(
    cli: Store, registry: str, lie: str
) -> None:
    """It claims that its layer is that of another image, or that a plain layer is compressed."""
    good = archives.layer({"good": os.urandom(10_000)})
    bad = gzip.compress(archives.layer({"bad": os.urandom(10_000)}))
    archive = Path(cli.directory, "x.tar")
    archive.write_bytes(archives.docker([good], names=["good:1"]))
    cli.ok("load", "-q", "-i", str(archive))
    oci = archives.Oci()
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    layer = bad if lie == "another" else good
    oci.name(oci.manifest([layer], archives.config(good), kind=kind), "liar")
    liar = Path(cli.directory, "liar")
    with tarfile.open(fileobj=io.BytesIO(oci.archive())) as tar:
        tar.extractall(liar)
    copy = ("copy", "-q", "--preserve-digests", "--dest-tls-verify=false", f"oci:{liar}:liar")
    skopeo(*copy, f"docker://{registry}/liar:1")
    done = cli("pull", "-q", f"{registry}/liar:1")
    assert (done.returncode, "unpacks to" in done.stderr) == {
        "another": (1, True),
        "plain": (0, False),
    }[lie]
    cli.ok("push", "-q", "good:1", f"{registry}/good:1")
    there = f"{cli.directory}/there"
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{registry}/good:1", f"dir:{there}")
    (sent,) = json.loads(raw(f"{registry}/good:1"))["layers"]
    found = Path(there, sent["digest"].partition(":")[2]).read_bytes()
    assert gzip.decompress(found) == good


def faults(store: Store, line: Line, count: int, source: random.Random) -> None:
    """Each push meets faults of all kinds; it ends with the right image there, or in words."""
    line.fault = lambda _path: source.choice(PUSH_FAULTS) if source.random() < 0.2 else ""
    right = b""
    for number in range(count):
        for record in records(store)[:: source.choice((1, 2, 9))]:
            record.unlink()
        name = f"{line.address}/n{number}:1"
        done = store("push", "-q", "big:1", name, timeout=120)
        if done.returncode == 0:
            right = right or raw(f"{line.registry}/n{number}:1")
            assert raw(f"{line.registry}/n{number}:1") == right
        else:
            assert done.returncode == 1
            assert done.stderr.startswith("Error: ")
            assert "Traceback" not in done.stderr
        assert leavings(store.root) == []


@needs
def test_faults(loaded: Store, line: Line, seed: int) -> None:
    faults(loaded, line, 4, random.Random(seed))


@needs
@pytest.mark.soak
def test_a_hundred_faults(loaded: Store, line: Line, seed: int) -> None:
    print(f"seed {seed}")
    faults(loaded, line, 100, random.Random(seed))
