"""The engine as a library: `Engine().containers`, `.images`, `.volumes`."""

from __future__ import annotations

from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.artifacts.collection import Artifacts
    from rootless.containers.collection import Containers
    from rootless.images.collection import Images
    from rootless.images.lists.collection import Manifests
    from rootless.volumes.collection import Volumes


class Engine:
    """One user's containers, images and volumes under one data directory.

    `root` is that directory; by default ROOTLESS_ROOT, else $XDG_DATA_HOME/rootless.
    Construction touches nothing on disk.
    """

    def __init__(self, root: str = "") -> None:
        self.paths = Paths(root)

    @property
    def containers(self) -> Containers:
        """The containers of this store."""
        from rootless.containers.collection import Containers

        return Containers(self)

    @property
    def images(self) -> Images:
        """The images of this store."""
        from rootless.images.collection import Images

        return Images(self.paths)

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
    def artifacts(self) -> Artifacts:
        """The artifacts of this store: files of registries."""
        from rootless.artifacts.collection import Artifacts

        return Artifacts(self.paths, self.images)
