"""`history`: steps, and which of them has which layer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from archives import digest, docker, layer

from rootless.images.history import MISSING, history

if TYPE_CHECKING:
    from collections.abc import Callable

    from images_help import Podman

    from rootless.images.collection import Images

pytestmark = pytest.mark.once

LAYERS = [layer({"a": b"1" * 5000}), layer({"b": b"2"})]
STEPS = [
    {"created": "2024-01-01T00:00:00Z", "created_by": "ADD a /"},
    {"created": "2024-01-02T00:00:00Z", "created_by": "ENV x=1", "empty_layer": True},
    {"created": "2024-01-03T00:00:00Z", "created_by": "RUN  b \t&& c", "comment": "why"},
]


def archive(*steps: object) -> bytes:
    conf = {
        "created": "2024-01-03T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in LAYERS]},
        "history": list(steps),
    }
    return docker(LAYERS, names=["h:1"], conf=json.dumps(conf).encode())


def test_the_last_step_comes_first(images: Images, as_file: Callable[[bytes], str]) -> None:
    images.load(as_file(archive(*STEPS)))
    image = images.get("h:1")
    found = history(image)
    assert [step.command for step in found] == ["RUN  b \t&& c", "ENV x=1", "ADD a /"]
    assert [step.id for step in found] == [image.id, MISSING, MISSING]
    assert [step.size for step in found] == [len(LAYERS[1]), 0, len(LAYERS[0])]
    assert found[0].created == 1704240000
    assert found[0].comment == "why"


def test_layers_without_a_step(images: Images, as_file: Callable[[bytes], str]) -> None:
    images.load(as_file(archive()))
    assert [step.size for step in history(images.get("h:1"))] == [len(e) for e in LAYERS[::-1]]


def test_as_podman_has_it(images: Images, as_file: Callable[[bytes], str], podman: Podman) -> None:
    path = as_file(archive(*STEPS))
    podman("load", "-q", "-i", path)
    images.load(path)
    theirs = json.loads(podman("history", "--format", "json", "h:1"))
    ours = history(images.get("h:1"))
    assert [step.get("CreatedBy", "") for step in theirs] == [step.command for step in ours]
