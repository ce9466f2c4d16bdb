"""The options of the driver `local`, which is the only one: what a volume shows, and how.

    type=tmpfs device=tmpfs o=size=64m,mode=1777      memory, which ends with the container
    type=none|bind device=/srv/data o=bind,ro         a directory of the host

Without any it is a directory of the store. What else mount(8) could mount takes root's rights.
"""

from __future__ import annotations

import os

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootless.volumes.mounts import Volume

DRIVER = "local"
_KEYS = ("device", "o", "type")
_MEMORY = ("tmpfs", "ramfs")
_BINDS = ("bind", "none")
_WORDS = frozenset(
    [
        *("ro", "rw", "dev", "nodev", "exec", "noexec", "suid", "nosuid", "async", "sync"),
        *("atime", "noatime", "diratime", "nodiratime", "relatime", "strictatime", "defaults"),
    ]
)
"""Words of mount(8) that fit both kinds."""
_BIND_WORDS = _WORDS | {"bind", "rbind"}
_TMPFS_KEYS = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge")


def check_driver(driver: str, name: str = "") -> None:
    """Raise UsageError for any other driver."""
    if driver not in ("", DRIVER):
        raise UsageError(
            f"volume {name or 'without a name'}: there is no driver {driver!r}",
            "local is the only one: plugins need a daemon",
        )


def checked(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a new volume. Raises UsageError for what cannot be."""
    for key, value in options.items():
        if key == "size":
            raise UsageError(
                f"cannot limit a volume to {value}: the file system's quotas are root's",
                "type=tmpfs, device=tmpfs and o=size=64m bound what is in memory",
            )
        if key not in _KEYS:
            raise UsageError(f"invalid option {key!r} of a volume", "type, device and o")
    found = {key: value for key, value in options.items() if value}
    if not found:
        return {}
    kind, device = found.get("type", ""), found.get("device", "")
    words = _words(found)
    if not kind and {"bind", "rbind"} & {*words}:
        kind = "none"
    if not kind or not device:
        raise UsageError(
            f"missing required option {'device' if kind else 'type'!r} of a volume",
            "type=none, o=bind and device=DIRECTORY, or type=tmpfs and device=tmpfs",
        )
    if kind in _MEMORY:
        _check_words(words, _WORDS, _TMPFS_KEYS if kind == "tmpfs" else ("mode",))
    elif kind in _BINDS:
        if not device.startswith("/"):
            raise UsageError(f"device {device}: a volume needs an absolute path", "such as /srv")
        _check_words(words, _BIND_WORDS, ())
    else:
        raise UsageError(
            f"type {kind!r}: mounting it takes root's rights", "none, bind and tmpfs are possible"
        )
    return found


def _check_words(words: list[str], known: frozenset[str], keys: tuple[str, ...]) -> None:
    for word in words:
        key, equals, value = word.partition("=")
        if word not in known and not (equals and key in keys and value):
            raise UsageError(
                f"o: {word!r} fits no volume of this kind",
                "size limits one in memory only" if key == "size" else "as for mount(8)",
            )


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for word in options.get("o", "").split(",") if word]


def is_memory(options: Mapping[str, str]) -> bool:
    """Whether a volume is in memory, and each container's own."""
    return options.get("type") in _MEMORY


def directory(options: Mapping[str, str]) -> str:
    """Return the directory of the host that a volume shows; "" for one of the store."""
    return "" if is_memory(options) else options.get("device", "")


def mounted(volume: Volume, options: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """Return type, source and options of the mount of a volume that has options.

    What the container asked for comes last, and so wins. Raises UsageError where a directory of
    the host is gone.
    """
    words = _words(options)
    if is_memory(options):
        kept = [word for word in volume["options"] if word in ("ro", "noexec", "nosuid", "nodev")]
        return options["type"], options["type"], ["nosuid", "nodev", *words, *kept]
    source = directory(options)
    if not os.path.isdir(source):
        raise UsageError(
            f"volume {volume['name']}: there is no directory {source}",
            "make it, or the volume anew with another device",
        )
    plain = [word for word in words if word not in ("bind", "rbind", "rw", "defaults")]
    taken = list(volume["options"])
    if "ro" in plain and "rw" in taken:
        taken.remove("rw")
    return "bind", source, [*plain, *taken]
