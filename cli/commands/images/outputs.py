"""Where `build` puts what it has made: --output, --load, --push, and what is told of it."""

from __future__ import annotations

import os

from rootless.build.output.wishes import KINDS, Output
from rootless.cli import reach
from rootless.cli.commands.images import attesting
from rootless.cli.dialects import choice
from rootless.errors import UsageError
from rootless.values import boolean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.request import BuildRequest
    from rootless.cli.options.buildflags import Flags
    from rootless.engine import Engine

_COMPRESSIONS = ("", "uncompressed", "gzip", "zstd")
_IDLE = ("force-compression", "rewrite-timestamp", "unpack", "buildinfo", "name-canonical")
"""What is so anyway, or is about how BuildKit keeps images."""


def fill(request: BuildRequest, asked: Flags) -> None:
    """Put in where it goes. Raises UsageError."""
    attesting.fill(request, asked)
    for text in asked.get("output") or ():
        request.outputs.append(_output(request, text))
    if asked.get("load"):
        request.outputs.append(Output("image"))
    if asked.get("push"):
        request.outputs.append(pushed := Output("registry"))
        pushed.push = True
    for output in request.outputs:
        if output.kind == "docker" and output.place and request.attesting:
            raise UsageError(
                f"docker's archive {output.place} can hold no attestations",
                "type=oci,dest=FILE holds them",
            )
        if output.push and not request.tags:
            raise UsageError(
                "--push: a name is needed to push to a registry", "give one with --tag"
            )
    if len([output for output in request.outputs if output.place == "-"]) > 1:
        raise UsageError("several outputs cannot all be standard output", "dest=FILE")


def _output(request: BuildRequest, text: str) -> Output:
    """Parse `type=KIND,dest=PLACE,...`, a directory, or - for a tar."""
    if "=" not in text:
        return Output("tar", "-") if text == "-" else Output("local", os.path.abspath(text))
    fields = dict(_pairs(text))
    kind, place = fields.pop("type", ""), fields.pop("dest", "")
    if kind not in KINDS:
        raise UsageError(f"--output {text}: unknown type {kind!r}", f"one of {', '.join(KINDS)}")
    output = Output(kind, place if place in ("", "-") else os.path.abspath(place))
    output.push = kind == "registry"
    if kind in ("local", "tar", "oci") and not place:
        raise UsageError(f"--output {text}: it has no dest", f"type={kind},dest=PATH")
    if kind == "local" and place == "-":
        raise UsageError(f"--output {text}: a directory is no standard output", "type=tar,dest=-")
    if kind in ("image", "registry") and place:
        raise UsageError(f"--output {text}: {kind} has no dest", "name=NAME")
    for key, value in fields.items():
        _set(request, output, key, value, text)
    return output


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return the fields of a line of CSV: a quoted field may have commas in it."""
    import csv

    found = []
    for field in next(csv.reader([text]), []):
        key, equals, value = field.partition("=")
        if not equals:
            raise UsageError(f"--output {text}: {field!r} is no KEY=VALUE")
        found.append((key.strip().lower(), value))
    return found


def _set(request: BuildRequest, output: Output, key: str, value: str, text: str) -> None:
    setting = _KEYS.get(key)
    if key.startswith("annotation."):
        request.shape.annotations[key.partition(".")[2]] = value
    elif key in _IDLE:
        return
    elif key == "attestation-prefix" and output.is_files:
        if "/" in value:
            raise UsageError(f"--output {text}: attestation-prefix is no path", "leave the / out")
        output.prefix = value
    elif setting is None or output.is_files:
        known = ", ".join(("type", "dest", *_KEYS, "annotation.KEY"))
        raise UsageError(f"--output {text}: unknown field {key!r}", f"known: {known}")
    else:
        setting(request, output, value)


def _name(request: BuildRequest, _output: Output, value: str) -> None:
    request.tags += [choice.current().given(name) for name in value.split(",")]


def _push(_request: BuildRequest, output: Output, value: str) -> None:
    output.push = boolean(value, "--output push")


def _tar(_request: BuildRequest, output: Output, value: str) -> None:
    output.unpacked = not boolean(value, "--output tar")
    if output.unpacked and output.kind != "oci":
        raise UsageError("--output: tar=false is for type=oci", "type=oci,tar=false,dest=DIR")


def _compression(_request: BuildRequest, output: Output, value: str) -> None:
    if value not in _COMPRESSIONS:
        known = "uncompressed, gzip or zstd"
        raise UsageError(f"--output: unknown compression {value!r}", known)
    output.compression = value


def _level(_request: BuildRequest, output: Output, value: str) -> None:
    if not value.isascii() or not value.isdecimal():
        raise UsageError(f"--output: compression-level {value!r} is no number")
    output.level = int(value[:4])


def _media_types(request: BuildRequest, output: Output, value: str) -> None:
    output.docker = request.docker = not boolean(value, "--output oci-mediatypes")


_KEYS: dict[str, Callable[[BuildRequest, Output, str], None]] = {
    "name": _name,
    "push": _push,
    "tar": _tar,
    "compression": _compression,
    "compression-level": _level,
    "oci-mediatypes": _media_types,
}


def tell(engine: Engine, request: BuildRequest, image: str, path: str) -> None:
    """Write what came of a build into a file of JSON, in BuildKit's words. Raises UsageError."""
    from rootless.oci import jsonio, reference

    found: dict[str, object] = {}
    for platform, said in request.provenance.items():
        where = f"/{platform}" if request.platforms[1:] else ""
        found[f"buildx.build.provenance{where}"] = said
    found["buildx.build.ref"] = f"default/default/{request.attesting.number}"
    if image:
        one = engine.images.get(f"sha256:{image}")
        names = [reference.name_to_give(tag) for tag in request.tags]
        whole = one.whole
        digest = next(iter(request.pushed.values()), str(whole["digest"]))
        found["containerimage.config.digest"] = f"sha256:{image}"
        found["containerimage.digest"] = digest
        if digest == whole["digest"]:
            found["containerimage.descriptor"] = {
                "mediaType": whole.get("mediaType") or one.manifest.get("mediaType"),
                "digest": digest,
                "size": os.path.getsize(one.layout.blob_path(digest)),
            }
        if names:
            found["image.name"] = ",".join(names)
    reach.write_file(path, jsonio.dump_bytes(found) + b"\n")
