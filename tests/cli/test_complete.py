"""Completion: what is offered, by the hidden command and through the shells."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once


def offered(cli: Store, *typed: str) -> list[str]:
    """Return the candidates for the last of the words typed."""
    done = cli("__complete", "--", *typed)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_help_has_commands_and_topics(cli: Store) -> None:
    assert offered(cli, "help", "lo") == ["logs", "login", "logout", "load", "logs-and-health"]
    assert offered(cli, "help", "image", "tr") == ["tree", "trust"]
    assert offered(cli, "help", "run", "") == []


def test_commands(cli: Store) -> None:
    assert offered(cli, "ru") == ["run"]
    assert {"run", "ps", "images", "container"} <= {*offered(cli, "")}
    assert offered(cli, "image", "r") == ["rm", "remove", "rmi"]
    assert "__complete" not in offered(cli, "")
    assert offered(cli, "build", "fro") == ["from", ":files"]


def test_they_are_described(cli: Store) -> None:
    assert cli.ok("__complete", "--", "ru") == "run\tRun a command in a new container"
    assert cli.ok("__complete", "run", "--tt") == "--tty\tGive the container a terminal."


def test_options(cli: Store) -> None:
    found = offered(cli, "run", "--re")
    assert {"--read-only", "--read-only-tmpfs", "--replace", "--restart"} <= {*found}
    assert all(each.startswith("--re") for each in found)
    assert offered(cli, "--ro") == ["--root"]
    assert "--filter" in offered(cli, "container", "ls", "-")
    assert offered(cli, "run", "host", "--r") == [":files"]


def test_values_of_options(cli: Store) -> None:
    assert offered(cli, "run", "--pull", "n") == ["never", "newer"]
    assert offered(cli, "run", "--pull=n") == ["--pull=never", "--pull=newer"]
    assert {"none", "host", "private"} <= {*offered(cli, "run", "-it", "--network", "")}
    assert offered(cli, "run", "--restart", "a") == ["always"]
    assert offered(cli, "run", "--cap-add", "CHO") == ["CHOWN"]
    assert offered(cli, "run", "-v", "/e") == [":files"]
    assert offered(cli, "run", "--name", "") == []
    assert "HOME=" in offered(cli, "run", "-e", "HO")
    assert offered(cli, "completion", "") == ["bash", "zsh", "fish"]


def test_containers_and_images(cli: Store) -> None:
    for name in ("web", "worker"):
        cli.ok("create", "--name", name, "host", "true")
    assert offered(cli, "rm", "-f", "w") == ["web", "worker"]
    assert offered(cli, "rm", "web", "") == ["worker"]
    assert offered(cli, "logs", "--tail", "3", "we") == ["web"]
    assert offered(cli, "logs", "web", "") == ["worker"]
    assert offered(cli, "export", "web", "") == []
    assert "host" in offered(cli, "run", "-it", "--rm", "")
    assert offered(cli, "--root", cli.root + "-other", "rm", "w") == []


def test_filters(cli: Store) -> None:
    assert offered(cli, "ps", "-f", "st") == ["status="]
    assert offered(cli, "ps", "--filter", "status=p") == ["status=paused"]
    assert offered(cli, "ps", "--filter=la") == ["--filter=label="]
    assert offered(cli, "images", "-f", "da") == ["dangling="]
    assert offered(cli, "system", "prune", "--filter", "") == ["label=", "until="]
    assert "event=" in offered(cli, "events", "--filter", "")


def test_only_containers_in_the_right_state(cli: Store) -> None:
    cli.ok("run", "-d", "--name", "up", "host", "sleep", "100")
    cli.ok("create", "--name", "new", "host", "true")
    for command in ("exec", "attach", "stop", "container kill"):
        assert offered(cli, *command.split(), "") == ["up"], command
    assert offered(cli, "start", "") == ["new"]
    assert offered(cli, "unpause", "") == []
    assert offered(cli, "rm", "") == ["new", "up"]
    assert offered(cli, "run", "--network", "container:u") == ["container:up"]
    cli.ok("network", "create", "mine")
    assert offered(cli, "run", "--network", "mi") == ["mine"]
    assert offered(cli, "network", "rm", "") == ["mine"]
    assert offered(cli, "network", "connect", "mine", "u") == ["up"]


def test_nonsense_offers_nothing(cli: Store) -> None:
    for line in ("nothing x", "run --bogus= x y", "container nothing ", "--root"):
        assert cli("__complete", "--", *line.split(" ")).returncode == 0


@pytest.mark.needs("bash")
def test_bash(cli: Store) -> None:
    cli.ok("create", "--name", "a-box", "host", "true")
    script = """
        source <(rootless completion bash)
        COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
        for COMP_LINE in "rootless ru" "rootless run --pull=ne" "rootless rm -f a" "rootless start "
        do
            COMP_POINT=${#COMP_LINE}
            _rootless
            echo "${COMPREPLY[*]}"
        done
    """
    assert shell(cli, "bash", "-c", script) == ["run", "never newer", "a-box", "a-box"]


@pytest.mark.needs("fish")
def test_fish(cli: Store) -> None:
    script = 'rootless completion fish | source; complete -C "rootless ru"'
    assert shell(cli, "fish", "-c", script) == ["run\tRun a command in a new container"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_scripts_are_sound(cli: Store, name: str) -> None:
    script = cli.ok("completion", name)
    assert "__complete" in script
    if subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True).returncode:
        pytest.skip(f"{name} is not installed")
    checked = subprocess.run([name, "-n"], input=script, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def shell(cli: Store, *command: str) -> list[str]:
    """Run a shell that finds `rootless`; return its lines."""
    path = os.path.dirname(sys.executable)
    env = {**cli.env, "PATH": f"{path}:{cli.env['PATH']}"}
    done = subprocess.run(command, env=env, text=True, capture_output=True, timeout=60)
    assert done.stderr == ""
    return [line.rstrip() for line in done.stdout.splitlines()]
