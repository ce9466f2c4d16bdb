"""Files that mean no good, or nothing: an answer in time, and an error that is one of ours."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from rootless.build.dockerfile.check import Knowledge, check
from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.parsing import parse, syntax
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import plan
from rootless.build.dockerfile.tree import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

MEGABYTE = 1 << 20
SECONDS = 8
"""Of the processor, for what takes one or less; what is quadratic takes a minute."""


def everything(text: str | bytes) -> str:
    """Do all that can be done with a file; return its tree."""
    nodes = syntax(text, "Dockerfile")
    told = tree(nodes)
    report = check(nodes, Arguments({}), Knowledge(lambda stage: {}))
    try:
        file = plan(parse(text, "Dockerfile"), Arguments({"A": "1"}))
        for stage in file.needed(file.target()):
            scope = file.scope({})
            for one in stage.instructions:
                scope.apply(one)
            scope.run_environment()
    except DockerfileError as error:
        assert report.error is not None
        assert error.line >= 0
        assert len(error.excerpt()) < 1000
        assert len(str(error)) < 3 * len(text) + 2000
    return told


TOKENS = st.sampled_from(
    [
        *("FROM ", "FROM a\n", "FROM a AS b\n", "RUN ", "COPY ", "ADD ", "ENV ", "LABEL ", "ARG "),
        *("CMD ", "ENTRYPOINT ", "HEALTHCHECK ", "ONBUILD ", "EXPOSE ", "VOLUME ", "USER "),
        *("WORKDIR ", "SHELL ", "STOPSIGNAL ", "MAINTAINER ", "from ", "FOO ", "NONE", "CMD"),
        *(" ", "\t", "\n", "\r\n", "\\\n", "`\n", "\\", "`", '"', "'", "#", "# escape=`\n"),
        *(
            "# check=skip=all\n",
            "# syntax=x\n",
            "--",
            "--from=b",
            "--from=0 ",
            "--link ",
            "--chown",
        ),
        *("--mount=type=cache,target=/x ", "--mount=from=b,target=", "=", ",", "/", ":", ".", "*"),
        *("$", "${", "}", "$A", "${A", "${A:-", "${B:?", "${A#", "${A//", ":-", "%", "<<", "<<E"),
        *("<<-E ", '<<"E"', "E\n", "\nE\n", "[", "]", '["a"]', '["a", "b"]', "{", "\0", "\ufeff"),
        *("é", "\u2028", "\x85", "\x0b", "a", "b", "1", "80", "AS", " AS b", "AS B\n", "x" * 70),
    ]
)


@given(st.lists(TOKENS, max_size=40).map("".join), st.booleans())
@example("FROM a\nRUN <<E", False)
@example("FROM a\n\\", True)
def test_anything_is_read_or_refused(text: str, begun: bool) -> None:
    """Hypothesis prints the text that fails, and the seed to repeat it with."""
    try:
        everything(f"FROM a\n{text}" if begun else text)
    except DockerfileError as error:
        event("refused")
        assert str(error).startswith("Dockerfile")
    else:
        event("read")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for text in (data, b"FROM a\n" + data, b"FROM a\nCOPY <<E /\n" + data + b"\nE\n"):
        try:
            everything(text)
        except DockerfileError as error:
            assert str(error).startswith("Dockerfile")


@given(st.lists(TOKENS, max_size=15).map("".join))
def test_a_tree_does_not_depend_on_what_says_nothing(text: str) -> None:
    """Comments, and blanks at the ends of lines that are continued by no escape."""
    text = f"FROM a\nRUN {text}"
    try:
        expected = tree(syntax(text, "D"))
    except DockerfileError:
        return
    assert tree(syntax(f"# a comment\n\n{text}", "D")) == expected
    assert tree(syntax(f"\ufeff{text}", "D")) == expected


def large(size: int) -> Iterator[tuple[str, str]]:
    """Yield files of about a size, each a trap for who looks at things twice."""
    yield "a long line", "FROM a\nRUN " + "x" * size
    yield "many words", "FROM a\nCOPY " + "x " * (size // 2)
    yield "many quoted words", "FROM a\nENV " + 'a="b c" ' * (size // 8)
    yield "many arguments", "FROM a\nARG " + "a=$b " * (size // 5)
    yield "many flags", "FROM a\nRUN " + "--a=b " * (size // 6) + "x"
    yield "flags that are known", "FROM a\nCOPY " + "--exclude=b " * (size // 12) + "x y"
    yield "mounts", "FROM a\nRUN " + "--mount=target=/$x " * (size // 19) + "x"
    yield "keys of a mount", "FROM a\nRUN --mount=target=/x" + ",id=b" * (size // 5) + " x"
    yield "instructions", "FROM a\n" + "ENV A=b$B\n" * (size // 10)
    yield "instructions without words", "FROM a\n" + "RUN\n" * (size // 10)
    yield (
        "variables",
        "FROM a\n" + "".join(f"ENV V{i}={i}\nARG A{i}\n" for i in range(size // 26)),
    )
    many = "".join(f"ARG a{i}\n" for i in range(size // 40))
    yield "stages with arguments", many + "FROM a$a0$b\n" * (size // 40)
    yield "stages", "".join(f"FROM a AS s{i}\nCOPY --from=s0 x y\n" for i in range(1, (size // 52)))
    yield "onbuild", "FROM a\n" + "ONBUILD " * (size // 8) + "RUN x"
    yield "onbuild with tabs", "FROM a\n" + "ONBUILD\t" * (size // 8) + "RUN x"
    yield "triggers", "FROM a AS b\n" + "ONBUILD RUN x\n" * (size // 52) + "FROM b\n" * 3
    yield "continuation lines", "FROM a\nRUN " + "a \\\n" * (size // 4)
    yield "comments", "FROM a\n" + "# a\n" * (size // 4)
    yield "comments within", "FROM a\nRUN a \\\n" + "# a\n" * (size // 4) + "b"
    yield "empty lines within", "FROM a\nRUN a \\\n" + "\n" * size + "b"
    yield "heredocs", "FROM a\nRUN " + "<<E " * (size // 35) + "\n" + "E\n" * (size // 35)
    yield "heredocs that are not ended", "FROM a\nRUN " + "<<E " * (size // 4)
    yield "a heredoc", "FROM a\nCOPY <<-E /\n" + "\t$a\n" * (size // 4) + "E\n"
    yield "json", 'FROM a\nCMD ["' + '","'.join("a" * (size // 4)) + '"]'
    yield "json that is none", "FROM a\nCMD " + "[" * size
    yield "quotes", "FROM a\nWORKDIR " + "\"a'" * (size // 3)
    yield "escapes", "FROM a\nWORKDIR " + "\\" * size + "x"
    yield "dollars", "FROM a\nWORKDIR " + "$" * size
    yield "braces", "FROM a\nWORKDIR " + "${a:-" * (size // 10) + "b" + "}" * (size // 10)
    yield "braces that are not closed", "FROM a\nWORKDIR " + "${a:-b" * (size // 6)
    yield (
        "braces in what is not taken",
        "FROM a\nWORKDIR " + "${a:+${b:?" * (size // 13) + "}}" * (size // 13),
    )
    yield "patterns", "FROM a\nENV v=" + "ab" * (size // 10) + "\nWORKDIR ${v//a*b*c/d}${v%%*c}x"
    yield "ports", "FROM a\n" + "EXPOSE 1-65535\n" * (size // 1000)
    yield "an unknown instruction", "FROM a\n" + "X" * size
    yield "an unknown flag", "FROM a\nRUN --" + "x" * size
    yield "names that are nearly known", "FROM a\nRUN x\nRUNN " + "x" * size


NAMES = [name for name, _ in large(64)]


def read(name: str, size: int) -> float:
    """Read one of the files; return the seconds of the processor that it took."""
    text = next(text for each, text in large(size) if each == name)
    began = time.process_time()
    try:
        everything(text)
    except DockerfileError as error:
        assert len(error.excerpt()) < 1000
    return time.process_time() - began


@pytest.mark.parametrize("name", NAMES)
def test_large_files_take_no_longer_than_they_are_large(name: str) -> None:
    assert read(name, MEGABYTE // 4) < SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_larger_files_do_not_either(name: str) -> None:
    assert read(name, 2 * MEGABYTE) < 8 * SECONDS


def test_a_megabyte_and_100_000_instructions() -> None:
    line = parse("FROM a\nRUN " + "x" * MEGABYTE, "Dockerfile").instructions[1]
    assert len(line.text) == MEGABYTE + 4
    file = parse("FROM a\n" + "RUN --network=none echo hello world\n" * 100_000, "Dockerfile")
    assert len(file.instructions) == 100_001
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20  # kilobytes: a gigabyte
