"""The steps that build a tree, each by itself in a namespace of its own, and what they refuse."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootless.errors import LaunchError
from rootless.linux import mount as m
from rootless.runtime.tree import operations as op
from rootless.runtime.tree.tree import Tree
from rootless.runtime.userns.worker import call
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from tests.conftest import Store

DENIED = Path(__file__).with_name("denied.py")


def tree_at(base: str) -> Tree:
    op.Isolate().apply(Tree("single"))
    m.mount("tmpfs", base, "tmpfs")
    tree = Tree("single")
    tree.enter(base)
    return tree


@pytest.fixture
def inside(rootless_root: str, tmp_path: Path) -> Any:
    """Run a function in the user namespace, with an empty directory as its first argument."""
    return lambda function, *rest: call(Paths(), function, str(tmp_path), *rest)


# -- targets


def make_targets(base: str) -> list[str]:
    outside = f"{base}.outside"
    tree = tree_at(base)
    os.symlink("/../../../../../../.." + outside, f"{base}/escape")
    os.symlink("/made/by/link", f"{base}/dangling")
    os.symlink("loop", f"{base}/loop")
    for path in ("/a/b/c", "/escape/below", "/dangling/deeper", "/a/../../../top"):
        os.close(tree.target(path))
    os.close(tree.target("/a/file", directory=False))
    os.close(tree.target("/dangling", directory=False))
    assert not os.path.exists(outside)
    for path in ("/loop", "/loop/x"):
        with pytest.raises(OSError, match="symbolic links"):
            tree.target(path)
    below = (Path(base) / "x").parent
    return sorted(str(path.relative_to(base)) for path in below.rglob("*") if not path.is_symlink())


def test_mount_points_are_made_inside(inside: Any, tmp_path: Path) -> None:
    found = inside(make_targets)
    outside = f"{tmp_path}.outside"[1:]
    parts = outside.split("/")
    way = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    expected = ["a", "a/b", "a/b/c", "a/file", "top", *way, f"{outside}/below"]
    expected += ["made", "made/by", "made/by/link", "made/by/link/deeper"]
    assert found == sorted(expected)


def refuse_mount_point(base: str) -> list[str]:
    tree = tree_at(base)
    os.mkdir(f"{base}/etc")
    m.mount("none", base, "", m.MS_REMOUNT | m.MS_RDONLY)
    source = "/etc/passwd"
    op.Bind(source, "/etc/hosts", ["bind", "rprivate"]).apply(tree)
    with pytest.raises(LaunchError) as caught:
        op.Bind(source, "/etc/hosts", ["rbind", "rprivate"]).apply(tree)
    assert caught.value.message == "cannot make the mount point /etc/hosts: Read-only file system"
    with pytest.raises(LaunchError):
        op.Bind(source, "/etc/other", ["bind"]).apply(tree)
    return tree.degraded


def test_what_cannot_be_made_on_a_read_only_root(inside: Any) -> None:
    """The engine's own files are left out, and said so; what the user wants is an error."""
    (text,) = inside(refuse_mount_point)
    assert text.startswith("/etc/hosts: left out, cannot make the mount point")


# -- tmpfs


def copy_up_tmpfs(base: str) -> list[Any]:
    tree = tree_at(base)
    facts = []
    for number, words in enumerate((["tmpcopyup"], ["tmpcopyup", "mode=0700"], [])):
        directory = Path(base, str(number))
        directory.mkdir()
        (directory / "file").write_text("from the image")
        directory.chmod(0o1775)
        op.Tmpfs("tmpfs", f"/{number}", words).apply(tree)
        facts.append([stat.S_IMODE(directory.stat().st_mode), os.listdir(directory)])
    return facts


def test_a_tmpfs_may_begin_with_the_images_files(inside: Any) -> None:
    assert inside(copy_up_tmpfs) == [[0o1775, ["file"]], [0o700, ["file"]], [0o1777, []]]


# -- masks


def hide(base: str) -> list[Any]:
    tree = tree_at(base)
    Path(base, "dir").mkdir()
    for name in ("file", "dir/file"):
        Path(base, name).write_text("secret")
    for path in ("/file", "/dir", "/not there"):
        op.Mask(path).apply(tree)
    op.ReadOnly("/not there").apply(tree)
    with pytest.raises(OSError, match="Read-only"):
        Path(base, "dir/new").touch()
    return [Path(base, "file").read_text(), os.listdir(f"{base}/dir")]


def test_masked_paths_show_nothing(inside: Any) -> None:
    assert inside(hide) == ["", []]


def test_paths_are_read_only_with_all_below(shared: Store) -> None:
    script = "echo 1 >/proc/sys/kernel/hostname || touch /proc/sys/x || echo refused"
    assert shared.ok("run", "--rm", "busybox", "sh", "-c", f"({script}) 2>/dev/null") == "refused"


def test_a_read_only_root(shared: Store, tmp_path: Path) -> None:
    script = "touch /x || touch /etc/x || touch /tmp/ok /run/ok /v/ok && ls /tmp /run"
    run = ["run", "--rm", "--read-only", "--read-only-tmpfs", "-v", f"{tmp_path}:/v", "busybox"]
    done = shared(*run, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "/run:\nok\n\n/tmp:\nok\n"
    assert done.stderr.count("Read-only file system") == 2
    assert os.listdir(tmp_path) == ["ok"]


# -- kernels and filters without the newer calls


def denied(store: Store, number: str, calls: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run rootless below a filter that answers `calls` with an error."""
    return subprocess.run(
        [sys.executable, str(DENIED), number, calls, *store.command, *args],
        env=store.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


NEWER = "open_tree,move_mount,mount_setattr,openat2,fsopen,fsconfig,fsmount"


@pytest.mark.parametrize("number", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("image", ["busybox", "host"])
def test_without_the_newer_calls(shared: Store, tmp_path: Path, number: str, image: str) -> None:
    (tmp_path / "file").write_text("text")
    options = ["--rm", "--read-only", "--read-only-tmpfs"]
    options += ["--volume", f"{tmp_path}:/tmp/v:ro", "--user", "1234"]
    script = "touch /etc/x; touch /tmp/v/x; cat /tmp/v/file; id -u"
    done = denied(shared, number, NEWER, "run", *options, image, "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("text1234\n", 0), done.stderr
    assert done.stderr.count("Read-only file system") == 2


def test_without_mount_setattr_alone(shared: Store) -> None:
    done = denied(shared, "ENOSYS", "mount_setattr", "run", "--rm", "host", "touch", "/usr/x")
    assert "Read-only file system" in done.stderr


def test_where_nothing_may_be_mounted(shared: Store) -> None:
    done = denied(shared, "EPERM", "mount", "run", "--rm", "host", "true")
    assert done.returncode == 125
    assert done.stderr.startswith("Error: cannot mount anything here: Operation not permitted")
    assert "seccomp=unconfined" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_where_user_namespaces_are_filtered(shared: Store) -> None:
    done = denied(shared, "EPERM", "unshare", "run", "--rm", "host", "true")
    assert done.returncode == 125
    assert "cannot make a user namespace: Operation not permitted, a seccomp filter" in done.stderr


# -- namespaces that cannot be had


def limited(store: Store, name: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run rootless in a user namespace that may hold no namespaces of a kind."""
    script = f'echo 0 >/proc/sys/user/max_{name}_namespaces && exec "$@"'
    return subprocess.run(
        ["unshare", "--map-root-user", "sh", "-c", script, "-", *store.command, *args],
        env=store.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("kind", "name"), [("net", "network"), ("uts", "uts"), ("ipc", "ipc"), ("cgroup", "cgroup")]
)
def test_a_hardened_kernel(cli: Store, kind: str, name: str) -> None:
    """The outer namespace is kept and that is written down; exec finds its way in."""
    script = f"readlink /proc/self/ns/{kind}"
    command = ["run", "--detach", "--name", "c", "host", "sh", "-c", f"{script}; sleep 100"]
    done = limited(cli, kind, *command)
    assert done.returncode == 0, done.stderr
    outer = os.readlink(f"/proc/self/ns/{kind}")
    (state,) = Path(cli.root, "containers").glob("[0-9a-f]*/state.json")
    degraded = json.loads(state.read_text())["degraded"]
    shared = f"{name}: the outer namespace is shared, a new one was refused: "
    assert f"{shared}No space left on device" in degraded
    assert cli.ok("exec", "c", "sh", "-c", script) == outer
    cli.ok("rm", "--force", "c")


def test_a_network_of_its_own_is_not_dropped_silently(cli: Store) -> None:
    done = limited(cli, "net", "run", "--rm", "--network", "none", "host", "true")
    assert done.returncode == 125
    assert "cannot make a network namespace: No space left on device" in done.stderr
    assert "user.max_net_namespaces" in done.stderr
    assert "--network host" in done.stderr
