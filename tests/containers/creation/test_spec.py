"""The runtime's configuration: one option, one change of the specification."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import request
from rootless.netstack import addresses
from rootless.runtime.privileges import caps
from rootless.runtime.spec import complete
from tests.containers.conftest import ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record
    from rootless.runtime.spec import Mount
    from rootless.store.paths import Paths

    Composed = Callable[..., Record]

pytestmark = pytest.mark.once

SAFE = ["nosuid", "noexec", "nodev"]
SYSTEM = {
    "/proc": ("proc", "proc", SAFE),
    "/dev": (
        "tmpfs",
        "tmpfs",
        ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"],
    ),
    "/dev/pts": (
        "devpts",
        "devpts",
        ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ),
    "/dev/shm": ("tmpfs", "shm", [*SAFE, "mode=1777", "size=67108864"]),
    "/dev/mqueue": ("mqueue", "mqueue", SAFE),
    "/sys": ("sysfs", "sysfs", [*SAFE, "ro"]),
    "/sys/fs/cgroup": ("cgroup2", "cgroup2", [*SAFE, "relatime", "ro"]),
}


def by_path(record: Record) -> dict[str, tuple[str, str, list[str]]]:
    """The mounts by destination, which are unique."""
    mounts: list[Mount] = record["spec"]["mounts"]
    result = {
        item["destination"]: (item["type"], item["source"], item["options"]) for item in mounts
    }
    assert len(result) == len(mounts)
    return result


PRIVATE = {
    "init": False,
    "userns": "host",
    "shifted": False,
    "account": None,
    "hostusers": [],
    "passwd": True,
    "passwd_entry": "",
    "group_entry": "",
    "groups": [],
    "keep_groups": False,
    "privileged": False,
    "make_workdir": True,
    "marks": True,
    "volumes_U": [],
    "copy_up": [],
    "overlay_binds": [],
    "systemd": False,
    "cgroupns": "private",
    "log_driver": "json-file",
    "record_owners": False,
    "network": {
        "settings": addresses.parse(""),
        "helper": "",
        "names": "10.0.2.2",
        "needed": False,
    },
}
"""What there is beside the OCI specification."""


def test_the_whole_by_default(composed: Composed, paths: Paths) -> None:
    record = composed()
    spec = record["spec"]
    path = f"{paths.containers}/{ID}"
    expected = {
        **SYSTEM,
        "/etc/hosts": ("bind", f"{path}/hosts", ["bind", "rprivate"]),
        "/etc/hostname": ("bind", f"{path}/hostname", ["bind", "rprivate"]),
        "/etc/resolv.conf": ("bind", f"{path}/resolv.conf", ["bind", "rprivate"]),
    }
    assert list(expected.items()) == list(by_path(record).items())
    default = sorted(caps.DEFAULT)
    assert spec == {
        "ociVersion": "1.2.0",
        "process": {
            "terminal": False,
            "user": {"username": "", "umask": 0o022},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                f"HOSTNAME={ID[:12]}",
                "container=podman",
            ],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), default),
            "rlimits": [],
            "noNewPrivileges": False,
        },
        "root": {"path": "", "readonly": False},
        "hostname": ID[:12],
        "domainname": "",
        "mounts": spec["mounts"],
        "annotations": {},
        "linux": {
            "namespaces": [
                {"type": name} for name in ("mount", "pid", "network", "ipc", "uts", "cgroup")
            ],
            "maskedPaths": list(request.MASKED),
            "readonlyPaths": list(request.READ_ONLY),
            "sysctl": {},
            "seccomp": {"profile": "default"},
            "rootfsPropagation": "rprivate",
        },
        "rootless": {**PRIVATE, "container_env": f"{path}/containerenv"},
    }


def test_nothing_is_left_to_be_completed(composed: Composed) -> None:
    spec = composed(user="web", privileged=True, userns="nomap", read_only=True)["spec"]
    assert complete(spec) == spec


@pytest.mark.parametrize(
    ("option", "absent"),
    [
        ("network", "network"),
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("cgroupns", "cgroup"),
    ],
)
def test_namespaces_of_the_host(composed: Composed, option: str, absent: str) -> None:
    value = ["host"] if option == "network" else "host"
    spec = composed(**{option: value})["spec"]
    kinds = [space["type"] for space in spec["linux"]["namespaces"]]
    all_kinds = ["mount", "pid", "network", "ipc", "uts", "cgroup"]
    assert kinds == [kind for kind in all_kinds if kind != absent]


def test_the_hosts_network_shows_the_hosts_sys(composed: Composed, paths: Paths) -> None:
    mounts = by_path(composed(network=["host"]))
    assert mounts["/sys"] == ("bind", "/sys", ["rbind", *SAFE, "ro", "rro", "rprivate"])
    assert mounts["/sys/fs/cgroup"] == SYSTEM["/sys/fs/cgroup"]
    source = f"{paths.containers}/{ID}/resolv.conf"
    assert mounts["/etc/resolv.conf"] == ("bind", source, ["bind", "rprivate"])


def test_the_hosts_processes(composed: Composed) -> None:
    assert by_path(composed(pid="host"))["/proc"] == ("bind", "/proc", ["rbind", *SAFE, "rprivate"])


def test_the_hosts_cgroups(composed: Composed) -> None:
    record = composed(cgroupns="host")
    options = ["rbind", *SAFE, "ro", "rro", "rprivate"]
    assert by_path(record)["/sys/fs/cgroup"] == ("bind", "/sys/fs/cgroup", options)
    assert record["spec"]["rootless"]["cgroupns"] == "host"


def test_the_hosts_shared_memory(composed: Composed) -> None:
    mounts = by_path(composed(ipc="host"))
    assert mounts["/dev/shm"] == ("bind", "/dev/shm", ["rbind", *SAFE, "rprivate"])
    assert ("/dev/mqueue" in mounts) == os.path.isdir("/dev/mqueue")


def test_no_shared_memory(composed: Composed) -> None:
    mounts = by_path(composed(ipc="none"))
    assert "/dev/shm" not in mounts
    assert mounts["/dev/mqueue"] == SYSTEM["/dev/mqueue"]


@pytest.mark.parametrize(("text", "size"), [("1g", 1 << 30), ("100", 100), ("0", 64 << 20)])
def test_shm_size(composed: Composed, text: str, size: int) -> None:
    assert by_path(composed(shm_size=text))["/dev/shm"][2][-1] == f"size={size}"


def test_the_hosts_name_is_not_set(composed: Composed) -> None:
    assert composed(uts="host")["spec"]["hostname"] == ""


def test_privileged(composed: Composed) -> None:
    record = composed(privileged=True)
    spec, mounts = record["spec"], by_path(record)
    everything = sorted(caps.known())
    assert {tuple(names) for names in spec["process"]["capabilities"].values()} == {
        tuple(everything)
    }
    assert spec["linux"]["seccomp"] is None
    assert spec["linux"]["maskedPaths"] == spec["linux"]["readonlyPaths"] == []
    assert mounts["/sys"] == ("sysfs", "sysfs", SAFE)
    assert mounts["/sys/fs/cgroup"] == ("cgroup2", "cgroup2", [*SAFE, "relatime"])
    assert spec["rootless"]["privileged"]
    on_host = by_path(composed(privileged=True, network=["host"]))
    assert on_host["/sys"] == ("bind", "/sys", ["rbind", *SAFE, "rprivate"])


def test_capabilities(composed: Composed) -> None:
    def sets(**asked: Any) -> dict[str, list[str]]:
        return composed(**asked)["spec"]["process"]["capabilities"]

    assert "CAP_NET_RAW" in sets(cap_add=["net_raw"])["effective"]
    assert "CAP_CHOWN" not in sets(cap_drop=["CAP_CHOWN"])["bounding"]
    assert sets(cap_drop=["ALL"], cap_add=["KILL"])["bounding"] == ["CAP_KILL"]
    other = sets(user="1000", cap_add=["NET_RAW"])
    assert other["ambient"] == other["effective"] == ["CAP_NET_RAW"]
    assert "CAP_CHOWN" in other["bounding"]
    assert sets(user="0:5")["effective"] == sets(user="root")["effective"] == sets()["effective"]


def test_read_only(composed: Composed, paths: Paths) -> None:
    record = composed(read_only=True)
    mounts = by_path(record)
    assert record["spec"]["root"]["readonly"]
    for path in ("/run", "/tmp", "/var/tmp"):
        mode = ["mode=1777"] if path.endswith("tmp") else []
        assert mounts[path] == ("tmpfs", "tmpfs", ["rw", "nosuid", "nodev", "tmpcopyup", *mode])
    source = f"{paths.containers}/{ID}/hosts"
    assert mounts["/etc/hosts"] == ("bind", source, ["bind", "rprivate", "ro"])


def test_further_roots(composed: Composed, paths: Paths) -> None:
    mounts = by_path(composed(chrootdirs=["/jail,/two"], volume=["/a:/two", "/b:/two/etc/hosts"]))
    assert mounts["/jail/etc/hosts"] == mounts["/etc/hosts"]
    assert [path for path in mounts if path.startswith("/jail/")] == [
        f"/jail/etc/{name}" for name in ("hosts", "hostname", "resolv.conf")
    ]
    order = list(mounts)
    assert order.index("/two") < order.index("/two/etc/hostname")
    assert mounts["/two/etc/hosts"][1] == "/b"


def test_what_the_kernel_is_told_of_the_process(composed: Composed) -> None:
    spec = composed(oom_score_adj=0, personality="LINUX32", domainname="d")["spec"]
    assert spec["process"]["oomScoreAdj"] == 0
    assert spec["linux"]["personality"] == {"domain": "LINUX32"}
    assert spec["domainname"] == "d"


def test_a_time_zone(composed: Composed) -> None:
    options = ["bind", "ro", *SAFE, "rprivate"]
    if not os.path.exists("/etc/localtime"):
        pytest.skip("this machine has no time zone of its own")
    mounts = by_path(composed(tz="local"))
    assert mounts["/etc/localtime"] == ("bind", "/etc/localtime", options)
    for taken in ("/etc", "/etc/localtime"):
        found = by_path(composed(tz="local", volume=[f"/a:{taken}"]))
        assert {found[path][1] for path in found if path in ("/etc", "/etc/localtime")} == {"/a"}


def test_read_only_with_mounts_of_the_users(composed: Composed) -> None:
    mounts = by_path(composed(read_only=True, tmpfs=["/tmp:size=1m"], volume=["v:/run"]))
    assert "size=1048576" in mounts["/tmp"][2]
    assert mounts["/run"][0] == "bind"
    assert "tmpcopyup" in mounts["/var/tmp"][2]


def test_read_only_without_tmpfs(composed: Composed) -> None:
    record = composed(read_only=True, read_only_tmpfs=False)
    assert not {"/run", "/tmp", "/var/tmp"} & set(by_path(record))


def test_mounts_are_made_from_the_root_down(composed: Composed) -> None:
    record = composed(volume=["/a:/x/y/z", "/b:/x", "/c:/x/y", "/d:/dev/snd/x"], tmpfs=["/x/a"])
    order = list(by_path(record))
    assert order[: len(SYSTEM)] == list(SYSTEM)
    assert order.index("/x") < order.index("/x/y") < order.index("/x/y/z")
    assert order.index("/x") < order.index("/x/a")


@pytest.mark.parametrize("path", ["/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"])
def test_a_users_mount_replaces_the_systems(composed: Composed, path: str) -> None:
    mounts = by_path(composed(volume=[f"/a:{path}"]))
    assert mounts[path] == ("bind", "/a", ["rbind", "rw", "rprivate"])
    ours = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
    assert {*SYSTEM, *ours} == set(mounts)


def test_a_users_dev_is_taken_as_it_is(composed: Composed) -> None:
    mounts = by_path(composed(volume=["/dev:/dev"]))
    assert [path for path in mounts if path.startswith("/dev")] == ["/dev"]


def test_a_users_hosts_file(composed: Composed) -> None:
    assert by_path(composed(volume=["/a:/etc/hosts"]))["/etc/hosts"][1] == "/a"
    for given in ({"volume": ["/a:/etc"]}, {"tmpfs": ["/etc"]}, {"volume": ["v:/etc"]}):
        mounts = list(by_path(composed(**given)))
        ours = [mounts.index(f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")]
        assert mounts.index("/etc") < min(ours), "names are found in a volume, too"
    assert "/etc/hosts" not in by_path(composed(no_hosts=True))


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({}, True),
        ({"tmpfs": ["/run"]}, True),
        ({"volume": ["v:/run"]}, True),
        ({"volume": ["/a:/run"]}, False),
        ({"volume": ["/a:/run/.containerenv"]}, False),
    ],
)
def test_podmans_sign(
    composed: Composed, paths: Paths, options: dict[str, list[str]], there: bool
) -> None:
    """It is not left in a directory of the user's own."""
    record = composed(**options)
    file = f"{paths.containers}/{ID}/containerenv"
    assert record["spec"]["rootless"]["container_env"] == (file if there else "")


def test_devices(composed: Composed) -> None:
    mounts = by_path(composed(device=["/dev/null:/dev/nothing:rw"]))
    options = ["rbind", "nosuid", "noexec", "rprivate"]
    assert mounts["/dev/nothing"] == ("bind", "/dev/null", options)


def test_throw_away_layers(composed: Composed, paths: Paths, tmp_path: Path) -> None:
    odd = tmp_path / "a,b"
    odd.mkdir()
    record = composed(volume=[f"{tmp_path}:/x:O"])
    layer = record["spec"]["rootless"]["overlay_binds"]
    place = f"{paths.containers}/{ID}/overlay/0"
    assert layer == [
        {
            "destination": "/x",
            "source": str(tmp_path),
            "upper": f"{place}/upper",
            "work": f"{place}/work",
        }
    ]
    kind, source, options = by_path(record)["/x"]
    assert (kind, source) == ("overlay", "overlay")
    assert options == [
        f"lowerdir={tmp_path}",
        f"upperdir={place}/upper",
        f"workdir={place}/work",
    ]
    record = composed(volume=[f"{odd}:/y:O", f"{tmp_path}:/x:O"])
    assert by_path(record)["/y"][2][0] == f"lowerdir={tmp_path}/a\\,b"
    uppers = [item["upper"] for item in record["spec"]["rootless"]["overlay_binds"]]
    assert len(set(uppers)) == 2


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        (["/a:/b"], "rprivate"),
        (["/a:/b:rslave"], "rslave"),
        (["/a:/b:slave", "/a:/c:rshared"], "rshared"),
    ],
)
def test_the_roots_propagation(composed: Composed, volumes: list[str], expected: str) -> None:
    assert expected == composed(volume=volumes)["spec"]["linux"]["rootfsPropagation"]


def test_what_only_our_runtime_is_told(composed: Composed) -> None:
    private = composed(
        init=True,
        group_add=["audio", "44"],
        volume=["/a:/b:U", "data:/c", "other:/d:nocopy"],
        log_driver="none",
    )["spec"]["rootless"]
    assert private["init"]
    assert (private["groups"], private["keep_groups"]) == (["audio", "44"], False)
    assert private["volumes_U"] == ["/a"]
    assert [item["destination"] for item in private["copy_up"]] == ["/c"]
    assert private["log_driver"] == "none"
    private = composed(group_add=["keep-groups"])["spec"]["rootless"]
    assert (private["groups"], private["keep_groups"]) == ([], True)


def test_limits_and_sysctls(composed: Composed) -> None:
    spec = composed(ulimit=["nofile=1:2", "core=-1"], sysctl=["net.ipv4.ip_forward=1"])["spec"]
    assert spec["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2},
        {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1},
    ]
    assert spec["linux"]["sysctl"] == {"net.ipv4.ip_forward": "1"}


def test_a_terminal(composed: Composed) -> None:
    process = composed(tty=True)["spec"]["process"]
    assert process["terminal"]
    assert "TERM=xterm" in process["env"]


def test_proc_options(composed: Composed) -> None:
    record = composed(security_opt=["proc-opts=hidepid=2,subset=pid"])
    assert by_path(record)["/proc"][2] == [*SAFE, "hidepid=2", "subset=pid"]
