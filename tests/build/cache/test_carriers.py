"""`build --cache-to` and `--cache-from` with directories: what is a hit elsewhere, and what comes.

The other store is that of a user with one id, so that owners and links are told as they are.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from built import Built, lay

from tests.conftest import Store, copy_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.each

DOCKERFILE = """FROM busybox AS made
RUN mkdir /o && echo 1 > /o/f && chown -R 33:44 /o && chmod 4711 /o/f
COPY --chmod=640 d /o/d
RUN echo 2 > /o/g
FROM busybox
WORKDIR /w
COPY --from=made /o /o
RUN --mount=type=bind,from=made,source=/o,target=/m cat /m/f > /w/n
RUN true
ENV A=b
RUN echo 3 > /end
"""
FILES: dict[str, Any] = {"Dockerfile": DOCKERFILE, "d/a": "a", "d/l": "->a"}
STEPS = 8
"""Of these, those that a cache can have."""
TARGETS = 4
"""Layers that the target has of its own."""


@pytest.fixture
def other(busybox_image: str) -> Iterator[Store]:
    """Another store, of a user with one id."""
    store = Store()
    store.env["ROOTLESS_IDENTITY"] = "single"
    store.ok("load", "--input", busybox_image)
    yield store
    store.remove()


@pytest.fixture
def second(loaded: str) -> Iterator[Store]:
    """Another store of the same user."""
    store = Store()
    copy_store(loaded, store.root)
    yield store
    store.remove()


def build(store: Store, context: Path, *options: str) -> str:
    """Build; return what was told of it."""
    done = store("build", "--progress", "plain", "-t", "t", *options, str(context), timeout=120)
    assert done.returncode == 0, done.stderr
    return str(done.stderr)


def hits(told: str) -> int:
    return len(re.findall(r"^#\d+ CACHED$", told, re.MULTILINE))


def layers(told: str) -> int:
    """How many layers were brought, or written."""
    return len(re.findall(r"^#\d+ layer [0-9a-f]{12} done$", told, re.MULTILINE))


def to(place: Path, more: str = "") -> str:
    return f"--cache-to=type=local,dest={place}{more}"


def by(place: Path, more: str = "") -> str:
    return f"--cache-from=type=local,src={place}{more}"


def kept(place: Path) -> tuple[dict[str, Any], dict[str, Any], set[str]]:
    """Return manifest and document of a cache, and the names of all blobs."""
    blobs = place / "blobs/sha256"
    entry = json.loads((place / "index.json").read_text())["manifests"][-1]
    manifest = json.loads((blobs / entry["digest"][7:]).read_text())
    document = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    return manifest, document, {path.name for path in blobs.iterdir()}


@pytest.mark.parametrize(("mode", "written"), [("max", 7), ("min", TARGETS)])
def test_all_is_a_hit_elsewhere(
    mode: str, written: int, busybox: Store, other: Store, tmp_path: Path
) -> None:
    """By a user of another kind in an empty store; only the target's layers are brought."""
    lay(tmp_path / "c", FILES)
    build(busybox, tmp_path / "c", to(tmp_path / "cache", f",mode={mode}"))
    manifest, _, _ = kept(tmp_path / "cache")
    assert len(manifest["layers"]) == written
    told = build(other, tmp_path / "c", by(tmp_path / "cache"))
    assert (hits(told), layers(told)) == (STEPS, TARGETS)
    mine, theirs = (Built(store, "t:latest") for store in (busybox, other))
    assert mine.config["rootfs"] == theirs.config["rootfs"]
    assert mine.files(1) == theirs.files(1)
    assert theirs.files(1)["o/f"] == "file 4711 33:44 1\\n"
    assert other.ok("run", "--rm", "t", "cat", "/w/n", "/end") == "1\n3"
    # What was brought counts from now on without the cache.
    assert hits(build(other, tmp_path / "c", "--target=made")) == 0
    (tmp_path / "cache").rename(tmp_path / "gone")
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE.replace("echo 3", "echo 4")})
    assert hits(build(other, tmp_path / "c")) == STEPS - 1


def test_what_is_changed_is_done_again_upon_what_is_brought(
    busybox: Store, other: Store, tmp_path: Path
) -> None:
    """With mode=max only what comes after it; with mode=min also what is known by name alone."""
    lay(tmp_path / "c", FILES)
    for mode in ("min", "max"):
        build(busybox, tmp_path / "c", to(tmp_path / mode, f",mode={mode}"))
    lay(tmp_path / "c", {"d/a": "b"})
    for mode, brought, done in (("min", 0, ["RUN mkdir"]), ("max", 1, [])):
        other.ok("builder", "prune", "-af")
        told = build(other, tmp_path / "c", "--target=made", by(tmp_path / mode))
        ran = set(re.findall(r"^(#\d+) \[.*\] (RUN \S+)", told, re.MULTILINE))
        last = {number: re.findall(f"^{number} (CACHED|DONE)", told, re.MULTILINE)[-1]
                for number, _ in ran}  # fmt: skip
        again = [what for number, what in sorted(ran) if last[number] == "DONE"]
        assert again == [*done, "RUN echo"], told
        assert layers(told) == brought, told
        assert "Warning" not in told
        other.ok("rmi", "t")
    assert Built(busybox, "t:latest").settings["Env"][-1] == "A=b"


def test_one_that_is_not_right_is_one_line(busybox: Store, other: Store, tmp_path: Path) -> None:
    """Whatever is wrong with a cache, the build is as it were without; nothing of it stays."""
    lay(tmp_path / "c", FILES)
    build(busybox, tmp_path / "c", to(tmp_path / "good"))
    manifest, document, _ = kept(tmp_path / "good")
    blob = f"blobs/sha256/{manifest['layers'][-1]['digest'][7:]}"
    config = f"blobs/sha256/{manifest['config']['digest'][7:]}"
    outside = lay(tmp_path / "outside", {"f": "secret"})
    damages: dict[str, Any] = {
        "a layer is missing": lambda c: (c / blob).unlink(),
        "a layer is another": lambda c: (c / blob).write_bytes(b"x" * (c / blob).stat().st_size),
        "a layer is a pipe": lambda c: ((c / blob).unlink(), os.mkfifo(c / blob)),
        "a layer is a link": lambda c: ((c / blob).unlink(), (c / blob).symlink_to(outside / "f")),
        "the document is missing": lambda c: (c / config).unlink(),
        "the document is another": lambda c: (c / config).write_text(json.dumps(document)[:-1]),
        "the index is no JSON": lambda c: (c / "index.json").write_text("{"),
        "the index is huge": lambda c: (c / "index.json").write_text(" " * (5 << 20)),
        "the index is a pipe": lambda c: (
            (c / "index.json").unlink(), os.mkfifo(c / "index.json")
        ),
        "the index names what leads out": lambda c: (c / "index.json").write_text(
            (c / "index.json").read_text().replace("sha256:", "../../../outside/sha256:")
        ),
        "there is nothing": lambda c: [path.unlink() for path in c.rglob("*") if path.is_file()],
    }  # fmt: skip
    for what, damage in damages.items():
        other.ok("builder", "prune", "-af")
        bad = tmp_path / "bad"
        copy_store(str(tmp_path / "good"), str(bad))
        damage(bad)
        told = build(other, tmp_path / "c", by(bad))
        assert told.count("Warning:") == 1, (what, told)
        assert f"is imported from {bad}:" in told, (what, told)
        assert other.ok("run", "--rm", "t", "cat", "/w/n", "/end") == "1\n3", what
        other.ok("rmi", "t")
        bad.rename(tmp_path / what)


def test_lies_do_not_get_far(busybox: Store, other: Store, tmp_path: Path) -> None:
    """A document whose digests are right, and which says what is not so."""
    lay(tmp_path / "c", FILES)
    build(busybox, tmp_path / "c", to(tmp_path / "good"))
    _, document, _ = kept(tmp_path / "good")
    sent = {one: told["blob"] for one, told in document["layers"].items() if "blob" in told}
    key = next(key for key, told in document["results"].items() if told.get("layer") in sent)
    diff_id = document["results"][key]["layer"]

    def lie(name: str, **changes: Any) -> Path:
        """A copy with another document, named as it has to be."""
        place = tmp_path / name
        copy_store(str(tmp_path / "good"), str(place))
        os.chmod(place, 0o755)
        told = json.loads(json.dumps(document))
        for path, value in changes.items():
            *way, last = path.split("__")
            spot = told
            for step in way:
                spot = spot[{"KEY": key, "DIFF": diff_id}.get(step, step)]
            spot[last] = value
        _rewrite(place, told)
        return place

    broken = {
        "version": {"version": 2},
        "no results": {"results": None},
        "a key": {"results": {"../../x": {}}},
        "a layer that is not there": {"results__KEY__layer": "sha256:" + "0" * 64},
        "a digest": {"layers": {"sha256:..": {"size": 1}}},
        "a number": {"layers__DIFF__blob": 99},
        "a negative number": {"layers__DIFF__blob": -1},
        "a large moment": {"results__KEY__made": 10**400},
        "a size": {"layers__DIFF__size": "1"},
        "a moment": {"results__KEY__created": "now\x1b[2J"},
        "a long text": {"results__KEY__text": "x" * 70000},
        "a deep one": {"results__KEY__text": [[[[[]]]]]},
    }
    for name, changes in broken.items():
        told = build(other, tmp_path / "c", by(lie(name, **changes)), "--target=made")
        assert told.count("Warning: nothing is imported") == 1, (name, told)
        assert "\x1b" not in told
    # These are found out when the layer comes.
    swapped = next(blob for one, blob in sent.items() if one != diff_id)
    late = {
        "another size": {"layers__DIFF__size": 1},
        "another layer": {"layers__DIFF__blob": swapped},
    }
    for name, changes in late.items():
        other.ok("builder", "prune", "-af")
        told = build(other, tmp_path / "c", by(lie(name, **changes)))
        assert told.count("Warning: nothing more is imported") == 1, (name, told)
        assert other.ok("run", "--rm", "t", "cat", "/w/n", "/end") == "1\n3", name
        other.ok("rmi", "t")


def _rewrite(place: Path, document: dict[str, Any]) -> None:
    """Put another document into a cache, with digests that are right."""
    import hashlib

    manifest, _, _ = kept(place)
    index = json.loads((place / "index.json").read_text())

    def put(data: bytes) -> tuple[str, int]:
        digest = hashlib.sha256(data).hexdigest()
        (place / "blobs/sha256" / digest).write_bytes(data)
        return f"sha256:{digest}", len(data)

    config = manifest["config"]
    config["digest"], config["size"] = put(json.dumps(document).encode())
    entry = index["manifests"][-1]
    entry["digest"], entry["size"] = put(json.dumps(manifest).encode())
    (place / "index.json").write_text(json.dumps(index))


def test_an_export_leaves_what_its_index_reaches(
    busybox: Store, tmp_path: Path, second: Store
) -> None:
    """Other tags stay, and what others have put there; what was before under the tag goes."""
    cache = tmp_path / "cache"
    lay(tmp_path / "c", FILES)
    build(busybox, tmp_path / "c", to(cache, ",tag=one,mode=max"))
    _, _, first = kept(cache)
    build(busybox, tmp_path / "c", to(cache, ",mode=max"))
    lay(tmp_path / "c", {"d/a": "b"})
    build(busybox, tmp_path / "c", to(cache, ",mode=max,compression=zstd,compression-level=4"))
    manifest, _, blobs = kept(cache)
    assert {one["mediaType"][-4:] for one in manifest["layers"]} == {"zstd"}
    index = json.loads((cache / "index.json").read_text())["manifests"]
    names = [one["annotations"]["org.opencontainers.image.ref.name"] for one in index]
    assert names == ["one", "latest"]
    reached = {one["digest"][7:] for one in (*index, manifest["config"], *manifest["layers"])}
    assert blobs == first | reached
    assert not [name for name in os.listdir(cache) if name.startswith(".")]
    # By its tag, and by its digest.
    lay(tmp_path / "c", {"d/a": "a"})
    for number, more in enumerate((",tag=one", f",digest={index[0]['digest']}")):
        second.ok("builder", "prune", "-af")
        assert hits(build(second, tmp_path / "c", by(cache, more))) == STEPS, number
        second.ok("rmi", "t")
    told = build(second, tmp_path / "c", by(cache, ",tag=two"))
    assert "Warning: nothing is imported" in told
    assert "one, latest" in told or "latest" in told


def test_compressions(busybox: Store, second: Store, tmp_path: Path) -> None:
    """The image is the same, however its layers came."""
    lay(tmp_path / "c", FILES)
    for kind in ("uncompressed", "gzip", "zstd"):
        build(busybox, tmp_path / "c", to(tmp_path / kind, f",compression={kind}"))
        second.ok("builder", "prune", "-af")
        assert hits(build(second, tmp_path / "c", by(tmp_path / kind))) == STEPS
        assert second.ok("images", "-q", "--no-trunc") == busybox.ok("images", "-q", "--no-trunc")
        assert Built(second, "t:latest").manifest == Built(busybox, "t:latest").manifest
        second.ok("rmi", "t")


def test_two_exports_at_once(busybox: Store, second: Store, tmp_path: Path) -> None:
    """And one that is killed, again and again: what is there is always whole."""
    lay(tmp_path / "c", FILES)
    lay(tmp_path / "k", {**FILES, "d/a": "b", "big": os.urandom(6 << 20)})
    lay(tmp_path / "k", {"Dockerfile": DOCKERFILE + "COPY big /\n"})
    cache = tmp_path / "cache"
    build(busybox, tmp_path / "c", to(cache, ",mode=max"))
    build(busybox, tmp_path / "k")
    words = ("build", "-q", "-t", "k", to(cache, ",mode=max"))
    for number in range(4):
        both = [busybox.start(*words, str(tmp_path / name)) for name in "ck"]
        if number % 2:
            time.sleep(0.1 * number)
            both[1].send_signal(signal.SIGKILL)
        for one in both:
            _, errors = one.communicate(timeout=120)
            assert one.returncode in (0, -signal.SIGKILL), errors
        manifest, document, blobs = kept(cache)
        assert {layer["digest"][7:] for layer in manifest["layers"]} <= blobs
        assert len(document["results"]) > STEPS
        build(busybox, tmp_path / "c", to(cache, ",mode=max"))
        second.ok("builder", "prune", "-af")
        assert hits(build(second, tmp_path / "c", by(cache))) == STEPS
        second.ok("rmi", "t")
    assert not [name for name in os.listdir(cache) if name.startswith(".")]
    manifest, _, blobs = kept(cache)
    assert len(blobs) == len(manifest["layers"]) + 2


def test_what_cannot_be_written(busybox: Store, tmp_path: Path) -> None:
    """It ends the build, unless that is not wanted."""
    lay(tmp_path / "c", {"Dockerfile": "FROM busybox\nRUN true\n", "file": "", "index.json": "[]"})
    lay(tmp_path / "linked", {"blobs": "->../outside"})
    lay(tmp_path / "outside", {"sha256": None})
    for place in ("c/file/x", "c", "linked"):
        done = busybox("build", to(tmp_path / place), str(tmp_path / "c"))
        assert (done.returncode, "no cache is written to" in done.stderr) == (1, True), done.stderr
        done = busybox("build", to(tmp_path / place, ",ignore-error=true"), str(tmp_path / "c"))
        assert (done.returncode, done.stderr.count("Warning:")) == (0, 1), done.stderr
    assert os.listdir(tmp_path / "outside/sha256") == []


def test_imported_results_are_in_the_list_of_the_cache(
    busybox: Store, second: Store, tmp_path: Path
) -> None:
    lay(tmp_path / "c", FILES)
    build(busybox, tmp_path / "c", to(tmp_path / "cache", ",mode=max"))
    build(second, tmp_path / "c", by(tmp_path / "cache"))
    told = second.ok("buildx", "du", "--verbose")
    assert told.count("RUN ") == 3, "those of the target"
    assert "RUN mkdir" not in told
    second.ok("rmi", "t")
    # The stage before was not brought; what it has once more is content that is known.
    assert hits(build(second, tmp_path / "c")) == STEPS - 3
    second.ok("builder", "prune", "-af")
    assert second.ok("buildx", "du").count("\n") == 2
    # Older than is wanted: a result is as old as it is where it comes from.
    assert hits(build(second, tmp_path / "c", by(tmp_path / "cache"), "--cache-ttl=1h")) == STEPS
    second.ok("builder", "prune", "-af")
    assert hits(build(second, tmp_path / "c", by(tmp_path / "cache"), "--cache-ttl=0")) == 0
    second.ok("builder", "prune", "-af")
    assert hits(build(second, tmp_path / "c", by(tmp_path / "cache"), "--no-cache")) == 0
