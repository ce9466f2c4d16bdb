"""`search`: images of registries by a word, through docker's index or the list of repositories.

docker.io and few others    GET /v1/search: by relevance, with descriptions and stars
the rest                    GET /v2/_catalog: names that contain the word
"""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.images.transfer.sources import Sources
from rootless.oci import models, reference
from rootless.oci.distribution.registries import Registries
from rootless.oci.errors import ImageError, RegistryError, one_line
from rootless.oci.reference import DEFAULT_DOMAIN, OFFICIAL, Reference
from rootless.oci.structures import Structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.images.transfer.access import Access
    from rootless.oci.distribution.registry import Repository

LIMIT = 25
"""Results of each registry, as for docker and podman."""

_LONGEST_NAME = 255


class Found(Structure):
    """A repository that was found."""

    name: str
    description: str | None = ""
    star_count: int = 0
    is_official: bool = False
    is_automated: bool = False
    index: str = ""
    """The registry."""


class _Answer(Structure):
    results: list[Found] | None = None


def search(
    term: str, access: Access, limit: int = LIMIT, filters: list[str] | None = None
) -> list[Found]:
    """Return what fits `term`, which may begin with a registry, and the `filters` KEY=VALUE.

    Without a registry all of registries.conf's are searched; the first error is raised only if
    none answers. Raises UsageError, RegistryError, SettingsError.
    """
    wanted = [_filter(one) for one in filters or []]
    registries = Registries.load()
    first, _, rest = term.partition("/")
    if reference.is_short(term):
        places, word = registries.search or [DEFAULT_DOMAIN], term
    else:
        places, word = [first], rest
    found: list[Found] = []
    errors: list[RegistryError] = []
    for place in places:
        try:
            repository = _registry(registries, place, access)
            found += _search(repository, word, limit)[:limit]
        except RegistryError as error:
            errors.append(error)
    if len(errors) == len(places):
        raise errors[0]
    return [one for one in found if all(fits(one) for fits in wanted)]


def tags(name: str, access: Access, limit: int = LIMIT) -> tuple[str, list[str]]:
    """Return the name of a repository and its first tags. Raises UsageError, RegistryError."""
    parsed = reference.parse(name)
    if parsed.tag or parsed.digest:
        raise UsageError(f"{name} names one image, and its tags are asked for", "leave its tag out")

    def listed(repository: Repository) -> list[str]:
        pages = filter(reference.is_tag, repository.tags())
        return [tag for _, tag in zip(range(limit), pages, strict=False)]

    found, some = Sources(name, access).first(listed)
    return found.familiar_name, some


def _registry(registries: Registries, place: str, access: Access) -> Repository:
    """Return a way to speak with a registry as a whole. Raises RegistryError for a blocked one."""
    domain, _, path = place.partition("/")
    if not reference.is_domain(domain):
        raise UsageError(f"{domain!r} is no registry")
    name = Reference(domain, path)
    own = registries.whole(name)
    return access.repository(name, own.name, insecure=own.insecure)


def _search(repository: Repository, word: str, limit: int) -> list[Found]:
    if word:
        try:
            data = repository.search(word, limit)
            answer = models.decode(data, _Answer, "the answer to a search")
            return [_named(one, repository) for one in answer.results or []]
        except (RegistryError, ImageError) as error:
            if repository.name.domain == DEFAULT_DOMAIN:  # which lists nothing
                if isinstance(error, RegistryError):
                    raise
                raise RegistryError(error.message, error.hint) from error
    found: list[Found] = []
    for name in repository.catalogue():
        if word in name and len(name) <= _LONGEST_NAME:
            found.append(_named(Found(name), repository))
            if len(found) == limit:
                break
    return found


def _named(found: Found, repository: Repository) -> Found:
    """Return what was found under the name by which it is pulled, printable."""
    domain = repository.name.domain
    found.index = domain
    name = one_line(found.name)
    if domain == DEFAULT_DOMAIN:
        found.name = name.removeprefix(f"{domain}/").removeprefix(OFFICIAL)
    else:
        found.name = name if name.startswith(f"{domain}/") else f"{domain}/{name}"
    found.description = " ".join(one_line(found.description or "").split())
    return found


def _filter(text: str) -> Callable[[Found], bool]:
    """Return what a filter wants. Raises UsageError."""
    key, _, value = text.partition("=")
    flags: dict[str, Any] = {"true": True, "1": True, "": True, "false": False, "0": False}
    if key == "stars" and value.isascii() and value.isdecimal():
        return lambda found: found.star_count >= int(value)
    if key in ("is-official", "is-automated") and value in flags:
        field = key.replace("-", "_")
        return lambda found: getattr(found, field) is flags[value]
    if key in ("stars", "is-official", "is-automated"):
        raise UsageError(
            f"invalid filter {text!r}", "stars=3, is-official=true, is-automated=false"
        )
    raise UsageError(f"unknown filter {key!r}", "stars, is-official, is-automated")
