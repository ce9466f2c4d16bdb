"""image tree: what lies upon what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def stacked(shared: Store) -> Iterator[Store]:
    """Images one and two upon busybox, and top upon one."""
    for base, name in (("busybox", "one"), ("busybox", "two"), ("one", "top")):
        shared.ok("run", "--name", "maker", base, "touch", f"/{name}")
        shared.ok("commit", "maker", name)
        shared.ok("rm", "maker")
    return shared


def shape(text: str) -> list[str]:
    """The lines of a tree without ids and sizes."""
    lines = text.partition("Image Layers\n")[2].splitlines()
    return [f"{line.partition('ID:')[0]}{line.partition('Top Layer of: ')[2]}" for line in lines]


def test_layers_from_below(stacked: Store) -> None:
    shown = stacked.ok("image", "tree", "top")
    image_id = stacked.ok("images", "-q", "top")
    assert shown.startswith(f"Image ID: {image_id}\nTags:     [top:latest]\nSize:     2.")
    assert shape(shown) == [
        "├── [localhost/busybox:latest]",
        "├── [one:latest]",
        "└── [top:latest]",
    ]


def test_what_is_made_upon_an_image(stacked: Store) -> None:
    shown = shape(stacked.ok("image", "tree", "--whatrequires", "busybox"))
    assert shown[0] == "└── [localhost/busybox:latest]"
    branches = {"\n".join(shown[1:])}
    one = "    ├── [one:latest]\n    │   └── [top:latest]\n    └── [two:latest]"
    two = "    ├── [two:latest]\n    └── [one:latest]\n        └── [top:latest]"
    assert branches <= {one, two}  # by id
    assert shape(stacked.ok("image", "tree", "--whatrequires", "top")) == ["└── [top:latest]"]
