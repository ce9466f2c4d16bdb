"""docs/containers-conf.md says of each key what the program does with it."""

from __future__ import annotations

import pytest

from tests.tools import keys

pytestmark = pytest.mark.once


def test_the_table_is_that_of_the_keys() -> None:
    text = keys.PAGE.read_text()
    assert text.partition(keys.BEGIN)[2] == keys.table(), "python -m tests.tools.keys writes it"
