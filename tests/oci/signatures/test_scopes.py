"""The scopes that an image is in, the narrowest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rootless.oci.reference import parse
from rootless.oci.signatures.policy import Policy
from rootless.oci.signatures.scopes import scopes_of, scopes_of_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


def test_scopes_of_a_name() -> None:
    assert scopes_of(parse("a.b.example.com:5000/team/app:1")) == [
        "a.b.example.com:5000/team/app:1",
        "a.b.example.com:5000/team/app",
        "a.b.example.com:5000/team",
        "a.b.example.com:5000",
        "*.b.example.com",
        "*.example.com",
        "*.com",
    ]
    assert scopes_of(parse("busybox:1"))[:3] == [
        "docker.io/library/busybox:1",
        "docker.io/library/busybox",
        "docker.io/library",
    ]


def test_scopes_of_a_path_are_those_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = scopes_of_path(f"{tmp_path}/link/x")
    assert found[:2] == [f"{tmp_path}/real/x", f"{tmp_path}/real"]
    assert found[-1].count("/") == 1


ACCEPT, REJECT = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]


@pytest.mark.parametrize(
    ("scope", "name", "fits"),
    [
        ("*.example.com", "a.example.com/x", True),
        ("*.example.com", "a.b.example.com:5000/x", True),
        ("*.example.com", "example.com/x", False),
        ("*.example.com", "aexample.com/x", False),
        ("example.com/team", "example.com/team/x", True),
        ("example.com/team", "example.com/teams", False),
        ("example.com/x:1", "example.com/x:1", True),
        ("example.com/x:1", "example.com/x:10", False),
        ("example.com", "example.com:5000/x", False),
        ("", "anything.example/x", True),
    ],
)
def test_which_scope_decides(scope: str, name: str, fits: bool) -> None:
    policy = Policy({"default": REJECT, "transports": {"docker": {scope: ACCEPT}}}, "policy.json")
    found = policy._for("docker", scopes_of(parse(name).tagged()))
    assert found[0].kind == ("insecureAcceptAnything" if fits else "reject")
