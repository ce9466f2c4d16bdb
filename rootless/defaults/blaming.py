"""An error that containers.conf has caused says so: nobody has typed the option that it names."""

from __future__ import annotations

from rootless.containers.creation import conflicts
from rootless.containers.words.request import request
from rootless.defaults.completing import completed
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.words.asked import Asked
    from rootless.defaults.settings import Settings

_FRONT = ("cidfile", "env_file", "label_file", "replace")
"""Options that may be read once, or that something has happened for by now."""


def blamed(error: UsageError, conf: Settings, asked: Asked) -> UsageError:
    """Return an error of what was asked, completed by `conf`, as that of a value of a file.

    The same where it is none: what was asked makes no sense by itself.
    """
    if any(named(name) in error.marked[0] for name in _FRONT):  # which no file sets
        return error
    for table, key in conf.values():
        try:
            _check(completed({}, conf.alone(table, key)))
        except UsageError as wrong:
            message, hint = wrong.marked
            where = conf.source(table, key)
            return wrong if message.startswith(where) else UsageError(f"{where}: {message}", hint)
    rest: Asked = {k: v for k, v in asked.items() if k not in _FRONT}  # type: ignore[assignment]
    try:
        _check(rest)
    except UsageError:
        return error
    try:
        _check(completed(rest, conf))
        return error  # it is about something else
    except UsageError as wrong:
        if wrong.marked != error.marked:
            return error
    message, hint = error.marked
    where = f"{' and '.join(conf.files)} has a part in it; CONTAINERS_CONF=/dev/null leaves it out"
    return UsageError(message, f"{hint}; {where}" if hint else where, field=error.field)


def _check(asked: Asked) -> None:
    conflicts.check(request("image", (), asked, base=".", environ={}))
