"""Random command lines, of any tree of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from rootless.cli import lean


class Known(NamedTuple):
    """A command: the words that name it, and the options before each of them and behind all."""

    words: tuple[str, ...]
    options: tuple[dict[str, Any], ...]


def every_command(load: lean.Load) -> list[Known]:
    """Return all commands of the tables, those in groups by all their names."""
    top = load("grammar", "top")
    found = [Known((name,), (top.OPTIONS, entry[2])) for name, entry in top.COMMANDS.items()]
    for group in top.GROUPS:
        table = load("grammar", group)
        for name, member in table.COMMANDS.items():
            entry = top.COMMANDS[member] if isinstance(member, str) else member
            found.append(Known((group, name), (top.OPTIONS, table.OPTIONS, entry[2])))
    return found


VALUES = st.one_of(
    st.sampled_from(
        [
            "x",
            "-x",
            "--",
            "-",
            "",
            "=",
            "a=b",
            "1",
            "-1",
            "007",
            "true",
            "false",
            "0",
            "always",
            "bash",
            "image",
            "oci-dir",
            "--rm",
            "-it",
            "/a:/b",
            "host",
            "é",
            "a b",
        ]
    ),
    st.text(max_size=4),
)


@st.composite
def spelled_option(draw: st.DrawFn, options: dict[str, Any]) -> list[str]:
    """One option in one of its spellings, right or wrong."""
    name = draw(st.sampled_from(sorted(options) or ["-q"]))
    value = draw(VALUES)
    following = draw(st.sampled_from(sorted(n[1] for n in options if len(n) == 2) or ["q"]))
    return draw(
        st.sampled_from(
            [
                [name],
                [name, value],
                [f"{name}={value}"],
                [f"{name}{value}"],
                [f"{name}{following}"] if len(name) == 2 else [name],
                [f"{name}{following}", value] if len(name) == 2 else [name, value],
                [f"{name}{following}={value}"] if len(name) == 2 else [name],
            ]
        )
    )


def _between(own: dict[str, Any], others: tuple[dict[str, Any], ...]) -> SearchStrategy[list[str]]:
    """What stands before a word: mostly nothing, or options that belong there."""
    nothing: SearchStrategy[list[str]] = st.just([])
    stray = st.one_of(st.just(["--"]), st.sampled_from(others).flatmap(spelled_option))
    if not own:
        return st.one_of(nothing, nothing, nothing, stray)
    option = spelled_option(own)
    several = st.tuples(option, option).map(lambda pair: [*pair[0], *pair[1]])
    return st.one_of(nothing, option, several, stray)


@st.composite
def lines(draw: st.DrawFn, commands: list[Known]) -> list[str]:
    """A command line: options where they belong and where not, a command, its arguments."""
    words, options = draw(st.sampled_from(commands))
    line: list[str] = []
    for before, word in zip(options, words, strict=False):
        line += draw(_between(before, options))
        line.append(word)
    part: SearchStrategy[list[str]] = st.one_of(
        spelled_option(options[-1]),
        st.tuples(VALUES).map(list),
        st.sampled_from(options).flatmap(spelled_option),
    )
    rest = draw(st.lists(part, max_size=6))
    return [*line, *(word for each in rest for word in each)]
