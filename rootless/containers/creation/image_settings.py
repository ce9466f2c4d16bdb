"""What an image says about the containers made of it, and the command that comes of it.

The configuration comes from other people's tools: each value is checked when it is read.
"""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from rootless.values import is_usable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rootless.containers.request import Healthcheck


_KEYS = (
    "Entrypoint",
    "Cmd",
    "Env",
    "User",
    "WorkingDir",
    "StopSignal",
    "Volumes",
    "ExposedPorts",
    "Healthcheck",
)
"""What of it is of use here."""

_SECCOMP = "io.containers.seccomp.profile"


class Settings:
    """The part `config` of an OCI image configuration (image-spec, config.md)."""

    def __init__(self, document: Mapping[str, Any], name: str) -> None:
        """Raises ImageError, naming the image `name`, where a value has the wrong type."""
        config = document.get("config") or {}
        if not isinstance(config, dict):
            raise ImageError(f"image {name}: its config is not an object")
        for key in _KEYS:
            if not is_usable(config.get(key)):
                raise ImageError(f"image {name}: its {key} holds a NUL byte, or is no Unicode")
        self._config = config
        self._name = name
        self.entrypoint = self._list("Entrypoint")
        self.cmd = self._list("Cmd")
        self.env = self._list("Env")
        self.user = self._text("User")
        self.workdir = self._text("WorkingDir")
        self.stop_signal = self._text("StopSignal")
        labels = self._object("Labels").items()
        # Nobody is handed these: an odd one is no reason to refuse the image.
        self.labels = {_without_nul(key): _without_nul(str(value)) for key, value in labels}
        self.volumes = list(self._object("Volumes"))
        self.exposed = list(self._object("ExposedPorts"))
        healthcheck: Healthcheck = self._object("Healthcheck")  # type: ignore[assignment]
        self.healthcheck = healthcheck or None
        """Docker's extension of the format, kept by docker archives and docker's manifests."""

    @property
    def seccomp(self) -> dict[str, Any]:
        """The profile that the image has in a label, for podman's policy `image`.

        Raises ImageError where there is none, or it is damaged.
        """
        if _SECCOMP not in self.labels:
            raise ImageError(f"image {self._name}: it has no seccomp profile (label {_SECCOMP})")
        try:
            profile = jsonio.loads(self.labels[_SECCOMP])
        except ValueError:
            profile = None
        if not isinstance(profile, dict) or not isinstance(profile.get("defaultAction"), str):
            raise ImageError(f"image {self._name}: its label {_SECCOMP} is no seccomp profile")
        return profile

    def _list(self, key: str) -> list[str]:
        value = self._config.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ImageError(f"image {self._name}: its {key} is not a list of strings")
        return value

    def _text(self, key: str) -> str:
        value = self._config.get(key) or ""
        if not isinstance(value, str):
            raise ImageError(f"image {self._name}: its {key} is not a string")
        return value

    def _object(self, key: str) -> dict[str, Any]:
        value = self._config.get(key) or {}
        if not isinstance(value, dict):
            raise ImageError(f"image {self._name}: its {key} is not an object")
        return value


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


def command(
    settings: Settings, entrypoint: list[str] | None, words: list[str], name: str
) -> tuple[list[str], list[str]]:
    """Return Entrypoint and Cmd of the container, by docker's rules.

    An entrypoint replaces the image's and drops the image's Cmd as well; an empty one only drops
    both, and one of one empty word is none: a Dockerfile has no other way to say so. Words after
    the image replace its Cmd. Raises UsageError where nothing is left to run.
    """
    if entrypoint is None:
        first, rest = settings.entrypoint, words or settings.cmd
    else:
        first, rest = entrypoint, words
    if first == [""]:
        first = []
    if not first and not rest:
        raise UsageError(
            f"no command specified for {name}",
            "name one after the image: it has neither an entrypoint nor a command of its own",
            field="command",
        )
    return first, rest
