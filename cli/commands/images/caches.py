"""What --cache-from and --cache-to come to, in docker's words and in podman's."""

from __future__ import annotations

import os

from rootless.build.carriers.wishes import KINDS, MODES, Carrier
from rootless.cli.dialects import choice
from rootless.errors import UsageError
from rootless.values import boolean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.request import BuildRequest
    from rootless.cli.options.building import BuildAsked

_ELSEWHERE = {
    "gha": "GitHub's cache",
    "s3": "a bucket",
    "azblob": "a container of blobs",
}
"""Kinds of BuildKit's that are not there."""

_IDLE = ("force-compression",)
"""What is so anyway."""

_COMPRESSIONS = {"uncompressed": "", "gzip": "gzip", "zstd": "zstd"}


def fill(request: BuildRequest, asked: BuildAsked) -> None:
    """Put in where the cache comes from and goes to. Raises UsageError."""
    for text in asked.get("cache_from") or ():
        request.caching.sources.append(_parsed("--cache-from", text, _FROM))
    for text in asked.get("cache_to") or ():
        request.caching.targets.append(_parsed("--cache-to", text, _TO))
    for carrier in request.caching.targets:
        if carrier.kind == "inline" and any(one.is_files for one in request.outputs):
            raise UsageError(
                "--cache-to type=inline: files alone have no image to keep it in",
                "type=local,dest=DIR",
            )


def _parsed(option: str, text: str, keys: Keys) -> Carrier:
    fields = _fields(option, text)
    if not fields:
        return _plain(option, text)
    kind = fields.pop("type", "")
    if kind in _ELSEWHERE:
        raise UsageError(
            f"{option} type={kind}: {_ELSEWHERE[kind]} is not spoken with",
            "type=local with a directory that is carried there, or type=registry",
        )
    if kind not in KINDS or (kind, option) == ("inline", "--cache-from"):
        known = "type=registry,ref=IMAGE" if kind == "inline" else f"one of {', '.join(KINDS)}"
        raise UsageError(f"{option} {text}: unknown type {kind!r}", known)
    carrier = Carrier(kind)
    for key, value in fields.items():
        setting = keys.get(kind, {}).get(key)
        if setting is None and key not in _IDLE:
            there = ", ".join(("type", *keys.get(kind, {})))
            raise UsageError(f"{option} {text}: unknown field {key!r}", f"known: {there}")
        if setting is not None:
            setting(carrier, value, option)
    if not carrier.place and kind != "inline":
        needed = {"registry": "ref=NAME", "local": "src=DIR" if "src" in keys[kind] else "dest=DIR"}
        raise UsageError(f"{option} {text}: it names no place", f"type={kind},{needed[kind]}")
    return carrier


def _fields(option: str, text: str) -> dict[str, str]:
    """Return the fields of a line of CSV; {} for a plain name. Raises UsageError."""
    import csv

    words = next(csv.reader([text]), [])
    if len(words) == 1 and "=" not in words[0]:
        return {}
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{option} {text}: {word!r} is no KEY=VALUE")
        found[key.strip().lower()] = value
    return found


def _plain(option: str, text: str) -> Carrier:
    """Return what a name alone means: a registry's, in podman's words a repository's."""
    tag, everything = choice.current().plain_cache
    carrier = Carrier("registry")
    _ref(carrier, text, option)
    last = text.rpartition("/")[2]
    if tag and ":" not in last and "@" not in last:
        carrier.place = f"{text}:{tag}"
    carrier.everything = everything
    return carrier


def _ref(carrier: Carrier, value: str, option: str) -> None:
    from rootless.oci import reference

    if not reference.is_valid(value):
        raise UsageError(f"{option}: {value!r} is no name of a repository", "REGISTRY/NAME:TAG")
    carrier.place = value


def _directory(carrier: Carrier, value: str, option: str) -> None:
    if not value:
        raise UsageError(f"{option}: it names no directory", "type=local with a path")
    carrier.place = os.path.abspath(os.path.expanduser(value))


def _tag(carrier: Carrier, value: str, option: str) -> None:
    from rootless.oci.reference import is_tag

    if not is_tag(value):
        raise UsageError(f"{option}: {value!r} is no tag")
    carrier.tag = value


def _digest(carrier: Carrier, value: str, option: str) -> None:
    from rootless.oci.reference import is_digest

    if not is_digest(value):
        raise UsageError(f"{option}: {value!r} is no digest", "sha256:...")
    carrier.digest = value


def _mode(carrier: Carrier, value: str, option: str) -> None:
    if value not in MODES:
        raise UsageError(f"{option}: unknown mode {value!r}", " or ".join(MODES))
    carrier.everything = value == "max"


def _compression(carrier: Carrier, value: str, option: str) -> None:
    if value not in _COMPRESSIONS:
        raise UsageError(f"{option}: unknown compression {value!r}", ", ".join(_COMPRESSIONS))
    carrier.compression = _COMPRESSIONS[value]


def _level(carrier: Carrier, value: str, option: str) -> None:
    if not value.isascii() or not value.isdecimal():
        raise UsageError(f"{option}: compression-level {value!r} is no number")
    carrier.level = int(value[:4])


def _lenient(carrier: Carrier, value: str, option: str) -> None:
    carrier.lenient = boolean(value, f"{option} ignore-error")


def _mounts(carrier: Carrier, value: str, option: str) -> None:
    carrier.mounts = boolean(value, f"{option} mounts")


def _insecure(carrier: Carrier, value: str, option: str) -> None:
    if boolean(value, f"{option} registry.insecure"):
        carrier.tls_verify = False


def _only(name: str) -> Setting:
    """Return what takes a field for which there is one form."""

    def check(_carrier: Carrier, value: str, option: str) -> None:
        if not boolean(value, f"{option} {name}"):
            raise UsageError(f"{option}: {name}=false cannot be had", "OCI's forms are written")

    return check


if TYPE_CHECKING:
    Setting = Callable[[Carrier, str, str], None]
    Keys = dict[str, dict[str, Setting]]

_WRITTEN: dict[str, Setting] = {
    "mode": _mode,
    "compression": _compression,
    "compression-level": _level,
    "ignore-error": _lenient,
    "mounts": _mounts,
    "oci-mediatypes": _only("oci-mediatypes"),
    "image-manifest": _only("image-manifest"),
}
_TO: Keys = {
    "local": {"dest": _directory, "tag": _tag, **_WRITTEN},
    "registry": {"ref": _ref, "registry.insecure": _insecure, **_WRITTEN},
    "inline": {},
}
_FROM: Keys = {
    "local": {"src": _directory, "tag": _tag, "digest": _digest},
    "registry": {"ref": _ref, "registry.insecure": _insecure},
}
