"""What the options of registries, retries and platforms come to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli import reach
from rootless.cli.commands.images import copy
from rootless.cli.ends import OwnEnds
from rootless.errors import UsageError
from rootless.images.transfer import parallel
from rootless.images.transfer.wish import FORMATS
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


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's containers.conf."""
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "c.conf"))
    return tmp_path / "c.conf"


def test_what_is_not_asked_says_containers_conf(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE", "of the environment")
    monkeypatch.delenv("TWO", raising=False)
    text = "retry = 5\nretry_delay = '3s'\nimage_parallel_copies = 2\nenv = ['ONE=1', 'TWO=2']\n"
    conf.write_text("[engine]\n" + text)
    usual = parallel._most[:]
    try:
        retry = reach.access_of({}).retry
        assert (retry.times, retry.delay) == (5, 3.0)
        assert parallel._most == [2]
        assert (os.environ["ONE"], os.environ["TWO"]) == ("of the environment", "2")
    finally:
        parallel._most[:] = usual
        monkeypatch.delenv("TWO")
    retry = reach.retry_of({"retry": 0, "retry_delay": "1m"})
    assert (retry.times, retry.delay) == (0, 60.0)


@pytest.mark.parametrize(
    ("keys", "asked", "found"),
    [
        ("", ("", "", 0), ("", "", 0)),
        ("image_default_format = 'v2s2'", ("", "", 0), ("v2s2", "", 0)),
        ("image_default_format = 'v2s2'", ("oci", "", 0), ("oci", "", 0)),
        ("compression_format = 'zstd:chunked'", ("", "", 0), ("", "zstd", 0)),
        ("compression_format = 'zstd'", ("v2s2", "", 0), ("v2s2", "", 0)),
        ("compression_format = 'zstd'", ("", "gzip", 0), ("", "gzip", 0)),
        ("compression_format='zstd'\ncompression_level = '19'", ("", "", 0), ("", "zstd", 19)),
        ("compression_format='zstd'\ncompression_level = 19", ("", "gzip", 0), ("", "gzip", 0)),
        ("compression_level = 3", ("", "", 7), ("", "", 7)),
    ],
)
def test_how_it_is_pushed(
    conf: Path, keys: str, asked: tuple[str, str, int], found: tuple[str, str, int]
) -> None:
    conf.write_text(f"[engine]\n{keys}\n")
    wish = reach.wish_of(*asked)
    assert (wish.media_type, wish.compression, wish.level) == (FORMATS[found[0]], *found[1:])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("retry = -1", "[engine] retry -1 makes no sense"),
        ("retry_delay = 'soon'", "[engine] retry_delay soon makes no sense"),
        ("image_parallel_copies = -1", "[engine] image_parallel_copies: invalid value -1"),
        ("image_default_format = 'v2s1'", "unknown format 'v2s1' (oci or v2s2; see [engine] in "),
        ("compression_format = 'xz'", "unknown compression 'xz' (gzip or zstd; see [engine] in "),
        ("compression_level = 'x'", "[engine] compression_level: invalid value 'x'"),
        ("compression_level = 99", "gzip has no level 99 (1 to 9; see [engine] in "),
    ],
)
def test_values_of_containers_conf_that_make_no_sense(conf: Path, keys: str, said: str) -> None:
    conf.write_text(f"[engine]\n{keys}\n")
    with pytest.raises(UsageError) as caught:
        reach.access_of({})
        reach.wish_of("", "", 0)
    assert said in str(caught.value)
    assert str(conf) in str(caught.value)


def test_keys_that_leave_a_terminal(conf: Path) -> None:
    conf.write_text("[engine]\ndetach_keys = 'ctrl-a,b'\n")
    ends, plain = OwnEnds(stdin=False, tty=True), OwnEnds(stdin=False, tty=False)
    assert (ends.keys(None), ends.keys("x"), ends.keys("")) == ("ctrl-a,b", "x", "")
    assert plain.keys(None) == ""
    conf.write_text("")
    assert ends.keys(None) == "ctrl-p,ctrl-q"
    conf.write_text("[engine]\ndetach_keys = ''\n")
    assert ends.keys(None) == ""
    conf.write_text("[engine]\ndetach_keys = 'alt-x'\n")
    with pytest.raises(UsageError, match=r"\[engine\] detach_keys: invalid value 'alt-x'"):
        ends.keys(None)
