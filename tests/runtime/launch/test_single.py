"""Identity mode single: one id, and programs that want more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.runtime.launch import single

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

SINGLE = {"ROOTLESS_IDENTITY": "single"}


@pytest.fixture
def with_apt(shared: Store, tmp_path: Path) -> Callable[..., str]:
    """A function that runs a script in a container whose image has apt (a file of that name)."""
    busybox = tmp_path / "bin/busybox"
    busybox.parent.mkdir()
    busybox.write_bytes(Path("/bin/busybox").read_bytes())
    busybox.chmod(0o755)
    apt = tmp_path / "usr/bin/apt-get"
    apt.parent.mkdir(parents=True)
    apt.touch(0o755)

    def run(script: str, *options: str) -> str:
        line = ["run", "--rm", *options, "--rootfs", f"{tmp_path}:O", "/bin/busybox", "sh", "-c"]
        return shared.ok(*line, script, env=SINGLE)

    return run


def test_apt_is_told_not_to_change_its_user(with_apt: Callable[..., str]) -> None:
    assert with_apt("busybox cat $APT_CONFIG") == 'APT::Sandbox::User "root";'


def test_an_apt_config_of_the_users_own_stays(with_apt: Callable[..., str]) -> None:
    assert with_apt("echo $APT_CONFIG", "-e", "APT_CONFIG=/mine") == "/mine"


def test_exec_tells_apt_too(shared: Store, with_apt: Callable[..., str], tmp_path: Path) -> None:
    line = [
        "run",
        "-d",
        "--name",
        "apt",
        "--rootfs",
        f"{tmp_path}:O",
        "/bin/busybox",
        "sleep",
        "60",
    ]
    shared.ok(*line, env=SINGLE)
    try:
        line = ["exec", "apt", "/bin/busybox", "sh", "-c", "echo $APT_CONFIG"]
        assert shared.ok(*line, env=SINGLE) == single.APT_FILE
    finally:
        shared.ok("rm", "-f", "apt", env=SINGLE)


def test_an_image_without_apt_is_left_alone(shared: Store) -> None:
    line = ["run", "--rm", "busybox", "sh", "-c", "echo $APT_CONFIG; ls -A /dev"]
    assert "apt" not in shared.ok(*line, env=SINGLE)


def test_privileged_containers_see_the_truth(with_apt: Callable[..., str]) -> None:
    script = "echo $APT_CONFIG; busybox touch /f; busybox chown 7 /f || echo refused"
    assert with_apt(script, "--privileged") == "\nrefused"


def test_changes_of_owner_succeed(shared: Store) -> None:
    script = "touch /f && chown 7:7 /f && mknod /d c 1 3 && su -s /bin/id nobody 2>&1; echo $?"
    out = shared("run", "--rm", "busybox", "sh", "-c", script, env=SINGLE).stdout
    assert out.endswith("0\n") and "uid=0" in out


def test_hiding_the_only_user_is_refused(shared: Store) -> None:
    done = shared("run", "--rm", "--userns", "nomap", "busybox", "true", env=SINGLE)
    assert done.returncode == 125
    assert "(--userns nomap): no other id exists here" in done.stderr


def test_why_a_start_failed_is_told_in_the_words_of_who_asks(shared: Store) -> None:
    line = ("run", "--name", "hidden", "--userns", "nomap", "busybox", "true")
    assert shared(*line, env=SINGLE).returncode == 125
    told = shared.ok("inspect", "-f", "{{.State.Error}}", "hidden")
    assert told.startswith("cannot hide the user (--userns nomap): ")
    kept = Engine(shared.root).containers.get("hidden")
    assert kept.inspect()["State"]["Error"].startswith("cannot hide the user (userns nomap): ")
    shared.ok("rm", "hidden")
