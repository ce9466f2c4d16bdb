"""The files of /etc that an engine writes for each container: hosts, hostname, resolv.conf.

They lie in the container's directory and are bound over the image's. The runtime side writes
them at each start, since the host's own may have changed.
"""

from __future__ import annotations

from rootless.containers import networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record

_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
"""As docker writes it."""

GATEWAY_NAMES = ("host.containers.internal", "host.docker.internal")
"""What podman and docker call the host."""


def files(record: Record) -> dict[str, str]:
    """Return name and content of each file that the record's mounts bind from the directory."""
    made = {"hosts": hosts, "hostname": hostname, "resolv.conf": resolv_conf}
    wanted = {mount["destination"] for mount in record["spec"]["mounts"]}
    wanted -= {volume["destination"] for volume in record["volumes"]}
    found = {name: made[name](record) for name in made if f"/etc/{name}" in wanted}
    if record["spec"]["rootless"].get("container_env"):  # old containers have none
        found["containerenv"] = container_env(record)
    return found


def container_env(record: Record) -> str:
    """podman's /run/.containerenv: empty, but who is privileged may know where he is."""
    if not record["spec"]["rootless"]["privileged"]:
        return ""
    told = {
        "engine": "rootless",
        "name": record["name"],
        "id": record["id"],
        "image": record["image"],
        "imageid": record["image_id"],
        "rootless": 1,
    }
    return "".join(f'{key}="{value}"\n' for key, value in told.items())


def hosts(record: Record) -> str:
    """/etc/hosts: the host's on its network, else the loopback; then --add-host, then ourselves."""
    on_host = networks.kind(record["networks"]) == "host"
    text = (_read("/etc/hosts") if on_host else "") or _HOSTS
    if not text.endswith("\n"):
        text += "\n"
    for given, *names in record["hosts"]:
        address = _host_gateway(record) if given == "host-gateway" else given
        text += f"{address}\t{' '.join(names)}\n"
    known = {word for line in text.splitlines() for word in line.partition("#")[0].split()[1:]}
    private = record["spec"]["rootless"]["network"]
    own = [name for name in own_names(record) if name not in known]
    if own and not (private and private.get("wires")):  # there its address comes with the start
        # Programs look up their own host name; without a network that is the loopback.
        address = private["settings"]["guest"] if private else "127.0.0.1"
        text += f"{address}\t{' '.join(own)}\n"
    if (private or on_host) and record["request"]["host_address"] != "none":
        gateway = [name for name in GATEWAY_NAMES if name not in known]
        text += f"{_host_gateway(record)}\t{' '.join(gateway)}\n" if gateway else ""
    return text


def own_names(record: Record) -> list[str]:
    """Return what a container calls itself."""
    found = [record["hostname"], record["name"]]
    if domain := record["request"]["domainname"]:
        found.insert(0, f"{record['hostname']}.{domain}")
    return [*dict.fromkeys(found)]


def _host_gateway(record: Record) -> str:
    """Return the address by which a container reaches what listens on the host.

    As by docker and podman that is what listens on all addresses, and not the loopback: the host's
    own address, unless the gateway was made to stand for the loopback.
    """
    private = record["spec"]["rootless"]["network"]
    told = record["request"]["host_address"]
    if told and told != "none":
        return told
    if not private:
        return "127.0.0.1"
    from rootless.netstack import addresses

    settings = private["settings"]
    own = "" if settings["host_loopback"] else addresses.of_host()
    taken = not own or addresses.Addresses(settings).is_on_link(addresses.pack(own))
    return settings["gateway"] if taken else own


def hostname(record: Record) -> str:
    """/etc/hostname."""
    return record["hostname"] + "\n"


def resolv_conf(record: Record) -> str:
    """/etc/resolv.conf: the host's own; in a private network the servers are behind the gateway."""
    private, dns = record["spec"]["rootless"]["network"], record["dns"]
    lines = [line.split() for line in _read("/etc/resolv.conf").splitlines()]
    kept: dict[str, list[str]] = {"search": [], "options": [], "nameserver": []}
    for word, *rest in filter(None, lines):
        if word == "nameserver":
            kept[word] += rest[:1]
        elif word == "domain":
            kept["search"] = rest[:1]  # the older word for a list of one
        elif word == "options":
            kept[word] += rest
        elif word in kept:
            kept[word] = rest  # the last counts (resolv.conf(5))
    kept["search"] = [name for name in dns["search"] or kept["search"] if name != "."]
    kept["options"] = dns["options"] or kept["options"]
    gateway = [private["names"]] if private else kept["nameserver"]
    if private and private.get("wires"):
        from rootless.runtime.switch.table import ZONE

        if not dns["search"]:
            kept["search"].insert(0, ZONE)
        if dns["servers"] != ["none"]:
            dns = {**dns, "servers": []}  # the network's own asks them
    text = "".join(f"nameserver {server}\n" for server in dns["servers"] or gateway)
    for word in ("search", "options"):
        if kept[word]:
            text += f"{word} {' '.join(kept[word])}\n"
    return text


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 20)
    except OSError:
        return ""  # a host without it resolves nothing; its containers do not either
