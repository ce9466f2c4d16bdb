"""What plain values have: equality and a text of their fields."""

from __future__ import annotations


class Value:
    """Equal to another of its class with the same fields, whatever `unequal` names."""

    __slots__ = ()
    unequal: tuple[str, ...] = ()

    def _fields(self) -> dict[str, object]:
        names = [name for one in type(self).__mro__ for name in getattr(one, "__slots__", ())]
        return {name: getattr(self, name) for name in names if name not in self.unequal}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
        return f"{type(self).__name__}({fields})"
