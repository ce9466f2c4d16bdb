"""What a process in a container finds in its environment.

Later ones win, in podman's documented order: the built-in variables, those of containers.conf, the
image's, those made of them (--env-merge), of which --unsetenv takes some away again, the host's
proxy settings, --env-host, --env-file, --env. HOME is the launcher's work: it needs the container's
/etc/passwd.
"""

from __future__ import annotations

from rootless.values import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rootless.containers.request import Request

PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
"""Passed from the host by default, as podman does, also in capitals."""


CONTAINER = "podman"
"""The variable `container`, by which systemd and others know where they are: podman's word."""

_MANAGERS = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID")
"""What a service manager tells this command alone: no container has it."""


def inherited(environ: Mapping[str, str], *, proxies: bool, all: bool) -> list[list[str]]:  # noqa: A002
    """Return what a container has of its caller's: his `proxies`, or his whole environment."""
    result = {}
    for name in PROXIES if proxies else ():
        for key in (name, name.upper()):
            if key in environ:
                result[key] = environ[key]
    if all:
        result.update(environ)
        for name in _MANAGERS:
            result.pop(name, None)
    return [[key, value] for key, value in result.items()]


def compose(
    image: Iterable[str], request: Request, hostname: str, links: Iterable[Sequence[str]] = ()
) -> list[str]:
    """Return process.env of a new container; `image` is what its image says, `links` its links."""
    result: dict[str, str] = {"PATH": PATH, "HOSTNAME": hostname, "container": CONTAINER}
    if request["tty"]:
        result["TERM"] = "xterm"
    changed(result, request["preset"])
    changed(result, links)
    for text in image:
        key, equals, value = text.partition("=")
        if key and equals:
            result[key] = value
    if request["env_merge"]:
        from rootless.containers.creation.merging import expanded

        for name, template in request["env_merge"]:
            result[name] = expanded(template, result)
    for name in [*result] if request["unsetenv_all"] else request["unsetenv"]:
        result.pop(name, None)
    return changed(result, [*request["inherited"], *request["environment"]])


def for_exec(
    process: Iterable[str], changes: Iterable[Sequence[str | None]], *, tty: bool
) -> list[str]:
    """Return the environment of `exec`: the container's own (`process`), then what was asked."""
    result: dict[str, str] = {}
    for text in process:
        key, _, value = text.partition("=")
        result[key] = value
    if tty:
        result.setdefault("TERM", "xterm")
    return changed(result, changes)


def changed(result: dict[str, str], changes: Iterable[Sequence[str | None]]) -> list[str]:
    """Return the variables of `result` with the changes [name, value], of which None removes."""
    for key, value in changes:
        if value is None:
            result.pop(str(key), None)
        else:
            result[str(key)] = value
    return [f"{key}={value}" for key, value in result.items()]
