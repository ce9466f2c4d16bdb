"""Which error ends a command with which code."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

import rootless
from rootless import errors
from rootless.cli import exits
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


def test_every_error_has_a_code_that_is_meant() -> None:
    everything()
    ours = [kind for kind in below(oci.Error) if kind.__module__.startswith("rootless")]
    assert {*exits.CODES} <= {*ours}
    assert [kind for kind in ours if not {*kind.__mro__} & {*exits.CODES}] == []


def test_the_errors_know_nothing_of_it() -> None:
    everything()
    assert [kind for kind in below(oci.Error) if hasattr(kind, "exit_code")] == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CommandNotFound("no such file"), 127),
        (errors.CommandNotExecutable("a directory"), 126),
        (errors.LaunchError("no"), 125),
        (errors.NotPermitted("no"), 125),
        (errors.Interrupted(15), 143),
        (oci.TooManyRequests("wait"), 125),
        (oci.Error("no"), 125),
        (OSError(28, "No space left on device"), 125),
        (ZeroDivisionError("a fault"), 125),
    ],
)
def test_codes(error: Exception, code: int) -> None:
    assert exits.code_of(error) == code


def test_a_subclass_has_the_code_of_its_nearest_ancestor() -> None:
    class Gone(errors.CommandNotFound):
        pass

    assert exits.code_of(Gone("gone")) == 127
