"""Values that Go's tools keep in types of their own, as their templates see and print them.

A document is made of JSON's types; in docker's and podman's programs some of it are structs,
moments and spans of time. Templates print those another way, and may ask a moment for its parts:

    {{.HostConfig.RestartPolicy}}  {on-failure 3}    {{.Created.Year}}  {{.Created.Format "15:04"}}

JSON shows them as ever. Which fields are such says a `Shape`, below for each of the two.
"""

from __future__ import annotations

import time

from rootless.times import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_YEAR_ONE = -62_135_596_800
"""Go's zero moment, in seconds since 1970."""

_SECOND = 1_000_000_000


class Moment(str):
    """A time.Time: text in RFC 3339, as JSON has it, that templates may ask for its parts."""

    type = "time.Time"

    def __new__(cls, text: str, zone: str = "") -> Moment:
        """`zone` is the name of the zone that the text is in, where it is not UTC."""
        found = super().__new__(cls, text)
        found._zone = zone
        return found

    _zone: str

    @property
    def _parts(self) -> tuple[int, int, int]:
        """Seconds since 1970, nanoseconds, seconds east of UTC."""
        rest = self[19:].lstrip(".0123456789")
        digits = self[20 : len(self) - len(rest)]
        east = 0
        if rest[:1] in ("+", "-"):
            east = int(f"{rest[0]}1") * (int(rest[1:3]) * 3600 + int(rest[4:6]) * 60)
        return int(timestamp(self[:19] + rest)), int(digits.ljust(9, "0")[:9]), east

    def printed(self) -> str:
        """Return it as Go prints it: 2026-02-01 12:00:00.5 +0000 UTC."""
        return self.layout("2006-01-02 15:04:05.999999999 -0700 MST")

    def ask(self, name: str) -> Any:
        """Return what a template gets for a method of it; KeyError where there is none."""
        seconds, nanoseconds, east = self._parts
        if name in ("UTC", "Local", "String", "Format"):
            return {"UTC": self.utc, "Local": lambda: self, "String": self.printed}.get(
                name, lambda: self.layout
            )()
        local = time.gmtime(seconds + east)
        return {
            "Day": local.tm_mday,
            "Hour": local.tm_hour,
            "IsZero": seconds == _YEAR_ONE,
            "Minute": local.tm_min,
            "Month": MONTHS[local.tm_mon - 1],
            "Nanosecond": nanoseconds,
            "Second": local.tm_sec,
            "Unix": seconds,
            "UnixMicro": (seconds * _SECOND + nanoseconds) // 1000,
            "UnixMilli": (seconds * _SECOND + nanoseconds) // 1_000_000,
            "UnixNano": seconds * _SECOND + nanoseconds,
            "Weekday": DAYS[local.tm_wday],
            "Year": local.tm_year,
            "YearDay": local.tm_yday,
        }[name]

    def utc(self) -> Moment:
        """Return the same moment in UTC."""
        seconds, nanoseconds, _ = self._parts
        at = time.gmtime(seconds)
        day = f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d}"
        clock = f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}.{nanoseconds:09d}"
        return Moment(f"{day}T{clock}Z")

    def layout(self, text: str) -> str:
        """Return it as Go's Time.Format does: by the example of 2006-01-02 15:04:05."""
        words, done = self._words(), ""
        while text:
            if text[0] in ".," and text[1:2] in ("0", "9"):
                digits = len(text[1:]) - len(text[1:].lstrip(text[1]))
                if not text[1 + digits : 2 + digits].isdigit():
                    done += self._fraction(text[0], text[1], digits)
                    text = text[1 + digits :]
                    continue
            word = next((word for word in words if text.startswith(word)), "")
            done += words[word] if word else text[0]
            text = text[len(word) or 1 :]
        return done

    def _fraction(self, point: str, kind: str, digits: int) -> str:
        shown = f"{self._parts[1]:09d}"[:digits]
        if kind == "9":
            shown = shown.rstrip("0")
        return point + shown if shown else ""

    def _words(self) -> dict[str, str]:
        """Return what stands for each word of a layout; the longer ones come first."""
        seconds, _, east = self._parts
        at = time.gmtime(seconds + east)
        month, day = MONTHS[at.tm_mon - 1], DAYS[at.tm_wday]
        hours, minutes = divmod(abs(east) // 60, 60)
        sign = "-" if east < 0 else "+"
        offset = f"{sign}{hours:02d}:{minutes:02d}"
        plain, half = offset.replace(":", ""), at.tm_hour % 12 or 12
        return {
            "January": month,
            "Jan": month[:3],
            "Monday": day,
            "Mon": day[:3],
            "MST": self._zone or ("UTC" if not east else plain),
            "2006": f"{at.tm_year:04d}",
            "Z07:00": offset if east else "Z",
            "Z0700": plain if east else "Z",
            "-07:00": offset,
            "-0700": plain,
            "-07": plain[:3],
            "002": f"{at.tm_yday:03d}",
            "01": f"{at.tm_mon:02d}",
            "02": f"{at.tm_mday:02d}",
            "03": f"{half:02d}",
            "04": f"{at.tm_min:02d}",
            "05": f"{at.tm_sec:02d}",
            "06": f"{at.tm_year % 100:02d}",
            "15": f"{at.tm_hour:02d}",
            "PM": "PM" if at.tm_hour > 11 else "AM",
            "pm": "pm" if at.tm_hour > 11 else "am",
            "_2": f"{at.tm_mday:2d}",
            "1": str(at.tm_mon),
            "2": str(at.tm_mday),
            "3": str(half),
            "4": str(at.tm_min),
            "5": str(at.tm_sec),
        }


def moment(value: Any) -> Any:
    """Return text as the moment that it tells of; as it is where it tells of none."""
    known = isinstance(value, str) and (timestamp(value) or value.startswith("0001-01-01T00:"))
    return Moment(value) if known else value


def local(nanoseconds: int) -> Moment:
    """Return a moment as a time.Time in local time."""
    from rootless.times import stamp

    text = stamp(nanoseconds)
    zone = time.localtime(nanoseconds // _SECOND).tm_zone
    return Moment(text.removesuffix("+00:00") + "Z" if zone == "UTC" else text, zone)


class Span(int):
    """A time.Duration: nanoseconds."""

    type = "time.Duration"

    def printed(self) -> str:
        """Return it as Go prints it."""
        return go_duration(self / _SECOND)

    def ask(self, name: str) -> Any:
        """Return what a template gets for a method of it; KeyError where there is none."""
        known = {"Nanoseconds": int(self), "Milliseconds": self // 1_000_000}
        known["String"] = self.printed()  # type: ignore[assignment]
        return {**known, "Seconds": self / _SECOND, "Minutes": self / _SECOND / 60}[name]


def go_duration(seconds: float) -> str:
    """Return a span as Go prints it: 1h2m3.25s, 300ms."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.6f}".rstrip("0").rstrip(".") + "ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or hours else ""
    return text + f"{rest:.9f}".rstrip("0").rstrip(".") + "s"


class Shape:
    """A type of Go's: its name and its fields in order, each with its own shape or None.

    With a "*" before its name it is had by a pointer; without a name its fields alone matter.
    """

    def __init__(self, name: str, order: str = "", **fields: Any) -> None:
        """`order` has the names of all, where it is a struct; `fields` those that have a shape."""
        self.name = name
        self.fields: dict[str, Any] = {**dict.fromkeys(order.split()), **fields}


class Struct(dict[str, "Any"]):
    """A struct: the values of its fields, and of what the type does not know."""

    def __init__(self, values: Mapping[str, Any], shape: Shape) -> None:
        super().__init__(values)
        self._shape = shape

    @property
    def type(self) -> str:
        """The name of its type."""
        return self._shape.name

    def alike(self, values: Mapping[str, Any]) -> Struct:
        """Return another of the same type."""
        return Struct(values, self._shape)

    def cells(self) -> list[tuple[str, Any]]:
        """Return the names and values of its type's fields: what is not there is zero."""
        return [
            (name, self.get(name, shape(0) if isinstance(shape, type) else ""))
            for name, shape in self._shape.fields.items()
        ]

    def printed(self) -> str:
        """Return it as Go prints it by itself: {on-failure 3}."""
        from rootless.cli.functions import plain

        return "{" + " ".join(plain(value) for _, value in self.cells()) + "}"

    def verbose(self) -> str:
        """Return it as %+v prints it: {Name:on-failure MaximumRetryCount:3}."""
        from rootless.cli.functions import plain

        return "{" + " ".join(f"{name}:{plain(value)}" for name, value in self.cells()) + "}"


def shaped(value: Any, shape: Any) -> Any:
    """Return a value as its shape has it: a Shape, a function, [each one], or {"": each value}."""
    if value is None or shape is None:
        return value
    if isinstance(shape, Shape):
        if not isinstance(value, dict):
            return value
        fields = {key: shaped(each, shape.fields.get(key)) for key, each in value.items()}
        return Struct(fields, shape) if shape.name else fields
    if isinstance(shape, list):
        return [shaped(each, shape[0]) for each in value] if isinstance(value, list) else value
    if isinstance(shape, dict):
        known = isinstance(value, dict)
        return {key: shaped(each, shape[""]) for key, each in value.items()} if known else value
    return shape(value)


def docker(document: dict[str, Any]) -> Any:
    """Return what docker's `inspect` shows with docker's types."""
    return shaped(document, _docker())


def podman(document: dict[str, Any]) -> Any:
    """Return what podman's `inspect` shows with podman's types."""
    return shaped(document, _podman())


def _docker() -> Shape:
    """api/types/container and api/types/image; its moments are texts."""
    ports = {"": [Shape("nat.PortBinding", "HostIp HostPort")]}
    check = Shape(
        "*container.HealthConfig",
        "Test Interval Timeout StartPeriod StartInterval Retries",
        Interval=Span,
        Timeout=Span,
        StartPeriod=Span,
        StartInterval=Span,
        Retries=int,
    )
    log = [Shape("*container.HealthcheckResult", "Start End ExitCode Output")]
    return Shape(
        "",
        State=Shape(
            "*container.State",
            "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt"
            " FinishedAt Health",
            Health=Shape("*container.Health", "Status FailingStreak Log", Log=log),
        ),
        HostConfig=Shape(
            "",
            RestartPolicy=Shape("container.RestartPolicy", "Name MaximumRetryCount"),
            LogConfig=Shape("container.LogConfig", "Type Config"),
            PortBindings=ports,
            Devices=[
                Shape("container.DeviceMapping", "PathOnHost PathInContainer CgroupPermissions")
            ],
        ),
        Config=Shape("", Healthcheck=check),
        Mounts=[
            Shape("container.MountPoint", "Type Name Source Destination Driver Mode RW Propagation")
        ],
        GraphDriver=Shape("storage.DriverData", "Data Name"),
        NetworkSettings=Shape("", Ports=ports),
        RootFS=Shape("image.RootFS", "Type Layers"),
    )


def _podman() -> Shape:
    """libpod/define and pkg/inspect, as of podman 4.3; its moments are moments."""
    ports = {"": [Shape("define.InspectHostPort", "HostIp HostPort")]}
    check = Shape(
        "*manifest.Schema2HealthConfig",
        "Test StartPeriod Interval Timeout Retries",
        StartPeriod=Span,
        Interval=Span,
        Timeout=Span,
        Retries=int,
    )
    log = [Shape("define.HealthCheckLog", "Start End ExitCode Output")]
    health = Shape("define.HealthCheckResults", "Status FailingStreak Log", Log=log)
    return Shape(
        "",
        Created=moment,
        State=Shape(
            "*define.InspectContainerState",
            "OciVersion Status Running Paused Restarting OOMKilled Dead Pid ConmonPid ExitCode"
            " Error StartedAt FinishedAt Health CheckpointedAt RestoredAt",
            StartedAt=moment,
            FinishedAt=moment,
            CheckpointedAt=moment,
            RestoredAt=moment,
            Health=health,
        ),
        HostConfig=Shape(
            "",
            RestartPolicy=Shape("*define.InspectRestartPolicy", "Name MaximumRetryCount"),
            LogConfig=Shape("*define.InspectLogConfig", "Type Config Path Tag Size"),
            PortBindings=ports,
            Ulimits=[Shape("define.InspectUlimit", "Name Soft Hard")],
            Devices=[Shape("define.InspectDevice", "PathOnHost PathInContainer CgroupPermissions")],
        ),
        Config=Shape("", Healthcheck=check),
        Mounts=[
            Shape(
                "define.InspectMount",
                "Type Name Source Destination Driver Mode Options RW Propagation",
            )
        ],
        GraphDriver=Shape("*define.DriverData", "Name Data"),
        NetworkSettings=Shape("", Ports=ports),
        RootFS=Shape("*inspect.RootFS", "Type Layers"),
    )
