"""`RUN --mount`: what is there for one command, and in no layer.

    bind    files of the context, of a stage or of an image; what is written there is thrown away
    cache   a directory that outlives builds, by its id and its owner
    tmpfs   memory
    secret  a file with what the build was given, or a variable
    ssh     the socket of the user's agent

A cache is known by id, `from`, `source`, owner and mode, as BuildKit has it: neither its target nor
how it is shared is part of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import posixpath
import stat

from rootless.build.cache import keys
from rootless.build.fetching import archives
from rootless.build.files.contents import copy_content
from rootless.build.files.trees import resolve, walk
from rootless.build.steps.private import private_file
from rootless.containers.request import bind
from rootless.errors import NotFound, named
from rootless.runtime.userns import identity
from rootless.runtime.userns.worker import call
from rootless.volumes.mounts import image, tmpfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.build.carriers.mounts import Lent
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.files.origins import Origin
    from rootless.build.given import Given
    from rootless.build.place import BuildPaths
    from rootless.volumes.mounts import Volume

SECRETS = "/run/secrets"


class Prepared:
    """The mounts of one command."""

    def __init__(self) -> None:
        self.volumes: list[Volume] = []
        """Binds, caches, secrets and memory."""
        self.shown: list[Volume] = []
        """Layers of stages and images, each with its place in a record."""
        self.environment: list[list[str | None]] = []
        """[name, value] of secrets and of the agent's socket."""


@contextlib.contextmanager
def prepared(
    paths: BuildPaths,
    mounts: list[tuple[Mount, Origin | None]],
    given: Given,
    workdir: str,
    lent: Lent | None = None,
) -> Iterator[Prepared]:
    """Make the mounts ready; what is held and written for them goes at the end.

    `lent` has what cache mounts may begin with.
    Raises NotFound for a secret that is required and was not given, UsageError, OSError.
    """
    result = Prepared()
    with contextlib.ExitStack() as stack:
        for mount, origin in mounts:
            target = posixpath.join(workdir, mount.target) if mount.target else ""
            if mount.type == "tmpfs":
                options = [f"size={mount.size}"] if mount.size else []
                result.volumes.append(tmpfs(target, *options, "mode=1777"))
            elif mount.type == "cache":
                place = stack.enter_context(_cache(paths, mount, origin, lent))
                result.volumes.append(bind(place, target, rw=not mount.readonly))
            elif mount.type == "secret":
                stack.enter_context(_secret(paths, mount, given, target, result))
            elif mount.type == "ssh":
                _agent(mount, given, target, result)
            elif origin is not None:
                result.shown.append(_shown(mount, origin, target, paths, stack))
        yield result


def _shown(
    mount: Mount, origin: Origin, target: str, paths: BuildPaths, stack: contextlib.ExitStack
) -> Volume:
    """Return a view of layers, or of the context as a layer, of which nothing is ever written."""
    subpath = posixpath.normpath("/" + mount.source).lstrip("/")
    item = image(mount.stage or "the context", target, subpath, rw=not mount.readonly)
    layers = origin.lowers
    if not layers:
        layers = [origin.top]
        if origin.ignore is not None and origin.ignore.rules:
            layers.append(stack.enter_context(_veil(paths, origin)))
    item["image"] = {"id": "", "layers": layers}
    return item


@contextlib.contextmanager
def _veil(paths: BuildPaths, origin: Origin) -> Iterator[str]:
    """Make a layer that hides what the ignore file hides; return its directory."""
    directory = f"{paths.builds}/veils/{paths.build}-{os.urandom(4).hex()}"
    os.makedirs(f"{directory}/fs", 0o755)
    try:
        call(paths, _hide, f"{directory}/fs", origin)
        yield f"{directory}/fs"
    finally:
        from rootless.runtime.userns import removal

        removal.discard(paths, directory, f"{directory}.gone")


def _hide(layer: str, origin: Origin) -> None:
    """In the user namespace: put a whiteout into a layer for each name that is hidden."""
    tree = origin.open()
    ways = [""]
    while ways:
        path = ways.pop()
        for name in tree.names(path):
            below = f"{path}/{name}" if path else name
            node = tree.look(below)
            if node is None:
                os.makedirs(f"{layer}/{path}", exist_ok=True)
                os.mknod(f"{layer}/{below}", stat.S_IFCHR, 0)
            elif node.is_directory:
                ways.append(below)
    for place, _, _ in os.walk(layer):
        above = os.stat(f"{origin.top}/{os.path.relpath(place, layer)}")
        os.chmod(place, stat.S_IMODE(above.st_mode))


# -- caches


class _Beginning:
    """What a cache is to begin with."""

    def __init__(self, mount: Mount, origin: Origin | None) -> None:
        self.owner = keys.owner_of(mount)
        self.origin = origin
        self.source = mount.source
        self.archive = ""
        """The file of an archive, which goes before the files of `origin`."""
        self.owners = "record" if identity.detect().mode == "single" else "chown"


@contextlib.contextmanager
def _cache(
    paths: BuildPaths, mount: Mount, origin: Origin | None, lent: Lent | None
) -> Iterator[str]:
    """Yield the directory of a cache, locked as its sharing wants it."""
    key = keys.name_of(mount, origin)
    held = _held(f"{paths.builds}/mounts/{key}", mount.sharing or "shared")
    try:
        directory = os.readlink(f"/proc/self/fd/{held}")
        data = f"{directory}/data"
        if not os.path.isdir(data):
            new = f"{directory}/new-{paths.build}-{os.urandom(4).hex()}"
            beginning = _Beginning(mount, origin)
            if lent is not None and lent.fetch(key, f"{new}.tar"):
                beginning.archive = f"{new}.tar"
            call(paths, _begin, new, data, beginning)
            if beginning.archive:
                os.unlink(beginning.archive)
        with contextlib.suppress(FileExistsError):
            os.symlink(mount.id or mount.target, f"{directory}/name")
        os.utime(directory)  # the least recently used leaves first
        yield data
    finally:
        os.close(held)


def _held(directory: str, sharing: str) -> int:
    """Return a descriptor of the directory of a cache, with its lock. Raises OSError."""
    number = 0
    while True:
        path = f"{directory}-{number}"
        os.makedirs(path, 0o700, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if sharing == "private":
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                fcntl.flock(fd, fcntl.LOCK_EX if sharing == "locked" else fcntl.LOCK_SH)
        except BlockingIOError:
            os.close(fd)
            number += 1
            continue
        except BaseException:
            os.close(fd)
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        os.close(fd)  # it was thrown away while we waited


def _begin(new: str, data: str, beginning: _Beginning) -> None:
    """In the user namespace: make the data of a cache, with what it is to begin with."""
    os.mkdir(new, 0o700)
    if beginning.archive:
        with open(beginning.archive, "rb", buffering=0) as file:
            archives.unpack_context(archives.Stream(file), new, owners=beginning.owners)
    elif beginning.origin is not None:
        _fill(new, beginning.origin, beginning.source)
    uid, gid, mode = beginning.owner
    _give(new, uid, gid)
    os.chmod(new, mode)
    with contextlib.suppress(OSError):  # another build was faster
        os.rename(new, data)


def _fill(new: str, origin: Origin, source: str) -> None:
    """Copy what a cache begins with. Raises NotFound where that is no directory."""
    tree = origin.open()
    place = resolve(tree, source)
    top = tree.look(place)
    if top is None or not top.is_directory:
        why = origin.explain(place) if top is None else ""
        raise NotFound(f"the cache cannot begin with {source!r}: there is no such directory{why}")
    start = len(top.path) + 1 if top.path else 0
    for node in walk(tree, top):
        place = f"{new}/{node.path[start:]}"
        if node.is_link:
            os.symlink(node.link, place)
        elif node.is_directory:
            os.mkdir(place, 0o700)
        elif stat.S_ISREG(node.status.st_mode):
            with open(tree.open(node), "rb") as source_file, open(place, "xb") as target:
                copy_content(source_file.fileno(), target.fileno())
        else:
            continue
        _give(place, node.uid, node.gid)
        if not node.is_link:
            os.chmod(place, node.mode)


# -- secrets


@contextlib.contextmanager
def _secret(
    paths: BuildPaths, mount: Mount, given: Given, target: str, result: Prepared
) -> Iterator[None]:
    name = given.name_of(mount)
    value = given.secrets.get(name)
    if value is None:
        if mount.required:
            hint = f"{named('secret')} id={name},src=FILE gives it"
            raise NotFound(f"the secret {name!r} is required, and was not given", hint)
        yield
        return
    if mount.env:
        result.environment.append([mount.env, value.decode("utf-8", "surrogateescape")])
        if not mount.target:
            yield
            return
    with private_file(paths, value) as file:
        mode = 0o400 if mount.mode is None else mount.mode
        call(paths, _own, file, mount.uid or 0, mount.gid or 0, mode)
        result.volumes.append(bind(file, target or f"{SECRETS}/{name}", rw=False))
        yield


def _own(path: str, uid: int, gid: int, mode: int) -> None:
    """In the user namespace: give a file away."""
    _give(path, uid, gid)
    os.chmod(path, mode)


def _give(path: str, uid: int, gid: int) -> None:
    """Change owners, as far as they are ours: where there is one id, that is everybody's."""
    try:
        os.chown(path, uid, gid, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise


def _agent(mount: Mount, given: Given, target: str, result: Prepared) -> None:
    name = mount.id or "default"
    socket = given.agents.get(name)
    if socket is None:
        if mount.required:
            hint = f"{named('ssh')} {name} gives it"
            raise NotFound(f"the ssh agent {name!r} is required, and was not given", hint)
        return
    count = sum(item["destination"].startswith("/run/buildkit/") for item in result.volumes)
    place = target or f"/run/buildkit/ssh_agent.{count}"
    result.volumes.append(bind(socket, place))
    result.environment.append(["SSH_AUTH_SOCK", place])
