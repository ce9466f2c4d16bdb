"""`RUN --mount=type=cache,target=/x`: the keys of each type, and what each means."""

from __future__ import annotations

from rootless.build.dockerfile.errors import suggestion
from rootless.build.dockerfile.plain import Value
from rootless.errors import UsageError
from rootless.values import boolean, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
    "from": "stage",
}
_FLAGS = ("readonly", "readwrite", "required")
_OWNED = ("cache", "secret", "ssh")
_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_KEYS = {
    "type": _TYPES,
    "target": _TYPES,
    "source": ("bind", "cache", "secret"),
    "stage": ("bind", "cache"),
    "readonly": _TYPES,
    "readwrite": _TYPES,
    "id": _TYPES,
    "sharing": ("cache",),
    "size": ("tmpfs",),
    "required": ("secret", "ssh"),
    "env": ("secret",),
    "mode": _OWNED,
    "uid": _OWNED,
    "gid": _OWNED,
}
"""Key -> the types of mounts that it makes sense for."""

_SPELLINGS = (*_KEYS, *_NAMES)


class MountError(ValueError):
    """A mount that makes no sense; `token` is the part of it that says so."""

    def __init__(self, reason: str, hint: str = "", token: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.token = token


class Mount(Value):
    """Something that is there for one RUN. What is not said is "", 0 or None."""

    __slots__ = (
        *("env", "gid", "id", "mode", "readonly", "required", "sharing", "size", "source", "stage"),
        *("target", "text", "type", "uid"),
    )
    unequal = ("text",)

    def __init__(self, type: str, text: str) -> None:  # noqa: A002 - docker's word
        self.type = type
        self.text = text
        self.target = ""
        self.source = ""
        self.stage = ""
        """from: a stage, a context or an image; "" is the context, and of a cache nothing."""
        self.readonly = type not in ("cache", "tmpfs")
        self.id = ""
        self.sharing = ""
        self.size = 0
        self.required = False
        self.env = ""
        self.mode: int | None = None
        self.uid: int | None = None
        self.gid: int | None = None

    @property
    def name(self) -> str:
        """What a secret, a socket or a cache is known by."""
        if self.type == "secret":
            return self.id or self.source or self.target.rstrip("/").rpartition("/")[2]
        return self.id or (self.target if self.type == "cache" else "default")


def mount(text: str, expand: Callable[[str], str] | None = None) -> Mount:
    """Return the mount that a flag's value means.

    Without `expand` values with variables stay out of it, unchecked; `from` may have none, so that
    it is known what a stage needs. Raises MountError, and what `expand` does.
    """
    found: dict[str, str | None] = {}
    for field in _fields(text):
        key, equals, value = field.partition("=")
        name = key.strip().lower()
        name = _NAMES.get(name, name)
        if name not in _KEYS:
            reason = f"unexpected key {key!r} in {text!r}"
            raise MountError(reason, suggestion(key, _SPELLINGS), field)
        if not equals and name not in _FLAGS:
            raise MountError(f"invalid field {field!r}", "it must be a key=value pair", field)
        if name == "stage" and "$" in value:
            reason = f"'from' of {text!r} doesn't support variable expansion"
            raise MountError(reason, "define a stage with it: FROM $IMAGE AS name", field)
        if expand is not None:
            value = expand(value)
        elif "$" in value:
            found[name] = None
            continue
        found[name] = value if equals else "true"
    return _made(text, found, complete=expand is not None)


def _made(text: str, found: dict[str, str | None], *, complete: bool) -> Mount:
    """Put the values into a mount; None stands for one that is not known yet."""
    kind = found.get("type", "bind")
    if kind is None:
        result = Mount("", text)
        result.stage = found.get("stage") or ""
        return result
    kind = kind.lower()
    if kind not in _TYPES:
        hint = suggestion(kind, _TYPES) or f"it may be {', '.join(_TYPES)}"
        raise MountError(f"unsupported mount type {kind!r}", hint, kind)
    result = Mount(kind, text)
    for name, value in found.items():
        if kind not in _KEYS[name]:
            told = "from" if name == "stage" else name
            hint = f"it is for {', '.join(_KEYS[name])}"
            raise MountError(f"unexpected key {told!r} for mount type {kind!r}", hint, told)
        if value is not None and name != "type":
            _set(result, name, value)
    _check(result, found, complete=complete)
    return result


def _set(result: Mount, name: str, value: str) -> None:
    if name in ("readonly", "readwrite", "required"):
        try:
            truth = boolean(value, name)
        except UsageError:
            reason = f"invalid value for {name}: {value!r}"
            raise MountError(reason, "true or false", value) from None
        if name == "required":
            result.required = truth
        else:
            result.readonly = truth == (name == "readonly")
    elif name in ("mode", "uid", "gid"):
        setattr(result, name, _number(name, value))
    elif name == "size":
        try:
            result.size = size(value, name)
        except UsageError as error:
            raise MountError(f"invalid value for size: {value!r}", error.hint, value) from None
    elif name == "sharing":
        result.sharing = value.lower()
        if result.sharing not in _SHARING:
            hint = suggestion(value, _SHARING) or f"it may be {', '.join(_SHARING)}"
            raise MountError(f"unsupported sharing value {value!r}", hint, value)
    else:
        setattr(result, name, value)


def _number(name: str, value: str) -> int:
    digits = "01234567" if name == "mode" else "0123456789"
    if not value or len(value) > 12 or set(value) - set(digits):
        hint = "an octal number, as 0755" if name == "mode" else "a number"
        raise MountError(f"invalid value {value!r} for {name}", hint, value)
    number = int(value, 8 if name == "mode" else 10)
    if number >= (0o10000 if name == "mode" else 2**32 - 1):
        raise MountError(f"invalid value {value!r} for {name}", "it is too large", value)
    return number


def _check(result: Mount, found: dict[str, str | None], *, complete: bool) -> None:
    """Refuse what one key alone does not tell."""
    if result.type == "secret":
        if not {"source", "target", "id"} & found.keys():
            reason = f"invalid secret mount {result.text!r}"
            raise MountError(reason, "it needs an id or a target", result.text)
        if {"source", "id"} <= found.keys():
            reason = f"{result.text!r} has source and id"
            raise MountError(reason, "both mean the secret's id", result.text)
    elif result.type in ("bind", "cache", "tmpfs") and "target" not in found:
        reason = f"the mount {result.text!r} has no target"
        raise MountError(reason, "add target=/where/it/is", result.text)
    elif complete and result.type in ("bind", "cache", "tmpfs") and not result.target:
        raise MountError(f"the target of {result.text!r} is empty", "", result.text)


def _fields(text: str) -> list[str]:
    """Return what commas divide, as in CSV: quotes round a field may hold them together."""
    found: list[str] = []
    at = 0
    while True:
        if text.startswith('"', at):
            field, at = _quoted(text, at + 1)
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            field, at = text[at:end], end
        found.append(field)
        if at >= len(text):
            return found
        at += 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise MountError(f"a quote in {text!r} is not closed", "", text)
        parts.append(text[at:end])
        at = end + 1
        if not text.startswith('"', at):
            break
        parts.append('"')
        at += 1
    if at < len(text) and text[at] != ",":
        raise MountError(f"there is more after a quote in {text!r}", "", text)
    return "".join(parts), at
