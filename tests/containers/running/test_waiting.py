"""Waiting for containers: what is opened for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from rootless.containers.handle import Handle
from rootless.containers.running.waiting import _Watched
from rootless.errors import HostError, NotFound, StoreError
from rootless.linux import inotify
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record

ID = "a" * 64


@pytest.mark.parametrize("error", [StoreError("look"), FileNotFoundError(), HostError("many")])
def test_what_fails_leaves_nothing_open(
    error: Exception,
    composed: Callable[..., Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    container = Handle(Paths(str(tmp_path)), composed("true"))
    os.makedirs(container.directory)
    open(f"{container.directory}/alive", "w").close()
    if isinstance(error, HostError):
        monkeypatch.setattr(inotify, "watch", fail)
    else:
        monkeypatch.setattr(Handle, "look", fail)
    before = os.listdir("/proc/self/fd")
    expected = NotFound if isinstance(error, FileNotFoundError) else type(error)
    with pytest.raises(expected):
        _Watched(container, hold=True)
    assert len(os.listdir("/proc/self/fd")) == len(before)
