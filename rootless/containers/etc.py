"""The files of /etc that an engine writes for each container: hosts, hostname, resolv.conf.

They lie in the container's directory and are bound over the image's. The runtime side writes
them at each start, since the host's own may have changed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.options import Record

_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
"""As docker writes it."""


def files(record: Record) -> dict[str, str]:
    """Return name and content of each file that the record's mounts bind from the directory."""
    made = {"hosts": hosts, "hostname": hostname, "resolv.conf": resolv_conf}
    wanted = {mount["destination"] for mount in record["spec"]["mounts"]}
    wanted -= {volume["destination"] for volume in record["volumes"]}
    return {name: made[name](record) for name in made if f"/etc/{name}" in wanted}


def hosts(record: Record) -> str:
    """/etc/hosts: the host's on its network, else the loopback; then --add-host, then ourselves."""
    on_host = record["network"] == "host"
    text = (_read("/etc/hosts") if on_host else "") or _HOSTS
    if not text.endswith("\n"):
        text += "\n"
    for address, *names in record["hosts"]:
        text += f"{address}\t{' '.join(names)}\n"
    known = {word for line in text.splitlines() for word in line.partition("#")[0].split()[1:]}
    own = [name for name in (record["hostname"], record["name"]) if name not in known]
    if own:
        # Programs look up their own host name; without a network that is the loopback.
        text += f"127.0.0.1\t{' '.join(dict.fromkeys(own))}\n"
    return text


def hostname(record: Record) -> str:
    """/etc/hostname."""
    return record["hostname"] + "\n"


def resolv_conf(_record: Record) -> str:
    """/etc/resolv.conf: the host's own."""
    return _read("/etc/resolv.conf")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 20)
    except OSError:
        return ""  # a host without it resolves nothing; its containers do not either
