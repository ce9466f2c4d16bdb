"""manifest: lists of the images of many platforms."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.cli.reach import access_of, write_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.cli.options import common, transfer
    from rootless.cli.options import manifests as opt
    from rootless.engine import Engine
    from rootless.images.lists.files import ArtifactWish
    from rootless.images.lists.members import Changes
    from rootless.images.transfer.access import Access


def manifest_create(
    engine: Engine,
    list: opt.ListName,  # noqa: A002 - the argument's name
    images: opt.SomeMembers = None,
    *,
    all: opt.AllMembers = False,  # noqa: A002 - the option's name
    amend: opt.Amend = False,
    **asked: Unpack[opt.ListReach],
) -> int:
    """Make a manifest list.

    Of an image in a registry only the manifest is fetched. A list is kept beside the images, and
    `run LIST` runs that for this machine.

    Examples:
        rootless manifest create tools localhost/tools:amd64 docker://ghcr.io/me/tools:arm64
        rootless manifest create --all tools docker://debian:12
    """
    access = _access(asked)
    manifests = engine.manifests
    output.say(manifests.create(list, images or [], access=access, everything=all, amend=amend))
    return exits.OK


def manifest_add(
    engine: Engine,
    list: opt.ListName,  # noqa: A002 - the argument's name
    images: opt.Members,
    *,
    all: opt.AllMembers = False,  # noqa: A002 - the option's name
    **asked: Unpack[opt.AddAsked],
) -> int:
    """Add images to a manifest list.

    Of an image for many platforms that of --os, --arch and --variant, by default this machine's.
    With --artifact what is named are files, which become one artifact in the list.

    Examples:
        rootless manifest add tools docker://ghcr.io/me/tools:arm64
        rootless manifest add --arch arm64 --variant v8 tools docker://debian:12
        rootless manifest add --artifact --artifact-type application/spdx+json tools sbom.json
    """
    changes, access = _changes(asked), access_of(asked)
    if wish := _artifact(asked):
        output.say(engine.manifests.add_files(list, images, wish, changes))
        return exits.OK
    output.say(engine.manifests.add(list, images, changes, access=access, everything=all))
    return exits.OK


def _artifact(asked: opt.OfArtifact) -> ArtifactWish | None:
    """Return what the artifact of files is to be; None where images are added."""
    from rootless.errors import UsageError

    if not asked.get("artifact"):
        for option in asked:
            if option.startswith("artifact_"):
                raise UsageError(f"--{option.replace('_', '-')} goes with --artifact only")
        return None
    from rootless.images.lists.files import ArtifactWish

    return ArtifactWish(
        kind=asked.get("artifact_type", ""),
        config=asked.get("artifact_config", ""),
        config_type=asked.get("artifact_config_type", ""),
        layer_type=asked.get("artifact_layer_type", ""),
        subject=asked.get("artifact_subject", ""),
        titles=not asked.get("artifact_exclude_titles"),
    )


def manifest_annotate(
    engine: Engine,
    list: opt.ListName,  # noqa: A002 - the argument's name
    image: opt.ListMember,
    **asked: Unpack[opt.OfMember],
) -> int:
    """Change what a manifest list says of an image.

    Examples:
        rootless manifest annotate --arch arm --variant v7 tools ghcr.io/me/tools:arm
    """
    output.say(engine.manifests.annotate(list, image, _changes(asked)))
    return exits.OK


def _access(asked: opt.ListReach) -> Access:
    if asked.get("insecure"):
        asked = {**asked, "tls_verify": False}
    return access_of(asked)


def _changes(asked: opt.OfMember) -> Changes:
    from rootless.images.lists.members import Changes

    return Changes(
        os=asked.get("os", ""),
        arch=asked.get("arch", ""),
        variant=asked.get("variant", ""),
        os_version=asked.get("os_version", ""),
        features=_words(asked.get("features")),
        os_features=_words(asked.get("os_features")),
        annotations=asked.get("annotation"),
    )


def _words(values: list[str] | None) -> list[str]:
    """The words of an option that may be repeated, or hold several with commas between."""
    return [word for value in values or [] for word in value.split(",") if word]


def manifest_exists(engine: Engine, list: opt.ListName) -> int:  # noqa: A002 - the argument's name
    """End with 0 if there is such a manifest list, else with 1."""
    return exits.OK if engine.manifests.exists(list) else exits.FAILED


def manifest_inspect(
    engine: Engine,
    name: opt.AnyManifest,
    *,
    verbose: opt.VerboseManifest = False,
    **asked: Unpack[opt.ListReach],
) -> int:
    """Show a manifest list, or what a registry has under a name.

    Examples:
        rootless manifest inspect tools
        rootless manifest inspect docker://debian:12
    """
    access = _access(asked)
    look = engine.manifests.describe if verbose else engine.manifests.inspect
    output.say_json(output.pretty(look(name, access=access)))
    return exits.OK


def manifest_push(
    engine: Engine,
    list: opt.ListName,  # noqa: A002 - the argument's name
    destination: opt.ListTarget = "",
    *,
    all: opt.PushMembers = True,  # noqa: A002 - the option's name
    compression_format: transfer.CompressionFormat = "",
    compression_level: transfer.PushLevel = 0,
    digestfile: transfer.DigestFile = "",
    format: transfer.PushFormat = "",  # noqa: A002 - the option's name
    quiet: common.Silent = False,
    remove_signatures: transfer.RemoveSignatures = False,
    rm: opt.RemoveList = False,
    **asked: Unpack[opt.ListReach],
) -> int:
    """Send a manifest list and its images to a registry.

    What the store has not comes from the registry that has it. The last line is the digest.

    Examples:
        rootless manifest push tools ghcr.io/me/tools:1
        rootless manifest push --format v2s2 --rm tools docker://localhost:5000/tools
    """
    from rootless.cli.teller import Teller
    from rootless.images.transfer.wish import CopyWish

    access = _access(asked)
    with Teller(quiet=quiet, lines=True) as teller:
        digest = engine.manifests.push(
            list,
            destination,
            CopyWish(
                everything=all,
                format_=format,
                compression=compression_format,
                level=compression_level,
            ),
            access=access,
            teller=teller,
        )
    if digestfile:
        write_digest(digestfile, digest)
    if rm:
        engine.manifests.rm([list])
    output.say(digest)
    return exits.OK


def manifest_remove(
    engine: Engine,
    list: opt.ListName,  # noqa: A002 - the argument's name
    image: opt.ListMember,
) -> int:
    """Take an image out of a manifest list.

    Examples:
        rootless manifest remove tools ghcr.io/me/tools:arm
    """
    output.say(": ".join(engine.manifests.remove(list, image)))
    return exits.OK


def manifest_rm(engine: Engine, lists: opt.ListNames, *, ignore: opt.IgnoreList = False) -> int:
    """Remove manifest lists, but not the images in them.

    Examples:
        rootless manifest rm tools
    """
    from rootless.errors import Error, NotFound

    code = exits.OK
    for name in lists:
        try:
            lines = engine.manifests.rm([name])
        except Error as error:
            if ignore and isinstance(error, NotFound):
                continue
            output.complain(error)
            code = exits.FAILED
        else:
            output.say_lines(lines)
    return code
