"""The names of places, and what a manifest is that does not say it."""

from __future__ import annotations

import json

import pytest

from rootless.oci import layout
from rootless.oci.errors import InvalidReference
from rootless.oci.transports import has_transport, media_type_of, parse

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "transport", "path", "ref"),
    [
        ("docker://busybox", "docker", "busybox", ""),
        ("docker://localhost:5000/a/b:c", "docker", "localhost:5000/a/b:c", ""),
        ("oci:dir", "oci", "dir", ""),
        ("oci:/a/dir:tag", "oci", "/a/dir", "tag"),
        ("oci:dir:docker.io/library/busybox:1", "oci", "dir", "docker.io/library/busybox:1"),
        ("oci-archive:f.tar:x", "oci-archive", "f.tar", "x"),
        ("docker-archive:f.tar:a/b:1", "docker-archive", "f.tar", "a/b:1"),
        ("dir:with:colon", "dir", "with:colon", ""),
        ("containers-storage:busybox:1", "containers-storage", "busybox:1", ""),
        ("busybox", "containers-storage", "busybox", ""),
        ("localhost:5000/busybox:1", "containers-storage", "localhost:5000/busybox:1", ""),
        ("docker:latest", "containers-storage", "docker:latest", ""),
        ("sha256:" + "a" * 64, "containers-storage", "sha256:" + "a" * 64, ""),
    ],
)
def test_places(text: str, transport: str, path: str, ref: str) -> None:
    place = parse(text)
    assert (place.transport, place.path, place.ref) == (transport, path, ref)
    assert has_transport(text) == (text.startswith(transport) and transport != "docker")
    if text.startswith(transport):
        assert str(place) == text


@pytest.mark.parametrize("text", ["oci:", "docker://", "dir:", "docker-daemon:x", "oci::tag"])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse(text)


def test_media_types() -> None:
    def kind(declared: str = "", **document: object) -> str:
        return media_type_of(json.dumps(document).encode(), declared, "it")

    docker = {"mediaType": layout.DOCKER_CONFIG}
    assert kind(manifests=[]) == layout.OCI_INDEX
    assert kind(config={}, layers=[]) == layout.OCI_MANIFEST
    assert kind(config=docker, layers=[]) == layout.DOCKER_MANIFEST
    assert kind(layout.DOCKER_LIST, manifests=[]) == layout.DOCKER_LIST
    assert kind("text/html", manifests=[]) == layout.OCI_INDEX
    assert kind(layers=[], mediaType=layout.DOCKER_MANIFEST) == layout.DOCKER_MANIFEST
