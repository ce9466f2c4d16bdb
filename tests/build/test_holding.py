"""What a build uses stays while it runs, whoever removes its image, and goes afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import Built, lay

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each

REMOVALS = {
    "rmi": ["rmi", "-f", "base", "other"],
    "image prune": ["image", "prune", "-af"],
    "system prune": ["system", "prune", "-af"],
}
TEXT = (
    "FROM base\nCOPY --from=other /f /o\n"
    "RUN --mount=from=other,target=/m touch /v/begun; until [ -e /v/go ]; do sleep 0.02; done;"
    " cat /f /m/f > /g\n"
    "RUN cat /f > /h\n"
)


@pytest.mark.parametrize("case", REMOVALS)
def test_removing_a_base_harms_no_build(case: str, busybox: Store, tmp_path: Path) -> None:
    signs = tmp_path / "v"
    signs.mkdir()
    signs.chmod(0o777)
    for name, content in (("base", "1"), ("other", "2")):
        context = lay(tmp_path / name, {"f": content, "Dockerfile": "FROM busybox\nCOPY f /\n"})
        busybox.ok("build", "-q", "-t", name, str(context))
    busybox.ok("rmi", "busybox")
    busybox.ok("builder", "prune", "-af")
    before = sorted(path.name for path in Path(busybox.root, "images/blobs/sha256").iterdir())
    context = lay(tmp_path / "c", {"Dockerfile": TEXT})
    with busybox.start("build", "-t", "t", "--volume", f"{signs}:/v", str(context)) as process:
        while not (signs / "begun").exists():
            assert process.poll() is None, process.communicate()
        busybox.ok(*REMOVALS[case])
        assert busybox("image", "exists", "base").returncode == 1
        (signs / "go").touch()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    files = Built(busybox, "t:latest").files(2)
    assert [files[name] for name in "ogh"] == [f"file 644 0:0 {one}" for one in ("2", "12", "1")]
    assert busybox.ok("run", "--rm", "t", "cat", "/g") == "12"
    # What other had is nobody's any more, and what base had is the new image's.
    there = {path.name for path in Path(busybox.root, "images/blobs/sha256").iterdir()}
    assert len(there & set(before)) == 2
    busybox.ok("rmi", "t")
    busybox.ok("builder", "prune", "-af")
    assert not list(Path(busybox.root, "layers").iterdir())
    assert not list(Path(busybox.root, "images/blobs/sha256").iterdir())
    assert not list(Path(busybox.root, "builds/held").iterdir())


def test_a_killed_build_holds_nothing_for_long(busybox: Store, tmp_path: Path) -> None:
    signs = tmp_path / "v"
    signs.mkdir()
    signs.chmod(0o777)
    text = "FROM busybox\nRUN touch /v/begun; sleep 60\n"
    context = lay(tmp_path / "c", {"Dockerfile": text})
    with busybox.start("build", "--volume", f"{signs}:/v", str(context)) as process:
        while not (signs / "begun").exists():
            assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate(timeout=60)
    busybox.ok("rmi", "busybox")
    assert list(Path(busybox.root, "layers").iterdir()), "nothing was held"
    busybox.ok("builder", "prune", "-af")
    assert not list(Path(busybox.root, "layers").iterdir())
    assert not list(Path(busybox.root, "builds/held").iterdir())
