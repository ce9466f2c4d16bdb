"""--log-driver and --log-opt: where a container's output goes, and how much of it is kept."""

from __future__ import annotations

from rootless import values
from rootless.containers.creation.choices import LOG_DRIVERS, LOG_MODES
from rootless.containers.creation.conflicts import refuse_terminal
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Log
    from rootless.containers.words.asked import Asked

_FILES = ("json-file", "k8s-file")

_LOCAL = {"max-size": str(20 << 20), "max-file": "5", "compress": "true"}
"""docker's driver local keeps so much, in a format of its own: here it is a json-file."""

_TELLING = ("tag", "labels", "labels-regex", "env", "env-regex")
"""What goes with each line."""

_KNOWN = "max-size, max-file, compress, mode; for json-file and journald tag, labels, env as well"


def parse(asked: Asked) -> Log:
    """Return the driver and its options, each checked. Raises UsageError.

    The default is docker's json-file, which tools that collect logs can read; podman's k8s-file
    has the smaller files.
    """
    driver = asked.get("log_driver", "") or "json-file"
    local = driver == "local"
    driver = "json-file" if local else driver
    if driver not in LOG_DRIVERS:
        raise UsageError(
            f"{named('log_driver')}: unknown driver {driver!r}", ", ".join(LOG_DRIVERS)
        )
    refuse_terminal(driver)
    options: dict[str, str] = {}
    if local:
        options.update(_LOCAL)
    for text in asked.get("log_opt", ()):
        name, value = values.pair(text, named("log_opt"), needs_value=True)
        options[name] = _option(driver, name, value)
    if driver in _FILES and int(options.get("max-file", "1")) > 1 and not options.get("max-size"):
        raise UsageError(f"{named('log_opt')} max-file needs a max-size")
    if "max-buffer-size" in options and options.get("mode") != "non-blocking":
        raise UsageError(f"{named('log_opt')} max-buffer-size needs mode=non-blocking")
    return {"driver": driver, "options": options}


def _option(driver: str, name: str, value: str) -> str:
    option = f"{named('log_opt')} {name}"
    if driver in ("json-file", "journald") and name in _TELLING:
        return _telling(name, value, option)
    if name in _TELLING and driver == "k8s-file":
        cause = f"{option}: lines of a k8s-file have no place for it"
        raise UsageError(cause, "choose json-file or journald")
    if driver in (*_FILES, "journald") and name in ("mode", "max-buffer-size"):
        return _buffering(driver, name, value, option)
    if name == "path":
        cause = f"{option}: a log lies with its container"
        raise UsageError(cause, "rootless inspect -f '{{.LogPath}}' NAME says where")
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
    raise UsageError(f"unknown log opt {name!r} for the log driver {driver}", _KNOWN)


def _telling(name: str, value: str, option: str) -> str:
    """Check what goes with each line; who has it is found out at the start."""
    from rootless.containers.creation.attributes import TAGS, is_tag

    if name == "tag" and not is_tag(value):
        known = ", ".join(f"{{{{.{one}}}}}" for one in TAGS)
        raise UsageError(f"{option}: unknown field in {value!r}", known)
    if name.endswith("-regex"):
        import re  # few want it

        try:
            re.compile(value)
        except re.error as error:
            raise UsageError(f"{option}: {value!r} is no regular expression: {error}") from None
    return value


def _buffering(driver: str, name: str, value: str, option: str) -> str:
    """Take docker's words for who waits: a file takes all at once, the journal is not waited for.

    So there is never a buffer that could be full.
    """
    if name == "max-buffer-size":
        return str(values.size(value, option))
    if value not in LOG_MODES:
        raise UsageError(f"{option}: unknown mode {value!r}", ", ".join(LOG_MODES))
    if value == "blocking" and driver == "journald":
        cause = f"{option} blocking: the journal is never waited for"
        raise UsageError(cause, "mode=non-blocking says so; a json-file takes every line")
    return value
