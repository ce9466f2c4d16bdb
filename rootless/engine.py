"""The engine as a library: `Engine().containers`, `.images`, `.volumes`."""

from __future__ import annotations

from rootless import trace
from rootless.errors import NotFound, UsageError
from rootless.store.paths import Paths
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.artifacts.collection import Artifacts
    from rootless.build.request import BuildRequest
    from rootless.build.watching import Watcher
    from rootless.containers.collection import Containers
    from rootless.containers.container import Container
    from rootless.containers.request import Request
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.images.lists.collection import Manifests
    from rootless.images.transfer.access import Access
    from rootless.networks.collection import Networks
    from rootless.teller import Teller
    from rootless.volumes.collection import Volumes
    from rootless.volumes.mounts import Volume


class Engine:
    """One user's containers, images and volumes under one data directory.

    `root` is that directory; by default ROOTLESS_ROOT, else $XDG_DATA_HOME/rootless.
    Construction touches nothing on disk.
    """

    def __init__(self, root: str = "") -> None:
        self.paths = Paths(root)
        self.access: Access | Callable[[], Access] | None = None
        """How registries are spoken with where `create` pulls an image; None for as they want.

        A function is called only then.
        """
        self.holding = False
        """Whether a container that `create` makes stays locked for this process, which is about to
        start it. Else a prune could take it for one that nobody needs.
        """
        self.by_last_part: Callable[[], bool] | None = None
        """Whether a short name may mean an image whose longer name ends so, as for podman.

        Asked only where nothing else fits; None is no.
        """

    @property
    def containers(self) -> Containers:
        """The containers of this store."""
        from rootless.containers.collection import Containers

        return Containers(self.paths)

    @property
    def images(self) -> Images:
        """The images of this store."""
        from rootless.images.collection import Images

        return Images(self.paths, by_last_part=self.by_last_part)

    @property
    def manifests(self) -> Manifests:
        """The manifest lists of this store."""
        from rootless.images.lists.collection import Manifests

        return Manifests(self.paths, self.images)

    @property
    def volumes(self) -> Volumes:
        """The volumes of this store."""
        from rootless.volumes.collection import Volumes

        return Volumes(self.paths)

    @property
    def networks(self) -> Networks:
        """The networks with names of this store."""
        from rootless.networks.collection import Networks

        return Networks(self.paths)

    @property
    def artifacts(self) -> Artifacts:
        """The artifacts of this store: files of registries."""
        from rootless.artifacts.collection import Artifacts

        return Artifacts(self.paths, self.images)

    def create(
        self,
        request: Request,
        *,
        pull: str = "missing",
        platform: str = "",
        replace: bool = False,
        parsed: bool = False,
        teller: Teller = QUIET,
    ) -> Container:
        """Make a container; its image is looked for, and pulled as the policy `pull` says.

        `parsed` is for who has the request from `containers.words`: its values are not looked at
        again. Raises UsageError for one that cannot be, before anything has happened, and what
        `Images.resolve` and `Containers.create` raise.
        """
        from rootless.containers.collection import ImageGone

        containers, images = self.containers, self.images
        containers.holding = self.holding
        containers.check(request, parsed=parsed)
        while True:
            image = None
            if request["rootfs"] is None:
                image = images.resolve(
                    request["image"],
                    pull=pull,
                    platform=platform,
                    access=self.access,
                    teller=teller,
                )
                if not platform and image.foreign:
                    teller.note(image.foreign)
                trace.mark("image found")
            files = self._files(request["mounts"], image, platform)
            try:
                return containers.create(
                    request, image, replace=replace, parsed=True, files=files, teller=teller
                )
            except ImageGone:
                continue  # it may be another image that is meant now, or one to be pulled

    def build(self, request: BuildRequest, watcher: Watcher | None = None) -> str:
        """Build an image; return its id, or "" where files alone are wanted (`request.outputs`).

        For several platforms it is that of a list. What was pushed is in `request.pushed`. Raises
        DockerfileError, and what its steps raise.

        This process must not have threads.
        """
        request.check()
        if request.every_platform:
            from rootless.build.course.offered import offered

            request.platforms = offered(self.images, request, self.access)
            request.platform = request.platforms[0]
        if request.manifest or len(request.platforms) > 1:
            from rootless.build import several

            return several.build(self.images, request, watcher, self.access)
        from rootless.build.builder import Builder

        return Builder(self.images, request, watcher, self.access).run()

    def clone(
        self, one: Container, name: str = "", image: str = "", *, replace: bool = False
    ) -> Container:
        """Make a container as `one` was asked for, of its image or of another that is here.

        Without a name it is called after the first. With `replace` the first goes, once the other
        is there. Raises what `Containers.create` raises, NotFound for an image or an artifact that
        is gone.
        """
        from rootless.containers.creation import cloning

        containers = self.containers
        request = cloning.wanted(containers, one, name, image)
        found = cloning.image_of(self.images, one, image)
        files = self._files(request["mounts"], found)
        same = replace and request["name"] == one.name
        made = containers.create(request, found, replace=same, files=files)
        if replace and not same:
            one.remove(force=True)
        return made

    def _files(self, mounts: list[Volume], image: Image | None, platform: str = "") -> list[Volume]:
        """Return images with their layers, and binds of artifacts' files.

        Raises NotFound, UsageError.
        """
        found = [self._shown(item, platform) for item in mounts if item["type"] == "image"]
        if not any(item["type"] == "artifact" for item in mounts):
            return found
        import stat

        from rootless.artifacts.showing import places
        from rootless.containers.request import bind
        from rootless.images.trees.places import mode

        trees = image.lowers()[::-1] if image and not image.host else []
        for number, item in enumerate(mounts):
            if item["type"] != "artifact":
                continue
            target = item["destination"]
            there = mode(trees, target)
            onto = bool(there) and not stat.S_ISDIR(there)
            wish = dict(word.split("=", 1) for word in item["options"])
            try:
                shown = places(self.artifacts.get(item["source"]), target, wish, onto=onto)
            except UsageError as error:
                error.field = f"mounts.{number}"
                raise
            found += [bind(path, where, rw=False) for path, where in shown]
        return found

    def _shown(self, item: Volume, platform: str) -> Volume:
        """Return the mount of an image with what there is to mount. Raises NotFound, UsageError."""
        image = self.images.look(item["source"]).member(platform)
        if image.host:
            raise UsageError(
                f"cannot mount the image {item['source']}: it is this machine itself",
                "mount the directory, such as /usr, by a bind",
            )
        if image.origin:
            raise NotFound(
                f"the image that {item['source']} means is not here",
                f"rootless pull {image.origin}",
            )
        return {**item, "image": {"id": image.id, "layers": image.lowers()}}
