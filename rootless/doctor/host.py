"""The kernel and its settings: system calls, seccomp, TUN, and the container around us, if any."""

from __future__ import annotations

import errno
import os
import tempfile

from rootless.doctor import probe
from rootless.doctor.finding import BLOCKED, DEGRADED, OK, Finding
from rootless.errors import Error
from rootless.linux import namespaces
from rootless.linux import tun as tap
from rootless.runtime.privileges import caps, seccomp


def findings() -> list[Finding]:
    """Return the findings about the kernel."""
    return [kernel(), surroundings(), seccomp_filter(), tun()]


def kernel() -> Finding:
    """The release, and the newest call that nothing works without."""
    release = os.uname().release
    failure = probe.child(_try_calls)
    if failure != 0:
        missing = f"pidfd_open(2) fails: {os.strerror(failure or 0)}"
        if failure == errno.ENOSYS and _release() < (5, 8):
            remedy = "boot Linux 5.8 or newer"
        else:  # the filter of an outer engine that is older than these calls
            remedy = "start the outer container with --security-opt seccomp=unconfined"
        return Finding("kernel", BLOCKED, f"{release}, {missing}", "no container can run", remedy)
    if _release() < (5, 11):
        return Finding(
            "kernel",
            DEGRADED,
            release,
            "before 5.11 there is no overlay in user namespaces",
            "boot Linux 5.11 or newer",
        )
    return Finding("kernel", OK, release)


def _try_calls() -> int:
    """In a child: the call that has no substitute. Returns 0 or the errno."""
    try:
        os.pidfd_open(os.getpid())
    except OSError as error:
        return error.errno or errno.ENOSYS
    return 0


def _release() -> tuple[int, int]:
    major, _, rest = os.uname().release.partition(".")
    minor = ""
    for character in rest:
        if not character.isdigit():
            break
        minor += character
    return int(major), int(minor or 0)


def _status() -> dict[str, str]:
    """Return /proc/self/status."""
    lines = probe.read("/proc/self/status").splitlines()
    return dict(line.partition(":\t")[::2] for line in lines)


def container() -> str:
    """Return what this process is contained in ("docker", "podman", ...), "" on a plain machine."""
    named = probe.read("/run/systemd/container")
    if named:
        return named
    for path, name in (("/run/.containerenv", "podman"), ("/.dockerenv", "docker")):
        if os.path.exists(path):
            return name
    named = os.environ.get("container", "")  # noqa: SIM112 - the name that engines give it
    # Without a word a filter gives it away: plain sessions have none.
    return named or ("a container" if _status().get("Seccomp") == "2" else "")


def surroundings() -> Finding:
    """Whether we are nested, and what the outer engine forbids."""
    name = container()
    if not name:
        return Finding("surroundings", OK, "no outer container")
    status = _status()
    what = f"inside {name}"
    if status.get("NoNewPrivs") == "1" and os.geteuid() != 0:
        return Finding(
            "surroundings",
            DEGRADED,
            f"{what}, with no_new_privs",
            "newuidmap cannot work, so only one user id can be had",
            "start the outer container without --security-opt no-new-privileges",
        )
    return Finding("surroundings", OK, what, "what it forbids is named below")


def seccomp_filter() -> Finding:
    """Whether the kernel takes filters, and whether one can be made."""
    from rootless.linux import seccomp as kernel_seccomp

    if not kernel_seccomp.supported():
        return Finding(
            "seccomp",
            BLOCKED,
            "this kernel has none (CONFIG_SECCOMP_FILTER)",
            "containers start only with --security-opt seccomp=unconfined",
            "boot a kernel of a distribution",
        )
    with tempfile.TemporaryDirectory(prefix="rootless-doctor-") as directory:
        try:
            program = seccomp.filter_for("default", list(caps.DEFAULT), "", directory)
        except Error as error:
            return Finding("seccomp", BLOCKED, error.message, "containers do not start", error.hint)
    library = seccomp.library() or "libseccomp"
    return Finding("seccomp", OK, f"{len(program) // 8} instructions, made by {library}")


def tun() -> Finding:
    """Whether a container can have a network of its own: a TAP device in a new namespace."""
    failure = probe.child(lambda: probe.attempt(_make_tap))
    if not failure:
        return Finding("tun", OK, "/dev/net/tun makes devices")
    if os.path.exists("/dev/net/tun"):
        remedy = "sudo chmod 0666 /dev/net/tun"
    elif container():
        remedy = "start the outer container with --device /dev/net/tun"
    else:
        remedy = "sudo modprobe tun"
    effect = "--network none and host work, a private network does not"
    return Finding("tun", DEGRADED, f"/dev/net/tun: {failure}", effect, remedy)


def _make_tap() -> None:
    """In a child: a device that ends with the namespace, which ends with the child."""
    namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNET)
    tap.open_tap("probe0")
