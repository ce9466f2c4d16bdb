"""What an image's history calls an instruction: `created_by` in BuildKit's words.

`history`, and tools that make a Dockerfile of an image again, know these forms: RUN and COPY end in
`# buildkit`, words in brackets are divided by blanks, what had variables has their values.
"""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.ports import ports
from rootless.build.dockerfile.tree import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rootless.build.dockerfile.model import Instruction

COMMENT = "buildkit.dockerfile.v0"
"""What each entry has as its comment, by which those tools tell the form."""


def run(words: Sequence[str], arguments: Mapping[str, str]) -> str:
    """Return what a RUN is called that these arguments were declared for."""
    known = [f"|{len(arguments)}", *(f"{name}={value}" for name, value in arguments.items())]
    return " ".join(["RUN", *(known if arguments else []), *words, "# buildkit"])


def told(one: Instruction, settings: Mapping[str, Any]) -> str:
    """Return what an expanded instruction is called, once `settings` are as it leaves them."""
    if isinstance(one, model.Env):
        return _pairs(one.name, one.pairs)
    if isinstance(one, model.Arg):
        return _pairs(one.name, one.pairs)
    if isinstance(one, model.Cmd):
        words = settings.get("Entrypoint" if isinstance(one, model.Entrypoint) else "Cmd") or []
        return f"{one.name} [{' '.join(quote(word) for word in words)}]"
    if isinstance(one, model.Copy):
        return _copy(one)
    if isinstance(one, model.Workdir):
        return f"WORKDIR {settings['WorkingDir']}"
    if isinstance(one, model.Onbuild):
        return f"ONBUILD {one.trigger}"
    if isinstance(one, model.Expose):
        return f"EXPOSE [{' '.join(ports(one))}]"
    for kind, field in _FIELDS:
        if isinstance(one, kind):
            value = getattr(one, field)
            return (
                f"{one.name} {value}"
                if isinstance(value, str)
                else f"{one.name} [{' '.join(value)}]"
            )
    return one.text  # a health check, which BuildKit shows as Go prints its structure


_FIELDS = (
    (model.User, "user"),
    (model.StopSignal, "signal"),
    (model.Maintainer, "author"),
    (model.Volume, "paths"),
    (model.Shell, "words"),
)


def _pairs(name: str, pairs: Sequence[tuple[str, str | None]]) -> str:
    words = (key if value is None else f"{key}={value}" for key, value in pairs)
    return " ".join([name, *words])


def _copy(one: model.Copy) -> str:
    """As BuildKit: owner and mode are told, and where it comes from is not."""
    flags = [("--parents", one.parents), (f"--chown={one.chown}", one.chown)]
    flags.append((f"--chmod={one.chmod}", one.chmod))
    given = [flag for flag, wanted in flags if wanted]
    sources = [each if isinstance(each, str) else f"<<{each.name}" for each in one.sources]
    return " ".join([one.name, *given, *sources, one.target, "# buildkit"])
