"""`import`: a root file system from file, pipe and web, and changes to the configuration."""

from __future__ import annotations

import bz2
import gzip
import http.server
import lzma
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from archives import digest, layer
from images_help import content

from rootless.build.changing import changed_by
from rootless.errors import UsageError
from rootless.oci.errors import Error, InvalidReference, LayerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Store

    from rootless.images.collection import Images

ROOT = layer({"etc/": b"", "etc/hello": b"hi\n"})


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstandard.compress, bz2.compress, lzma.compress]
)
@pytest.mark.as_root
def test_import_of_a_file(
    images: Images, as_file: Callable[[bytes], str], pack: Callable[[bytes], bytes]
) -> None:
    image = images.import_(
        as_file(pack(ROOT)), "mine:1", message="as it was", platform="linux/arm/v7"
    )
    assert image.names == ["docker.io/library/mine:1"]
    assert image.platform == "linux/arm/v7"
    assert image.config["history"][0]["comment"] == "as it was"
    assert image.config["rootfs"]["diff_ids"] == [digest(ROOT)]
    (directory,) = image.lowers()
    assert content(directory, "etc/hello") == b"hi\n"
    assert image.size == len(ROOT)


def test_import_from_a_pipe_without_a_name(cli: Store) -> None:
    done = cli("import", "-", input=gzip.compress(ROOT), text=False)
    assert done.returncode == 0, done.stderr
    image_id = done.stdout.decode().strip()
    assert cli.ok("images", "--quiet", "--no-trunc") == image_id
    assert cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}") == "<none>:<none>"


def test_import_from_the_web(cli: Store, tmp_path: Path) -> None:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "root.tar.gz").write_bytes(gzip.compress(ROOT))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        cli.ok("import", f"{url}/root.tar.gz", "web:1")
        done = cli("import", f"{url}/none.tar", "web:2")
        server.shutdown()
        thread.join()
    assert done.returncode == 1
    assert f"cannot download {url}/none.tar: status 404" in done.stderr
    assert cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}") == "web:1"


@pytest.mark.parametrize(
    "data",
    [b"no tar" * 200, gzip.compress(ROOT)[:-30], ROOT[:700]],
    ids=["text", "short gzip", "short tar"],
)
def test_what_is_no_tar_leaves_nothing(
    images: Images, as_file: Callable[[bytes], str], data: bytes
) -> None:
    with pytest.raises(Error) as caught:
        images.import_(as_file(data), "x")
    assert isinstance(caught.value, LayerError) or "gzip" in caught.value.message
    assert images.list() == []


def test_bad_requests(images: Images, as_file: Callable[[bytes], str], tmp_path: Path) -> None:
    for source, ref, lines in (
        (str(tmp_path / "none"), "x", []),
        (as_file(ROOT), "x", ["FROM y"]),
        (as_file(ROOT), "x@" + digest(b""), []),
    ):
        with pytest.raises((UsageError, InvalidReference)):
            images.import_(source, ref, change=changed_by(lines))
