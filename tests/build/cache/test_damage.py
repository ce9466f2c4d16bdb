"""What a power cut leaves of files that nobody synced: misses, no error and no wrong hit."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import Built, lay

from rootless.build.files.hashes import Hashes, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

pytestmark = pytest.mark.once

TEXT = (
    "FROM busybox\nWORKDIR /w\nCOPY d /d/\nRUN cat /d/* > /r\n"
    "RUN --mount=type=secret,id=s cat /run/secrets/s > /s\n"
)
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "half zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "nothing but a value": lambda data: b"{}",
    "another kind of value": lambda data: b"[1, 2]",
    "no text": lambda data: b"\xff" * len(data),
}


def build(store: Store, directory: Path) -> tuple[str, str]:
    """Build with a date; return the digest and what was said."""
    secret = f"--secret=id=s,src={directory}/s,cache=content"
    done = store("build", "-t", "t", "--source-date-epoch=1", secret, str(directory))
    assert done.returncode == 0, done.stderr
    return Built(store, "t:latest").manifest["config"]["digest"], done.stderr


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_files_of_the_cache_are_misses(case: str, busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": TEXT, "d/a": "1", "d/b": "2" * 5000, "s": "secret"})
    for name in ("d/a", "d/b"):
        os.utime(tmp_path / name, (1, 1))
    first, _ = build(busybox, tmp_path)
    assert build(busybox, tmp_path)[1].count("CACHED") == 4
    builds = Path(busybox.root, "builds")
    files = [path for path in builds.glob("results/*/*") if path.is_file()]
    files += [*builds.glob("hashes/*"), builds / "size"]
    assert len(files) == 6
    for path in files:
        path.write_bytes(DAMAGES[case](path.read_bytes()))
    found, said = build(busybox, tmp_path)
    assert found == first
    assert "CACHED" not in said
    found, said = build(busybox, tmp_path)
    assert found == first
    assert said.count("CACHED") == 4
    busybox.ok("builder", "du")
    busybox.ok("builder", "prune", "-af")
    assert not list(Path(busybox.root, "builds/layers").iterdir())


@pytest.mark.parametrize("cut", [1, 15, 16, 32, 44, 48, 49, 64, 80])
def test_digests_of_files_that_were_torn(cut: int, tmp_path: Path) -> None:
    """A record that is cut, or ends in zeros, is none; what is added later is found again."""
    place = tmp_path / "hashes"
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
        os.utime(path, (1, 1))
    time.sleep(0.1)  # what was written just now is not remembered

    def digest(path: Path) -> bytes:
        kept = Hashes(str(place))
        fd = os.open(path, os.O_RDONLY)
        try:
            found = kept.read(fd, os.fstat(fd))
        finally:
            os.close(fd)
        kept.save()
        return found

    right = [digest(path) for path in paths]
    data = place.read_bytes()
    assert len(data) == 144
    for torn in (data[:cut], data[:cut] + bytes(144 - cut)):
        place.write_bytes(torn)
        known = Hashes(str(place))
        for path, one in zip(paths, right, strict=True):
            try:
                assert known.known(path.stat()) == one
            except Unknown:
                pass
        assert [digest(path) for path in paths] == right
        again = Hashes(str(place))
        assert [again.known(path.stat()) for path in paths] == right
