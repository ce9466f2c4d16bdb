"""--log-driver and --log-opt: where a container's output goes, and how much of it is kept."""

from __future__ import annotations

from rootless import values
from rootless.containers.creation.choices import LOG_DRIVERS
from rootless.containers.creation.conflicts import refuse_terminal
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Log
    from rootless.containers.words.asked import Asked

_FILES = ("json-file", "k8s-file")


def parse(asked: Asked) -> Log:
    """Return the driver and its options, each checked. Raises UsageError.

    The default is docker's json-file, which tools that collect logs can read; podman's k8s-file
    has the smaller files.
    """
    driver = asked.get("log_driver", "") or "json-file"
    if driver not in LOG_DRIVERS:
        raise UsageError(
            f"{named('log_driver')}: unknown driver {driver!r}", ", ".join(LOG_DRIVERS)
        )
    refuse_terminal(driver)
    options: dict[str, str] = {}
    for text in asked.get("log_opt", ()):
        name, value = values.pair(text, named("log_opt"), needs_value=True)
        options[name] = _option(driver, name, value)
    if driver in _FILES and int(options.get("max-file", "1")) > 1 and not options.get("max-size"):
        raise UsageError(f"{named('log_opt')} max-file needs a max-size")
    return {"driver": driver, "options": options}


def _option(driver: str, name: str, value: str) -> str:
    option = f"{named('log_opt')} {name}"
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
