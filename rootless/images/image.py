"""One image of the store: what its manifest and configuration say, and where its layers lie."""

from __future__ import annotations

import os

from rootless.images import durability
from rootless.images.entries import list_of, pushed_of, sources_of
from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from rootless.oci.layout import INDEXES, MAX_JSON, Layout, as_go_reads, chain_ids, check_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.store.paths import Paths

    Document = dict[str, Any]


class Image:
    """An image as one index entry (and those of its other names) describe it; read when asked.

    Attributes that need a damaged blob raise ImageError.
    """

    host = False
    """Whether this is the built-in reference `host`, this machine's own file system."""

    is_list = False
    """Whether this is a manifest list (`images.lists`), which has neither settings nor layers."""

    origin = ""
    """Where to pull it, as name@digest, where a manifest list has it and the store has not."""

    def __init__(
        self, paths: Paths, descriptor: Document, names: list[str], shared: Paths | None = None
    ) -> None:
        """`paths` is the user's store, `shared` the one that has the image, if another."""
        self._paths = paths
        self.shared = shared
        self.layout = layout_of(paths, shared)
        self._descriptor = descriptor
        self._top = descriptor
        self._manifest: Document | None = None
        self._config: Document | None = None
        self._size = -1
        self._created: float | None = None
        self.names = names
        self._sources = {name: self._known_as(name) for name in names}

    @property
    def readonly(self) -> bool:
        """Whether the image lies in a shared store."""
        return self.shared is not None

    def merge(self, other: Image) -> None:
        """Take on the names of another entry with the same configuration, for a listing."""
        self.names.extend(other.names)
        self._sources.update(other._sources)

    def digests_of(self, name: str) -> list[str]:
        """The digests by which the repository of a name knows the image, the latest first."""
        return self._sources.get(name, [])

    def _known_as(self, name: str) -> list[str]:
        pulled, pushed = self.digests, self.pushed
        if not pushed:
            return pulled
        from rootless.oci import reference

        start = f"{reference.parse(name).name}@" if reference.is_valid(name) else f"{name}@"
        found = [one[len(start) :] for one in pushed if one.startswith(start)]
        return list(dict.fromkeys(found + pulled))

    @property
    def manifest(self) -> Document:
        """The image manifest."""
        if self._manifest is None:
            self._descriptor, self._manifest = self.layout.manifest(self._descriptor)
        return self._manifest

    @property
    def config(self) -> Document:
        """The image configuration, the whole document (image-spec, config.md)."""
        if self._config is None:
            config = as_go_reads(self.layout.document(self.manifest["config"]["digest"]))
            if not isinstance(config.get("rootfs"), dict):
                raise ImageError(f"{self.manifest['config']['digest']} is not an image's config")
            check_config(config, f"image configuration {self.manifest['config']['digest']}")
            self._config = config
        return self._config

    @property
    def id(self) -> str:
        """The hexadecimal digest of the configuration, as docker and podman name images."""
        return str(self.manifest["config"]["digest"]).partition(":")[2]

    def member(self, platform: str = "") -> Image:
        """The image that runs: of a manifest list that for `platform`, by default this machine's.

        It may be one that is not here, see `origin`. Raises ImageError for a list without one.
        """
        return self

    @property
    def goes_whole(self) -> bool:
        """Whether `push` sends a list: podman does where there is no image for this machine."""
        return False

    @property
    def images(self) -> list[Image]:
        """The images that only a manifest list names."""
        return []

    @property
    def ids(self) -> set[str]:
        """The ids of the images that are lost with this one."""
        return {self.id}

    @property
    def parts(self) -> list[Document]:
        """The descriptors of the configuration and the layers."""
        return [self.manifest["config"], *self.manifest["layers"]]

    @property
    def digest(self) -> str:
        """The digest by which the image was pulled, else that of its manifest."""
        sources = self.digests
        return sources[0] if sources else str(self._descriptor["digest"])

    @property
    def digests(self) -> list[str]:
        """The digests by which the image was pulled, the index's first; [] for local ones."""
        return sources_of(self._descriptor)

    @property
    def pushed(self) -> list[str]:
        """REPOSITORY@DIGEST under which the image was pushed, the latest first."""
        return pushed_of(self._descriptor)

    @property
    def stored_digest(self) -> str:
        """The digest of the index entry, which needs no blob."""
        return str(self._top["digest"])

    @property
    def attested(self) -> Document | None:
        """The index in which the image is with attestations of it; None where it has none.

        Raises ImageError for a damaged one.
        """
        if self._top.get("mediaType") not in INDEXES or self.is_list:
            return None
        from rootless.images.lists import attestations

        index = self.layout.document(self.stored_digest)
        if "manifests" not in index:
            return None
        found = attestations.of_image(index["manifests"], self.manifest_digest)
        return index if found else None

    @property
    def whole(self) -> Document:
        """What points at the image with its attestations, or at its manifest where it has none."""
        if self.attested is None:
            return self.descriptor
        return {key: self._top[key] for key in ("mediaType", "digest", "size") if key in self._top}

    @property
    def entry(self) -> Document:
        """The index entry, or what an index led to once the manifest was read."""
        return self._descriptor

    @property
    def manifest_digest(self) -> str:
        """The digest of the manifest as it is stored here."""
        _ = self.manifest  # an index is followed first
        return str(self._descriptor["digest"])

    def original(self) -> tuple[str, bytes]:
        """Return digest and bytes of the manifest as a registry had it, else as it is here.

        Raises ImageError where neither is whole.
        """
        ours = [part["digest"] for part in self.parts]
        for digest in (*self.digests, self.manifest_digest):
            # The first of several may be an index, which names other things.
            data = _read(self.layout.blob_path(digest))
            if _parts(data) == ours:
                return digest, data
        raise ImageError(f"blob {self.manifest_digest} is missing", "pull it again")

    @property
    def descriptor(self) -> Document:
        """What points at the manifest here: its media type, digest and size."""
        _ = self.manifest  # an index is followed first
        known = ("mediaType", "digest", "size")
        return {key: self._descriptor[key] for key in known if key in self._descriptor}

    @property
    def created(self) -> float:
        """When the image was made, in seconds since the epoch; 0 where it does not say."""
        if self._created is None:
            from rootless.times import timestamp

            self._created = timestamp(self.config.get("created"))
        return self._created

    @property
    def platform(self) -> str:
        """The platform, as `linux/arm64/v8`."""
        parts = (self.config.get(key) for key in ("os", "architecture", "variant"))
        return "/".join(part for part in parts if isinstance(part, str) and part)

    @property
    def foreign(self) -> str:
        """Why it may not run on this machine, whose platform is another; "" where it does."""
        if self.config.get("architecture") == _architecture():
            return ""
        from rootless.oci import platform

        offered, here = platform.of(self.config), platform.host()
        if platform.fits(offered, here):
            return ""
        return f"the image is for platform {offered}, and this machine is {here}"

    @property
    def size(self) -> int:
        """Bytes of all layers uncompressed; a compressed layer not yet unpacked counts as it is."""
        if self._size < 0:
            layers = self.manifest["layers"]
            pairs = zip(self.layer_sizes(), layers, strict=True)
            self._size = sum(size if size >= 0 else _stored_size(layer) for size, layer in pairs)
        return self._size

    def layer_sizes(self) -> list[int]:
        """The uncompressed size of each layer, -1 for one that was never unpacked."""
        return list(map(self._layer_size, self.manifest["layers"], self.chains))

    def _layer_size(self, descriptor: Document, chain: str) -> int:
        if str(descriptor.get("mediaType", "")).endswith("tar"):
            return _stored_size(descriptor)
        try:
            # Written once with the layer: no tree is walked for a listing.
            with open(f"{(self.shared or self._paths).layers}/{chain}/layer.json", "rb") as file:
                return int(jsonio.loads(file.read())["bytes"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return -1

    @property
    def chains(self) -> list[str]:
        """The chain ids of the layers, lowest first. Raises ImageError where they do not fit."""
        diff_ids = self.config["rootfs"].get("diff_ids")
        if not isinstance(diff_ids, list) or len(diff_ids) != len(self.manifest["layers"]):
            raise ImageError(f"image {self.id[:12]} has not one diff id for each layer")
        return chain_ids(diff_ids)

    @property
    def all_chains(self) -> set[str]:
        """The chain ids of the layers of all images that are lost with this one."""
        return set(self.chains)

    def lowers(self) -> list[str]:
        """Return the directories of the unpacked layers, lowest first; unpack what is missing.

        Raises ImageError or LayerError where a layer is damaged.
        """
        directories = list(map(self._unpacked, self.chains))
        if not all(map(durability.is_trusted, directories)):
            self._unpack()
            directories = [f"{self._paths.layers}/{chain}" for chain in self.chains]
        return [f"{directory}/fs" for directory in directories]

    def _unpack(self) -> None:
        """Unpack the layers that are not yet. Two processes may do it at once."""
        from rootless.images.intake import Intake

        beside = {}
        if self.shared is not None:
            from rootless.images.shared import trees

            beside = trees(self._paths, self.shared, self.chains)
        with Intake(self._paths, source=self.layout, beside=beside) as intake:
            intake.keep_layers(self.manifest["layers"], self.config["rootfs"]["diff_ids"])

    @property
    def directories(self) -> list[str]:
        """The directories of the unpacked layers, lowest first, whether they are there or not."""
        return [f"{self._unpacked(chain)}/fs" for chain in self.chains]

    def _unpacked(self, chain: str) -> str:
        """Return the directory of a layer: in the user's store, or where it may be used shared."""
        own = f"{self._paths.layers}/{chain}"
        if self.shared is None or durability.is_trusted(own):
            return own
        from rootless.images.shared import fits

        return f"{self.shared.layers}/{chain}" if fits(self.shared, chain) else own


def id_of(paths: Paths, entry: Document) -> str:
    """Return the id of an index entry's image, that of its configuration; damaged, its digest."""
    if list_of(entry):
        return list_of(entry)
    try:
        return Image(paths, entry, []).id
    except ImageError:
        return str(entry["digest"]).partition(":")[2]


def layout_of(paths: Paths, shared: Paths | None) -> Layout:
    """Return the layout of a shared store, which is not trusted, or else of the user's own."""
    if shared is None:
        return Layout(paths.images)
    from rootless.images.shared import SharedLayout

    return SharedLayout(shared.images)


class HostImage(Image):
    """The built-in image `host`: this machine's own file system; no layers, not in the store."""

    host = True

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths, {"digest": ""}, ["host"])
        self._manifest = {"config": {"digest": ""}, "layers": []}
        self._config = {
            "os": "linux",
            "architecture": _architecture(),
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["/bin/sh"],
            },
            "rootfs": {"type": "layers", "diff_ids": []},
        }


def _architecture() -> str:
    """This machine's architecture as Go names it, without the module that knows all of them."""
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _stored_size(descriptor: Document) -> int:
    size = descriptor.get("size")
    return size if isinstance(size, int) else 0


def _read(path: str) -> bytes:
    """Return a small blob, b"" of one that is not here."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_JSON)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ImageError(f"cannot read {os.path.basename(path)}: {error.strerror}") from error


def _parts(data: bytes) -> list[str]:
    """The digests of a manifest's configuration and layers; [] for anything else."""
    try:
        document = jsonio.loads(data)
        return [str(part["digest"]) for part in (document["config"], *document["layers"])]
    except (ValueError, KeyError, TypeError):
        return []
