"""Looking at an image where it is, without pulling it: what `skopeo inspect` tells."""

from __future__ import annotations

from rootless.images.transfer.copying import read_document
from rootless.images.transfer.places import check_platform, image_manifest, open_source
from rootless.oci import jsonio, models, platform, transports
from rootless.oci.distribution.remote import RegistrySource
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.images.transfer.access import Access
    from rootless.oci.transports import Source
    from rootless.teller import Teller

    Document = dict[str, Any]


class Remote:
    """An image at any place; a name without a transport is in a registry. A context manager."""

    def __init__(
        self,
        images: Finder,
        name: str,
        access: Access,
        *,
        wanted: str = "",
        teller: Teller = QUIET,
    ) -> None:
        """`wanted` is the platform, by default this machine's. Raises what opening raises."""
        named = transports.has_transport(name) or name.startswith("docker://")
        place = transports.parse(name) if named else transports.Location("docker", name)
        self._asked = platform.parse(wanted) if wanted else None
        self._source: Source = open_source(images, place, access, teller)

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def raw(self) -> bytes:
        """The manifest or index as it is."""
        return self._source.manifest().data

    def raw_config(self) -> bytes:
        """The configuration of the image as it is."""
        return read_document(self._source, self._manifest().config)

    def config(self) -> Document:
        """The configuration of the image. Raises ImageError where it is none."""
        data = self.raw_config()
        models.config_in(data, "the image configuration")
        return dict(jsonio.loads(data))

    def describe(self, *, tags: bool = True) -> Document:
        """Return skopeo's description; the tags of a registry are listed unless not wanted."""
        source = self._source
        manifest, config = self._manifest(), self.config()
        check_platform(source, platform.of(config), self._asked)
        inner = config.get("config")
        inner = inner if isinstance(inner, dict) else {}
        found: Document = {}
        if isinstance(source, RegistrySource):
            found["Name"] = source.repository.name.name
        found["Digest"] = str(source.manifest().digest)
        found["RepoTags"] = []
        if isinstance(source, RegistrySource) and tags:
            found["RepoTags"] = sorted(set(source.repository.tags()))
        found["Created"] = config.get("created")
        found["DockerVersion"] = config.get("docker_version", "")
        found["Labels"] = inner.get("Labels")
        found["Architecture"] = config.get("architecture", "")
        if config.get("variant"):
            found["Variant"] = config["variant"]
        found["Os"] = config.get("os", "")
        found["Layers"] = [layer.digest for layer in manifest.layers]
        found["LayersData"] = [
            {
                "MIMEType": layer.media_type,
                "Digest": layer.digest,
                "Size": layer.size,
                "Annotations": layer.annotations,
            }
            for layer in manifest.layers
        ]
        found["Env"] = inner.get("Env")
        return found

    def _manifest(self) -> models.Manifest:
        fetched = image_manifest(self._source, self._asked)
        subject = f"manifest {fetched.digest}"
        manifest = models.decode(fetched.data, models.Manifest, subject)
        manifest.check_copyable()
        return manifest
