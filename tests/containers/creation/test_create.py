"""From command lines to records: the command, what is inherited, and all that is refused."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import etc, networks
from rootless.containers.creation import image_settings
from rootless.containers.request import attachment, request
from rootless.errors import UsageError
from rootless.netstack import addresses
from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from tests.containers.conftest import ID, HostImage, record_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record
    from rootless.containers.request import Directory
    from rootless.store.paths import Paths

    Composed = Callable[..., Record]

pytestmark = pytest.mark.once

CMD, ENTRY = ["c1", "c2"], ["e1", "e2"]


@pytest.mark.parametrize(
    ("image", "entrypoint", "words", "expected"),
    [
        # Without --entrypoint: docker's table of "Understand how CMD and ENTRYPOINT interact".
        ({"Cmd": CMD}, None, [], CMD),
        ({"Cmd": CMD}, None, ["a", "b"], ["a", "b"]),
        ({"Entrypoint": ENTRY}, None, [], ENTRY),
        ({"Entrypoint": ENTRY}, None, ["a"], [*ENTRY, "a"]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, None, [], [*ENTRY, *CMD]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, None, ["a"], [*ENTRY, "a"]),
        ({}, None, ["a"], ["a"]),
        ({"Cmd": None, "Entrypoint": None}, None, ["a"], ["a"]),
        # With it: the image's Cmd goes as well.
        ({"Entrypoint": ENTRY, "Cmd": CMD}, "x", [], ["x"]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, "x", ["a"], ["x", "a"]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, "x y", ["a"], ["x y", "a"]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, "", ["a"], ["a"]),
        # podman's list.
        ({"Entrypoint": ENTRY, "Cmd": CMD}, '["x", "y"]', ["a"], ["x", "y", "a"]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, "[]", ["a"], ["a"]),
        ({"Entrypoint": ENTRY}, '["x"', [], ['["x"']),
        ({"Entrypoint": ENTRY}, "[1]", [], ["[1]"]),
        ({"Entrypoint": ENTRY}, "[", [], ["["]),
        ({"Cmd": CMD}, None, [""], [""]),
        # One empty word is no entrypoint.
        ({"Entrypoint": [""], "Cmd": CMD}, None, [], CMD),
        ({"Entrypoint": [""]}, None, ["a"], ["a"]),
        ({"Entrypoint": ENTRY, "Cmd": CMD}, '[""]', ["a"], ["a"]),
    ],
)
def test_command(
    composed: Composed,
    image: dict[str, Any],
    entrypoint: str | None,
    words: list[str],
    expected: list[str],
) -> None:
    record = composed(*words, image=image, entrypoint=entrypoint)
    assert expected == record["spec"]["process"]["args"]
    assert expected == [record["path"], *record["args"]]
    assert expected == record["entrypoint"] + record["cmd"]


@pytest.mark.parametrize(
    ("image", "entrypoint"),
    [({}, None), ({"Cmd": CMD}, ""), ({"Entrypoint": ENTRY, "Cmd": CMD}, ""), ({"Cmd": []}, None)],
)
def test_no_command(composed: Composed, image: dict[str, Any], entrypoint: str | None) -> None:
    with pytest.raises(UsageError, match="no command specified for plain"):
        composed(image=image, entrypoint=entrypoint)


def test_the_record_of_nothing_asked(composed: Composed, paths: Paths) -> None:
    record = composed()
    spec = record.pop("spec")  # type: ignore[misc]
    created, name = record.pop("created"), record.pop("name")  # type: ignore[misc]
    assert created > 1.7e9
    assert "_" in name
    assert spec["process"]["args"] == ["sh"]
    assert record == {
        "version": 1,
        "id": ID,
        "image": "plain",
        "image_id": "c" * 64,
        "image_digest": "sha256:" + "d" * 64,
        "image_name": "docker.io/library/plain:latest",
        "layers": ["/layers/one/fs", "/layers/two/fs"],
        "rootfs": {"kind": "layers", "path": "", "overlay": False},
        "request": request("plain", inherited=record["request"]["inherited"]),
        "asked": {"ipc": "private"},
        "path": "sh",
        "args": [],
        "entrypoint": [],
        "cmd": ["sh"],
        "user": "",
        "labels": {},
        "annotations": {},
        "tty": False,
        "stdin": False,
        "rm": False,
        "stop_signal": 15,
        "stop_timeout": 10,
        "network": "private",
        "networks": [attachment("private", "", addresses.parse(""))],
        "hostname": ID[:12],
        "hosts": [],
        "exposed": [],
        "ports": [],
        "dns": {"servers": [], "search": [], "options": []},
        "healthcheck": None,
        "health": {"on_failure": "none", "startup": None},
        "restart": "no",
        "sdnotify": "container",
        "log_driver": "json-file",
        "log_options": {},
        "volumes": [],
    }
    assert not os.path.exists(paths.root)


def test_the_record_is_json(composed: Composed) -> None:
    record = composed("a", volume=["/tmp:/b"], env=["A=ü", "B=\udcff"], label=["x=y"])
    assert record == jsonio.loads(jsonio.dump_bytes(record))


def test_the_image_is_inherited(composed: Composed) -> None:
    health = {"Test": ["CMD", "true"], "Interval": 1000000000}
    record = composed(
        image={
            "Cmd": ["x"],
            "User": "web:www",
            "WorkingDir": "/srv",
            "StopSignal": "SIGQUIT",
            "Labels": {"a": "image", "b": "image"},
            "ExposedPorts": {"80/tcp": {}},
            "Healthcheck": health,
            "Env": ["A=1"],
        },
        label=["b=mine"],
    )
    assert record["user"] == "web:www"
    assert record["spec"]["process"]["user"]["username"] == "web:www"  # type: ignore[typeddict-item]
    assert record["spec"]["process"]["cwd"] == "/srv"
    assert "A=1" in record["spec"]["process"]["env"]
    assert record["stop_signal"] == 3
    assert record["labels"] == {"a": "image", "b": "mine"}
    assert record["exposed"] == ["80/tcp"]
    assert health == record["healthcheck"]


@pytest.mark.parametrize(
    ("asked", "message", "field"),
    [
        ({"health_on_failure": "kill"}, "action to kill without a health check", "on_failure"),
        ({"health_startup_cmd": "x"}, "startup check comes before a health check", "startup"),
    ],
)
def test_what_goes_with_a_check_needs_one(
    composed: Composed, asked: dict[str, Any], message: str, field: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        composed(**asked)
    assert caught.value.field == f"health.{field}"
    composed(**asked, health_cmd="true")
    composed(**asked, image={"Cmd": ["x"], "Healthcheck": {"Test": ["CMD", "true"]}})
    composed(**asked, no_healthcheck=True)  # podman: the image's may be the one


def test_options_win_over_the_image(composed: Composed) -> None:
    record = composed(
        image={"Cmd": ["x"], "User": "web", "WorkingDir": "/srv", "StopSignal": "SIGQUIT"},
        user="0",
        workdir="/else",
        stop_signal="USR1",
        stop_timeout=0,
        name="mine",
        tty=True,
        interactive=True,
        rm=True,
        hostname="box.example",
        annotation=["a.b=c=d"],
        network=["host"],
    )
    assert record["user"] == "0"
    assert record["spec"]["process"]["cwd"] == "/else"
    assert (record["stop_signal"], record["stop_timeout"]) == (10, 0)
    assert (record["name"], record["hostname"]) == ("mine", "box.example")
    assert record["tty"]
    assert record["stdin"]
    assert record["rm"]
    assert record["annotations"] == {"a.b": "c=d"} == record["spec"]["annotations"]
    assert networks.mode(record["networks"]) == "host"


def test_a_label_that_nobody_can_be_handed(composed: Composed) -> None:
    """It is none of what a container needs: no reason to refuse the image."""
    record = composed(image={"Cmd": ["x"], "Labels": {"a\0": "b\0c"}})
    assert record["labels"] == {"a\ufffd": "b\ufffdc"}


@pytest.mark.parametrize("options", [{"network": ["host"]}, {"uts": "host"}])
def test_the_hosts_name(composed: Composed, options: dict[str, str]) -> None:
    record = composed(**options)
    assert record["hostname"] == os.uname().nodename
    assert f"HOSTNAME={os.uname().nodename}" in record["spec"]["process"]["env"]


@pytest.mark.parametrize(
    "config",
    [
        {"Cmd": "sh"},
        {"Cmd": [1]},
        {"Env": {"A": "1"}},
        {"Labels": ["a"]},
        {"User": 1},
        {"WorkingDir": ["/"]},
        {"Volumes": ["/a"]},
        {"Cmd": ["x"], "Volumes": {"rel": {}}},
        {"Cmd": ["x"], "Volumes": {"/": {}}},
        {"Cmd": ["x"], "Volumes": {"/etc:/x": {}}},
        {"Healthcheck": "true"},
    ],
)
def test_a_damaged_image_is_named(composed: Composed, config: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match="image plain: its "):
        composed(image=config)


def test_the_seccomp_profile_of_an_image(composed: Composed) -> None:
    """By podman's policy `image`, and by no other."""

    def profile(label: str, policy: str) -> object:
        labels = {"io.containers.seccomp.profile": label} if label else {}
        record = composed(image={"Cmd": ["x"], "Labels": labels}, seccomp_policy=policy)
        return record["spec"]["linux"]["seccomp"]

    text = '{"defaultAction": "SCMP_ACT_ALLOW"}'
    assert profile(text, "image") == {"defaultAction": "SCMP_ACT_ALLOW"}
    assert profile(text, "default") == {"profile": "default"}
    for label, words in (("", "it has no seccomp profile"), ("{}", "no seccomp"), ("[", "no sec")):
        with pytest.raises(ImageError, match=words):
            profile(label, "image")


def test_a_config_that_is_none() -> None:
    assert image_settings.Settings({"config": None}, "x").cmd == []
    with pytest.raises(ImageError, match="not an object"):
        image_settings.Settings({"config": [1]}, "x")


def test_image_volumes(composed: Composed, paths: Paths) -> None:
    config = {"Cmd": ["x"], "Volumes": {"/data": {}, "/mine/": {}, "/tmp": {}}}
    record = composed(image=config, volume=["named:/mine"], tmpfs=["/tmp"])
    mine, tmpfs, data = record["volumes"]
    assert mine["name"] == "named"
    assert tmpfs["type"] == "tmpfs"
    assert (data["destination"], data["anonymous"], data["copy_up"]) == ("/data", True, True)
    assert data["source"] == f"{paths.volumes}/{data['name']}/_data"
    private = record["spec"]["rootless"]
    assert [item["destination"] for item in private["copy_up"]] == ["/mine", "/data"]


def test_rootfs(paths: Paths, tmp_path: Path) -> None:
    own: Directory = {"path": str(tmp_path), "overlay": True}
    record = record_of(paths, request("it", ["sh"], rootfs=own), None)
    assert record["rootfs"] == {"kind": "directory", "path": str(tmp_path), "overlay": True}
    assert record["image"] == "it"
    assert (record["image_id"], record["layers"]) == ("", [])
    with pytest.raises(UsageError, match="no command"):
        record_of(paths, request("it", rootfs=own), None)
    own["path"] = "/nonexistent"
    with pytest.raises(UsageError, match="rootfs: no directory /nonexistent"):
        record_of(paths, request("it", ["sh"], rootfs=own), None)


def test_the_host_image(paths: Paths) -> None:
    record = record_of(paths, request("host"), HostImage({"Cmd": ["sh"]}))
    assert record["rootfs"] == {"kind": "host", "path": "", "overlay": False}
    assert (record["image"], record["image_id"], record["layers"]) == ("host", "", [])


def test_anonymous_volumes_have_names_of_their_own(composed: Composed, paths: Paths) -> None:
    record = composed(volume=["/a", "/b", "named:/c"])
    names = [item["name"] for item in record["volumes"]]
    assert (len(names[0]), len({*names}), names[2]) == (64, 3, "named")
    assert [item["source"] for item in record["volumes"]] == [
        f"{paths.volumes}/{name}/_data" for name in names
    ]
    assert [item["name"] for item in record["request"]["mounts"]] == ["", "", "named"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("host", "host"),
        ("nomap", "nomap"),
        ("keep-id", f"keep-id:uid={os.getuid()},gid={os.getgid()}"),
        ("keep-id:uid=7", f"keep-id:uid=7,gid={os.getgid()}"),
        ("keep-id:gid=8,uid=7", "keep-id:uid=7,gid=8"),
        ("keep-id:shared", f"keep-id:uid={os.getuid()},gid={os.getgid()}"),
        ("keep-id:shared,uid=7,gid=8", "keep-id:uid=7,gid=8"),
    ],
)
def test_userns(composed: Composed, mode: str, expected: str) -> None:
    record = composed(userns=mode, image={"Cmd": ["x"]})
    private = record["spec"]["rootless"]
    assert expected == private["userns"]
    assert private["shifted"] == (mode != "host" and "shared" not in mode)
    assert bool(private["account"]) == (mode in ("keep-id", "keep-id:shared"))
    own = expected.removeprefix("keep-id:uid=").replace(",gid=", ":")
    assert record["user"] == (own if mode.startswith("keep-id") else "")
    # As podman: the user of the image goes before the one who is kept.
    assert composed(userns=mode, image={"Cmd": ["x"], "User": "web"})["user"] == "web"


def test_keep_id_with_a_user(composed: Composed) -> None:
    assert composed(userns="keep-id", user="web")["user"] == "web"


def test_users_of_this_machine(composed: Composed) -> None:
    """At home they are in the container where their home is mounted (podman)."""
    root = pwd.getpwuid(0)
    expected = {
        "name": "root",
        "full_name": root.pw_gecos.partition(",")[0],
        "uid": 0,
        "group": "",
        "gid": 0,
    }
    for name in ("root", "0"):
        private = composed(hostuser=[name], workdir="/w")["spec"]["rootless"]
        assert private["hostusers"] == [{**expected, "home": "/w"}]
    private = composed(hostuser=["root"], volume=[f"/tmp:{root.pw_dir}"])["spec"]["rootless"]
    assert private["hostusers"][0]["home"] == root.pw_dir
    for name in ("no-such-user", "99999999999999999999", ""):
        with pytest.raises(UsageError, match="hostusers: this machine has no user"):
            composed(hostuser=[name])


def test_hosts_without_a_network(composed: Composed) -> None:
    hosts = ["db;cache:10.0.0.1", "six:::1"]
    record = composed(name="web", hostname="box", add_host=hosts, network=["none"])
    lines = etc.hosts(record).splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-3:] == ["10.0.0.1\tdb cache", "::1\tsix", "127.0.0.1\tbox web"]
    assert set(etc.files(record)) == {"hosts", "hostname", "containerenv"}
    assert etc.hostname(record) == "box\n"


def test_hosts_of_a_domain(composed: Composed) -> None:
    record = composed(name="web", hostname="box", domainname="example.org", network=["none"])
    assert etc.hosts(record).endswith("127.0.0.1\tbox.example.org box web\n")


def test_hosts_that_name_the_container_already(composed: Composed) -> None:
    record = composed(name="box", hostname="box", add_host=["box:10.0.0.1"], network=["none"])
    assert etc.hosts(record).endswith("10.0.0.1\tbox\n")


def test_files_on_the_hosts_network(composed: Composed) -> None:
    record = composed(network=["host"], add_host=["gate:host-gateway"])
    files = etc.files(record)
    assert "127.0.0.1\tgate\n" in files["hosts"]
    assert files["hosts"].endswith("127.0.0.1\thost.containers.internal host.docker.internal\n")
    if os.path.exists("/etc/resolv.conf"):
        with open("/etc/resolv.conf", encoding="utf-8") as file:
            assert files["resolv.conf"] == file.read()
    assert files["hostname"] == os.uname().nodename + "\n"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("domain corp.example", "search corp.example"),
        ("search a.b\ndomain corp.example", "search corp.example"),
        ("domain corp.example\nsearch a.b c.d", "search a.b c.d"),
        ("domain corp.example lab.example", "search corp.example"),
        ("options ndots:2\noptions rotate", "options ndots:2 rotate"),
        ("domain", ""),
        ("sortlist 10.0.0.0", ""),
    ],
)
def test_how_the_host_completes_names(
    composed: Composed, monkeypatch: pytest.MonkeyPatch, host: str, expected: str
) -> None:
    """The last of domain and search counts, and all options do (resolv.conf(5))."""
    monkeypatch.setattr(etc, "_read", lambda _path: f"{host}\nnameserver 192.0.2.1\n")
    text = etc.resolv_conf(composed())
    assert text.splitlines()[1:] == ([expected] if expected else [])


@pytest.mark.parametrize("network", ["private", "none"])
def test_the_hosts_address_as_the_request_has_it(composed: Composed, network: str) -> None:
    record = composed(network=[network], add_host=["gate:host-gateway"] * (network != "none"))
    names = "host.containers.internal host.docker.internal"
    record["request"]["host_address"] = "10.9.9.9"
    told = network == "private"
    assert ("10.9.9.9\tgate\n" in etc.hosts(record)) == told
    assert (f"10.9.9.9\t{names}\n" in etc.hosts(record)) == told
    record["request"]["host_address"] = "none"
    assert names not in etc.hosts(record)
    assert ("\tgate\n" in etc.hosts(record)) == told


def test_files_of_a_private_network(composed: Composed) -> None:
    """The container is its own address, the host's loopback and name servers are the gateway."""
    network = "private:cidr=10.1.0.0/16,host-loopback=on"
    record = composed(name="web", network=[network], add_host=["up:host-gateway"])
    files = etc.files(record)
    lines = files["hosts"].splitlines()
    assert lines[-3] == "10.1.0.2\tup"
    assert lines[-2] == f"10.1.0.100\t{ID[:12]} web"
    assert lines[-1] == "10.1.0.2\thost.containers.internal host.docker.internal"
    assert files["resolv.conf"].splitlines()[0] == "nameserver 10.1.0.2"


def test_the_host_without_its_loopback(composed: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its own address, where it has one and that means something inside."""
    record = composed(network=["private:cidr=10.1.0.0/16"], add_host=["up:host-gateway"])
    own, inside, none = "192.0.2.7", "10.1.9.9", ""
    for found, expected in ((own, own), (inside, "10.1.0.2"), (none, "10.1.0.2")):
        monkeypatch.setattr(addresses, "of_host", lambda found=found: found)
        lines = etc.hosts(record).splitlines()
        assert lines[-3] == f"{expected}\tup"
        assert lines[-1] == f"{expected}\thost.containers.internal host.docker.internal"


def test_name_servers_that_were_asked_for(composed: Composed) -> None:
    asked = {"dns": ["9.9.9.9", "::9"], "dns_search": ["a.b", "c"], "dns_option": ["ndots:3"]}
    expected = "nameserver 9.9.9.9\nnameserver ::9\nsearch a.b c\noptions ndots:3\n"
    assert etc.files(composed(**asked))["resolv.conf"] == expected
    assert "search" not in etc.files(composed(dns_search=["."]))["resolv.conf"]
    assert etc.files(composed(dns=["none"])).keys() == {"hosts", "hostname", "containerenv"}


def test_ports_of_the_image(composed: Composed) -> None:
    """-P publishes what -p does not name, at ports that are free."""
    image = {"Cmd": ["x"], "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "junk": {}}}
    record = composed(image=image, publish_all=True, publish=["127.0.0.1:8000-8001:80-81"])
    assert [(p["ip"], p["host"], p["container"], p["protocol"]) for p in record["ports"]] == [
        ("127.0.0.1", 8000, 80, "tcp"),
        ("127.0.0.1", 8001, 81, "tcp"),
        ("", 0, 53, "udp"),
    ]


def test_ports_that_are_exposed(composed: Composed) -> None:
    """--expose says what the image does not."""
    image = {"Cmd": ["x"], "ExposedPorts": {"80/tcp": {}}}
    expose = ["80", "90-91/udp"]
    record = composed(image=image, expose=expose)
    assert record["exposed"] == ["80/tcp", "90/udp", "91/udp"]
    assert record["ports"] == []
    record = composed(image=image, expose=expose, publish_all=True)
    assert [(p["host"], p["container"], p["protocol"]) for p in record["ports"]] == [
        (0, 80, "tcp"),
        (0, 90, "udp"),
        (0, 91, "udp"),
    ]


def test_no_hosts(composed: Composed) -> None:
    assert set(etc.files(composed(no_hosts=True, network=["none"]))) == {"hostname", "containerenv"}
    mounts = {"volume": ["/tmp:/etc/hostname"], "network": ["none"]}
    assert set(etc.files(composed(**mounts))) == {"hosts", "containerenv"}
    assert {*etc.files(composed(volume=["/tmp:/etc"]))} >= {"hosts", "hostname", "resolv.conf"}
