"""--log-driver and --log-opt: where a container's output goes, and how much of it is kept."""

from __future__ import annotations

import os

from rootless import values
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.words.asked import CreateOptions

DRIVERS = ("json-file", "k8s-file", "journald", "none", "passthrough")
_FILES = ("json-file", "k8s-file")


def parse(asked: CreateOptions) -> tuple[str, dict[str, str]]:
    """Return the driver and its options, each checked. Raises UsageError.

    The default is docker's json-file, which tools that collect logs can read; podman's k8s-file
    has the smaller files.
    """
    driver = asked.get("log_driver", "") or "json-file"
    if driver not in DRIVERS:
        raise UsageError(f"--log-driver: unknown driver {driver!r}", ", ".join(DRIVERS))
    if driver == "passthrough" and (asked.get("tty") or asked.get("detach")):
        raise UsageError("--log-driver passthrough is for the foreground, and without a terminal")
    refuse_terminal(driver)
    options: dict[str, str] = {}
    for text in asked.get("log_opt", ()):
        name, value = values.pair(text, "--log-opt", needs_value=True)
        options[name] = _option(driver, name, value)
    if driver in _FILES and int(options.get("max-file", "1")) > 1 and not options.get("max-size"):
        raise UsageError("--log-opt max-file needs a max-size")
    return driver, options


def refuse_terminal(driver: str) -> None:
    """Raise UsageError where `driver` would hand this process's terminal to the container.

    Through it the container could type into the shell that gets it back (TIOCSTI), and its owner
    would be the container's user.
    """
    if driver == "passthrough" and any(os.isatty(fd) for fd in (0, 1, 2)):
        raise UsageError(
            "--log-driver passthrough cannot be used on a terminal: the container would get it",
            "redirect all of standard input, output and error, or use -it with another driver",
        )


def _option(driver: str, name: str, value: str) -> str:
    option = f"--log-opt {name}"
    if name == "tag" and driver == "journald":
        return value
    if driver in _FILES:
        if name == "max-size":
            size = 0 if value == "-1" else values.size(value, option)
            return str(size)
        if name == "max-file" and values.is_number(value) and 0 < int(value) <= 1000:
            return value
        if name == "compress":
            return "true" if values.boolean(value, option) else "false"
        if name == "max-file":
            raise UsageError(f"{option}: {value!r} is no number of files from 1 to 1000")
    raise UsageError(
        f"unknown log opt {name!r} for the log driver {driver}",
        "max-size, max-file and compress for files, tag for journald",
    )
