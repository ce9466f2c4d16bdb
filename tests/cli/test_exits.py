"""Which error ends a command with which code."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

import rootless
from rootless import errors
from rootless.cli import exits, lean
from rootless.cli.dialects import choice
from rootless.oci import errors as oci

if TYPE_CHECKING:
    from collections.abc import Iterator


def everything() -> None:
    """Import all modules of the program, so that all its errors are known."""
    for found in pkgutil.walk_packages(rootless.__path__, "rootless."):
        importlib.import_module(found.name)


def below(kind: type[oci.Error]) -> Iterator[type[oci.Error]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def test_the_errors_know_nothing_of_it() -> None:
    everything()
    assert [kind for kind in below(oci.Error) if hasattr(kind, "exit_code")] == []


CONFLICT = errors.Conflict("container one is running", "stop it first")
MISSING = errors.NotFound("no such container: one")
CLASHES = errors.HostError("cannot publish port 80/tcp: it is in use", "choose another")


@pytest.mark.parametrize(
    ("dialect", "command", "error", "code"),
    [
        ("docker", "run", errors.CommandNotFound("no such file"), 127),
        ("docker", "execute", errors.CommandNotExecutable("a directory"), 126),
        ("docker", "run", errors.LaunchError("no"), 125),
        ("docker", "run", errors.NotPermitted("no"), 125),
        ("docker", "start", errors.NotPermitted("no"), 1),
        ("docker", "run", errors.Interrupted(15), 143),
        ("docker", "pull", oci.TooManyRequests("wait"), 1),
        ("docker", "copy", oci.TooManyRequests("wait"), 125),
        ("docker", "rm", CONFLICT, 1),
        ("docker", "logs", MISSING, 1),
        ("docker", "run", CLASHES, 125),
        ("docker", "", errors.UsageError("no such option: --bogus"), 125),
        ("docker", "", errors.UsageError("'docker run' requires at least 1 argument"), 1),
        ("docker", "ps", OSError(28, "No space left on device"), 1),
        ("docker", "ps", ZeroDivisionError("a fault"), 125),
        ("podman", "run", errors.CommandNotFound("no such file"), 127),
        ("podman", "rm", CONFLICT, 2),
        ("podman", "rm", MISSING, 1),
        ("podman", "rmi", errors.NotFound("no such image: x"), 1),
        ("podman", "logs", MISSING, 125),
        ("podman", "run", CLASHES, 126),
        ("podman", "", errors.UsageError("accepts 1 arg(s), received 0"), 125),
        ("podman", "ps", OSError(28, "No space left on device"), 125),
    ],
)
def test_codes(
    dialect: str, command: str, error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_LOADED", [])
    monkeypatch.setattr(choice, "_ASKED", [dialect])
    monkeypatch.setattr(lean, "CALLED", [command])
    assert exits.code_of(error) == code


def test_a_subclass_has_the_code_of_its_nearest_ancestor() -> None:
    class Gone(errors.CommandNotFound):
        pass

    assert exits.code_of(Gone("gone")) == 127
