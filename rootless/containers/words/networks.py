"""--network, --userns and the other namespaces, and --add-host: in whose world it is."""

from __future__ import annotations

from rootless.containers.creation.choices import NAMESPACES
from rootless.containers.networks import HELPERS
from rootless.containers.request import attachment
from rootless.errors import UsageError, named
from rootless.values import is_host_name, is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Link, Namespaces, Userns
    from rootless.containers.words.asked import Asked
    from rootless.netstack.addresses import Settings
    from rootless.runtime.spec import Attachment

_LATER = "comes with a later version"


def namespaces(asked: Asked) -> Namespaces:
    """Parse --pid, --ipc, --uts and --cgroupns."""
    found: Namespaces = {
        "cgroup": asked.get("cgroupns") or "private",
        "ipc": asked.get("ipc") or "private",
        "pid": asked.get("pid") or "private",
        "uts": asked.get("uts") or "private",
    }
    for kind, value in found.items():
        field, allowed, mode = f"namespaces.{kind}", NAMESPACES[kind], str(value)
        if mode.startswith(("container:", "ns:", "pod")):
            raise UsageError(f"{named(field)} {mode} {_LATER}", f"now: {', '.join(allowed)}")
        if mode not in allowed:
            raise UsageError(f"{named(field)}: unknown mode {mode!r}", f"{', '.join(allowed)}")
    return found


def networks(asked: Asked) -> list[Attachment]:
    """Parse --network, --ip, --ip6, --network-alias and --mac-address.

    Nothing asked is nothing wanted.
    """
    modes, mac = asked.get("network", ()), asked.get("mac_address", "")
    found = [_network(mode) for mode in modes if mode]
    if not found and mac:
        found = [_network("private")]
    for key, field in (("ip", "ipv4"), ("ip6", "ipv6")):
        if address := asked.get(key, ""):
            _only_named(found, key)
            found[0][field] = _address(named(key), str(address))  # type: ignore[literal-required]
    if aliases := asked.get("network_alias", ()):
        _only_named(found, "network_alias")
        for one in found:
            one["aliases"] = [*one["aliases"], *aliases]
    if mac:
        found[0]["mac"] = _mac(named("mac_address"), mac)
    return found


def _only_named(found: list[Attachment], key: str) -> None:
    """Raise UsageError where no network has addresses or names of its own."""
    if not found or found[0]["kind"] != "named":
        raise UsageError(
            f"{named(key)}: only containers on a network with a name have one of their own",
            f"'rootless network create' makes one; {named('network')} NAME goes there",
        )


def _mac(option: str, text: str) -> str:
    from rootless.netstack import addresses

    try:
        return addresses.link_address(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _address(option: str, text: str) -> str:
    from rootless.netstack import addresses

    try:
        return addresses.unpack(addresses.pack(text))
    except OSError:
        raise UsageError(f"{option}: {text!r:.60} is no IP address") from None


def _network(mode: str) -> Attachment:
    option, (name, _, options) = f"{named('network')} {mode}", mode.partition(":")
    if mode in ("none", "host"):
        return attachment(mode)  # type: ignore[arg-type]
    if (name == "container" and options) or (name == "ns" and options.startswith("/")):
        return attachment(name, options)  # type: ignore[arg-type]
    if name in ("container", "ns"):
        raise UsageError(f"{option}: whose network?", "container:NAME, or ns:/PATH")
    if name not in ("", "bridge", "default", "private", *HELPERS):
        return _named(mode)
    from rootless.netstack import addresses

    kind = name if name in HELPERS else "private"
    if kind == "slirp4netns":
        options = ",".join(filter(None, map(_of_podman, options.split(","))))
    options, extra = _apart(options) if kind == "pasta" else (options, [])
    try:
        settings = addresses.parse(options)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if kind in HELPERS and "buffers=" in options:
        raise UsageError(f"{option}: {kind} has no such option", "it is private's")
    _hand_on(extra, settings, option)
    return attachment(kind, "", settings)  # type: ignore[arg-type]


_KEYS = {
    "ip": "ipv4",
    "ip6": "ipv6",
    "mac": "mac",
    "mac-address": "mac",
    "interface_name": "interface",
    "alias": "aliases",
}
"""Key of a network's options, docker's and podman's -> field of the attachment."""


def _named(text: str) -> Attachment:
    """Parse NAME[:key=value,...], podman's form, or name=NAME,key=value,..., which is docker's."""
    option = f"{named('network')} {text}"
    name, _, options = text.partition(":")
    if text.startswith("name="):
        name, _, options = text[5:].partition(",")
    from rootless.networks.records import is_name

    if not is_name(name):
        raise UsageError(f"{option}: {name!r:.60} is no name of a network")
    found = attachment("named", name)
    for word in options.split(",") if options else ():
        key, equals, value = word.partition("=")
        if key not in _KEYS or not equals or not value:
            raise UsageError(f"{option}: unknown option {word!r}", f"{'=, '.join(_KEYS)}=")
        if key == "alias":
            found["aliases"].append(value)
        elif key in ("ip", "ip6"):
            found[_KEYS[key]] = _address(f"{option}: {key}", value)  # type: ignore[literal-required]
        elif key == "interface_name":
            if len(value.encode()) > _INTERFACE or "/" in value or not value.isprintable():
                raise UsageError(f"{option}: {value!r:.60} is no name of an interface")
            found["interface"] = value
        else:
            found["mac"] = _mac(option, value)
    return found


_INTERFACE = 15
"""Bytes of the name of an interface (IFNAMSIZ, without the end)."""


def _of_podman(word: str) -> str:
    """Return an option of slirp4netns under our name, if podman has another for it."""
    key, _, value = word.partition("=")
    ours = {"allow_host_loopback": "host-loopback", "enable_ipv6": "ipv6"}.get(key)
    if ours is not None:
        return f"{ours}={ {'true': 'on', 'false': 'off'}.get(value, value) }"
    # Who binds the ports is slirp4netns itself; podman's rootlesskit is another way to the same.
    return "" if word in ("port_handler=slirp4netns", "port_handler=rootlesskit") else word


def _apart(options: str) -> tuple[str, list[str]]:
    """Return our options, and from the first that begins with a dash on those of pasta(1)."""
    words = options.split(",")
    first = next((at for at, word in enumerate(words) if word[:1] == "-"), len(words))
    return ",".join(words[:first]), words[first:]


_OURS = ("-F", "--fd", "-P", "--pid", "--netns", "--userns")
"""Options of pasta(1) by which we know it, and it the container."""


def _hand_on(extra: list[str], settings: Settings, option: str) -> None:
    """Take note of pasta's own options. Raises UsageError for those that are for us to set."""
    for word in extra:
        if word.partition("=")[0] in _OURS or (word[:2] in _OURS and word[1:2] != "-"):
            raise UsageError(f"{option}: {word} is set by the start itself", "leave it out")
    if "--map-gw" in extra:  # podman's word; pasta has the opposite alone
        settings["host_loopback"] = True
    if words := [word for word in extra if word != "--map-gw"]:
        settings["extra"] = words


def userns(mode: str) -> Userns:
    """Parse --userns: host, nomap, or keep-id[:uid=N,gid=N,shared]."""
    result: Userns = {"mode": "host", "uid": None, "gid": None, "shared": False}
    kind, colon, options = mode.partition(":")
    if kind == "keep-id":
        result["mode"] = "keep-id"
        for word in options.split(",") if colon else ():
            key, _, number = word.partition("=")
            if word == "shared":
                result["shared"] = True
            elif key in ("uid", "gid") and is_number(number) and int(number[:11]) <= 0x7FFFFFFF:
                result[key] = int(number)  # type: ignore[literal-required]
            else:
                raise UsageError(
                    f"{named('userns')} {mode}: unknown option {word!r}", "uid=N, gid=N or shared"
                )
    elif mode == "nomap":
        result["mode"] = "nomap"
    elif kind in ("auto", "container", "ns", "private"):
        raise UsageError(f"{named('userns')} {mode} {_LATER}", "now: host, keep-id and nomap")
    elif mode not in ("", "host"):
        modes = "host, keep-id[:uid=N,gid=N,shared] or nomap"
        raise UsageError(f"{named('userns')}: unknown mode {mode!r}", modes)
    return result


def link(text: str) -> Link:
    """Parse --link CONTAINER[:NAME]."""
    container, colon, alias = text.partition(":")
    alias = alias if colon else container.lstrip("/")
    if not container or not is_host_name(alias):
        raise UsageError(f"{named('links')}: bad format for links: {text}", "CONTAINER[:NAME]")
    return {"container": container, "alias": alias}


def host_entry(text: str) -> list[str]:
    """Parse --add-host NAME[;NAME...]:ADDRESS (or with `=`) into [address, name, ...].

    The address may be `host-gateway`.
    """
    first, equals, address = text.partition("=")
    if not equals:
        first, _, address = text.partition(":")
    names = first.split(";")
    if not address or not all(is_host_name(name) for name in names):
        raise UsageError(f"{named('add_host')}: invalid format {text!r}", "it must be NAME:ADDRESS")
    address = address.removeprefix("[").removesuffix("]") if address[0] == "[" else address
    return [address, *names]
