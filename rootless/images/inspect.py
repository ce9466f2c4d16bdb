"""An image as `inspect` shows it: docker's names and nesting, so that its templates work."""

from __future__ import annotations

from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.image import Image
    from rootless.oci.reference import Reference

ZERO_TIME = "0001-01-01T00:00:00Z"
"""What docker prints for a moment that is not known."""


def inspect(image: Image) -> dict[str, Any]:
    """Return the document that `inspect` prints for one image."""
    config = image.config
    inner = config.get("config") or {}
    history = config.get("history") or []
    names = [reference.parse(name) for name in image.names if reference.is_valid(name)]
    return {
        "Id": f"sha256:{image.id}" if image.id else "",
        "RepoTags": [name.familiar for name in names if name.tag],
        "RepoDigests": _digests(image, names),
        "Parent": "",
        "Comment": str(history[-1].get("comment", "")) if history else "",
        "Created": config.get("created") or ZERO_TIME,
        "Author": config.get("author", ""),
        "DockerVersion": config.get("docker_version", ""),
        "Version": config.get("docker_version", ""),
        "Config": _config(inner),
        "Labels": inner.get("Labels") or {},
        "Architecture": config.get("architecture", ""),
        "Variant": config.get("variant", ""),
        "Os": config.get("os", ""),
        **({"OsVersion": config["os.version"]} if config.get("os.version") else {}),
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": "overlay", "Data": _directories(image)},
        "RootFS": {"Type": "layers", "Layers": config["rootfs"].get("diff_ids", [])},
        "Annotations": image.manifest.get("annotations") or {},
        "User": inner.get("User", ""),
        "Healthcheck": inner.get("Healthcheck"),
        "NamesHistory": [str(name) for name in names],
        "Digest": image.digest,
        "Descriptor": image.descriptor,
        "ManifestType": image.manifest.get("mediaType", ""),
        "History": history,
        "Metadata": {"LastTagTime": ZERO_TIME},
    }


def _directories(image: Image) -> dict[str, str]:
    """Return where the layers are, or will be once they are unpacked: the last, and the others."""
    if not image.chains:
        return {}
    *lower, upper = image.directories
    places = {"UpperDir": upper}
    return {"LowerDir": ":".join(lower[::-1]), **places} if lower else places


def _digests(image: Image, names: list[Reference]) -> list[str]:
    """Return NAME@DIGEST of all repositories that know the image."""
    found = [
        f"{name.familiar_name}@{digest}" for name in names for digest in image.digests_of(str(name))
    ]
    return list(dict.fromkeys(found))


def _config(inner: dict[str, Any]) -> dict[str, Any]:
    """Return the container settings of an image: all that docker names, then what else it has."""
    known: dict[str, Any] = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "ExposedPorts": None,
        "Env": [],
        "Cmd": None,
        "Entrypoint": None,
        "Volumes": None,
        "WorkingDir": "",
        "Labels": {},
        "StopSignal": "",
        "Healthcheck": None,
        "Shell": None,
        "OnBuild": None,
    }
    return {**known, **inner}
