"""What a container is to be: one value of plain data, whoever asks for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypedDict

    class Volume(TypedDict):
        """Something that the user or the image wants mounted; also what `inspect` shows of it."""

        type: Literal["bind", "volume", "tmpfs"]
        name: str
        """Of a volume; an anonymous one has 64 hexadecimal digits."""
        source: str
        """An absolute path of the host: what to bind; empty for a tmpfs."""
        destination: str
        rw: bool
        propagation: str
        """rprivate, rslave, ... for a bind, else empty."""
        mode: str
        """The options as they were written, for `inspect`."""
        anonymous: bool
        """To be removed with the container by `--rm` and `rm -v`."""
        make: bool
        """Whether a missing source is made (`-v` and volumes) or an error (`--mount type=bind`)."""
        copy_up: bool
        """Whether an empty volume is filled with what the image has at the destination."""
        chown: bool
        """`:U`: the source is given to the container's user."""
        overlay: bool
        """`:O`: changes go to a throw-away layer above the source."""
        options: list[str]
        """The mount's options as the runtime specification writes them."""

    class Healthcheck(TypedDict, total=False):
        """A health check as image configurations hold it; times in nanoseconds."""

        Test: list[str]
        Interval: int
        Timeout: int
        StartPeriod: int
        StartInterval: int
        Retries: int

    class StartupCheck(TypedDict):
        """podman's check that comes before the regular one; times in seconds."""

        test: list[str]
        interval: float
        timeout: float
        retries: int
        successes: int

    class HealthExtras(TypedDict):
        """What podman has beyond the image's health check."""

        on_failure: str
        startup: StartupCheck | None

    class Publish(TypedDict):
        """One port of -p."""

        ip: str
        """Empty for all addresses of the host."""
        host: int
        """0 for one that is free."""
        container: int
        protocol: str

    class Dns(TypedDict):
        """What /etc/resolv.conf is to say otherwise than the host's does."""

        servers: list[str]
        search: list[str]
        options: list[str]
