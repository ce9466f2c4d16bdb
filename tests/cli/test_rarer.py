"""What podman has beside docker: init, cleanup, clone, runlabel, --ns, --watch and more."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from rootless.cli.commands.containers import rarer
from rootless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def one(shared: Store) -> Iterator[Store]:
    """A store with a container `web` that runs."""
    place = f"{shared.directory}/w"
    more = ("-e", "A=b", "-l", "x=y", "-v", f"{place}:/w", "-v", "/anonymous")
    shared.ok("run", "-d", "--name", "web", *more, "busybox", "sleep", "1000")
    yield shared
    shared.ok("rm", "-fa")


def field(store: Store, template: str, name: str) -> str:
    return store.ok("inspect", "-f", template, name)


def test_clone(one: Store) -> None:
    made = one.ok("container", "clone", "web")
    assert field(one, "{{.Id}} {{.State.Status}}", "web-clone") == f"{made} created"
    for template in (
        "{{.Config.Env}} {{.Config.Labels}} {{.Args}}",
        "{{.HostConfig.Binds}}",
    ):
        assert field(one, template, "web-clone") == field(one, template, "web")
    # What has no name of its own is not shared.
    volume = '{{range .Mounts}}{{if eq .Destination "/anonymous"}}{{.Name}}{{end}}{{end}}'
    assert field(one, volume, "web-clone") != field(one, volume, "web")
    one.ok("container", "clone", "--run", "web")
    assert field(one, "{{.State.Running}}", "web-clone1") == "true"
    assert "is running" in one("container", "clone", "--destroy", "web-clone1").stderr
    one.ok("container", "clone", "--destroy", "-f", "web-clone1", "web-clone1", "host")
    assert field(one, "{{.Config.Image}} {{.State.Status}}", "web-clone1") == "host created"
    one.ok("rm", "-f", "web-clone", "web-clone1")


def test_init_and_cleanup(one: Store) -> None:
    one.ok("create", "--name", "job", "busybox", "true")
    assert one.ok("init", "job") == one.ok("container", "init", "job") == "job"
    assert "it is running" in one("init", "web").stderr
    assert one("init", "--all").returncode == 0
    assert one.ok("container", "cleanup", "job") == "job"
    assert "it is running" in one("container", "cleanup", "--rm", "web").stderr
    assert one.ok("container", "cleanup", "--rm", "job") == "job"
    assert one("container", "exists", "job").returncode == 1


def test_runlabel(one: Store, tmp_path: Path) -> None:
    archive = one.directory + "/tree.tar"
    assert os.system(f"tar cf {archive} -C {tmp_path} .") == 0
    line = "podman run --rm --name NAME -e IMAGE=IMAGE -e N=\\${NAME} host env"
    labels = (f'LABEL show="{line}"', 'LABEL evil="/bin/sh -c true"')
    one.ok("import", *(word for text in labels for word in ("-c", text)), archive, "localhost/t:1")
    shown = one.ok("container", "runlabel", "--display", "show", "localhost/t:1")
    assert shown.endswith("rootless run --rm --name t -e IMAGE=localhost/t:1 -e N=t host env")
    assert "IMAGE=localhost/t:1" in one.ok("container", "runlabel", "show", "localhost/t:1").split()
    assert "has no label 'none'" in one("container", "runlabel", "none", "localhost/t:1").stderr
    refused = one("container", "runlabel", "evil", "localhost/t:1")
    assert "'/bin/sh', a program of this machine" in refused.stderr
    done = one("container", "runlabel", "show", "localhost/t:1")
    assert done.stderr.startswith("command: ")
    assert done.stderr.endswith(
        "rootless run --rm --name t -e IMAGE=localhost/t:1 -e N=t host env\n"
    )
    with pytest.raises(UsageError, match="has No closing quotation"):
        rarer._words("podman run 'x", "i", "n", [])
    one.ok("rmi", "localhost/t:1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("podman unshare touch /tmp/x", "asks for 'unshare'"),
        ("docker system reset --force", "asks for 'system'"),
        ("podman --root /tmp/x run host true", "asks for '--root'"),
        ("podman run --root /tmp/x host true", "sets root of the engine"),
        ("rootless", "asks for no command"),
        ("podman NAME", "asks for 'unshare'"),
    ],
)
def test_runlabel_does_nothing_else(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rarer._refuse_others(rarer._words(line, "i", "unshare", []), "x", "i")


def test_clone_has_what_can_be_twice(one: Store, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    one.ok("artifact", "add", "x/one:1", str(tmp_path / "a.txt"))
    mount = "type=artifact,src=x/one:1,dst=/art"
    own = ("--pidfile", f"{tmp_path}/p", "--mac-address", "02:00:00:00:00:07")
    one.ok("create", "--name", "first", *own, "--mount", mount, "busybox", "cat", "/art/a.txt")
    one.ok("container", "clone", "first", "second")
    with open(f"{one.root}/containers/{field(one, '{{.Id}}', 'second')}/config.json") as file:
        request = json.load(file)["request"]
    assert "pidfile" not in request
    assert {each["mac"] for each in request.get("networks", [])} <= {""}
    assert one.ok("start", "-a", "second") == "a"
    one.ok("artifact", "rm", "x/one:1")
    assert "x/one:1" in one("container", "clone", "first", "third").stderr
    one.ok("rm", "first", "second")


@pytest.mark.parametrize("given", [["--creds", "joe:sekrit"], ["--creds=joe:sekrit"]])
def test_no_password_is_kept(one: Store, given: list[str]) -> None:
    one.ok("create", "--name", "own", *given, "busybox", "echo", "--creds", "x")
    words = json.loads(field(one, "{{json .Config.CreateCommand}}", "own"))
    assert "sekrit" not in one.ok("inspect", "own")
    assert "***" in words[-5]
    assert words[-4:] == ["busybox", "echo", "--creds", "x"]
    one.ok("rm", "own")


def test_ps_shows_namespaces(one: Store) -> None:
    heading, row = one.ok("ps", "--ns").splitlines()
    assert heading.split()[2:] == ["NAMES", "PID", *"CGROUPNS IPC MNT NET PIDNS USERNS UTS".split()]
    pid = row.split()[2]
    assert row.split()[5] == os.readlink(f"/proc/{pid}/ns/mnt")[5:-1]
    assert one.ok("ps", "--ns", "--format", "{{.NET}}") == row.split()[6]


def test_ps_again_and_again(one: Store) -> None:
    for words in (["ps", "-q", "--watch", "1"], ["stats", "--no-reset", "-i", "1", "-l"]):
        watching = one.start(*words)
        assert watching.stdout
        first = [watching.stdout.readline() for _ in range(2)]
        assert "" not in first
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
        watching.communicate()
    assert "a number of seconds is wanted" in one("ps", "--watch", "-1").stderr


def test_commit_says_the_id_to_a_file(one: Store, tmp_path: Path) -> None:
    told = one.ok("commit", "--iidfile", str(tmp_path / "id"), "--include-volumes", "web")
    assert (tmp_path / "id").read_text() == told
    volumes = json.loads(field(one, "{{json .Config.Volumes}}", told))
    assert volumes == {"/anonymous": {}, "/w": {}}
    plain = one.ok("commit", "web")
    assert json.loads(field(one, "{{json .Config.Volumes}}", plain)) == {"/anonymous": {}}
    one.ok("rmi", told, plain)


def test_images_show_all_names(one: Store) -> None:
    one.ok("tag", "busybox", "localhost/other:1")
    first, *rows = one.ok("images", "--history").splitlines()
    assert first.endswith("HISTORY")
    assert len(rows) == 2
    assert all("localhost/busybox:latest, localhost/other:1" in row for row in rows)
    one.ok("untag", "busybox", "localhost/other:1")


def test_import_for_another_machine(one: Store, tmp_path: Path) -> None:
    archive = str(tmp_path / "t.tar")
    assert os.system(f"tar cf {archive} -T /dev/null") == 0
    made = one.ok("import", "--arch", "arm", "--os", "linux", "--variant", "v7", archive)
    assert field(one, "{{.Os}} {{.Architecture}} {{.Variant}}", made) == "linux arm v7"
    one.ok("rmi", made)


def test_push_compresses_into_a_directory(one: Store, tmp_path: Path) -> None:
    made = one.ok("commit", "web")
    one.ok("push", "--compress", made, f"dir:{tmp_path}/d")
    manifest = json.loads((tmp_path / "d/manifest.json").read_text())
    assert {layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"]} == {"gzip"}
    one.ok("rmi", made)


@pytest.mark.parametrize(
    ("line", "fails", "said"),
    [
        ("system migrate", False, ""),
        ("system migrate --new-runtime crun", False, ""),
        ("system renumber", False, ""),
        ("unshare --rootless-netns true", True, "no network that containers share"),
        ("container checkpoint web", True, "checkpoints need rights"),
        ("image scp busybox host::", True, "'rootless save IMAGE | ssh HOST rootless load'"),
        ("image sign busybox", True, "signing is for tools of its own"),
        ("manifest rm --ignore none", False, ""),
        ("manifest rm none", True, "none"),
        ("manifest add --artifact-type a x y", True, "--artifact-type goes with --artifact only"),
    ],
)
def test_what_is_nothing_or_refused(one: Store, line: str, fails: bool, said: str) -> None:
    done = one(*line.split())
    assert (bool(done.returncode), done.stdout) == (fails, "")
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)


def test_exec_in_the_container_of_a_file(one: Store, tmp_path: Path) -> None:
    (tmp_path / "id").write_text(field(one, "{{.Id}}", "web"))
    assert one.ok("exec", "--cidfile", str(tmp_path / "id"), "echo", "web", "x") == "web x"
    refused = one("exec", "-l", "--cidfile", str(tmp_path / "id"), "true")
    assert "names and --latest contradict" in refused.stderr


def test_completion_scripts(one: Store, tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert one.ok("completion", "-f", str(tmp_path / shell), shell) == ""
        assert (tmp_path / shell).read_text().strip() == one.ok("completion", shell).strip()
        assert "__complete --bare -- " in one.ok("completion", "--no-desc", shell)
    assert one.ok("__complete", "--bare", "--", "ru") == "run"
    assert "cannot write /no/such" in one("completion", "--file", "/no/such", "bash").stderr


def test_manifests_in_full(one: Store) -> None:
    one.ok("manifest", "create", "all", "localhost/busybox")
    (shown,) = json.loads(one.ok("manifest", "inspect", "-v", "all"))
    digest = shown["Descriptor"]["digest"]
    assert shown["Ref"] == f"localhost/all:latest@{digest}"
    assert shown["Descriptor"]["platform"]["os"] == "linux"
    raw = base64.b64decode(shown["Raw"])
    assert hashlib.sha256(raw).hexdigest() == digest.partition(":")[2]
    assert json.loads(raw) == shown["OCIManifest"]
    assert len(raw) == shown["Descriptor"]["size"]
    one.ok("manifest", "rm", "all")
    place = f"oci:{one.root}/images:localhost/busybox:latest"
    alone = json.loads(one.ok("manifest", "inspect", "--verbose", place))
    assert alone["OCIManifest"] == shown["OCIManifest"]


def test_artifacts_in_a_list(one: Store, tmp_path: Path) -> None:
    for name in ("a.json", "b.json", "config"):
        (tmp_path / name).write_text(f"the {name}")
    one.ok("tag", "busybox", "localhost/art:1")
    one.ok("manifest", "create", "arts", "localhost/art:1")
    kinds = ("--artifact-type=text/x", "--artifact-layer-type=text/y")
    files = (str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    about = ("--artifact-subject", "localhost/art:1")
    one.ok("manifest", "add", "--artifact", *kinds, "--annotation=k=v", *about, "arts", *files)
    config = ("--artifact-config", str(tmp_path / "config"), "--artifact-config-type", "text/z")
    one.ok("manifest", "add", "--artifact", "--artifact-exclude-titles", *config, "arts", files[0])
    image, first, second = json.loads(one.ok("manifest", "inspect", "arts"))["manifests"]
    assert (first["artifactType"], first["annotations"]) == ("text/x", {"k": "v"})
    one.ok("manifest", "push", "arts", f"oci:{tmp_path}/layout:x")
    blobs = tmp_path / "layout/blobs/sha256"
    made = [json.loads((blobs / e["digest"][7:]).read_text()) for e in (first, second)]
    assert made[0]["subject"]["digest"] == image["digest"]
    assert [layer["mediaType"] for layer in made[0]["layers"]] == ["text/y"] * 2
    titles = [layer["annotations"]["org.opencontainers.image.title"] for layer in made[0]["layers"]]
    assert titles == ["a.json", "b.json"]
    assert "annotations" not in made[1]["layers"][0]
    assert made[1]["config"]["mediaType"] == "text/z"
    assert (blobs / made[1]["config"]["digest"][7:]).read_text() == "the config"
    assert one.ok("run", "--rm", "--pull=never", "arts", "echo", "still") == "still"
    assert "cannot read /none" in one("manifest", "add", "--artifact", "arts", "/none").stderr
    assert one.ok("system", "check") == ""
    kept = f"{one.root}/images/blobs/{made[1]['config']['digest'].replace(':', '/')}"
    assert os.path.exists(kept)
    one.ok("manifest", "rm", "arts")
    assert not os.path.exists(kept)
    one.ok("untag", "busybox", "localhost/art:1")
