"""From a seccomp profile to BPF, with libseccomp. Loaded only when no kept program is at hand.

All profiles become one form first, linux.seccomp of the OCI runtime specification: ours from
`seccomp_profile`, docker's by deciding its conditions (capabilities, architecture, kernel).
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from rootless.errors import HostError, UsageError
from rootless.linux import seccomp
from rootless.runtime.privileges import seccomp_profile as data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Document = dict[str, Any]

_ALLOW = 0x7FFF0000
_LISTENED = "ours:SCMP_ACT_NOTIFY"
"""Left to a listener of ours: no profile of others can say so."""

_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    _LISTENED: 0x7FC00000,
    "SCMP_ACT_ALLOW": _ALLOW,
}

_COMPARISONS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

_GO_NAMES = {
    "x86_64": ("amd64", "x32", "x86"),
    "i686": ("x86", "386"),
    "aarch64": ("arm64", "arm"),
    "armv7l": ("arm",),
    "armv8l": ("arm",),
    "riscv64": ("riscv64",),
    "ppc64le": ("ppc64le",),
    "s390x": ("s390x", "s390"),
}

_INT = 0xFFFFFFFF
"""Mask of an argument that the kernel takes as an int: it ignores the upper half, so must we."""

_AF_NETLINK, _NETLINK_AUDIT = 16, 9
_AF_REFUSED = (33, 38, 40)  # AF_RXRPC, AF_ALG, AF_VSOCK
_LAST_FAMILY = 45  # AF_MCTP, Linux 5.15

_NO_SOCKETCALL = (("socketcall", 0, 1, 0x00050000 | errno.EPERM),)
"""socketcall(SYS_SOCKET): the family lies in memory, where a filter cannot look. See `default`."""

_ALWAYS = (
    ("execveat", 4, 0x1000, _ALLOW),
    ("fcntl", 1, 2, _ALLOW),
    ("fcntl64", 1, 2, _ALLOW),
)
"""Call, index of an argument, its value: what every filter allows, whatever the profile says.

The last steps of a start are made with the filter on: fcntl(fd, F_SETFD, FD_CLOEXEC) and
execveat(fd, "", ..., AT_EMPTY_PATH) of a program that was opened before, then execve. A profile
that names only what its application needs would end there. It gives nothing away: execveat
executes what execve would, which a profile must allow for anything to start at all, and a process
that sets its own close-on-exec flags closes no more than close does."""

# Instructions of BPF (linux/filter.h): load a word of struct seccomp_data, compare, go on, return.
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_S_IFMT, _S_IFCHR, _S_IFBLK = 0o170000, 0o020000, 0o060000


def program(profile: str | Document | None, capabilities: list[str], ownership: str) -> bytes:
    """Compile `profile` for `capabilities`; the parameters are those of `seccomp.filter_for`.

    Raises UsageError for what a profile must not say, HostError without libseccomp.
    """
    try:
        document = describe(profile, capabilities)
        if ownership:
            document = fake_ownership(document, recorded=ownership == "recorded")
        return compile_document(document)
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        # A list where a number should be, a number out of range: the profile is somebody's file.
        cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"cannot compile the seccomp profile: {cause}") from error


def describe(profile: str | Document | None, capabilities: list[str]) -> Document:
    """Return a profile in the form of the OCI runtime specification.

    Raises UsageError for a name that is no profile's.
    """
    if isinstance(profile, dict):
        return _decided(profile, capabilities)
    if profile in ("default", "default-386"):
        document = default(capabilities)
        if profile == "default":
            document["first"] = _NO_SOCKETCALL
        return document
    if profile in (None, "unconfined"):
        return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": _architectures()}
    raise UsageError(f"unknown seccomp profile {profile!r}", "default, unconfined or a file")


def _architectures() -> list[str]:
    return list(data.ARCHITECTURES.get(os.uname().machine, ()))


def _rule(names: str | list[str], action: str = "ALLOW", number: int | None = None) -> Document:
    listed = names.split() if isinstance(names, str) else names
    rule: Document = {"names": listed, "action": f"SCMP_ACT_{action}"}
    if number is not None:
        rule["errnoRet"] = number
    return rule


def _when(rule: Document, *comparisons: tuple[int, str, int, int]) -> Document:
    """Return `rule` for calls whose arguments compare so: (index, operation, value, valueTwo)."""
    arguments = [
        {"index": index, "op": f"SCMP_CMP_{operation}", "value": value, "valueTwo": second}
        for index, operation, value, second in comparisons
    ]
    return {**rule, "args": arguments}


def default(capabilities: list[str]) -> Document:
    """Return the default profile for a container that may have `capabilities`.

    It is not whole: `describe` adds that socketcall makes no sockets. C libraries and Go for i386
    know no other way to one (glibc is built for kernels before 4.3), and docker, which has refused
    that in its release 29.4.2, went back because of them and leaves it to AppArmor and SELinux,
    which are not ours to set up. So it is open where somebody asks for --platform linux/386.
    """
    groups = (
        data.FILES,
        data.WAITING,
        data.MEMORY,
        data.PROCESSES,
        data.SIGNALS,
        data.CLOCKS,
        data.SOCKETS,
        data.MESSAGES,
        data.NAMESPACES,
        data.MACHINE,
        *data.OF_ARCHITECTURES.values(),
    )
    rules = [_rule(group) for group in groups]
    rules.append(_rule(data.FORBIDDEN, "ERRNO", errno.EPERM))
    for any_of, names in data.CONDITIONAL:
        if set(any_of.split()) & set(capabilities):
            rules.append(_rule(names))
        else:
            rules.append(_rule(names, "ERRNO", errno.EPERM))
    rules += [
        _when(_rule("personality"), (0, "MASKED_EQ", _INT, value)) for value in data.PERSONALITIES
    ]
    rules.extend(_socket_rules("CAP_AUDIT_WRITE" in capabilities))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.ENOSYS,
        "architectures": _architectures(),
        "syscalls": rules,
    }


def _socket_rules(audit: bool) -> list[Document]:
    """Sockets of all families but three, and to the audit system with CAP_AUDIT_WRITE alone.

    AF_ALG, the kernel's ciphers, and AF_RXRPC, which AFS wants, have let readers write to files of
    the page cache, which all containers share (CVE-2026-31431, CVE-2026-43500).

    Each family has a rule of its own: libseccomp takes no two conditions on one argument, and
    "not 40" alone would let 40 with a bit in the upper half pass. The audit system answers
    EINVAL, as where the kernel has none: PAM takes EPERM for a failure.
    """
    rules = []
    for family in range(_LAST_FAMILY + 1):
        of_family = (0, "MASKED_EQ", _INT, family)
        if family in _AF_REFUSED:
            rules.append(_when(_rule("socket", "ERRNO", errno.EPERM), of_family))
        elif family == _AF_NETLINK and not audit:
            for protocol in range(32):  # MAX_LINKS of linux/netlink.h
                rule = _rule("socket")
                if protocol == _NETLINK_AUDIT:
                    rule = _rule("socket", "ERRNO", errno.EINVAL)
                rules.append(_when(rule, of_family, (2, "MASKED_EQ", _INT, protocol)))
        else:
            rules.append(_when(_rule("socket"), of_family))
    return rules


def fake_ownership(document: Document, *, recorded: bool) -> Document:
    """Return `document` with calls that change owners or ids answered by success.

    Those that change owners of files go to a listener, if they are to be `recorded`.

    Making a device succeeds as well; other files are made, and so is the character device 0:0,
    the whiteout of an overlay, which the kernel allows to everybody (since 5.8).
    """
    faked = set(data.FAKED.split())
    makers = {"mknod": 1, "mknodat": 2}  # -> index of the argument `mode`; `dev` follows it
    rules = []
    denied = set()
    for rule in document.get("syscalls") or []:
        names = [name for name in _names(rule) if name not in faked]
        if rule.get("action") == "SCMP_ACT_ALLOW":
            names = [name for name in names if name not in makers]
        else:
            denied |= makers.keys() & set(names)
        rules.append({**rule, "names": names})
    left = data.OWNERS if recorded else ""
    if recorded:
        rules.append({"names": left.split(), "action": _LISTENED})
    rules.append(
        _rule([name for name in data.FAKED.split() if name not in left.split()], "ERRNO", 0)
    )
    for name in sorted(makers.keys() - denied):
        rules.extend(_device_rules(name, makers[name]))
    return {**document, "syscalls": rules}


def _device_rules(name: str, mode: int) -> list[Document]:
    """mknod(at) with success for devices; the kernel decides about all else."""
    rules = []
    for kind in range(0, _S_IFMT + 1, 0o010000):
        of_kind = (mode, "MASKED_EQ", _S_IFMT, kind)
        if kind == _S_IFCHR:
            rules.append(_when(_rule(name), of_kind, (mode + 1, "EQ", 0, 0)))
            rules.append(_when(_rule(name, "ERRNO", 0), of_kind, (mode + 1, "NE", 0, 0)))
        elif kind == _S_IFBLK:
            rules.append(_when(_rule(name, "ERRNO", 0), of_kind))
        else:
            rules.append(_when(_rule(name), of_kind))
    return rules


def _names(rule: Document) -> list[str]:
    """docker's older profiles say "name", all others "names"."""
    return list(rule.get("names") or ([rule["name"]] if rule.get("name") else []))


def _decided(document: Document, capabilities: list[str]) -> Document:
    """Return docker's form with its conditions decided; the OCI form has none and stays."""
    if not isinstance(document.get("defaultAction"), str):
        raise UsageError("the seccomp profile has no defaultAction")
    architectures = list(document.get("architectures") or [])
    ours = _architectures()
    for entry in document.get("archMap") or []:
        if entry.get("architecture") in ours[:1]:
            architectures = [entry["architecture"], *(entry.get("subArchitectures") or [])]
    rules = [rule for rule in document.get("syscalls") or [] if _applies(rule, capabilities)]
    return {
        "defaultAction": document["defaultAction"],
        "defaultErrnoRet": _errno(document, "defaultErrnoRet", "defaultErrno"),
        "architectures": architectures,
        "syscalls": [{**rule, "names": _names(rule)} for rule in rules],
    }


def _applies(rule: Document, capabilities: list[str]) -> bool:
    """docker's conditions: all of `includes`, nothing of `excludes`."""
    includes = rule.get("includes") or {}
    excludes = rule.get("excludes") or {}
    machines = set(_GO_NAMES.get(os.uname().machine, ()))
    if not set(includes.get("caps") or []) <= set(capabilities):
        return False
    if set(excludes.get("caps") or []) & set(capabilities):
        return False
    if includes.get("arches") and not machines & set(includes["arches"]):
        return False
    if machines & set(excludes.get("arches") or []):
        return False
    if includes.get("minKernel") and _kernel() < _version(includes["minKernel"]):
        return False
    return not (excludes.get("minKernel") and _kernel() >= _version(excludes["minKernel"]))


def _version(text: str) -> tuple[int, int]:
    major, _, minor = str(text).partition(".")
    digits = ""
    for character in minor:
        if not character.isdigit():
            break
        digits += character
    return int(major), int(digits or 0)


def _kernel() -> tuple[int, int]:
    return _version(os.uname().release)


def _errno(rule: Document, number: str, name: str) -> int:
    """errnoRet, or podman's errno by name, or EPERM."""
    if rule.get(number) is not None:
        return int(rule[number])
    return int(getattr(errno, str(rule.get(name) or "EPERM"), errno.EPERM))


def compile_document(document: Document) -> bytes:
    """Return the program of a profile in the OCI form."""
    library = _library()
    default_action = _action(
        document["defaultAction"], _errno(document, "defaultErrnoRet", "defaultErrno")
    )
    context = library.SyscallFilter(default_action)
    for name in document.get("architectures") or []:
        _add_architecture(library, context, name)
    # Not libseccomp's default of one long chain of comparisons but a binary search.
    context.set_attr(library.Attr.CTL_OPTIMIZE, 2)
    for rule in document.get("syscalls") or []:
        _add_rules(library, context, rule, default_action)
    ahead = [call for call in _ALWAYS if not _is_allowed(document, call[0])]
    ahead += document.get("first", ())
    code = _first(library, document, ahead) + _export(context)
    if len(code) > seccomp.MAX_INSTRUCTIONS * seccomp.INSTRUCTION:
        raise UsageError(
            f"the seccomp profile has {len(code) // seccomp.INSTRUCTION} instructions, "
            f"more than the kernel's {seccomp.MAX_INSTRUCTIONS}"
        )
    return code


def _library() -> Any:
    import ctypes.util

    search = ctypes.util.find_library

    def find(name: str) -> str | None:
        """Try the usual name first: the search runs ldconfig or gcc, which small images lack."""
        usual = f"lib{name}.so.{6 if name == 'c' else 2}"
        try:
            ctypes.CDLL(usual)
        except OSError:
            return search(name)
        return usual

    ctypes.util.find_library = find
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise HostError(
            f"cannot compile the seccomp profile: {error}",
            "install libseccomp (apt-get install libseccomp2, dnf install libseccomp)",
        ) from error
    finally:
        ctypes.util.find_library = search
    return pyseccomp


def _add_architecture(library: Any, context: Any, name: str) -> None:
    number = getattr(library.Arch, name.removeprefix("SCMP_ARCH_"), None)
    if number is None:
        raise UsageError(f"unknown architecture {name!r} in the seccomp profile")
    try:
        context.add_arch(number)
    except OSError as error:
        if error.errno != errno.EEXIST:  # the machine's own is there from the start
            raise


def _action(name: str, number: int) -> int:
    if name == "SCMP_ACT_NOTIFY":
        raise UsageError(f"the seccomp profile's {name} needs an agent, which we have not")
    if name not in _ACTIONS:
        raise UsageError(f"unknown action {name!r} in the seccomp profile")
    with_number = name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
    return _ACTIONS[name] | (number & 0xFFFF if with_number else 0)


def _add_rules(library: Any, context: Any, rule: Document, default_action: int) -> None:
    action = _action(rule["action"], _errno(rule, "errnoRet", "errno"))
    if action == default_action:
        return  # libseccomp refuses what the default says anyhow
    arguments = [_comparison(library, comparison) for comparison in rule.get("args") or []]
    indexes = [int(comparison["index"]) for comparison in rule.get("args") or []]
    # Several conditions on one argument mean any of them (runc and crun read it so), and
    # libseccomp takes only one on each for a rule.
    repeated = len(set(indexes)) < len(indexes)
    chains: Iterable[list[Any]] = [[one] for one in arguments] if repeated else [arguments]
    for name in rule["names"]:
        number = library.resolve_syscall(library.Arch.NATIVE, name)
        if number == -1:
            continue  # newer than this libseccomp: the default action meets it
        for chain in chains:
            _add_rule(context, action, number, chain)


def _comparison(library: Any, comparison: Document) -> Any:
    operation = _COMPARISONS.get(comparison["op"])
    if operation is None:
        raise UsageError(f"unknown operation {comparison['op']!r} in the seccomp profile")
    values = int(comparison["value"]), int(comparison.get("valueTwo") or 0)
    return library.Arg(int(comparison["index"]), operation, *values)


def _add_rule(context: Any, action: int, number: int, chain: list[Any]) -> None:
    try:
        context.add_rule(action, number, *chain)
    except OSError as error:
        if error.errno != errno.EEXIST:  # said before: the first word counts, as with crun
            raise


def _is_allowed(document: Document, name: str) -> bool:
    """Whether the rules allow all calls of this name.

    Then it needs no look at arguments, and the kernel (since 5.11) notes it as always allowed.
    """
    rules = [rule for rule in document.get("syscalls") or [] if name in rule["names"]]
    actions = {rule["action"] if not rule.get("args") else "" for rule in rules}
    return (actions or {document["defaultAction"]}) == {"SCMP_ACT_ALLOW"}


def _first(library: Any, document: Document, calls: Iterable[tuple[str, int, int, int]]) -> bytes:
    """Return instructions that go before a program: they decide about `calls`, or pass on to it.

    A call is its name, the index of an argument, the value that this must have, and the action.

    Rules cannot say it: for libseccomp the first word on a call counts, it takes no two conditions
    on one argument, and none that is "not" and looks at the lower half alone.
    """
    names = [name.removeprefix("SCMP_ARCH_") for name in document.get("architectures") or []]
    machines = [library.system_arch(), *(getattr(library.Arch, name) for name in names)]
    tests: dict[int, dict[int, tuple[int, int, int]]] = {}
    for machine in machines:
        # To the kernel x32 is x86_64 with a bit in the number, which libseccomp's numbers have.
        token = library.Arch.X86_64 if machine == library.Arch.X32 else machine
        for name, index, value, action in calls:
            number = library.resolve_syscall(machine, name)
            if number >= 0:
                tests.setdefault(int(token), {})[number] = index, value, action
    return b"".join(_on_machine(token, of_machine) for token, of_machine in tests.items())


def _on_machine(token: int, tests: dict[int, tuple[int, int, int]]) -> bytes:
    """The tests of one architecture: number of the call -> index and value of an argument, action.

    Any other value goes on to the end, since no second test is about the same call.
    """

    def instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, then, otherwise, value)

    low = 0 if sys.byteorder == "little" else 4
    size = 4 * len(tests)
    code = instruction(_LOAD, _MACHINE) + instruction(_JUMP_EQUAL, token, 0, size + 1)
    code += instruction(_LOAD, _NUMBER)
    for number, (index, value, action) in tests.items():
        size -= 4
        code += instruction(_JUMP_EQUAL, number, 0, 3)
        # The arguments are ints for the kernel, which ignores the upper half: so it is not loaded.
        code += instruction(_LOAD, _ARGUMENTS + 8 * index + low)
        code += instruction(_JUMP_EQUAL, value, 0, size + 1)
        code += instruction(_RETURN, action)
    return code


def _export(context: Any) -> bytes:
    with open(os.memfd_create("seccomp", os.MFD_CLOEXEC), "rb") as file:
        context.export_bpf(file)
        file.seek(0)
        return file.read()
