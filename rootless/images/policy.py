"""`image trust`: what policy.json says, in lines, and a line of it changed."""

from __future__ import annotations

import os

from rootless.errors import UsageError, named
from rootless.oci import jsonio
from rootless.oci.blobs import replace
from rootless.oci.errors import SignatureError
from rootless.oci.signatures import policy, scopes
from rootless.oci.signatures.lookaside import Lookaside, read_bounded
from rootless.oci.signatures.requirements import Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.signatures.requirements import Requirement

    Document = dict[str, Any]

TYPES = {
    "accept": "insecureAcceptAnything",
    "reject": "reject",
    "signedBy": "signedBy",
    "sigstoreSigned": "sigstoreSigned",
}
"""podman's word for a type -> policy.json's."""

_SHOWN = {"insecureAcceptAnything": "accept", "signedBy": "signed"}


class Row:
    """One requirement of one scope."""

    def __init__(
        self, transport: str, name: str, requirement: Requirement, store: str = ""
    ) -> None:
        self.transport = transport
        """`all`, `repository` for registries, or the transport itself."""
        self.name = name
        """The scope; `default` for what no scope decides."""
        self.kind = _SHOWN.get(requirement.kind, requirement.kind)
        """accept, reject, signed or sigstoreSigned."""
        self.ids = _ids(requirement)
        """Whose keys they are, as the keys say themselves; N/A where they say nothing."""
        self.store = store
        """Where the signatures lie, if the settings say so."""


def rows() -> list[Row]:
    """Return what the policy says, the default first. Raises SignatureError."""
    held = policy.load()
    found = [Row("all", "default", one) for one in held.default]
    places = Lookaside()
    for transport, given in held.transports.items():
        docker = transport == "docker"
        shown = "repository" if docker else transport
        for scope in sorted(given):
            store = places.told(scope) if docker else ""
            found += [Row(shown, scope, one, store) for one in given[scope]]
    return found


def raw() -> str:
    """Return the policy's file as it is; "" where there is none. Raises SignatureError."""
    data = read_bounded(scopes.configuration("policy.json"), policy.MAX_FILE)
    return (data or b"").decode("utf-8", "replace")


def trust(scope: str, kind: str, keys: list[str]) -> str:
    """Let `scope`, a registry or repository or `default`, be of type `kind`; return the file.

    It is the user's own policy.json that is written, beginning with what holds now. Raises
    UsageError, SignatureError for a policy that makes no sense.
    """
    if kind not in TYPES:
        raise UsageError(f"unknown type {kind!r}", "one of " + ", ".join(TYPES))
    signed = kind in ("signedBy", "sigstoreSigned")
    if signed != bool(keys):
        wrong = f"type {kind} needs a key" if signed else f"type {kind} has no keys"
        raise UsageError(wrong, f"{named('keys')} FILE names one")
    for path in keys:
        if not os.path.isfile(path):
            raise UsageError(f"the key {path} is not there")
    document: Document = jsonio.loads(raw() or '{"default": [{"type": "insecureAcceptAnything"}]}')
    requirements = [_requirement(kind, os.path.abspath(path)) for path in keys]
    requirements = requirements or [{"type": TYPES[kind]}]
    if scope == "default":
        document["default"] = requirements
    else:
        document.setdefault("transports", {}).setdefault("docker", {})[scope] = requirements
    target = scopes.own("policy.json")
    try:
        policy.Policy(document, target)  # nothing is written that would let nothing in
    except ValueError as error:
        raise SignatureError(f"cannot write {target}: {error}") from error
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        replace(target, jsonio.dumps(document, indent=4).encode() + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    return target


def _requirement(kind: str, path: str) -> Document:
    if kind == "signedBy":
        return {"type": kind, "keyType": "GPGKeys", "keyPath": path}
    return {"type": kind, "keyPath": path}


def _ids(requirement: Requirement) -> str:
    """The addresses of the keys' owners, in podman's form."""
    if not isinstance(requirement, Signed):
        return ""
    if requirement.kind != "signedBy":
        return "N/A"
    from rootless.oci.signatures.openpgp import KeyRing

    ring = KeyRing()
    try:
        for _, data in requirement.key_datas():
            ring.add(data)
    except SignatureError:
        return "N/A"  # a pull tells what is wrong
    owners = (user.rpartition("<")[2].rstrip(">") for user in ring.users)
    return ", ".join(dict.fromkeys(owners)) or "N/A"
