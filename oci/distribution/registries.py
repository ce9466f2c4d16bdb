"""registries.conf: what a name stands for, and where an image of that name is to be had.

As containers-registries.conf(5) and containers-registries.conf.d(5) have it, in the format of
version 2. A file that $CONTAINERS_REGISTRIES_CONF names stands alone; else it is the user's file
with the user's drop-ins, or the system's file with the system's drop-ins and then the user's.
With none of them a short name is docker's, and a registry is where its name says.

Nothing here is loaded before a name is looked for that the store does not have.
"""

from __future__ import annotations

import fcntl
import os

from rootless.oci.blobs import replace
from rootless.oci.distribution.registries_files import MAX_FILE, base, files
from rootless.oci.errors import InvalidReference, RegistryBlocked, SettingsError
from rootless.oci.reference import DEFAULT_DOMAIN, Reference, is_domain, is_short, parse
from rootless.oci.structures import Misfit, Structure, kebab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_ALIASES = "/var/cache/containers/short-name-aliases.conf"

_MODES = ("", "enforcing", "permissive", "disabled")
_USES = ("", "all", "digest-only", "tag-only")


class Mirror(Structure, spelling=kebab):
    """[[registry.mirror]]: where else the images of a registry are."""

    location: str = ""
    insecure: bool | None = None
    pull_from_mirror: str = ""
    """One of _USES."""

    def serves(self, *, pinned: bool) -> bool:
        """Whether it is asked for images by digest (`pinned`), or by tag."""
        return self.pull_from_mirror != ("tag-only" if pinned else "digest-only")


class Registry(Structure, spelling=kebab):
    """[[registry]]: how the names that begin with `prefix` are treated."""

    prefix: str = ""
    location: str = ""
    insecure: bool | None = None
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirror: list[Mirror] = []
    pull_from_mirror: object = None
    """Belongs to a mirror: refused here, since it would allow more than was meant."""

    def matched(self, name: str) -> int:
        """Return how many characters of a full name are in the prefix's place, 0 for no match."""
        if self.prefix.startswith("*."):
            host = name.partition("/")[0]
            return len(host) if host.partition(":")[0].endswith(self.prefix[1:]) else 0
        rest = name.removeprefix(self.prefix)
        # A colon behind a mere host begins its port: that is another registry.
        ends = ("/", "@", ":") if "/" in self.prefix else ("/",)
        return len(self.prefix) if rest != name and (not rest or rest.startswith(ends)) else 0


class _File(Structure, spelling=kebab):
    unqualified_search_registries: list[str] | None = None
    short_name_mode: str = ""
    """One of _MODES."""
    registry: list[Registry] = []
    aliases: dict[str, str] = {}
    registries: object = None
    """The one table of version 1."""


class Endpoint:
    """Where an image may be had: the name that it has there."""

    def __init__(self, name: Reference, *, insecure: bool | None = None) -> None:
        self.name = name
        self.insecure = insecure
        """Neither TLS nor a valid certificate is required; None where no file says anything."""


class Registries:
    """All that the files say, the later ones over the earlier."""

    def __init__(self) -> None:
        self.search: list[str] = []
        """unqualified-search-registries: where short names are looked for."""
        self.mode = "permissive"
        """short-name-mode: enforcing, permissive or disabled."""
        self.aliases: dict[str, Reference] = {}
        """Short name -> full name; neither has a tag or digest."""
        self._registries: dict[str, tuple[Registry, str]] = {}
        self._aliases_file = ""

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Registries:
        """Read the files that the environment leads to. Raises SettingsError."""
        registries = cls()
        registries._aliases_file = _aliases_file(environ)
        for path in files(environ):
            registries._take(_read(path), path)
        # What was answered at a prompt goes before what the files say.
        if os.path.exists(registries._aliases_file):
            remembered = _read(registries._aliases_file)
            registries._take_aliases(remembered, registries._aliases_file)
        return registries

    def candidates(self, written: str) -> list[Reference]:
        """Return the full names that a name may stand for, the first preferred; at least one.

        Raises InvalidReference, SettingsError for a registry that does not go with the name.
        """
        parsed = parse(written)
        if not is_short(written):
            return [parsed.tagged()]
        short = _without_suffix(written)
        if short in self.aliases:
            alias = self.aliases[short]
            return [Reference(alias.domain, alias.path, parsed.tag, parsed.digest).tagged()]
        names = [parse(f"{place}/{written}").tagged() for place in self.search or [DEFAULT_DOMAIN]]
        return list(dict.fromkeys(names))

    def endpoints(self, name: Reference) -> list[Endpoint]:
        """Return where an image is to be had: the mirrors in their order, then the registry.

        Raises RegistryBlocked for a name that is blocked, SettingsError for a location that makes
        no reference of it.
        """
        found = self._registry_of(str(name))
        if found is None:
            return [Endpoint(name)]
        registry, path = found
        if registry.blocked:
            raise _blocked(name, registry, path, "pulled")
        pinned = bool(name.digest)
        places = [(m.location, m.insecure) for m in registry.mirror if m.serves(pinned=pinned)]
        places.append((registry.location, registry.insecure))
        matched = registry.matched(str(name))
        endpoints = [
            Endpoint(_moved(name, matched, location, path), insecure=insecure)
            for location, insecure in places
        ]
        # No rewriting leads to where a block forbids to go.
        there = [self._registry_of(str(endpoint.name)) for endpoint in endpoints]
        free = [e for e, at in zip(endpoints, there, strict=True) if not (at and at[0].blocked)]
        if not free and there[-1]:
            raise _blocked(name, *there[-1], "pulled")
        return free

    def destination(self, name: Reference) -> Endpoint:
        """Return where an image is pushed to: the registry itself, never a mirror.

        Raises what `endpoints` raises.
        """
        found = self._registry_of(str(name))
        if found is None:
            return Endpoint(name)
        registry, path = found
        moved = _moved(name, registry.matched(str(name)), registry.location, path)
        for blocking in (found, self._registry_of(str(moved))):
            if blocking and blocking[0].blocked:
                raise _blocked(name, *blocking, "pushed")
        return Endpoint(moved, insecure=registry.insecure)

    def whole(self, place: Reference) -> Endpoint:
        """Return where a registry as such is, which is `place`, perhaps with a name space, here.

        Its mirrors need not know more than images. Raises RegistryBlocked where it is blocked.
        """
        found = self._registry_of(str(place))
        if found is None:
            return Endpoint(place)
        registry, _ = found
        host = (registry.location or place.domain).partition("/")[0]
        for blocking in (found, self._registry_of(f"{host}/")):
            if blocking and blocking[0].blocked:
                raise _blocked(place, *blocking, "searched")
        return Endpoint(Reference(host, ""), insecure=registry.insecure)

    def is_insecure(self, place: Reference) -> bool | None:
        """Whether a registry, or a name space in it, needs neither TLS nor a valid certificate.

        None where no file says anything.
        """
        found = self._registry_of(str(place))
        return None if found is None else found[0].insecure

    def remember(self, written: str, name: Reference) -> None:
        """Make `name` the alias of a short name from now on, for podman as well.

        Raises SettingsError where the file cannot be written.
        """
        path = self._aliases_file
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            # podman's lock: a POSIX one on this file.
            with open(f"{path}.lock", "ab") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX)
                aliases = _read(path).aliases if os.path.exists(path) else {}
                aliases[_without_suffix(written)] = name.name
                lines = [f'  "{key}" = "{value}"\n' for key, value in sorted(aliases.items())]
                replace(path, "".join(["[aliases]\n", *lines]).encode())
        except OSError as error:
            raise SettingsError(f"cannot write {path}: {error.strerror}") from error

    def _registry_of(self, name: str) -> tuple[Registry, str] | None:
        """Return the table with the longest prefix, and its file.

        Any wildcard is shorter than what is spelt out.
        """
        fitting = [found for found in self._registries.values() if found[0].matched(name)]
        return max(fitting, key=lambda found: _length(found[0].prefix), default=None)

    def _take(self, file: _File, path: str) -> None:
        if file.registries is not None:
            raise SettingsError(
                f"{path}: [registries] is of version 1 of the format, which is not supported",
                "write unqualified-search-registries and [[registry]]",
            )
        if file.unqualified_search_registries is not None:
            self.search = [_host(text, path) for text in file.unqualified_search_registries]
        self.mode = file.short_name_mode or self.mode
        for registry in file.registry:
            _complete(registry, path)
        _check_twice(file.registry, path)
        self._registries |= {registry.prefix: (registry, path) for registry in file.registry}
        self._take_aliases(file, path)

    def _take_aliases(self, file: _File, path: str) -> None:
        for short, full in file.aliases.items():
            _check_short(short, path)
            self.aliases.pop(short, None)
            if full:  # an empty one only takes that of an earlier file away
                self.aliases[short] = _full(full, short, path)


def _aliases_file(environ: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return SYSTEM_ALIASES
    return base(environ, "XDG_CACHE_HOME", ".cache") + "/containers/short-name-aliases.conf"


def _read(path: str) -> _File:
    """Return what a file says. Raises SettingsError."""
    import tomllib

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        raise SettingsError(f"{path} is longer than 1 MiB")
    try:
        found = _File.read(tomllib.loads(data.decode()))
    except Misfit as error:
        raise SettingsError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error
    _check_word(found.short_name_mode, "short-name-mode", _MODES, path)
    for registry in found.registry:
        for mirror in registry.mirror:
            _check_word(mirror.pull_from_mirror, "pull-from-mirror", _USES, path)
    return found


def _check_word(word: str, key: str, known: tuple[str, ...], path: str) -> None:
    if word not in known:
        raise SettingsError(f"{path}: {key} is {word!r}", "one of " + ", ".join(known[1:]))


def _complete(registry: Registry, path: str) -> None:
    """Check one table and fill in what it leaves open. Raises SettingsError."""
    written = registry.prefix or registry.location
    if not written:
        raise SettingsError(f"{path}: a [[registry]] has neither prefix nor location")
    if registry.pull_from_mirror is not None:
        raise SettingsError(
            f"{path}: {written!r} has pull-from-mirror", "it belongs into a [[registry.mirror]]"
        )
    wild = written.startswith("*.")
    if wild and not (registry.prefix and is_domain(written[2:]) and ":" not in written):
        raise SettingsError(
            f"{path}: prefix {written!r} is none", "a wildcard stands before a host: *.example.com"
        )
    registry.prefix = written if wild else _place(written, "prefix", path)
    if registry.location in ("", written):
        registry.location = ""  # the names stay as they are
    else:
        registry.location = _location(registry.location, path)
    for mirror in registry.mirror:
        if not mirror.location:
            raise SettingsError(f"{path}: a mirror of {registry.prefix} has no location")
        mirror.location = _location(mirror.location, path)
        if registry.mirror_by_digest_only:
            if mirror.pull_from_mirror:
                raise SettingsError(
                    f"{path}: {registry.prefix} has mirror-by-digest-only and pull-from-mirror",
                    "leave one of them out",
                )
            mirror.pull_from_mirror = "digest-only"


def _check_twice(registries: list[Registry], path: str) -> None:
    """One file may have a prefix twice only where that makes no difference to what is allowed."""
    seen: dict[str, Registry] = {}
    for one in registries:
        other = seen.setdefault(one.prefix, one)
        if (bool(one.insecure), one.blocked) != (bool(other.insecure), other.blocked):
            raise SettingsError(
                f"{path}: {one.prefix} is there twice, and insecure or blocked are not the same"
            )


def _location(text: str, path: str) -> str:
    place = _place(text, "location", path)
    if "@" in place or (":" in place.rpartition("/")[2] and "/" in place):
        raise SettingsError(f"{path}: location {text!r} has a tag or digest", "leave it out")
    return place


def _place(text: str, key: str, path: str) -> str:
    """Return the beginning of a full name: a registry, perhaps with some of what comes behind."""
    place = text.rstrip("/")
    try:
        if "://" in place:
            raise InvalidReference("it is a URL")
        parsed = parse(place if "/" in place else f"{place}/any")
        if not f"{place}/".startswith(f"{parsed.domain}/"):
            raise InvalidReference("it does not begin with the host name of a registry")
    except InvalidReference as error:
        why = error.message.rpartition(": ")[2]
        raise SettingsError(f"{path}: {key} {text!r}: {why}", "such as example.com/name") from error
    return place


def _host(text: str, path: str) -> str:
    host = text.rstrip("/")
    if not is_domain(host):
        raise SettingsError(
            f"{path}: unqualified-search-registries: {text!r} is no registry",
            "such as example.com or localhost:5000",
        )
    return host


def _check_short(short: str, path: str) -> None:
    try:
        parsed = parse(short)
    except InvalidReference as error:
        raise SettingsError(f"{path}: aliases: {error.message}") from error
    if not is_short(short) or parsed.tag or parsed.digest:
        raise SettingsError(
            f"{path}: aliases: {short!r} is no short name",
            "a name without registry, tag and digest",
        )


def _full(text: str, short: str, path: str) -> Reference:
    try:
        parsed = parse(text)
    except InvalidReference as error:
        raise SettingsError(f"{path}: aliases: {short}: {error.message}") from error
    if is_short(text) or parsed.tag or parsed.digest:
        raise SettingsError(
            f"{path}: aliases: {short}: {text!r} is no full name",
            "a registry and a name, without tag and digest",
        )
    return parsed


def _without_suffix(short: str) -> str:
    """Return a short name without its tag and digest; it has no port that a colon could be of."""
    return short.partition("@")[0].partition(":")[0]


def _moved(name: Reference, matched: int, location: str, path: str) -> Reference:
    """Put `location` in the place of the first `matched` characters of a name."""
    if not location:
        return name
    text = location + str(name)[matched:]
    try:
        moved = parse(text)
    except InvalidReference as error:
        why = error.message.rpartition(": ")[2]
        raise SettingsError(f"{path}: location {location!r} does not fit {name}: {why}") from error
    if moved.tag or moved.digest:
        return moved
    return Reference(moved.domain, moved.path, name.tag, name.digest)


def _blocked(name: Reference, registry: Registry, path: str, done: str) -> RegistryBlocked:
    return RegistryBlocked(f"{name.familiar} is not {done}: {registry.prefix} is blocked in {path}")


def _length(prefix: str) -> tuple[bool, int]:
    return not prefix.startswith("*."), len(prefix)
