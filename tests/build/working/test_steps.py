"""The steps of `build` for scripts: what each does, says and refuses."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built import Built, lay

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.each


@pytest.fixture
def container(busybox: Store) -> str:
    return busybox.ok("build", "from", "--name", "c", "busybox")


def test_names_are_buildahs(busybox: Store) -> None:
    lines = [busybox.ok("build", "from", *words.split()) for words in NAMED]
    assert lines == list(NAMED.values())
    done = busybox("build", "from", "--name", "x", "busybox")
    assert (done.returncode, done.stdout) == (125, "")
    rows = busybox.ok("build", "ls", "--noheading", "--format", "{{.ContainerName}} {{.ImageName}}")
    assert rows.splitlines()[3] == "working-container-1 scratch"
    assert rows.splitlines()[4].startswith("x ")
    assert rows.splitlines()[4].endswith("busybox:latest")
    assert json.loads(busybox.ok("build", "ls", "--json"))[0]["builder"] is True
    assert len(busybox.ok("build", "ls", "-q").splitlines()) == len(NAMED)
    assert len(busybox.ok("ps", "-aq", "--filter", "label=io.rootless.working").split()) == 5
    ids = busybox.ok("build", "ls", "-q").splitlines()
    assert busybox.ok("build", "rm", "--all").splitlines() == ids
    assert busybox.ok("ps", "-aq") == ""


NAMED = {
    "busybox": "busybox-working-container",
    "busybox:latest": "busybox-working-container-1",
    "scratch": "working-container",
    "-q scratch": "working-container-1",
    "--name x busybox": "x",
}

RUNS: list[tuple[str, int, str]] = [
    # words behind `build run`, the exit code, what it prints
    ("c echo one", 0, "one\n"),
    ("c -- sh -c 'echo $A $B.'", 0, ".\n"),
    ("-e A=1 --env B=2 c sh -c 'echo $A $B.'", 0, "1 2.\n"),
    ("--user 1000 c id -un", 0, "user\n"),
    ("--user nobody:users --workingdir /tmp c sh -c 'id -gn; pwd'", 0, "users\n/tmp\n"),
    ("c sh -c 'exit 7'", 7, ""),
    ("c cat", 0, "from outside\n"),
    ("--hostname other c hostname", 0, "other\n"),
    ("c hostname", 0, "buildkitsandbox\n"),
    ("--mount type=tmpfs,target=/t c sh -c 'touch /t/x; ls /t'", 0, "x\n"),
    ("--mount type=bind,source=here,target=/here c cat /here/file", 0, "of here"),
    ("-v ./here:/here c cat /here/file", 0, "of here"),
    ("--mount type=cache,target=/k c sh -c 'echo kept >>/k/f'", 0, ""),
    ("--mount type=cache,target=/k c cat /k/f", 0, "kept\n"),
    ("--mount type=bind,from=busybox,source=etc,target=/e c cat /e/group", 0, "root:x:0:\n"),
    ("--secret id=s,src=here/file --mount type=secret,id=s c cat /run/secrets/s", 0, "of here"),
    ("--cap-drop all c grep Bnd /proc/self/status", 0, "CapBnd:\t0000000000000000\n"),
    ("--network none c sh -c 'ls /sys/class/net'", 0, "lo\n"),
    ("c nosuch", 127, ""),
    ("nosuch true", 125, ""),
    ("c", 125, ""),
    ("--mount type=cache c true", 125, ""),
    ("--isolation hyperv c true", 125, ""),
]


def test_run(busybox: Store, container: str, tmp_path: Path) -> None:
    lay(tmp_path, {"here/file": "of here"})
    for line, code, printed in RUNS:
        words = shlex.split(line)
        done = busybox("build", "run", *words, cwd=tmp_path, input="from outside\n")
        assert done.returncode == code, (line, done.stderr)
        assert done.stdout.startswith(printed), (line, done.stdout)
        assert bool(done.stdout) is bool(printed), line
    busybox.ok("build", "commit", container, "i")
    assert Built(busybox, "i:latest").files(1) == {}  # none of what was mounted


def test_what_a_failed_command_has_changed_counts(busybox: Store, container: str) -> None:
    """As by buildah: a script may go on."""
    done = busybox("build", "run", container, "sh", "-c", "echo x >/x; chown 3:4 /x; exit 9")
    assert done.returncode == 9
    assert busybox.ok("build", "run", container, "cat", "/x") == "x"
    busybox.ok("build", "commit", container, "i")
    assert Built(busybox, "i:latest").files(1)["x"] == "file 644 3:4 x\\n"


COPIES: list[tuple[str, int, dict[str, str]]] = [
    # words behind `build`, the exit code, what is new
    ("copy c a", 0, {"a": "file 644 0:0 1"}),
    ("copy c a /b/", 0, {"b/a": "file 644 0:0 1"}),
    ("copy c a d/f /several", 0, {"several/a": "file 644 0:0 1", "several/f": "file 600 0:0 2"}),
    ("copy --chown user --chmod 711 c d /o", 0, {"o/f": "file 711 1000:1000 2"}),
    ("copy --contextdir d c f /g", 0, {"g": "file 600 0:0 2"}),
    ("copy --contextdir d c /f /h", 0, {"h": "file 600 0:0 2"}),
    ("copy --contextdir d c ../a /i", 125, {}),
    ("copy --contextdir d c out /j", 125, {}),
    ("copy --contextdir . --ignorefile ignored c d/f /k", 125, {}),
    ("copy --ignorefile ignored c a /k", 125, {}),
    ("copy --from busybox c /etc/group /l", 0, {"l": "file 644"}),
    ("copy --from other c /made /m", 0, {"m": "file 600 7:8 made\\n"}),
    ("copy --from plain c /etc/group /m", 125, {}),
    ("add c t.tar /n/", 0, {"n/in": "file 644 1:2 x"}),
    ("copy c t.tar /n/", 0, {"n/t.tar": "file 644 0:0"}),
    ("copy c nosuch /x", 125, {}),
    ("copy nosuch a /x", 125, {}),
    ("copy plain a /x", 125, {}),
]


@pytest.fixture
def places(tmp_path: Path) -> Path:
    import io
    import tarfile

    lay(tmp_path, {"a": "1", "d/f": (0o600, "2"), "d/out": "->../a", "ignored": "d\n"})
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        entry = tarfile.TarInfo("in")
        entry.uid, entry.gid, entry.size = 1, 2, 1
        archive.addfile(entry, io.BytesIO(b"x"))
    return tmp_path


def test_copy_and_add(busybox: Store, container: str, places: Path) -> None:
    busybox.ok("create", "--name", "plain", "busybox")
    busybox.ok("build", "from", "--name", "other", "busybox")
    made = "echo made >/made; chown 7:8 /made; chmod 600 /made"
    busybox.ok("build", "run", "other", "sh", "-c", made)
    wanted: dict[str, str] = {}
    for line, code, new in COPIES:
        done = busybox("build", *shlex.split(line), cwd=places)
        assert done.returncode == code, (line, done.stdout, done.stderr)
        assert len(done.stdout.strip()) == (0 if code else 64), line
        wanted |= new
    busybox.ok("build", "commit", container, "i")
    files = Built(busybox, "i:latest").files(1)
    assert {path for path, told in wanted.items() if not files[path].startswith(told)} == set()
    digests = [busybox.ok("build", "copy", container, "a", "/z", cwd=places) for _ in "12"]
    assert digests[0] == digests[1]


CONFIGS: list[tuple[str, dict[str, Any]]] = [
    # options of `build config`, and what the image then says
    ("--env A=1 --env B=2 -e C", {"Env": ["PATH=/bin", "A=1", "B=2", "C=of here"]}),
    ("--env A- --env B=3", {"Env": ["PATH=/bin", "B=3", "C=of here"]}),
    ("--label a=b --label c", {"Labels": {"a": "b", "c": ""}}),
    ("--label a- --port 80 --port 53/udp -p 90-91", {"Labels": {"c": ""}}),
    ("--port 80- --port 90-", {"ExposedPorts": {"53/udp": {}, "91/tcp": {}}}),
    ("--volume /v -v /w", {"Volumes": {"/v": {}, "/w": {}}}),
    ("-v /v- --label -", {"Volumes": {"/w": {}}, "Labels": None}),
    ("--port - -v -", {"Volumes": None, "ExposedPorts": None}),
    ("--cmd 'a \"b c\"'", {"Cmd": ["a", "b c"]}),
    ('--entrypoint \'["e", "f"]\'', {"Entrypoint": ["e", "f"], "Cmd": ["a", "b c"]}),
    ("--cmd ''", {"Cmd": None}),
    ("--entrypoint 'e $f'", {"Entrypoint": ["/bin/sh", "-c", "e $f"]}),
    ("--entrypoint '' --cmd '[\"x\"]'", {"Entrypoint": None, "Cmd": ["x"]}),
    ("--user 5:6 --stop-signal INT", {"User": "5:6", "StopSignal": "INT"}),
    ("--workingdir /q/r --shell 'sh -ec'", {"WorkingDir": "/q/r", "Shell": ["sh", "-ec"]}),
    ("--workingdir s", {"WorkingDir": "/q/r/s"}),
    ("--onbuild 'RUN x' --onbuild 'USER 1'", {"OnBuild": ["RUN x", "USER 1"]}),
    ("--onbuild -", {"OnBuild": None}),
    ("--healthcheck 'CMD a b'", {"Healthcheck": {"Test": ["CMD", "a", "b"]}}),
    (
        "--healthcheck-interval 2s --healthcheck-retries 4",
        {"Healthcheck": {"Test": ["CMD", "a", "b"], "Interval": 2 * 10**9, "Retries": 4}},
    ),
    ("--healthcheck 'CMD-SHELL a | b'", {"Healthcheck": None}),
    ("--healthcheck ''", {"Healthcheck": None}),
]


def test_config(busybox: Store) -> None:
    name = busybox.ok("build", "from", "scratch")
    busybox.ok("build", "config", "--env", "PATH=/bin", name)
    for line, wanted in CONFIGS:
        busybox.ok("build", "config", *shlex.split(line), name, env={"C": "of here"})
        busybox.ok("build", "commit", "-q", name, "i")
        settings = Built(busybox, "i:latest").settings
        for key, value in wanted.items():
            if value is not None:
                assert settings[key] == value, line
            elif "Healthcheck" not in line.title().replace("-", ""):
                assert key not in settings, line
    assert "Healthcheck" not in settings
    assert busybox.ok("inspect", "--format", "{{.Config.Cmd}}", name) == "[x]"


def test_config_of_the_document(busybox: Store, container: str) -> None:
    line = (
        "config --author me --arch arm --variant v7 --os-version 1 --os-feature x --os-feature y "
        "--annotation a=b --annotation c=d --created-by tool --comment why c"
    )
    busybox.ok("build", *shlex.split(line))
    busybox.ok("build", "config", "--annotation", "a-", "--os-feature", "x-", container)
    busybox.ok("build", "commit", container, "i")
    image = Built(busybox, "i:latest")
    about = {key: image.config[key] for key in ("author", "architecture", "variant", "os.version")}
    assert [*about.values(), image.config["os.features"]] == ["me", "arm", "v7", "1", ["y"]]
    assert image.manifest["annotations"] == {"c": "d"}
    last = image.config["history"][-1]
    assert (last["created_by"], last["comment"], last["author"]) == ("tool", "why", "me")


@pytest.mark.parametrize(
    "line",
    [
        *("--env =x c", "--stop-signal NOSUCH c", "--onbuild NOSUCH c", "--port x c"),
        *("--env A=1 nosuch", "--healthcheck-interval x c", "--cmd '\"a' c", "--annotation a c"),
    ],
)
def test_config_refuses(busybox: Store, container: str, line: str) -> None:
    done = busybox("build", "config", *shlex.split(line))
    assert done.returncode, done.stdout
    assert done.stderr.startswith("Error: "), done.stderr
    assert container in busybox.ok("build", "run", container, "echo", container)


def test_commit(busybox: Store, container: str, tmp_path: Path) -> None:
    busybox.ok("build", "run", container, "touch", "/x")
    archive, written = tmp_path / "x.tar", tmp_path / "id"
    made = busybox.ok("build", "commit", "--iidfile", str(written), container, "i")
    assert written.read_text() == f"sha256:{made}"
    busybox.ok("build", "commit", container, f"oci-archive:{archive}")
    assert archive.stat().st_size > 1000
    busybox.ok("build", "commit", "--squash", "--format", "docker", container, "flat")
    flat = Built(busybox, "flat:latest")
    assert len(flat.manifest["layers"]) == 1
    assert "x" in flat.files()
    busybox.ok("build", "commit", "--manifest", "list", "--unsetenv", "PATH", container, "j")
    assert not Built(busybox, "j:latest").settings.get("Env")
    assert len(json.loads(busybox.ok("manifest", "inspect", "list"))["manifests"]) == 1
    done = busybox("commit", container, "k")
    assert done.returncode
    assert "rootless build commit" in done.stderr
    assert busybox("rmi", "busybox").returncode  # it is in use
    busybox.ok("rmi", "-f", "busybox")
    done = busybox("build", "commit", container, "k")
    assert (done.returncode, "was removed" in done.stderr) == (125, True), done.stderr
    busybox.ok("build", "rm", container)


def test_what_is_worked_in_outlives_all_prunes(busybox: Store, container: str) -> None:
    busybox.ok("build", "run", container, "sh", "-c", "echo 1 >/x; chown 3:4 /x")
    busybox.ok("builder", "prune", "-af")
    busybox.ok("build", "run", container, "sh", "-c", "cat /x >/y")
    busybox.ok("system", "prune", "-af")
    busybox.ok("container", "prune", "-f")
    busybox.ok("build", "commit", "--rm", container, "i")
    files = Built(busybox, "i:latest").files(1)
    assert (files["x"], files["y"]) == ("file 644 3:4 1\\n", "file 644 0:0 1\\n")


def test_it_is_a_container_as_any_other(busybox: Store, container: str) -> None:
    """It starts with the settings that the image has by now, and what it writes is the image's."""
    line = "echo here >/x; chown 3:4 /x; ln -s x /l; chown -h 5:6 /l; echo >/etc/hosts; sleep 100"
    busybox.ok("build", "config", "--cmd", f"sh -c '{line}'", container)
    busybox.ok("start", container)
    done = busybox("build", "run", container, "true")
    assert (done.returncode, "runs" in done.stderr) == (125, True), done.stderr
    busybox.ok("exec", container, "sh", "-c", "while ! test -L /l; do sleep 0.1; done; sleep 0.3")
    busybox.ok("stop", "-t", "0", container)
    assert busybox.ok("build", "run", container, "cat", "/x") == "here"
    assert busybox.ok("diff", container).splitlines() == ["A /l", "A /x"]
    busybox.ok("build", "commit", container, "i")
    files = {"x": "file 644 3:4 here\\n", "l": "link 777 5:6 x"}
    assert Built(busybox, "i:latest").files(1) == files
    busybox.ok("rm", container)
    assert busybox.ok("build", "ls", "-q") == ""


def test_mount(busybox: Store, container: str, tmp_path: Path) -> None:
    """What is written in it is there for the next step, and steps are there in what is mounted."""
    lay(tmp_path, {"a": "1"})
    program = " ".join(busybox.command)
    script = f"""
        m=$({program} build mount c) || exit 1
        echo written >$m/w
        {program} build run c cat /w
        {program} build copy -q c a /copied
        cat $m/copied $m/w
        rm $m/copied; echo more >$m/w
        {program} build mount
        {program} build umount c
        test -e $m/w || echo gone
    """
    done = busybox("unshare", "sh", "-c", script, cwd=tmp_path)
    lines = done.stdout.splitlines()
    if "driver copy" in done.stderr:
        pytest.skip("no overlay here")
    assert lines[0] == "written", done.stderr
    assert lines[1] == "1written"
    assert lines[2].startswith("c /")
    assert lines[4] == "gone"
    busybox.ok("build", "commit", container, "i")
    assert Built(busybox, "i:latest").files(1) == {"w": "file 644 0:0 more\\n"}
    if os.getuid():
        done = busybox("build", "mount", container)
        assert (done.returncode, "rootless unshare" in done.stderr) == (125, True)


def test_one_step_waits_for_the_other(busybox: Store, container: str) -> None:
    several = [
        busybox.start("build", "run", container, "sh", "-c", f"echo {n} >/{n}") for n in "123"
    ]
    for one in several:
        one.communicate(timeout=60)
        assert one.returncode == 0
    assert busybox.ok("build", "run", container, "sh", "-c", "cat /[123]").split() == [
        "1",
        "2",
        "3",
    ]


def test_what_from_says_holds_for_each_command(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"here/file": "of here", "other/file": "other"})
    how = ("-v", "./here:/here", "--cap-drop", "all", "--add-host", "far:1.2.3.4")
    busybox.ok("build", "from", "--name", "c", *how, "busybox", cwd=tmp_path)
    line = "cat /here/file /other/file; grep far /etc/hosts; grep Bnd /proc/self/status"
    words = ("-v", "./other:/other", "--cap-add", "chown", "c", "sh", "-c", line)
    done = busybox.ok("build", "run", *words, cwd=tmp_path)
    assert done.split() == ["of", "hereother1.2.3.4", "far", "CapBnd:", "0000000000000001"]


def test_a_killed_step_leaves_nothing(busybox: Store, container: str) -> None:
    """What it was at is not in the container, and the next step cleans up."""
    busybox.ok("build", "run", container, "touch", "/a")
    line = "touch /b; echo ready; sleep 1000"
    with busybox.start("build", "run", container, "sh", "-c", line) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        killed.kill()
    builds = Path(busybox.root, "builds")
    assert [*(builds / "running").iterdir()] != []
    done = busybox("build", "run", container, "ls", "/a", "/b")
    assert (done.returncode, done.stdout) == (1, "/a\n")
    assert [*(builds / "running").iterdir()] == []
    assert [one.name for one in (builds / "containers").iterdir()] == [".names"]
