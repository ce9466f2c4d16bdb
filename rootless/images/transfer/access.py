"""How a registry is reached for one command: its options, the user's files, the system's."""

from __future__ import annotations

from rootless.oci.distribution import certificates, credentials
from rootless.oci.distribution.registry import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.reference import Reference


class Access:
    """The options that commands which speak to registries have in common."""

    def __init__(
        self,
        *,
        tls_verify: bool | None = None,
        creds: str = "",
        authfile: str = "",
        cert_dir: str = "",
    ) -> None:
        self.tls_verify = tls_verify
        """None for what registries.conf says of the registry, as for podman."""
        self.creds = creds
        """USER[:PASSWORD]; empty for what the files say."""
        self.authfile = authfile
        self.cert_dir = cert_dir

    def repository(
        self, name: Reference, place: Reference | None = None, *, insecure: bool | None = None
    ) -> Repository:
        """Return the repository of `name`, at a mirror if there is a `place`.

        Raises RegistryError for files that are damaged.
        """
        verify = self.tls_verify
        if verify is None and insecure is not None:
            verify = not insecure
        # Who we are is a matter of where we ask: a mirror never sees the registry's password.
        where = place or name
        if self.creds and where.domain == name.domain:
            known: credentials.Credentials | None = credentials.parse(self.creds)
        else:
            known = credentials.find(where.domain, where.path, self.authfile)
        return Repository(
            name,
            place=where,
            tls_verify=verify,
            credentials=known,
            certificates=certificates.find(where.domain, self.cert_dir),
        )

    def registry(self, name: Reference) -> Repository:
        """Return what `login` speaks with: that registry itself, wherever its images are.

        Raises SettingsError.
        """
        from rootless.oci.distribution.registries_files import has_registries

        if not has_registries():
            return self.repository(name)
        from rootless.oci.distribution.registries import Registries

        return self.repository(name, insecure=Registries.load().is_insecure(name))

    def destination(self, name: Reference) -> Repository:
        """Return the repository that a push to `name` goes to, as registries.conf has it.

        Raises RegistryError where it is blocked, and SettingsError.
        """
        from rootless.oci.distribution.registries_files import has_registries

        if not has_registries():
            return self.repository(name)
        from rootless.oci.distribution.registries import Registries

        endpoint = Registries.load().destination(name)
        return self.repository(name, endpoint.name, insecure=endpoint.insecure)
