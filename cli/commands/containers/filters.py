"""The filters of `ps`, and of all commands that take some containers out of many."""

from __future__ import annotations

import os

from rootless.containers import networks
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.commands.containers.ps import Listed
    from rootless.containers.container import Container
    from rootless.engine import Engine


def fitting(engine: Engine, found: list[Container], filters: list[str]) -> list[Container]:
    """Return those of the containers that the filters of `ps` let through, in any state."""
    from rootless.cli.commands.containers.ps import Listed

    listed = [one for one in map(Listed, found) if one.readable()]
    return [one.container for one in filtered(engine, listed, filters)[0]]


def filtered(engine: Engine, found: list[Listed], filters: list[str]) -> tuple[list[Listed], bool]:
    """Keep what fits: filters of one key are alternatives, of several keys all apply.

    Also return whether a state was asked for, which means all containers, as in docker.
    """
    wanted: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if key == "label!":  # podman: label!=KEY
            key = "no-label"
        if not equals:
            raise UsageError(f"invalid filter {text!r}", "write it as KEY=VALUE")
        if key not in FILTERS:
            raise UsageError(f"invalid filter {key!r}", "one of " + ", ".join(sorted(FILTERS)))
        wanted.setdefault(key, []).append(value)
    for key, values in wanted.items():
        # Labels are all required, as in docker.
        combine = all if key in ("label", "no-label") else any
        tests = [FILTERS[key](engine, value) for value in values]
        found = [one for one in found if combine(test(one) for test in tests)]
    return found, bool({"status", "exited", "health"} & wanted.keys())


def _by_name(_: Engine, value: str) -> Any:
    if set("^$.*[(+?|\\") & set(value):  # docker's names are regular expressions
        import re

        try:
            pattern = re.compile(value)
        except re.error as error:
            raise UsageError(f"invalid filter name={value}: {error}") from error
        return lambda one: pattern.search(one.record["name"])
    return lambda one: value.removeprefix("/") in one.record["name"]


def _by_status(_: Engine, value: str) -> Any:
    states = ("created", "running", "exited", "paused", "restarting", "removing", "dead")
    value = {"stopped": "exited", "configured": "created"}.get(value, value)  # podman's
    if value not in states:
        raise UsageError(f"invalid filter status={value}", "one of " + ", ".join(states))
    return lambda one: one.state.status == value


def _by_label(_: Engine, value: str) -> Any:
    key, equals, text = value.partition("=")
    if equals:
        return lambda one: one.record["labels"].get(key) == text
    return lambda one: key in one.record["labels"]


def _by_ancestor(engine: Engine, value: str) -> Any:
    from rootless.errors import NotFound

    try:
        image = engine.images.get(value).id
    except NotFound:
        image = "-"
    return lambda one: one.record["image_id"] == image or one.record["image"] == value


def _by_exit(_: Engine, value: str) -> Any:
    if not value.isdecimal():
        raise UsageError(f"invalid filter exited={value}", "a number is wanted")
    code = int(value)
    return lambda one: one.state.status == "exited" and one.state.exit_code == code


def _by_restart_policy(_: Engine, value: str) -> Any:
    """docker has no such filter, podman means what a boot starts: so stopped ones are left out."""
    if value not in ("no", "on-failure", "always", "unless-stopped"):
        raise UsageError(f"invalid filter restart-policy={value}", "a policy of run --restart")
    return lambda one: (
        one.record["restart"].partition(":")[0] == value
        and not (value == "unless-stopped" and os.path.exists(f"{one.container.directory}/stopped"))
    )


def _by_volume(_: Engine, value: str) -> Any:
    return lambda one: any(
        value in (volume["name"], volume["source"], volume["destination"])
        for volume in one.record["volumes"]
    )


def _before(engine: Engine, value: str) -> Any:
    limit = engine.containers.get(value).record["created"]
    return lambda one: one.record["created"] < limit


def _after(engine: Engine, value: str) -> Any:
    limit = engine.containers.get(value).record["created"]
    return lambda one: one.record["created"] > limit


def _by_health(_: Engine, value: str) -> Any:
    states = ("none", "starting", "healthy", "unhealthy")
    if value not in states:
        raise UsageError(f"invalid filter health={value}", "one of " + ", ".join(states))
    return lambda one: (one.state.health or "none") == value


def _by_network(_: Engine, value: str) -> Any:
    return lambda one: networks.mode(one.record["networks"]) == value


def _by_exposed(_: Engine, value: str) -> Any:
    """docker: PORT[-PORT][/PROTOCOL]."""
    wanted = _port_set("expose", value)
    return lambda one: not wanted.isdisjoint(one.record["exposed"])


def _port_set(key: str, value: str) -> set[str]:
    """Return all of PORT[-PORT][/PROTOCOL]."""
    ports, _slash, protocol = value.partition("/")
    first, _dash, last = ports.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise UsageError(f"invalid filter {key}={value}", "PORT[-PORT][/PROTOCOL]")
    return {f"{n}/{protocol or 'tcp'}" for n in range(int(first), int(last or first) + 1)}


def _by_publication(_: Engine, value: str) -> Any:
    """docker: PORT[-PORT][/PROTOCOL], as published on the host."""
    wanted = _port_set("publish", value)
    return lambda one: any(
        f"{port['host']}/{port['protocol']}" in wanted for port in one.state.ports
    )


def _until(_: Engine, value: str) -> Any:
    from rootless import times

    limit = times.moment(value)
    return lambda one: one.record["created"] < limit


def _without_label(engine: Engine, value: str) -> Any:
    has = _by_label(engine, value)
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
