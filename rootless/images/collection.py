"""The images of a store: what moves or changes them; each verb imports its module when called."""

from __future__ import annotations

from rootless.errors import NotFound, UsageError, named
from rootless.images.finding import HOST, PULL_POLICIES, Finder, runs
from rootless.images.image import HostImage
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from rootless.images.image import Image
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.pushing import Pushed
    from rootless.images.transfer.wish import CopyWish, Wish
    from rootless.teller import Teller

    # Spelt here because the method `list` hides the type inside the class.
    Names = list[str]

_REMOVED = {"Untagged": "untag", "Deleted": "delete"}


class Images(Finder):
    """The images of one store."""

    def resolve(
        self,
        ref: str,
        *,
        pull: str = "missing",
        platform: str = "",
        access: Access | Callable[[], Access] | None = None,
        teller: Teller = QUIET,
    ) -> Image:
        """Return the image for a new container: `get`, or pulled as the policy `pull` says.

        Raises what `get` and `pull` raise.
        """
        if pull not in PULL_POLICIES:
            raise UsageError(f"unknown pull policy {pull!r}", "one of " + ", ".join(PULL_POLICIES))
        if ref == HOST:
            return HostImage(self._paths)
        image = self._find(ref) if pull in ("missing", "never") else None
        if image is not None:
            image = image.member(platform)
            if image.origin:
                ref, image = image.origin, None
        if image is not None and runs(image, platform):
            return image
        if image is not None and (pull == "never" or ref.startswith("localhost/")):
            raise NotFound(f"the image {ref} here is for {image.platform}, not {platform}")
        if pull == "never" or ref.startswith("localhost/"):
            raise self._nowhere(ref, pull)
        reach = access() if callable(access) else access
        return self.pull(ref, platform=platform, policy=pull, access=reach, teller=teller)

    def _nowhere(self, ref: str, pull: str) -> NotFound:
        """Return the error for an image that no registry has, or none shall be asked for."""
        if pull == "never":
            return NotFound(f"no such image: {ref}")
        if self._find(ref) is not None:
            return NotFound(
                f"no registry has the image {ref}, so it cannot be pulled anew",
                f"{named('pull')} missing takes the one that is here",
            )
        return NotFound(f"no such image: {ref}", "it is to be had from no registry")

    def load(self, source: str = "-", *, platform: str = "", teller: Teller = QUIET) -> Names:
        """Load the images of an archive or OCI directory; "-" is standard input.

        All of them, and of an index that for this machine; or those for a `platform` alone.
        Return their names (an id for one without a name). The layers are unpacked as well.
        Raises ImageError or DigestError for what is damaged or not understood.
        """
        from rootless.images.transfer.loading import load

        names = load(self, source, teller, platform=platform)
        self._tell("load", *names)
        return names

    def save(
        self,
        refs: Iterable[str],
        output: str = "-",
        *,
        format: str = "docker-archive",  # noqa: A002 - the option's name
        compress: bool = False,
        uncompressed: bool = False,
        teller: Teller = QUIET,
    ) -> None:
        """Write images to a file, a directory or standard output ("-").

        Formats: docker-archive, oci-archive, oci-dir, docker-dir, of which the last takes one image
        and may `compress` its layers; OCI's have them as they are, or `uncompressed`. Raises
        NotFound, UsageError, ImageError for a place that
        cannot be written, DigestError for a damaged blob of the store.
        """
        from rootless.images.transfer.saving import COMPRESSED, UNCOMPRESSED, save

        if compress and uncompressed:
            raise UsageError(
                f"{named('compress')} and {named('uncompressed')} contradict each other"
            )
        names = list(refs)
        layers = COMPRESSED if compress else UNCOMPRESSED if uncompressed else ""
        save(self, names, output, format, teller, layers=layers)
        for name in names:
            self._tell("save", name)

    def import_(
        self,
        source: str,
        ref: str = "",
        *,
        change: Callable[[dict[str, Any]], None] | None = None,
        message: str = "",
        platform: str = "",
        teller: Teller = QUIET,
    ) -> Image:
        """Make an image of one layer from the tar of a root file system: file, URL, or "-".

        `change` puts in its settings (`config`); `build.changing` makes one of lines.
        """
        from rootless.images.transfer.importing import Description, import_

        image_id = import_(self.paths, source, ref, Description(change, message, platform), teller)
        self._tell("import", ref or image_id)
        return self.get(image_id)

    def pull(
        self,
        ref: str,
        *,
        platform: str = "",
        policy: str = "always",
        access: Access | None = None,
        teller: Teller = QUIET,
    ) -> Image:
        """Pull an image from its registry or a mirror of it, and unpack it.

        `teller` is asked which registry is meant by a short name that several may have.
        Raises RegistryError, SettingsError for a damaged registries.conf, or what `get` raises.
        """
        from rootless.images.transfer.access import Access
        from rootless.images.transfer.pulling import pull

        image = pull(self, ref, platform, policy, access or Access(), teller)
        self._tell("pull", ref)
        return image

    def push(
        self,
        ref: str,
        target: str = "",
        *,
        access: Access | None = None,
        wish: Wish | None = None,
        teller: Teller = QUIET,
    ) -> Pushed:
        """Push an image to the registry of its name, or to `target`, which may be files.

        By default all stays as it is, but that layers without compression get gzip. Of a manifest
        list the image for this machine goes, or all of it where none is here. Raises
        RegistryError, or what `get` and `copy` raise.
        """
        from rootless.images.transfer.access import Access
        from rootless.images.transfer.pushing import Pushed, push
        from rootless.images.transfer.wish import Wish, whole
        from rootless.oci.transports import has_transport

        how, reach = wish or Wish(), access or Access()
        image = self.look(ref)
        if has_transport(target) and not image.goes_whole:
            source = f"containers-storage:{ref}"
            holds = target.startswith(("oci:", "oci-archive:"))
            one = whole(how, everything=holds and image.attested is not None)
            digest = self.copy(source, target, one, teller=teller)
            return Pushed(target, digest)
        if image.goes_whole:
            from rootless.images.lists import pushing as lists
            from rootless.images.lists.list import ListImage

            assert isinstance(image, ListImage)  # noqa: S101 - only those go whole
            name = lists.target_of(self, ref, target)
            everything = whole(how, everything=True)
            pushed = Pushed(name, lists.push(self, image, name, everything, reach, teller))
        else:
            pushed = push(self, ref, target.removeprefix("docker://"), reach, how, teller)
        self._tell("push", ref)
        return pushed

    def copy(
        self,
        source: str,
        target: str,
        wish: CopyWish | None = None,
        *,
        access: tuple[Access, Access] | None = None,
        teller: Teller = QUIET,
    ) -> str:
        """Copy an image between any two places of `oci.transports`; return its digest there.

        `access` is how the registries of source and target are reached; the target's `retry`
        counts for all of it. Raises what reading and writing such places raise.
        """
        from rootless.images.transfer.access import Access
        from rootless.images.transfer.copying import copy
        from rootless.images.transfer.wish import CopyWish
        from rootless.oci.transports import parse

        both = access or (Access(), Access())
        how = wish or CopyWish()
        digest = copy(self, source, target, how, both, teller)
        for place, action in ((source, "push"), (target, "pull")):
            if parse(place).transport == "containers-storage":
                self._tell(action, parse(place).path)
        return digest

    def tags_here(self, ref: str) -> Names:
        """Return the full names of all tags of the repository `ref` that the store has, in order.

        Raises UsageError for a name with a tag or digest, NotFound for none.
        """
        from rootless.images.transfer.pushing import tags_here

        return tags_here(self, ref)

    def tags(self, ref: str, *, access: Access | None = None, teller: Teller = QUIET) -> Names:
        """Return the full names of all that the repository `ref` has, in order.

        Raises UsageError for a name with a tag or digest, and what `pull` raises.
        """
        from rootless.images.transfer.access import Access
        from rootless.images.transfer.sources import tagged

        return tagged(ref, access or Access(), teller)

    def tag(self, source: str, target: str) -> None:
        """Give the image `source` the further name `target`, taken from whoever had it.

        Raises NotFound, InvalidReference.
        """
        from rootless.images.naming import tag

        tag(self, source, target)
        self._tell("tag", target)

    def untag(self, ref: str, names: Iterable[str] = ()) -> None:
        """Take `names` from the image `ref`, all it has where none is said; the image stays.

        Raises NotFound, also for a name that the image does not have.
        """
        from rootless.images.events import tell_lost
        from rootless.images.naming import untag

        for name in untag(self, ref, list(names)):
            tell_lost(self, "untag", name)

    def remove(self, refs: Iterable[str], *, force: bool = False, prune: bool = True) -> Names:
        """Remove names, and images that lose their last; return docker's lines about it.

        Without `prune` an image asked for by its last name stays, without one.

        Raises NotFound, and Conflict for an image that a container uses or that has several names
        and is removed by id, unless `force`. What was done before the error stays done.
        """
        from rootless.images.removing import remove

        return self._removed(remove(self, list(refs), force, prune=prune))

    def remove_nameless(self, digest: str) -> Names:
        """Remove what has the manifest `digest` and no name, as `remove` does.

        No other entry goes, be it of the same image (another manifest may have its configuration)
        or known by the same digest. Raises NotFound, and Conflict where a container uses it.
        """
        from rootless.images.removing import remove_nameless

        return self._removed(remove_nameless(self, digest))

    def _removed(self, lines: Names) -> Names:
        """Record what the lines of a removal say; return them."""
        from rootless.images.events import tell_lost

        for line in lines:
            word, _, what = line.partition(": ")
            tell_lost(self, _REMOVED[word], what)
        return lines

    def drop_layers(self) -> None:
        """Delete the unpacked layers that only images of shared stores need, and no container."""
        from rootless.images.removing import drop_layers

        drop_layers(self.paths)

    def _tell(self, action: str, *refs: str) -> None:
        """Record what happened to the images that `refs` mean now."""
        from rootless.images.events import tell

        tell(self, action, refs)
