"""File systems in memory: --tmpfs, and the types tmpfs and ramfs of --mount."""

from __future__ import annotations

from rootless.containers import request
from rootless.containers.words.binds import FLAGS, PROPAGATIONS
from rootless.containers.words.fields import switch
from rootless.errors import UsageError, named
from rootless.values import boolean, is_number, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.volumes.mounts import Volume

_MOUNT, _TMPFS = map(named, ("mount", "tmpfs"))


_TMPFS_WORDS = FLAGS | frozenset(
    [
        "rw",
        "ro",
        "atime",
        "noatime",
        "relatime",
        "strictatime",
        "nodiratime",
        "sync",
        "async",
        "tmpcopyup",
        "notmpcopyup",
    ]
)

_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")


def tmpfs(text: str) -> Volume:
    """Parse --tmpfs DESTINATION[:OPTIONS]; noexec, nosuid and nodev unless said otherwise."""
    target, _, options = text.partition(":")
    words = [_tmpfs_option(word, text) for word in options.split(",")] if options else []
    return _tmpfs(target, words, _TMPFS_DEFAULTS)


def mount(fields: dict[str, str], target: str, text: str) -> Volume:
    """Return the tmpfs that the fields of --mount ask for."""
    words = []
    for key, value in fields.items():
        if key == "tmpfs-size":
            words.append(f"size={size(value, f'{_MOUNT} tmpfs-size')}")
        elif key == "tmpfs-mode":
            words.append(f"mode={_mode(value, f'{_MOUNT} tmpfs-mode')}")
        elif key == "readonly":
            words.append(switch("ro", "rw")(value))
        elif key in _TMPFS_WORDS and boolean(value, f"{_MOUNT} {key}"):
            words.append(key)
        elif key != "consistency" and key not in _TMPFS_WORDS:
            raise UsageError(f"{_MOUNT} {text}: unexpected key {key!r}")
    # Unlike --tmpfs, docker's --mount type=tmpfs lets programs run.
    return _tmpfs(target, words, ("nosuid", "nodev"))


def as_ramfs(made: Volume, text: str) -> Volume:
    """The same mount in memory that is never swapped out. Raises UsageError for a size."""
    if any(word.startswith("size=") for word in made["options"]):
        raise UsageError(f"{_MOUNT} {text}: a ramfs has no size", "type=tmpfs has")
    return {**made, "type": "ramfs"}


def _tmpfs(target: str, words: list[str], defaults: Iterable[str]) -> Volume:
    result = request.tmpfs(target)
    words = [word for word in words if word != "notmpcopyup"]  # docker never copies, unless asked
    kept = [word for word in defaults if word.removeprefix("no") not in words]
    result["options"] = [*kept, *(word for word in words if word not in kept)]
    result["mode"] = ",".join(words)
    result["rw"] = "ro" not in words
    return result


def _tmpfs_option(word: str, text: str) -> str:
    key, equals, value = word.partition("=")
    if not equals and (word in _TMPFS_WORDS or word in PROPAGATIONS):
        return word
    if key == "mode" and equals:
        return f"mode={_mode(value, _TMPFS)}"
    if key == "size" and value.endswith("%") and is_number(value[:-1]) and len(value) < 5:
        return word
    if key == "size" and equals:
        return f"size={size(value, _TMPFS)}"
    if key in ("uid", "gid", "nr_inodes", "nr_blocks") and is_number(value.rstrip("kmg")):
        return word
    if key == "huge" and value in ("never", "always", "within_size", "advise"):
        return word
    raise UsageError(f"{_TMPFS} {text}: unknown mount option {word!r}", "tmpfs(5) lists them")


def _mode(text: str, option: str) -> str:
    if not text or set(text) - set("01234567") or len(text) > 8 or int(text, 8) > 0o7777:
        raise UsageError(f"{option}: invalid mode {text!r}", "octal, for example 1777")
    return f"{int(text, 8):04o}"
