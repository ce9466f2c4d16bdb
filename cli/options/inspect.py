"""Options of inspect."""

from __future__ import annotations

from typing import Annotated, Literal

from rootless.cli.options.declare import argument, option

MaybeObjects = Annotated[
    list[str] | None, argument("[NAME]...", "Containers or images, by name or id.")
]
InspectFormat = Annotated[
    str,
    option("--format", "-f", metavar="TEMPLATE", about="json, docker, podman, or a Go template."),
]
Type = Annotated[
    Literal["container", "image", "all"],
    option("--type", "-t", metavar="TYPE", about="container or image. (both)"),
]
InspectSize = Annotated[
    bool, option("--size", "-s", about="Show how much a container has written.")
]
