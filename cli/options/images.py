"""Options of the commands that work with the images of the store."""

from __future__ import annotations

from typing import Annotated, Literal

from rootless.cli.options.declare import argument, option

ImageNames = Annotated[list[str], argument("IMAGE...", "Names or ids of images.")]
SomeImages = Annotated[list[str] | None, argument("[IMAGE]...", "Names or ids of images.")]
Repository = Annotated[str, argument("[REPOSITORY[:TAG]]", "Only images of this name.")]
NewNames = Annotated[list[str], argument("TARGET...", "The new names.")]
AllImages = Annotated[bool, option("--all", "-a", about="Also images without a name.")]
Digests = Annotated[bool, option("--digests", about="Show digests.")]
ForceImage = Annotated[bool, option("--force", "-f", about="Also where a container uses it.")]
EveryImage = Annotated[bool, option("--all", "-a", about="All images.")]
NameHistory = Annotated[bool, option("--history", about="Show all names of each.")]
NoImageHeading = Annotated[bool, option("--noheading", "-n", about="No line of headings.")]
ImageSort = Annotated[
    Literal["created", "id", "repository", "size", "tag"],
    option("--sort", metavar="KEY", about="created, id, repository, size, tag. (created)"),
]
Human = Annotated[
    bool, option("--human", "-H", about="Round sizes, and ages instead of dates. (default: true)")
]
NoPrune = Annotated[bool, option("--no-prune", about="Keep the image when its last name goes.")]
OldNames = Annotated[list[str] | None, argument("[NAME]...", "Names to take; all by default.")]
WhatRequires = Annotated[bool, option("--whatrequires", about="Show what is made upon it.")]
TrustAction = Annotated[Literal["show", "set"], argument("ACTION", "show or set.")]
TrustScope = Annotated[
    str, argument("[REGISTRY]", "A registry, or registry and repository; `default` for all others.")
]
TrustType = Annotated[
    Literal["signedBy", "sigstoreSigned", "accept", "reject"],
    option("--type", "-t", metavar="TYPE", about="signedBy, sigstoreSigned, accept, reject."),
]
PubKeysFile = Annotated[
    list[str] | None,
    option("--pubkeysfile", "-f", metavar="FILE", about="A key that has to have signed it."),
]
Raw = Annotated[bool, option("--raw", about="The file as it is.")]
TrustJson = Annotated[bool, option("--json", "-j", about="As JSON.")]
