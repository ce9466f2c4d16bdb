"""--security-opt and --privileged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rootless.containers import request
from rootless.containers.docker import security_options
from rootless.containers.words import security
from rootless.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rootless.containers.request import Security


def secured(*texts: str, privileged: bool = False, base: str = ".") -> Security:
    """Parse --security-opt."""
    return security.parse({"security_opt": list(texts), "privileged": privileged}, base)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seccomp=unconfined", None),
        ("seccomp:unconfined", None),
        ("seccomp=builtin", {"profile": "default"}),
    ],
)
def test_seccomp(text: str, expected: dict[str, str] | None) -> None:
    assert expected == secured(text)["seccomp"]


def test_seccomp_profile(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert secured(f"seccomp={file}")["seccomp"] == {"defaultAction": "SCMP_ACT_ALLOW"}
    assert secured(f"seccomp={file}", privileged=True)["seccomp"] is not None
    for content in ("", "[", "[]", "{}", '{"defaultAction": 1}'):
        file.write_text(content)
        with pytest.raises(UsageError, match="seccomp"):
            secured(f"seccomp={file}")
    with pytest.raises(UsageError, match="No such file"):
        secured("seccomp=/nonexistent")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no-new-privileges", True),
        ("no-new-privileges:true", True),
        ("no-new-privileges=true", True),
        ("no-new-privileges=false", False),
    ],
)
def test_no_new_privileges(text: str, expected: bool) -> None:
    assert expected == secured(text)["no_new_privileges"]


def test_unmask() -> None:
    for text in ("unmask=ALL", "unmask=all", "systempaths=unconfined"):
        made = secured(text)
        assert made["masked"] == made["readonly"] == []
        assert made["cgroup_writable"]
    made = secured("unmask=/proc/kcore:/proc/sys/")
    assert set(request.MASKED) - set(made["masked"]) == {"/proc/kcore"}
    assert set(request.READ_ONLY) - set(made["readonly"]) == {"/proc/sys"}
    made = secured("unmask=/proc/*")
    assert made["readonly"] == []
    assert all(path.startswith("/sys/") for path in made["masked"])
    assert secured("unmask=/sys/fs/cgroup")["cgroup_writable"]


def test_mask() -> None:
    assert secured("mask=/a:/b")["masked"][-2:] == ["/a", "/b"]
    assert secured("mask=/a", privileged=True)["masked"] == ["/a"]


@pytest.mark.parametrize(
    "text",
    [
        "", "foo", "foo=bar", "seccomp", "seccomp=", "mask=rel", "unmask=rel", "mask=",
        "no-new-privileges=maybe", "apparmor=mine", "proc-opts=foo", "proc-opts=hidepid=",
        "systempaths=foo",
    ],
)  # fmt: skip
def test_security_refused(text: str) -> None:
    with pytest.raises(UsageError):
        secured(text)


@pytest.mark.parametrize("text", ["label=disable", "label:disable", "apparmor=unconfined"])
def test_security_that_is_only_shown(text: str) -> None:
    usual, made = request.security(), secured(text)
    assert {key for key, value in made.items() if value != usual.get(key)} < {"labels", "apparmor"}
    assert security_options(made) == [text.replace(":", "=")]
