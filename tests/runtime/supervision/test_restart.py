"""Restart policies as numbers: when, and after how long."""

from __future__ import annotations

import pytest

from rootless.runtime.supervision.restart import FIRST, LONGEST, SETTLED, is_wanted, next_delay

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("policy", "code", "count", "wanted"),
    [
        ("no", 1, 0, False),
        ("always", 0, 1000, True),
        ("unless-stopped", 0, 5, True),
        ("on-failure", 0, 0, False),
        ("on-failure", 1, 1000, True),
        ("on-failure:3", 1, 2, True),
        ("on-failure:3", 1, 3, False),
        ("on-failure:3", 0, 0, False),
    ],
)
def test_policies(policy: str, code: int, count: int, wanted: bool) -> None:
    assert is_wanted(policy, code, count) is wanted


def test_delays_double_up_to_a_minute() -> None:
    delays = [next_delay(0, 0)]
    while delays[-1] < LONGEST:
        delays.append(next_delay(delays[-1], 1))
    assert delays[:4] == [FIRST, FIRST * 2, FIRST * 4, FIRST * 8]
    assert delays[-1] == LONGEST == next_delay(LONGEST, 1)
    assert len(delays) == 11


def test_a_long_run_makes_the_next_delay_short_again() -> None:
    assert next_delay(LONGEST, SETTLED) == FIRST
    assert next_delay(LONGEST, SETTLED - 1) == LONGEST
    assert next_delay(FIRST, -3600) == FIRST * 2  # the clock was set back meanwhile
