"""`--change` of `commit` and `import`: instructions for an image that no build makes.

They mean what they mean in a Dockerfile. Besides `CMD ["sh"]` podman's `CMD=["sh"]` is understood.
"""

from __future__ import annotations

from rootless.build import settings as configuration
from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.parsing import syntax
from rootless.build.dockerfile.scope import Arguments, Scope
from rootless.build.dockerfile.typed import instruction
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from rootless.build.dockerfile.model import Instruction

    Settings = dict[str, Any]

_KNOWN = (
    *("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL"),
    *("USER", "VOLUME", "WORKDIR"),
)
"""Those that bring no files, as docker has it."""


def changed_by(lines: Iterable[str]) -> Callable[[Settings], None]:
    """Return what carries them out on the settings of an image (`config` in its configuration).

    It raises UsageError for a line that makes no sense, and so does this.
    """
    read = [(line, _instruction(line)) for line in lines]

    def change(settings: Settings) -> None:
        inherited = configuration.Inherited(settings)
        scope = Scope(Arguments({}), {}, configuration.variables(settings))
        for line, one in read:
            try:
                configuration.apply(settings, scope.apply(one), inherited)
            except DockerfileError as error:
                raise _wrong(line, error) from error

    return change


def _instruction(line: str) -> Instruction:
    text = line.strip()
    end = next((i for i, character in enumerate(text) if character in " \t="), len(text))
    name = text[:end].upper()
    if name not in _KNOWN:
        raise UsageError(
            f"invalid change {line!r}: {name or 'nothing'}", f"one of {', '.join(_KNOWN)}"
        )
    value = text[end:].lstrip(" \t").removeprefix("=").strip()
    if not value or "\n" in value:
        problem = "is one line" if value else "needs a value"
        raise UsageError(f"invalid change {line!r}: {name} {problem}")
    try:
        (node,) = syntax(f"{name} {value}", "the change").nodes
        return instruction(node)
    except DockerfileError as error:
        raise _wrong(line, error) from error


def _wrong(line: str, error: DockerfileError) -> UsageError:
    return UsageError(f"invalid change {line!r}: {error.reason}", error.hint)
