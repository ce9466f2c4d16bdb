"""What is understood of the configuration of another program."""

from __future__ import annotations

from typing import Any

import pytest

from rootless.runtime.spec import complete


def test_nothing_at_all() -> None:
    spec = complete({})
    assert spec["process"] == {
        "args": [],
        "env": [],
        "cwd": "/",
        "user": {"username": "", "umask": 0o022},
    }
    assert spec["root"] == {"path": "", "readonly": False}
    assert spec["linux"] == {"rootfsPropagation": "rprivate", "namespaces": []}
    assert (spec["hostname"], spec["mounts"], spec["annotations"]) == ("", [], {})
    assert spec["rootless"]["network"] is None
    assert spec["rootless"]["cgroupns"] == "host"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({}, ""),
        ({"uid": 0, "gid": 0}, ""),
        ({"uid": 7, "gid": 8}, "7:8"),
        ({"gid": 8}, "0:8"),
        ({"username": "web", "uid": 7}, "web"),
    ],
)
def test_a_user_by_number(user: dict[str, Any], expected: str) -> None:
    """As `runc spec` writes it."""
    spec = complete({"process": {"user": {**user, "additionalGids": [5, 6]}}})
    assert spec["process"]["user"] == {"username": expected, "umask": 0o022}
    assert spec["rootless"]["groups"] == ["5", "6"]


def test_mounts_in_short() -> None:
    short = [
        {"destination": "/a", "source": "/b", "options": ["rbind", "ro"]},
        {"destination": "/proc", "type": "proc"},
    ]
    assert complete({"mounts": short})["mounts"] == [
        {"destination": "/a", "type": "bind", "source": "/b", "options": ["rbind", "ro"]},
        {"destination": "/proc", "type": "proc", "source": "proc", "options": []},
    ]


def test_what_is_there_stays() -> None:
    given = complete({"rootless": {"init": True}, "linux": {"namespaces": [{"type": "cgroup"}]}})
    assert (given["rootless"]["init"], given["rootless"]["cgroupns"]) == (True, "private")
    assert complete(given) == given
