"""The filters of listings of volumes, and of what removes some of many."""

from __future__ import annotations

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

    from rootless.volumes.collection import Volume, Volumes

_YES, _NO = ("true", "1", "t", "True", "TRUE"), ("false", "0", "f", "False", "FALSE")
_ALL = ("label", "label!", "opt")
"""Keys of which all are required, where several are given; of the others any is enough."""


class Filters:
    """The filters of one question."""

    def __init__(
        self,
        texts: Iterable[str],
        volumes: Volumes,
        used: Callable[[], Collection[str]],
        keys: Collection[str] = (),
    ) -> None:
        """`texts` are KEY=VALUE; `used` returns the names that containers name.

        `keys` are those that are taken, if not all. Raises UsageError, and NotFound for a volume
        that one names.
        """
        self._used = used
        wanted: dict[str, list[str]] = {}
        for text in texts:
            key, equals, value = text.partition("=")
            if key == "label" and value.startswith("!="):
                key, value = "label!", value[2:]
            known = keys or FILTERS
            if key not in known:
                raise UsageError(f"invalid filter {key!r}", "one of " + ", ".join(sorted(known)))
            if not equals:
                raise UsageError(f"invalid filter {text!r}", "write it as KEY=VALUE")
            wanted.setdefault(key, []).append(value)
        self._tests = [
            (all if key in _ALL else any, [FILTERS[key](volumes, value) for value in values])
            for key, values in wanted.items()
            if key != "dangling"
        ]
        self._dangling = {_truth(value) for value in wanted.get("dangling", ())}

    def keep(self, found: Iterable[Volume]) -> list[Volume]:
        """Return those that fit. Raises what looking for their users raises."""
        kept = [
            one for one in found if all(each(t(one) for t in some) for each, some in self._tests)
        ]
        if self._dangling:
            used = self._used()
            kept = [one for one in kept if (one.name not in used) in self._dangling]
        return kept


def _truth(value: str) -> bool:
    if value not in _YES + _NO:
        raise UsageError(f"invalid filter dangling={value}", "true or false")
    return value in _YES


def _by_name(_: Volumes, value: str) -> Any:
    if set("^$.*[(+?|\\") & set(value):  # docker's and podman's names are regular expressions
        import re

        try:
            pattern = re.compile(value)
        except re.error as error:
            raise UsageError(f"invalid filter name={value}: {error}") from error
        return lambda one: pattern.search(one.name)
    return lambda one: value in one.name


def _pairs(which: str) -> Any:
    """Return what makes a test of KEY or KEY=VALUE in a volume's labels or options."""

    def make(_: Volumes, value: str) -> Any:
        key, equals, text = value.partition("=")

        def test(one: Volume) -> bool:
            pairs: dict[str, str] = getattr(one, which)
            return pairs.get(key) == text if equals else key in pairs

        return test

    return make


def _without_label(volumes: Volumes, value: str) -> Any:
    has = _pairs("labels")(volumes, value)
    return lambda one: not has(one)


def _until(_: Volumes, value: str) -> Any:
    from rootless import times

    limit = times.moment(value)
    return lambda one: one.created < limit


def _after(volumes: Volumes, value: str) -> Any:
    limit = volumes.get(value).created
    return lambda one: one.created > limit


FILTERS: dict[str, Any] = {
    "after": _after,
    "dangling": None,
    "driver": lambda _, value: lambda one: value == "local",
    "label": _pairs("labels"),
    "label!": _without_label,
    "name": _by_name,
    "opt": _pairs("options"),
    "scope": lambda _, value: lambda one: value == "local",
    "since": _after,
    "until": _until,
}
"""Makers of tests, from the volumes and the value of a filter."""

PRUNED = ("after", "label", "label!", "name", "since", "until")
"""The filters that a prune takes."""
