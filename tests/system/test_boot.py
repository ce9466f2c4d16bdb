"""boot: a unit that systemd takes, and a line in a crontab between other people's."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.store.paths import Paths, default_root
from rootless.system import boot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture
def crontab(shared_directory: Path) -> Iterator[list[str]]:
    """This user's crontab with a line of its own; as it was before, afterwards.

    For one test at a time: there is but one.
    """
    with open(shared_directory / "crontab.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = subprocess.run(["crontab", "-l"], capture_output=True, text=True)
        line = "0 5 * * 1 tar -zcf /var/backups/home.tgz /home/"
        subprocess.run(["crontab", "-"], input=f"{line}\n", text=True, check=True)
        yield [line]
        if before.returncode:
            subprocess.run(["crontab", "-r"], capture_output=True)  # a test may have done it
        else:
            subprocess.run(["crontab", "-"], input=before.stdout, text=True, check=True)


def lines() -> list[str]:
    done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.needs("crontab")
def test_crontab(cli: Store, crontab: list[str]) -> None:
    env = {"XDG_RUNTIME_DIR": cli.runtime}  # no user manager
    status = cli("boot", "status", env=env)
    assert (status.returncode, status.stdout) == (1, "disabled, by cron\n")
    assert cli.ok("boot", "enable", env=env) == "enabled, by cron"
    cli.ok("boot", "enable", env=env)  # once more changes nothing
    (ours,) = [line for line in lines() if line not in crontab]
    assert ours.startswith("@reboot ")
    assert "start --all --filter restart-policy=always" in ours
    assert cli.root in ours
    assert lines()[0] == crontab[0]
    assert cli("boot", "status", env=env).returncode == 0
    cli.ok("boot", "disable", env=env)
    assert lines() == crontab


@pytest.mark.needs("crontab")
def test_by_an_alias(cli: Store, crontab: list[str], tmp_path: Path) -> None:
    """The alias may go again, so the line has the program itself; a crontab of ours alone goes."""
    subprocess.run(["crontab", "-r"], check=True)
    link = tmp_path / "podman"
    link.symlink_to(cli.command[-1])
    env = {**cli.env, "XDG_RUNTIME_DIR": cli.runtime}
    line = [*cli.command[:-1], str(link)]
    subprocess.run([*line, "boot", "enable"], env=env, check=True, stdout=subprocess.DEVNULL)
    (ours,) = lines()
    assert cli.command[-1] in ours.split()
    assert str(link) not in ours
    subprocess.run([*line, "boot", "disable"], env=env, check=True, stdout=subprocess.DEVNULL)
    assert "no crontab" in subprocess.run(["crontab", "-l"], capture_output=True, text=True).stderr


def test_other_links_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installer's: it leads to another release some day."""
    (tmp_path / "1.0").mkdir()
    (tmp_path / "1.0/rootless").touch()
    (tmp_path / "rootless").symlink_to("1.0/rootless")
    (tmp_path / "docker").symlink_to("rootless")
    for name in ("docker", "rootless"):
        monkeypatch.setattr("sys.argv", [str(tmp_path / name)])
        assert boot.command("/x")[1] == str(tmp_path / "rootless")


@pytest.mark.needs("crontab")
def test_each_store_has_its_line(cli: Store, crontab: list[str], tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": cli.runtime}
    other = ("--root", f"{tmp_path}/a b%c")
    assert cli.ok("boot", "enable", env=env) == "enabled, by cron"
    first = lines()
    assert cli(*other, "boot", "status", env=env).stdout == "disabled, by cron\n"
    cli.ok(*other, "boot", "enable", env=env)
    assert lines()[:-1] == first
    assert cli(*other, "boot", "status", env=env).stdout == "enabled, by cron\n"
    cli.ok(*other, "boot", "disable", env=env)
    assert lines() == first
    assert cli.ok("boot", "status", env=env) == "enabled, by cron"
    cli.ok("boot", "disable", env=env)
    assert lines() == crontab


def test_each_store_has_its_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where a release before gave the one name to the unit of another store."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no crontab
    usual, other = Paths(default_root()), Paths(f"{tmp_path}/o ther")
    (tmp_path / ".config/systemd/user").mkdir(parents=True)
    for written, at, enabled in (
        (usual, usual, (True, False)),
        (other, other, (False, True)),
        (other, usual, (False, True)),
    ):
        place = boot.unit_path(at.root)
        with open(place, "w") as file:
            file.write(boot.unit(written.root))
        assert (boot.Way(usual).is_enabled, boot.Way(other).is_enabled) == enabled
        os.unlink(place)
    assert boot.unit_name(usual.root) == boot.UNIT != boot.unit_name(other.root)


@pytest.mark.needs("crontab")
def test_without_a_daemon_it_is_said(cli: Store, crontab: list[str]) -> None:
    names = {path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")}
    done = cli("boot", "status", env={"XDG_RUNTIME_DIR": cli.runtime})
    assert ("no cron daemon runs here" in done.stderr) == names.isdisjoint({"cron", "crond"})


@pytest.mark.needs("crontab")
def test_the_line_starts_containers(busybox: Store, crontab: list[str]) -> None:
    busybox.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "sleep", "1000")
    busybox.ok("stop", "-t", "0", "one")
    busybox.ok("boot", "enable")
    (line,) = [line for line in lines() if line not in crontab]
    command = line.removeprefix("@reboot ").replace("\\%", "%")
    subprocess.run(["sh", "-c", command], env=busybox.env, check=True, capture_output=True)
    assert busybox.ok("ps", "--format", "{{.Names}}") == "one"
    busybox.ok("boot", "disable")
    busybox.ok("rm", "-f", "one")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("root", ["/data/store", '/a b/$c%d"e\\f'])
def test_the_unit_is_one(root: str, tmp_path: Path) -> None:
    path = tmp_path / boot.UNIT
    path.write_text(boot.unit(root))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    complaints = [line for line in done.stderr.splitlines() if boot.UNIT in line]
    assert complaints == []


def test_neither_is_here(cli: Store, tmp_path: Path) -> None:
    os.symlink(shutil.which("true") or "/bin/true", tmp_path / "true")
    env = {"PATH": str(tmp_path)}
    done = cli("boot", "enable", env=env)
    assert done.returncode == 125
    assert "neither a systemd user manager nor cron is here" in done.stderr
    assert "start --all" in done.stderr
    assert cli("boot", "status", env=env).stdout == "disabled, by nothing here\n"
