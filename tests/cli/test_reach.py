"""What the options of registries, retries and platforms come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli import reach
from rootless.cli.commands.images import copy
from rootless.errors import UsageError
from rootless.oci.platform import host

if TYPE_CHECKING:
    from pathlib import Path

    from rootless.cli.options.registries import Patience, Reach
    from rootless.cli.options.transfer import CopyEnds, OfPlatform

HERE = host().architecture


def told(access: Any) -> tuple[object, ...]:
    return access.tls_verify, access.creds, access.authfile, access.cert_dir


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, (None, "", "", "")),
        ({"tls_verify": False}, (False, "", "", "")),
        (
            {"tls_verify": True, "creds": "a:b", "authfile": "/f", "cert_dir": "/d"},
            (True, "a:b", "/f", "/d"),
        ),
    ],
)
def test_who_we_are_to_a_registry(asked: Reach, expected: tuple[object, ...]) -> None:
    assert told(reach.access_of(asked)) == expected


@pytest.mark.parametrize(
    ("asked", "here", "there"),
    [
        ({}, (None, "", "", ""), (None, "", "", "")),
        ({"creds": "a:b"}, (None, "a:b", "", ""), (None, "a:b", "", "")),
        ({"creds": "a:b", "src_creds": "c"}, (None, "c", "", ""), (None, "a:b", "", "")),
        (
            {"tls_verify": True, "dest_tls_verify": False, "dest_cert_dir": "/d"},
            (True, "", "", ""),
            (False, "", "", "/d"),
        ),
        (
            {"authfile": "/f", "dest_authfile": "/g", "cert_dir": "/d", "src_cert_dir": "/e"},
            (None, "", "/f", "/e"),
            (None, "", "/g", "/d"),
        ),
    ],
)
def test_both_ends_of_a_copy(
    asked: CopyEnds, here: tuple[object, ...], there: tuple[object, ...]
) -> None:
    source, destination = copy.access_of_both(asked)
    assert (told(source), told(destination)) == (here, there)


@pytest.mark.parametrize(
    ("asked", "times", "delay"),
    [
        ({}, 0, 0.0),
        ({"retry": 3}, 3, 0.0),
        ({"retry": 1, "retry_delay": "1m"}, 1, 60.0),
    ],
)
def test_how_long_it_is_tried(asked: Patience, times: int, delay: float) -> None:
    retry = reach.retry_of(asked)
    assert (retry.times, retry.delay) == (times, delay)


@pytest.mark.parametrize(
    ("asked", "what"),
    [({"retry": -1}, "--retry -1"), ({"retry_delay": "soon"}, "--retry-delay soon")],
)
def test_a_patience_that_makes_no_sense(asked: Patience, what: str) -> None:
    with pytest.raises(UsageError, match=f"^{what} makes no sense"):
        reach.retry_of(asked)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ""),
        ({"platform": "linux/arm64"}, "linux/arm64"),
        ({"arch": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "freebsd"}, f"freebsd/{HERE}"),
    ],
)
def test_which_platform_is_meant(asked: OfPlatform, expected: str) -> None:
    assert reach.platform_of(asked) == expected


def test_a_platform_and_its_parts_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="goes with neither"):
        reach.platform_of({"platform": "linux/arm64", "arch": "arm64"})


def test_a_digest_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "digest"
    reach.tell_digest("sha256:1", str(file), quiet=True)
    assert (file.read_text(), capsys.readouterr().out) == ("sha256:1", "")
    reach.tell_digest("sha256:2", "", quiet=False)
    assert capsys.readouterr().out == "sha256:2\n"
    with pytest.raises(UsageError, match="cannot write"):
        reach.write_digest(str(tmp_path / "no" / "digest"), "sha256:1")
