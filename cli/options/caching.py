"""Options of `builder` and `buildx`: what the cache of builds holds."""

from __future__ import annotations

from typing import Annotated

from rootless.cli.options.declare import option

AllCache = Annotated[
    bool, option("--all", "-a", about="Also layers that images have; the images keep them.")
]
CacheFilter = Annotated[
    list[str] | None,
    option("--filter", metavar="KEY=VALUE", about="Only what fits; may be repeated."),
]
KeepStorage = Annotated[
    str, option("--keep-storage", "--reserved-space", metavar="SIZE", about="Leave so much there.")
]
MaxUsedSpace = Annotated[
    str, option("--max-used-space", metavar="SIZE", about="Stop where the cache takes no more.")
]
MinFreeSpace = Annotated[
    str, option("--min-free-space", metavar="SIZE", about="Stop where so much of the disk is free.")
]
DuVerbose = Annotated[bool, option("--verbose", about="All that is known of each thing.")]
