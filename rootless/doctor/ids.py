"""Whose ids containers get: user namespaces, subordinate ids and the programs that map them."""

from __future__ import annotations

import errno
import os
import pwd

from rootless.doctor import host, probe
from rootless.doctor.finding import BLOCKED, DEGRADED, OK, Finding
from rootless.errors import Error
from rootless.linux import caps, namespaces
from rootless.linux import mount as m
from rootless.runtime.userns import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_ENOUGH = 65536
_RESTRICTED = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

PROFILE = """\
abi <abi/4.0>,
include <tunables/global>
profile rootless {program} flags=(unconfined) {{
  userns,
  include if exists <local/rootless>
}}"""
"""What AppArmor must be told before the program may make user namespaces with rights in them."""


def findings(paths: Paths) -> list[Finding]:
    """Return the findings about identities, from the ground up."""
    return [
        user_namespaces(),
        apparmor(),
        subordinate_ids(),
        helpers(),
        identity_mode(paths),
        new_proc(paths),
    ]


def _try_namespace() -> list[str]:
    """In a child: make a user namespace and use a right in it. Returns [step, reason] or []."""
    user, group = os.geteuid(), os.getegid()
    steps = (
        ("unshare", lambda: namespaces.unshare(namespaces.CLONE_NEWUSER)),
        ("setgroups", lambda: _write("setgroups", "deny")),
        ("uid_map", lambda: _write("uid_map", f"0 {user} 1")),
        ("gid_map", lambda: _write("gid_map", f"0 {group} 1")),
        ("mount namespace", lambda: namespaces.unshare(namespaces.CLONE_NEWNS)),
        ("mount", lambda: m.mount("tmpfs", "/", "tmpfs", m.MS_NODEV)),
    )
    for name, step in steps:
        if failure := probe.attempt(step):
            return [name, failure]
    return []


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
        file.write(text)


def user_namespaces() -> Finding:
    """Whether this user may make a namespace, and has rights in it."""
    failed = probe.child(_try_namespace)
    if failed == []:
        limit = probe.read("/proc/sys/user/max_user_namespaces")
        return Finding("user namespaces", OK, f"can be made (at most {limit or 'unknown'})")
    step, reason = failed or ["unshare", "the process was killed"]
    found = f"{step}: {reason}"
    return Finding("user namespaces", BLOCKED, found, "no container can run", _mend(step))


def _mend(step: str) -> str:
    """What keeps a namespace from being made, in the order of likelihood."""
    if probe.read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return _sysctl("kernel.unprivileged_userns_clone=1")
    if probe.read("/proc/sys/user/max_user_namespaces") == "0":
        return _sysctl("user.max_user_namespaces=15000")
    if probe.read(_RESTRICTED) == "1":
        return "see apparmor below"
    if host.container():
        return "start the outer container with --security-opt seccomp=unconfined"
    if step == "unshare":
        return "ask the administrator whether SELinux, seccomp or a limit forbids unshare(2)"
    return ""


def _sysctl(setting: str) -> str:
    return f"echo {setting} | sudo tee /etc/sysctl.d/90-rootless.conf && sudo sysctl --system"


def apparmor() -> Finding:
    """Ubuntu's restriction (23.10 and newer): rights in a namespace only for named programs."""
    setting = probe.read(_RESTRICTED)
    if setting in ("", "0"):
        return Finding("apparmor", OK, "does not restrict user namespaces")
    # The profile is chosen by the file that execve ends at, behind all links.
    program = os.readlink("/proc/self/exe")
    if probe.child(_try_namespace) == []:
        return Finding("apparmor", OK, f"restricts user namespaces, but not those of {program}")
    profile = PROFILE.format(program=program)
    return Finding(
        "apparmor",
        BLOCKED,
        f"kernel.apparmor_restrict_unprivileged_userns={setting}, and no profile for {program}",
        "a namespace has no rights in it; the profile below gives them to every script that"
        f" {program} runs (a venv made with --copies has an interpreter of its own to name)",
        f"sudo tee /etc/apparmor.d/rootless <<'EOF'\n{profile}\nEOF\n"
        "sudo apparmor_parser -r /etc/apparmor.d/rootless",
    )


def user_name() -> str:
    """The name of this user, or the number where there is none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def subordinate_ids() -> Finding:
    """Ranges of /etc/subuid and /etc/subgid, and what a directory service says."""
    if identity.may_map_any():
        return Finding("subordinate ids", OK, "not needed: root maps any id")
    uids = identity.subordinate("/etc/subuid", os.getuid())
    gids = identity.subordinate("/etc/subgid", os.getuid())
    enough = min(_total(uids), _total(gids))
    if enough:
        found = f"uids {_ranges(uids)}, gids {_ranges(gids)}"
        if enough >= _ENOUGH:
            return Finding("subordinate ids", OK, found)
        effect = f"images with an id above {enough} do not unpack"
        return Finding("subordinate ids", DEGRADED, found, effect, _add_ranges())
    name = user_name()
    served = probe.output("getsubids", name)
    if served:
        return Finding(
            "subordinate ids",
            DEGRADED,
            f"a directory service has them ({served.splitlines()[0]}), /etc/subuid has not",
            "they are not used: containers have one user id",
            f"sudo usermod --add-subuids {_range()} --add-subgids {_range()} {name}",
        )
    missing = "/etc/subuid" if not uids else "/etc/subgid"
    return Finding(
        "subordinate ids",
        DEGRADED,
        f"none for {name} in {missing}",
        "containers have one user id; owners are kept in a file beside each layer, and changing"
        " them inside succeeds without effect",
        _add_ranges(),
    )


def _total(ranges: list[tuple[int, int]]) -> int:
    return sum(count for _, count in ranges)


def _ranges(ranges: list[tuple[int, int]]) -> str:
    return ", ".join(f"{first}-{first + count - 1}" for first, count in ranges)


def _range() -> str:
    """A range that nobody has yet in /etc/subuid or /etc/subgid."""
    first = 100000
    for path in ("/etc/subuid", "/etc/subgid"):
        for line in probe.read(path).splitlines():
            _, _, numbers = line.partition(":")
            start, _, count = numbers.partition(":")
            if start.isdigit() and count.isdigit():
                first = max(first, int(start) + int(count))
    return f"{first}-{first + _ENOUGH - 1}"


def _add_ranges() -> str:
    free = _range()
    return f"sudo usermod --add-subuids {free} --add-subgids {free} {user_name()}"


def helpers() -> Finding:
    """Whether newuidmap and newgidmap are there and have the privilege that they need."""
    if identity.may_map_any():
        return Finding("newuidmap", OK, "not needed: root maps any id")
    problems = [identity.helper_problem(*helper) for helper in identity.HELPERS]
    if not any(problems):
        return Finding("newuidmap", OK, identity.find_program("newuidmap"))
    problem = next(filter(None, problems))
    path = identity.find_program(problem.split()[0].rpartition("/")[2])
    if not path:
        remedy = "sudo apt-get install uidmap  (or: sudo dnf install shadow-utils)"
    elif caps.no_new_privs():
        remedy = "start what started this without no_new_privs"
    else:
        remedy = f"sudo chown root {path} && sudo chmod u+s {path}"
    effect = "subordinate ids cannot be used: containers have one user id"
    return Finding("newuidmap", DEGRADED, problem, effect, remedy)


def identity_mode(paths: Paths) -> Finding:
    """What the choice comes to, with a real namespace made of it."""
    try:
        who = identity.detect()
        probe.inside(paths, os.getpid)
    except (Error, OSError) as error:
        found = str(getattr(error, "message", error))
        remedy = str(getattr(error, "hint", ""))
        if _single_works(paths):
            remedy = "export ROOTLESS_IDENTITY=single"
        return Finding("identity", BLOCKED, found, "no container can run", remedy)
    ids = sum(count for _, _, count in who.uid_map)
    found = f"mode {who.mode}, {ids} user id{'s' * (ids != 1)}"
    if who.mode == "single":
        return Finding(
            "identity",
            DEGRADED,
            found,
            "root inside is you, others do not exist; chown, setuid and mknod pretend to work",
            "see subordinate ids and newuidmap",
        )
    return Finding("identity", OK, found)


def _single_works(paths: Paths) -> bool:
    before = os.environ.get("ROOTLESS_IDENTITY")
    os.environ["ROOTLESS_IDENTITY"] = "single"
    try:
        probe.inside(paths, os.getpid)
    except (Error, OSError):
        return False
    finally:
        del os.environ["ROOTLESS_IDENTITY"]
        if before is not None:
            os.environ["ROOTLESS_IDENTITY"] = before
    return True


def _mount_proc() -> str:
    """Inside the user namespace: proc for a new pid namespace, as each container wants it."""
    namespaces.unshare(namespaces.CLONE_NEWPID)
    failure = probe.child(lambda: probe.attempt(lambda: m.mount("proc", "/proc", "proc")))
    return str(failure) if failure is not None else os.strerror(errno.EPERM)


def new_proc(paths: Paths) -> Finding:
    """Whether containers can have their own /proc: nested ones mostly cannot (masked paths)."""
    try:
        failure = probe.inside(paths, _mount_proc)
    except (Error, OSError):
        return Finding("proc", DEGRADED, "cannot be tried", "see identity")
    if not failure:
        return Finding("proc", OK, "can be mounted for a new pid namespace")
    return Finding(
        "proc",
        DEGRADED,
        f"mount: {failure}",
        "containers see the processes of the outer one: its /proc is used, and its pid namespace",
        "start the outer container with --security-opt unmask=ALL (podman) or systempaths="
        "unconfined (docker)",
    )
