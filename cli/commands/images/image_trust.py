"""image trust: which images are let in."""

from __future__ import annotations

import sys

from rootless.cli import output
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import images as opt
    from rootless.engine import Engine
    from rootless.images.policy import Row

HEADINGS = ["TRANSPORT", "NAME", "TYPE", "ID", "STORE"]


def image_trust(
    engine: Engine,
    action: opt.TrustAction,
    registry: opt.TrustScope = "",
    *,
    json: opt.TrustJson = False,
    noheading: opt.NoImageHeading = False,
    pubkeysfile: opt.PubKeysFile = None,
    raw: opt.Raw = False,
    type: opt.TrustType = "signedBy",  # noqa: A002 - the option's name
) -> int:
    """Show or set which images may be pulled.

    By containers-policy.json: yours, or else the machine's. `set` writes yours.

    Examples:
        rootless image trust show
        rootless image trust set --type reject default
        rootless image trust set -f key.asc registry.example.com/team
    """
    from rootless.images import policy

    if action == "set":
        if not registry:
            raise UsageError("which registry?", "`default` is what holds for all others")
        policy.trust(registry, type, pubkeysfile or [])
        return 0
    if raw:
        sys.stdout.write(policy.raw())
        return 0
    rows = [row for row in policy.rows() if registry in ("", row.name)]
    if json:
        output.say_json(output.pretty([_fields(row) for row in rows], 2))
        return 0
    lines = [[row.transport, row.name, row.kind, row.ids, row.store] for row in rows]
    output.say_table(lines if noheading else [HEADINGS, *lines])
    return 0


def _fields(row: Row) -> dict[str, str]:
    """Return what podman says of a requirement: nothing that is empty."""
    known = {
        "transport": row.transport,
        "name": "* (default)" if row.transport == "all" else row.name,
        "repo_name": row.name,
        "sigstore": row.store,
        "type": row.kind,
        "gpg_id": row.ids,
    }
    return {key: value for key, value in known.items() if value}
