"""Options of artifacts."""

from __future__ import annotations

from typing import Annotated

from rootless.cli.options.declare import argument, option

ArtifactName = Annotated[str, argument("ARTIFACT", "Name of an artifact, or its digest.")]
SomeArtifacts = Annotated[list[str] | None, argument("[ARTIFACT]...", "Names, or digests.")]
ArtifactFiles = Annotated[list[str], argument("FILE...", "Regular files.")]
ExtractTo = Annotated[str, argument("PATH", "A directory, or a file.")]
ArtifactTarget = Annotated[str, argument("[DESTINATION]", "The name there. (its own)")]
FileAnnotations = Annotated[
    list[str] | None,
    option("--annotation", metavar="KEY=VALUE", about="Set an annotation of each file."),
]
AppendFiles = Annotated[bool, option("--append", "-a", about="Add files to an artifact.")]
ReplaceArtifact = Annotated[bool, option("--replace", about="In the place of one of this name.")]
ArtifactKind = Annotated[str, option("--type", metavar="TYPE", about="The artifact's media type.")]
FileKind = Annotated[
    str, option("--file-type", metavar="TYPE", about="The files' media type. (by their beginning)")
]
Subject = Annotated[
    str, option("--subject", metavar="IMAGE", about="What it is about: an image, here or there.")
]
OfRemote = Annotated[
    str, option("--remote", metavar="NAME", about="What refers to this image in its registry.")
]
OfType = Annotated[str, option("--type", metavar="TYPE", about="With --remote: only of this type.")]
ByTitle = Annotated[str, option("--title", metavar="NAME", about="Only the file of this name.")]
ByDigest = Annotated[str, option("--digest", metavar="DIGEST", about="Only the file with this.")]
EveryArtifact = Annotated[bool, option("--all", "-a", about="All artifacts.")]
