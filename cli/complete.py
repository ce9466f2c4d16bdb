"""What could come next on a command line: the hidden command `__complete`, for shells.

    rootless __complete WORD...      the words after `rootless`, the last one being typed

One candidate a line, `VALUE<tab>description`. A last line `:files` asks the shell for files.
It reads the generated tables and the names in the store, so it is as quick as `ps`.
"""

from __future__ import annotations

import sys

from rootless.cli import lean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.engine import Engine

FILES = (":files", "")
"""Stands for the names of files, which shells complete better."""

VALUES = {
    "network": ("none", "host", "private", "pasta", "slirp4netns"),
    "pid": ("private", "host"),
    "ipc": ("private", "host"),
    "uts": ("private", "host"),
    "cgroupns": ("private", "host"),
    "userns": ("host", "keep-id", "nomap"),
    "log_driver": ("json-file", "k8s-file", "journald", "passthrough", "none"),
    "restart": ("no", "on-failure", "always", "unless-stopped"),
    "signal": ("TERM", "KILL", "HUP", "INT", "QUIT", "USR1", "USR2", "STOP", "CONT"),
    "stop_signal": ("TERM", "KILL", "HUP", "INT", "QUIT", "USR1", "USR2"),
    "group_add": ("keep-groups",),
    "platform": ("linux/amd64", "linux/arm64"),
    "tail": ("all",),
    "format": ("json", "table"),
}
"""Values of options that are words of ours."""

STATES = ("created", "running", "paused", "restarting", "exited")
PRUNED = ("label", "label!", "until")
FILTERS = {
    "events": ("container", "event", "image", "label", "type", "volume"),
    "images": (*PRUNED, "before", "containers", "dangling", "id", "reference", "since"),
    "search": ("is-automated", "is-official", "stars"),
    "network_ls": ("dangling", "driver", "id", "label", "name", "scope", "type", "until"),
    "network_prune": ("label", "until"),
    "volume_ls": (*PRUNED, "dangling", "driver", "name", "opt", "scope", "since"),
    "volume_prune": (*PRUNED, "name", "since"),
}
"""Keys of --filter by the function of the command; others have those of `ps`, prune has PRUNED."""

FITTING = {
    **dict.fromkeys(
        ("attach", "execute", "kill", "pause", "port", "stats", "stop", "top"), ("active", True)
    ),
    "start": ("active", False),
    "unpause": ("paused", True),
}
"""Functions of commands about containers in one state: that, and whether they are in it."""

EITHER = ("[NAME]...", "NAME [NAME]")
CONTAINERS = ("CONTAINER", "CONTAINER...", "[CONTAINER]...", "[CONTAINER]", *EITHER)
IMAGES = (
    "IMAGE",
    "IMAGE...",
    "[IMAGE]...",
    "LIST",
    "LIST...",
    "[REPOSITORY[:TAG]]",
    "TARGET...",
    *EITHER,
)
NETWORKS = ("NETWORK", "NETWORK...")
VOLUMES = ("VOLUME", "[VOLUME]...")
PATHS = (
    *("volume", "env_file", "label_file", "cidfile", "iidfile", "pidfile", "digestfile"),
    *("init_path", "input", "output", "root", "workdir", "out", "config", "file"),
)


def complete(typed: list[str], *, bare: bool = False) -> int:
    """Print the candidates for the last of the words typed; `bare` without what they are."""
    from rootless.engine import Engine

    try:
        found = candidates(Engine(_root(typed)), typed[:-1], typed[-1] if typed else "")
    except Exception:  # noqa: BLE001 - a message would be pasted into the command line
        found = []
    last = typed[-1] if typed else ""
    fit = [(v, told) for v, told in found if v.startswith(last) and _is_plain(v)]
    lines = [f"{v}\n" if bare else f"{v}\t{told}\n" for v, told in fit]
    if FILES in found:
        lines.append(":files\n")
    sys.stdout.write("".join(lines))
    return 0


def _is_plain(value: str) -> bool:
    """Whether a value means itself to every shell, wherever it is put in.

    Names in the store may come from an archive or from another program: one with $() in it would
    be run by whoever presses tab, and return.
    """
    return value.isascii() and all(c.isalnum() or c in "_-.,:=/@%+" for c in value)


def _root(typed: list[str]) -> str:
    """Return the store that the command line speaks of."""
    for at, word in enumerate(typed):
        if word == "--root":
            return "".join(typed[at + 1 : at + 2])
        if word.startswith("--root="):
            return word.partition("=")[2]
        if not word.startswith("-"):
            break
    return ""


def candidates(
    engine: Engine, before: list[str], last: str, load: lean.Load = lean.load
) -> list[tuple[str, str]]:
    """Return what may come for the word `last` after others, each with what it is."""
    top, told = load("grammar", "top"), load("words", "top")
    rest = _after_options(before, top.OPTIONS, interspersed=False)
    if rest.pending:
        return _values(engine, rest.pending, last)
    if not rest.arguments:
        if last.startswith("-"):
            return _spelled(told.OPTIONS)
        commands = [(name, entry[0]) for name, entry in told.COMMANDS.items()]
        alone = [each for each in told.GROUPS.items() if each[0] not in told.COMMANDS]
        return [*commands, *alone]
    name, *following = rest.arguments
    if name == "help":
        return _helped(engine, following, last, load)
    itself = (top.COMMANDS.get(name), told.COMMANDS.get(name))
    if name not in top.GROUPS:
        return _for_command(engine, *itself, following, last)
    group, ours = load("grammar", name), load("words", name)
    if itself[0] and not (following and following[0] in group.COMMANDS):
        own = [(each, entry[0]) for each, entry in ours.COMMANDS.items() if not following]
        return [*_for_command(engine, *itself, following, last), *own]
    rest = _after_options(following, group.OPTIONS, interspersed=False)
    if rest.pending:
        return _values(engine, rest.pending, last)
    if not rest.arguments:
        if last.startswith("-") and group.OPTIONS:
            return _option(engine, group.OPTIONS, ours.OPTIONS, last)
        return [
            (each, (told.COMMANDS[entry] if isinstance(entry, str) else entry)[0])
            for each, entry in ours.COMMANDS.items()
        ]
    name, *following = rest.arguments
    command, words = group.COMMANDS.get(name), ours.COMMANDS.get(name)
    if isinstance(command, str):  # the same as one without a group
        command, words = top.COMMANDS[command], told.COMMANDS[command]
    return _for_command(engine, command, words, following, last)


def _option(
    engine: Engine, options: dict[str, Any], told: Any, last: str, function: str = ""
) -> list[tuple[str, str]]:
    """Complete an option, or its value after =."""
    name, equals, _ = last.partition("=")
    if equals and name in options:
        return [
            (f"{name}={value}", text)
            for value, text in _values(engine, options[name], "", function)
        ]
    return _spelled(told)


def _spelled(told: Any) -> list[tuple[str, str]]:
    """Return the options of a table, each spelling with what it is for."""
    return [(name, about) for spellings, _, about, _ in told for name in spellings]


def _helped(engine: Engine, words: list[str], last: str, load: lean.Load) -> list[tuple[str, str]]:
    """Complete what `help` is asked about: a command, one of a group, or a topic."""
    from rootless.cli import pages

    if len(words) > bool(words and words[0] in load("grammar", "top").GROUPS):
        return []
    found = candidates(engine, words, last, load)
    return found if words else [*found, *pages.topics().items()]


def _for_command(
    engine: Engine, command: Any, told: Any, following: list[str], last: str
) -> list[tuple[str, str]]:
    """Complete an option, its value or an argument of one command; None is no command."""
    if command is None:
        return []
    _, function, options, arguments, interspersed = command
    rest = _after_options(following, options, interspersed=interspersed)
    if rest.pending:
        return _values(engine, rest.pending, last, function)
    at = len(rest.arguments)
    if last.startswith("-") and not rest.ended and (interspersed or not at):
        return _option(engine, options, told[1], last, function)
    if not arguments or (at >= len(arguments) and arguments[-1][1] not in (lean.SEVERAL, lean.ANY)):
        return []
    at = min(at, len(arguments) - 1)
    if isinstance(arguments[at][1], tuple):
        return [(value, "") for value in arguments[at][1]]
    found = _arguments(engine, told[2][at][0], set(rest.arguments))
    return _fitting(engine, found, function) if function in FITTING else found


class _Rest:
    """What is left of the words before the one that is typed."""

    def __init__(self) -> None:
        self.arguments: list[str] = []
        self.pending: Any = None
        """The option whose value is being typed."""
        self.ended = False
        """Whether -- stood there."""


def _after_options(before: list[str], options: dict[str, Any], *, interspersed: bool) -> _Rest:
    rest = _Rest()
    at = 0
    while at < len(before):
        word = before[at]
        at += 1
        if word == "--":
            rest.ended = True
            rest.arguments += before[at:]
            break
        if word[:1] != "-" or word == "-":
            rest.arguments.append(word)
            if not interspersed:
                rest.arguments += before[at:]
                break
            continue
        option = _wants_value(word, options)
        if option and at == len(before):
            rest.pending = option
        at += bool(option)
    return rest


def _wants_value(word: str, options: dict[str, Any]) -> Any:
    """Return the option whose value is the next word, if there is one."""
    if word.startswith("--"):
        option = options.get(word)
        return option if option and option[1] != lean.SWITCH else None
    for at, letter in enumerate(word[1:], 1):
        option = options.get("-" + letter)
        if option and option[1] != lean.SWITCH:
            return option if at == len(word) - 1 else None
    return None


def _fitting(engine: Engine, found: list[tuple[str, str]], function: str) -> list[tuple[str, str]]:
    """Return what is found without the containers with which a command can do nothing."""
    what, wanted = FITTING[function]
    fit = {
        one.name
        for one in engine.containers.list()
        if (state := one.state()) and (getattr(state, what, state.status == what)) is wanted
    }
    return [each for each in found if each[1] != "container" or each[0] in fit]


def _filters(function: str, last: str) -> list[tuple[str, str]]:
    """Complete a filter: its key, or the value where it is a word of ours."""
    if last.startswith("status="):
        return [(f"status={state}", "") for state in STATES]
    keys = FILTERS.get(function, PRUNED if function.endswith("prune") else ())
    if not keys:
        from rootless.containers import filters

        keys = (*(key for key in filters.FILTERS if key != "no-label"), "label!")
    return [(f"{key}=", "") for key in sorted(keys)]


def _capabilities() -> list[tuple[str, str]]:
    from rootless.runtime.privileges.caps import NAMES

    return [("ALL", ""), *((name.removeprefix("CAP_"), "") for name in NAMES)]


def _values(engine: Engine, option: Any, last: str, function: str = "") -> list[tuple[str, str]]:
    """Complete the value of an option."""
    name, kind = option
    if isinstance(kind, tuple):
        return [(value, "") for value in kind]
    if name == "filter":
        return _filters(function, last)
    if name in ("cap_add", "cap_drop"):
        return _capabilities()
    if name == "network" and last.startswith("container:"):
        return [(f"container:{each}", "") for each in engine.containers.names()]
    if name == "network":
        words = [(each, "") for each in VALUES["network"]]
        return words + [(each, "network") for each in engine.networks.names()]
    if name == "volume" and last and "/" not in last:
        return [(f"{each}:/", "volume") for each in engine.volumes.names()] + [FILES]
    if name in PATHS:
        return [FILES]
    if name in ("env", "env_file") and "=" not in last:
        import os

        return [(f"{key}=", "") for key in sorted(os.environ)]
    if name == "name":
        return []
    return [(value, "") for value in VALUES.get(name, ())]


def _arguments(engine: Engine, metavar: str, given: set[str]) -> list[tuple[str, str]]:
    """Complete an argument by what its metavar says it is."""
    found: list[tuple[str, str]] = []
    if metavar in CONTAINERS:
        found += [(name, "container") for name in engine.containers.names()]
    if metavar in IMAGES:
        from rootless.oci import reference

        for name in engine.images.names():
            familiar = reference.parse(name).familiar if reference.is_valid(name) else name
            found.append((familiar, "image"))
    if metavar in VOLUMES:
        found += [(name, "volume") for name in engine.volumes.names()]
    elif metavar in NETWORKS:
        found += [(name, "network") for name in engine.networks.names()]
    elif metavar == "[NAME]":
        return []  # of something new
    elif metavar == "IMAGE":
        found.append(("host", "this machine's own files"))
    elif metavar not in CONTAINERS and metavar not in IMAGES:
        return [FILES]
    return [candidate for candidate in found if candidate[0] not in given]
