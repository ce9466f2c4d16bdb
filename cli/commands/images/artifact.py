"""artifact: files in registries."""

from __future__ import annotations

from rootless import times
from rootless.cli import exits, output
from rootless.cli.reach import access_of, write_digest
from rootless.oci.errors import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.artifacts.artifact import Artifact
    from rootless.cli.options import artifacts as opt
    from rootless.cli.options import common, images, registries, transfer
    from rootless.engine import Engine
    from rootless.oci.artifacts import Referrer

HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "Created": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "VirtualSize": "VIRTUAL SIZE",
    "Type": "TYPE",
}

COLUMNS = ("Repository", "Tag", "Digest", "Created", "Size")
REMOTE = ("Digest", "Type", "Created", "Size")


def artifact_add(
    engine: Engine,
    artifact: opt.ArtifactName,
    files: opt.ArtifactFiles,
    *,
    annotation: opt.FileAnnotations = None,
    append: opt.AppendFiles = False,
    file_type: opt.FileKind = "",
    replace: opt.ReplaceArtifact = False,
    subject: opt.Subject = "",
    type: opt.ArtifactKind = "",  # noqa: A002 - the option's name
    quiet: common.Silent = False,
    **asked: Unpack[registries.Reach],
) -> int:
    """Make an artifact of files.

    With --subject it is one that is listed with an image, such as a list of its contents.

    Examples:
        rootless artifact add --type application/vnd.me.model ghcr.io/me/model:1 model.gguf
        rootless artifact add --append ghcr.io/me/model:1 README.md
        rootless artifact add --subject ghcr.io/me/tools:1 ghcr.io/me/tools:sbom sbom.json
    """
    from rootless.artifacts.adding import Addition
    from rootless.cli.teller import Teller

    addition = Addition(
        kind=type,
        file_type=file_type,
        annotations=annotation or [],
        subject=subject,
        append=append,
        replace=replace,
    )
    access = access_of(asked)
    with Teller(quiet=quiet) as teller:
        digest = engine.artifacts.add(artifact, files, addition, access=access, teller=teller)
    output.say(digest.partition(":")[2])
    return exits.OK


def artifact_ls(
    engine: Engine,
    *,
    format: common.Format = "",  # noqa: A002 - the option's name
    no_trunc: common.NoTrunc = False,
    noheading: images.NoImageHeading = False,
    quiet: common.Quiet = False,
    remote: opt.OfRemote = "",
    type: opt.OfType = "",  # noqa: A002 - the option's name
    **asked: Unpack[registries.Reach],
) -> int:
    """List the artifacts here, or with --remote those that refer to an image in a registry.

    Examples:
        rootless artifact ls
        rootless artifact ls --remote ghcr.io/me/tools:1
    """
    artifacts = engine.artifacts
    if remote:
        access = access_of(asked)
        found = artifacts.referrers(remote, access=access, kind=type)
        rows = [_referrer(one, full=no_trunc) for one in found]
        columns: tuple[str, ...] = REMOTE
    else:
        from rootless.cli.teller import Teller

        rows = [_row(one, full=no_trunc) for one in artifacts.list(Teller())]
        columns = COLUMNS
    if quiet and not format:
        output.say_lines(row["Digest"] for row in rows)
        return exits.OK
    output.show(rows, format, HEADINGS, columns, bare=noheading)
    return exits.OK


def _row(artifact: Artifact, *, full: bool) -> output.Row:
    from rootless.images.summary import split

    repository, tag = split(artifact.name)
    row = _common(artifact.digest, artifact.manifest.kind, artifact.created, full=full)
    size = {"Size": output.size(artifact.size), "VirtualSize": str(artifact.size)}
    return output.Row({"Repository": repository, "Tag": tag, **row, **size})


def _referrer(one: Referrer, *, full: bool) -> output.Row:
    from rootless.oci.artifacts import CREATED
    from rootless.times import timestamp

    created = timestamp((one.annotations or {}).get(CREATED))
    row = _common(one.digest, one.artifact_type or "", created, full=full)
    size = {"Size": output.size(one.size), "VirtualSize": str(one.size)}
    return output.Row({**row, **size, "Annotations": one.annotations or {}})


def _common(digest: str, kind: str, created: float, *, full: bool) -> dict[str, str]:
    digits = digest.partition(":")[2]
    return {
        "Digest": digest if full else digits[:12],
        "Type": one_line(kind),  # a stranger's words
        "Created": times.ago(created),
        "CreatedAt": times.when(created) if created else "N/A",
    }


def artifact_inspect(
    engine: Engine,
    artifact: opt.ArtifactName,
    *,
    format: common.ShortFormat = "",  # noqa: A002 - the option's name
) -> int:
    """Show the manifest of an artifact.

    Examples:
        rootless artifact inspect -f '{{.Digest}}' ghcr.io/me/model:1
    """
    from rootless.oci.jsonio import loads

    found = engine.artifacts.get(artifact)
    shown = {
        "Manifest": loads(found.data),
        "Name": found.name,
        "Digest": found.digest,
        "TotalSizeBytes": found.size,
    }
    if format:
        output.show_one(shown, format)
    else:
        output.say_json(output.pretty(shown))
    return exits.OK


def artifact_extract(
    engine: Engine,
    artifact: opt.ArtifactName,
    path: opt.ExtractTo,
    *,
    digest: opt.ByDigest = "",
    title: opt.ByTitle = "",
) -> int:
    """Write the files of an artifact into a directory, or one of them to a file.

    Examples:
        rootless artifact extract ghcr.io/me/model:1 .
        rootless artifact extract --title README.md ghcr.io/me/model:1 /tmp/readme
    """
    engine.artifacts.extract(artifact, path, title=title, digest=digest)
    return exits.OK


def artifact_pull(
    engine: Engine,
    artifact: opt.ArtifactName,
    *,
    quiet: common.Silent = False,
    **asked: Unpack[registries.PatientReach],
) -> int:
    """Fetch an artifact from its registry. The last line is its digest.

    Examples:
        rootless artifact pull ghcr.io/me/model:1
    """
    from rootless.cli.teller import Teller

    with Teller(quiet=quiet, lines=True) as teller:
        found = engine.artifacts.pull(artifact, access=access_of(asked, asked), teller=teller)
    output.say(found.digest.partition(":")[2])
    return exits.OK


def artifact_push(
    engine: Engine,
    artifact: opt.ArtifactName,
    destination: opt.ArtifactTarget = "",
    *,
    digestfile: transfer.DigestFile = "",
    quiet: common.Silent = False,
    **asked: Unpack[registries.Reach],
) -> int:
    """Send an artifact to a registry. The last line is its digest.

    Examples:
        rootless artifact push ghcr.io/me/model:1
    """
    from rootless.cli.teller import Teller

    access = access_of(asked)
    with Teller(quiet=quiet, lines=True) as teller:
        digest = engine.artifacts.push(artifact, destination, access=access, teller=teller)
    if digestfile:
        write_digest(digestfile, digest)
    output.say(digest.partition(":")[2])
    return exits.OK


def artifact_rm(
    engine: Engine,
    artifacts: opt.SomeArtifacts = None,
    *,
    all: opt.EveryArtifact = False,  # noqa: A002 - the option's name
    ignore: common.Ignore = False,
) -> int:
    """Remove artifacts.

    Examples:
        rootless artifact rm ghcr.io/me/model:1
    """
    from rootless.errors import Error, NotFound, UsageError

    if all == bool(artifacts):
        raise UsageError("which artifact?" if not all else "--all and names contradict each other")
    code = exits.OK
    store = engine.artifacts
    for name in [one.name for one in store.list()] if all else artifacts or []:
        try:
            gone = store.remove([name])
        except Error as error:
            if not (ignore and isinstance(error, NotFound)):
                output.complain(error)
                code = exits.FAILED
        else:
            output.say_lines(one.partition(":")[2] for one in gone)
    return code
