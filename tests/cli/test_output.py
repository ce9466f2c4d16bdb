"""Words, sizes and widths as docker has them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.cli import output
from rootless.cli.tables import table

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (4_261_502, "4.26MB"),
        (4_500_000, "4.5MB"),
        (123_456_789, "123MB"),
        (999_600, "1MB"),
        (1_290_000_000, "1.29GB"),
        (5 * 10**21, "5e+03EB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert output.size(count) == text


def test_a_table_has_the_widths_of_dockers() -> None:
    heading = "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
    assert table([heading.replace("CONTAINER ID", "CONTAINER_ID").split()]) == heading.replace(
        "CONTAINER ID", "CONTAINER_ID"
    )
    assert table([("A", "B"), ("0123456789", "x")]) == "A            B\n0123456789   x\n"


def test_commands_are_shortened_and_quoted() -> None:
    assert output.shorten("x" * 20, 20) == "x" * 20
    assert output.shorten("x" * 21, 20) == "x" * 19 + "…"
    assert output.quote('sh -c "a"\n') == '"sh -c \\"a\\"\\n"'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_indented_json_is_that_of_the_json_package(value: object) -> None:
    assert output.pretty(value) == json.dumps(value, indent=4, ensure_ascii=False)
