"""Packages as a document of SPDX 2.3. The same packages give the same document."""

from __future__ import annotations

import re
from hashlib import sha256

from rootless.build.attesting.licenses import Licenses
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.attesting.packages import Package, System

    Document = dict[str, Any]

PREDICATE = "https://spdx.dev/Document"
FILE = "sbom.spdx.json"

_DOCUMENT = "SPDXRef-DOCUMENT"
_ROOT = "SPDXRef-DocumentRoot-Image"
_NONE = "NOASSERTION"


def document(name: str, packages: list[Package], system: System, created: str) -> Document:
    """Return the document; `created` is when, as 2026-01-31T12:00:00Z."""
    licenses = Licenses()
    described = [_package(one, licenses) for one in packages]
    root: Document = {
        "name": name,
        "SPDXID": _ROOT,
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
        "primaryPackagePurpose": "CONTAINER",
    }
    if system.id:
        root["comment"] = f"distribution: {system.distro}"
    relations = [_relation(_DOCUMENT, "DESCRIBES", _ROOT)]
    relations += [_relation(_ROOT, "CONTAINS", one["SPDXID"]) for one in described]
    made: Document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "creationInfo": {
            "created": created,
            # Without a release, which would give the same packages another digest.
            "creators": ["Organization: rootless", "Tool: rootless"],
        },
        "packages": [root, *described],
    }
    if licenses.references:
        made["hasExtractedLicensingInfos"] = [
            {"licenseId": key, "extractedText": text, "name": text}
            for key, text in sorted(licenses.references.items())
        ]
    made["relationships"] = relations
    # A name of its own for each content (SPDX 2.3, 6.5), where nobody has to serve anything.
    space = sha256(jsonio.dump_bytes(made)).hexdigest()
    made["documentNamespace"] = f"https://spdx.org/spdxdocs/rootless-{space}"
    return made


def _package(one: Package, licenses: Licenses) -> Document:
    bare = re.sub(r"[^A-Za-z0-9.-]+", "-", one.name)[:60]
    mark = sha256(f"{one.purl}\0{one.place}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    found: Document = {
        "name": one.name,
        "SPDXID": f"SPDXRef-Package-{one.kind}-{bare}-{mark}",
        "versionInfo": one.version,
        "supplier": _NONE,
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "sourceInfo": f"acquired package info from {_shown('/' + one.place)}",
        "licenseConcluded": _NONE,
        "licenseDeclared": licenses.all_of(one.licenses),
        "copyrightText": _NONE,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": one.purl,
            }
        ],
    }
    if supplier := " ".join(_shown(one.supplier).split())[:200]:
        found["supplier"] = f"Organization: {supplier}"
    return found


def _shown(text: str) -> str:
    """A stranger's text without what could not be UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _relation(one: str, kind: str, other: str) -> Document:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
