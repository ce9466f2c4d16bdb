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


MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (MINUTE, "About a minute"),
        (119, "About a minute"),
        (3 * MINUTE, "3 minutes"),
        (59.9 * MINUTE, "59 minutes"),
        (HOUR, "About an hour"),
        (1.4 * HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13.9 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (731 * DAY, "2 years"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert times.duration(seconds) == words


def test_ages() -> None:
    assert times.ago(time.time() - 7200) == "2 hours ago"
    assert times.ago(time.time() + 5) == "Less than a second ago"
    assert times.ago(0) == "N/A"
