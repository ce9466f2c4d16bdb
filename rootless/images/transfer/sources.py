"""Where an image is pulled from: the names that may be meant, and the places of each, in turn.

    ref ── Registries.candidates ──> names ── Registries.endpoints ──> mirrors, then the registry

A place that fails or lacks the image makes way for the next. What is pulled is always called by its
own name, wherever it came from.
"""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.oci.distribution.registries import Registries
from rootless.oci.distribution.registries_files import has_registries
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import (
    DigestError,
    Error,
    HttpError,
    ImageError,
    RegistryError,
    RegistryNotFound,
    SettingsError,
)
from rootless.oci.reference import Reference, is_short, is_tag, parse
from rootless.oci.transports import has_transport
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from rootless.images.transfer.access import Access
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.transports import Location
    from rootless.teller import Teller

    T = TypeVar("T")


class Sources:
    """The sources of one reference, as written by the user."""

    def __init__(self, ref: str, access: Access, teller: Teller = QUIET) -> None:
        """Raises InvalidReference, SettingsError, UsageError for a name that may mean several."""
        self._ref = ref
        self._access = access
        self._teller = teller
        self._registries = _registries(ref)
        self._chosen = False
        self.names = [_pinned(name) for name in self._meant()]
        """The full names that may be meant, in the order in which they are tried."""

    def _meant(self) -> list[Reference]:
        """Ask which of several names is meant where the mode wants it so (short-name-mode)."""
        names = self._registries.candidates(self._ref)
        if len(names) < 2 or self._registries.mode == "disabled":
            return names
        chosen = self._teller.choose(self._ref, [str(name) for name in names])
        if chosen:
            self._chosen = True
            return [parse(chosen)]
        if self._registries.mode == "permissive":
            return names
        raise UsageError(
            f"{self._ref} may mean " + " or ".join(str(name) for name in names),
            "write one of them, or set an alias: short-name-mode is enforcing",
        )

    def first(self, action: Callable[[Repository], T]) -> tuple[Reference, T]:
        """Return the name of the first source with which `action` succeeds, and what it returns.

        Raises the error of the only source, or a RegistryError that names all; where no source has
        it, a RegistryNotFound.
        """
        for attempt in range(self._access.retry.times + 1):
            failures: list[tuple[str, Error]] = []
            for name, repository in self._repositories(failures):
                try:
                    return name, action(repository)
                except (RegistryError, DigestError, ImageError) as error:
                    failures.append((repository.place.domain, error))
            silent = any(isinstance(error, HttpError) for _, error in failures)
            if not silent or attempt == self._access.retry.times:
                break
            self._access.retry.wait(attempt, [error for _, error in failures])
        if len(failures) == 1:
            raise failures[0][1]
        told = "; ".join(f"{place}: {error.message}" for place, error in failures)
        last = failures[-1][1]
        absent = all(isinstance(error, RegistryNotFound) for _, error in failures)
        kind = RegistryNotFound if absent else RegistryError
        raise kind(f"{self._ref} is to be had nowhere: {told}", last.hint) from last

    def _repositories(
        self, failures: list[tuple[str, Error]]
    ) -> Iterator[tuple[Reference, Repository]]:
        """Yield each name with each of its places; names that are blocked become failures."""
        for name in self.names:
            try:
                endpoints = self._registries.endpoints(name)
            except RegistryError as error:
                failures.append((name.domain, error))
                continue
            for endpoint in endpoints:
                place, insecure = endpoint.name, endpoint.insecure
                yield name, self._access.repository(name, place, insecure=insecure)

    def remember(self, name: Reference) -> None:
        """Keep what the user has chosen, now that it was pulled; warn where that fails."""
        if self._chosen:
            try:
                self._registries.remember(self._ref, name)
            except SettingsError as error:
                self._teller.warning(str(error))


def _registries(ref: str) -> Registries:
    """What the files say, which is not read where it cannot be about a name."""
    if is_short(ref) or has_registries():
        return Registries.load()
    return Registries()


def tagged(ref: str, access: Access, teller: Teller = QUIET) -> list[str]:
    """Return the full names of all tags of a repository; see Images.tags."""
    if has_transport(ref):
        raise UsageError(f"{ref} is in no registry, and all tags are asked for")
    parsed = parse(ref)
    if parsed.tag or parsed.digest:
        raise UsageError(f"{ref} names one image, and all tags are asked for", "leave its tag out")
    sources = Sources(ref, access, teller)
    name, tags = sources.first(lambda repository: sorted(set(repository.tags())))
    wrong = [tag for tag in tags if not is_tag(tag)]
    if wrong or not tags:
        what = f"a tag that is none: {wrong[0][:80]!r}" if wrong else "no tags"
        raise RegistryError(f"{name.domain} lists {what} for {name.familiar_name}")
    return [f"{name.name}:{tag}" for tag in tags]


def _pinned(name: Reference) -> Reference:
    """What is asked of the registry: of name:tag@digest the digest decides, as for docker."""
    return Reference(name.domain, name.path, "", name.digest) if name.digest else name


def registry_source(place: Location, access: Access, teller: Teller = QUIET) -> RegistrySource:
    """Return what a registry, or a mirror of it, has. Raises RegistryError."""
    sources = Sources(str(place), access, teller)
    _, found = sources.first(_with_manifest)
    return found


def _with_manifest(repository: Repository) -> RegistrySource:
    """A repository that has the image: a mirror without it makes way for the next."""
    source = RegistrySource(repository)
    source.manifest()
    return source
