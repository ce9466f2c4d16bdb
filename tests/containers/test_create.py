"""From command lines to records: the command, what is inherited, and all that is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import etc, image_settings
from rootless.containers.create import check, compose
from rootless.errors import UsageError
from rootless.netstack import addresses
from rootless.oci import jsonio
from rootless.oci.errors import ImageError

from .conftest import ID, HostImage, PlainImage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.options import Record
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
        "layers": ["/layers/one/fs", "/layers/two/fs"],
        "rootfs": {"kind": "layers", "path": "", "overlay": False},
        "asked": {},
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
        network="host",
    )
    assert record["user"] == "0"
    assert record["spec"]["process"]["cwd"] == "/else"
    assert (record["stop_signal"], record["stop_timeout"]) == (10, 0)
    assert (record["name"], record["hostname"]) == ("mine", "box.example")
    assert record["tty"]
    assert record["stdin"]
    assert record["rm"]
    assert record["annotations"] == {"a.b": "c=d"} == record["spec"]["annotations"]
    assert record["network"] == "host"


@pytest.mark.parametrize("options", [{"network": "host"}, {"uts": "host"}])
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
    for reference, overlay in ((str(tmp_path), False), (f"{tmp_path}/.:O", True)):
        record = compose(
            paths, None, ["sh"], {"rootfs": True}, id=ID, directory="/c", reference=reference
        )
        assert record["rootfs"] == {"kind": "directory", "path": str(tmp_path), "overlay": overlay}
        assert record["image"] == reference
        assert (record["image_id"], record["layers"]) == ("", [])
    with pytest.raises(UsageError, match="no command"):
        compose(paths, None, [], {"rootfs": True}, id=ID, directory="/c", reference=str(tmp_path))


def test_the_host_image(paths: Paths) -> None:
    record = compose(
        paths, HostImage({"Cmd": ["sh"]}), [], {}, id=ID, directory="/c", reference="host"
    )
    assert record["rootfs"] == {"kind": "host", "path": "", "overlay": False}
    assert (record["image"], record["image_id"], record["layers"]) == ("host", "", [])


def test_the_name_of_an_image_without_a_reference(paths: Paths) -> None:
    image = PlainImage({"Cmd": ["sh"]})
    assert compose(paths, image, [], {}, id=ID, directory="/c")["image"] == image.names[0]
    image.names = []
    assert compose(paths, image, [], {}, id=ID, directory="/c")["image"] == image.id


REFUSED = [
    ({"name": "a/b"}, "invalid container name 'a/b'"),
    ({"replace": True}, "--replace needs a --name"),
    ({"restart": "always", "rm": True}, "--restart and --rm exclude each other"),
    ({"restart": "sometimes"}, "--restart: unknown policy 'sometimes'"),
    ({"sdnotify": "x"}, "--sdnotify: unknown mode 'x'"),
    ({"restart": "on-failure:x"}, "--restart: unknown policy 'on-failure:x'"),
    ({"health_interval": "10"}, "--health-interval: '10' is no time"),
    ({"health_cmd": " "}, "--health-cmd: an empty command"),
    ({"health_on_failure": "cry"}, "--health-on-failure: unknown action 'cry'"),
    ({"no_healthcheck": True, "health_cmd": "x"}, "--no-healthcheck and --health-..."),
    ({"health_on_failure": "restart", "restart": "always"}, "exclude each other"),
    ({"health_startup_retries": 3}, "--health-startup-retries needs a --health-startup-cmd"),
    ({"pull": "sometimes"}, "unknown policy 'sometimes'"),
    ({"no_hosts": True, "add_host": ["a:1.2.3.4"]}, "--no-hosts and --add-host"),
    ({"hostname": "x", "uts": "host"}, "--hostname cannot be set"),
    ({"hostname": "a b"}, "invalid name 'a b'"),
    ({"hostname": "x" * 65}, "invalid name"),
    ({"init": True, "pid": "host"}, "--init needs a PID namespace"),
    ({"shm_size": "1m", "ipc": "host"}, "--shm-size and --ipc host"),
    ({"shm_size": "1m", "ipc": "none"}, "--shm-size and --ipc none"),
    ({"shm_size": "x"}, "--shm-size: invalid size 'x'"),
    ({"group_add": ["keep-groups", "3"]}, "keep-groups cannot be combined"),
    ({"group_add": [""]}, "--group-add"),
    ({"group_add": ["a:b"]}, "--group-add"),
    ({"stop_timeout": -2}, "--stop-timeout"),
    ({"stop_signal": "FOO"}, "invalid signal: FOO"),
    ({"workdir": "rel"}, "working directory 'rel' is invalid"),
    ({"user": "a:b:c"}, "--user: invalid user"),
    ({"network": "private:mtu=9"}, "mtu=9: a number from 1280 to 65520"),
    ({"network": "private:speed=9"}, "unknown option 'speed=9'"),
    ({"expose": ["8080:80"]}, "--expose 8080:80: that is -p's"),
    ({"expose": ["x"]}, "--expose x: 'x' is no port"),
    ({"network": "ns:/x", "publish": ["80:80"]}, "-p and --network ns:/x exclude each other"),
    ({"publish": ["80:x"]}, "-p 80:x: 'x' is no port"),
    ({"publish_privileged": "no"}, "--publish-privileged: unknown way 'no'"),
    ({"dns": ["one"]}, "--dns: 'one' is no IP address"),
    ({"network": "container:"}, "--network container: comes with a later version"),
    ({"network": "mine"}, "--network mine comes with a later version"),
    ({"userns": "private"}, "--userns private comes with a later version"),
    ({"userns": "container:x"}, "--userns container:x comes with a later version"),
    ({"userns": "auto"}, "--userns auto comes with a later version"),
    ({"userns": "auto:size=10"}, "--userns auto:size=10 comes with a later version"),
    ({"userns": "keep-id:foo=1"}, "unknown option 'foo=1'"),
    ({"userns": "keep-id:uid=-1"}, "unknown option 'uid=-1'"),
    ({"userns": "keep-id:"}, "unknown option ''"),
    ({"userns": "foo"}, "--userns: unknown mode 'foo'"),
    ({"uts": "foo"}, "--uts: unknown mode 'foo'"),
    ({"pid": "container:x"}, "--pid container:x comes with a later version"),
    ({"ipc": "ns:/proc/1/ns/ipc"}, "--ipc ns:/proc/1/ns/ipc comes with a later version"),
    ({"cgroupns": "x"}, "--cgroupns: unknown mode 'x'"),
    ({"log_driver": "syslog"}, "--log-driver: unknown driver 'syslog'"),
    ({"add_host": ["a"]}, "--add-host: invalid format"),
    (
        {"add_host": ["a:host-gateway"], "network": "none"},
        "there is no gateway with --network none",
    ),
    ({"annotation": ["a"]}, "--annotation: invalid format"),
    ({"label": ["=x"]}, "--label: invalid format"),
    ({"label_file": ["/nonexistent"]}, "--label-file: open /nonexistent"),
    ({"env": ["=x"]}, "invalid environment variable"),
    ({"env_file": ["/nonexistent"]}, "--env-file: open /nonexistent"),
    ({"cap_add": ["foo"]}, "capability"),
    ({"cap_add": ["CHOWN"], "cap_drop": ["cap_chown"]}, "both added and dropped"),
    ({"security_opt": ["foo"]}, "invalid --security-opt 'foo'"),
    ({"ulimit": ["nofile=2:1"]}, "soft limit is above"),
    ({"ulimit": ["nofile=1", "nofile=2"]}, "given twice"),
    ({"sysctl": ["kernel.panic=1"]}, "--sysctl kernel.panic is not allowed"),
    ({"sysctl": ["net.core.somaxconn=1"], "network": "host"}, "cannot be set with --network host"),
    ({"volume": ["/a:/x", "/b:/x/"]}, "duplicate mount point: /x"),
    ({"volume": ["/a:/x"], "tmpfs": ["/x"]}, "duplicate mount point: /x"),
    ({"volume": ["/a:/x"], "mount": ["type=tmpfs,dst=/x"]}, "duplicate mount point: /x"),
    ({"volume": ["/a:/dev/null"], "device": ["/dev/null"]}, "duplicate mount point: /dev/null"),
    ({"mount": ["type=bind,src=/nonexistent,dst=/x"]}, "bind source path does not exist"),
    ({"device": ["/dev/nonexistent"]}, "/dev/nonexistent does not exist"),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED, ids=lambda value: str(value)[:50])
def test_refused(paths: Paths, tmp_path: Path, asked: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(paths, "plain", asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_refused_references(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an image is required"):
        check(paths, "", {})
    with pytest.raises(UsageError, match="--rootfs and --pull"):
        check(paths, str(tmp_path), {"rootfs": True, "pull": "always"})
    for wrong in ("/nonexistent", "/nonexistent:O", f"{tmp_path}:X"):
        with pytest.raises(UsageError, match="no directory"):
            check(paths, wrong, {"rootfs": True})


def test_a_cidfile_is_not_overwritten(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    check(paths, "plain", {"cidfile": str(file)})
    assert not file.exists()
    file.touch()
    with pytest.raises(UsageError, match=f"container ID file found, .* delete {file}"):
        check(paths, "plain", {"cidfile": str(file)})


ACCEPTED: list[dict[str, Any]] = [
    {"detach": True, "rm": True},
    {"detach": True, "tty": True, "interactive": True},
    {"read_only": True, "tmpfs": ["/tmp"]},
    {"name": "", "hostname": "", "user": "", "workdir": "", "network": "", "userns": "", "pid": ""},
    {"restart": "no", "rm": True},
    {"pull": "never", "platform": "linux/arm64"},
    {"privileged": True, "cap_drop": ["ALL"]},
    {"ipc": "shareable", "shm_size": "0"},
    {"uts": "private", "pid": "private", "cgroupns": "private"},
    {"add_host": ["a:host-gateway"], "network": "host"},
    {"group_add": ["keep-groups"]},
    {"log_driver": "k8s-file"},
    {"security_opt": ["label=disable", "apparmor=unconfined"]},
    {"stop_timeout": -1},
    {"ulimit": ["host"]},
]


@pytest.mark.parametrize("asked", ACCEPTED, ids=str)
def test_accepted(composed: Composed, asked: dict[str, Any]) -> None:
    assert asked == composed(**asked)["asked"]


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


def test_files_that_options_name_are_read_once(paths: Paths) -> None:
    """They may be pipes, as in --env-file <(command)."""
    reader, writer = os.pipe()
    os.write(writer, b"A=1\n")
    os.close(writer)
    try:
        asked: Any = {"env_file": [f"/proc/self/fd/{reader}"]}
        plan = check(paths, "plain", asked)
        image = PlainImage({"Cmd": ["sh"]})
        record = compose(paths, image, [], asked, id=ID, directory="/c", plan=plan)
    finally:
        os.close(reader)
    assert "A=1" in record["spec"]["process"]["env"]


def test_hosts_without_a_network(composed: Composed) -> None:
    hosts = ["db;cache:10.0.0.1", "six:::1"]
    record = composed(name="web", hostname="box", add_host=hosts, network="none")
    lines = etc.hosts(record).splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-3:] == ["10.0.0.1\tdb cache", "::1\tsix", "127.0.0.1\tbox web"]
    assert set(etc.files(record)) == {"hosts", "hostname"}
    assert etc.hostname(record) == "box\n"


def test_hosts_that_name_the_container_already(composed: Composed) -> None:
    record = composed(name="box", hostname="box", add_host=["box:10.0.0.1"], network="none")
    assert etc.hosts(record).endswith("10.0.0.1\tbox\n")


def test_files_on_the_hosts_network(composed: Composed) -> None:
    record = composed(network="host", add_host=["gate:host-gateway"])
    files = etc.files(record)
    assert "127.0.0.1\tgate\n" in files["hosts"]
    if os.path.exists("/etc/resolv.conf"):
        with open("/etc/resolv.conf", encoding="utf-8") as file:
            assert files["resolv.conf"] == file.read()
    assert files["hostname"] == os.uname().nodename + "\n"


def test_files_of_a_private_network(composed: Composed) -> None:
    """The container is its own address, the host's loopback and name servers are the gateway."""
    network = "private:cidr=10.1.0.0/16,host-loopback=on"
    record = composed(name="web", network=network, add_host=["up:host-gateway"])
    files = etc.files(record)
    lines = files["hosts"].splitlines()
    assert lines[-3] == "10.1.0.2\tup"
    assert lines[-2] == f"10.1.0.100\t{ID[:12]} web"
    assert lines[-1] == "10.1.0.2\thost.containers.internal host.docker.internal"
    assert files["resolv.conf"].splitlines()[0] == "nameserver 10.1.0.2"


def test_the_host_without_its_loopback(composed: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its own address, where it has one and that means something inside."""
    record = composed(network="private:cidr=10.1.0.0/16", add_host=["up:host-gateway"])
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
    assert set(etc.files(composed(no_hosts=True, network="none"))) == {"hostname"}
    mounts = {"volume": ["/tmp:/etc/hostname"], "network": "none"}
    assert set(etc.files(composed(**mounts))) == {"hosts"}
    assert etc.files(composed(volume=["/tmp:/etc"])) == {}
