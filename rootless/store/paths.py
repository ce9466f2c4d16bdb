"""Where things are: the one place that knows the directories of the engine.

Data outlives a boot ($XDG_DATA_HOME), run-time files do not ($XDG_RUNTIME_DIR); see
the XDG Base Directory specification 0.8. `--root DIR` or ROOTLESS_ROOT moves the data.
"""

from __future__ import annotations

import os
import stat

from rootless.errors import HostError, StoreError, UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = "rootless-store"
"""Name of the file that says a directory is a store of ours; without it nothing is ever deleted."""

_FOREIGN = "it belongs to or is writable by somebody else"

VERSION = "1"
"""Content of the marker: the version of the layout on disk."""

RESET = "reset"
"""Content of the marker once a reset has begun to delete what is in the store."""


class Paths:
    """The directories of one user's engine. Nothing is made until `prepare` or `runtime`."""

    def __init__(self, root: str = "") -> None:
        self.root = os.path.abspath(root or os.environ.get("ROOTLESS_ROOT") or default_root())
        self.images = f"{self.root}/images"
        self.layers = f"{self.root}/layers"
        self.skeletons = f"{self.root}/skeletons"
        self.artifacts = f"{self.root}/artifacts"
        self.containers = f"{self.root}/containers"
        self.volumes = f"{self.root}/volumes"
        self.builds = f"{self.root}/builds"
        self._runtime = ""
        self.runtime_note = ""
        """What a user should know of the choice of `runtime`, once that was asked for."""

    @property
    def runtime(self) -> str:
        """The directory of sockets and locks that die with the boot: ours alone, mode 0700.

        Made on first use. Raises HostError where no safe place for it can be had.
        """
        if not self._runtime:
            self._runtime, self.runtime_note = self._choose_runtime()
        return self._runtime

    def _choose_runtime(self) -> tuple[str, str]:
        """Return the runtime directory, and why it is not where one would look for it.

        All processes of a user have to find the same: what they share is named there. So where it
        had to be made in the store, it stays there as long as a container from then runs.
        """
        given = session_runtime()
        if given:
            _make_ours(given, _FOREIGN)
            return given, ""
        usual = fallback_runtime()
        own, note = self.runtime_instead(usual)
        if own and is_ours(own):
            return own, note
        try:
            _make_ours(usual, _FOREIGN)
        except HostError:
            own = self._own_runtime()
            note = f"the runtime directory {usual}: {_FOREIGN}; {own} is used instead"
            if not os.path.exists(f"{self.root}/{MARKER}"):  # also while it is reset
                self.prepare()
            for path in (os.path.dirname(own), own):
                _make_ours(path, _FOREIGN)
            return own, note
        return usual, ""

    def runtime_instead(self, usual: str) -> tuple[str, str]:
        """Return what is used in the place of `usual`, and why; "" where nothing is."""
        own = self._own_runtime()
        if os.path.lexists(usual) and not is_ours(usual):
            return own, f"the runtime directory {usual}: {_FOREIGN}; {own} is used instead"
        if is_ours(own) and _has_members(own):
            return own, (
                f"the runtime directory {own} is used until the containers that run have ended: "
                f"{usual} was somebody else's when they were started"
            )
        return "", ""

    def _own_runtime(self) -> str:
        """The place in the store where a neighbour has taken the one in /tmp.

        It is named for the boot: that of the last one is not to be believed, nor that of another
        machine with the same home.
        """
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
                boot = file.read().strip()
        except OSError:
            boot = "boot"
        return f"{self.root}/run/{boot}"

    def prepare(self) -> None:
        """Make the store if it is not there, and check that it is ours and of our version.

        Raises StoreError for a store of another version, one of which a reset has left something,
        or a directory that is not a store and not empty.
        """
        marker = f"{self.root}/{MARKER}"
        try:
            with open(marker, encoding="utf-8") as file:
                version = file.read().strip()
        except FileNotFoundError:
            self._found(marker)
            return
        except OSError as error:
            raise StoreError(f"cannot read {marker}: {error.strerror}") from error
        if version == RESET:
            raise StoreError(
                f"the store {self.root} is being reset, or a reset of it was broken off",
                "rootless system reset finishes that",
            )
        if version != VERSION:
            raise StoreError(
                f"the store {self.root} has version {version[:20]!r}, not {VERSION}",
                f"use the rootless that made it, or name another directory with {named('root')}",
            )

    def _found(self, marker: str) -> None:
        """Lay out a new store. Two processes may do it at once: every step is repeatable."""
        try:
            _make_durably(self.root)
            ours = {"images", "layers", "containers", "volumes", "run"}
            found = {name for name in os.listdir(self.root) if not name.startswith(MARKER)}
            # Whoever was faster may be at work in it already: then the marker is there by now.
            if not found <= ours and not os.path.exists(marker):
                raise StoreError(
                    f"{self.root} is not empty and not a store of rootless",
                    f"name an empty or a new directory with {named('root')}",
                )
            for path in (self.images, self.layers, self.containers, self.volumes):
                os.makedirs(path, 0o700, exist_ok=True)
            self.mark(VERSION)
        except OSError as error:
            raise StoreError(
                f"cannot make the store {self.root}: {error.strerror}",
                f"name a directory that you may write with {named('root')} or ROOTLESS_ROOT",
            ) from error

    def mark(self, content: str) -> None:
        """Write the marker. Raises OSError."""
        from rootless.store.records import sync_directory

        marker = f"{self.root}/{MARKER}"
        with open(f"{marker}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{marker}.{os.getpid()}", marker)
        sync_directory(self.root)


def _make_durably(path: str) -> None:
    """Make a directory and its parents, so that they are still there after a power cut."""
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_durably(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    from rootless.store.records import sync_directory

    sync_directory(parent)


def default_root() -> str:
    """$XDG_DATA_HOME/rootless, by default ~/.local/share/rootless."""
    data = os.environ.get("XDG_DATA_HOME", "")
    if not data.startswith("/"):
        data = f"{home()}/.local/share"
    return f"{data}/rootless"


def config_file() -> str:
    """Where the user's settings are, or would be: $XDG_CONFIG_HOME/rootless/config.toml."""
    return f"{_config_home(os.environ)}/rootless/config.toml"


def _config_home(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CONFIG_HOME", "")
    return base if base.startswith("/") else f"{home()}/.config"


def containers_confs(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the containers.conf that there are, in podman's order: the later ones win.

    Each start asks: it is three listings of directories where there is none. Raises UsageError.

    $CONTAINERS_CONF stands alone, and is an empty one as /dev/null. The modules that were asked for
    come behind it, and $CONTAINERS_CONF_OVERRIDE is read last in any case.
    """
    only = environ.get("CONTAINERS_CONF", "")
    found = []
    if only:
        found += _named("CONTAINERS_CONF", only)
    else:
        for base in ("/usr/share/containers", "/etc/containers"):
            found += _confs_below(base) + _confs_for_user(base)
        found += _confs_below(f"{_config_home(environ)}/containers")
    found += conf_modules
    last = environ.get("CONTAINERS_CONF_OVERRIDE", "")
    return found + _named("CONTAINERS_CONF_OVERRIDE", last) if last else found


conf_modules: list[str] = []
"""Further ones, which a front end was asked to read."""


def conf_module(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the file of a module of containers.conf(5). Raises UsageError.

    A path, or a name in the directories of modules: the user's own, the machine's, what came with
    it.
    """
    if name.startswith("/"):
        places = [name]
    else:
        bases = [f"{_config_home(environ)}/containers", "/etc/containers", "/usr/share/containers"]
        places = [f"{base}/containers.conf.modules/{name}" for base in bases]
    for path in places:
        if name and os.path.isfile(path):
            return path
    raise UsageError(
        f"{named('module')}: there is no module {name}", f"looked for {', '.join(places)}"
    )


def _named(variable: str, path: str) -> list[str]:
    if path == os.devnull:
        return []
    try:
        os.stat(path)
    except OSError as error:
        raise UsageError(
            f"{variable}: cannot read {path}: {error.strerror}",
            "unset the variable, or let it name a containers.conf",
        ) from error
    return [path]


def _confs_below(base: str) -> list[str]:
    there = _names(base)
    found = [f"{base}/containers.conf"] if "containers.conf" in there else []
    return found + (_drop_ins(f"{base}/containers.conf.d") if "containers.conf.d" in there else [])


def _confs_for_user(base: str) -> list[str]:
    """Return those that are for root alone, or for all others, or for one of these."""
    there, user = _names(base), os.getuid()
    if user == 0:
        name = "containers.rootful.conf.d"
        return _drop_ins(f"{base}/{name}") if name in there else []
    name = "containers.rootless.conf"
    found = [f"{base}/{name}"] if name in there else []
    if f"{name}.d" in there:
        found += _drop_ins(f"{base}/{name}.d") + _drop_ins(f"{base}/{name}.d/{user}")
    return found


def _drop_ins(directory: str) -> list[str]:
    paths = [f"{directory}/{name}" for name in sorted(_names(directory)) if name[-5:] == ".conf"]
    return [path for path in paths if not os.path.isdir(path)]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(
            f"cannot read {directory}: {error.strerror}", "containers.conf is looked for there"
        ) from error


def home() -> str:
    """The user's home: $HOME, else what the user database says (Slurm unsets HOME)."""
    path = os.environ.get("HOME", "")
    if not path.startswith("/"):
        import pwd

        path = pwd.getpwuid(os.getuid()).pw_dir
    return path


def session_runtime() -> str:
    """Return the place in $XDG_RUNTIME_DIR, "" where that is not set or not this user's alone."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    return f"{base}/rootless" if base.startswith("/") and is_ours(base) else ""


def _make_ours(path: str, why: str) -> None:
    """Make a directory where there is none. Raises HostError where it is not ours alone, then."""
    remedy = "set XDG_RUNTIME_DIR to a directory of your own with mode 0700"
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        reason = f"cannot make the runtime directory {path}: {error.strerror}"
        raise HostError(reason, remedy) from error
    if not is_ours(path):
        raise HostError(f"cannot use the runtime directory {path}: {why}", remedy)


def _has_members(runtime: str) -> bool:
    """Whether a supervisor that lives has noted there where its user namespace is."""
    try:
        pids = [
            pid
            for mode in os.listdir(f"{runtime}/userns")
            if mode[:1] != "."
            for pid in os.listdir(f"{runtime}/userns/{mode}")
        ]
    except OSError:
        return False
    return any(os.path.exists(f"/proc/{pid}") for pid in pids)


def fallback_runtime() -> str:
    """The runtime directory where no session manager made one (cron, Slurm, su).

    A name of our own under /tmp, which somebody else may have taken first, so its owner and mode
    are checked before use. In a user namespace (unshare -r) it names the user outside, or root
    of each would want the directory of the true root.
    """
    uid = os.getuid()
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        for line in file:
            inside, outside, count = map(int, line.split())
            if inside <= uid < inside + count:
                uid += outside - inside
                break
    return f"/tmp/rootless-{uid}"  # noqa: S108 - its owner and mode are checked


def is_ours(path: str) -> bool:
    """Whether `path` is a real directory that only this user may write."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    writable_by_others = stat.S_IMODE(status.st_mode) & 0o022
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not writable_by_others
