"""The seccomp filter of a container: from a profile to a program for the kernel, and into effect.

Compiling takes tens of milliseconds (pyseccomp looks for its library by starting programs), so
it happens once for each set of inputs, and the program is kept. This module is on the way of
every start and imports neither the profile nor the compiler before a program is missing.

A kept program is believed when it is a plain file of ours that nobody else can write, and when
its length and its digest, which covers the inputs too, are right; else it is made anew.
"""

from __future__ import annotations

import os
import stat
import struct

from rootless.errors import HostError, named
from rootless.linux import seccomp
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REVISION = "a5bd2263488eaa40"
"""Digest of the sources of profile and compiler: another one, other names for the kept programs.
A test holds it current, so that no start has to read those sources."""

_MAGIC = b"rootless-bpf-1\n\0"
_DIGEST = 16
_LIMIT = len(_MAGIC) + 4 + seccomp.MAX_INSTRUCTIONS * seccomp.INSTRUCTION + _DIGEST
_KEEP = 64  # programs in the cache; each is 2 to 16 kB

_LIBRARY_DIRECTORIES = (
    "/usr/lib/{machine}-linux-gnu",
    "/lib/{machine}-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
)


def filter_for(
    profile: str | dict[str, Any] | None,
    capabilities: list[str],
    ownership: str,
    cache_directory: str,
) -> bytes:
    """Return the program for a container: an array of struct sock_filter, empty for no filter.

    `profile` is "default" or {"profile": "default"}, "default-386", which lets 32-bit programs make
    sockets of families that no filter can see, a document in the form of the OCI runtime
    specification (linux.seccomp) or of docker's --security-opt seccomp=FILE, or None for no
    restriction. `capabilities` are those of the bounding set. `ownership` is empty, or how calls
    that change owners and ids succeed without effect (identity mode single): "faked", or
    "recorded", where those about files go to a listener.

    Raises UsageError for a profile that makes no sense, HostError where it cannot be compiled.
    """
    if isinstance(profile, dict) and "profile" in profile:
        profile = str(profile["profile"])
    if profile in (None, "unconfined") and not ownership:
        return b""
    key = _key(profile, capabilities, ownership)
    path = f"{cache_directory}/{key}"
    program = _kept(path, key)
    if program is None:
        from rootless.runtime.privileges import seccomp_compile

        program = seccomp_compile.program(profile, capabilities, ownership)
        _keep(path, key, program)
    return program


def install(program: bytes) -> None:
    """Put `program` into effect for this process and all that it starts; b"" does nothing.

    The last step before execve where no_new_privs is set. Without it CAP_SYS_ADMIN must still
    be effective, so it comes before `caps.settle`; the default profile lets that pass.
    Raises HostError where the kernel has no seccomp, or OSError as seccomp(2) does.
    """
    if not program:
        return
    if not seccomp.supported():
        raise HostError(
            "this kernel has no seccomp (CONFIG_SECCOMP_FILTER)",
            f"{named('security.seccomp')}=unconfined runs without the filter",
        )
    seccomp.seccomp_set_mode_filter(program)


def _blake2(*parts: bytes) -> bytes:
    from _blake2 import blake2b  # hashlib loads OpenSSL, some milliseconds

    state = blake2b(digest_size=_DIGEST)
    for part in parts:
        state.update(struct.pack("<Q", len(part)))
        state.update(part)
    return state.digest()


def _key(profile: str | dict[str, Any] | None, capabilities: list[str], ownership: str) -> str:
    """Return the name for all that decides what the program will be."""
    inputs = [
        REVISION,
        os.uname().machine,
        library(),
        sorted(set(capabilities)),
        ownership,
        profile,
    ]
    return _blake2(jsonio.dumps(inputs, sort_keys=True).encode("utf-8", "surrogatepass")).hex()


def library() -> str:
    """Return the file name of libseccomp, such as libseccomp.so.2.5.4, or "" where it is not seen.

    The link's target names the version, which decides the calls that the library knows.
    """
    machine = os.uname().machine
    for directory in _LIBRARY_DIRECTORIES:
        try:
            return os.readlink(directory.format(machine=machine) + "/libseccomp.so.2")
        except OSError:
            continue
    return ""


def _kept(path: str, key: str) -> bytes | None:
    """Return the program kept at `path` if it is to be believed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if not (stat.S_ISREG(status.st_mode) and ours and status.st_size <= _LIMIT):
            return None
        data = os.read(fd, _LIMIT)
    except OSError:
        return None
    finally:
        os.close(fd)
    start = len(_MAGIC) + 4
    program = data[start:-_DIGEST]
    if len(data) < start + _DIGEST or data[: len(_MAGIC)] != _MAGIC:
        return None
    length: int = struct.unpack_from("<I", data, len(_MAGIC))[0]
    if length != len(program) or _blake2(key.encode(), program) != data[-_DIGEST:]:
        return None
    return program


def _keep(path: str, key: str, program: bytes) -> None:
    """Keep `program` at `path`. It is a cache: a full or read-only disk costs time, not more."""
    data = _MAGIC + struct.pack("<I", len(program)) + program + _blake2(key.encode(), program)
    directory = os.path.dirname(path)
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        names = os.listdir(directory)
        if len(names) >= _KEEP:
            for name in names:
                os.unlink(f"{directory}/{name}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(fd, data)
        finally:
            os.close(fd)
        if written == len(data):
            os.rename(temporary, path)
        else:
            os.unlink(temporary)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
