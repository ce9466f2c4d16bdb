"""What was asked for a container, completed by containers.conf."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers.creation import conflicts
from rootless.containers.creation.environment import compose
from rootless.containers.words.request import request
from rootless.defaults.blaming import blamed
from rootless.defaults.completing import completed, fields
from rootless.defaults.keys import KEYS
from rootless.defaults.settings import Settings, read
from rootless.errors import UsageError
from rootless.runtime.privileges import caps

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


def settings(**tables: dict[str, Any]) -> Settings:
    """Return what a file with these tables says."""
    conf = Settings(["/c.conf"])
    conf.add("/c.conf", tables)
    return conf


def more(given: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Return what keys of [containers] add to what was given, or change in it."""
    whole = completed(given, settings(containers=keys))  # type: ignore[arg-type]
    return {key: value for key, value in whole.items() if given.get(key) != value}


SAME = [
    ("cgroupns", "host", "cgroupns"),
    ("default_ulimits", ["nofile=1:2"], "ulimit"),
    ("devices", ["/dev/null:/dev/x"], "device"),
    ("dns_options", ["ndots:1"], "dns_option"),
    ("dns_searches", ["example.org"], "dns_search"),
    ("dns_servers", ["10.0.0.1"], "dns"),
    ("env_host", True, "env_host"),
    ("http_proxy", False, "http_proxy"),
    ("init", True, "init"),
    ("ipcns", "host", "ipc"),
    ("log_driver", "k8s-file", "log_driver"),
    ("no_hosts", True, "no_hosts"),
    ("oom_score_adj", 500, "oom_score_adj"),
    ("pidns", "host", "pid"),
    ("privileged", True, "privileged"),
    ("read_only", True, "read_only"),
    ("shm_size", "1m", "shm_size"),
    ("tz", "Europe/Berlin", "tz"),
    ("umask", "0077", "umask"),
    ("userns", "keep-id", "userns"),
    ("utsns", "host", "uts"),
    ("volumes", ["/a:/b"], "volume"),
]


@pytest.mark.parametrize(("key", "value", "option"), SAME)
def test_a_key_is_the_default_of_its_option(key: str, value: Any, option: str) -> None:
    assert more({}, **{key: value}) == {option: value}
    given: Any = {option: ["of the line"] if isinstance(value, list) else False}
    assert more(given, **{key: value}) == {}
    if isinstance(value, (str, list)):
        assert more({}, **{key: type(value)()}) == {}  # empty is as if it were not there


OTHERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # a network is one of several
    ({"netns": "none"}, {}, {"network": ["none"]}),
    ({"netns": "none"}, {"network": ["host"]}, {}),
    ({"netns": ""}, {}, {}),
    # annotations and sysctls by their names
    ({"annotations": ["a=1", "b=2"]}, {"annotation": ["b=3"]}, {"annotation": ["a=1", "b=3"]}),
    (
        {"default_sysctls": ["net.a=1", "net.b=2", "kernel.sem=3"]},
        {"sysctl": ["net.a=9,kernel.sem=8"]},
        {"sysctl": ["net.b=2", "net.a=9,kernel.sem=8"]},
    ),
    ({"default_sysctls": ["net.a=1"]}, {"network": ["host"]}, {}),
    ({"default_sysctls": ["net.a=1"]}, {"network": ["container:x"]}, {}),
    ({"default_sysctls": ["kernel.sem=3"]}, {"ipc": "host"}, {}),
    # mounts by their places, whatever the option
    (
        {"mounts": ["type=tmpfs,dst=/a", "type=tmpfs,dst=/b", "type=tmpfs,dst=/c"]},
        {"volume": ["/x:/a"], "tmpfs": ["/b"], "mount": ["type=tmpfs,dst=/d"]},
        {"mount": ["type=tmpfs,dst=/d", "type=tmpfs,dst=/c"]},
    ),
    (
        {"mounts": ["type=glob,src=/etc/host[n]ame,dst=/a", "type=glob,src=/etc/host[n]ame"]},
        {"volume": ["/x:/a/hostname"]},
        {"mount": ["type=glob,src=/etc/host[n]ame"]},
    ),
    # what cannot be in a namespace of somebody else is left out
    ({"init": True}, {"pid": "host"}, {}),
    ({"init_path": "/i"}, {}, {}),
    ({"init_path": "/i"}, {"init": True}, {"init_path": "/i"}),
    ({"init_path": "/i"}, {"init": True, "init_path": "/j"}, {}),
    ({"shm_size": "1m"}, {"ipc": "none"}, {}),
    ({"no_hosts": True}, {"add_host": ["a:1.1.1.1"]}, {}),
    ({"shm_size": 65536}, {}, {"shm_size": "65536"}),
    # a user namespace of its own is what each container has
    ({"userns": "host"}, {}, {}),
    ({"userns": "private"}, {}, {}),
    ({"userns": "no-map"}, {}, {"userns": "nomap"}),
    ({"container_name_as_hostname": True}, {"name": "a_b.c"}, {"hostname": "ab.c"}),
    ({"container_name_as_hostname": True}, {"name": "a", "hostname": "b"}, {}),
    ({"container_name_as_hostname": True}, {"name": "a", "uts": "host"}, {}),
    ({"container_name_as_hostname": True}, {}, {}),
    # security
    ({"label": False}, {}, {"security_opt": ["label=disable"]}),
    ({"label": True}, {}, {}),
    ({"label": False}, {"security_opt": ["label:type:x"]}, {}),
    ({"seccomp_profile": "/p"}, {}, {"security_opt": ["seccomp=/p"]}),
    ({"seccomp_profile": "/p"}, {"security_opt": ["seccomp=unconfined"]}, {}),
    ({"seccomp_profile": "/p"}, {"privileged": True}, {}),
    ({"seccomp_profile": "/usr/share/containers/seccomp.json"}, {}, {}),
    # logs
    ({"log_size_max": 9000}, {}, {"log_opt": ["max-size=9000"]}),
    ({"log_size_max": -5}, {}, {"log_opt": ["max-size=-1"]}),
    ({"log_size_max": 9000}, {"log_opt": ["max-size=1m"]}, {}),
    (
        {"log_size_max": 9000},
        {"log_opt": ["max-file=2"]},
        {"log_opt": ["max-size=9000", "max-file=2"]},
    ),
    ({"log_size_max": 9000}, {"log_driver": "none"}, {}),
    ({"log_tag": "t"}, {}, {}),
    ({"log_tag": "t"}, {"log_driver": "journald"}, {"log_opt": ["tag=t"]}),
    ({"log_tag": "t"}, {"log_driver": "journald", "log_opt": ["tag=u"]}, {}),
    ({"base_hosts_file": "none"}, {}, {}),
    ({"base_hosts_file": "/nosuch"}, {"no_hosts": True}, {}),
]


@pytest.mark.parametrize(("keys", "given", "changed"), OTHERS)
def test_keys_with_a_way_of_their_own(
    keys: dict[str, Any], given: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert more(given, **keys) == changed


USUAL = [name.removeprefix("CAP_") for name in caps.DEFAULT]


@pytest.mark.parametrize(
    ("default", "given", "has"),
    [
        (USUAL, {}, USUAL),
        (["cap_kill", "NET_RAW"], {}, ["KILL", "NET_RAW"]),
        ([], {}, []),
        ([*USUAL, "NET_RAW"], {"cap_drop": ["NET_RAW"]}, USUAL),
        (["KILL"], {"cap_add": ["CHOWN,NET_RAW"]}, ["KILL", "CHOWN", "NET_RAW"]),
        (["KILL"], {"cap_add": ["CHOWN"], "cap_drop": ["ALL"]}, ["CHOWN"]),
        (["KILL"], {"cap_drop": ["kill"]}, []),
        (["KILL"], {"cap_add": ["ALL"], "cap_drop": ["KILL"]}, {*caps.known()} - {"CAP_KILL"}),
        (["ALL"], {"cap_drop": ["KILL"]}, {*caps.known()} - {"CAP_KILL"}),
        (["KILL"], {"privileged": True}, caps.known()),
    ],
)
def test_default_capabilities(default: list[str], given: dict[str, Any], has: Any) -> None:
    whole = completed(given, settings(containers={"default_capabilities": default}))  # type: ignore[arg-type]
    wanted = request("x", (), whole, base="/", environ={})["security"]
    found = caps.resolve(
        wanted["cap_add"], wanted["cap_drop"], privileged=bool(given.get("privileged"))
    )
    assert found == sorted({name if name.startswith("CAP_") else f"CAP_{name}" for name in has})


def test_our_own_capabilities_change_nothing() -> None:
    assert more({}, default_capabilities=USUAL) == {}


@pytest.mark.parametrize(
    ("given", "published"),
    [
        ("80", ["127.0.0.1::80", "[::1]::80"]),
        ("8080:80/udp", ["127.0.0.1:8080:80/udp", "[::1]:8080:80/udp"]),
        ("1.2.3.4:8080:80", ["1.2.3.4:8080:80"]),
        ("[::2]:8080:80", ["[::2]:8080:80"]),
    ],
)
def test_published_ports_get_the_addresses(given: str, published: list[str]) -> None:
    conf = settings(network={"default_host_ips": ["127.0.0.1", "::1"]})
    whole = completed({"publish": [given]}, conf)
    assert whole["publish"] == published
    request("x", (), whole, base="/", environ={})
    assert "publish" not in completed({}, conf)


def test_keys_of_the_engine() -> None:
    conf = settings(
        engine={"pull_policy": "never", "stop_timeout": 3, "image_volume_mode": "tmpfs"}
    )
    expected = {"pull": "never", "stop_timeout": 3, "image_volume": "tmpfs"}
    assert completed({}, conf) == expected
    assert completed({"pull": "always", "stop_timeout": 0}, conf)["stop_timeout"] == 0


def test_lines_of_a_hosts_file_come_after_those_that_were_given(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n10.0.0.1 a b # c\n\nfd00::1 d\nbogus e\n10.0.0.2 a/b\n")
    expected = {"add_host": ["x:1.1.1.1", "a;b=10.0.0.1", "d=fd00::1"]}
    assert more({"add_host": ["x:1.1.1.1"]}, base_hosts_file=str(file)) == expected
    wanted = request("x", (), {"add_host": expected["add_host"]}, base="/", environ={})
    assert wanted["hosts"] == [["1.1.1.1", "x"], ["10.0.0.1", "a", "b"], ["fd00::1", "d"]]
    for value, said in (("image", "invalid value 'image'"), (f"{file}x", f"cannot read {file}x")):
        with pytest.raises(UsageError, match=rf"/c.conf: \[containers\] base_hosts_file: {said}"):
            more({}, base_hosts_file=value)


def test_variables_are_below_those_of_the_image() -> None:
    conf = settings(containers={"env": ["A=conf", "B=conf", "C", "D", "E=conf"]})
    found = fields(conf, {"C": "host"})
    assert found.keys() == {"preset"}
    preset = found["preset"]
    assert preset == [["A", "conf"], ["B", "conf"], ["C", "host"], ["E", "conf"]]
    wanted = request("x", (), {"env": ["B=line"]}, base="/", environ={"http_proxy": "p"})
    wanted["preset"] = [*preset, ["http_proxy", "conf"]]
    made = compose(["A=image"], wanted, "h")
    assert {"A=image", "B=line", "C=host", "E=conf", "http_proxy=p"} <= {*made}
    with pytest.raises(UsageError, match=r"/c.conf: \[containers\] env: invalid value '=x'"):
        fields(settings(containers={"env": ["=x"]}), {})


def test_the_address_of_the_host() -> None:
    for text in ("10.0.0.1", "fd00::1", "none"):
        conf = settings(containers={"host_containers_internal_ip": text})
        assert fields(conf, {}) == {"host_address": text}
    with pytest.raises(UsageError, match=r"\[containers\] host_containers_internal_ip: inv.*'x'"):
        fields(settings(containers={"host_containers_internal_ip": "x"}), {})


WRONG: list[tuple[str, str, Any, str]] = [
    ("containers", "cgroupns", "x", "unknown mode"),
    ("containers", "default_capabilities", ["SPAM"], "unknown capability 'SPAM'"),
    ("containers", "default_sysctls", ["vm.x=1"], "is not allowed"),
    ("containers", "default_ulimits", ["x=1"], "invalid limit"),
    ("containers", "devices", ["/dev/nosuch"], "does not exist"),
    ("containers", "dns_servers", ["x"], "is no IP address"),
    ("containers", "ipcns", "x", "unknown mode"),
    ("containers", "log_driver", "x", "unknown driver"),
    ("containers", "mounts", ["type=x"], "/c.conf"),
    ("containers", "netns", "x/y", "x/y"),
    ("containers", "pidns", "container:x", "container:x"),
    ("containers", "seccomp_profile", "/nosuch", "open /nosuch"),
    ("containers", "shm_size", "x", "invalid size"),
    ("containers", "umask", "9", "9"),
    ("containers", "userns", "auto", "auto"),
    ("containers", "utsns", "x", "unknown mode"),
    ("containers", "volumes", ["x/y:z:q"], "/c.conf"),
    ("engine", "image_volume_mode", "x", "unknown way 'x'"),
    ("engine", "pull_policy", "x", "unknown policy"),
    ("engine", "stop_timeout", -2, "-2 is not"),
]


@pytest.mark.parametrize(("table", "key", "value", "said"), WRONG)
def test_a_value_that_makes_no_sense_is_told_with_its_file(
    table: str, key: str, value: Any, said: str
) -> None:
    conf = settings(**{table: {key: value}})
    error = blamed(UsageError("what came of it"), conf, {"tty": True})
    assert str(error).startswith(f"/c.conf: [{table}] {key}: ")
    assert said in str(error)


def test_a_default_that_contradicts_what_was_asked_is_named() -> None:
    conf = settings(containers={"init": True})
    plain = UsageError("the line's own fault", "mend it")
    assert blamed(plain, conf, {"pid": "bogus"}) is plain
    assert blamed(plain, conf, {"tty": True}) is plain  # both are right: it is about something else
    asked: Any = {"systemd": "always"}
    with pytest.raises(UsageError) as caught:
        conflicts.check(request("image", (), completed(asked, conf), base=".", environ={}))
    message = str(blamed(caught.value, conf, asked))
    assert message.startswith(caught.value.message)
    assert "/c.conf has a part in it; CONTAINERS_CONF=/dev/null leaves it out)" in message


DONE = {key for key, *_ in SAME} | {key for keys, *_ in OTHERS for key in keys}
DONE |= {key for _, key, *_ in WRONG} | {"env", "default_capabilities", "default_host_ips"}
DONE |= {"host_containers_internal_ip"}
BY_COMMANDS = {"compression_format", "compression_level", "detach_keys", "image_default_format"}
BY_COMMANDS |= {"image_parallel_copies", "retry", "retry_delay"}
"""Tested where they are read."""


def test_each_key_that_is_read_is_tested() -> None:
    read_ = {key for keys in KEYS.values() for key, one in keys.items() if one[1] == "read"}
    assert read_ == DONE | BY_COMMANDS


def test_what_debian_ships_changes_nothing() -> None:
    file = "/usr/share/containers/containers.conf"
    if not os.path.exists(file) or not os.path.exists("/etc/debian_version"):
        pytest.skip("this machine has no containers.conf of Debian's")
    assert completed({}, read([file])) == {}
