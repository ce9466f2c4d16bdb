"""The images of the benchmarks, made by other people's tools; kept in ~/.cache/rootless-bench."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rootless-bench"


class Missing(Exception):
    """A tool that a benchmark needs is not here; the message names it."""


def need(*tools: str) -> None:
    """Raise Missing for the first of `tools` that is not installed."""
    for tool in tools:
        if not (os.path.exists(tool) if tool.startswith("/") else shutil.which(tool)):
            raise Missing(f"{tool} is not installed")


def run(*argv: str) -> None:
    """Run a tool that must succeed."""
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr}")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a directory to build in, on the file system of the cache."""
    return tempfile.TemporaryDirectory(dir=CACHE, prefix="new-")


def busybox_tree() -> Path:
    """Return a directory with busybox and its applets."""
    need("/bin/busybox")
    tree = CACHE / "busybox-tree"
    if not tree.exists():
        with scratch() as directory:
            new = Path(directory) / "tree"
            for name in ("bin", "etc", "tmp", "proc", "dev", "sys"):
                (new / name).mkdir(parents=True)
            shutil.copy("/bin/busybox", new / "bin")
            listed = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True)
            for applet in set(listed.stdout.split()) - {"busybox"}:
                (new / "bin" / applet).symlink_to("busybox")
            new.rename(tree)
    return tree


def busybox() -> Path:
    """Return busybox as a docker archive."""
    archive = CACHE / "busybox.tar"
    if not archive.exists():
        with scratch() as directory:
            image = _image_of(busybox_tree(), directory)
            run("umoci", "config", "--image", image, "--config.cmd", "sh")
            docker_archive(f"oci:{image}", archive, "busybox:latest")
    return archive


def many(count: int) -> list[Path]:
    """Return `count` docker archives of small images that differ in a label."""
    archives = [CACHE / f"many-{number}.tar" for number in range(count)]
    if not all(archive.exists() for archive in archives):
        with scratch() as directory:
            image = _image_of(busybox_tree() / "etc", directory)
            for number, archive in enumerate(archives):
                run("umoci", "config", "--image", image, "--config.label", f"number={number}")
                docker_archive(f"oci:{image}", archive, f"many-{number}:latest")
    return archives


def debian() -> Path:
    """Return a Debian of about 170 MB as a docker archive with one uncompressed layer."""
    archive = CACHE / "debian.tar"
    if not archive.exists():
        need("mmdebstrap")
        with scratch() as directory:
            tree = f"{directory}/tree.tar"
            run("mmdebstrap", "--mode=unshare", "--variant=minbase", "bookworm", tree)
            image = _image_of(None, directory)
            run("umoci", "raw", "add-layer", "--image", image, tree)
            docker_archive(f"oci:{image}", archive, "debian:bench")
    return archive


def _image_of(tree: Path | None, directory: str) -> str:
    """Make an OCI image in `directory` with the files of `tree`; return its LAYOUT:NAME."""
    need("umoci", "skopeo")
    layout = f"{directory}/layout"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:1")
    if tree:
        run("umoci", "insert", "--rootless", "--image", f"{layout}:1", str(tree), "/")
    return f"{layout}:1"


def docker_archive(source: str, archive: Path, name: str) -> None:
    """Write an image of `source` to a docker archive."""
    new = f"{archive}.{os.getpid()}"
    run("skopeo", "copy", "-q", "--insecure-policy", source, f"docker-archive:{new}:{name}")
    os.rename(new, archive)
