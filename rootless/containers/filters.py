"""The filters of `ps`, and of all commands that take some containers out of many."""

from __future__ import annotations

import os

from rootless.containers import networks
from rootless.errors import UsageError, named
from rootless.values import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.containers.collection import Containers
    from rootless.containers.summary import Listed
    from rootless.images.finding import Finder


class Filters:
    """The filters of one question: of one key they are alternatives, of several all apply."""

    def __init__(self, texts: Iterable[str], containers: Containers, images: Finder) -> None:
        """`texts` are KEY=VALUE. Raises UsageError, and what looking up names in them raises."""
        wanted: dict[str, list[str]] = {}
        for text in texts:
            key, equals, value = text.partition("=")
            if key == "label!":  # podman: label!=KEY
                key = "no-label"
            if not equals:
                raise UsageError(f"invalid filter {text!r}", "write it as KEY=VALUE")
            if key not in FILTERS:
                raise UsageError(f"invalid filter {key!r}", "one of " + ", ".join(sorted(FILTERS)))
            wanted.setdefault(key, []).append(value)
        self.name_a_state = bool({"status", "exited", "health"} & wanted.keys())
        """Whether a state was asked for, which means all containers, as in docker."""
        known = Known(containers, images)
        self._tests = [
            # Labels are all required, as in docker.
            (all if key in ("label", "no-label") else any, [FILTERS[key](known, v) for v in values])
            for key, values in wanted.items()
        ]

    def keep(self, found: Iterable[Listed]) -> list[Listed]:
        """Return those that fit."""
        tests = self._tests
        return [one for one in found if all(each(t(one) for t in some) for each, some in tests)]


class Known:
    """What names in filters mean."""

    def __init__(self, containers: Containers, images: Finder) -> None:
        self.containers = containers
        self.images = images


def _by_name(_: Known, value: str) -> Any:
    if set("^$.*[(+?|\\") & set(value):  # docker's names are regular expressions
        import re

        try:
            pattern = re.compile(value)
        except re.error as error:
            raise UsageError(f"invalid filter name={value}: {error}") from error
        return lambda one: (
            pattern.search(one.record["name"]) or pattern.search(f"/{one.record['name']}")
        )
    return lambda one: value in f"/{one.record['name']}"  # docker's names begin with the slash


def _by_status(_: Known, value: str) -> Any:
    states = ("created", "running", "exited", "paused", "restarting", "removing", "dead")
    value = {"stopped": "exited", "configured": "created"}.get(value, value)  # podman's
    if value not in states:
        raise UsageError(f"invalid filter status={value}", "one of " + ", ".join(states))
    return lambda one: one.state.status == value


def _by_label(_: Known, value: str) -> Any:
    key, equals, text = value.partition("=")
    if equals:
        return lambda one: one.record["labels"].get(key) == text
    return lambda one: key in one.record["labels"]


def _by_ancestor(known: Known, value: str) -> Any:
    from rootless.errors import NotFound

    try:
        image = known.images.get(value).id
    except NotFound:
        image = "-"
    return lambda one: one.record["image_id"] == image or one.record["image"] == value


def _by_exit(_: Known, value: str) -> Any:
    if not (is_number(value) and len(value) < 10):
        raise UsageError(f"invalid filter exited={value}", "a number is wanted")
    code = int(value)
    return lambda one: one.state.status == "exited" and one.state.exit_code == code


def _by_restart_policy(_: Known, value: str) -> Any:
    """docker has no such filter, podman means what a boot starts: so stopped ones are left out."""
    value = {"none": "no", "": "no"}.get(value, value)  # podman's
    if value not in ("no", "on-failure", "always", "unless-stopped"):
        raise UsageError(
            f"invalid filter restart-policy={value}",
            f"a policy of {named('run.restart')}",
            field="filters",
        )
    return lambda one: (
        one.record["restart"].partition(":")[0] == value
        and not (value == "unless-stopped" and os.path.exists(f"{one.container.directory}/stopped"))
    )


def _by_volume(_: Known, value: str) -> Any:
    return lambda one: any(
        value in (volume["name"], volume["source"], volume["destination"])
        for volume in one.record["volumes"]
    )


def _before(known: Known, value: str) -> Any:
    limit = known.containers.get(value).record["created"]
    return lambda one: one.record["created"] < limit


def _after(known: Known, value: str) -> Any:
    limit = known.containers.get(value).record["created"]
    return lambda one: one.record["created"] > limit


def _by_health(_: Known, value: str) -> Any:
    states = ("none", "starting", "healthy", "unhealthy")
    if value not in states:
        raise UsageError(f"invalid filter health={value}", "one of " + ", ".join(states))
    return lambda one: (one.state.health or "none") == value


def _by_network(_: Known, value: str) -> Any:
    return lambda one: any(networks.mode([each]) == value for each in one.record["networks"])


def _by_exposed(_: Known, value: str) -> Any:
    """docker: PORT[-PORT][/PROTOCOL]."""
    wanted = _port_set("expose", value)
    return lambda one: not wanted.isdisjoint(one.record["exposed"])


def _is_port(text: str) -> bool:
    return is_number(text) and len(text) < 6 and int(text) < 65536


def _port_set(key: str, value: str) -> set[str]:
    """Return all of PORT[-PORT][/PROTOCOL]."""
    ports, _slash, protocol = value.partition("/")
    first, _dash, last = ports.partition("-")
    if not (_is_port(first) and _is_port(last or first)):
        raise UsageError(f"invalid filter {key}={value}", "PORT[-PORT][/PROTOCOL]")
    return {f"{n}/{protocol or 'tcp'}" for n in range(int(first), int(last or first) + 1)}


def _by_publication(_: Known, value: str) -> Any:
    """docker: PORT[-PORT][/PROTOCOL], as published on the host."""
    wanted = _port_set("publish", value)
    return lambda one: any(
        f"{port['host']}/{port['protocol']}" in wanted for port in one.state.ports
    )


def _until(_: Known, value: str) -> Any:
    from rootless import times

    limit = times.moment(value)
    return lambda one: one.record["created"] < limit


def _without_label(known: Known, value: str) -> Any:
    has = _by_label(known, value)
    return lambda one: not has(one)


FILTERS: dict[str, Any] = {
    "ancestor": _by_ancestor,
    "before": _before,
    "exited": _by_exit,
    "expose": _by_exposed,
    "health": _by_health,
    "id": lambda _, value: lambda one: one.record["id"].startswith(value),
    "label": _by_label,
    "name": _by_name,
    "network": _by_network,
    "no-label": _without_label,
    "publish": _by_publication,
    "restart-policy": _by_restart_policy,
    "since": _after,
    "status": _by_status,
    "until": _until,
    "volume": _by_volume,
}
