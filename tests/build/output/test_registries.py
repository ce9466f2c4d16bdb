"""Builds and registries: images that are pushed, bases that are pulled, caches that lie there."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from built import Built, lay

from rootless.testing import Registry
from tests.conftest import Store, copy_store
from tests.images.conftest import REGISTRY
from tests.images.faulty import Line
from tests.images.images_help import docker_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.each

AUTH = """auth: {htpasswd: {realm: test, path: %s}}
"""
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKERFILE = """FROM busybox AS made
RUN mkdir /o && echo 1 > /o/f && chown -R 33:44 /o
RUN echo 2 > /o/g
FROM busybox
COPY --from=made /o /o
RUN echo 3 > /end
"""
STEPS, TARGETS = 4, 2


@pytest.fixture(params=["docker-registry", "our own"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a registry that lets everybody in."""
    if request.param == "our own":
        with Registry(str(tmp_path / "registry")) as own:
            yield own.address
        return
    settings = tmp_path / "registry.yml"
    settings.write_text(REGISTRY % (tmp_path / "registry"))
    with docker_registry(settings) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """The address of one that lets in "me" with the password "secret"."""
    import bcrypt

    word = bcrypt.hashpw(b"secret", bcrypt.gensalt(5)).decode().replace("$2b$", "$2y$")
    (tmp_path / "users").write_text(f"me:{word}\n")
    settings = tmp_path / "guarded.yml"
    settings.write_text(REGISTRY % (tmp_path / "guarded") + AUTH % (tmp_path / "users"))
    with docker_registry(settings) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def second(loaded: str) -> Iterator[Store]:
    """Another store of the same user."""
    store = Store()
    copy_store(loaded, store.root)
    yield store
    store.remove()


def asked(address: str, path: str, kind: str) -> Any:
    request = urllib.request.Request(f"http://{address}/v2/{path}", headers={"Accept": kind})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())


def build(store: Store, context: Path, *options: str) -> str:
    done = store("build", "--progress", "plain", *options, str(context), timeout=120)
    assert done.returncode == 0, done.stderr
    return str(done.stderr)


def hits(told: str) -> int:
    return len(re.findall(r"^#\d+ CACHED$", told, re.MULTILINE))


def test_one_platform_under_several_names(
    registry: str, busybox: Store, second: Store, tmp_path: Path
) -> None:
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    names = [f"{registry}/app:1", f"{registry}/team/app:latest"]
    for form in (["--push"], ["-o", "type=registry"], ["-o", "type=image,push=true"]):
        told = tmp_path / "told"
        tags = [f"-t{name}" for name in names]
        build(busybox, tmp_path / "c", *tags, *form, f"--metadata-file={told}")
        digest = json.loads(told.read_text())["containerimage.digest"]
        for name in names:
            second.ok("pull", "-q", name)
            assert digest in second.ok("inspect", "--format", "{{.RepoDigests}}", name)
            assert second.ok("run", "--rm", name, "cat", "/o/g", "/end") == "2\n3"
            second.ok("rmi", name)
    form = f"type=image,name={registry}/zstd:1,push=true,compression=zstd"
    build(busybox, tmp_path / "c", "-o", form)
    layers = asked(registry, "zstd/manifests/1", MANIFEST)["layers"]
    assert {one["mediaType"].rpartition("+")[2] for one in layers[-TARGETS:]} == {"zstd"}


def test_several_platforms(registry: str, busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path / "c", {"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /f\n"})
    lay(tmp_path / "c", {"amd64": "a", "arm64": "b"})
    cache = f"type=registry,ref={registry}/app:cache"
    words = ["--platform=linux/amd64,linux/arm64", f"-t{registry}/app:1", "--push"]
    build(busybox, tmp_path / "c", *words, f"--cache-to={cache}")
    index = asked(registry, "app/manifests/1", INDEX)
    found = {one["platform"]["architecture"]: one["digest"] for one in index["manifests"]}
    assert sorted(found) == ["amd64", "arm64"]
    layers = [asked(registry, f"app/manifests/{one}", MANIFEST)["layers"] for one in found.values()]
    assert layers[0] != layers[1]
    # The cache has what both have made.
    busybox.ok("rmi", f"{registry}/app:1")
    busybox.ok("builder", "prune", "-af")
    assert hits(build(busybox, tmp_path / "c", *words[:1], f"--cache-from={cache}")) == 2


def test_caches(registry: str, busybox: Store, second: Store, tmp_path: Path) -> None:
    """In a place of its own, and within the image; what is fetched is what is needed."""
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    line = Line(registry)
    try:
        ways = (
            (f"type=registry,ref={registry}/app:max,mode=max", "type=registry,ref={}/app:max"),
            (f"{registry}/app:min", "{}/app:min"),
            ("type=inline", "{}/app:inline"),
        )
        for to, by in ways:
            push = ["--push"] if to == "type=inline" else []
            build(busybox, tmp_path / "c", f"-t{registry}/app:inline", f"--cache-to={to}", *push)
            line.seen.clear()
            told = build(second, tmp_path / "c", "-tt", f"--cache-from={by.format(line.address)}")
            assert hits(told) == STEPS, told
            blobs = [path for method, path in line.seen if "/blobs/" in path and method == "GET"]
            assert len(blobs) == 1 + TARGETS, (to, blobs)
            assert second.ok("run", "--rm", "t", "cat", "/o/g", "/end") == "2\n3"
            second.ok("rmi", "t")
            second.ok("builder", "prune", "-af")
    finally:
        line.close()


def test_one_cache_from_and_to(
    registry: str, busybox: Store, second: Store, tmp_path: Path
) -> None:
    """As in CI: what is not needed is never fetched, and stays where it is."""
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    cache = f"type=registry,ref={registry}/app:cache"
    both = (f"--cache-from={cache}", f"--cache-to={cache},mode=max")
    assert "Warning" in build(busybox, tmp_path / "c", *both)
    before = asked(registry, "app/manifests/cache", MANIFEST)["layers"]
    assert len(before) == STEPS
    told = build(second, tmp_path / "c", *both)
    assert hits(told) == STEPS
    assert asked(registry, "app/manifests/cache", MANIFEST)["layers"] == before
    # To another place all of it goes.
    second.ok("builder", "prune", "-af")
    to = f"--cache-to=type=local,dest={tmp_path}/copy,mode=max"
    build(second, tmp_path / "c", both[0], to)
    second.ok("builder", "prune", "-af")
    by = f"--cache-from=type=local,src={tmp_path}/copy"
    assert hits(build(second, tmp_path / "c", "--target=made", by)) == 2


@pytest.mark.parametrize("dialect", ["docker", "podman"])
def test_a_name_alone(dialect: str, busybox: Store, second: Store, tmp_path: Path) -> None:
    """podman's is a repository: the image that is called latest stays what it is."""
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    with Registry(str(tmp_path / "registry")) as own:
        name, env = f"{own.address}/app", {"ROOTLESS_DIALECT": dialect}
        words = ["build", "-q", "-tt", str(tmp_path / "c")]
        assert busybox(*words, "--cache-to", name, env=env).returncode == 0
        tag = {"docker": "latest", "podman": "buildcache"}[dialect]
        layers = asked(own.address, f"app/manifests/{tag}", MANIFEST)["layers"]
        assert len(layers) == {"docker": TARGETS, "podman": STEPS}[dialect]
        done = second(*words, "--cache-from", name, "--progress=plain", env=env)
        assert done.returncode == 0, done.stderr
        du = second.ok("buildx", "du", "--verbose")
        assert du.count("RUN echo") == 1, "only what was brought"


def test_who_is_let_in(guarded: str, busybox: Store, second: Store, tmp_path: Path) -> None:
    """--creds and --authfile count for all: pushes, bases, caches."""
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    name = f"{guarded}/app:1"
    push = ["build", "-t", name, "--push", str(tmp_path / "c")]
    cache = f"type=registry,ref={guarded}/app:cache"
    right = ["--creds=me:secret"]
    for wrong in ([], ["--creds=me:wrong"]):
        done = busybox(*push, *wrong)
        assert done.returncode == 1
        assert "denied" in done.stderr or "does not accept" in done.stderr, done.stderr
        done = busybox(*push[:1], *wrong, f"--cache-to={cache}", str(tmp_path / "c"))
        assert (done.returncode, "no cache is written to" in done.stderr) == (1, True), done.stderr
        done = busybox(*push[:1], *wrong, f"--cache-from={cache}", str(tmp_path / "c"))
        assert (done.returncode, done.stderr.count("Warning")) == (0, 1), done.stderr
    busybox.ok(*push, *right, f"--cache-to={cache}")
    auth = tmp_path / "auth.json"
    second.ok("login", "-u", "me", "-p", "secret", "--authfile", str(auth), guarded)
    lay(tmp_path / "d", {"Dockerfile": f"FROM {name}\nRUN cat /end > /end2\n"})
    done = second("build", str(tmp_path / "d"))
    assert (done.returncode, "access denied" in done.stderr) == (1, True), done.stderr
    second.ok("build", "-q", f"--authfile={auth}", str(tmp_path / "d"))
    told = build(second, tmp_path / "c", f"--authfile={auth}", f"--cache-from={cache}")
    assert (hits(told), "Warning" in told) == (STEPS, False)
    done = busybox(*push, *right, "--tls-verify")
    assert done.returncode == 1, "without TLS it has no certificate"


def test_when_a_base_is_fetched(busybox: Store, tmp_path: Path) -> None:
    """--pull by its policies; the registry has moved on meanwhile, or is not there."""
    with Registry(str(tmp_path / "registry")) as own:
        name = f"{own.address}/base:1"
        for content in ("old", "new"):
            lay(tmp_path / content, {"Dockerfile": f"FROM busybox\nRUN echo {content} > /v\n"})
            build(busybox, tmp_path / content, f"-t{name}", "--push")
            if content == "old":
                old = busybox.ok("images", "-q", "--no-trunc", name)
        lay(tmp_path / "c", {"Dockerfile": f"FROM {name}\nRUN cat /v > /seen\n"})

        def seen(*options: str) -> str:
            busybox.ok("rmi", "-f", name, "t")
            busybox.ok("pull", "-q", name) if "new" in options else busybox.ok("tag", old, name)
            build(busybox, tmp_path / "c", "-tt", *options[:1])
            return busybox.ok("run", "--rm", "t", "cat", "/seen")

        busybox.ok("tag", old, "keeps:1")
        assert [seen(one) for one in ("--pull=missing", "--pull=never")] == ["old", "old"]
        assert [seen(one) for one in ("--pull=always", "--pull=newer")] == ["new", "new"]
        assert seen("--pull") == "new"
        busybox.ok("rmi", "-f", name)
        done = busybox("build", "--pull=never", str(tmp_path / "c"))
        assert (done.returncode, name in done.stderr) == (1, True)
        busybox.ok("tag", old, name)
    for policy, code in (("missing", 0), ("newer", 0), ("always", 1)):
        done = busybox("build", "-q", f"--pull={policy}", str(tmp_path / "c"))
        assert done.returncode == code, (policy, done.stderr)


@pytest.mark.parametrize("what", ["push", "cache-to", "base", "cache-from"])
def test_a_bad_line(what: str, busybox: Store, second: Store, tmp_path: Path) -> None:
    """What breaks off is gone on with; a registry that stays away is an error with its name.

    Or a warning, where it is only a cache that is read.
    """
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    settings = tmp_path / "registry.yml"
    settings.write_text(REGISTRY % (tmp_path / "registry"))
    with docker_registry(settings) as port:
        line = Line(f"127.0.0.1:{port}")
        try:
            name = f"{line.address}/app"
            there = f"--cache-to=type=registry,ref={name}:cache"
            if what in ("base", "cache-from"):
                build(busybox, tmp_path / "c", f"-t{name}:1", "--push", there)
            lay(tmp_path / "d", {"Dockerfile": f"FROM {name}:1\nRUN cat /end > /end2\n"})
            words = {
                "push": [f"-t{name}:1", "--push", str(tmp_path / "c")],
                "cache-to": [there, str(tmp_path / "c")],
                "base": [str(tmp_path / "d")],
                "cache-from": [f"--cache-from=type=registry,ref={name}:cache", str(tmp_path / "c")],
            }[what]
            fault = "busy" if what in ("push", "cache-to") else "cut"
            met: list[str] = []

            def sometimes(path: str) -> str:
                met.append(path)
                return fault if "/blobs/" in path and len(met) % 4 == 1 else ""

            line.fault = sometimes
            done = second("build", *words, timeout=120)
            assert done.returncode == 0, done.stderr
            assert "Warning" not in done.stderr
            assert len(met) > 3
            second.ok("rmi", "-af")
            second.ok("builder", "prune", "-af")
            copy_store_image(busybox, second, tmp_path)
            line.fault = lambda path: "gone" if "/blobs/" in path else ""
            done = second("build", *words, timeout=120)
            assert line.address in done.stderr, done.stderr
            assert done.returncode == (0 if what == "cache-from" else 1), done.stderr
            assert done.stderr.count("Warning") == (1 if what == "cache-from" else 0)
        finally:
            line.close()


def copy_store_image(source: Store, target: Store, directory: Path) -> None:
    """Give a store the base again."""
    source.ok("save", "-o", str(directory / "b.tar"), "busybox")
    target.ok("load", "-q", "-i", str(directory / "b.tar"))


def test_images_are_the_same_with_and_without_a_cache(
    busybox: Store, second: Store, tmp_path: Path
) -> None:
    """Whatever way the layers came; an inline cache is in it, and not in what is built upon."""
    lay(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    to = f"--cache-to=type=local,dest={tmp_path}/cache"
    by = f"--cache-from=type=local,src={tmp_path}/cache"
    for store, option in ((busybox, to), (second, by)):
        done = store("build", "-q", "-tt", option, str(tmp_path / "c"), env=env)
        assert done.returncode == 0, done.stderr
    assert Built(busybox, "t:latest").manifest == Built(second, "t:latest").manifest
    inline = ["build", "-q", "-tt", "--cache-to=type=inline", str(tmp_path / "c")]
    ids = [store(*inline, env=env).stdout for store in (busybox, second)]
    assert ids[0] == ids[1]
    assert "rootless.buildcache.v1" in Built(busybox, "t:latest").config
    # What is built upon it has none.
    lay(tmp_path / "d", {"Dockerfile": "FROM t\nRUN true\n"})
    busybox.ok("build", "-q", "-tu", str(tmp_path / "d"))
    assert "rootless.buildcache.v1" not in Built(busybox, "u:latest").config
