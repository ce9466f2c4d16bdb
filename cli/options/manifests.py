"""Options of manifest lists."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import argument, option
from rootless.cli.options.registries import Reach

ListName = Annotated[str, argument("LIST", "Name, or id, of a manifest list.")]
ListNames = Annotated[list[str], argument("LIST...", "Names, or ids, of manifest lists.")]
SomeMembers = Annotated[
    list[str] | None, argument("[IMAGE]...", "Images of the store, or docker://NAME.")
]
Members = Annotated[list[str], argument("IMAGE...", "Images of the store, or docker://NAME.")]
ListMember = Annotated[str, argument("IMAGE", "Digest, or name, of an image in the list.")]
AnyManifest = Annotated[str, argument("NAME", "A list of the store, or an image in a registry.")]
ListTarget = Annotated[str, argument("[DESTINATION]", "The name there. (that of the list)")]
AllMembers = Annotated[bool, option("--all", about="Of a list, all its images.")]
PushMembers = Annotated[bool, option("--all", about="With the images of the list. (default: true)")]
Amend = Annotated[bool, option("--amend", "-a", about="Add to the list if there is one.")]
MemberAnnotations = Annotated[
    list[str] | None,
    option("--annotation", metavar="KEY=VALUE", about="Set an annotation of the image's entry."),
]
MemberArch = Annotated[str, option("--arch", metavar="ARCH", about="Its architecture.")]
MemberOs = Annotated[str, option("--os", metavar="OS", about="Its operating system.")]
MemberVariant = Annotated[str, option("--variant", metavar="VARIANT", about="v7, v8, ...")]
MemberOsVersion = Annotated[
    str, option("--os-version", metavar="VERSION", about="Of its operating system.")
]
MemberFeatures = Annotated[
    list[str] | None, option("--features", metavar="WORDS", about="What it needs of the machine.")
]
MemberOsFeatures = Annotated[
    list[str] | None, option("--os-features", metavar="WORDS", about="What it needs of the system.")
]
IgnoreList = Annotated[bool, option("--ignore", "-i", about="Do not mind where there is none.")]
RemoveList = Annotated[
    bool, option("--rm", "--purge", "-p", about="Remove the list here once it is pushed.")
]
Insecure = Annotated[bool, option("--insecure", about="The same as --tls-verify=false.")]


class ListReach(Reach, total=False):
    """Who we are to a registry, with docker's word for one that is not to be verified."""

    insecure: Insecure


VerboseManifest = Annotated[
    bool, option("--verbose", "-v", about="Each manifest in full, as docker shows it.")
]


class OfMember(TypedDict, total=False):
    """What a manifest list is to say of an image, instead of what the image says."""

    annotation: MemberAnnotations
    arch: MemberArch
    features: MemberFeatures
    os: MemberOs
    os_features: MemberOsFeatures
    os_version: MemberOsVersion
    variant: MemberVariant


class OfArtifact(TypedDict, total=False):
    """An artifact that is made of files for a list."""

    artifact: Annotated[
        bool, option("--artifact", about="Add files, which stand in the place of images.")
    ]
    artifact_type: Annotated[
        str, option("--artifact-type", metavar="TYPE", about="What it is, as a media type.")
    ]
    artifact_config: Annotated[
        str, option("--artifact-config", metavar="FILE", about="Its configuration. (none)")
    ]
    artifact_config_type: Annotated[
        str, option("--artifact-config-type", metavar="TYPE", about="The media type of that.")
    ]
    artifact_layer_type: Annotated[
        str, option("--artifact-layer-type", metavar="TYPE", about="The media type of the files.")
    ]
    artifact_subject: Annotated[
        str, option("--artifact-subject", metavar="IMAGE", about="The image that it is about.")
    ]
    artifact_exclude_titles: Annotated[
        bool, option("--artifact-exclude-titles", about="Leave the names of the files out.")
    ]


class AddAsked(OfMember, OfArtifact, Reach, total=False):
    """What `manifest add` is asked for, beside its own."""
