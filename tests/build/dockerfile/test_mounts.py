"""RUN --mount: every key of every type."""

from __future__ import annotations

from typing import Any

import pytest

from rootless.build.dockerfile.expansion import Expander
from rootless.build.dockerfile.mounts import Mount, MountError, mount

pytestmark = pytest.mark.once


def made(kind: str, **fields: Any) -> Mount:
    result = Mount(kind, "")
    for name, value in fields.items():
        setattr(result, name, value)
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/x", made("bind", target="/x", readonly=True)),
        ("type=bind,dst=.,src=/a,from=b", made("bind", target=".", source="/a", stage="b")),
        ("type=BIND,destination=/x,rw", made("bind", target="/x", readonly=False)),
        ("target=/x,readwrite=false", made("bind", target="/x", readonly=True)),
        ("target=/x,ro=0", made("bind", target="/x", readonly=False)),
        ("type=cache,target=/x", made("cache", target="/x", readonly=False)),
        (
            "type=cache,target=/x,id=i,sharing=Locked,from=s,source=/y,mode=0700,uid=1,gid=2,ro",
            made(
                "cache",
                target="/x",
                id="i",
                sharing="locked",
                stage="s",
                source="/y",
                mode=0o700,
                uid=1,
                gid=2,
                readonly=True,
            ),
        ),
        ("type=tmpfs,target=/x,size=64m", made("tmpfs", target="/x", size=64 << 20)),
        ("type=secret,id=a", made("secret", id="a")),
        (
            "type=secret,id=a,target=/b,required,mode=0440,uid=0,gid=7,env=C",
            made(
                "secret",
                id="a",
                target="/b",
                required=True,
                mode=0o440,
                uid=0,
                gid=7,
                env="C",
            ),
        ),
        ("type=secret,target=/b,required=false", made("secret", target="/b")),
        ("type=ssh", made("ssh")),
        ("type=ssh,id=a,target=/s,required=true", made("ssh", id="a", target="/s", required=True)),
        ('target=/x,"source=a,b"', made("bind", target="/x", source="a,b")),
        ('"target=/x ""y"""', made("bind", target='/x "y"')),
        ("target=/a=b", made("bind", target="/a=b")),
        ("TARGET=/x", made("bind", target="/x")),
    ],
)
def test_keys(text: str, expected: Mount) -> None:
    assert mount(text) == expected
    assert mount(text, lambda value: value) == expected


def test_variables_are_for_later() -> None:
    text = "type=$kind,target=$dir/x,id=$id,mode=$mode,sharing=$how,from=base"
    early = mount(text)
    assert (early.type, early.stage, early.target) == ("", "base", "")
    values = {"kind": "cache", "dir": "/d", "id": "i", "mode": "755", "how": "private"}
    late = mount(text, Expander(values).word)
    assert late == made("cache", target="/d/x", id="i", mode=0o755, sharing="private", stage="base")
    with pytest.raises(MountError, match="'mode' for mount type 'bind'"):
        mount(text, Expander({**values, "kind": "bind"}).word)
    with pytest.raises(MountError, match="unsupported mount type 'x'"):
        mount(text, Expander({**values, "kind": "x"}).word)
    with pytest.raises(MountError, match="invalid value 'rwx' for mode"):
        mount(text, Expander({**values, "mode": "rwx"}).word)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "target",
            "x=y",
            "type=cache",
            "type=bind,id=",
            "target=/x,env=y",
            "target=/x,size=1",
        ),
        *(
            "type=ssh,source=/a",
            "type=secret",
            "type=secret,id=a,from=b",
            "type=secret,id=a,size=1",
        ),
        *("target=/x,required", "type=cache,target=/x,mode=8", "type=cache,target=/x,uid=-1"),
        *("type=cache,target=/x,gid=4294967295", "type=cache,target=/x,mode=", '"target=/x'),
        *("type=tmpfs,target=/x,size=", "target=/x,from=${y}", "target=/x,,", "type=cache,target="),
    ],
)
def test_what_makes_no_sense(text: str) -> None:
    with pytest.raises(MountError):
        mount(text, lambda value: value)
