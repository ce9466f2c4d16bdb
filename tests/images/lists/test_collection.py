"""manifest: lists of images of the store and of registries; skopeo and podman look at them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import Oci, config, digest, docker, layer
from images_help import docker_registry, leavings, skopeo
from servers import Server

from tests.images.conftest import REGISTRY

if TYPE_CHECKING:
    from conftest import Store
    from images_help import Podman

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
RUN = ("run", "--rm", "--network", "none")


def raw(name: str) -> bytes:
    return skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{name}").encode()


def blobs(store: Store) -> set[str]:
    return set(os.listdir(f"{store.root}/images/blobs/sha256"))


def members(text: str | bytes) -> dict[str, dict[str, Any]]:
    """The entries of a list by their architecture."""
    found = json.loads(text)["manifests"]
    return {one.get("platform", {}).get("architecture", ""): one for one in found}


@pytest.fixture
def filled(registry: str, tmp_path: Path) -> str:
    """A registry with the images `x/app:arm64` (OCI's) and `x/app:s390x` (docker's)."""
    for arch, kind in (("arm64", "oci"), ("s390x", "v2s2")):
        oci = Oci()
        one = layer({"arch": arch.encode(), "big": os.urandom(20000)})
        conf = {**json.loads(config(one)), "architecture": arch}
        oci.name(oci.manifest([one], json.dumps(conf).encode()), arch)
        made = tmp_path / arch
        (made / "blobs/sha256").mkdir(parents=True)
        for name, data in oci.blobs.items():
            (made / "blobs/sha256" / name[7:]).write_bytes(data)
        (made / "index.json").write_bytes(oci.index())
        (made / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        source = f"oci:{made}:{arch}"
        target = f"docker://{registry}/x/app:{arch}"
        skopeo("copy", "-q", "--dest-tls-verify=false", "--format", kind, source, target)
    return registry


def test_a_list_of_what_is_here_and_what_is_not(busybox: Store, filled: str) -> None:
    made = busybox.ok("manifest", "create", "multi", "busybox")
    assert len(made) == 64
    assert busybox.ok("manifest", "add", "multi", f"docker://{filled}/x/app:arm64") == made
    assert busybox.ok("manifest", "add", "multi", f"{filled}/x/app:s390x") == made
    shown = busybox.ok("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    assert f"localhost/multi:latest {made[:12]}" in shown
    assert len(shown) == 2
    listed = members(busybox.ok("manifest", "inspect", "multi"))
    assert listed["arm64"]["digest"] == digest(raw(f"{filled}/x/app:arm64"))
    assert listed["s390x"]["mediaType"] == DOCKER
    assert listed["amd64"]["platform"] == {"os": "linux", "architecture": "amd64"}
    assert busybox.ok(*RUN, "multi", "echo", "works") == "works"
    assert "busybox:latest" in busybox.ok("image", "tree", "multi")
    assert json.loads(busybox.ok("inspect", "multi"))[0]["RepoTags"] == ["localhost/multi:latest"]
    assert busybox.ok("system", "check") == ""
    assert leavings(busybox.root) == []


def test_push(busybox: Store, filled: str, tmp_path: Path, podman: Podman) -> None:
    """Members with a list; others understand it."""
    busybox.ok("manifest", "create", "multi", "busybox", f"docker://{filled}/x/app:arm64")
    name, file = f"{filled}/y/multi:1", tmp_path / "digest"
    pushed = busybox("manifest", "push", "--digestfile", str(file), "multi", f"docker://{name}")
    assert pushed.returncode == 0, pushed.stderr
    assert "mounted" in pushed.stderr
    data = raw(name)
    assert pushed.stdout.splitlines()[-1] == file.read_text() == digest(data)
    copied = ("copy", "-q", "--all", "--src-tls-verify=false", f"docker://{name}")
    skopeo(*copied, f"oci:{tmp_path / 'copy'}:1")
    arm = podman("pull", "-q", "--tls-verify=false", "--arch", "arm64", name).decode().strip()
    ours = ("pull", "-q", "--platform", "linux/arm64", name)
    assert busybox.ok(*ours, env={"ROOTLESS_DIALECT": "podman"}) == arm
    busybox.ok("rmi", "busybox", name)
    busybox.ok("manifest", "rm", "multi")
    assert blobs(busybox) == set()
    assert busybox.ok(*RUN, name, "echo", "works") == "works"


def test_push_as_an_image(busybox: Store, filled: str, tmp_path: Path, podman: Podman) -> None:
    """As podman: the image for this machine, and the whole list where there is none here."""
    remote = f"docker://{filled}/x/app:arm64"
    busybox.ok("manifest", "create", "multi", "busybox", remote)
    digestfile = tmp_path / "digest"
    line = ["push", "--digestfile", str(digestfile), "multi"]
    busybox.ok(*line, f"{filled}/y/one:1")
    assert "layers" in json.loads(raw(f"{filled}/y/one:1"))
    assert digestfile.read_text() == digest(raw(f"{filled}/y/one:1"))
    busybox.ok("manifest", "create", "foreign", remote)
    podman("manifest", "create", "foreign")
    podman("manifest", "add", "--tls-verify=false", "--arch", "arm64", "foreign", remote)
    podman("push", "-q", "--tls-verify=false", "foreign", f"{filled}/p/all:1")
    line[-1] = "foreign"
    said = busybox.ok(*line, f"{filled}/y/all:1").splitlines()
    assert said[-1] == digestfile.read_text() == digest(raw(f"{filled}/y/all:1"))
    theirs, ours = (members(raw(f"{filled}/{name}/all:1")) for name in ("p", "y"))
    assert theirs.keys() == ours.keys() == {"arm64"}
    assert theirs["arm64"]["digest"] == ours["arm64"]["digest"]
    busybox.ok(*line, f"oci:{tmp_path}/o:x")
    assert digestfile.read_text() == said[-1]
    busybox.ok("push", "-q", "--format", "v2s2", "foreign", f"{filled}/y/docker:1")
    assert members(raw(f"{filled}/y/docker:1"))["arm64"]["mediaType"] == DOCKER
    for name, tag in (("foreign", "1"), ("busybox", "2")):
        busybox.ok("tag", name, f"{filled}/tags:{tag}")
    told = busybox.ok("push", "--all-tags", f"{filled}/tags").splitlines()
    assert [one.partition(" ")[0] for one in told] == [digest(raw(f"{filled}/tags:1")), "2:"]
    listed = busybox.ok("images", "-q", "--no-trunc", "foreign")
    assert "is no name" in busybox("push", listed).stderr
    busybox.ok("tag", "foreign", "localhost/foreign")
    assert "machine alone" in busybox("push", "localhost/foreign").stderr


def test_members_in_dockers_form(
    busybox: Store, registry: str, busybox_image: str, tmp_path: Path
) -> None:
    """What is made of one says it in OCI's words, where it is of that form."""
    docker_form = f"dir:{tmp_path}/docker"
    skopeo("copy", "-q", "--format", "v2s2", f"oci:{busybox_image}:busybox:latest", docker_form)
    busybox.ok("rmi", "busybox")
    busybox.ok("manifest", "create", "multi", docker_form)
    busybox.ok("push", "-q", "multi", f"{registry}/as:docker")
    assert raw(f"{registry}/as:docker") == (tmp_path / "docker/manifest.json").read_bytes()
    busybox.ok("push", "-q", "--format", "oci", "multi", f"{registry}/as:oci")
    busybox.ok("run", "--name", "box", "--network", "none", "multi", "touch", "/new")
    busybox.ok("commit", "-q", "box", "committed")
    busybox.ok("push", "-q", "committed", f"{registry}/as:committed")
    for tag in ("oci", "committed"):
        assert b"vnd.docker" not in raw(f"{registry}/as:{tag}")
    made_of = busybox.ok("inspect", "-f", "{{.Image}}", "box")
    assert busybox.ok("inspect", "--type", "image", "-f", "{{.Id}}", made_of) == made_of
    assert "is in a manifest list" in busybox("rmi", made_of).stderr
    done = busybox("rmi", "host")
    assert "No such image" in done.stderr


def test_push_between_registries(busybox: Store, filled: str, tmp_path: Path) -> None:
    """The blobs of a member are streamed from where they are, and not kept."""
    busybox.ok("manifest", "create", "multi", f"{filled}/x/app:arm64", f"{filled}/x/app:s390x")
    before = blobs(busybox)
    settings = tmp_path / "other.yml"
    settings.write_text(REGISTRY % (tmp_path / "other"))
    with docker_registry(settings) as port:
        name = f"127.0.0.1:{port}/z/multi:1"
        pushed = busybox.ok("manifest", "push", "-q", "--rm", "multi", name)
        assert digest(raw(name)) == pushed
        skopeo(
            "copy",
            "-q",
            "--all",
            "--src-tls-verify=false",
            f"docker://{name}",
            f"dir:{tmp_path / 'dir'}",
        )
    assert len(before - blobs(busybox)) == 3  # the list and the two manifests
    assert busybox("manifest", "exists", "multi").returncode == 1


def test_formats(busybox: Store, filled: str) -> None:
    """A list of docker's has docker's images, one of OCI has OCI's, on demand."""
    busybox.ok("manifest", "create", "multi", "busybox", f"{filled}/x/app:s390x")
    busybox.ok("manifest", "add", "--annotation", "a=b", "multi", f"{filled}/x/app:arm64")
    for kind, wanted, image in (("v2s2", DOCKER_LIST, DOCKER), ("oci", INDEX, OCI)):
        name = f"{filled}/multi:{kind}"
        busybox.ok("manifest", "push", "-q", "--format", kind, "multi", name)
        document = json.loads(raw(name))
        assert document["mediaType"] == wanted
        assert [one["mediaType"] for one in document["manifests"]] == [image] * 3
        for one in document["manifests"]:
            found = json.loads(raw(f"{filled}/multi@{one['digest']}"))
            assert found.get("mediaType", OCI) == image
        busybox.ok("pull", "-q", "--platform", "linux/s390x", name)
    assert members(raw(f"{filled}/multi:oci"))["arm64"]["annotations"] == {"a": "b"}


def test_all_of_an_index(cli: Store, filled: str) -> None:
    """It is pushed as it was, to the last byte."""
    cli.ok("manifest", "create", "first", f"{filled}/x/app:arm64", f"{filled}/x/app:s390x")
    cli.ok("manifest", "push", "-q", "first", f"{filled}/x/app:all")
    cli.ok("manifest", "rm", "first")
    cli.ok("manifest", "create", "--all", "second", f"docker://{filled}/x/app:all")
    cli.ok("manifest", "push", "-q", "second", f"{filled}/other:all")
    assert raw(f"{filled}/other:all") == raw(f"{filled}/x/app:all")
    cli.ok("manifest", "create", "third")
    line = ["manifest", "add", "--arch", "s390x", "third", f"{filled}/x/app:all"]
    cli.ok(*line)
    assert list(members(cli.ok("manifest", "inspect", "third"))) == ["s390x"]
    assert "contradict" in cli(*line[:2], "--all", *line[2:]).stderr
    shown = cli.ok("manifest", "inspect", f"docker://{filled}/x/app:all")
    assert json.loads(shown) == json.loads(raw(f"{filled}/x/app:all"))


def test_members_of_files(
    busybox: Store, registry: str, busybox_image: str, tmp_path: Path
) -> None:
    """They come into the store as a whole, for a file does not stay."""
    busybox.ok("save", "-o", str(tmp_path / "bb.tar"), "busybox")
    busybox.ok("rmi", "busybox")
    assert blobs(busybox) == set()
    busybox.ok("manifest", "create", "multi", f"oci:{busybox_image}:busybox:latest")
    busybox.ok("manifest", "add", "--arch", "arm64", "multi", f"docker-archive:{tmp_path}/bb.tar")
    os.unlink(tmp_path / "bb.tar")
    assert busybox.ok("system", "check") == ""
    assert busybox.ok(*RUN, "multi", "echo", "works") == "works"
    busybox.ok("manifest", "push", "-q", "multi", f"{registry}/multi:1")
    assert list(members(raw(f"{registry}/multi:1"))) == ["amd64", "arm64"]
    busybox.ok("manifest", "create", "--all", "again", f"{registry}/multi:1")
    fits_two = busybox("manifest", "remove", "again", f"{registry}/multi:1")
    assert "fits 2 images of the list" in fits_two.stderr
    busybox.ok("manifest", "rm", "multi", "again")
    assert blobs(busybox) == set()
    damaged = tmp_path / "damaged"
    shutil.copytree(busybox_image, damaged)
    largest = max((damaged / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[::-1])
    done = busybox("manifest", "create", "multi", f"oci:{damaged}:busybox:latest")
    assert "has the digest" in done.stderr
    assert (blobs(busybox), leavings(busybox.root)) == (set(), [])


def test_annotate_and_remove(busybox: Store, filled: str) -> None:
    remote = f"{filled}/x/app:arm64"
    made = busybox.ok("manifest", "create", "multi", "busybox", remote)
    change = ["--arch", "arm", "--variant", "v7", "--os-version", "3", "--os-features", "a,b"]
    assert busybox.ok("manifest", "annotate", *change, "multi", remote) == made
    busybox.ok("manifest", "annotate", "--annotation", "k=v=w", "multi", "busybox")
    listed = members(busybox.ok("manifest", "inspect", "multi"))
    assert listed["arm"]["platform"] == {
        "os": "linux",
        "architecture": "arm",
        "variant": "v7",
        "os.version": "3",
        "os.features": ["a", "b"],
    }
    assert listed["amd64"]["annotations"] == {"k": "v=w"}
    gone = listed["arm"]["digest"]
    assert busybox.ok("manifest", "remove", "multi", gone) == f"{made}: {gone}"
    assert list(members(busybox.ok("manifest", "inspect", "multi"))) == ["amd64"]
    assert "is not in the manifest list" in busybox("manifest", "remove", "multi", gone).stderr
    assert "KEY=VALUE" in busybox("manifest", "annotate", "--annotation", "x", "multi", gone).stderr


def test_names_of_lists(busybox: Store) -> None:
    """Taken ones, amended ones, those of equal lists, and what is no list."""
    one, two = (busybox.ok("manifest", "create", name) for name in ("one", "two"))
    assert one != two
    assert "already" in busybox("manifest", "create", "one").stderr
    assert "already" in busybox("manifest", "create", "busybox").stderr
    assert busybox.ok("manifest", "create", "--amend", "one", "busybox") == one
    assert json.loads(busybox.ok("manifest", "inspect", "two"))["manifests"] == []
    assert "it is empty" in busybox("run", "two", "true").stderr
    assert "an image, not a manifest list" in busybox("manifest", "add", "busybox", "one").stderr
    codes = [busybox("manifest", "exists", name).returncode for name in ("one", "busybox", "x")]
    assert codes == [0, 1, 1]
    busybox.ok("tag", "one", "localhost/three")
    busybox.ok("manifest", "add", "--arch", "arm64", "one", "busybox")
    assert busybox.ok("manifest", "inspect", "one") == busybox.ok("manifest", "inspect", "three")
    assert busybox.ok("manifest", "rm", "one") == "Untagged: localhost/one:latest"
    said = busybox.ok("rmi", one[:12]).splitlines()
    assert said == ["Untagged: localhost/three:latest", f"Deleted: sha256:{one}"]
    assert busybox.ok("manifest", "exists", "two") == ""


def test_many_at_once(busybox: Store) -> None:
    """Who adds to a list at the same time as others loses nothing."""
    for number in range(5):
        archive = docker([layer({f"f{number}": b"x"})], names=[f"one{number}:1"])
        busybox.ok("load", input=archive, text=False)
    busybox.ok("manifest", "create", "multi")
    line = ("manifest", "add", "--arch", "arm64", "multi")
    adding = [busybox.start(*line, f"one{number}:1") for number in range(5)]
    for process in adding:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert len(json.loads(busybox.ok("manifest", "inspect", "multi"))["manifests"]) == 5
    assert busybox.ok("system", "check") == ""


def test_a_list_keeps_what_it_names(busybox: Store) -> None:
    busybox.ok("manifest", "create", "multi", "busybox")
    found = blobs(busybox)
    image = busybox.ok("images", "-q", "--no-trunc", "busybox")
    busybox.ok("rmi", "busybox")
    assert blobs(busybox) == found
    assert busybox.ok("system", "check") == ""
    busybox.ok("run", "--name", "box", "--network", "none", "multi", "true")
    assert busybox.ok("inspect", "-f", "{{.Image}}", "box") == image
    assert "container box is using" in busybox("manifest", "rm", "multi").stderr
    assert "reclaimed space: 0B" in busybox.ok("image", "prune", "-af")
    assert "Images 1 1" in busybox.ok(
        "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"
    )
    busybox.ok("rm", "box")
    busybox.ok("manifest", "rm", "multi")
    assert blobs(busybox) == set()


def test_run_pulls_what_a_list_names(cli: Store, registry: str, busybox_image: str) -> None:
    name = f"{registry}/bb:1"
    copy = ("copy", "-q", "--dest-tls-verify=false", f"oci:{busybox_image}:busybox:latest")
    skopeo(*copy, f"docker://{name}")
    cli.ok("manifest", "create", "multi", name)
    assert "No such image" in cli("run", "--pull", "never", "multi", "true").stderr
    assert f"rootless pull {name}@sha256:" in cli("save", "-o", "x", "multi").stderr
    assert cli.ok("system", "check") == ""
    assert cli.ok(*RUN, "multi", "echo", "works") == "works"
    assert cli.ok(*RUN, "--pull", "never", "multi", "echo", "here") == "here"
    assert cli.ok("system", "check") == ""


def test_damage_is_found_and_mended(cli: Store, filled: str) -> None:
    """The manifest of a member comes again from where the member is."""
    cli.ok("manifest", "create", "multi", f"{filled}/x/app:arm64")
    member = members(cli.ok("manifest", "inspect", "multi"))["arm64"]["digest"]
    path = Path(cli.root, "images/blobs/sha256", member[7:])
    path.unlink()
    done = cli("system", "check")
    assert done.returncode == 1
    assert "multi" in done.stdout
    assert cli("system", "check", "--repair").stdout.startswith("repaired: ")
    assert digest(path.read_bytes()) == member


def test_what_a_list_must_not_have(busybox: Store) -> None:
    """An index in an index, what may mean two things, what is another than was said."""
    oci = Oci()
    plain = oci.manifest([layer()])
    inner = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    both = json.loads(oci.blobs[plain["digest"]])
    both["manifests"] = []
    documents = {
        "nested": [(inner, INDEX)],
        "both": [(json.dumps(both).encode(), OCI)],
        "liar": [(inner, OCI)],
        "other": [(b"{}", OCI)],
    }
    served = {}
    for tag, entries in documents.items():
        said = [
            {"mediaType": kind, "digest": digest(data), "size": 1, "platform": {"os": "linux"}}
            for data, kind in entries
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": said}
        served[f"/v2/x/manifests/{tag}"] = json.dumps(index).encode()
        served.update({f"/v2/x/manifests/{digest(data)}": data for data, _ in entries})
    served[f"/v2/x/manifests/{digest(b'{}')}"] = b"[]"

    def answer(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, served[path]) if path in served else (404, {}, b"")

    server = Server(answer)
    try:
        for tag, words in (
            ("nested", "index in an index"),
            ("both", "ambiguous"),
            ("liar", "ambiguous"),
            ("other", "has the digest"),
        ):
            done = busybox("manifest", "create", "--all", "multi", f"{server.address}/x:{tag}")
            assert done.returncode == 125
            assert words in done.stderr
    finally:
        server.close()
    assert busybox("manifest", "exists", "multi").returncode == 1
    assert leavings(busybox.root) == []


def test_a_password_for_one_registry_is_not_shown_to_another(busybox: Store) -> None:
    """--creds is for where a list goes, not for where its members come from."""
    conf, one = config(layer()), layer()
    parts = [("config", conf, "image.config.v1+json"), ("layers", one, "image.layer.v1.tar")]
    said = {
        key: {"mediaType": f"application/vnd.oci.{kind}", "digest": digest(data), "size": len(data)}
        for key, data, kind in parts
    }
    document = {"schemaVersion": 2, "config": said["config"], "layers": [said["layers"]]}
    data = json.dumps(document).encode()
    served = {f"/v2/x/manifests/{name}": data for name in ("1", digest(data))}
    served |= {f"/v2/x/blobs/{digest(blob)}": blob for blob in (conf, one)}

    basic = {"WWW-Authenticate": 'Basic realm="x"'}
    armed: list[bool] = []

    def answer(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if armed and "authorization" not in headers:
            return 401, basic, b""
        return (200, {}, served[path]) if path in served else (404, {}, b"")

    def asks(_: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return (404, {}, b"") if "authorization" in headers else (401, basic, b"")

    source, target = Server(answer), Server(asks)
    try:
        busybox.ok("manifest", "create", "multi", f"{source.address}/x:1")
        armed.append(True)
        line = ["--creds", "me:secret", "multi", f"{target.address}/y:1"]
        assert "access denied" in busybox("manifest", "push", "-q", *line).stderr
        assert len(source.seen) > 2
        assert not any("authorization" in headers for _, headers in source.seen)
    finally:
        source.close()
        target.close()
