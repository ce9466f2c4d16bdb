"""`pull` by way of registries.conf: mirrors, rewriting, blocks, short names, at real registries."""

from __future__ import annotations

import json
import os
import platform
import pty
import select
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from images_help import leavings, skopeo
from servers import Server

from rootless import Engine
from rootless.errors import NotFound
from rootless.images.transfer.access import Access, Retry
from rootless.oci.distribution.registries import Registries
from rootless.oci.errors import RegistryError
from rootless.oci.reference import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Store
    from images_help import Podman

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

NOWHERE = "registry.invalid"
"""No name server knows it (RFC 6761, 6.4)."""


@pytest.fixture
def mirror(registry: str, busybox_image: str) -> str:
    """A registry that has `mirrored/bb` with the tags 1 and 2, and `other/bb:1`."""
    source = f"oci:{busybox_image}:busybox:latest"
    for name in ("mirrored/bb:1", "mirrored/bb:2", "other/bb:1"):
        skopeo("copy", "-q", "--dest-tls-verify=false", source, f"docker://{registry}/{name}")
    return registry


@pytest.fixture
def dead() -> Iterator[str]:
    """The address of a port of this machine where nobody listens, and nobody will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def empty() -> Iterator[Server]:
    """A registry that has nothing."""
    server = Server(lambda path, headers: (404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
    yield server
    server.close()


@pytest.fixture
def conf(cli: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function that writes the registries.conf of the test's store and returns its path."""

    def write(text: str) -> str:
        path = Path(cli.directory, "registries.conf")
        path.write_text(text)
        cli.env["CONTAINERS_REGISTRIES_CONF"] = str(path)
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(path))
        return str(path)

    return write


def table(prefix: str, location: str = "", mirrors: tuple[str, ...] = (), more: str = "") -> str:
    """A [[registry]], with mirrors that are written as the lines of their tables."""
    lines = ["[[registry]]", f'prefix = "{prefix}"', more]
    if location:
        lines.append(f'location = "{location}"')
    for one in mirrors:
        lines += ["[[registry.mirror]]", one]
    return "\n".join(lines) + "\n"


def test_the_mirror_comes_first_and_the_name_stays(
    images: Images, mirror: str, dead: str, conf: Callable[[str], str]
) -> None:
    conf(table(f"{NOWHERE}/a", mirrors=(f'location="{dead}"', f'location="{mirror}/mirrored"')))
    image = images.pull(f"{NOWHERE}/a/bb:1")
    assert image.names == [f"{NOWHERE}/a/bb:1"]
    assert images.get(f"{NOWHERE}/a/bb@{image.digest}").id == image.id
    assert leavings(images.paths.root) == []


def test_the_location_is_asked_where_the_mirrors_fail(
    cli: Store, mirror: str, dead: str, empty: Server, conf: Callable[[str], str]
) -> None:
    mirrors = (f'location="{dead}/x"', f'location="{empty.address}/y"')
    conf(table(f"{NOWHERE}", f"{mirror}/mirrored", mirrors))
    cli.ok("pull", f"{NOWHERE}/bb:1")
    assert cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}") == f"{NOWHERE}/bb:1"
    assert any(path == "/v2/y/bb/manifests/1" for path, _ in empty.seen)
    done = cli("pull", f"{NOWHERE}/bb:3")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for place in (dead, empty.address, mirror):
        assert place in done.stderr
    assert leavings(cli.root) == []


def test_a_mirror_with_another_image_under_the_digest_makes_way(
    images: Images, mirror: str, conf: Callable[[str], str]
) -> None:
    digest = images.pull(f"{mirror}/mirrored/bb:1").digest
    images.remove([f"{mirror}/mirrored/bb:1"])
    liar = Server(lambda path, headers: (200, {}, b'{"schemaVersion": 2}'))
    try:
        conf(table(NOWHERE, f"{mirror}/mirrored", (f'location="{liar.address}"',)))
        image = images.pull(f"{NOWHERE}/bb@{digest}")
    finally:
        liar.close()
    assert image.digest == digest
    assert liar.seen


def test_mirrors_for_digests_only_and_tags_only(
    images: Images, mirror: str, empty: Server, conf: Callable[[str], str]
) -> None:
    digest = images.pull(f"{mirror}/mirrored/bb:1").digest
    for key, by_tag, by_digest in (
        ('pull-from-mirror="digest-only"', False, True),
        ('pull-from-mirror="tag-only"', True, False),
        ("", True, True),
    ):
        conf(table(NOWHERE, f"{mirror}/mirrored", (f'location="{empty.address}"\n{key}',)))
        for ref, asked in ((":1", by_tag), (f"@{digest}", by_digest), (f":9@{digest}", by_digest)):
            empty.seen.clear()
            image = images.pull(f"{NOWHERE}/bb{ref}")
            assert image.digest == digest
            assert f"{NOWHERE}/bb:9@{digest}" not in image.names
            assert bool(empty.seen) == asked, (key, ref)
    more = "mirror-by-digest-only = true"
    conf(table(NOWHERE, f"{mirror}/mirrored", (f'location="{empty.address}"',), more))
    empty.seen.clear()
    images.pull(f"{NOWHERE}/bb:1")
    assert empty.seen == []
    images.pull(f"{NOWHERE}/bb@{digest}")
    assert empty.seen != []


def test_what_is_blocked_is_not_pulled(cli: Store, mirror: str, conf: Callable[[str], str]) -> None:
    path = conf(table(f"{mirror}/other", more="blocked = true"))
    done = cli("run", f"{mirror}/other/bb:1", "true")
    assert done.returncode == 125
    assert done.stderr == (
        f"Error: {mirror}/other/bb:1 is not pulled: {mirror}/other is blocked in {path}\n"
    )
    cli.ok("pull", f"{mirror}/mirrored/bb:1")


def test_insecure_allows_plain_http_of_the_place_that_has_it(
    images: Images, mirror: str, conf: Callable[[str], str]
) -> None:
    # 0.0.0.0 is this machine to the kernel, but to nobody's rule about loopback.
    there = mirror.replace("127.0.0.1", "0.0.0.0")
    conf(table(there))
    with pytest.raises(RegistryError):
        images.pull(f"{there}/mirrored/bb:1")
    conf(table(there, more="insecure = true"))
    images.pull(f"{there}/mirrored/bb:1")
    # Of a registry that is insecure, the mirror is not.
    there = f'location = "{there}/mirrored"'
    conf(table(NOWHERE, mirrors=(there,), more="insecure = true"))
    with pytest.raises(RegistryError):
        images.pull(f"{NOWHERE}/bb:1")
    conf(table(NOWHERE, mirrors=(f"{there}\ninsecure = true",)))
    images.pull(f"{NOWHERE}/bb:1")


def test_policy_newer_asks_the_mirror(
    images: Images, mirror: str, conf: Callable[[str], str]
) -> None:
    conf(f'[aliases]\ntool = "{NOWHERE}/bb"\n' + table(NOWHERE, f"{mirror}/mirrored"))
    first = images.pull("tool:1", policy="newer")
    assert first.names == [f"{NOWHERE}/bb:1"]
    Path(images.paths.root).parent.joinpath("new.tar").write_bytes(bytes(1024))
    images.import_(str(Path(images.paths.root).parent / "new.tar"), "changed:1")
    source = f"oci:{images.paths.images}:docker.io/library/changed:1"
    assert images.pull("tool:1", policy="newer").id == first.id
    skopeo("copy", "-q", "--dest-tls-verify=false", source, f"docker://{mirror}/mirrored/bb:1")
    assert images.pull("tool:1", policy="missing").id == first.id
    assert images.pull("tool:1", policy="newer").id != first.id


# -- short names --------------------------------------------------------------------------------


def test_an_alias_is_pulled_found_and_removed_by_its_short_name(
    cli: Store, mirror: str, conf: Callable[[str], str]
) -> None:
    conf(f'[aliases]\n"my/tool" = "{mirror}/mirrored/bb"\n')
    assert cli.ok("pull", "my/tool:1") == f"{mirror}/mirrored/bb:1"
    assert cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}") == f"{mirror}/mirrored/bb:1"
    found = cli.ok("inspect", "--format", "{{.Id}}", "my/tool:1")
    assert found == cli.ok("images", "-q", "--no-trunc")
    assert cli.ok("run", "--rm", "--pull", "never", "my/tool:1", "echo", "here") == "here"
    assert f"Untagged: {mirror}/mirrored/bb:1" in cli.ok("rmi", "my/tool:1")
    with pytest.raises(NotFound):
        Engine(cli.root).images.get("my/tool:1")


def two(mirror: str, empty: str, mode: str = "") -> str:
    """Two registries for short names, of which the second has the images."""
    return f'unqualified-search-registries = ["{empty}", "{mirror}"]\n' + (
        f'short-name-mode = "{mode}"\n' if mode else ""
    )


@pytest.mark.parametrize("mode", ["", "permissive", "disabled"])
def test_a_short_name_is_looked_for_in_all_registries(
    cli: Store, mirror: str, empty: Server, conf: Callable[[str], str], mode: str
) -> None:
    conf(two(mirror, empty.address, mode))
    cli.ok("run", "--rm", "mirrored/bb:1", "true")
    assert cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}") == f"{mirror}/mirrored/bb:1"
    assert any(path == "/v2/mirrored/bb/manifests/1" for path, _ in empty.seen)
    empty.seen.clear()
    cli.ok("run", "--rm", "mirrored/bb:1", "true")
    cli.ok("pull", "--policy", "newer", "mirrored/bb:1")
    assert empty.seen == [], "what is here was looked for elsewhere"
    done = cli("pull", "nobody/has/this")
    assert done.returncode == 1
    assert empty.address in done.stderr
    assert mirror in done.stderr


def test_enforcing_mode_names_the_images_that_may_be_meant(
    cli: Store, mirror: str, empty: Server, conf: Callable[[str], str]
) -> None:
    conf(two(mirror, empty.address, "enforcing"))
    done = cli("run", "mirrored/bb:1", "true")
    assert done.returncode == 125
    assert f"{empty.address}/mirrored/bb:1 or {mirror}/mirrored/bb:1" in done.stderr
    assert empty.seen == []
    conf(two(mirror, mirror, "enforcing"))  # the same one twice is no ambiguity
    cli.ok("pull", "mirrored/bb:1")


def on_terminal(cli: Store, *words: str, typed: bytes) -> tuple[int, str]:
    """Run a command on a terminal, answer its question; return its exit code and all it showed."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [*cli.command, *words], env=cli.env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, asked = b"", False
    try:
        while select.select([ours], [], [], 50)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if b"Number, 1 to 2: " in shown and not asked:
                os.write(ours, typed)
                asked = True
        return command.wait(30), shown.decode()
    finally:
        command.kill()
        command.wait()
        os.close(ours)


@pytest.mark.modes("mapped", "single")  # root's aliases are the system's
@pytest.mark.parametrize("mode", ["permissive", "enforcing"])
def test_on_a_terminal_the_user_is_asked_once(
    cli: Store, mirror: str, empty: Server, conf: Callable[[str], str], mode: str
) -> None:
    conf(two(mirror, empty.address, mode))
    code, shown = on_terminal(cli, "run", "--rm", "mirrored/bb:1", "true", typed=b"x\n3\n2\n")
    assert code == 0, shown
    assert f"1) {empty.address}/mirrored/bb:1" in shown
    assert empty.seen == []
    aliases = Path(cli.env["XDG_CACHE_HOME"], "containers/short-name-aliases.conf")
    assert aliases.read_text() == f'[aliases]\n  "mirrored/bb" = "{mirror}/mirrored/bb"\n'
    code, shown = on_terminal(cli, "pull", "-q", "mirrored/bb:2", typed=b"1\n")
    assert (code, "Number" in shown) == (0, False)
    assert empty.seen == []


def test_an_answer_is_not_remembered_where_the_pull_fails(
    cli: Store, mirror: str, empty: Server, conf: Callable[[str], str]
) -> None:
    conf(two(mirror, empty.address))
    code, shown = on_terminal(cli, "pull", "mirrored/bb:1", typed=b"1\n")
    assert code == 1
    assert f"no image {empty.address}/mirrored/bb:1" in shown
    assert not os.path.exists(cli.env["XDG_CACHE_HOME"])
    code, shown = on_terminal(cli, "pull", "mirrored/bb:1", typed=b"\x04")
    assert code == 1
    assert "nobody says which image is meant" in shown


def test_a_damaged_file_is_one_line(cli: Store, conf: Callable[[str], str]) -> None:
    path = conf("[[registry]]\nblocked = 1\n")
    done = cli("pull", "x")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert path in done.stderr
    assert "registry[0].blocked is neither true nor false" in done.stderr
    assert cli.ok("images", "-q") == ""  # what needs no names goes on


@pytest.mark.modes("mapped", "single")  # root's aliases are the system's
@pytest.mark.needs("podman")
def test_podman_reads_the_same_files_in_the_same_way(
    cli: Store,
    podman: Podman,
    mirror: str,
    dead: str,
    conf: Callable[[str], str],
) -> None:
    insecure = 'insecure = true\nlocation = "'
    conf(
        f'[aliases]\ntool = "{NOWHERE}/a/bb"\n'
        + table(f"{NOWHERE}/a", f"{dead}/x", (f'{insecure}{mirror}/mirrored"',))
        + table("*.wild.invalid", f"{mirror}/other", more="insecure = true")
        + table("bad.wild.invalid", "bad.wild.invalid", more="blocked = true")
    )
    Registries.load(cli.env).remember("asked:9", parse(f"{NOWHERE}/a/bb"))
    for ref in ("tool:1", "asked:2", "x.y.wild.invalid/bb:1"):
        assert (
            podman("pull", "-q", ref).decode().split()
            == cli.ok("pull", "-q", ref, env={"ROOTLESS_DIALECT": "podman"}).split()
        )
    theirs = podman("images", "--format", "{{.Repository}}:{{.Tag}}").decode().split()
    ours = cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(theirs) == sorted(ours)
    assert f"{NOWHERE}/a/bb:2" in ours
    for pull in (cli.ok, podman):
        with pytest.raises(AssertionError, match="blocked"):
            pull("pull", "bad.wild.invalid/bb:1")


# -- options of pull ----------------------------------------------------------------------------


def test_all_tags(cli: Store, mirror: str, conf: Callable[[str], str]) -> None:
    conf(table(NOWHERE, f"{mirror}/mirrored"))
    printed = cli.ok("pull", "-a", f"{NOWHERE}/bb").splitlines()
    assert len(printed) == 2
    names = cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    assert sorted(names) == [f"{NOWHERE}/bb:1", f"{NOWHERE}/bb:2"]
    done = cli("pull", "--all-tags", f"{NOWHERE}/bb:1")
    assert done.returncode == 1
    assert "leave its tag out" in done.stderr


def test_a_list_of_tags_goes_on_page_by_page_and_is_checked(cli: Store) -> None:
    pages = {
        "/v2/x/tags/list?n=1000": (["a", 3], '<https://evil.invalid/v2/y?last=a>; rel="next"'),
        "/v2/x/tags/list?last=a": (["../b"], ""),
    }

    def answer(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        tags, link = pages[path]
        return 200, {"Link": link} if link else {}, json.dumps({"tags": tags}).encode()

    server = Server(answer)
    try:
        done = cli("pull", "-a", f"{server.address}/x")
    finally:
        server.close()
    assert done.returncode == 1
    assert "a tag that is none: '../b'" in done.stderr
    assert [path for path, _ in server.seen] == list(pages)


def test_several_images_and_a_quiet_pull(cli: Store, mirror: str) -> None:
    names = [f"{mirror}/mirrored/bb:1", f"{mirror}/other/bb:1"]
    assert cli.ok("pull", "-q", *names).splitlines() == names
    whole = cli.ok("images", "-q", "--no-trunc")
    pinned = f"{mirror}/other/bb@" + cli.ok("images", "--format", "{{.Digest}}").split()[0]
    assert cli.ok("pull", "-q", pinned) == pinned
    as_podman = cli.ok("pull", "-q", *names, env={"ROOTLESS_DIALECT": "podman"})
    assert as_podman.splitlines() == [whole.removeprefix("sha256:").split()[0]] * 2


def test_retry_waits_for_a_registry(images: Images, dead: str) -> None:
    begun = time.monotonic()
    with pytest.raises(RegistryError, match="cannot reach"):
        images.pull(f"{dead}/x", access=Access(retry=Retry(2, 0.4)))
    assert time.monotonic() - begun >= 0.8


def test_retry_waits_as_long_as_a_registry_wants(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bound; and not at all where it has answered that there is no such image."""
    waited: list[float] = []
    monkeypatch.setattr("rootless.images.transfer.access.time.sleep", waited.append)
    for status, after, seconds in (
        (429, "77", [77.0] * 2),
        (503, "9999", [300.0] * 2),
        (404, "9", []),
    ):
        waited.clear()
        server = Server(lambda *_, a=after, s=status: (s, {"Retry-After": a}, b""))
        with pytest.raises(RegistryError):
            images.pull(f"{server.address}/x", access=Access(retry=Retry(2, 0.1)))
        server.close()
        assert waited == seconds


@pytest.mark.parametrize("command", ["pull", "run", "create"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--decryption-key", "k.pem"], "encrypted images are not supported"),
        (["--retry", "-1"], "--retry -1 makes no sense"),
        (["--retry-delay", "soon"], "--retry-delay soon makes no sense"),
        (["--platform", "linux/arm64", "--arch", "arm64"], "--platform goes with neither"),
    ],
)
def test_options_that_are_refused(cli: Store, command: str, options: list[str], words: str) -> None:
    done = cli(command, *options, "localhost/x")
    assert done.returncode == (125 if command == "run" else 1)
    assert words in done.stderr


def test_the_parts_of_a_platform(cli: Store, mirror: str) -> None:
    done = cli("pull", "--arch", "arm", "--variant", "v6", f"{mirror}/mirrored/bb:1")
    assert "not linux/arm/v6" in done.stderr
    done = cli("create", "--arch", "arm", "--variant", "v6", f"{mirror}/mirrored/bb:1")
    assert "not linux/arm/v6" in done.stderr
    cli.ok("pull", "--os", "linux", f"{mirror}/mirrored/bb:1")


def test_run_reaches_a_registry_as_pull_does(cli: Store, tmp_path: Path) -> None:
    """With who we are by an option or a file, and without a gap that was not asked for."""
    asking = {"WWW-Authenticate": 'Basic realm="x"'}
    server = Server(lambda _, headers: (404 if "authorization" in headers else 401, asking, b""))
    image = f"{server.address}/x"
    auths = {"auths": {server.address: {"auth": "ZmlsZTpw"}}}
    (tmp_path / "auth.json").write_text(json.dumps(auths))
    try:
        for options in (["--creds", "u:p"], ["--authfile", str(tmp_path / "auth.json")]):
            assert cli("create", *options, "--retry", "0", image).returncode == 1
        known = [headers.get("authorization") for _, headers in server.seen]
        assert {*known} - {None} == {"Basic dTpw", "Basic ZmlsZTpw"}
        server.seen.clear()
        done = cli("run", "--tls-verify", "--retry", "1", "--retry-delay", "1ms", image)
        assert done.returncode == 125
        assert server.seen == []
    finally:
        server.close()


def test_a_name_of_ours_that_is_for_another_machine(busybox: Store, tmp_path: Path) -> None:
    """No registry has localhost/busybox; what is written is asked for where it would be."""
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nprefix = "docker.io"\nblocked = true\n')
    other = "amd64" if platform.machine() != "x86_64" else "arm64"
    for line in (("run", "--arch", other), ("pull", "--arch", other)):
        done = busybox(*line, "busybox", env={"CONTAINERS_REGISTRIES_CONF": str(conf)})
        assert done.returncode
        assert "busybox:latest is not pulled: docker.io is blocked" in done.stderr
