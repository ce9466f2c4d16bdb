"""`search` and `inspect --remote`, at real registries and at one that lies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from images_help import skopeo
from servers import Server

from rootless.errors import UsageError
from rootless.images.transfer.access import Access
from rootless.images.transfer.remote import Remote
from rootless.images.transfer.searching import search, tags
from rootless.oci.errors import Error, ImageError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]


@pytest.fixture
def filled(images: Images, registry: str, busybox_image: str) -> str:
    """A registry with `a/bb:1`, `a/bb:2`, `b/bb:1` and `cc:1`."""
    for name in ("a/bb:1", "a/bb:2", "b/bb:1", "cc:1"):
        images.copy(f"oci:{busybox_image}:busybox:latest", f"docker://{registry}/{name}")
    return registry


def names(term: str, limit: int = 25) -> list[str]:
    return [found.name for found in search(term, Access(), limit)]


def test_a_registry_that_only_lists(filled: str) -> None:
    assert names(f"{filled}/bb") == [f"{filled}/a/bb", f"{filled}/b/bb"]
    assert names(f"{filled}/a/") == [f"{filled}/a/bb"]
    assert names(f"{filled}/") == [f"{filled}/{name}" for name in ("a/bb", "b/bb", "cc")]
    assert names(f"{filled}/", 1) == [f"{filled}/a/bb"]
    assert names(f"{filled}/nothing") == []
    name, found = tags(f"{filled}/a/bb", Access())
    assert (name, sorted(found)) == (f"{filled}/a/bb", ["1", "2"])
    assert len(tags(f"{filled}/a/bb", Access(), 1)[1]) == 1
    with pytest.raises(UsageError, match="leave its tag out"):
        tags(f"{filled}/a/bb:1", Access())


@pytest.fixture
def index() -> Iterator[Server]:
    """A registry with an index like docker's, and a list of repositories in two pages."""
    results = [
        {"name": "library/nginx", "description": "a\nserver \x1b[31m", "star_count": 9,
         "is_official": True},
        {"name": "me/nginx", "description": None, "star_count": 2},
    ]  # fmt: skip

    def answer(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/v1/search") and "q=nginx" in path:
            return 200, {}, json.dumps({"num_results": 2, "results": results}).encode()
        if path.startswith("/v1/search") and "q=bad" in path:
            return 200, {}, b'{"results": [{"name": 7}]}'
        if path.startswith("/v2/_catalog") and "last=b" not in path:
            link = '</v2/_catalog?n=1000&last=b>; rel="next"'
            return 200, {"Link": link}, b'{"repositories": ["a/bad", 7, "b"]}'
        if path.startswith("/v2/_catalog"):
            return 200, {}, b'{"repositories": ["c/bad"]}'
        return 404, {}, b""

    server = Server(answer)
    yield server
    server.close()


def test_an_index_knows_more(index: Server) -> None:
    first, second = search(f"{index.address}/nginx", Access())
    assert (first.name, first.star_count, first.is_official, first.index) == (
        f"{index.address}/library/nginx", 9, True, index.address,
    )  # fmt: skip
    assert first.description == r"a server \x1b[31m"
    assert second.description == ""
    for filters, count in (
        (["stars=3"], 1),
        (["is-official"], 1),
        (["is-official=false"], 1),
        (["is-official=true", "stars=10"], 0),
        (["is-automated=false"], 2),
    ):
        assert len(search(f"{index.address}/nginx", Access(), 25, filters)) == count
    for text in ("stars=many", "is-official=perhaps", "color=red"):
        with pytest.raises(UsageError):
            search(f"{index.address}/nginx", Access(), 25, [text])
    # An answer that makes no sense: then the list of repositories, all pages of it.
    assert names(f"{index.address}/bad") == [f"{index.address}/{x}/bad" for x in "ac"]
    seen = [path for path, _ in index.seen if "nginx" in path]
    assert all("n=25" in path for path in seen)


def test_several_registries_are_searched(
    index: Server, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
    settings.write_text(f'unqualified-search-registries = ["127.0.0.1:1", "{filled}"]\n')
    assert names("cc") == [f"{filled}/cc"]
    settings.write_text('unqualified-search-registries = ["127.0.0.1:1"]\n')
    with pytest.raises(RegistryError, match="cannot reach"):
        names("cc")
    mirror = '[[registry.mirror]]\nlocation = "127.0.0.1:1"\n'
    settings.write_text(f'[[registry]]\nlocation = "{filled}"\n{mirror}')
    assert names(f"{filled}/cc") == [f"{filled}/cc"]
    settings.write_text(f'[[registry]]\nprefix = "{filled}"\nblocked = true\n')
    with pytest.raises(RegistryError, match="block"):
        names(f"{filled}/cc")


def test_inspecting_where_it_is(
    images: Images, filled: str, busybox_image: str, tmp_path: Path
) -> None:
    theirs = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{filled}/a/bb:1"))
    for name in (f"{filled}/a/bb:1", f"docker://{filled}/a/bb:1"):
        with Remote(images, name, Access()) as remote:
            ours = remote.describe()
        assert sorted(theirs.pop("RepoTags", ["1", "2"])) == ours.pop("RepoTags")
        data = ours.pop("LayersData")
        assert [one["Digest"] for one in data] == ours["Layers"]
        assert {key: theirs[key] for key in ours} == ours
    images.copy(f"docker://{filled}/a/bb:1", f"oci-archive:{tmp_path}/a.tar:x")
    with Remote(images, f"oci-archive:{tmp_path}/a.tar:x", Access()) as remote:
        described: dict[str, Any] = remote.describe()
        assert "Name" not in described
        assert described["RepoTags"] == []
        assert described["Digest"] == theirs["Digest"]
        assert remote.config() == json.loads(remote.raw_config())
        raw = skopeo("inspect", "--raw", f"oci:{busybox_image}:busybox:latest")
        assert remote.raw() == raw.encode()
    assert images.list() == []
    with (
        pytest.raises(ImageError, match=r"is for platform linux/.*, not linux/s390x"),
        Remote(images, f"{filled}/a/bb:1", Access(), wanted="linux/s390x") as remote,
    ):
        remote.describe()
    with pytest.raises(Error):
        Remote(images, f"{filled}/none", Access())
