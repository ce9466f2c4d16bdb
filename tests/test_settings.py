"""Settings: the file, its mistakes, and that limits hold where something is unpacked."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import settings
from rootless.errors import UsageError
from rootless.images import limits
from rootless.oci.layers.tar import Limits

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the settings, where no file is yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    place = tmp_path / "rootless/config.toml"
    place.parent.mkdir()
    assert settings.path() == str(place)
    return place


def test_without_a_file_all_is_as_it_was(file: Path) -> None:
    found = vars(limits.layer())
    assert found.pop("remedy") == f"layer-LIMIT in [limits] of {file} raises this limit"
    assert found == {k: v for k, v in vars(Limits()).items() if k != "remedy"}
    assert limits.archive().entries == 20_000
    file.parent.rmdir()
    file.parent.write_text("")  # as below HOME=/dev/null
    assert limits.layer().entries == Limits().entries


def test_without_the_variable_it_is_below_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert settings.path() == "/home/me/.config/rootless/config.toml"


def test_numbers_and_sizes(file: Path) -> None:
    file.write_text(
        '[limits]\nlayer-bytes = "1.5GiB"\nlayer-entries = 7\nlayer-depth = 300\n'
        'layer-header = "2m"\nlayer-parts = 9\narchive-bytes = 12345\narchive-entries = 6\n'
    )
    layer, archive = limits.layer(), limits.archive()
    assert (layer.bytes, layer.entries, layer.depth) == (3 << 29, 7, 300)
    assert (layer.header, layer.parts) == (2 << 20, 9)
    assert (archive.bytes, archive.entries) == (12345, 6)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[limits]\nlayer-byte = 1", "layer-byte: there is no such limit.*layer-bytes"),
        ("[limits]\nbytes = 1", "bytes: there is no such limit"),
        ("[limit]\nlayer-bytes = 1", "limit: there is no such setting"),
        ("limits = 1", "limits: it is a table"),
        ("[limits]\nlayer-bytes = '12 apples'", "layer-bytes: .*12 apples"),
        ("[limits]\nlayer-bytes = 1.5", r"layer-bytes: invalid value 1\.5"),
        ("[limits]\nlayer-entries = true", "layer-entries: invalid value True"),
        ("[limits]\nlayer-entries = '4m'", "layer-entries: invalid value '4m'"),
        ("[limits]\nlayer-entries = 0", "layer-entries: 0 is out of range"),
        ("[limits]\nlayer-depth = 100000", "layer-depth: 100000 is out of range .1 to 512"),
        ("[limits", "TOML"),
        ("\udcff", "TOML"),
    ],
)
def test_mistakes_are_told_with_file_and_key(file: Path, text: str, match: str) -> None:
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(UsageError, match=match) as caught:
        settings.limits()
    assert str(file) in caught.value.message


def test_limits_hold_for_load_and_name_entry_and_setting(cli: Store, busybox_archive: str) -> None:
    file = Path(cli.env["XDG_CONFIG_HOME"], "rootless/config.toml")
    file.parent.mkdir(parents=True)
    for setting, told in (
        ("layer-entries = 5", "Error: .+: unpack '.+': the archive has more than 5 entries"),
        ('layer-bytes = "1m"', "Error: .+: unpack '.+': the archive is larger than 1048576"),
        ("archive-entries = 1", "Error: .+: unpack '.+': the archive has more than 1 entries"),
        (
            'archive-bytes = "1m"',
            "Error: .+: unpack '.+': the archive is larger than 1048576",
        ),
    ):
        file.write_text(f"[limits]\n{setting}\n")
        done = cli("load", "-i", busybox_archive)
        assert done.returncode == 1
        hint = f" ({setting.split()[0]} in [limits] of {file} raises this limit)\n"
        assert done.stderr.endswith(hint)
        assert re.match(told, done.stderr)
    file.write_text("[limits]\nlayer-bytes = 'much'\n")
    done = cli("load", "-i", busybox_archive)
    assert done.returncode == 1
    assert f"{file}: layer-bytes: " in done.stderr
    assert cli("run", "--rm", "host", "true").returncode == 0, "containers do not need it"
    file.unlink()
    cli.ok("load", "-i", busybox_archive)


@pytest.mark.parametrize("deep", [255, 300])
def test_depth(cli: Store, tmp_path: Path, deep: int) -> None:
    file = Path(cli.env["XDG_CONFIG_HOME"], "rootless/config.toml")
    file.parent.mkdir(parents=True)
    archive = tmp_path / "deep.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("/".join("d" * deep) + "/f")
        tar.addfile(entry, io.BytesIO())
    done = cli("import", str(archive), "deep:1")
    assert (done.returncode == 0) == (deep == 255)
    if deep > 255:
        assert "deeper than 255 directories (layer-depth in [limits] of" in done.stderr
        file.write_text("[limits]\nlayer-depth = 300\n")
        cli.ok("import", str(archive), "deep:1")
    cli.ok("rmi", "deep:1")


def test_unknown_keys_are_told_once_after_each_change(cli: Store, tmp_path: Path) -> None:
    file = tmp_path / "rootless/config.toml"
    file.parent.mkdir()
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    file.write_text('dialekt = "podman"\nfoo = 1\n[limits]\nlayer-byte = 1\n')
    known = "there are additional_stores, dialect, limits, build"
    assert cli("ps", env=env).stderr.splitlines() == [
        f"Warning: {file}: dialekt: there is no such setting (did you mean 'dialect'?)",
        f"Warning: {file}: foo: there is no such setting ({known})",
        f"Warning: {file}: limits.layer-byte: there is no such setting"
        " (did you mean 'layer-bytes'?)",
    ]
    assert cli("ps", env=env).stderr == ""
    file.write_text('dialekt = "docker"\nadditional_stores = []\n')
    assert "dialekt: there is no such" in cli("ps", env=env).stderr
    file.write_text('dialect = "docker"\nadditional_stores = []\n[limits]\nlayer-depth = 9\n')
    assert cli("ps", env=env).stderr == ""
