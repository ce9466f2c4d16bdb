"""Documents of strangers as checked structures: a class whose annotations say what may be there.

    class Descriptor(Structure, spelling=camel):
        media_type: str                             "mediaType" in the document
        size: int
        annotations: dict[str, str] | None = None   may be missing, and may be null

`Descriptor.read(value)` refuses wrong types and what is missing, and leaves out what has no name
here. Of types it knows `str`, `int`, `bool`, `object`, `dict[str, ...]`, `list[...]`, a Structure
above it in the same module or imported there, and `... | None`. A library for this takes
longer to import than most commands last.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self, TypeAlias, TypeVar, dataclass_transform

    T = TypeVar("T", bound="Structure")

    Reader: TypeAlias = Callable[[Any], Any]
    """Returns a value as it is to be had. Raises Misfit."""
else:

    def dataclass_transform():
        """Do what typing's does where nobody checks types."""
        return lambda kind: kind


class Misfit(ValueError):
    """A value of another kind than is wanted; its text says where, and what it is not."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where or 'it'} {what}")
        self.what = what
        self.where = where

    def within(self, outer: str) -> Misfit:
        """Return the same as seen from outside, where the value is called `outer`."""
        inner = f".{self.where}" if self.where and self.where[0] != "[" else self.where
        return Misfit(self.what, outer + inner)


def camel(name: str) -> str:
    """Return `media_type` as `mediaType`."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def pascal(name: str) -> str:
    """Return `repo_tags` as `RepoTags`."""
    return "".join(map(str.capitalize, name.split("_")))


def kebab(name: str) -> str:
    """Return `pull_from_mirror` as `pull-from-mirror`."""
    return name.replace("_", "-")


_NOTHING = object()


@dataclass_transform()
class Structure:
    """What all of them have: construction from values, by position or by name, and `read`."""

    _fields: ClassVar[dict[str, tuple[str, Reader, object]]] = {}
    """Name -> its spelling in documents, what reads it, and what it is where it is missing."""

    def __init_subclass__(cls, *, spelling: Callable[[str], str] = str) -> None:
        known = vars(sys.modules[cls.__module__])
        own = {
            name: (spelling(name), _reader(kind, known), vars(cls).get(name, _NOTHING))
            for name, kind in cls.__annotations__.items()
        }
        cls._fields = {**cls._fields, **own}

    def __init__(self, *values: object, **named: object) -> None:
        named.update(zip(self._fields, values, strict=False))
        for name, (_, _, usual) in self._fields.items():
            value = named.get(name, usual)
            if value is _NOTHING:
                raise TypeError(f"{type(self).__name__} needs {name}")
            # An empty list or table would be the same one for all.
            setattr(self, name, value.copy() if isinstance(value, list | dict) else value)

    @classmethod
    def read(cls, value: object) -> Self:
        """Return what is in a value of JSON or TOML. Raises Misfit."""
        if type(value) is not dict:
            raise Misfit("is not an object")
        found = {}
        for name, (key, reader, usual) in cls._fields.items():
            try:
                if key in value:
                    found[name] = reader(value[key])
                elif usual is _NOTHING:
                    raise Misfit("is missing")
            except Misfit as error:
                raise error.within(key) from None
        return cls(**found)


def read_list(kind: type[T], value: object) -> list[T]:
    """Return what is in a list of structures. Raises Misfit."""
    return list(_in_list(kind.read)(value))


def _reader(kind: str, known: dict[str, Any]) -> Reader:
    """Return what reads values of a kind, as it stands in an annotation."""
    if kind.endswith(" | None"):
        return _or_null(_reader(kind.removesuffix(" | None"), known))
    if kind.startswith("list["):
        return _in_list(_reader(kind[5:-1], known))
    if kind.startswith("dict[str, "):
        return _in_table(_reader(kind[10:-1], known))
    if kind in ("object", "Any"):
        return lambda value: value
    if kind in _PLAIN:
        return _plain(*_PLAIN[kind])
    reader: Reader = known[kind].read
    return reader


_PLAIN: dict[str, tuple[type, str]] = {
    "str": (str, "is not a string"),
    "int": (int, "is not a whole number"),
    "bool": (bool, "is neither true nor false"),
}


def _plain(wanted: type, what: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not wanted:  # not isinstance: true is no number
            raise Misfit(what)
        return value

    return read


def _or_null(inner: Reader) -> Reader:
    return lambda value: None if value is None else inner(value)


def _in_list(inner: Reader) -> Reader:
    def read(value: object) -> list[Any]:
        if type(value) is not list:
            raise Misfit("is not a list")
        found: list[Any] = []
        try:
            for one in value:
                found.append(inner(one))  # noqa: PERF401 - how many says which one is wrong
        except Misfit as error:
            raise error.within(f"[{len(found)}]") from None
        return found

    return read


def _in_table(inner: Reader) -> Reader:
    def read(value: object) -> dict[str, Any]:
        if type(value) is not dict:
            raise Misfit("is not an object")
        found: dict[str, Any] = {}
        for key, one in value.items():
            try:
                found[key] = inner(one)
            except Misfit as error:
                raise error.within(key) from None
        return found

    return read
