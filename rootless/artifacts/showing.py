"""Where the files of an artifact go in a container that has them mounted, by podman's rules."""

from __future__ import annotations

from rootless.artifacts.extracting import chosen, file_name
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.artifacts.artifact import Artifact


def places(
    artifact: Artifact, target: str, wish: dict[str, str], *, onto: bool
) -> list[tuple[str, str]]:
    """Return (file of the store, path in the container) of each file that is to be shown.

    `wish` may have title and digest, which choose one, and name, which it is to have. `onto` is
    whether there is a file at `target` that is to be hidden. Raises NotFound, UsageError.
    """
    layers = chosen(artifact, wish.get("title", ""), wish.get("digest", ""))
    paths = [artifact.layout.blob_path(layer.digest) for layer in layers]
    if onto:
        if len(paths) > 1:
            raise UsageError(
                f"the artifact {artifact.name} has {len(paths)} files, and {target} is one",
                "choose one with title= or digest=, or name a directory",
            )
        return [(paths[0], target)]
    name = wish.get("name", "")
    if name and len(paths) > 1:
        names = [f"{name}-{number}" for number in range(len(paths))]
    else:
        names = [name or file_name(layer, by_digest=False) for layer in layers]
    if twice := {one for one in names if names.count(one) > 1}:
        raise UsageError(
            f"the artifact {artifact.name} has several files {min(twice)!r}",
            "choose one with digest=, or give them a name=",
        )
    return [(path, f"{target}/{name}") for path, name in zip(paths, names, strict=True)]
