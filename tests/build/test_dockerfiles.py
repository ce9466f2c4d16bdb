"""The corpus: each Dockerfile's tree, settings, history and files, and what buildah makes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from built import Built
from corpus_cases import every, files, history, settings

from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.parsing import syntax
from rootless.build.dockerfile.tree import tree

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store
    from corpus_cases import Case

CASES = every()

SECTIONS = ("error", "settings", "history", "files")


@pytest.mark.once
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tree(case: Case) -> None:
    if "tree" not in case.sections:
        with pytest.raises(DockerfileError):
            syntax(case.dockerfile, "Dockerfile")
        return
    assert tree(syntax(case.dockerfile, "Dockerfile")) == case.sections["tree"]


def made(case: Case, store: Store, directory: Path) -> dict[str, list[str]]:
    """Build it; return what its sections are to have."""
    if base := case.sections.get("base"):
        store.ok("build", "-q", "-t", "base", "-f", "-", str(directory), input=base)
    case.lay(directory)
    done = store("build", "-t", "t", *case.options, str(directory))
    if done.returncode:
        *others, last = done.stderr.replace(str(directory), "CONTEXT").splitlines()
        places = [line for line in others if line.startswith("Dockerfile:")]
        return {"error": [*places, re.sub("^(ERROR: failed to solve|Error): ", "", last)]}
    image = Built(store, "t:latest")
    scratch = image.config["rootfs"]["diff_ids"][:1] != _busybox(store)["rootfs"]["diff_ids"]
    first = 0 if scratch else len(_busybox(store).get("history", ()))
    return {
        "settings": settings(image, scratch=scratch),
        "history": history(image, first),
        "files": files(image, 0 if scratch else 1),
    }


def _busybox(store: Store) -> dict[str, object]:
    return Built(store, "busybox:latest").config


@pytest.mark.each
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_build(
    case: Case,
    shared: Store,
    tmp_path: Path,
    in_user_mode: str,
    request: pytest.FixtureRequest,
) -> None:
    if "later" in case.sections:
        request.applymarker(pytest.mark.xfail(reason=case.sections["later"], strict=True))
    found = made(case, shared, tmp_path)
    wanted = {section: case.lines(section) for section in SECTIONS}
    if in_user_mode == "single":
        others = {line.partition(": ")[0]: line for line in case.lines("one id")}
        wanted["files"] = [others.get(one.partition(": ")[0], one) for one in wanted["files"]]
    assert {section: found.get(section, []) for section in SECTIONS} == wanted
