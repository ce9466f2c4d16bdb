"""What `build` says of its image: --sbom, --provenance, --attest."""

from __future__ import annotations

import os

from rootless.build.attesting.wishes import MODES, VERSIONS
from rootless.errors import UsageError
from rootless.values import boolean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.attesting.wishes import Attesting
    from rootless.build.request import BuildRequest
    from rootless.cli.options.buildflags import Flags

KINDS = ("sbom", "provenance")

_WORDS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


def fill(request: BuildRequest, asked: Flags) -> None:
    """Put in what is to be said. Raises UsageError."""
    given: dict[str, tuple[str, dict[str, str]]] = {}
    for text in asked.get("attest") or ():
        fields = _pairs("--attest", text)
        kind = fields.pop("type", "")
        if kind not in KINDS:
            hint = f"type={' or type='.join(KINDS)}"
            raise UsageError(f"--attest {text}: unknown type {kind!r}", hint)
        _put(given, kind, f"--attest {text}", fields)
    for kind in KINDS:
        if text := str(asked.get(kind, "")):
            option = f"--{kind} {text}"
            on = _WORDS.get(text.lower())
            fields = _pairs(f"--{kind}", text) if on is None else {"disabled": str(not on).lower()}
            _put(given, kind, option, fields)
    for kind, (option, fields) in given.items():
        if not boolean(fields.pop("disabled", "false"), f"{option}: disabled"):
            (_sbom if kind == "sbom" else _provenance)(request.attesting, option, fields)
    if request.attesting and request.docker:
        option = next(iter(given.values()))[0]
        raise UsageError(f"{option}: docker's format has no attestations", "--format oci")
    if asked.get("metadata_file"):
        told = os.environ.get("BUILDX_METADATA_PROVENANCE", "min").lower()
        request.attesting.told = (
            told if told in MODES else "" if _WORDS.get(told) is not True else "min"
        )


def _put(
    given: dict[str, tuple[str, dict[str, str]]], kind: str, option: str, fields: dict[str, str]
) -> None:
    if kind in given:
        raise UsageError(f"{given[kind][0]} and {option}: {kind} is there twice", "say it once")
    given[kind] = option, fields


def _pairs(option: str, text: str) -> dict[str, str]:
    """Return the fields of a line of CSV. Raises UsageError for what is no pair."""
    import csv

    found = {}
    for field in next(csv.reader([text]), []):
        key, equals, value = field.partition("=")
        if not equals:
            raise UsageError(
                f"{option} {text}: {field!r} is no KEY=VALUE", f"{option}=true, or {option}=false"
            )
        found[key.strip().lower()] = value
    return found


def _sbom(wish: Attesting, option: str, fields: dict[str, str]) -> None:
    for key in fields:
        if key == "generator":
            raise UsageError(
                f"{option}: no generator is run: the packages of dpkg, apk, rpm and Python are "
                "read here, without a container",
                "--sbom=true",
            )
        raise UsageError(f"{option}: unknown field {key!r}", "--sbom=true")
    wish.sbom = True


def _provenance(wish: Attesting, option: str, fields: dict[str, str]) -> None:
    for key, value in fields.items():
        if key == "mode":
            wish.mode = _one_of(option, key, value, MODES)
        elif key == "version":
            wish.version = _one_of(option, key, value, VERSIONS)
        elif key == "builder-id":
            wish.builder = value
        elif key == "reproducible":
            wish.reproducible = boolean(value, f"{option}: reproducible")
        elif key == "inline-only":
            continue  # about builders that keep provenance elsewhere
        else:
            known = "mode, version, builder-id, reproducible"
            raise UsageError(f"{option}: unknown field {key!r}", f"known: {known}")
    wish.provenance = True


def _one_of(option: str, key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{option}: unknown {key} {value!r}", " or ".join(known))
    return value
