"""Which dialect is spoken, and what errors are called in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import errors
from rootless.cli.dialects import choice, sentences

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once

DOCKERS = "No such container: nobody"
PODMANS = 'no container with name or ID "nobody" found: no such container'


@pytest.fixture
def podman(cli: Store) -> Store:
    """The same program, called podman by a link."""
    link = Path(cli.directory, "podman")
    link.symlink_to(cli.command[-1])
    cli.command = [*cli.command[:-1], str(link)]
    return cli


def answer(store: Store, *options: str, **env: str) -> str:
    return store(*options, "logs", "nobody", env=env).stderr


def test_the_first_of_four_places_counts(cli: Store) -> None:
    assert DOCKERS in answer(cli)
    settings = Path(cli.env["XDG_CONFIG_HOME"], "rootless/config.toml")
    settings.parent.mkdir(parents=True)
    settings.write_text('dialect = "podman"\n')
    assert PODMANS in answer(cli)
    assert DOCKERS in answer(cli, ROOTLESS_DIALECT="docker")
    assert PODMANS in answer(cli, "--dialect", "podman", ROOTLESS_DIALECT="docker")


def test_a_link_says_it_as_well(podman: Store) -> None:
    said = answer(podman, ROOTLESS_DIALECT="docker")
    assert PODMANS in said
    assert "(podman ps -a lists what there is)" in said
    assert DOCKERS in answer(podman, "--dialect=docker")


def test_help_speaks_of_the_program_as_it_was_called(podman: Store) -> None:
    for words, usage in (
        ([], "Usage: podman [OPTIONS] COMMAND"),
        (["container"], "Usage: podman container COMMAND"),
        (["start"], "Usage: podman start [OPTIONS] [CONTAINER]..."),
    ):
        assert podman.ok(*words, "--help").splitlines()[0] == usage
    shown = podman.ok("start", "--help").splitlines()
    examples = shown[shown.index("Examples:") + 1 :]
    assert "  podman start web" in examples
    assert not [line for line in examples if line.startswith("  rootless")]


def test_a_wrong_field_is_answered_with_those_of_the_dialect(cli: Store) -> None:
    cli.ok("create", "--name", "one", "host", "true")
    for dialect, has in (("docker", False), ("podman", True)):
        for template, theirs in (("{{.Nosuch}}", "IsInfra"), ("{{.State.Nosuch}}", "ConmonPid")):
            done = cli("--dialect", dialect, "inspect", "-f", template, "one")
            assert "there is no field 'Nosuch' (there are " in done.stderr
            assert (f", {theirs}," in done.stderr) == has
            assert cli.ok("--dialect", dialect, "inspect", "-f", "{{json .IsInfra}}", "one")
    assert "rootless help configuration" in cli("config").stderr


def test_images_are_found_by_their_last_part(busybox: Store) -> None:
    busybox.ok("tag", "busybox", "quay.example/team/long:1")
    assert busybox.ok("--dialect", "podman", "image", "inspect", "-f", "{{.Os}}", "long:1")
    assert busybox("image", "exists", "long:1").returncode == 1


def test_podman_tells_what_it_fetches(cli: Store) -> None:
    for line in (["pull"], ["run", "--rm"], ["create"]):
        said = cli("--dialect", "podman", *line, "127.0.0.1:1/x").stderr.splitlines()
        assert said[0] == "Trying to pull 127.0.0.1:1/x:latest..."
        assert len(said) == 2
        quiet = cli("--dialect", "podman", *line, "-q", "127.0.0.1:1/x").stderr.splitlines()
        assert len(quiet) == len(cli(*line, "127.0.0.1:1/x").stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["dialect =", "dialect = 3", "dialect = 'nerdctl'"])
def test_a_file_that_is_wrong_is_one_line(cli: Store, text: str) -> None:
    settings = Path(cli.env["XDG_CONFIG_HOME"], "rootless/config.toml")
    settings.parent.mkdir(parents=True)
    settings.write_text(text)
    done = cli("ps")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: ")
    assert str(settings) in done.stderr


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_dialect_that_is_none(cli: Store, place: str) -> None:
    env = {"ROOTLESS_DIALECT": "nerdctl"} if place == "environment" else {}
    if place == "file":
        settings = Path(cli.env["XDG_CONFIG_HOME"], "rootless/config.toml")
        settings.parent.mkdir(parents=True)
        settings.write_text('dialect = "nerdctl"\n')
    done = cli("ps", env=env)
    assert done.returncode == 1
    assert "there is no dialect 'nerdctl' (docker or podman)" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(params=choice.NAMES)
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(choice, "_LOADED", [])
    monkeypatch.setattr(choice, "_ASKED", [request.param])
    return str(request.param)


@pytest.mark.parametrize(
    ("ours", "docker", "podman"),
    [
        ("no such container: a b", "No such container: a b", None),
        ("no such image: {0}", "No such image: {0}", "{0}: image not known"),
        ("no such container", "no such container", "no such container"),
        (
            'the container name "x" is already in use by 1234',
            'Conflict. The container name "/x" is already in use by container "1234". You have to'
            " remove (or rename) that container to be able to reuse that name.",
            'creating container storage: the container name "x" is already in use by 1234. You have'
            " to remove that container to be able to reuse that name: that name is already in use",
        ),
        ("cannot stop it", "cannot stop it", "cannot stop it"),
    ],
)
def test_sentences(spoken: str, ours: str, docker: str, podman: str | None) -> None:
    wanted = {"docker": docker, "podman": podman}[spoken]
    if wanted is not None:
        assert sentences.said(ours) == wanted


def test_every_sentence_of_ours_is_said_somewhere(spoken: str) -> None:
    """What the engine has worded anew would no longer be found."""
    root = Path(errors.__file__).parent
    sources = [*root.rglob("*.py"), *(root / "cli").rglob("*.py"), *(root / "oci").rglob("*.py")]
    text = "".join(path.read_text() for path in sources if "dialects" not in path.parts)
    # Those of Typer, of the dialects themselves, and those that end in the words of an errno.
    others = ("no such option", "no such command", "the input device", "'", '"')
    for ours, _, _ in choice.current().sentences:
        parts = ours.replace("{1}", "{0}").split("{0}")
        assert ours.startswith(others) or any(part in text for part in parts if part), ours


def test_alias(cli: Store, tmp_path: Path) -> None:
    env = {"XDG_BIN_HOME": str(tmp_path), "PATH": f"/usr/bin:{tmp_path}:/bin"}
    link = tmp_path / "podman"
    done = cli("alias", "podman", env=env)
    assert (done.returncode, done.stdout) == (0, f"{link}\n")
    assert os.path.realpath(link) == os.path.realpath(cli.command[-1])
    if Path("/usr/bin/podman").exists():
        assert f"/usr/bin/podman comes first on your PATH: put {tmp_path} before it" in done.stderr
    assert cli("alias", "podman", env={**env, "PATH": f"{tmp_path}:/usr/bin"}).stderr == ""
    assert (
        f"{tmp_path} is not on your PATH"
        in cli("alias", "podman", env={**env, "PATH": "/bin"}).stderr
    )
    cli.ok("alias", "podman", "--remove", env=env)
    assert list(tmp_path.iterdir()) == []
    assert cli("alias", "podman", "--remove", env=env).returncode == 0
    link.write_text("somebody's own")
    for options in ([], ["--remove"]):
        done = cli("alias", "podman", *options, env=env)
        assert (done.returncode, "no link of ours" in done.stderr) == (125, True)
    assert link.read_text() == "somebody's own"
