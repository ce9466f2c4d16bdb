"""The package databases of an image that are text -> packages: dpkg's, apk's, and Python's files.

All of it is a stranger's: what is no package is left out, and nothing is believed to be short.
"""

from __future__ import annotations

import re

from rootless.build.attesting.packages import Package, is_plausible, purl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.build.attesting.packages import System

_LONGEST_LINE = 64 << 10
_MOST_FIELDS = 400
"""Of one paragraph."""

_MOST_LICENSES = 100
"""Of one package."""

_LICENSED = re.compile(r"^License:[ \t]*(\S[^\n]{0,300})$", re.MULTILINE | re.IGNORECASE)


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of dpkg's form: keys in small letters, first lines alone."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            if found:
                yield found
            found = {}
        elif line[0] not in " \t" and len(line) <= _LONGEST_LINE and len(found) < _MOST_FIELDS:
            key, colon, value = line.partition(":")
            if colon:
                found.setdefault(key.lower(), value.strip())
    if found:
        yield found


def dpkg(text: str, place: str, system: System) -> Iterator[Package]:
    """Yield the packages of /var/lib/dpkg/status that are installed."""
    for one in paragraphs(text):
        name, version = one.get("package", ""), one.get("version", "")
        status = one.get("status", "install ok installed").split()
        if not version or not is_plausible(name, version) or status[-1:] != ["installed"]:
            continue
        package = Package("deb", name, version, place)
        source, _, other = one.get("source", "").partition(" ")
        other = other.strip("() ")
        upstream = f"{source}@{other}" if source and other else source
        more = {"arch": one.get("architecture", ""), "distro": system.distro}
        package.purl = purl(
            "deb", system.id or "debian", name, version, {**more, "upstream": upstream}
        )
        package.supplier = one.get("maintainer", "")
        yield package


def copyright_of(text: str) -> list[str]:
    """Return the licenses that a Debian copyright file names, where it has Debian's form."""
    if not text.startswith("Format"):
        return []
    names = dict.fromkeys(match.group(1).strip() for match in _LICENSED.finditer(text))
    return [*names][:_MOST_LICENSES]


def apk(text: str, place: str, system: System) -> Iterator[Package]:
    """Yield the packages of apk's database of installed ones, whose keys are single letters."""
    for lines in text.split("\n\n"):
        one: dict[str, str] = {}
        for line in lines.split("\n"):
            if line[1:2] == ":" and len(line) <= _LONGEST_LINE and len(one) < _MOST_FIELDS:
                one.setdefault(line[0], line[2:].strip())
        name, version = one.get("P", ""), one.get("V", "")
        if not version or not is_plausible(name, version):
            continue
        package = Package("apk", name, version, place)
        origin = one.get("o", "")
        more = {"arch": one.get("A", ""), "distro": system.distro}
        more["upstream"] = origin if origin != name else ""
        package.purl = purl("apk", system.id or "alpine", name, version, more)
        package.licenses = [one["L"]] if one.get("L") else []
        package.supplier = one.get("m", "")
        yield package


def python(text: str, place: str) -> Iterator[Package]:
    """Yield the package of a METADATA or PKG-INFO (core metadata, PEP 566)."""
    one: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if not line.strip():
            break  # what follows is the description
        key, colon, value = line.partition(":")
        if colon and line[0] not in " \t" and len(line) <= _LONGEST_LINE:
            one.setdefault(key.lower(), []).append(value.strip())
    name, version = ([*one.get(key, ()), ""][0] for key in ("name", "version"))
    if not version or not is_plausible(name, version):
        return
    package = Package("pypi", name, version, place)
    plain = re.sub(r"[-_.]+", "-", name).lower()
    package.purl = purl("pypi", "", plain, version, {})
    package.licenses = _python_licenses(one)
    package.supplier = [*one.get("author", ()), *one.get("author-email", ()), ""][0]
    yield package


def _python_licenses(one: dict[str, list[str]]) -> list[str]:
    for key in ("license-expression", "license"):
        for value in one.get(key, ()):
            if value and value.upper() != "UNKNOWN" and len(value) <= 100:
                return [value]
    start = "License :: "
    told = (text for text in one.get("classifier", ()) if text.startswith(start))
    return [text.rpartition(" :: ")[2] for text in told][:_MOST_LICENSES]


def release(text: str) -> dict[str, str]:
    """Return the settings of an os-release file (os-release(5))."""
    found = {}
    for line in text.split("\n")[:200]:
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#") and len(value) <= 200:
            found[key] = value.strip("\"'")
    return found
