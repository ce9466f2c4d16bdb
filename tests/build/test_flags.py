"""Options of `build`: what each does to the image, to its commands, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from built import Built, lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.each

BASE = "FROM busybox AS base\nENV OLD=1 GONE=2\nLABEL kept=a gone=b\nRUN echo 1 > /one\n"
UPON = 'FROM base\nENV LATE=image\nLABEL own=c\nRUN echo 2 > /two && rm /one\nCMD ["x"]\n'

IMAGES: dict[str, tuple[list[str], dict[str, Any]]] = {
    # name: options, what the configuration has at a path of keys
    "a variable of the image, which ENV beats": (
        ["--env", "FIRST=1", "--env", "LATE=option"],
        {"config.Env": ["FIRST=1", "LATE=image", "OLD=1", "GONE=2"]},
    ),
    "a variable that is left out": (
        ["--unsetenv", "GONE"],
        {"config.Env": ["OLD=1", "LATE=image"]},
    ),
    "a label": (
        ["--label", "more=d", "--label", "own=e"],
        {"config.Labels": {"kept": "a", "gone": "b", "own": "e", "more": "d"}},
    ),
    "what the system needs": (
        ["--os-version", "10.1", "--os-feature", "f"],
        {"os.version": "10.1", "os.features": ["f"]},
    ),
    "no history": (["--omit-history"], {"history": []}),
    "a date": (
        ["--timestamp", "1000000000"],
        {"created": "2001-09-09T01:46:40Z"},
    ),
}


def _at(document: dict[str, Any], path: str) -> Any:
    if path in document:
        return document[path]
    for key in path.split("."):
        document = document[key]
    return document


@pytest.mark.parametrize("case", IMAGES)
def test_what_the_image_says(case: str, shared: Store, tmp_path: Path) -> None:
    options, wanted = IMAGES[case]
    lay(tmp_path, {"Dockerfile": BASE + UPON})
    shared.ok("build", "-t", "t", *options, str(tmp_path))
    config = Built(shared, "t:latest").config
    for path, value in wanted.items():
        found = _at(config, path)
        if path == "config.Env":
            found = [item for item in found if not item.startswith("PATH=")]
            assert sorted(found) == sorted(value)
        else:
            assert found == value


def test_a_label_is_not_inherited(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": BASE})
    shared.ok("build", "-t", "below", str(tmp_path))
    lay(tmp_path, {"Dockerfile": "FROM below\nLABEL own=c\n"})
    shared.ok("build", "-t", "t", "--unsetlabel", "gone", "--unsetlabel", "own", str(tmp_path))
    assert Built(shared, "t:latest").settings["Labels"] == {"kept": "a", "own": "c"}


def test_annotations_are_in_the_manifest(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM busybox\n"})
    shared.ok(
        "build", "-t", "t", "--annotation", "a=1", "--annotation", "manifest:b=x=y", str(tmp_path)
    )
    assert Built(shared, "t:latest").manifest["annotations"] == {"a": "1", "b": "x=y"}


SQUASHED = {
    # options: how many layers, and what the topmost has
    (): (3, {"two": "file 644 0:0 2\\n", ".wh.one": "file 600 0:0"}),
    ("--squash",): (2, {"two": "file 644 0:0 2\\n"}),
    ("--layers=false",): (2, {"two": "file 644 0:0 2\\n"}),
    ("--squash-all",): (1, None),
}


@pytest.mark.parametrize("options", SQUASHED)
def test_squash(options: tuple[str, ...], shared: Store, tmp_path: Path) -> None:
    """The layers become one, whose files are those of all, and the history says so."""
    count, top = SQUASHED[options]
    lay(tmp_path, {"Dockerfile": BASE + UPON})
    shared.ok("build", "-t", "t", *options, str(tmp_path))
    image = Built(shared, "t:latest")
    *_, last = image.layers()
    assert len(image.manifest["layers"]) == count
    assert top is None or last == top
    assert image.files()["two"] == "file 644 0:0 2\\n"
    assert "one" not in image.files()
    layers = [step for step in image.config["history"] if not step.get("empty_layer")]
    assert len(layers) == count
    assert "echo 2" in layers[-1]["created_by"]
    assert shared.ok("run", "--rm", "t", "cat", "/two") == "2"


COMMANDS: dict[str, tuple[list[str], str, str]] = {
    # name: options, what RUN does, what it writes
    "no network": (["--network", "none"], "ls /sys/class/net", "lo"),
    "a network of RUN's own": (["--network", "none"], "grep -c : /proc/net/dev", "1"),
    "a host": (["--add-host", "db:10.1.2.3"], "grep db /etc/hosts | tr '\\t' =", "10.1.2.3=db"),
    "a name server": (["--dns", "10.9.8.7"], "cat /etc/resolv.conf", "nameserver 10.9.8.7"),
    "a search domain": (["--dns-search", "x.test"], "cat /etc/resolv.conf", "search x.test"),
    "a limit": (["--ulimit", "nofile=77:88"], "ulimit -n; ulimit -Hn", "77"),
    "memory for /dev/shm": (["--shm-size", "3m"], "df -k /dev/shm", "3072"),
    "fewer rights": (["--cap-drop", "ALL"], "grep CapEff /proc/self/status", "0000000000000000"),
    "a bit": (
        ["--security-opt", "no-new-privileges"],
        "grep NoNewPrivs /proc/self/status | tr '\\t' =",
        "NoNewPrivs:=1",
    ),
    "a right more": (["--cap-add", "SYS_ADMIN"], "unshare -n true && echo it can", "it can\n"),
    "isolation is always the same": (["--isolation", "chroot"], "hostname", "buildkitsandbox"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_what_run_gets(case: str, shared: Store, tmp_path: Path) -> None:
    options, command, wanted = COMMANDS[case]
    lay(tmp_path, {"Dockerfile": f"FROM busybox\nRUN {command}\n"})
    done = shared("build", "-t", "t", *options, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert wanted in done.stderr
    assert Built(shared, "t:latest").files(1) == {}


def test_a_volume_is_there_for_run_alone(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"c/Dockerfile": "FROM busybox\nRUN cat /data/f > /copy\n", "v/f": "1"})
    shared.ok("build", "-t", "t", "-v", f"{tmp_path}/v:/data:ro", f"{tmp_path}/c")
    assert Built(shared, "t:latest").files(1) == {"copy": "file 644 0:0 1"}


def test_proxies_reach_run_and_no_image(shared: Store, tmp_path: Path) -> None:
    """The user's, and those that docker is configured with; they change no key."""
    lay(tmp_path, {"c/Dockerfile": "FROM busybox\nRUN echo $http_proxy+$HTTPS_PROXY > /p\n"})
    proxies = {"proxies": {"default": {"httpsProxy": "http://conf:1"}}}
    lay(tmp_path, {"docker/config.json": json.dumps(proxies)})
    env = {"http_proxy": "http://env:1", "DOCKER_CONFIG": f"{tmp_path}/docker"}
    build = ("build", "-t", "t", f"{tmp_path}/c")
    assert shared(*build, env=env).returncode == 0
    image = Built(shared, "t:latest")
    assert image.files(1) == {"p": "file 644 0:0 http://env:1+http://conf:1\\n"}
    assert "conf:1" not in json.dumps(image.config)
    assert "CACHED" in shared(*build).stderr
    shared.ok(*build, "--no-cache", "--http-proxy=false", env=env)
    assert Built(shared, "t:latest").files(1) == {"p": "file 644 0:0 +\\n"}


CONF = """[containers]
default_ulimits = ["nofile=77:88"]
dns_servers = ["10.9.8.7"]
shm_size = "3m"
default_capabilities = ["CHOWN"]
volumes = ["DIR:/data:ro"]
env = ["EDITOR=vi"]
tz = "Europe/Berlin"
umask = "0027"
no_hosts = true
"""
OF_CONF = (
    "{ ulimit -n; sed s/.*r.// /etc/resolv.conf; df -k /dev/shm | awk 'NR==2 {print $2}'; "
    "grep CapEff /proc/self/status | cut -f 2; cat /data/f; echo $EDITOR; umask; date +%Z; "
    "grep -c localhost /etc/hosts; } > /o"
)


def test_containers_conf_counts_for_run_as_for_podman(shared: Store, tmp_path: Path) -> None:
    """Limits, rights, name servers, mounts; nothing that would make another image of it."""
    conf = CONF.replace("DIR", str(tmp_path))
    lay(tmp_path, {"c/Dockerfile": f"FROM busybox\nRUN {OF_CONF}\n", "f": "1\n", "conf": conf})
    env = {"CONTAINERS_CONF": f"{tmp_path}/conf"}
    build = ("build", "-o", f"type=local,dest={tmp_path}/o", f"{tmp_path}/c")
    shared.ok(*build, env=env)
    found = (tmp_path / "o/o").read_text().split("\n")
    assert found[:5] == ["77", "10.9.8.7", "3072", f"{1:016x}", "1"]
    assert found[5:8] == ["", "0022", "UTC"]
    assert int(found[8]) > 0
    shared.ok(*build, "--ulimit", "nofile=66", env=env)
    assert (tmp_path / "o/o").read_text().startswith("66\n")
    (tmp_path / "conf").write_text('[containers]\nvolumes = ["x:y"]\n')
    said = shared(*build, env=env).stderr
    assert f"{tmp_path}/conf: [containers] volumes: " in said


REFUSED: dict[str, tuple[list[str], str, str]] = {
    # name: options, Dockerfile behind FROM, what is said
    "the host's network": ([], "RUN --network=host id", "network.host is not allowed"),
    "more rights": ([], "RUN --security=insecure id", "security.insecure is not allowed"),
    "an unknown right": (["--allow", "device"], "", "unknown entitlement 'device'"),
    "Windows": (["--isolation", "hyperv"], "", "--isolation hyperv is for containers of Windows"),
    "an unknown isolation": (["--isolation", "x"], "", "unknown type 'x'"),
    "an annotation without value": (["--annotation", "a"], "", "'a' is no pair"),
    "an annotation of an index": (["--annotation", "index:a=b"], "", "index has no annotations"),
    "two dates": (["--timestamp", "1", "--source-date-epoch", "2"], "", "exclude each other"),
    "no date": (["--timestamp", "today"], "", "--timestamp: invalid moment 'today'"),
    "two ways to squash": (["--squash", "--squash-all"], "", "exclude each other"),
    "a policy": (["--pull=sometimes"], "", "--pull: unknown policy 'sometimes'"),
    "a label of buildah's": (["--identity-label"], "", "--identity-label"),
    "memory": (["--memory", "1g"], "", "limits come with a later version"),
    "standard input": (["--stdin"], "", "RUN reads nothing: many may run at once"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, shared: Store, tmp_path: Path) -> None:
    options, text, wanted = REFUSED[case]
    lay(tmp_path, {"Dockerfile": f"FROM busybox\nRUN echo begun\n{text}\n"})
    done = shared("build", *options, str(tmp_path))
    assert done.returncode not in (0, 2)
    assert wanted in done.stderr
    assert "#1 " not in done.stderr, "it is refused before anything is done"


ALLOWED = (
    (["--allow", "network.host"], "--network=host"),
    (["--network", "host"], "--network=host"),
    (["--allow", "security.insecure"], "--security=insecure"),
    (["--allow", "network.host,security.insecure"], "--network=host --security=insecure"),
)


@pytest.mark.parametrize(("options", "flags"), ALLOWED)
def test_what_is_allowed(options: list[str], flags: str, shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": f"FROM busybox\nRUN {flags} true\n"})
    shared.ok("build", *options, str(tmp_path))


def test_a_policy_of_pulls(shared: Store, tmp_path: Path) -> None:
    """`never` looks here alone, and a bare --pull asks the registry: here there is none."""
    lay(
        tmp_path, {"Dockerfile": "FROM busybox\n", "other/Dockerfile": "FROM localhost:1/no/such\n"}
    )
    for option in ("--pull=never", "--pull=missing", "--pull=false"):
        shared.ok("build", option, str(tmp_path))
    done = shared("build", "--pull=never", f"{tmp_path}/other")
    assert "no such image" in done.stderr.lower()
    done = shared("build", "--pull", f"{tmp_path}/other")
    assert done.returncode
    assert "localhost:1" in done.stderr


def test_another_base(shared: Store, tmp_path: Path) -> None:
    """--from: in the place of the first FROM alone, whatever that names; checks go by it, too."""
    first = "ARG NOTHING\nFROM $NOTHING AS one\nRUN echo 1 > /one\n"
    second = "FROM scratch\nCOPY --from=one /one /\n"
    lay(tmp_path, {"Dockerfile": first + second, "f": "x"})
    shared.ok("build", "-t", "based", "--from", "busybox", str(tmp_path))
    assert Built(shared, "based:latest").files() == {"one": "file 644 0:0 1\\n"}
    words = ("build", "--from=scratch", "-t", "based", "-f", "-", str(tmp_path))
    shared.ok(*words, input="FROM nosuch:1\nCOPY f /\n")
    assert Built(shared, "based:latest").files() == {"f": "file 644 0:0 x"}
    told = shared.ok("build", "--call=targets,format=json", "--from=busybox", str(tmp_path))
    assert [one["base"] for one in json.loads(told)["targets"]] == ["busybox", "scratch"]


def test_all_platforms_of_the_bases(shared: Store, tmp_path: Path) -> None:
    """Those that all of them have; one that has no registry is for its own alone."""
    lay(
        tmp_path,
        {"f": "x", "Dockerfile": "FROM scratch\nARG TARGETARCH\nLABEL a=$TARGETARCH\nCOPY f /\n"},
    )
    for name, more in (("wide", ",linux/s390x"), ("other", "")):
        several = f"--platform=linux/amd64,linux/arm64{more}"
        shared.ok("build", "-q", "-t", name, several, str(tmp_path))
    text = "FROM wide AS one\nFROM other\nCOPY --from=one . /\nCOPY f /\n"
    words = ("build", "-q", "-t", "all", "--all-platforms", "-f", "-", str(tmp_path))
    shared.ok(*words, input=text)
    listed = json.loads(shared.ok("manifest", "inspect", "all"))["manifests"]
    assert [one["platform"]["architecture"] for one in listed] == ["amd64", "arm64"]
    refused = {
        "FROM scratch\nCOPY f /\n": "no stage has a base",
        "FROM scratch AS x\nFROM x\n": "no stage has a base",
    }
    for text, wanted in refused.items():
        done = shared(*words, input=text)
        assert done.returncode == 1
        assert wanted in done.stderr
    assert "contradict" in shared(*words, "--platform=linux/amd64", input=text).stderr
    shared.ok("manifest", "rm", "wide", "other", "all")
