"""containers.conf at the command line: what each start and transfer makes of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.cli.dialects import choice
from rootless.cli.ends import OwnEnds

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture
def conf(shared: Store) -> Path:
    """The file of the user of `shared`."""
    file = Path(shared.directory, "containers.conf")
    file.unlink(missing_ok=True)
    return file


def read(store: Store, file: Path, text: str, *words: str) -> tuple[int, str, str]:
    """Run a command with this file; return its code and what it said."""
    file.write_text(text)
    done = store(*words, env={"CONTAINERS_CONF": str(file)})
    return done.returncode, done.stdout, done.stderr


def test_a_container_has_what_the_user_wants_for_all(shared: Store, conf: Path) -> None:
    text = """
        [containers]
        env = ["ONE=1", "TWO=2", {append=true}]
        default_ulimits = ["nofile=100:200"]
        host_containers_internal_ip = "10.9.9.9"
        read_only = true
        tmpfs = 1
    """
    script = (
        "echo $ONE $TWO; ulimit -n; grep -c 10.9.9.9 /etc/hosts; touch /x 2>/dev/null || echo ro"
    )
    words = ["run", "--rm", "-e", "TWO=3", "busybox", "sh", "-c", script]
    code, out, said = read(shared, conf, text, *words)
    private = os.access("/dev/net/tun", os.W_OK)
    assert (code, said if private else "") == (0, "")
    assert out.split() == ["1", "3", "100", "1" if private else "0", "ro"]


def test_a_file_has_no_part_in_what_it_cannot_set(shared: Store, conf: Path) -> None:
    line = ("create", "--env-file", "/no/such", "busybox")
    _, _, error = read(shared, conf, "[containers]\nread_only = true", *line)
    assert "/no/such" in error
    assert str(conf) not in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[containers]\nvolumes = ['/a:b']", "[containers] volumes: "),
        ("[containers]\nvolumes = '/a'", "[containers] volumes: invalid value '/a'"),
        ("[containers]\nuserns = 'auto'", "[containers] userns: --userns auto"),
        ("[containers", "Expected ']'"),
    ],
)
def test_an_error_is_one_line_with_the_file(
    shared: Store, conf: Path, text: str, said: str
) -> None:
    code, out, error = read(shared, conf, text, "create", "busybox")
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert f"{conf}" in error
    assert said in error


def test_other_commands_do_not_read_it(shared: Store, conf: Path) -> None:
    for words in (("ps",), ("images",), ("ps", "-a", "-q")):
        assert read(shared, conf, "[containers", *words)[::2] == (0, "")


@pytest.mark.parametrize(
    ("dialect", "docker", "conf", "keys"),
    [
        ("docker", '{"detachKeys": "ctrl-x"}', "", "ctrl-x"),
        ("docker", '{"detachKeys": "ctrl-x"}', '[engine]\ndetach_keys = "ctrl-a,d"', "ctrl-a,d"),
        ("podman", '{"detachKeys": "ctrl-x"}', "", "ctrl-p,ctrl-q"),
        ("docker", '{"detachKeys": 3}', "", "ctrl-p,ctrl-q"),
        ("docker", "[]", "", "ctrl-p,ctrl-q"),
        ("docker", "no JSON", "", "ctrl-p,ctrl-q"),
    ],
)
def test_keys_that_leave_a_terminal(
    dialect: str, docker: str, conf: str, keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docker's are in the file of its client."""
    monkeypatch.setattr(choice, "_LOADED", [])
    monkeypatch.setattr(choice, "_ASKED", [dialect])
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "conf"))
    (tmp_path / "conf").write_text(conf)
    (tmp_path / "config.json").write_text(docker)
    assert OwnEnds(stdin=True, tty=True).keys(None) == keys
    assert OwnEnds(stdin=True, tty=True).keys("ctrl-z") == "ctrl-z"
    assert OwnEnds(stdin=True, tty=False).keys(None) == ""


def test_keys_of_docker_that_are_none(shared: Store, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"detachKeys": "ctrl-nothing"}')
    done = shared("run", "-t", "--rm", "busybox", "true", env={"DOCKER_CONFIG": str(tmp_path)})
    assert done.returncode == 125
    assert f"{tmp_path}/config.json: detachKeys: invalid value 'ctrl-nothing'" in done.stderr
