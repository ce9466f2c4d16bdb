"""system check --repair: only what is damaged comes again, counted at the registry."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from images_help import leavings, skopeo
from servers import Server

from tests.conftest import user_mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = [pytest.mark.needs("skopeo"), pytest.mark.once]
BLOBS = "images/blobs/sha256"


class Registry:
    """A registry of what lies in a `dir:` of skopeo, which counts the bytes of blobs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.gone = False
        self.served: list[tuple[str, int]] = []
        self.changed: dict[str, bytes] = {}
        self._server = Server(self._answer)
        self.name = f"{self._server.address}/team/app:1"

    def _answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self.gone:
            return 404, {}, b""
        name = path.rpartition("/")[2]
        if "/manifests/" in path:
            data = (self.directory / "manifest.json").read_bytes()
            kind = "application/vnd.oci.image.manifest.v1+json"
            if b"docker" in data:
                kind = "application/vnd.docker.distribution.manifest.v2+json"
            self.served.append((name, len(data)))
            return 200, {"Content-Type": kind}, data
        file = self.directory / name.partition(":")[2]
        if not file.exists():
            return 404, {}, b""
        data = self.changed.get(name, file.read_bytes())
        self.served.append((name, len(data)))
        return 200, {}, data

    def close(self) -> None:
        self._server.close()


@pytest.fixture(params=["oci", "v2s2"])
def registry(
    request: pytest.FixtureRequest, busybox_image: str, tmp_path: Path
) -> Iterator[Registry]:
    skopeo("copy", "-q", "--format", request.param,
           f"oci:{busybox_image}:busybox:latest", f"dir:{tmp_path}/app")  # fmt: skip
    made = Registry(tmp_path / "app")
    yield made
    made.close()


@pytest.fixture
def pulled(cli: Store, registry: Registry) -> Store:
    cli.ok("pull", "-q", registry.name)
    registry.served.clear()
    return cli


def check(store: Store, *options: str) -> list[str]:
    done = store("system", "check", *options)
    lines = str(done.stdout).splitlines()
    assert done.stderr == ""
    assert done.returncode == (1 if any(line.startswith("damaged") for line in lines) else 0)
    return lines


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_every_blob_is_mended_by_itself(pulled: Store, registry: Registry) -> None:
    """Flipped, cut or gone: exactly that blob is fetched, and is as it was."""
    blobs = sorted(Path(pulled.root, BLOBS).iterdir())
    for number, blob in enumerate(blobs):
        whole = blob.read_bytes()
        blob.chmod(0o644)
        for harm in (flip, lambda path: os.truncate(path, 10), os.unlink):
            harm(blob)
            registry.served.clear()
            lines = check(pulled, "--repair")
            assert len(lines) == 1, (number, lines)
            assert lines[0].startswith(f"repaired: image {registry.name}: blob sha256:"), lines
            assert blob.read_bytes() == whole
            assert len(registry.served) == 1, registry.served
            assert check(pulled) == []
    assert leavings(pulled.root) == []
    pulled.ok("run", "--rm", registry.name, "true")


def test_what_the_registry_has_no_more(pulled: Store, registry: Registry) -> None:
    blob = max(Path(pulled.root, BLOBS).iterdir(), key=lambda path: path.stat().st_size)
    flip(blob)
    damaged = blob.read_bytes()
    registry.gone = True
    (line,) = check(pulled, "--repair")
    assert line.startswith("damaged: ")
    assert "not repaired: " in line
    assert "status 404" in line
    assert "--force removes the image" in line
    registry.gone = False
    registry.changed[f"sha256:{blob.name}"] = b"something else"
    (line,) = check(pulled, "--repair")
    assert "not repaired: " in line
    assert blob.read_bytes() == damaged
    assert leavings(pulled.root) == []
    registry.changed.clear()
    (line,) = check(pulled, "--repair")
    assert line.startswith("repaired: ")
    registry.gone = True
    flip(blob)
    (line,) = check(pulled, "--force")
    assert line.startswith("repaired: ")
    assert pulled.ok("images", "-q") == ""


def test_mirrors_are_asked_as_by_a_pull(cli: Store, registry: Registry, tmp_path: Path) -> None:
    host, _, rest = registry.name.partition("/")
    conf = tmp_path / "registries.conf"
    mirrors = "".join(f'[[registry.mirror]]\nlocation = "{at}"\n' for at in ("127.0.0.1:1", host))
    conf.write_text(f'[[registry]]\nlocation = "hub.invalid"\n{mirrors}')
    cli.env["CONTAINERS_REGISTRIES_CONF"] = str(conf)
    cli.ok("pull", "-q", f"hub.invalid/{rest}")
    for blob in Path(cli.root, BLOBS).iterdir():
        flip(blob)
        (line,) = check(cli, "--repair")
        assert line.startswith(f"repaired: image hub.invalid/{rest}: blob sha256:")
        assert "(" not in line
    registry.gone = True
    flip(max(Path(cli.root, BLOBS).iterdir(), key=lambda path: path.stat().st_size))
    (line,) = check(cli, "--repair")
    assert "127.0.0.1:1: cannot reach" in line
    assert "hub.invalid: cannot reach" in line


HARMS = {
    "flip": "f=bin/busybox; printf x | dd of=$f bs=1 seek=1000 conv=notrunc 2>/dev/null",
    "gone": "rm etc/passwd",
    "more": "echo x > etc/more",
    "mode": "chmod 600 etc/passwd",
    "link": "ln -sfn nowhere bin/sh",
}


@pytest.mark.each
@pytest.mark.parametrize("harm", HARMS)
def test_unpacked_files_are_mended_from_the_blob(
    pulled: Store, registry: Registry, harm: str
) -> None:
    (layer,) = (p for p in Path(pulled.root, "layers").iterdir() if not p.name.startswith("."))
    maps = ["--map-root-user", *(["--map-auto"] if user_mode() == "mapped" else [])]
    inside = ["sh", "-ec", f"cd {layer}/fs; {HARMS[harm]}"]
    subprocess.run(["unshare", *maps, *inside], check=True)
    (line,) = check(pulled)
    assert line.startswith(f"damaged: layer {layer.name[:12]}: /fs/")
    assert check(pulled, "--quick") == []
    (line,) = check(pulled, "--repair")
    assert line.startswith("repaired: layer")
    assert check(pulled) == []
    assert registry.served == []
    assert leavings(pulled.root) == []
    pulled.ok("run", "--rm", registry.name, "sh", "-c", "test -s /etc/passwd")


@pytest.mark.each
def test_a_layer_in_use_is_left_alone(pulled: Store, registry: Registry) -> None:
    pulled.ok("run", "-d", "--name", "web", registry.name, "sleep", "1000")
    (layer,) = (p for p in Path(pulled.root, "layers").iterdir() if not p.name.startswith("."))
    maps = ["--map-root-user", *(["--map-auto"] if user_mode() == "mapped" else [])]
    subprocess.run(["unshare", *maps, "rm", f"{layer}/fs/etc/group"], check=True)
    (line,) = check(pulled, "--repair")
    assert "not repaired: container web runs on it (stop it first)" in line
    pulled.ok("exec", "web", "true")
    pulled.ok("rm", "-f", "web")
    assert check(pulled, "--repair")[0].startswith("repaired: ")
    assert check(pulled) == []
