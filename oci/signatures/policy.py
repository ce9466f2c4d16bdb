"""Which images are let in: containers-policy.json(5).

The user's $XDG_CONFIG_HOME/containers/policy.json, else /etc/containers/policy.json; where there is
neither everything is accepted, as by docker. The narrowest scope that fits decides, and all of its
requirements have to be met. A file that is not understood to its last key lets nothing in.

For an image of several platforms it is the manifest of the chosen one that has to be signed, as for
podman; the name is that which was asked for.
"""

from __future__ import annotations

import os

from rootless.oci.errors import SignatureError
from rootless.oci.signatures import scopes
from rootless.oci.signatures.claims import strict_json
from rootless.oci.signatures.lookaside import read_bounded
from rootless.oci.signatures.requirements import Candidate, requirement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rootless.oci.reference import Reference
    from rootless.oci.signatures.requirements import Requirement
    from rootless.oci.signatures.sigstore import Source

MAX_FILE = 1 << 20


class Policy:
    """A policy that was read. Raises ValueError for a document that makes no sense."""

    def __init__(self, document: object, path: str) -> None:
        self.path = path
        table = _table(document, "the file")
        if unknown := set(table) - {"default", "transports"}:
            raise ValueError(f"unknown key {min(unknown)!r}")
        self.default = _requirements(table.get("default"), "default")
        self.transports = {
            transport: {
                scope: _requirements(found, f"{transport}:{scope}")
                for scope, found in _table(given, transport).items()
            }
            for transport, given in _table(table.get("transports", {}), "transports").items()
        }

    def _for(self, transport: str, names: list[str]) -> list[Requirement]:
        """What is required in the narrowest of the scopes `names`."""
        given = self.transports.get(transport, {})
        for scope in (*names, ""):
            if scope in given:
                return given[scope]
        return self.default

    def check(self, name: Reference, manifest: bytes, fetch: Source) -> None:
        """Let the image of a registry in or raise SignatureError.

        `name` is what was asked for, with tag or digest, `manifest` the bytes of its image
        manifest; `fetch` is the repository, for signatures that are attached to the image.
        """
        candidate = Candidate(name, manifest, fetch)
        self._check(self._for("docker", scopes.scopes_of(name)), candidate, str(name))

    def check_local(self, transport: str, path: str) -> None:
        """Let an archive or directory in or raise SignatureError; "-" is standard input.

        `transport` is oci, oci-archive, docker-archive or dir. No signatures of those are verified.
        """
        known = transport != "docker-archive" and path != "-"  # whose only scope is ""
        names = scopes.scopes_of_path(path) if known else []
        self._check(self._for(transport, names), Candidate(None, b"", None), path)

    def _check(self, required: list[Requirement], candidate: Candidate, name: str) -> None:
        for one in required:
            try:
                one.check(candidate)
            except SignatureError as error:
                raise SignatureError(
                    f"{name} is refused by {self.path}: {one.words}: {error.message}", error.hint
                ) from error


def load() -> Policy:
    """Read the policy that holds for this user. Raises SignatureError."""
    path = scopes.configuration("policy.json")
    data = read_bounded(path, MAX_FILE)
    if data is None:
        if os.path.lexists(path):  # a link to nowhere is no wish that everything goes
            raise SignatureError(f"cannot read {path}: it leads nowhere")
        return Policy({"default": [{"type": "insecureAcceptAnything"}]}, "no policy")
    try:
        return Policy(strict_json(data), path)
    except ValueError as error:
        hint = "man containers-policy.json has the form; nothing is let in until it is mended"
        raise SignatureError(f"cannot read {path}: {error}", hint) from error


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")
    return value


def _requirements(value: object, name: str) -> list[Requirement]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name}: not a list of one requirement or more")
    return [requirement(_table(one, f"a requirement of {name}"), name) for one in value]
