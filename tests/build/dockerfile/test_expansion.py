"""What words come to, compared with tables and with a shell."""

from __future__ import annotations

import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.build.dockerfile.expansion import Expander, ExpansionError

pytestmark = pytest.mark.once

ENVIRONMENT = {
    "x": "value",
    "e": "",
    "p": "/usr/local/lib.tar.gz",
    "b": "two words",
    "s": "a*b?c",
    "star": "?",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$x", "value"),
        ("${x}", "value"),
        ("a$x.b", "avalue.b"),
        ("$x$x", "valuevalue"),
        ("$unset", ""),
        ("${unset}", ""),
        ("$xy", ""),
        ("$1 $12a", " a"),
        ("$@ $* $? $- $!", "    "),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$.x", "$.x"),
        ("'$x'", "$x"),
        ('"$x"', "value"),
        ("\"'$x'\"", "'value'"),
        ("\\$x", "$x"),
        ("\\${x}", "${x}"),
        ('"\\$x \\" \\\\ \\n"', '$x " \\ \\n'),
        ("a\\ b", "a b"),
        ("a\\b", "ab"),
        ("a\\", "a"),
        ("a\\\\b", "a\\b"),
        ("'a\\b'", "a\\b"),
        ("'a'\"b\"c", "abc"),
        ('""', ""),
        ("${x:-y}", "value"),
        ("${e:-y}", "y"),
        ("${e-y}", ""),
        ("${unset:-y}", "y"),
        ("${unset-y}", "y"),
        ("${x:+y}", "y"),
        ("${e:+y}", ""),
        ("${e+y}", "y"),
        ("${unset+y}", ""),
        ("${x:?no}", "value"),
        ("${e?no}", ""),
        ("${unset:-$x}", "value"),
        ("${unset:-${x}}", "value"),
        ("${unset:-${e:-deep}}", "deep"),
        ("${unset:-'$x'}", "$x"),
        ('${unset:-"$x y"}', "value y"),
        ('"${unset:-"a b"}"', "a b"),
        ("${unset:-a\\}b}", "a}b"),
        ("${unset:-}", ""),
        ("${x:+${unset:?never}}x", None),
        ("${x:-${unset:?never}}", "value"),
        ("${p#*/}", "usr/local/lib.tar.gz"),
        ("${p##*/}", "lib.tar.gz"),
        ("${p%.*}", "/usr/local/lib.tar"),
        ("${p%%.*}", "/usr/local/lib"),
        ("${p#x}", "/usr/local/lib.tar.gz"),
        ("${x#*v}", "alue"),
        ("${x#*v*l}", "ue"),
        ("${x%e*}", "valu"),
        ("${x:-${p#/}}", "value"),
        ("${unset+${p#/}${e:?no}}", ""),
        ("${p%/?ib*}", "/usr/local"),
        ("${s#a\\*}", "b?c"),
        ("${s#'a*'}", "b?c"),
        ('${s#"a*"}', "b?c"),
        ('${s#"$star"}', "a*b?c"),
        ("${s#$star}", "*b?c"),
        ("${s%\\?c}", "a*b"),
        ("${p/local/x}", "/usr/x/lib.tar.gz"),
        ("${p/\\//x}", "xusr/local/lib.tar.gz"),
        ("${p//\\//x}", "xusrxlocalxlib.tar.gz"),
        ("${p/l*l/x}", "/usr/xib.tar.gz"),
        ("${p//l?/x}", "/usr/xcaxxb.tar.gz"),
        ("${p//./}", "/usr/local/libtargz"),
        ("${p/nothing/x}", "/usr/local/lib.tar.gz"),
        ("${x/v/$b}", "two wordsalue"),
        ("${x/*/all}", "all"),
        ("${x/v/\\b\\}}", "b}alue"),
        ("${x/v/'*'}", "*alue"),
        ("${unset#a}${unset/a/b}", ""),
    ],
)
def test_words(text: str, expected: str | None) -> None:
    expander = Expander(ENVIRONMENT)
    if expected is None:
        with pytest.raises(ExpansionError):
            expander.word(text)
    else:
        assert expander.word(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`$x", "$x"),
        ("a`\\b", "a\\b"),
        ("c:\\x", "c:\\x"),
        ('"`$x `` \\"', "$x ` \\"),
        ("${unset:-a`}b}", "a}b"),
        ("${s#a`*}", "b?c"),
    ],
)
def test_words_with_another_escape(text: str, expected: str) -> None:
    assert Expander(ENVIRONMENT, "`").word(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("$b", ["two", "words"]),
        ('"$b"', ["two words"]),
        ("a$b c", ["atwo", "words", "c"]),
        ("'a b'c", ["a bc"]),
        ("a\\ b", ["a b"]),
        ("${unset:-$b}", ["two", "words"]),
        ("${unset:-'a b'} c", ["a", "b", "c"]),
        ('"${unset:-a b}" c', ["a b", "c"]),
        ("$e", []),
        ('""', []),
        ("", []),
    ],
)
def test_several_words(text: str, expected: list[str]) -> None:
    assert Expander(ENVIRONMENT).words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a $x 'b' \"$b\"\n", "a value 'b' \"two words\"\n"),
        ("\\$x \\\\ \\n \\\" ${unset:-it's}", "$x \\ n \" it's"),
        ("a \\\n\\\\\n", "a \n\\\n"),
        ("it's\n", "it's\n"),
    ],
)
def test_documents(text: str, expected: str) -> None:
    assert Expander(ENVIRONMENT).document(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${x", "${x has no '}'"),
        ("a${", "${ has no '}'"),
        ("${}", "bad substitution ${}"),
        ("${{x}", "bad substitution ${{"),
        ("${:-x}", "bad substitution ${:"),
        ("${x:}", "unsupported modifier (:}) in substitution ${x:}"),
        ("${x:1}", "unsupported modifier (:1) in substitution ${x:1"),
        ("${x,,}", "unsupported modifier (,) in substitution ${x,"),
        ("${x:-y", "${x:- has no '}'"),
        ("${x/y}", "${x/ has no '/'"),
        ("${x/y/z", "${x/ has no '}'"),
        ("'x", "a single quote is not closed"),
        ('"x', "a double quote is not closed"),
        ("${x:-'y}", "a single quote is not closed"),
        ("${unset:?}", "unset: is not allowed to be unset"),
        ("${e:?}", "e: is not allowed to be empty"),
        ("${unset?set it: $b}", "unset: set it: two words"),
    ],
)
def test_errors(text: str, reason: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        Expander(ENVIRONMENT).word(text)
    assert caught.value.reason == reason


def test_what_was_asked_for_in_vain() -> None:
    expander = Expander(ENVIRONMENT)
    expander.word("$x $no ${none:-$never} ${x:-$unused} ${nil+x} '$quoted' ${bare%x}")
    expander.word("${x-${dead%x}}")
    assert expander.unset == {"no", "never", "bare"}
    assert expander.used == {"x", "no", "none", "never", "nil", "bare"}


TEXTS = st.lists(
    st.sampled_from(["a", "b", "ab", "*", "?", ".", "/", "$x", "${y}", "\\*", " "]), max_size=4
).map("".join)
OPERATORS = st.sampled_from(["-", ":-", "+", ":+", "#", "##", "%", "%%", "//", "/"])
VALUES = st.text("ab./*", min_size=1, max_size=8)


@st.composite
def words(draw: st.DrawFn) -> str:
    """A word that a shell reads as we do: what is different is not among the parts."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        name, operator = draw(st.sampled_from(["x", "y", "z"])), draw(OPERATORS)
        inner = draw(TEXTS)
        if operator.startswith("/"):
            name = draw(st.sampled_from(["x", "y"]))  # of nothing, bash lets * match nothing
            inner = draw(st.text("ab*?", min_size=1, max_size=4)) + "/" + draw(st.text("ab."))
        elif operator[-1] in "#%":
            inner = inner.replace("/", ".").replace(" ", "")
        found.append(f"${{{name}{operator}{inner}}}")
    return '"' + ".".join(found) + '"'


@pytest.mark.needs("bash")
@given(words(), VALUES, VALUES)
def test_as_a_shell_does(word: str, x: str, y: str) -> None:
    """The third variable is unset."""
    if "\\" in word:
        word = word.replace("\\*", "b")  # in double quotes a shell keeps it, docker does not
    bash = ["bash", "-c", f"shopt -u patsub_replacement; printf %s {word}"]
    told = subprocess.run(bash, env={"x": x, "y": y}, capture_output=True, text=True, check=False)
    assert Expander({"x": x, "y": y}).word(word) == told.stdout


def test_depth_and_length_cost_nothing_special() -> None:
    depth = 20_000
    began = time.process_time()
    for start, inside in (("${a:-", ""), ("${a:-x", ""), ('"${a:-', '"'), ("${x:+", "")):
        text = start * depth + "z" + ("}" + inside) * depth
        assert Expander({"x": "y"}).word(text).endswith("z")
    assert Expander({"v": "a" * 500_000}).word("${v%%*b*a*a*a*a}$v").startswith("a")
    assert Expander({"v": "ab" * 200_000}).word("${v//a*b*c/x}${v//a/}") != ""
    assert len(Expander({}).words("a " * 200_000)) == 200_000
    assert time.process_time() - began < 20  # what is quadratic takes minutes


def test_a_pattern_that_would_take_hours_is_refused() -> None:
    with pytest.raises(ExpansionError, match="takes too long"):
        Expander({"v": "a" * 200_000}).word("${v#*" + "?a" * 50_000 + "b}")
