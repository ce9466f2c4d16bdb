"""How a registry is reached for one command: its options, the user's files, the system's."""

from __future__ import annotations

import time

from rootless.oci.distribution import certificates, credentials
from rootless.oci.distribution.registry import Repository
from rootless.oci.errors import HttpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from rootless.oci.errors import Error
    from rootless.oci.reference import Reference

    T = TypeVar("T")


_LONGEST_WAIT = 300.0
"""Seconds of a registry's Retry-After that `--retry` obeys."""


class Retry:
    """`--retry` and `--retry-delay`: how often more a registry out of reach is tried."""

    def __init__(self, times: int = 0, delay: float = 0.0) -> None:
        self.times = times
        self.delay = delay
        """Seconds; 0 for 2, 4, 8, ..."""

    def wait(self, attempt: int, errors: Iterable[Error]) -> None:
        """Wait after an attempt, of which the first has the number 0, for what went wrong in it.

        Longer where all the registries want so, but not without end.
        """
        wanted = [error.after for error in errors if isinstance(error, HttpError)]
        own = self.delay or 2.0 ** (attempt + 1)
        time.sleep(max(own, min(min(wanted, default=0), _LONGEST_WAIT)))

    def run(self, action: Callable[[], T]) -> T:
        """Return what `action` returns, which is done again while a registry gives no answer."""
        for attempt in range(self.times):
            try:
                return action()
            except HttpError as error:
                self.wait(attempt, [error])
        return action()


class Access:
    """The options that commands which speak to registries have in common."""

    def __init__(
        self,
        *,
        tls_verify: bool | None = None,
        creds: str = "",
        authfile: str = "",
        cert_dir: str = "",
        retry: Retry | None = None,
    ) -> None:
        self.tls_verify = tls_verify
        """None for what registries.conf says of the registry, as for podman."""
        self.creds = creds
        """USER[:PASSWORD]; empty for what the files say."""
        self.authfile = authfile
        self.cert_dir = cert_dir
        self.retry = retry or Retry()

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
        known: credentials.Credentials | None
        if self.creds and where.domain == name.domain:
            known, trouble = credentials.parse(self.creds), ""
        else:
            known, trouble = credentials.look_up(where.domain, where.path, self.authfile)
        return Repository(
            name,
            place=where,
            tls_verify=verify,
            credentials=known,
            trouble=trouble,
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
