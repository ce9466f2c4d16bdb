"""What a registry answers instead of what was asked: status, code and words.

The codes and the form of the body are those of the OCI distribution-spec 1.1, "Error Codes".
"""

from __future__ import annotations

from rootless.httpd import errors


class Refusal(errors.Refusal):
    """A refusal with a code of the protocol."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code


class Reserved(Refusal):
    """Allowed to those alone who say who they are: a guest may come back with a password."""


def reserved(name: str) -> Refusal:
    """What only the owner may change."""
    why = f"{name} belongs to the owner of this registry: log in with the password that it printed"
    return Reserved(403, "DENIED", f"{why}, or take another name")


def unknown_name(name: str) -> Refusal:
    """There is no such repository."""
    return Refusal(404, "NAME_UNKNOWN", f"there is no repository {name}")


def unknown_manifest(name: str, reference: str) -> Refusal:
    """The repository has no such tag or manifest."""
    return Refusal(404, "MANIFEST_UNKNOWN", f"there is no manifest {reference} in {name}")


def unknown_blob(digest: str) -> Refusal:
    """There is no such blob."""
    return Refusal(404, "BLOB_UNKNOWN", f"there is no blob {digest}")


def invalid_manifest(why: str) -> Refusal:
    """The manifest is not one that is taken."""
    return Refusal(400, "MANIFEST_INVALID", why)


def invalid_digest(why: str) -> Refusal:
    """A digest that is none, or content that is not what its digest says."""
    return Refusal(400, "DIGEST_INVALID", why)


def denied(why: str) -> Refusal:
    """Understood, but not allowed here."""
    return Refusal(403, "DENIED", why)
