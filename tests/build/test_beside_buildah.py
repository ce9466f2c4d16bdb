"""The corpus built by Debian's buildah as well, where it understands it, compared field by field.

What is another there stands in the case with its reason, and has to be another: a list of known
differences that nobody looks at would hide those to come.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from built import Built
from corpus_cases import every, files, settings

from tests.conftest import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from corpus_cases import Case

pytestmark = [pytest.mark.soak, pytest.mark.needs("buildah"), pytest.mark.modes("mapped")]

CASES = every()

MOUNTED = ("dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "run", "sys")
"""What buildah mounts for a RUN, and has in the layer afterwards."""

PASSED = ("etc", "tmp")
"""Directories that the two list or not, as their times have changed."""

FIELDS = (
    "Cmd Entrypoint Env ExposedPorts Healthcheck Labels OnBuild Shell StopSignal User Volumes "
    "WorkingDir"
)

OPTIONS = ("--isolation", "chroot", "--layers=false", "--format", "docker", "--pull-never")


class Buildah:
    """A store of buildah's with busybox, and images as it pushes them."""

    def __init__(self, directory: Path, layout: str) -> None:
        self.root = str(directory / "pushed")
        self._words = ["buildah", "--root", f"{directory}/root", "--runroot", f"{directory}/run"]
        os.mkdir(self.root)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(directory)}
        image = self("pull", "-q", f"oci:{layout}:busybox:latest").stdout.strip()
        self("tag", image, "docker.io/library/busybox")

    def __call__(self, *words: str, fails: bool = False, **options: Any) -> Any:
        """Run it; it must succeed unless it may fail."""
        argv = [*self._words, *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, **options)
        assert fails or done.returncode == 0, done.stderr
        return done

    def build(self, name: str, directory: Path, *words: str, text: str = "") -> str:
        """Build an image; return what was said where it failed."""
        how = (*OPTIONS, "-f", "-" if text else f"{directory}/Dockerfile", *words)
        done = self("build", "-q", "-t", name, *how, str(directory), input=text, fails=True)
        return str(done.stderr) if done.returncode else ""

    def pushed(self, name: str) -> Built:
        """Return an image, with its settings as docker's form has them."""
        remove_tree(f"{self.root}/images")
        self("push", "-q", "--disable-compression", name, f"oci:{self.root}/images:{name}")
        built = Built(self, name)
        told = json.loads(self("inspect", "--type", "image", name).stdout)["Docker"]["config"]
        fields = {*FIELDS.split()}
        built.settings = {key: told[key] for key in fields if told.get(key)}
        built.settings.get("Labels", {}).pop("io.buildah.version", None)
        return built


@pytest.fixture(scope="module")
def buildah(busybox_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    directory = tmp_path_factory.mktemp("buildah")
    yield Buildah(directory, busybox_image)
    remove_tree(str(directory))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beside(case: Case, buildah: Buildah, tmp_path: Path) -> None:
    case.lay(tmp_path)
    if base := case.sections.get("base"):
        assert buildah.build("base", tmp_path, text=base) == ""
    error = buildah.build("t", tmp_path, *case.options)
    if error or "error" in case.sections:
        assert (bool(error) != ("error" in case.sections)) == ("all" in case.known), error
        return
    theirs = _parts(*_listed(buildah.pushed("t"), scratch=_is_scratch(case)))
    ours = _parts(case.lines("settings"), case.lines("files"))
    names = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    names -= {name for name in PASSED if not (name in ours and name in theirs)}
    assert names == case.known.keys(), {name: (ours.get(name), theirs.get(name)) for name in names}


def _is_scratch(case: Case) -> bool:
    return "WorkingDir" in "".join(case.lines("settings")) and "FROM scratch" in case.dockerfile


def _listed(image: Built, *, scratch: bool) -> tuple[list[str], list[str]]:
    several = len(image.manifest["layers"]) > 1
    here = files(image, 1 if several else 0) if several or scratch else []
    return settings(image, scratch=scratch), here


def _parts(fields: list[str], listed: list[str]) -> dict[str, Any]:
    """Fields and paths, each with what it is."""
    found: dict[str, Any] = {}
    for line in fields:
        name, _, value = line.partition(": ")
        if name != "author" and (name, value) != ("WorkingDir", '"/"'):
            found[name] = json.loads(value)
    for line in listed:
        path, _, told = line.partition(": ")
        if path not in MOUNTED:
            found[path] = told
    return found
