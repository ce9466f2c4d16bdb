"""history, untag, rmi and image prune by the command; listings by all their options."""

from __future__ import annotations

import json
import os
import pty
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once


def test_history(shared: Store) -> None:
    heading, *rows = shared.ok("history", "busybox").splitlines()
    assert heading.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    image_id = shared.ok("images", "-q", "--no-trunc", "busybox")
    ids = shared.ok("image", "history", "-q", "--no-trunc", "busybox").splitlines()
    assert ids[0] == image_id
    assert set(ids[1:]) <= {"<missing>"}
    assert len(rows) == len(ids)
    sizes = shared.ok("history", "--human=false", "--format", "{{.Size}}", "busybox").split()
    assert sum(map(int, sizes)) == int(shared.ok("inspect", "-f", "{{.Size}}", "busybox"))
    document = json.loads(shared.ok("history", "--format", "json", "busybox").splitlines()[0])
    assert document.keys() == {
        "Comment", "CreatedAt", "CreatedBy", "CreatedSince", "ID", "Size"
    }  # fmt: skip
    done = shared("history", "nothing")
    assert done.returncode
    assert done.stdout == ""
    assert "No such image: nothing" in done.stderr


def test_untag_keeps_the_image(busybox: Store) -> None:
    busybox.ok("tag", "busybox", "localhost/a:1", "localhost/b:1")
    done = busybox("untag", "busybox", "localhost/c:1")
    assert done.returncode
    assert "has no name localhost/c:1" in done.stderr
    busybox.ok("untag", "busybox", "localhost/a:1")
    names = busybox.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(names) == ["localhost/b:1", "localhost/busybox:latest"]
    busybox.ok("image", "untag", "localhost/b:1")
    assert busybox.ok("images", "--format", "{{.Repository}}:{{.Tag}}") == "<none>:<none>"


def test_rmi_without_prune_keeps_the_image(busybox: Store) -> None:
    assert busybox.ok("rmi", "--no-prune", "busybox").startswith("Untagged: ")
    assert busybox.ok("images", "--filter", "dangling=true", "--format", "{{.Tag}}") == "<none>"


def test_rmi_names_the_container_in_the_way(busybox: Store) -> None:
    busybox.ok("create", "--name", "user", "busybox")
    done = busybox("rmi", "busybox")
    assert done.returncode == 1
    assert "container user is using" in done.stderr


def test_prune(busybox: Store) -> None:
    size = int(busybox.ok("inspect", "-f", "{{.Size}}", "busybox"))
    assert busybox.ok("image", "prune", "-f") == "Total reclaimed space: 0B"
    busybox.ok("create", "--name", "user", "busybox")
    assert busybox.ok("image", "prune", "-af") == "Total reclaimed space: 0B"
    busybox.ok("rm", "user")
    assert busybox.ok("image", "prune", "-af", "--filter", "until=2000-01-01").endswith(": 0B")
    assert busybox.ok("image", "prune", "-af", "--filter", "label=x").endswith(": 0B")
    busybox.ok("tag", "busybox", "localhost/b:1")
    lines = busybox.ok("image", "prune", "-af", "--filter", "label!=x").splitlines()
    assert lines[0] == "Deleted Images:"
    assert [line.split(":")[0] for line in lines[1:4]] == ["untagged", "untagged", "deleted"]
    assert lines[-1].startswith("Total reclaimed space: ")
    assert size > 1000
    assert not lines[-1].endswith(" 0B")
    assert busybox.ok("images", "-q") == ""
    assert busybox("image", "prune", "-f", "--filter", "name=x").returncode == 1


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"y\n", 0)])
def test_prune_asks_on_a_terminal(busybox: Store, answer: bytes, left: int) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    done = busybox("image", "prune", "-a", stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert "WARNING! This will remove all images without at least one container" in done.stdout
    assert done.returncode == 0
    assert len(busybox.ok("images", "-q").split()) == left


def test_sorting_and_headings(busybox: Store) -> None:
    busybox.ok("tag", "busybox", "localhost/a:2", "localhost/z:1")
    columns = ("--format", "{{.Repository}}:{{.Tag}}")
    by_name = busybox.ok("images", "--sort", "repository", *columns).split()
    assert by_name == ["localhost/a:2", "localhost/busybox:latest", "localhost/z:1"]
    assert busybox.ok("images", "--sort", "tag", *columns).split()[0] == "localhost/z:1"
    assert len(busybox.ok("images", "--noheading").splitlines()) == 3
    assert busybox("images", "--sort", "colour").returncode == 125


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("readonly=true", 0),
        ("readonly=false", 1),
        ("containers=true", 0),
        ("containers=false", 1),
        ("until=1s", 1),
        ("until=2000-01-01", 0),
        ("label!=x", 1),
        ("id=f00f00f00f00f00f", 0),
    ],
)
def test_further_filters(shared: Store, given: str, found: int) -> None:
    assert len(shared.ok("images", "-q", "--filter", given).split()) == found


def test_inspect_has_podmans_fields_beside_dockers(shared: Store) -> None:
    (document,) = json.loads(shared.ok("image", "inspect", "busybox"))
    assert document["Annotations"] == {}
    assert document["User"] == document["Config"]["User"]
    assert document["Healthcheck"] is None
    assert sorted(document["Descriptor"]) == ["digest", "mediaType", "size"]
    upper = document["GraphDriver"]["Data"]["UpperDir"]
    assert os.path.exists(f"{upper}/bin/busybox")


def test_listing_as_json_is_dockers_and_templates_may_ask_for_podmans(shared: Store) -> None:
    (line,) = shared.ok("images", "--format", "json", "busybox").splitlines()
    # docker 28: docker images --format json
    assert sorted(json.loads(line)) == [
        *("Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Repository"),
        *("SharedSize", "Size", "Tag", "UniqueSize", "VirtualSize"),
    ]
    template = "{{.Names}} {{.ReadOnly}} {{.Dangling}} {{.Labels}}"
    found = shared.ok("images", "--format", template, "busybox")
    assert found == "[localhost/busybox:latest] false false map[]"


def test_inspect_has_the_names_of_all_manifests(busybox: Store, busybox_archive: str) -> None:
    """What was loaded twice, with compressed layers and without, is one image."""
    busybox.ok("tag", "busybox", "localhost/first:1")
    busybox.ok("load", "-i", busybox_archive)
    busybox.ok("tag", "docker.io/library/busybox", "localhost/second:1")
    (id_,) = busybox.ok("images", "-q", "--no-trunc").split()
    listed = busybox.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert {"localhost/first:1", "localhost/second:1"} < set(listed)
    for name in (*listed, id_):
        shown = busybox.ok("inspect", "-f", "{{json .RepoTags}}", name)
        assert sorted(json.loads(shown)) == sorted(listed)
