"""Commands and groups that read options as docker and podman do, with Go's pflag.

Click, which Typer parses with, knows neither `--rm=false` nor `-e=KEY`: such words are put into
its spelling first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from rootless.cli import lean
from rootless.cli.options.declare import is_alone

if TYPE_CHECKING:
    Base = TyperCommand
else:
    Base = object

FALSE = "\0false"
"""Suffix of an option's name that switches it off; no command line can contain it."""


BEHIND = "rootless.behind"
"""Where a context keeps what stood behind a command of the options that all commands have."""


class Pflag(Base):
    """What commands and groups have in common."""

    def make_parser(self, ctx: Any) -> Any:
        """Add to each switch a way to turn it off."""
        parser: Any = super().make_parser(ctx)
        for param in self.params:
            if getattr(param, "is_flag", False):
                name = f"{param.opts[0]}{FALSE}"
                parser.add_option(param, [name], param.name, action="store_const", const=False)
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args` after they were put into Click's spelling."""
        return super().parse_args(ctx, self._respell(ctx, list(args)))

    def _respell(self, ctx: Any, rest: list[str]) -> list[str]:
        known = {name: param for param in self.get_params(ctx) for name in param.opts}
        done: list[str] = []
        while rest:
            word = rest.pop(0)
            argument = word[:1] != "-" or word == "-"
            if word == "--" or (argument and not ctx.allow_interspersed_args):
                return [*done, word, *rest]
            if argument:
                done.append(word)
            elif word.startswith("--"):
                name, equals, value = word.partition("=")
                if name not in known and (param := _of_all(ctx, name)):
                    _keep(ctx.find_root(), param, value if equals else None, rest)
                    continue
                done += _long(ctx, known.get(name), word, value if equals else None, rest)
            else:
                done += _short(ctx, known, word, rest)
        return done


class Command(Pflag, TyperCommand):
    """A command."""


class Group(Pflag, TyperGroup):
    """A group."""

    itself: Any = None
    """The command that has the group's name, where there is one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take a group for the command of its name, unless one of its own commands follows."""
        found: Any = super().resolve_command(ctx, args)
        name, command, rest = found
        itself = getattr(command, "itself", None)
        if itself is not None and not (rest and rest[0] in command.commands):
            return name, itself, rest
        return name, command, rest


def _of_all(ctx: Any, name: str) -> Any:
    """Return the option of all commands that may stand behind a command, too; None for no such."""
    root = ctx.find_root()
    known = {name: param for param in root.command.params for name in param.opts}
    param = known.get(name)
    return None if root is ctx or param is None or param.name in lean.FIRST else param


def _keep(root: Any, param: Any, value: str | None, rest: list[str]) -> None:
    """Note such an option where those before the command are noted."""
    found: Any = value
    if param.is_flag:
        if value is not None and value not in lean.BOOLEANS:
            raise typer.BadParameter(f"{value!r} is neither true nor false", ctx=root, param=param)
        found = value is None or lean.BOOLEANS[value]
    elif value is None:
        if not rest:
            raise typer.BadParameter("an argument is missing", ctx=root, param=param)
        found = rest.pop(0)
    behind = root.meta.setdefault(BEHIND, {})
    behind[param.name] = [*behind.get(param.name, []), found] if param.multiple else found


def _long(ctx: Any, param: Any, word: str, value: str | None, rest: list[str]) -> list[str]:
    """Respell `--name`, `--name=value`, `--switch=false`."""
    if param is None:
        return [word]
    if not param.is_flag:
        if value is None and is_alone(param):
            return [f"{word}=true"]
        return [word] if value is not None else [word, *_next(rest)]
    return [word] if value is None else [_switch(ctx, param, value)]


def _short(ctx: Any, known: dict[str, Any], word: str, rest: list[str]) -> list[str]:
    """Respell `-it`, `-eKEY`, `-e=KEY`, `-t=false`."""
    done = []
    letters = word[1:]
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        param = known.get(name)
        if param is None:
            return [word]
        value = letters[1:] if letters[:1] == "=" and len(letters) > 1 else None
        if param.is_flag and value is None:
            done.append(name)
        elif param.is_flag:
            done.append(_switch(ctx, param, value or ""))
            break
        else:
            done.append(name)
            done += [letters if value is None else value] if letters else _next(rest)
            break
    return done


def _switch(ctx: Any, param: Any, value: str) -> str:
    """Return the word that turns a switch on or off. `value` is what Go's ParseBool takes."""
    if value not in lean.BOOLEANS:
        raise typer.BadParameter(f"{value!r} is neither true nor false", ctx=ctx, param=param)
    name: str = param.opts[0]
    return name if lean.BOOLEANS[value] else name + FALSE


def _next(rest: list[str]) -> list[str]:
    return [rest.pop(0)] if rest else []
