"""The quick reader of TOML gives tomllib's answer, or none."""

from __future__ import annotations

import tomllib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from rootless.defaults import plain

pytestmark = pytest.mark.once

PLAIN = [
    "",
    "# only words\n\n  # and blanks\n",
    "[containers]\nenv = ['A=1', \"B=2\"] # two\ninit=true\nlog_size_max = -1\n",
    '[containers]\ndefault_capabilities = [\n  "CHOWN", # one\n\n  "KILL",\n]\n[engine]\nretry=0',
    "[engine]\n[engine.runtimes]\n[engine.volume_plugins]\nx='/y#z'",
    "top = 1\n[a]\nb = []\nc = [ ]\nd = [1, -2 ,3]",
]

UNUSUAL = [
    "a = 1.5",
    'a = "\\n"',
    "a = '''x'''",
    'a = """x"""',
    "a.b = 1",
    "[a]\n'b' = 2",
    "[[a]]\nb = 1",
    "[a.b]\n[a]",
    "a = {b = 1}",
    "env = ['A', {append=true}]",
    "a = 12:30:00",
    "a = 2026-01-01",
    "a = 0x10",
    "a = 1_000",
    "a = +1",
]

WRONG = [
    "a = 1\na = 2",
    "[a]\n[a]",
    "a = 01",
    "a",
    "a =",
    "= 1",
    "a = x",
    "a = 'x",
    "a = ['x'",
    "a = ['x' 'y']",
    "a = [, 'x']",
    "a = 'x' y",
    "[a] b",
    "[a",
    "[]",
    "a = True",
    "a = 1\x0b",
    "a = 'x\x00'",
    "a = 1 2",
    f"a = {'9' * 5000}",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_plain_is_read(text: str) -> None:
    assert plain.loads(text) == tomllib.loads(text)


@pytest.mark.parametrize("text", [*UNUSUAL, *WRONG])
def test_what_is_not_is_left_to_tomllib(text: str) -> None:
    assert plain.loads(text) is None


PIECES = ["a", "b.c", " = ", "=", "1", "-1", "true", "'x'", '"y"', "[", "]", ",", "#", "\n", " "]
PIECES += ["\t", "{append=true}", "\\", "0", "[t]\n", "[t.u]\n", "x = [", "\r", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_it_never_says_otherwise(text: str) -> None:
    said = plain.loads(text)
    if said is not None:
        assert said == tomllib.loads(text)


def test_debians_file_is_plain() -> None:
    file = Path("/usr/share/containers/containers.conf")
    if not file.exists():
        pytest.skip("this machine has no /usr/share/containers/containers.conf")
    text = file.read_text()
    assert plain.loads(text) == tomllib.loads(text)
