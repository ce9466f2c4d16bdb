"""Identity mode single: what programs need that change users although only one id exists.

The seccomp filter lets chown, setuid, setgroups and their kin succeed without acting. apt is not
content with that: it looks whether its change to the user _apt happened (DropPrivileges in its
apt-pkg/contrib/fileutl.cc). So a file outside the image, named by APT_CONFIG, tells it not to try.
"""

from __future__ import annotations

import os

from rootless.linux.openat2 import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Process, Spec
    from rootless.runtime.tree.tree import Tree

APT_FILE = "/dev/.apt-single-id.conf"
_APT_TEXT = b'APT::Sandbox::User "root";\n'


def emulation(mode: str, spec: Spec) -> str:
    """Return how calls that change owners are answered for a container of `spec`.

    As `privileges.seccomp.filter_for` has it; empty for the kernel's own answer.
    """
    private = spec["rootless"]
    if mode != "single" or private["privileged"]:
        return ""
    return "recorded" if private.get("record_owners") else "faked"


def tell_apt(tree: Tree, process: Process) -> None:
    """Where the image has apt, write the file into the container's own /dev and name it."""
    try:
        os.close(open_in_root(tree.root, "/usr/bin/apt-get"))
    except OSError:
        return
    fd = tree.target(APT_FILE, directory=False)
    try:
        writable = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
    try:
        os.write(writable, _APT_TEXT)
    finally:
        os.close(writable)
    process["env"] = _with_config(process.get("env") or [])


def tell_apt_again(process: Process) -> None:
    """For a further process, inside the container: name the file if the first one had it."""
    if os.path.exists(APT_FILE):
        process["env"] = _with_config(process.get("env") or [])


def _with_config(environment: list[str]) -> list[str]:
    if any(item.startswith("APT_CONFIG=") for item in environment):
        return environment  # the user's own stays
    return [*environment, f"APT_CONFIG={APT_FILE}"]
