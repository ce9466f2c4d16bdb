"""What is known of the files of a stage or an image without looking: their digests.

Layers never change. So a digest of some of their files is a result like that of a step, without a
layer: it says that COPY --from has nothing to do, though the stage's files may not be here.
"""

from __future__ import annotations

from rootless.build.cache.results import Result, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.files.gathering import Wanted
    from rootless.images.trees.stack import Stack

TEXT = "digest of the files of a stage"


def key(stack: Stack, wanted: Wanted) -> str:
    """Return the key of a digest of files in layers."""
    how = [wanted.sources, wanted.excluded, wanted.parents, wanted.trusted, wanted.literal]
    return key_of("content", stack.diff_ids, how)


def result(digest: str) -> Result:
    """Return the digest as what is kept under the key."""
    return Result(None, {"text": TEXT, "content": digest})
