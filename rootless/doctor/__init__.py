"""What containers need, what of it this machine has, and what would better it.

finding   one answer: need, level, what was found, what follows, the command that helps
probe     trying things in child processes, which leave nothing behind
host      the kernel, its settings, and the outer container if there is one
ids       user namespaces, subordinate ids, the helpers that map them
storage   the store's file system and how root file systems are put together on it
session   what the user's session gives: runtime directory, cgroups, lingering
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.doctor.finding import Finding
    from rootless.store.paths import Paths


def examine(paths: Paths) -> list[Finding]:
    """Try everything out on this machine for the store of `paths`, and return the findings."""
    from rootless.doctor import host, ids, session, storage

    return [
        *host.findings(),
        *ids.findings(paths),
        *storage.findings(paths),
        *session.findings(paths),
    ]


def usable(findings: list[Finding]) -> bool:
    """Whether containers can run at all: nothing is blocked."""
    return all(finding.level != "blocked" for finding in findings)
