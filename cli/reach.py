"""What commands that fetch, send or look at images elsewhere have in common.

Who we are to a registry and how long we try (the options `Reach` and `Patience` of
`options.registries`), which platform is meant, and the digest that is told.
"""

from __future__ import annotations

import errno
import os

from rootless.cli import output
from rootless.errors import UsageError
from rootless.values import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.cli.options.registries import Patience, Reach
    from rootless.cli.options.transfer import OfPlatform
    from rootless.defaults.settings import Settings
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access, Retry
    from rootless.images.transfer.wish import Wish


def access_of(asked: Reach, patience: Patience | None = None) -> Access:
    """Return how a registry is spoken with: who we are to it, and how long it is tried.

    Raises UsageError.
    """
    from rootless.images.transfer.access import Access

    _prepare()
    return Access(
        tls_verify=asked.get("tls_verify"),
        creds=asked.get("creds", ""),
        authfile=asked.get("authfile", ""),
        cert_dir=asked.get("cert_dir", ""),
        retry=retry_of(patience or {}),
    )


def _prepare() -> None:
    """Do as containers.conf wants it for all that speaks with registries. Raises UsageError."""
    from rootless.defaults.settings import load

    conf = load()
    if conf is None:
        return
    conf.export(os.environ)
    most = conf.get("engine", "image_parallel_copies")
    if most and most < 0:
        raise conf.refused("engine", "image_parallel_copies", "a number from 1 on")
    if most:
        from rootless.images.transfer.parallel import let_be_parallel

        let_be_parallel(most)


def retry_of(asked: Patience) -> Retry:
    """Return what --retry and --retry-delay ask for, else containers.conf. Raises UsageError."""
    from rootless import times
    from rootless.defaults.settings import load
    from rootless.images.transfer.access import Retry

    conf = load()
    names = {}
    values: dict[str, Any] = {"retry": 0, "retry_delay": ""}
    for key in values:
        if key in asked:
            values[key], names[key] = asked.get(key), "--" + key.replace("_", "-")
        elif conf is not None and conf.get("engine", key):
            values[key], names[key] = conf.get("engine", key), conf.source("engine", key)
    retry, delay = values["retry"], values["retry_delay"]
    seconds = times.span(delay) if delay else 0.0
    if retry < 0 or seconds is None:
        key = "retry" if retry < 0 else "retry_delay"
        example = "such as --retry 3 --retry-delay 5s"
        raise UsageError(f"{names[key]} {values[key]} makes no sense", example)
    return Retry(retry, seconds)


def wish_of(form: str, compression: str, level: int) -> Wish:
    """Return how an image is to be pushed; what is not asked for says containers.conf.

    Raises UsageError.
    """
    from rootless.defaults.settings import load
    from rootless.images.transfer.wish import Wish

    conf = load()
    if conf is None:
        return Wish(form, compression, level)
    asked = (form, compression, level)
    form = form or conf.get("engine", "image_default_format") or ""
    if not compression and form not in ("v2s2", "docker"):  # docker's format has its own
        # zstd:chunked is zstd with a table at its end, for those who fetch parts of layers.
        compression = (conf.get("engine", "compression_format") or "").partition(":")[0]
        level = level or _level(conf)
    try:
        return Wish(form, compression, level)
    except UsageError as error:
        if asked == (form, compression, level):
            raise
        message, hint = error.marked
        raise UsageError(message, f"{hint}; see [engine] in {' and '.join(conf.files)}") from error


def _level(conf: Settings) -> int:
    """Return [engine] compression_level, which podman's manual writes as a text."""
    text = str(conf.get("engine", "compression_level") or 0)
    if not is_number(text):
        raise conf.refused("engine", "compression_level", "a number")
    return int(text)


def platform_of(asked: OfPlatform) -> str:
    """Return what --platform, or its three parts, ask for. Raises UsageError for both."""
    platform = asked.get("platform", "")
    os, arch, variant = asked.get("os", ""), asked.get("arch", ""), asked.get("variant", "")
    if not (arch or os or variant):
        return platform
    if platform:
        raise UsageError("--platform goes with neither --arch nor --os nor --variant")
    from rootless.oci.platform import host

    parts = (os or "linux", arch or host().architecture, variant)
    return "/".join(part for part in parts if part)


def here_for(store: Images, name: str, platform: str) -> str:
    """Return what the image here for a platform goes by: its id where the name means another.

    Raises NotFound where it is for another platform, or not here.
    """
    image = store.resolve(name, platform=platform, pull="never")
    return name if image.id == store.get(name).member().id else image.id


def refuse_encrypted(keys: list[str] | None) -> None:
    """Raise UsageError where an image is to be decrypted."""
    if keys:
        raise UsageError(
            "--decryption-key: encrypted images are not supported", "skopeo copy decrypts them"
        )


def change_of(lines: list[str] | None) -> Callable[[dict[str, Any]], None] | None:
    """Return what --change does to an image's settings, None for nothing. Raises UsageError."""
    if not lines:
        return None
    from rootless.build.changing import changed_by

    return changed_by(lines)


def tell_digest(digest: str, file: str, *, quiet: bool) -> None:
    """Say the digest of what was copied, also to a file if one is named. Raises UsageError."""
    if file:
        write_digest(file, digest)
    if not quiet:
        output.say(digest)


def write_digest(path: str, digest: str) -> None:
    """Write the digest of a manifest to a file. Raises UsageError where that cannot be done."""
    write_file(path, digest.encode())


def write_file(path: str, data: bytes) -> None:
    """Write what somebody waits for to a file, whole or not at all. Raises UsageError."""
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and os.path.isfile(path):
            os.unlink(path)  # a half of it would be taken for the whole
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
