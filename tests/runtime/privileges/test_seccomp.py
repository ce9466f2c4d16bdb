"""The seccomp filter: what the program says (in an interpreter here), and what the kernel does."""

from __future__ import annotations

import errno
import json
import os
import struct
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyseccomp
import pytest

from rootless.errors import HostError, UsageError
from rootless.runtime.privileges import caps, seccomp, seccomp_compile, seccomp_profile

pytestmark = pytest.mark.once

DEFAULT = list(caps.DEFAULT)
PODMANS = Path("/usr/share/containers/seccomp.json")
SOURCES = Path(seccomp.__file__).parent

ALLOW = 0x7FFF0000
X86_64, X86 = 0xC000003E, 0x40000003
AARCH64, ARM = 0xC00000B7, 0x40000028
HERE = {
    "x86_64": [("X86_64", X86_64, 0), ("X86", X86, 0), ("X32", X86_64, 0x40000000)],
    "aarch64": [("AARCH64", AARCH64, 0), ("ARM", ARM, 0)],
}.get(os.uname().machine, [])


def evaluate(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a seccomp program as the kernel does (Documentation/networking/filter.rst)."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    counter = accumulator = 0
    while True:
        code, when, otherwise, k = struct.unpack_from("<HBBI", program, counter * 8)
        counter += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x06:
            return int(k)
        elif code == 0x05:
            counter += k
        elif code == 0x54:
            accumulator &= k
        else:
            truth = {
                0x15: accumulator == k,
                0x35: accumulator >= k,
                0x25: accumulator > k,
                0x45: bool(accumulator & k),
            }[code]
            counter += when if truth else otherwise


def word(answer: int) -> str:
    if answer == ALLOW:
        return "ALLOW"
    if answer >> 16 == 5:
        return errno.errorcode.get(answer & 0xFFFF, str(answer & 0xFFFF))
    return hex(answer)


def says(program: bytes, name: str, *arguments: int) -> str:
    """What `program` answers to system call `name` of this machine."""
    arch = pyseccomp.system_arch()
    return word(evaluate(program, arch, pyseccomp.resolve_syscall(arch, name), arguments))


def default(capabilities: list[str] | None = None, emulate: bool = False) -> bytes:
    chosen = DEFAULT if capabilities is None else capabilities
    return seccomp_compile.program("default", chosen, emulate)


def test_the_revision_is_current() -> None:
    state = blake2b(digest_size=8)
    for name in ("seccomp_profile", "seccomp_compile"):
        state.update((SOURCES / f"{name}.py").read_bytes())
    assert state.hexdigest() == seccomp.REVISION, (
        f'set REVISION = "{state.hexdigest()}" in rootless/runtime/privileges/seccomp.py'
    )


def test_no_call_is_named_twice() -> None:
    rules = seccomp_compile.default(DEFAULT)["syscalls"]
    names = [name for rule in rules if not rule.get("args") for name in rule["names"]]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (("read",), "ALLOW"),
        (("clone3",), "ALLOW"),
        (("unshare", 0x10000000), "ALLOW"),
        (("mount",), "ALLOW"),
        (("setns",), "ALLOW"),
        (("chroot",), "ALLOW"),
        (("keyctl",), "ALLOW"),
        (("chown",), "ALLOW"),
        (("kexec_load",), "EPERM"),
        (("bpf",), "EPERM"),
        (("perf_event_open",), "EPERM"),
        (("open_by_handle_at",), "EPERM"),
        (("init_module",), "EPERM"),
        (("settimeofday",), "EPERM"),
        (("userfaultfd",), "EPERM"),
        (("io_uring_setup",), "ENOSYS"),
        (("add_key",), "ENOSYS"),
        (("personality", 0xFFFFFFFF), "ALLOW"),
        (("personality", 0xFFFFFFFFFFFFFFFF), "ALLOW"),
        (("personality", 0x0040000), "ENOSYS"),
        (("socket", 2, 1, 0), "ALLOW"),
        (("socket", 16, 3, 0), "ALLOW"),
        (("socket", 16, 3, 9), "EINVAL"),
        (("socket", 16 | 1 << 32, 3, 9 | 1 << 40), "EINVAL"),
        (("socket", 33, 2, 2), "EPERM"),
        (("socket", 38, 5, 0), "EPERM"),
        (("socket", 38 | 1 << 32, 5, 0), "EPERM"),
        (("socket", 39, 5, 0), "ALLOW"),
        (("socket", 40, 1, 0), "EPERM"),
        (("socket", 40 | 1 << 32, 1, 0), "EPERM"),
    ],
)
def test_the_default_profile(call: tuple[Any, ...], answer: str) -> None:
    assert says(default(), *call) == answer


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("CAP_SYS_ADMIN", ("bpf",)),
        ("CAP_BPF", ("bpf",)),
        ("CAP_PERFMON", ("perf_event_open",)),
        ("CAP_SYS_ADMIN", ("sethostname",)),
        ("CAP_DAC_READ_SEARCH", ("open_by_handle_at",)),
        ("CAP_SYS_MODULE", ("finit_module",)),
        ("CAP_SYS_TIME", ("clock_settime",)),
        ("CAP_SYS_PTRACE", ("kcmp",)),
        ("CAP_AUDIT_WRITE", ("socket", 16, 3, 9)),
    ],
)
def test_a_capability_opens_its_calls(capability: str, call: tuple[Any, ...]) -> None:
    assert says(default(), *call) in ("EPERM", "EINVAL")
    assert says(default([*DEFAULT, capability]), *call) == "ALLOW"


OURS_ALONE = {
    # newer than the podman of Debian 12, allowed by docker and by podman since
    "cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake getxattrat listmount"
    " listxattrat lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack mseal"
    " open_tree_attr removexattrat set_mempolicy_home_node setxattrat statmount uretprobe"
    " file_getattr file_setattr io_pgetevents_time64 listns uprobe": ("ENOSYS", "ALLOW"),
    # allowed by docker; an older relative of it, io_getevents, is allowed by podman too
    "io_pgetevents": ("EPERM", "ALLOW"),
    # quotactl by another name: known and refused
    "quotactl_fd": ("ENOSYS", "EPERM"),
}
# AF_RXRPC; AF_VSOCK and AF_ALG, which docker refuses, too. podman refuses none
REFUSED = [(33,), (40,), (40, 1, 0), (40 | 1 << 32,), (38,), (38, 5, 0), (38 | 1 << 32,)]
SOCKETCALL = [(1,), (1 | 1 << 32,)]  # SYS_SOCKET
NO_FAMILY = [(46,), (0x40000,), (0xFFFFFFFF,)]  # refused by us, not known to the kernel
ARGUMENTS = [(), (2, 1, 0), (16, 3, 0), (16, 3, 9), (8,), *SOCKETCALL, *REFUSED, *NO_FAMILY]


@pytest.mark.skipif(not PODMANS.exists(), reason="podman's profile is not installed")
@pytest.mark.parametrize(
    "capabilities", [DEFAULT, [], list(caps.NAMES)], ids=["default", "none", "all"]
)
def test_differences_from_podmans_profile(capabilities: list[str]) -> None:
    """Every number below 600 on every architecture: the programs differ only as listed above."""
    podmans = seccomp_compile.program(json.loads(PODMANS.read_text()), capabilities, "")
    ours = default(capabilities)
    known = {name: pair for names, pair in OURS_ALONE.items() for name in names.split()}
    if "CAP_SYS_ADMIN" in capabilities:
        known["quotactl_fd"] = ("ENOSYS", "ALLOW")
    for label, arch, base in HERE:
        for number in range(600):
            for arguments in ARGUMENTS:
                pair = tuple(
                    word(evaluate(code, arch, base | number, arguments)) for code in (podmans, ours)
                )
                if pair[0] == pair[1]:
                    continue
                name = pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, label), base | number)
                if name == b"socket" and arguments in REFUSED + NO_FAMILY:
                    assert pair[0] == "ALLOW"
                    assert pair[1] == ("EPERM" if arguments in REFUSED else "ENOSYS")
                elif name == b"socketcall" and arguments in SOCKETCALL:
                    assert pair == ("ALLOW", "EPERM")
                else:
                    assert (label, name, pair) == (label, name, known.get(name.decode()))


def test_ownership_is_faked() -> None:
    program = default(emulate=True)
    for name in ("chown", "fchownat", "lchown", "setuid", "setresgid", "setgroups", "setfsuid"):
        assert says(program, name) == "0"
    for dev, mode, answer in [
        (0x103, 0o020666, "0"),
        (0x800, 0o060660, "0"),
        (0, 0o020000, "ALLOW"),
        (0, 0o010644, "ALLOW"),
        (0, 0o100644, "ALLOW"),
        (0, 0o644, "ALLOW"),
        (0, 0o140644, "ALLOW"),
    ]:
        assert says(program, "mknod", 0, mode, dev) == answer
        assert says(program, "mknodat", 0, 0, mode, dev) == answer
    assert says(program, "capset") == "ALLOW"
    assert says(program, "kexec_load") == "EPERM"


def test_ownership_is_faked_in_foreign_profiles_and_without_any() -> None:
    bare = seccomp_compile.program(None, DEFAULT, "faked")
    assert (says(bare, "chown"), says(bare, "kexec_load")) == ("0", "ALLOW")
    assert says(bare, "mknod", 0, 0o020666, 0x103) == "0"
    document = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mknod", "chown", "setuid"], "action": "SCMP_ACT_KILL_PROCESS"}],
    }
    strict = seccomp_compile.program(document, DEFAULT, "faked")
    assert says(strict, "chown") == "0"
    assert says(strict, "mknod", 0, 0o010644) == hex(0x80000000)
    assert says(strict, "mknodat", 0, 0, 0o060644, 0x103) == "0"


def test_the_form_of_the_runtime_specification() -> None:
    compare = {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}
    document = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {"names": ["getcwd", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
            {"names": ["chdir"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["dup2"], "action": "SCMP_ACT_ERRNO", "args": [compare]},
            {
                "names": ["dup3"],
                "action": "SCMP_ACT_ERRNO",
                "args": [compare, {**compare, "value": 7}],
            },
            {"names": ["getcwd"], "action": "SCMP_ACT_LOG"},
        ],
    }
    program = seccomp_compile.program(document, DEFAULT, "")
    assert says(program, "getcwd") == "EACCES"
    assert says(program, "chdir") == "EPERM"
    assert says(program, "mkdir") == "ALLOW"
    assert [says(program, "dup2", 0, value) for value in (4, 5)] == ["ALLOW", "EPERM"]
    # several conditions on one argument are alternatives
    assert [says(program, "dup3", 0, value) for value in (5, 6, 7)] == ["EPERM", "ALLOW", "EPERM"]


def test_dockers_form() -> None:
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        ],
        "syscalls": [
            {"name": "chdir", "action": "SCMP_ACT_ALLOW", "args": []},
            {"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "3.10"}},
            {"names": ["rmdir"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.1"}},
            {"names": ["sync"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
            {"names": ["link"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_KILL"]}},
            {"names": ["getpid"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["mips"]}},
            {
                "names": ["getuid"],
                "action": "SCMP_ACT_ALLOW",
                "includes": {"arches": ["amd64", "arm64"]},
            },
        ],
    }
    program = seccomp_compile.program(document, ["CAP_KILL"], "")
    answers = {
        name: says(program, name)
        for name in ("chdir", "mkdir", "rmdir", "sync", "link", "getpid", "getuid")
    }
    allowed = {name for name, answer in answers.items() if answer == "ALLOW"}
    assert allowed == {"chdir", "mkdir", "getuid"}
    other = seccomp_compile.program(document, ["CAP_BPF"], "")
    assert (says(other, "sync"), says(other, "link")) == ("ALLOW", "ALLOW")


FLAGS = {"index": 4, "op": "SCMP_CMP_EQ", "value": 0x1000}
OTHER_FLAGS = {"index": 4, "op": "SCMP_CMP_EQ", "value": 0x2000}
NEEDED = ["execve", "exit_group", "write"]


def rules(action: str, *names: str, args: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"names": list(names), "action": f"SCMP_ACT_{action}", "args": args or []}


@pytest.mark.parametrize(
    ("default_action", "syscalls", "refusal"),
    [
        ("KILL_PROCESS", [rules("ALLOW", *NEEDED)], hex(0x80000000)),
        ("KILL", [rules("ALLOW", *NEEDED)], "0x0"),
        ("ERRNO", [rules("ALLOW", *NEEDED)], "EPERM"),
        ("TRAP", [rules("ALLOW", *NEEDED), rules("LOG", "write")], hex(0x30000)),
        ("ALLOW", [rules("ERRNO", "execveat", "fcntl", "fcntl64")], "EPERM"),
        ("ALLOW", [rules("KILL_PROCESS", "execveat", "fcntl", "fcntl64")], hex(0x80000000)),
        ("LOG", [rules("ERRNO", "execveat", "fcntl", "fcntl64")], "EPERM"),
        ("ERRNO", [rules("ERRNO", "execveat", "fcntl", args=[FLAGS])], "EPERM"),
        ("ERRNO", [rules("KILL", "execveat", args=[FLAGS, OTHER_FLAGS])], "EPERM"),
    ],
)
def test_the_last_steps_of_a_start_are_always_allowed(
    default_action: str, syscalls: list[dict[str, Any]], refusal: str
) -> None:
    """execveat of an open file and F_SETFD, on each architecture; what else they do is refused."""
    document = {
        "defaultAction": f"SCMP_ACT_{default_action}",
        "architectures": seccomp_profile.ARCHITECTURES[os.uname().machine],
        "syscalls": syscalls,
    }
    program = seccomp_compile.program(document, DEFAULT, "")
    checked = 0
    for label, token, _ in HERE:
        for name, index, value in (("execveat", 4, 0x1000), ("fcntl", 1, 2), ("fcntl64", 1, 2)):
            number = pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, label), name)
            if number < 0:
                continue
            zeros = [0] * 6
            answers = []
            for argument in (value, value | 1 << 32, 0, value + 1):
                zeros[index] = argument
                answers.append(word(evaluate(program, token, number, tuple(zeros))))
            assert answers[:2] == ["ALLOW", "ALLOW"], (label, name)
            assert answers[2:] == [refusal, refusal], (label, name)
            checked += 1
    assert checked >= 2


def test_what_is_always_allowed_is_only_on_architectures_of_the_profile() -> None:
    here = seccomp_profile.ARCHITECTURES[os.uname().machine]
    document = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": here[:1], "syscalls": []}
    program = seccomp_compile.program(document, DEFAULT, "")
    assert says(program, "fcntl", 0, 2) == "ALLOW"
    for label, token, _ in HERE[1:]:
        number = pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, label), "fcntl")
        assert evaluate(program, token, number, (0, 2)) == 0  # the thread is killed


def test_a_call_that_is_allowed_anyhow_costs_no_look_at_its_arguments() -> None:
    """The kernel notes such calls as always allowed, and asks the filter no more."""
    load_argument = struct.pack("<HBBI", 0x20, 0, 0, 16 + 8 * 4)  # the flags of execveat
    program = default()
    assert load_argument not in [program[at : at + 8] for at in range(0, len(program), 8)]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"defaultAction": "SCMP_ACT_PRAY"},
        {"defaultAction": "SCMP_ACT_NOTIFY"},
        {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_Z80"]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ["read"]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": 7},
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_ERRNO",
                    "args": [{"index": 9, "value": 0, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_ERRNO",
                    "args": [{"index": 0, "value": 0, "op": "~"}],
                }
            ],
        },
    ],
    ids=str,
)
def test_damaged_profiles_are_refused_in_words(document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seccomp profile"):
        seccomp.filter_for(document, DEFAULT, "", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_no_profile_is_no_program(tmp_path: Path) -> None:
    assert seccomp.filter_for(None, DEFAULT, "", str(tmp_path)) == b""
    assert seccomp.filter_for("unconfined", DEFAULT, "", str(tmp_path)) == b""
    with pytest.raises(UsageError, match="unknown seccomp profile"):
        seccomp.filter_for("defualt", DEFAULT, "", str(tmp_path))


# What is kept


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, bytes]:
    """A cache with one program, and that program."""
    program = seccomp.filter_for("default", DEFAULT, "", f"{tmp_path}/cache")
    (path,) = (tmp_path / "cache").iterdir()
    return path, program


def test_a_kept_program_is_used(kept: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path, program = kept
    assert path.stat().st_mode & 0o777 == 0o600

    def compiled(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(seccomp_compile, "program", compiled)
    assert seccomp.filter_for({"profile": "default"}, DEFAULT[::-1], "", str(path.parent))
    assert seccomp.filter_for("default", DEFAULT, "", str(path.parent)) == program


def test_each_input_has_its_own_program(kept: tuple[Path, bytes]) -> None:
    path, _ = kept
    directory = str(path.parent)
    seccomp.filter_for("default", DEFAULT, "faked", directory)
    seccomp.filter_for("default", DEFAULT[1:], "", directory)
    seccomp.filter_for({"defaultAction": "SCMP_ACT_ALLOW"}, DEFAULT, "", directory)
    assert len(os.listdir(directory)) == 4


@pytest.mark.parametrize(
    "damage", ["flip", "truncate", "empty", "other", "link", "writable", "fifo", "directory"]
)
def test_a_damaged_program_is_made_anew(kept: tuple[Path, bytes], damage: str) -> None:
    path, program = kept
    data = path.read_bytes()
    spoilt = data[:40] + bytes([data[40] ^ 1]) + data[41:]
    if damage == "flip":
        path.write_bytes(spoilt)
    elif damage == "truncate":
        path.write_bytes(data[:-8])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other":
        # a whole program, but that of a container with more rights
        everything = seccomp.filter_for("default", list(caps.NAMES), "", str(path.parent))
        assert everything != program
        (other,) = set(path.parent.iterdir()) - {path}
        os.rename(other, path)
    elif damage == "link":
        os.rename(path, path.with_suffix(".elsewhere"))
        path.symlink_to(path.with_suffix(".elsewhere"))
    elif damage == "writable":
        path.write_bytes(data)
        path.chmod(0o666)
    elif damage == "fifo":
        path.unlink()
        os.mkfifo(path)
    else:
        path.unlink()
        path.mkdir()
    assert seccomp._kept(str(path), path.name) is None
    assert seccomp.filter_for("default", DEFAULT, "", str(path.parent)) == program
    if damage != "directory":
        assert seccomp._kept(str(path), path.name) == program


def test_somebody_elses_program_is_not_believed(
    kept: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = kept
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert seccomp._kept(str(path), path.name) is None


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert seccomp.filter_for("default", DEFAULT, "", f"{tmp_path}/file/cache")
    assert os.listdir(tmp_path) == ["file"]


def test_the_cache_does_not_grow_for_ever(kept: tuple[Path, bytes]) -> None:
    path, _ = kept
    for number in range(seccomp._KEEP):
        (path.parent / f"old{number}").write_bytes(b"")
    seccomp.filter_for("default", [], "", str(path.parent))
    assert len(os.listdir(path.parent)) == 1


def test_without_libseccomp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(HostError, match="libseccomp2"):
        default()


def test_every_architecture_has_the_data() -> None:
    for names in seccomp_profile.ARCHITECTURES.values():
        for name in names:
            assert hasattr(pyseccomp.Arch, name.removeprefix("SCMP_ARCH_"))


def test_the_other_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """libseccomp compiles for every machine, so the filter for ARM can be read here."""
    here = os.uname()
    there = "aarch64" if here.machine == "x86_64" else "x86_64"
    machine = os.uname_result((*here[:4], there))
    monkeypatch.setattr(os, "uname", lambda: machine)
    program = default()
    for name in seccomp_profile.ARCHITECTURES[there]:
        label = name.removeprefix("SCMP_ARCH_")
        arch = getattr(pyseccomp.Arch, label)
        # To the kernel x32 is x86_64 with a bit in the number; "X32" is libseccomp's own token.
        token = X86_64 if label == "X32" else arch
        answers = {}
        for call in ("openat", "execve", "clone3", "kexec_load", "bpf", "io_uring_setup"):
            number = pyseccomp.resolve_syscall(arch, call)
            answers[call] = word(evaluate(program, token, number))
        assert list(answers.values()) == ["ALLOW", "ALLOW", "ALLOW", "EPERM", "EPERM", "ENOSYS"]
