"""Certificates for one registry: directories as containers-certs.d(5) and docker have them.

A directory named after the registry, `HOST[:PORT]`, holds authorities (`*.crt`) that it may have
its certificate from, and the client's certificates with their keys (`NAME.cert`, `NAME.key`).
"""

from __future__ import annotations

import os

from rootless.oci.errors import RegistryError
from rootless.oci.signatures.scopes import user_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

PLACES = ("/etc/containers/certs.d", "/etc/docker/certs.d")


class Certificates:
    """What is found in one directory."""

    def __init__(self, host: str, directory: str) -> None:
        """Raises RegistryError where the directory cannot be read, or a certificate has no key."""
        self.host = host
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            raise RegistryError(
                f"cannot read certificates in {directory}: {error.strerror}"
            ) from error
        self.authorities = [f"{directory}/{name}" for name in names if name.endswith(".crt")]
        self.clients: list[tuple[str, str]] = []
        for name in names:
            if name.endswith(".cert"):
                key = f"{directory}/{name[:-5]}.key"
                if not os.path.exists(key):
                    raise RegistryError(f"{directory}/{name} has no key", f"it is to be {key}")
                self.clients.append((f"{directory}/{name}", key))

    def context(self, *, verify: bool) -> ssl.SSLContext:
        """Return what TLS to the registry is set up with. Raises RegistryError."""
        import ssl

        context = system_context(verify=verify)
        try:
            for path in self.authorities:
                context.load_verify_locations(path)
            for path, key in self.clients:
                context.load_cert_chain(path, key)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"cannot use {path}: {error.strerror or error}") from error
        return context


def system_context(*, verify: bool) -> ssl.SSLContext:
    """Return what TLS is set up with where a registry has no certificates of its own here."""
    import ssl

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def find(host: str, directory: str = "") -> Certificates | None:
    """Return the certificates for a registry: of `directory` if given, else of the usual places.

    Raises RegistryError where they cannot be read.
    """
    if directory:
        return Certificates(host, directory)
    base = user_directory()
    for place in (f"{base}/containers/certs.d", f"{base}/docker/certs.d", *PLACES):
        if os.path.isdir(f"{place}/{host}"):
            return Certificates(host, f"{place}/{host}")
    return None
