"""Archives with thousands of names or images take time in proportion, not minutes.

What is read again for each name, such as the index of the store, makes it n times n.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import Oci, Tar, config, digest, layer

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

MANY = 6000
TREE = layer()


def tags() -> bytes:
    """One image of a docker archive with many names."""
    return docker([{"RepoTags": [f"localhost/x{n}:1" for n in range(MANY)]}])


def images() -> bytes:
    """Many images of a docker archive with a name each."""
    return docker([{"RepoTags": [f"localhost/x{n}:1"]} for n in range(MANY)])


def docker(entries: list[dict[str, list[str]]]) -> bytes:
    tar = Tar()
    tar.add("config.json", config(TREE))
    tar.add("layer.tar", TREE)
    parts = {"Config": "config.json", "Layers": ["layer.tar"]}
    tar.add("manifest.json", json.dumps([{**parts, **entry} for entry in entries]).encode())
    return tar.bytes()


def index() -> bytes:
    """Many entries of a layout for one manifest."""
    oci = Oci()
    manifest = oci.manifest([TREE])
    for number in range(MANY):
        oci.name(manifest, f"localhost/x{number}:1")
    return oci.archive()


@pytest.mark.parametrize("make", [tags, images, index])
def test_many_names(cli: Store, make: type) -> None:
    """It takes a second or two; the guard against what takes minutes is that of the command."""
    path = Path(cli.directory, "many.tar")
    path.write_bytes(make())
    lines = cli.ok("load", "-q", "-i", str(path)).splitlines()
    assert len(lines) == MANY
    assert len(cli.ok("images", "--noheading").splitlines()) == MANY
    events = cli.ok("events", "--since", "1h", "--until", "0s", "--format", "{{.ID}} {{.Name}}")
    told = [line.split() for line in events.splitlines()]
    assert len({name for _, name in told}) == MANY
    assert {key for key, _ in told} == {digest(config(TREE))}
    cli.ok("load", "-q", "-i", str(path))
    assert len(cli.ok("images", "--noheading").splitlines()) == MANY
