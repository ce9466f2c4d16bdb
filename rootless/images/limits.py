"""What unpacking a layer and reading an archive may cost: our bounds, or those of the settings."""

from __future__ import annotations

from rootless import settings
from rootless.oci import archive as archives
from rootless.oci.layers.tar import Limits


def layer() -> Limits:
    """Return the bounds on one layer. Raises UsageError for settings that make no sense."""
    return _limits("layer", {})


def archive() -> Limits:
    """Return the bounds on one archive of images, whose entries are layers. Raises UsageError."""
    return _limits("archive", {"entries": archives.LIMITS.entries})


def _limits(kind: str, usual: dict[str, int]) -> Limits:
    start = f"{kind}-"
    found = settings.limits().items()
    given = {key.removeprefix(start): value for key, value in found if key.startswith(start)}
    remedy = f"{kind}-LIMIT in [limits] of {settings.path()} raises this limit"
    return Limits(**{**usual, **given}, remedy=remedy)
