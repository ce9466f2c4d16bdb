"""The engine as a library: `Engine().containers`, `Engine().images`."""

from __future__ import annotations

from rootless import trace
from rootless.store.paths import Paths
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.artifacts.collection import Artifacts
    from rootless.containers.collection import Containers
    from rootless.containers.container import Container
    from rootless.containers.request import Request
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.images.lists.collection import Manifests
    from rootless.teller import Teller


class Engine:
    """One user's containers and images under one data directory.

    `root` is that directory; by default ROOTLESS_ROOT, else $XDG_DATA_HOME/rootless.
    Construction touches nothing on disk.
    """

    def __init__(self, root: str = "") -> None:
        self.paths = Paths(root)

    @property
    def containers(self) -> Containers:
        """The containers of this store."""
        from rootless.containers.collection import Containers

        return Containers(self.paths)

    @property
    def images(self) -> Images:
        """The images of this store."""
        from rootless.images.collection import Images

        return Images(self)

    @property
    def manifests(self) -> Manifests:
        """The manifest lists of this store."""
        from rootless.images.lists.collection import Manifests

        return Manifests(self)

    @property
    def artifacts(self) -> Artifacts:
        """The artifacts of this store: files of registries."""
        from rootless.artifacts.collection import Artifacts

        return Artifacts(self)

    def create(
        self,
        request: Request,
        *,
        pull: str = "missing",
        platform: str = "",
        replace: bool = False,
        teller: Teller = QUIET,
    ) -> Container:
        """Make a container; its image is looked for, and pulled as the policy `pull` says.

        Raises what `Images.resolve` and `Containers.create` raise.
        """
        from rootless.containers.collection import ImageGone

        containers = self.containers
        containers.check(request)
        while True:
            image = None
            if request["rootfs"] is None:
                image = self._resolve(request["image"], pull, platform, teller)
                trace.mark("image found")
            try:
                return containers.create(request, image, replace=replace, teller=teller)
            except ImageGone:
                continue  # it may be another image that is meant now, or one to be pulled

    def _resolve(self, ref: str, pull: str, platform: str, teller: Teller) -> Image:
        images = self.images
        image = images.resolve(
            ref, pull=pull, platform=platform, progress=lambda: _Shown(teller), choose=teller.choose
        )
        for text in images.warnings:
            teller.warning(text)
        if not platform and image.foreign:
            teller.note(image.foreign)
        return image


class _Shown:
    """A teller as what a pull asks for: a context manager, without loading contextlib."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def __enter__(self) -> Teller:
        return self._teller

    def __exit__(self, *_: object) -> None:
        pass
