"""--provenance: what is said of how an image was made, and what never is."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built import lay
from served import git, git_daemon, web

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

DOCKERFILE = (
    "ARG BASE=busybox\nFROM $BASE AS base\nARG A\nARG TOKEN\nRUN --network=none true\nFROM base\n"
    "RUN --network=none --mount=type=secret,id=s true\nCOPY f /\n"
)
GIVEN = (
    *("--build-arg=A=1", "--build-arg=TOKEN=hush-token", "--label=l=2", "--no-cache"),
    "--build-arg=HTTP_PROXY=http://me:hush-proxy@a.example",
)


def provenance(store: Store, where: str, tmp_path: Path, *words: str, **options: Any) -> Any:
    out = tmp_path / "out"
    store.ok("build", *words, "-o", str(out), where, **options)
    told = json.loads((out / "provenance.json").read_text())
    return told["predicateType"].rpartition("/")[2], told["predicate"]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    lay(tmp_path, {"secret": "hush-secret"})
    return lay(tmp_path / "c", {"Dockerfile": DOCKERFILE, "f": "1"})


def test_the_least(shared: Store, context: Path, tmp_path: Path) -> None:
    """BuildKit's words of v0.2: no arguments, and that they are not all."""
    words = ("--provenance=true", *GIVEN, f"--secret=id=s,src={tmp_path}/secret", "--target=base")
    version, found = provenance(shared, str(context), tmp_path, *words)
    assert version == "v0.2"
    assert found["buildType"] == "https://mobyproject.org/buildkit@v1"
    assert found["builder"] == {"id": ""}
    assert found["invocation"] == {
        "configSource": {"entryPoint": "Dockerfile"},
        "parameters": {
            "frontend": "dockerfile.v0",
            "args": {"target": "base", "no-cache": ""},
            "locals": [{"name": "context"}, {"name": "dockerfile"}],
        },
        "environment": {"platform": "linux/amd64"},
    }
    (material,) = found["materials"]
    assert material["uri"] == "pkg:docker/localhost/busybox@latest?platform=linux%2Famd64"
    assert len(material["digest"]["sha256"]) == 64
    metadata = found["metadata"]
    assert metadata["completeness"] == {
        "parameters": False,
        "environment": True,
        "materials": False,
    }
    assert metadata["reproducible"] is False
    assert metadata["buildStartedOn"] <= metadata["buildFinishedOn"]
    assert len(metadata["buildInvocationID"]) == 25
    assert metadata["https://mobyproject.org/buildkit@v1#metadata"] == {}


def test_the_most(shared: Store, context: Path, tmp_path: Path) -> None:
    words = ("--attest=type=provenance,mode=max,builder-id=https://b.example,reproducible=true",)
    secret = f"--secret=id=s,src={tmp_path}/secret"
    _, found = provenance(shared, str(context), tmp_path, *words, *GIVEN, secret)
    assert found["builder"] == {"id": "https://b.example"}
    assert found["metadata"]["reproducible"] is True
    parameters = found["invocation"]["parameters"]
    assert parameters["args"] == {"build-arg:A": "1", "label:l": "2", "no-cache": ""}
    assert parameters["secrets"] == [{"id": "s", "optional": True}]
    assert found["metadata"]["completeness"]["parameters"] is False, "some are left out"
    (info,) = found["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]["source"]["infos"]
    assert base64.b64decode(info["data"]).decode() == DOCKERFILE
    assert "hush" not in json.dumps(found)


def test_all_arguments_are_told(shared: Store, context: Path, tmp_path: Path) -> None:
    words = ("--provenance=mode=max", "--build-arg=A=1")
    _, found = provenance(shared, str(context), tmp_path, *words)
    assert found["metadata"]["completeness"]["parameters"] is True


def test_the_words_of_v1(shared: Store, context: Path, tmp_path: Path) -> None:
    words = ("--provenance=mode=max,version=v1", *GIVEN)
    version, found = provenance(shared, str(context), tmp_path, *words)
    assert version == "v1"
    definition, run = found["buildDefinition"], found["runDetails"]
    assert definition["externalParameters"]["configSource"] == {"path": "Dockerfile"}
    assert definition["externalParameters"]["request"]["args"]["build-arg:A"] == "1"
    assert definition["internalParameters"] == {"builderPlatform": "linux/amd64"}
    assert [one["uri"] for one in definition["resolvedDependencies"]] == [
        "pkg:docker/localhost/busybox@latest?platform=linux%2Famd64"
    ]
    assert run["metadata"]["buildkit_completeness"]["resolvedDependencies"] is False
    assert run["metadata"]["startedOn"] <= run["metadata"]["finishedOn"]
    assert "hush" not in json.dumps(found)


def test_what_comes_from_elsewhere(busybox: Store, tmp_path: Path) -> None:
    """Repositories and files by their digests, without the passwords of their URLs."""
    top = lay(tmp_path / "g/r.git", {"d/r": "3"})
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "one")
    commit = git(top, "rev-parse", "HEAD").strip()
    lay(tmp_path / "w", {"file": "1"})
    with web(tmp_path / "w") as served, git_daemon(tmp_path / "g") as url:
        secret = served.url.replace("//", "//me:hush@")
        dockerfile = (
            f"FROM scratch\nADD {served.url}/file?sign=hush /\nADD {url}/r.git#HEAD:d /\n"
            "COPY --from=busybox /bin/sh /\n"
        )
        lay(tmp_path / "w", {"ctx": dockerfile})
        _, found = provenance(busybox, f"{secret}/ctx", tmp_path, "--provenance=mode=max")
        assert [(one["uri"], {*one["digest"]}) for one in found["materials"]] == sorted(
            [
                (f"{url}/r.git#HEAD:d", {"sha1"}),
                (f"{served.url}/file", {"sha256"}),
                (f"{served.url}/ctx", {"sha256"}),
                ("pkg:docker/localhost/busybox@latest?platform=linux%2Famd64", {"sha256"}),
            ]
        )
        digests = {one["uri"]: next(iter(one["digest"].values())) for one in found["materials"]}
        assert digests[f"{url}/r.git#HEAD:d"] == commit
        assert digests[f"{served.url}/file"].startswith("6b86b273ff34fce19d6b804eff5a3f57")
        assert found["invocation"]["configSource"]["uri"] == f"{served.url}/ctx"
        assert found["invocation"]["parameters"].get("locals") is None
        assert found["metadata"]["completeness"]["materials"] is True
        assert found["metadata"]["https://mobyproject.org/buildkit@v1#hermetic"] is True
        del found["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]
        assert "hush" not in json.dumps(found)


def test_the_metadata_file(shared: Store, context: Path, tmp_path: Path) -> None:
    """It has the least of it, as buildx's, unless more or none is wanted."""
    meta = tmp_path / "meta"
    key = "buildx.build.provenance"
    for wanted, args in (("", False), ("max", True), ("disabled", None)):
        env = {"BUILDX_METADATA_PROVENANCE": wanted} if wanted else {}
        done = shared("build", "--build-arg=A=1", f"--metadata-file={meta}", str(context), env=env)
        assert done.returncode == 0, done.stderr
        found = json.loads(meta.read_text())
        assert (key in found) is (args is not None)
        if args is not None:
            assert ("args" in found[key]["invocation"]["parameters"]) is args
            assert found["buildx.build.ref"].endswith(found[key]["metadata"]["buildInvocationID"])


@pytest.mark.parametrize("sent", [(), ("--sbom=true", "--provenance=mode=max")])
def test_secrets_are_nowhere(
    sent: tuple[str, ...], busybox: Store, context: Path, tmp_path: Path
) -> None:
    secret = f"--secret=id=s,src={tmp_path}/secret"
    meta = tmp_path / "meta"
    env = {"BUILDX_METADATA_PROVENANCE": "max"}
    words = ("build", "-t", "a", *sent, *GIVEN, secret, f"--metadata-file={meta}", str(context))
    done = busybox(*words, env=env)
    assert done.returncode == 0, done.stderr
    assert "hush" not in meta.read_text()
    index = json.loads(Path(busybox.root, "images/index.json").read_text())["manifests"]
    assert any("index" in one["mediaType"] for one in index) is bool(sent)
    for path in Path(busybox.root, "images/blobs/sha256").iterdir():
        if path.stat().st_size < 100_000:
            assert b"hush-secret" not in path.read_bytes()
