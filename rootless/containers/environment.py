"""What a process in a container finds in its environment.

Later ones win, in podman's documented order: the built-in variables, the image's, the host's
proxy settings, --env-host, --env-file, --env. HOME is the launcher's work: it needs the
container's /etc/passwd.
"""

from __future__ import annotations

from rootless.containers.values import pair
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rootless.containers.options import CreateOptions

    Change = tuple[str, str | None]
    """A variable and its value; None removes it."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where commands are looked for when the image does not say."""

PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
"""Passed from the host by default, as podman does, also in capitals."""


def asked_for(env: Iterable[str], env_file: Iterable[str], host: Mapping[str, str]) -> list[Change]:
    """Parse --env-file and --env. Files are read here, once: they may be pipes.

    `-e KEY` copies the host's value, and removes KEY where the host has none (docker);
    `-e PREFIX*` copies all that begin so (podman).
    """
    result: list[Change] = []
    for path in env_file:
        result += _file(path, host)
    for text in env:
        key, equals, value = text.partition("=")
        if not key or "\0" in text:
            raise UsageError(f"invalid environment variable: {text!r}", "it must be KEY=VALUE")
        if equals:
            result.append((key, value))
        elif key.endswith("*"):
            result += [(name, host[name]) for name in host if name.startswith(key[:-1])]
        else:
            result.append((key, host.get(key)))
    return result


_MANAGERS = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID")
"""What a service manager tells this command alone: --env-host does not copy it."""


def compose(
    image: Iterable[str],
    asked: CreateOptions,
    changes: Iterable[Change],
    hostname: str,
    host: Mapping[str, str],
) -> list[str]:
    """Return process.env of a new container; `host` is the environment of the caller."""
    result = {"PATH": PATH, "HOSTNAME": hostname}
    if asked.get("tty"):
        result["TERM"] = "xterm"
    for text in image:
        key, equals, value = text.partition("=")
        if key and equals:
            result[key] = value
    if asked.get("http_proxy", True):
        for name in PROXIES:
            for key in (name, name.upper()):
                if key in host:
                    result[key] = host[key]
    if asked.get("env_host"):
        result.update(host)
        for name in _MANAGERS:
            result.pop(name, None)
    return _changed(result, changes)


def for_exec(process: Iterable[str], changes: Iterable[Change], *, tty: bool) -> list[str]:
    """Return the environment of `exec`: the container's own (`process`), then what was asked."""
    result: dict[str, str] = {}
    for text in process:
        key, _, value = text.partition("=")
        result[key] = value
    if tty:
        result.setdefault("TERM", "xterm")
    return _changed(result, changes)


def _changed(result: dict[str, str], changes: Iterable[Change]) -> list[str]:
    for key, value in changes:
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return [f"{key}={value}" for key, value in result.items()]


def labels(asked: CreateOptions) -> dict[str, str]:
    """Return the labels of --label-file and --label; later ones win."""
    result = {}
    for path in asked.get("label_file", ()):
        for line in _lines(path, "--label-file"):
            key, value = pair(line, f"--label-file {path}")
            result[key] = value
    for text in asked.get("label", ()):
        key, value = pair(text, "--label")
        result[key] = value
    return result


def _file(path: str, host: Mapping[str, str]) -> Iterable[Change]:
    """Read an environment file: KEY=VALUE as it stands, no quotes; KEY alone copies the host's."""
    for line in _lines(path, "--env-file"):
        key, equals, value = line.partition("=")
        if not key or key != key.rstrip() or len(key.split()) != 1 or "\0" in line:
            raise UsageError(f"--env-file {path}: invalid variable {line!r}")
        if equals:
            yield key, value
        elif key in host:
            yield key, host[key]


def _lines(path: str, option: str) -> list[str]:
    """The lines of a file of pairs without comments and empty ones, blanks before them cut off."""
    if "\0" in path:
        raise UsageError(f"{option}: invalid path {path!r}")
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line.rstrip("\n").lstrip() for line in file]
    except OSError as error:
        raise UsageError(f"{option}: open {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{option} {path}: not UTF-8 at byte {error.start}") from error
    return [line for line in lines if line and not line.startswith("#")]
