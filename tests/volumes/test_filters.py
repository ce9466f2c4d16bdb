"""The filters of listings of volumes, and of a prune."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.errors import NotFound, UsageError
from rootless.store import records
from rootless.volumes.filters import PRUNED, Filters

if TYPE_CHECKING:
    from pathlib import Path

    from rootless.volumes.collection import Volumes

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Volumes:
    """Three volumes, made in the years 2001, 2010 and 2020."""
    root: Path = tmp_path_factory.mktemp("store")
    found = Engine(f"{root}/s").volumes
    found.create("web-data", labels={"app": "web", "keep": ""})
    found.create("web-logs", labels={"app": "web"}, options={"type": "tmpfs", "device": "tmpfs"})
    found.create("db", labels={"app": "db"})
    moments = (("web-data", 1e9), ("web-logs", 1.26e9), ("db", 1.58e9))
    for name, moment in moments:
        one = found.get(name)
        records.write_record(one.directory, "volume.json", {**one.record, "created": moment})
    return found


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("", "db web-data web-logs"),
        ("name=web", "web-data web-logs"),
        ("name=data name=db", "db web-data"),
        ("name=^db$", "db"),
        ("name=nothing", ""),
        ("label=app", "db web-data web-logs"),
        ("label=app=web", "web-data web-logs"),
        ("label=app=web label=keep", "web-data"),
        ("label!=keep", "db web-logs"),
        ("label!=app=web", "db"),
        ("label=app=web name=logs", "web-logs"),
        ("driver=local", "db web-data web-logs"),
        ("driver=nfs", ""),
        ("scope=global", ""),
        ("opt=type", "web-logs"),
        ("opt=type=tmpfs", "web-logs"),
        ("opt=type=bind", ""),
        ("dangling=true", "db web-logs"),
        ("dangling=0", "web-data"),
        ("dangling=true dangling=false", "db web-data web-logs"),
        ("since=web-logs", "db"),
        ("after=web-data", "db web-logs"),
        ("until=2005-01-01", "web-data"),
    ],
)
def test_filters(volumes: Volumes, filters: str, names: str) -> None:
    fit = Filters(filters.split(), volumes, lambda: ["web-data"])
    assert [one.name for one in fit.keep(volumes.list())] == names.split()


@pytest.mark.parametrize("text", ["nothing=1", "name", "dangling=maybe", "name=(", "until=never"])
def test_what_makes_no_sense(volumes: Volumes, text: str) -> None:
    with pytest.raises(UsageError):
        Filters([text], volumes, list)


def test_since_what_is_not_there(volumes: Volumes) -> None:
    with pytest.raises(NotFound, match="no such volume: nothing"):
        Filters(["since=nothing"], volumes, list)


def test_users_are_only_asked_for_where_it_matters(volumes: Volumes) -> None:
    def nobody_asks() -> list[str]:
        os.abort()

    Filters(["name=db"], volumes, nobody_asks).keep(volumes.list())


def test_a_prune_takes_fewer(volumes: Volumes) -> None:
    Filters(["label=x"], volumes, list, PRUNED)
    with pytest.raises(UsageError, match="invalid filter 'dangling'"):
        Filters(["dangling=false"], volumes, list, PRUNED)
