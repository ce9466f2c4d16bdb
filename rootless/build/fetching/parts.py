"""What an ADD takes from elsewhere. `identify` and `bring` are generators, which yield the work of
children: first what tells whether the cache has it, and only then the rest."""

from __future__ import annotations

import abc

from rootless.build.attesting.materials import Material
from rootless.build.cache.results import key_of
from rootless.build.fetching import remotes, urls
from rootless.build.files.gathering import Wanted
from rootless.build.files.origins import Origin
from rootless.build.steps.copy import Part as Taken
from rootless.oci.distribution.http import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from rootless.build.fetching.git import Repository
    from rootless.build.scratch import Scratch

    Way = Generator[Any, Any, None]
    Asked = Callable[..., Any]


class Part(Taken, abc.ABC):
    """Something that is not here yet."""

    def let_in(self, secrets: Mapping[str, bytes]) -> None:
        """Take from a build's secrets what a server wants. Raises UsageError."""

    @abc.abstractmethod
    def identify(self, scratch: Scratch, work: Asked) -> Way:
        """Find out the digest, by as little as does. `work(function, *arguments)` asks a child."""

    @property
    @abc.abstractmethod
    def material(self) -> Material:
        """What it is, once it is identified."""

    @abc.abstractmethod
    def bring(self, scratch: Scratch, work: Asked) -> Way:
        """Have it here."""


class File(Part):
    """A file of the web."""

    def __init__(self, url: str, checksum: str, *, unpack: bool) -> None:
        """Raises UsageError for a checksum that is none."""
        self._url = url
        self._checksum = checksum
        self._content = ""
        self._name = urls.name_of(url)
        super().__init__(Origin(), Wanted([self._name], literal=True))
        self.unpack = unpack
        if checksum:
            self._identified(urls.check_form(checksum))

    def _identified(self, content: str) -> None:
        self._content = content
        self.digest = key_of("file", self._name, content)

    @property
    def material(self) -> Material:
        """See Part.material."""
        return Material(shown(self._url), "sha256", self._content)

    def identify(self, scratch: Scratch, work: Asked) -> Way:
        """See Part.identify: a checksum says enough."""
        if not self.digest:
            yield from self.bring(scratch, work)

    def bring(self, scratch: Scratch, work: Asked) -> Way:
        """See Part.bring."""
        if not self.origin.top:
            directory = scratch.new()
            checksum = self._checksum
            self._identified((yield work(remotes.fetch_file, self._url, directory, checksum)))
            self.origin.top = directory


class Checkout(Part):
    """A git repository."""

    def __init__(self, repository: Repository, excluded: Iterable[str]) -> None:
        self._repository = repository
        self._commit = ""
        super().__init__(Origin(), Wanted(["/"], excluded=excluded))

    def _identified(self, commit: str) -> None:
        one = self._repository
        self._commit = commit
        self.digest = key_of("git", commit, one.directory, one.keep, self.wanted.excluded)

    def let_in(self, secrets: Mapping[str, bytes]) -> None:
        """See Part.let_in."""
        self._repository.let_in(secrets)

    @property
    def material(self) -> Material:
        """See Part.material."""
        return self._repository.material(self._commit)

    def identify(self, scratch: Scratch, work: Asked) -> Way:
        """See Part.identify: the commit says enough."""
        commit = yield work(remotes.commit_of, self._repository)
        if commit:
            self._identified(commit)
        else:
            yield from self.bring(scratch, work)

    def bring(self, scratch: Scratch, work: Asked) -> Way:
        """See Part.bring."""
        if not self.origin.top:
            how = (self._repository, self._commit, scratch.new())
            commit, top = yield work(remotes.check_out, *how)
            self._identified(commit)
            self.origin.top = top
