"""pull, load, save and import: images on their way in and out."""

from __future__ import annotations

import os
import sys

from rootless.cli import exits
from rootless.cli.dialects import choice
from rootless.cli.output import complain, say
from rootless.cli.reach import (
    access_of,
    change_of,
    here_for,
    platform_of,
    refuse_encrypted,
    wish_of,
    write_digest,
)
from rootless.errors import Conflict, Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.cli.options import common, images, registries
    from rootless.cli.options import transfer as opt
    from rootless.engine import Engine
    from rootless.images.transfer.pushing import Pushed


def pull(
    engine: Engine,
    images: opt.PulledNames,
    *,
    all_tags: opt.AllTags = False,
    policy: opt.PullWhen = "always",
    quiet: common.Silent = False,
    **asked: Unpack[opt.PullAsked],
) -> int:
    """Fetch images from registries, archives and directories.

    Where from is a matter of registries.conf, as for podman: short names, mirrors, what is blocked.
    Archives and directories are oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], oci:DIR[:TAG]
    and dir:DIR. The last line is the whole name, of files and in podman's dialect the id.

    Examples:
        rootless pull debian:12
        rootless pull --platform linux/arm64 busybox
        rootless pull --tls-verify=false localhost:5000/tools
        rootless pull -q --all-tags ghcr.io/me/tools
        rootless pull oci-archive:tools.tar
    """
    from rootless.cli.teller import Teller

    refuse_encrypted(asked.get("decryption_key"))
    wanted_platform = platform_of(asked)
    store = engine.images
    access = access_of(asked, asked)

    def fetch(name: str) -> None:
        if not quiet and (told := choice.current().pulling(name)):
            say(told, to_stderr=True)
        with Teller(quiet=quiet, lines=True, waits=name) as teller:
            image = store.pull(
                name, platform=wanted_platform, policy=policy, access=access, teller=teller
            )
        say(choice.current().pulled(name, image, store))

    code = exits.OK
    for name in images:
        try:
            for one in store.tags(name, access=access, teller=Teller()) if all_tags else [name]:
                fetch(one)
        except Error as error:
            if len(images) == 1:
                raise
            code = complain(error)
    return code


def push(
    engine: Engine,
    image: common.ImageName,
    destination: opt.PushTarget = "",
    *,
    quiet: common.Silent = False,
    format: opt.PushFormat = "",  # noqa: A002 - the option's name
    compress: opt.PushCompress = False,
    compression_format: opt.CompressionFormat = "",
    compression_level: opt.PushLevel = 0,
    digestfile: opt.DigestFile = "",
    remove_signatures: opt.RemoveSignatures = False,
    disable_content_trust: opt.DisableContentTrust = False,
    all_tags: opt.AllTagsHere = False,
    platform: opt.PullPlatform = "",
    **asked: Unpack[registries.PatientReach],
) -> int:
    """Send an image to a registry, an archive or a directory.

    What was pulled is pushed as it came, with the same digest. The last line says the digest.
    Other destinations are oci:DIR:TAG, oci-archive:FILE, docker-archive:FILE:NAME and dir:DIR.
    Of a manifest list the image for this machine is sent, or all of it if there is none here.
    Where a registry lies, and whether it may be used, is a matter of registries.conf.

    Examples:
        rootless push ghcr.io/me/tools:1
        rootless push tools oci:mirror:tools
        rootless push --tls-verify=false busybox localhost:5000/busybox
        rootless push --all-tags ghcr.io/me/tools
    """
    from rootless.cli.teller import Teller

    if all_tags and (destination or digestfile):
        other = "a destination" if destination else "--digestfile"
        raise UsageError(f"--all-tags does not go with {other}")
    access = access_of(asked, asked)
    wish = wish_of(format, compression_format, compression_level)
    store = engine.images
    for name in store.tags_here(image) if all_tags else [image]:
        if platform:
            name, destination = here_for(store, name, platform), destination or name  # noqa: PLW2901
        with Teller(quiet=quiet, lines=True) as teller:
            pushed = store.push(name, destination, access=access, wish=wish, teller=teller)
        if digestfile:
            write_digest(digestfile, pushed.digest)
        _tell(pushed, quiet=quiet)
    return 0


def _tell(pushed: Pushed, *, quiet: bool) -> None:
    """Say what was pushed: docker's line of an image in a registry, else the digest."""
    if not pushed.size:
        if not quiet:
            say(pushed.digest)
        return
    tag = pushed.name.rpartition("/")[2].partition(":")[2]
    say(pushed.name if quiet else f"{tag}: digest: {pushed.digest} size: {pushed.size}")


def load(
    engine: Engine,
    *,
    input: opt.Input = "-",  # noqa: A002 - the option's name
    platform: opt.PullPlatform = "",
    quiet: common.Silent = False,
) -> int:
    """Take images from an archive or a directory.

    Docker and OCI archives and OCI directories, plain or compressed with gzip or zstd. With
    --platform those for it alone.

    Examples:
        rootless load -i busybox.tar
        podman save alpine | rootless load
    """
    from rootless.cli.teller import Teller

    if input == "-" and sys.stdin.isatty():
        raise UsageError("refusing to read an archive from a terminal", "use -i FILE")
    images = engine.images
    with Teller(quiet=quiet) as teller:
        names = images.load(input, platform=platform, teller=teller)
    for name in names:
        say(f"Loaded image: {choice.current().shown(name)}")
    return 0


def save(
    engine: Engine,
    images: images.ImageNames,
    *,
    output: common.Output = "-",
    format: opt.SaveFormat = "docker-archive",  # noqa: A002 - the option's name
    compress: opt.SaveCompress = False,
    multi_image_archive: opt.ManyImages = False,
    platform: opt.PullPlatform = "",
    uncompressed: opt.Uncompressed = False,
    quiet: common.Silent = False,
) -> int:
    """Write images into an archive or a directory.

    Examples:
        rootless save -o tools.tar busybox debian:12
        rootless save busybox | ssh other rootless load
        rootless save --format oci-archive -o tools.oci.tar localhost/tools:1
    """
    from rootless.cli.teller import Teller

    if output == "-" and sys.stdout.isatty():
        raise UsageError("refusing to write an archive to a terminal", "use -o FILE, or redirect")
    held = output != "-" and os.path.isfile(output) and os.path.getsize(output) > 0
    if held and format == "docker-archive" and not choice.current().overwrites:
        raise Conflict(f"cannot save to {output}: it has something in it", "remove it first")
    sys.stdout.flush()
    if platform:
        images = [here_for(engine.images, name, platform) for name in images]
    with Teller(quiet=quiet) as teller:
        engine.images.save(
            images,
            output,
            format=format,
            compress=compress,
            uncompressed=uncompressed,
            teller=teller,
        )
    return 0


def import_(
    engine: Engine,
    file: opt.Archive,
    name: opt.NewName = "",
    *,
    change: common.Change = None,
    message: common.Message = "",
    quiet: common.Silent = False,
    **asked: Unpack[opt.OfPlatform],
) -> int:
    """Make an image from a root file system.

    Examples:
        rootless import -c 'CMD ["/bin/sh"]' rootfs.tar.gz localhost/base:1
    """
    from rootless.cli.teller import Teller

    if file == "-" and sys.stdin.isatty():
        raise UsageError("refusing to read an archive from a terminal", "name a file")
    images = engine.images
    given = choice.current().given(name) if name else ""
    with Teller(quiet=quiet) as teller:
        image = images.import_(
            file,
            given,
            change=change_of(change),
            message=message,
            platform=platform_of(asked),
            teller=teller,
        )
    say(f"sha256:{image.id}")
    return 0
