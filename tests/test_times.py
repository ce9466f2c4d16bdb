"""Moments and spans of time as users write them."""

from __future__ import annotations

import time

import pytest

from rootless import times
from rootless.errors import UsageError

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("500ms", 0.5), ("1.5s", 1.5), ("2h0m1s", 7201)],
)
def test_spans(text: str, seconds: float) -> None:
    assert times.span(text) == seconds
    assert abs(times.moment(text) - (time.time() - seconds)) < 5


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1700000000", 1700000000),
        ("1700000000.5", 1700000000.5),
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14T23:13:20+01:00", 1700000000),
    ],
)
def test_moments(text: str, moment: float) -> None:
    assert times.moment(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "10x", "m", "1..5s", ".s", "2023-99-99"])
def test_no_moments(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        times.moment(text)
