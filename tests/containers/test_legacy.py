"""Records of the release before: those that it wrote, and what it finds in ours.

records/ holds what it wrote: nothing asked, nearly everything asked, another's network.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import etc, legacy, networks, record
from rootless.containers.creation import conflicts
from rootless.containers.inspect import inspect
from rootless.containers.request import attachment, bind, request
from rootless.errors import StoreError
from rootless.netstack import addresses

from .test_inspect import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.record import Record

RECORDS = Path(__file__).parent / "records"


def written(name: str) -> Any:
    """Return a record as it was written."""
    return json.loads((RECORDS / f"{name}.json").read_text())


def read(name: str, directory: Path) -> Record:
    """Read it as one of a store is read."""
    shutil.copy(RECORDS / f"{name}.json", directory / "config.json")
    return record.read(str(directory))


def test_what_was_not_asked_is_as_usual(tmp_path: Path) -> None:
    found = read("plain", tmp_path)["request"]
    usual = request("host", ["sleep", "1"], name="plain", workdir="/")
    assert found == usual
    conflicts.check(found)


def test_what_was_asked(tmp_path: Path) -> None:
    found = read("full", tmp_path)
    wanted, old = found["request"], written("full")
    assert [item["destination"] for item in wanted["mounts"]] == ["/a", "/b", "/c", "/e"]
    assert [item["destination"] for item in wanted["tmpfs"]] == ["/d"]
    assert [item["destination"] for item in wanted["devices"]] == ["/dev/nothing"]
    assert wanted["networks"] == found["networks"]
    assert wanted["networks"] == [attachment("private", "", addresses.parse("mtu=1500"))]
    expected = {
        "cidfile": old["asked"]["cidfile"],
        "environment": [["A", "1"], ["B", ""]],
        "keep_groups": True,
        "namespaces": {"pid": "private", "ipc": "shareable", "uts": "private", "cgroup": "private"},
        "ports": [{"ip": "127.0.0.1", "host": 8080, "container": 80, "protocol": "tcp"}],
        "remap_ports": True,
        "restart": {"policy": "on-failure", "most": 3},
        "stop_signal": 10,
        "user": "7:8",
        "userns": {"mode": "keep-id", "uid": None, "gid": None, "shared": False},
    }
    assert {key: wanted[key] for key in expected} == expected  # type: ignore[literal-required]
    assert wanted["security"]["no_new_privileges"]
    assert wanted["security"]["cap_add"] == ["NET_RAW"]


def test_the_network_of_another(tmp_path: Path) -> None:
    found = read("joined", tmp_path)
    mode = written("joined")["network"]
    assert mode.startswith("container:")
    assert networks.mode(found["networks"]) == mode
    assert networks.names(found["networks"]) == [mode]


@pytest.mark.parametrize("name", ["plain", "full", "joined"])
def test_it_is_shown_and_prepared(name: str, tmp_path: Path) -> None:
    found = read(name, tmp_path)
    old = written(name)
    shown = inspect(found, Seen("created"), directory="/x")
    host = shown["HostConfig"]
    assert host["NetworkMode"] == old["network"]
    assert host["Binds"] == old["asked"].get("volume", [])[:2]
    assert host["SecurityOpt"] == old["asked"].get("security_opt", [])
    assert list(host["Tmpfs"]) == [text.split(":")[0] for text in old["asked"].get("tmpfs", [])]
    assert shown["Config"]["AttachStdout"]
    assert "hostname" in etc.files(found)


def test_what_confines_nothing_is_shown_as_it_was_asked(tmp_path: Path) -> None:
    old = written("plain")
    old["asked"]["security_opt"] = ["label:disable", "label=type:x", "apparmor=unconfined"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    shown = inspect(record.read(str(tmp_path)), Seen("created"), directory="/x")
    expected = ["label=disable", "label=type:x", "apparmor=unconfined"]
    assert shown["HostConfig"]["SecurityOpt"] == expected


def test_one_that_is_neither(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"asked": 1}')
    with pytest.raises(StoreError, match="record is damaged"):
        record.read(str(tmp_path))


def test_ours_is_not_touched(composed: Callable[..., Record], tmp_path: Path) -> None:
    made = composed(network="none", name="new", security_opt=["mask=/x"], env=["A"])
    record.write(str(tmp_path), made)
    found = record.read(str(tmp_path))
    assert {key: found["request"][key] for key in made["request"]} == made["request"]  # type: ignore[literal-required]
    assert found == made  # now that all of it was asked for
    kept = json.loads((tmp_path / "config.json").read_text())["request"]
    assert {"image", "command", "name", "networks", "security"} <= kept.keys()
    assert kept.keys() < made["request"].keys()


KEPT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"detach": True}, {"detach": True}),
    ({"volume": ["/tmp:/a:ro", "v:/b", "/c"]}, {"volume": ["/tmp:/a:ro", "v:/b"]}),
    ({"tmpfs": ["/d:size=1m"]}, {"tmpfs": ["/d"]}),
    ({"network": ["host"]}, {"network": "host"}),
    ({"network": ["container:x"]}, {"network": "container:x"}),
    ({"publish_privileged": "remap", "publish_all": True},
     {"publish_privileged": "remap", "publish_all": True}),
    ({"stop_signal": "USR1", "env": ["A=1"]}, {"stop_signal": "10", "env": ["A"]}),
    ({"group_add": ["keep-groups"], "cap_add": ["KILL"], "pid": "host"},
     {"group_add": ["keep-groups"], "cap_add": ["KILL"], "pid": "host"}),
    ({"security_opt": ["unmask=ALL", "seccomp=unconfined", "no-new-privileges"]},
     {"security_opt": ["no-new-privileges", "seccomp=unconfined", "unmask=ALL"]}),
    ({"device": ["/dev/null:/dev/x"]}, {"device": ["/dev/null:/dev/x"]}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), KEPT, ids=lambda value: str(value)[:40])
def test_what_the_release_before_finds_in_ours(
    composed: Callable[..., Record], asked: dict[str, Any], expected: dict[str, Any]
) -> None:
    made: Any = composed(**asked)
    assert made["asked"].pop("ipc") == "private"
    assert made["asked"] == expected
    (mode,) = asked.get("network", ["private"])
    assert made["network"] == ("container:" + "x" * 64 if mode == "container:x" else mode)


def test_every_key_that_it_had_is_there(composed: Callable[..., Record]) -> None:
    made = composed()
    assert written("plain").keys() <= made.keys()
    new = {"request", "networks", "image_digest", "image_name"}
    assert made.keys() - written("plain").keys() == new
    assert written("plain")["spec"].keys() <= made["spec"].keys()


def test_no_bind_is_lost_on_the_way(tmp_path: Path) -> None:
    """From the old form into ours, and what the old release would read of that again."""
    found = read("full", tmp_path)
    assert (
        legacy.kept(found["request"], found["networks"])["asked"]["volume"]
        == written("full")["asked"]["volume"][:2]
    )
    found["request"]["mounts"].append(bind("/x", "/y"))
    assert legacy.kept(found["request"], found["networks"])["asked"]["volume"][-1] == "/x:/y"
