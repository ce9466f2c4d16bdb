"""Option texts -> Request: what each says, what is refused, and what the front end calls it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli.fields import told
from rootless.containers import request as plain
from rootless.containers.creation import conflicts
from rootless.containers.words import request as words
from rootless.containers.words.asked import Asked
from rootless.containers.words.request import request
from rootless.errors import UsageError
from rootless.netstack import addresses
from rootless.oci import jsonio

if TYPE_CHECKING:
    from pathlib import Path

    from rootless.containers.request import Request

SECOND = 1_000_000_000


def parsed(**asked: Any) -> Request:
    """Parse options, for an image of the name `plain`, by somebody in /base without variables."""
    return request("plain", [], asked, base="/base", environ={})  # type: ignore[arg-type]


def differing(wanted: Request) -> dict[str, Any]:
    """Return what is not as usual."""
    usual = plain.request("plain")
    return {key: value for key, value in wanted.items() if value != usual[key]}  # type: ignore[literal-required]


def test_nothing_asked() -> None:
    assert parsed() == plain.request("plain")


MEANINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"add_host": ["a;b:::1"]}, {"hosts": [["::1", "a", "b"]]}),
    ({"annotation": ["a.b=c=d"]}, {"annotations": {"a.b": "c=d"}}),
    ({"attach": ["STDERR", "stdin,stderr"]}, {"attach": ["stdin", "stderr"]}),
    ({"cgroupns": "host"}, {"namespaces": {**plain.request("")["namespaces"], "cgroup": "host"}}),
    ({"cidfile": "id"}, {"cidfile": "id"}),
    ({"chrootdirs": ["/a,/b/", "/c"]}, {"chrootdirs": ["/a", "/b", "/c"]}),
    ({"detach": True}, {"detached": True}),
    ({"domainname": "example.org", "oom_score_adj": 0, "personality": "LINUX32"},
     {"domainname": "example.org", "oom_score_adj": 0, "personality": "LINUX32"}),
    ({"dns": ["::9"], "dns_search": ["a"]},
     {"dns": {"servers": ["::9"], "search": ["a"], "options": []}}),
    ({"dns": ["none"]}, {"dns": {"servers": ["none"], "search": [], "options": []}}),
    ({"entrypoint": "a b"}, {"entrypoint": ["a b"]}),
    ({"entrypoint": '["a", "b"]'}, {"entrypoint": ["a", "b"]}),
    ({"entrypoint": ""}, {"entrypoint": []}),
    ({"env": ["A=1=2", "B"]}, {"environment": [["A", "1=2"], ["B", None]]}),
    ({"expose": ["80", "90-91/udp"]}, {"expose": ["80/tcp", "90/udp", "91/udp"]}),
    # Several in one text, as podman has them.
    ({"expose": ["80,81"]}, {"expose": ["80/tcp", "81/tcp"]}),
    ({"group_add": ["audio,44", "7"]}, {"groups": ["audio", "44", "7"]}),
    ({"dns": ["::9,1.1.1.1"], "dns_search": ["a,b"], "dns_option": ["ndots:1,rotate"]},
     {"dns": {"servers": ["::9", "1.1.1.1"], "search": ["a", "b"],
              "options": ["ndots:1", "rotate"]}}),
    ({"add_host": ["a:1.2.3.4,b:::1"]}, {"hosts": [["1.2.3.4", "a"], ["::1", "b"]]}),
    ({"sysctl": ["net.a=1,net.b=2", "net.ports=1,2,3"]},
     {"sysctls": {"net.a": "1", "net.b": "2", "net.ports": "1,2,3"}}),
    ({"log_opt": ["max-size=1k,max-file=2"]},
     {"log": {"driver": "json-file", "options": {"max-size": "1024", "max-file": "2"}}}),
    ({"name": "/web"}, {"name": "web"}),
    ({"health_cmd": "true", "health_interval": "disable", "health_start_period": "0"},
     {"healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 2**63 - 1, "StartPeriod": 0}}),
    ({"group_add": ["audio", "44"]}, {"groups": ["audio", "44"]}),
    ({"group_add": ["keep-groups"]}, {"keep_groups": True}),
    ({"health_cmd": "", "health_interval": "3s"}, {"healthcheck": {"Interval": 3000000000}}),
    ({"health_cmd": "true", "health_interval": "3s"},
     {"healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 3 * SECOND}}),
    ({"health_cmd": '["a", "b"]'}, {"healthcheck": {"Test": ["CMD", "a", "b"]}}),
    ({"health_log_destination": "logs", "health_max_log_count": 0, "health_max_log_size": 9},
     {"health_log": {"destination": "/base/logs", "count": 0, "size": 9}}),
    ({"health_log_destination": "events_logger"},
     {"health_log": {"destination": "events_logger", "count": 5, "size": 4096}}),
    ({"health_on_failure": "kill"}, {"health": {"on_failure": "kill", "startup": None}}),
    ({"health_startup_cmd": "x", "health_startup_timeout": "2s"},
     {"health": {"on_failure": "none", "startup": {
         "test": ["CMD-SHELL", "x"], "interval": 30, "timeout": 2, "retries": 0, "successes": 1,
     }}}),
    ({"no_healthcheck": True}, {"healthcheck": {"Test": ["NONE"]}}),
    ({"hostuser": ["root", "7"], "passwd_entry": "a", "group_entry": "b"},
     {"hostusers": ["root", "7"], "passwd_entry": "a", "group_entry": "b"}),
    ({"passwd": False}, {"passwd": False}),
    ({"uidmap": ["0:1:10,10:0", "11:11:5"]},
     {"uidmap": [[0, 1, 10], [10, 0, 1], [11, 11, 5]],
      "gidmap": [[0, 1, 10], [10, 0, 1], [11, 11, 5]]}),
    ({"uidmap": ["0:1:2"], "gidmap": ["0:0:3"]}, {"uidmap": [[0, 1, 2]], "gidmap": [[0, 0, 3]]}),
    ({"subuidname": str(os.getuid())},
     {"userns": {"mode": "nomap", "uid": None, "gid": None, "shared": False}}),
    ({"init": True, "init_path": "/bin/sh", "pidfile": "a", "conmon_pidfile": "../b"},
     {"init": True, "init_path": "/bin/sh", "pidfile": "/base/a", "conmon_pidfile": "/b"}),
    ({"requires": ["a,b", "c"], "timeout": 9}, {"requires": ["a", "b", "c"], "timeout": 9}),
    ({"rmi": True}, {"remove": True, "remove_image": True}),
    ({"init": True, "tty": True, "interactive": True, "rm": True},
     {"init": True, "tty": True, "stdin": True, "remove": True}),
    ({"log_driver": "local", "log_opt": ["max-file=2"]},
     {"log": {"driver": "json-file",
              "options": {"max-size": str(20 << 20), "max-file": "2", "compress": "true"}}}),
    ({"log_opt": ["labels=a,b,tag={{.Name}}/{{ .ID }}", "mode=non-blocking,max-buffer-size=1k"]},
     {"log": {"driver": "json-file", "options": {
         "labels": "a,b", "tag": "{{.Name}}/{{ .ID }}", "mode": "non-blocking",
         "max-buffer-size": "1024"}}}),
    ({"log_driver": "journald", "log_opt": ["env-regex=^A"]},
     {"log": {"driver": "journald", "options": {"env-regex": "^A"}}}),
    ({"log_driver": "k8s-file", "log_opt": ["max-size=1k", "compress=1"]},
     {"log": {"driver": "k8s-file", "options": {"max-size": "1024", "compress": "true"}}}),
    ({"image_volume": "bind"}, {}),
    ({"image_volume": "tmpfs"}, {"image_volumes": "tmpfs"}),
    ({"link": ["db:data.base", "/web"]},
     {"links": [{"container": "db", "alias": "data.base"}, {"container": "/web", "alias": "web"}]}),
    ({"volumes_from": ["a", "b:ro,z"]},
     {"volumes_from": [{"container": "a", "ro": False}, {"container": "b", "ro": True}]}),
    ({"network": ["host"]}, {"networks": [plain.attachment("host")]}),
    ({"network": ["container:web"]},
     {"networks": [plain.attachment("container", "web")]}),
    ({"network": ["ns:/run/x"]}, {"networks": [plain.attachment("ns", "/run/x")]}),
    ({"network": ["slirp4netns:allow_host_loopback=true,port_handler=slirp4netns,"
                  "enable_ipv6=false"]},
     {"networks": [plain.attachment("slirp4netns", "",
                                    addresses.parse("host-loopback=on,ipv6=off"))]}),
    ({"network": ["pasta:mtu=1500"]},
     {"networks": [plain.attachment("pasta", "", addresses.parse("mtu=1500"))]}),
    ({"mac_address": "92-D0-C6-0A-29-33"},
     {"networks": [{**plain.attachment("private", "", addresses.parse("")),
                    "mac": "92:d0:c6:0a:29:33"}]}),
    ({"mac_address": "92d0.c60a.2933", "network": ["slirp4netns"]},
     {"networks": [{**plain.attachment("slirp4netns", "", addresses.parse("")),
                    "mac": "92:d0:c6:0a:29:33"}]}),
    ({"network": ["pasta:mtu=1500,-T,5432,--no-udp"]},
     {"networks": [plain.attachment("pasta", "", {
         **addresses.parse("mtu=1500"), "extra": ["-T", "5432", "--no-udp"]})]}),
    ({"network": ["pasta:--map-gw"]},
     {"networks": [plain.attachment("pasta", "", addresses.parse("host-loopback=on"))]}),
    ({"network": ["bridge"]},
     {"networks": [plain.attachment("private", "", addresses.parse(""))]}),
    ({"platform": "linux/386"},
     {"security": {**plain.security(), "seccomp": {"profile": "default-386"}}}),
    ({"privileged": True}, {"security": plain.security(privileged=True)}),
    ({"seccomp_policy": "default"}, {}),
    ({"seccomp_policy": "image"},
     {"security": {**plain.security(), "seccomp": {"profile": "image"}}}),
    ({"publish": ["80:8080", "127.0.0.1::53/udp"]},
     {"ports": [plain.publish(8080, 80), plain.publish(53, ip="127.0.0.1", protocol="udp")]}),
    ({"publish_privileged": "remap"}, {"remap_ports": True}),
    ({"read_only": True, "read_only_tmpfs": False}, {"read_only": True, "read_only_tmpfs": False}),
    ({"restart": "on-failure:3"}, {"restart": {"policy": "on-failure", "most": 3}}),
    ({"restart": "never"}, {}),
    ({"sdnotify": "conmon"}, {"sdnotify": "supervisor"}),
    ({"systemd": "always"}, {"systemd": "always"}),
    ({"systemd": "0"}, {"systemd": "false"}),
    ({"systemd": "True"}, {}),
    ({"shm_size": "1m"}, {"shm_size": 1 << 20}),
    ({"shm_size_systemd": "1k"}, {"shm_size_systemd": 1024}),
    ({"stop_signal": "USR1", "stop_timeout": -1}, {"stop_signal": 10, "stop_timeout": -1}),
    ({"sysctl": ["net/core/x=1 2"]}, {"sysctls": {"net.core.x": "1 2"}}),
    ({"env_merge": ["A=${B}"], "unsetenv": ["C"], "unsetenv_all": True},
     {"env_merge": [["A", "${B}"]], "unsetenv": ["C"], "unsetenv_all": True}),
    ({"tz": "local", "umask": "27"}, {"timezone": "local", "umask": 0o027}),
    ({"tmpfs": ["/x:size=1k"]},
     {"tmpfs": [{**plain.tmpfs("/x", "size=1024"),
                 "options": ["noexec", "nosuid", "nodev", "size=1024"]}]}),
    ({"ulimit": ["nofile=1:2", "host"]},
     {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]}),
    ({"userns": "keep-id:uid=7,shared"},
     {"userns": {"mode": "keep-id", "uid": 7, "gid": None, "shared": True}}),
    ({"volume": ["./x:/y:ro", "v:/z", "/w"]},
     {"mounts": [plain.bind("/base/x", "/y", rw=False, make=True), plain.volume("v", "/z"),
                 plain.volume("", "/w")]}),
    ({"mount": ["type=bind,src=x,dst=/y"]}, {"mounts": [plain.bind("/base/x", "/y")]}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), MEANINGS, ids=lambda value: str(value)[:50])
def test_meaning(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    wanted = parsed(**asked)
    conflicts._check_values(wanted)  # the command line is spared it
    assert differing(wanted) == expected
    assert jsonio.loads(jsonio.dump_bytes(wanted)) == wanted


def test_what_comes_from_the_callers_surroundings() -> None:
    environ = {"http_proxy": "p", "A": "1", "NOTIFY_SOCKET": "/s"}
    wanted = request("plain", [], {"env": ["A"]}, base="/", environ=environ)
    assert (wanted["inherited"], wanted["environment"]) == ([["http_proxy", "p"]], [["A", "1"]])
    wanted = request("plain", [], {"env_host": True}, base="/", environ=environ)
    assert wanted["inherited"] == [["http_proxy", "p"], ["A", "1"]]


def test_files_are_found_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\n")
    (tmp_path / "labels").write_text("b=2\n")
    (tmp_path / "profile").write_text('{"defaultAction": "x"}')
    (tmp_path / "root").mkdir()
    wanted = request(
        "root:O",
        [],
        {
            "env_file": ["env"],
            "label_file": ["labels"],
            "security_opt": ["seccomp=profile"],
            "rootfs": True,
        },
        base=str(tmp_path),
        environ={},
    )
    assert wanted["environment"] == [["A", "1"]]
    assert wanted["labels"] == {"b": "2"}
    assert wanted["security"]["seccomp"] == {"defaultAction": "x"}
    assert wanted["rootfs"] == {"path": f"{tmp_path}/root", "overlay": True}


def test_files_that_options_name_are_read_once() -> None:
    """They may be pipes, as in --env-file <(command)."""
    reader, writer = os.pipe()
    os.write(writer, b"A=1\n")
    os.close(writer)
    try:
        assert parsed(env_file=[f"/proc/self/fd/{reader}"])["environment"] == [["A", "1"]]
    finally:
        os.close(reader)


REFUSED = [
    ({"name": "a/b"}, "invalid container name 'a/b'"),
    ({"replace": True}, "--replace needs a --name"),
    ({"restart": "always", "rm": True}, "--restart and --rm exclude each other"),
    ({"restart": "always", "rmi": True}, "--restart and --rm exclude each other"),
    ({"timeout": -1}, "--timeout: -1 is not a number"),
    ({"init_path": "/bin/sh"}, "--init-path needs --init"),
    ({"init_path": "none", "init": True}, "--init-path: /base/none is no program here"),
    ({"restart": "sometimes"}, "--restart: unknown policy 'sometimes'"),
    ({"sdnotify": "x"}, "--sdnotify: unknown mode 'x' (container, supervisor, healthy, ignore; co"),
    ({"systemd": "x"}, "--systemd: 'x' is neither true nor false"),
    ({"restart": "on-failure:x"}, "--restart: unknown policy 'on-failure:x'"),
    ({"health_interval": "10"}, "--health-interval: '10' is no time"),
    ({"health_cmd": " "}, "--health-cmd: an empty command"),
    ({"health_cmd": "[]"}, "--health-cmd: an empty command"),
    ({"health_cmd": '["CMD"]'}, "--health-cmd: an empty command"),
    ({"health_cmd": '["CMD-SHELL"]'}, "--health-cmd: an empty command"),
    ({"health_startup_cmd": "[]"}, "--health-startup-cmd: an empty command"),
    ({"health_on_failure": "cry"}, "--health-on-failure: unknown action 'cry'"),
    ({"no_healthcheck": True, "health_cmd": "x"}, "--no-healthcheck and --health-..."),
    ({"health_on_failure": "restart", "restart": "always"}, "exclude each other"),
    ({"health_startup_retries": 3}, "--health-startup-retries needs a --health-startup-cmd"),
    ({"pull": "sometimes"}, "unknown policy 'sometimes'"),
    ({"no_hosts": True, "add_host": ["a:1.2.3.4"]}, "--no-hosts and --add-host"),
    ({"hostname": "x", "uts": "host"}, "--hostname cannot be set"),
    ({"hostname": "a b"}, "invalid name 'a b'"),
    ({"hostname": "x" * 65}, "invalid name"),
    ({"domainname": "x", "uts": "host"}, "--domainname cannot be set"),
    ({"domainname": "a b"}, "--domainname: invalid name 'a b'"),
    ({"oom_score_adj": 1001}, "--oom-score-adj: 1001 is not a number from -1000 to 1000"),
    ({"personality": "BSD"}, "--personality: unknown domain 'BSD'"),
    ({"chrootdirs": ["a"]}, "invalid mount path 'a'"),
    ({"chrootdirs": ["/x,/proc/x"]}, "--chrootdirs: /proc/x is the engine's own"),
    ({"init": True, "pid": "host"}, "--init needs a PID namespace"),
    ({"shm_size": "1m", "ipc": "host"}, "--shm-size and --ipc host"),
    ({"shm_size": "1m", "ipc": "none"}, "--shm-size and --ipc none"),
    ({"shm_size": "x"}, "--shm-size: invalid size 'x'"),
    ({"shm_size_systemd": "x"}, "--shm-size-systemd: invalid size 'x'"),
    ({"group_add": ["keep-groups", "3"]}, "keep-groups cannot be combined"),
    ({"passwd": False, "passwd_entry": "x"}, "--passwd-entry needs --passwd"),
    ({"passwd": False, "group_entry": "x"}, "--group-entry needs --passwd"),
    ({"passwd_entry": "a\nb"}, "--passwd-entry: it is one line"),
    ({"group_add": [""]}, "--group-add"),
    ({"group_add": ["a:b"]}, "--group-add"),
    ({"stop_timeout": -2}, "--stop-timeout"),
    ({"stop_signal": "FOO"}, "invalid signal: FOO"),
    ({"workdir": "rel"}, "working directory 'rel' is invalid"),
    ({"user": "a:b:c"}, "--user: invalid user"),
    ({"network": ["private:mtu=9"]}, "mtu=9: a number from 1280 to 65520"),
    ({"network": ["private:speed=9"]}, "unknown option 'speed=9'"),
    ({"network": ["private:-T,9"]}, "unknown option '-T'"),
    ({"network": ["pasta:-T,9,-P,x"]}, "-P is set by the start itself"),
    ({"network": ["pasta:--netns=/x"]}, "--netns=/x is set by the start itself"),
    ({"expose": ["8080:80"]}, "--expose 8080:80: that is -p's"),
    ({"expose": ["x"]}, "--expose x: 'x' is no port"),
    ({"network": ["ns:/x"], "publish": ["80:80"]}, "-p and --network ns:/x exclude each other"),
    ({"publish": ["80:x"]}, "-p 80:x: 'x' is no port"),
    ({"publish_privileged": "no"}, "--publish-privileged: unknown way 'no'"),
    ({"attach": ["stdlog"]}, "--attach: invalid stream 'stdlog'"),
    ({"attach": ["stdin"], "detach": True}, "--attach and --detach exclude each other"),
    ({"dns": ["one"]}, "--dns: 'one' is no IP address"),
    ({"dns": ["1.1.1.1", "none"]}, "--dns none goes with no other server"),
    ({"dns": ["none"], "dns_search": ["a"]}, "--dns none and --dns-search exclude each other"),
    ({"dns": ["none"], "dns_option": ["a"]}, "--dns none and --dns-option exclude each other"),
    ({"health_max_log_count": -1}, "--health-max-log-count: a number, 0 for no limit"),
    ({"health_max_log_size": -1}, "--health-max-log-size: a number, 0 for no limit"),
    (
        {"health_log_destination": "nowhere"},
        "--health-log-destination: there is no directory /base/nowhere",
    ),
    ({"image_volume": "x"}, "--image-volume: unknown way 'x'"),
    ({"link": ["a:b:c"]}, "--link: bad format for links: a:b:c"),
    ({"link": [":b"]}, "--link: bad format for links: :b"),
    ({"volumes_from": ["a:b:c"]}, "--volumes-from: invalid mode 'b:c' in 'a:b:c'"),
    ({"volumes_from": ["a:ro,rw"]}, "--volumes-from: invalid mode"),
    ({"volumes_from": [":ro"]}, "--volumes-from: no container in ':ro'"),
    ({"volumes_from": ["a", ""]}, "--volumes-from: an empty value"),
    ({"device": [""]}, "--device: an empty value"),
    ({"env_file": [""]}, "--env-file: an empty value"),
    ({"expose": [""]}, "--expose: an empty value"),
    ({"label_file": [""]}, "--label-file: an empty value"),
    ({"mount": [""]}, "--mount: an empty value"),
    ({"publish": [""]}, "-p: an empty value"),
    ({"requires": [""]}, "--requires: an empty value"),
    ({"mac_address": "x"}, "--mac-address: no link address of a guest: 'x'"),
    ({"mac_address": "01:00:00:00:00:00"}, "no link address of a guest: '01:"),
    ({"mac_address": "02:00:00:00:00:02"}, "is the link address of the gateway"),
    ({"mac_address": "02::", "network": ["host"]}, "--mac-address: no link address"),
    (
        {"mac_address": "02:00:00:00:00:09", "network": ["none"]},
        "--mac-address and --network none exclude each other",
    ),
    (
        {"mac_address": "02:00:00:00:00:09", "network": ["container:x"]},
        "--mac-address and --network container:x exclude each other",
    ),
    ({"seccomp_policy": "image", "privileged": True}, "--seccomp-policy image is for a container"),
    ({"seccomp_policy": "image", "security_opt": ["seccomp=unconfined"]}, "with a filter"),
    ({"network": ["container:"]}, "--network container:: whose network?"),
    ({"network": ["ns:x"]}, "--network ns:x: whose network?"),
    ({"network": ["mine:speed=9"]}, "--network mine:speed=9: unknown option 'speed=9'"),
    ({"network": ["mine:ip=x"]}, "--network mine:ip=x: ip: 'x' is no IP address"),
    ({"network": ["mine:mac=x"]}, "no link address of a guest: 'x'"),
    ({"network": ["mine:interface_name=a/b"]}, "'a/b' is no name of an interface"),
    ({"ip": "10.1.1.1"}, "--ip: only containers on a network with a name have one of their own"),
    (
        {"network": ["host"], "network_alias": ["a"]},
        "--network-alias: only containers",
    ),
    ({"network": ["mine", "host"]}, "--network mine and another exclude each other"),
    ({"userns": "private"}, "--userns private comes with a later version"),
    ({"userns": "container:x"}, "--userns container:x comes with a later version"),
    ({"userns": "auto"}, "--userns auto comes with a later version"),
    ({"userns": "auto:size=10"}, "--userns auto:size=10 comes with a later version"),
    ({"userns": "keep-id:foo=1"}, "unknown option 'foo=1'"),
    ({"userns": "keep-id:uid=-1"}, "unknown option 'uid=-1'"),
    ({"userns": "keep-id:"}, "unknown option ''"),
    ({"userns": "foo"}, "--userns: unknown mode 'foo'"),
    ({"uidmap": ["0"]}, "--uidmap: invalid range '0'"),
    ({"gidmap": ["+0:1:1"]}, "--gidmap: invalid range '+0:1:1'"),
    ({"uidmap": ["0:0:4294967296"]}, "--uidmap: invalid range"),
    ({"uidmap": ["0:0:0"]}, "--uidmap: a range is"),
    ({"uidmap": ["1:0:1"]}, "--uidmap: the container would have no root"),
    ({"uidmap": ["0:0:5,4:9:1"]}, "--uidmap: an id inside is there twice"),
    ({"uidmap": ["0:0:5,5:4:1"]}, "--uidmap: an id outside is there twice"),
    ({"uidmap": ["0:0:5"], "userns": "nomap"}, "--uidmap and --userns exclude each other"),
    ({"subuidname": "a", "uidmap": ["0:0:5"]}, "--subuidname and --uidmap exclude each other"),
    ({"subgidname": "a", "userns": "host"}, "--subgidname and --userns exclude each other"),
    ({"subuidname": "nobody"}, "--subuidname nobody: without root only one's own"),
    ({"uts": "foo"}, "--uts: unknown mode 'foo'"),
    ({"pid": "container:x"}, "--pid container:x comes with a later version"),
    ({"ipc": "ns:/proc/1/ns/ipc"}, "--ipc ns:/proc/1/ns/ipc comes with a later version"),
    ({"cgroupns": "x"}, "--cgroupns: unknown mode 'x'"),
    ({"log_driver": "syslog"}, "--log-driver: unknown driver 'syslog'"),
    ({"log_opt": ["tag={{.Nobody}}"]}, "--log-opt tag: unknown field in '{{.Nobody}}' ({{.ID}}"),
    ({"log_opt": ["env-regex=("]}, "--log-opt env-regex: '(' is no regular expression"),
    ({"log_opt": ["mode=x"]}, "--log-opt mode: unknown mode 'x'"),
    ({"log_opt": ["max-buffer-size=1m"]}, "--log-opt max-buffer-size needs mode=non-blocking"),
    ({"log_opt": ["path=/x"]}, "--log-opt path: a log lies with its container"),
    ({"log_driver": "k8s-file", "log_opt": ["tag=x"]}, "--log-opt tag: lines of a k8s-file have"),
    ({"log_driver": "journald", "log_opt": ["mode=blocking"]}, "the journal is never waited for"),
    ({"add_host": ["a"]}, "--add-host: invalid format"),
    (
        {"add_host": ["a:host-gateway"], "network": ["none"]},
        "there is no gateway with --network none",
    ),
    ({"annotation": ["a"]}, "--annotation: invalid format"),
    ({"label": ["=x"]}, "--label: invalid format"),
    ({"label_file": ["/nonexistent"]}, "--label-file: open /nonexistent"),
    ({"env": ["=x"]}, "invalid environment variable"),
    ({"env_merge": ["A=${"]}, "--env-merge: '${'"),
    ({"tz": "No/Where"}, "--tz: unknown time zone 'No/Where'"),
    ({"tz": "/etc/passwd"}, "--tz: unknown time zone"),
    ({"tz": "../../../etc/passwd"}, "--tz: unknown time zone"),
    ({"tz": "."}, "--tz: unknown time zone"),
    ({"umask": "8"}, "--umask: invalid value '8'"),
    ({"umask": "00222"}, "--umask: invalid value"),
    ({"env_file": ["/nonexistent"]}, "--env-file: open /nonexistent"),
    ({"cap_add": ["foo"]}, "capability"),
    ({"cap_add": ["CHOWN"], "cap_drop": ["cap_chown"]}, "both added and dropped"),
    ({"security_opt": ["foo"]}, "invalid --security-opt 'foo'"),
    ({"ulimit": ["nofile=2:1"]}, "soft limit is above"),
    ({"ulimit": ["nofile=1", "nofile=2"]}, "given twice"),
    ({"sysctl": ["kernel.panic=1"]}, "--sysctl kernel.panic is not allowed"),
    (
        {"sysctl": ["net.core.somaxconn=1"], "network": ["host"]},
        "cannot be set with --network host",
    ),
    ({"volume": ["/a:/x", "/b:/x/"]}, "duplicate mount point: /x"),
    ({"volume": ["/a:/x"], "tmpfs": ["/x"]}, "duplicate mount point: /x"),
    ({"volume": ["/a:/x"], "mount": ["type=tmpfs,dst=/x"]}, "duplicate mount point: /x"),
    ({"volume": ["/a:/dev/null"], "device": ["/dev/null"]}, "duplicate mount point: /dev/null"),
    ({"mount": ["type=bind,src=/nonexistent,dst=/x"]}, "bind source path does not exist"),
    ({"device": ["/dev/nonexistent"]}, "/dev/nonexistent does not exist"),
]


NOT_OF_A_CONTAINER = ("pull", "replace")
"""Fields that are of `run` and `create` alone."""


@pytest.mark.parametrize(("asked", "message"), REFUSED, ids=lambda value: str(value)[:50])
def test_refused(tmp_path: Path, asked: Any, message: str) -> None:
    """In the words of the command line; the field is one of the request."""
    with pytest.raises(UsageError) as caught:
        conflicts.check(parsed(**asked))
    assert message in told(caught.value)
    assert "\n" not in told(caught.value)
    assert "\0" not in str(caught.value) + told(caught.value)
    field, _, rest = caught.value.field.partition(".")
    usual = plain.request("plain")
    assert field in (*usual, *NOT_OF_A_CONTAINER)
    if rest and isinstance(usual.get(field), list):
        assert rest.isdecimal()
    assert list(tmp_path.iterdir()) == []


def test_every_option_is_read() -> None:
    """Of those that say what a container is; the others are of `run` alone."""
    subjects = {option for options, _ in words._SUBJECTS for option in options.split()}
    others = {"env_host", "http_proxy", "pull", "replace", "rootfs"}
    others |= {"arch", "authfile", "cert_dir", "creds", "decryption_key", "disable_content_trust"}
    others |= {"cgroups", "cgroup_conf", "cgroup_parent", "device_cgroup_rule", "gpus"}
    others |= {"oom_kill_disable", "runtime"}
    others |= {"os", "quiet", "retry", "retry_delay", "tls_verify", "variant"}
    assert Asked.__annotations__.keys() == {*words._AS_IT_IS} | subjects | others


FIELDS = [
    ({"publish": ["80", "80:x"]}, "ports.1"),
    ({"volume": ["/a:/x"], "mount": ["type=foo,dst=/y"]}, "mounts.1"),
    ({"add_host": ["a:1.2.3.4", "b"]}, "hosts.1"),
    ({"add_host": ["a:1.2.3.4", "b:x"]}, "hosts.1"),
    ({"device": ["/dev/null", "/dev/nonexistent"]}, "devices.1"),
    ({"env_file": ["/nonexistent"]}, "environment"),
    ({"label": ["=x"]}, "labels"),
    ({"uts": "foo"}, "namespaces.uts"),
    ({"log_opt": ["x"]}, "log"),
    ({"cap_add": ["foo"]}, "security.cap_add.0"),
    ({"security_opt": ["foo"]}, "security"),
    ({"dns": ["1.1.1.1", "x"]}, "dns.servers.1"),
    ({"dns": ["none"], "dns_option": ["x"]}, "dns.options"),
    ({"attach": ["x"]}, "attach"),
    ({"mac_address": "x"}, "networks"),
    ({"link": ["a", "a:"]}, "links.1"),
    ({"volumes_from": ["a", "a:x"]}, "volumes_from.1"),
    ({"network": ["mine:speed=9"]}, "networks"),
    ({"publish_privileged": "x"}, "remap_ports"),
    ({"health_cmd": " "}, "healthcheck"),
    ({"cidfile": "/etc/passwd"}, "cidfile"),
    ({"name": "a/b"}, "name"),
]


@pytest.mark.parametrize(("asked", "field"), FIELDS, ids=str)
def test_the_field_of_an_error(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(UsageError) as caught:
        conflicts.check(parsed(**asked))
    assert caught.value.field == field


def test_refused_references(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an image is required"):
        conflicts.check(request("", [], {}, base="/", environ={}))
    with pytest.raises(UsageError, match="rootfs and pull"):
        request(str(tmp_path), [], {"rootfs": True, "pull": "always"}, base="/", environ={})
    for wrong in ("/nonexistent", "/nonexistent:O", f"{tmp_path}:X", ""):
        with pytest.raises(UsageError, match="no directory"):
            request(wrong, [], {"rootfs": True}, base="/", environ={})


def test_a_cidfile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "cid"
    parsed(cidfile=str(file))
    assert not file.exists()
    file.touch()
    with pytest.raises(UsageError, match=f"container ID file found, .* delete {file}"):
        parsed(cidfile=str(file))


ACCEPTED: list[dict[str, Any]] = [
    {"detach": True, "rm": True},
    {"detach": True, "tty": True, "interactive": True},
    {"read_only": True, "tmpfs": ["/tmp"]},
    {
        "name": "",
        "hostname": "",
        "user": "",
        "workdir": "",
        "network": [""],
        "userns": "",
        "pid": "",
    },
    {"restart": "no", "rm": True},
    {"pull": "never", "platform": "linux/arm64"},
    {"privileged": True, "cap_drop": ["ALL"]},
    {"ipc": "shareable", "shm_size": "0"},
    {"uts": "private", "pid": "private", "cgroupns": "private"},
    {"add_host": ["a:host-gateway"], "network": ["host"]},
    {"group_add": ["keep-groups"]},
    {"log_driver": "k8s-file"},
    {"security_opt": ["label=disable", "apparmor=unconfined"]},
    {"stop_timeout": -1},
    {"ulimit": ["host"]},
]


def test_several_in_one_text() -> None:
    """The number of each is in its field's list; a comma in a path is none between paths."""
    wanted = parsed(
        publish=["8000:80,8001:81"], ulimit=["core=0,nofile=9"], device=["/dev/null,/dev/zero"]
    )
    assert [port["host"] for port in wanted["ports"]] == [8000, 8001]
    assert [limit["type"] for limit in wanted["rlimits"]] == ["RLIMIT_CORE", "RLIMIT_NOFILE"]
    assert [item["source"] for item in wanted["devices"]] == ["/dev/null", "/dev/zero"]
    with pytest.raises(UsageError, match="/dev/nul,x"):
        conflicts.check(parsed(device=["/dev/nul,x"]))
    with pytest.raises(UsageError, match="'' is no IP address"):
        conflicts.check(parsed(dns=["1.1.1.1,"]))


@pytest.mark.parametrize("asked", ACCEPTED, ids=str)
def test_accepted(asked: dict[str, Any]) -> None:
    conflicts.check(parsed(**asked))
