"""Containers inside containers: our own and podman's, with what those refuse.

The inner rootless is this checkout with its interpreter, shown inside by binds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

REPOSITORY = Path(__file__).resolve().parent.parent
PROFILE = Path("/usr/share/containers/seccomp.json")
NEWER = {"open_tree", "move_mount", "mount_setattr", "fsopen", "fsconfig", "fsmount", "openat2"}


def binds(*, system: bool) -> list[str]:
    """Volumes that show the inner rootless; with `system` also what the interpreter needs."""
    shown = {str(REPOSITORY), sys.prefix, sys.base_prefix} - {"/usr"}
    pairs = [f"{path}:{path}:ro" for path in sorted(shown)]
    if system:
        pairs += ["/usr:/usr:ro"]
        pairs += [
            f"/usr/{name}:/{name}:ro" for name in ("lib", "lib64") if Path("/", name).exists()
        ]
    return [word for pair in pairs for word in ("--volume", pair)]


def environment(root: str) -> list[str]:
    path = f"{os.path.dirname(sys.executable)}:/usr/sbin:/usr/bin:/sbin:/bin"
    values = (f"PATH={path}", f"ROOTLESS_ROOT={root}", "PYTHONDONTWRITEBYTECODE=1", "HOME=/data")
    return [word for value in values for word in ("--env", value)]


class Outer:
    """A way to run a shell script in an outer container that has /data and /image."""

    def __init__(self, command: list[str], env: dict[str, str], data: str) -> None:
        self.command = command
        self.env = env
        self.data = data

    def __call__(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, "sh", "-c", script],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=100,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def ok(self, script: str) -> str:
        done = self(f"set -e; {script}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.rstrip("\n")

    def state(self) -> dict[str, Any]:
        """The state of the one container in /data/root."""
        (state,) = Path(self.data, "root/containers").glob("[0-9a-f]*/state.json")
        found: dict[str, Any] = json.loads(state.read_text())
        return found


def ours(store: Store, data: Path, image: str, *, root: str = "/data/root") -> Outer:
    """One of our own containers around it."""
    volumes = ["--volume", f"{data}:/data", "--volume", f"{data.parent}/image:/image:ro"]
    run = ["run", "--rm", *binds(system=image != "host"), *volumes, *environment(root), image]
    return Outer([*store.command, *run], store.env, str(data))


@pytest.fixture
def data(shared: Store, tmp_path: Path, busybox_image: str) -> Iterator[Path]:
    """A directory for /data, with the image for /image beside it."""
    shutil.copytree(busybox_image, tmp_path / "image")
    (tmp_path / "data").mkdir()
    yield tmp_path / "data"
    shared.ok("unshare", "rm", "-rf", str(tmp_path / "data"))  # it holds files of other ids


# -- in our own


@pytest.mark.parametrize("image", ["host", "busybox"])
def test_in_our_own_container(shared: Store, data: Path, image: str) -> None:
    outer = ours(shared, data, image)
    assert (
        outer.ok(
            "rootless run --rm host id -u; rootless load -q -i /image >/dev/null; "
            "rootless run --rm --user 12:34 busybox id -u"
        )
        == "0\n12"
    )


def test_each_step_down_is_said(shared: Store, data: Path) -> None:
    """No proc, no sysfs, no host name of its own; the rest is as ever."""
    outer = ours(shared, data, "host")
    script = (
        "rootless load -q -i /image >/dev/null; rootless run --name c busybox sh -c "
        "'test -d /proc/$$ && readlink /proc/$$/exe; ls /sys | grep -c kernel; touch /proc/sys/x'"
        "|| true; rootless --debug start c 2>&1 | grep -o 'degraded: [a-z]*' | tr '\\n' ' '"
    )
    said = outer.ok(script)
    words = "degraded: pid degraded: network degraded: hostname degraded: proc degraded: sysfs"
    assert said.split("\n")[:2] == ["/bin/busybox", "1"]
    assert said.split("\n")[-1].startswith(words)
    degraded = [text.partition(":")[0] for text in outer.state()["degraded"]]
    assert degraded[:5] == ["pid", "network", "hostname", "proc", "sysfs"]
    # The outer cgroup tree, if it has one, shows through with its /sys.
    has_tree = " /sys/fs/cgroup cgroup2" in outer.ok("cat /proc/mounts")
    assert degraded[5:] == ([] if has_tree else ["cgroup"])


def test_life_goes_on_inside(shared: Store, data: Path) -> None:
    """Detached, exec, logs, stop and rm in a shared pid namespace; nothing is left running."""
    outer = ours(shared, data, "host")
    script = (
        "rootless run -d --name c host sh -c 'echo out; sleep 100 & sleep 100' >/dev/null; "
        "rootless exec c sh -c 'echo in'; rootless logs c; rootless ps -q | wc -l; "
        "rootless stop -t 1 c; rootless rm c; sleep 0.2; "
        "cat /proc/[0-9]*/comm | grep -c -e sleep -e rootless || true"
    )
    assert outer.ok(script).split("\n") == ["in", "out", "1", "c", "c", "0"]


@pytest.mark.parametrize("image", ["host", "busybox"])
def test_a_store_where_no_overlay_can_be(shared: Store, data: Path, image: str) -> None:
    """On the outer container's own root; the FUSE device is neither there nor missed."""
    outer = ours(shared, data, image, root="/store")
    script = (
        "test ! -e /dev/fuse; mkdir -p /tmp; rootless load -q -i /image >/dev/null; "
        "rootless run --rm busybox sh -c 'rm /bin/ls; echo gone'; "
        "rootless run --rm busybox sh -c 'test -e /bin/ls && echo there'; "
        "cut -d' ' -f1 /store/driver"
    )
    said = outer.ok(script).split("\n")
    assert said[:2] == ["gone", "there"]
    assert said[2] == "copy" or image == "host"  # a tmpfs can hold an upper layer since Linux 6.6


def test_three_deep(shared: Store, data: Path) -> None:
    inner = " ".join([*binds(system=False), *environment("/data/deeper")])
    script = f"rootless run --rm {inner} --volume /data:/data host rootless run --rm host id -u"
    assert ours(shared, data, "host").ok(script) == "0"


# -- in podman's


class Podman:
    """Another engine's container, with a store of its own and the profile that it comes with."""

    def __init__(self, archive: str) -> None:
        self.directory = tempfile.mkdtemp(prefix="rl-")
        os.mkdir(f"{self.directory}/run", 0o700)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": f"{self.directory}/run"}
        self.command = ["podman", "--root", f"{self.directory}/root"]
        self.command += ["--runroot", f"{self.directory}/runroot"]
        self.command += ["--tmpdir", f"{self.directory}/tmp", "--storage-driver", "overlay"]
        self.command += ["--cgroup-manager=cgroupfs", "--events-backend=file", "--log-level=error"]
        if shutil.which("runc"):  # crun refuses machines with a hybrid cgroup tree
            self.command += ["--runtime", "runc"]
        self.command += ["--storage-opt", "ignore_chown_errors=true"]
        load = subprocess.run(
            [*self.command, "load", "--input", archive],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        self.problem = load.stderr if load.returncode else self._try()

    def _try(self) -> str:
        run = [*self.command, "run", "--rm", "--network", "none", "busybox", "true"]
        done = subprocess.run(run, env=self.env, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""

    def around(self, data: Path, *options: str, root: str = "/data/root") -> Outer:
        volumes = ["--volume", f"{data}:/data", "--volume", f"{data.parent}/image:/image:ro"]
        run = ["run", "--rm", "--network", "none", *options, *binds(system=True), *volumes]
        return Outer([*self.command, *run, *environment(root), "busybox"], self.env, str(data))

    def remove(self) -> None:
        pause = Path(self.directory, "tmp/pause.pid")  # the process that keeps its namespace
        pid = int(pause.read_text()) if pause.exists() else 0
        for words in (["rm", "-af"], ["unshare", "rm", "-rf", f"{self.directory}/root"]):
            subprocess.run([*self.command, *words], env=self.env, capture_output=True, check=False)
        if pid:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory)


@pytest.fixture(scope="module")
def podman(busybox_archive: str) -> Iterator[Podman]:
    engine = Podman(busybox_archive)
    try:
        if engine.problem:
            pytest.skip(f"podman runs nothing here: {engine.problem.strip()[-200:]}")
        yield engine
    finally:
        engine.remove()


NEEDS = pytest.mark.needs("podman", "skopeo")


@NEEDS
def test_in_podmans_container(podman: Podman, data: Path) -> None:
    """Ordinary options: no --privileged, no device, its own seccomp profile."""
    script = (
        "mkdir -p /tmp; rootless run --rm host id -u; rootless load -q -i /image >/dev/null; "
        "rootless run -d --name c busybox sleep 100 >/dev/null; "
        "rootless exec c sh -c 'test -d /proc/$$ && ls / | wc -l'; rootless kill c; "
        "rootless run --rm --user 1000 busybox id -u"
    )
    said = podman.around(data).ok(script).split("\n")
    assert said[0] == "0"
    assert int(said[1]) > 5
    assert said[3] == "1000"


@NEEDS
def test_what_podman_refuses_is_said(podman: Podman, data: Path) -> None:
    outer = podman.around(data)
    outer.ok("mkdir -p /tmp; rootless run --name c host true")
    degraded = json.loads(outer.ok("rootless inspect c"))[0]["State"]["Degraded"]
    assert outer.state()["degraded"] == degraded
    assert "nested: containers share" in outer.ok("rootless info")
    first = [text.partition(":")[0] for text in degraded][:5]
    assert first == ["pid", "network", "hostname", "proc", "sysfs"]


@NEEDS
def test_on_podmans_own_root(podman: Podman, data: Path) -> None:
    script = (
        "mkdir -p /tmp; test ! -e /dev/fuse; rootless load -q -i /image >/dev/null; "
        "rootless run --rm busybox cat /etc/passwd | head -c 5; cut -d' ' -f1 /store/driver"
    )
    assert podman.around(data, root="/store").ok(script) == "root:copy"


@NEEDS
def test_as_an_ordinary_user_of_podmans_container(podman: Podman, data: Path) -> None:
    """No capability is left there, and no subordinate ids."""
    data.chmod(0o777)
    outer = podman.around(data, "--user", "1234:1234", "--userns", "keep-id")
    done = outer("id -u; rootless run --rm host id -u")
    if "keep-id" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout == "1234\n0\n", done.stderr


def profile(tmp_path: Path, without: set[str]) -> str:
    """podman's own profile without some system calls, as a `--security-opt` argument."""
    document = json.loads(PROFILE.read_text())
    for rule in document["syscalls"]:
        if rule["action"] == "SCMP_ACT_ALLOW":
            rule["names"] = [name for name in rule["names"] if name not in without]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(document))
    return f"seccomp={path}"


@NEEDS
@pytest.mark.skipif(not PROFILE.exists(), reason="podman's profile is not installed")
def test_below_an_older_profile(podman: Podman, data: Path, tmp_path: Path) -> None:
    outer = podman.around(data, "--security-opt", profile(tmp_path, NEWER))
    tried = "'touch /etc/x || touch /tmp/x && ls /tmp'"
    script = f"rootless run --rm --read-only --read-only-tmpfs host sh -c {tried}"
    assert outer.ok(f"mkdir -p /tmp; {script} 2>/dev/null") == "x"


@NEEDS
@pytest.mark.skipif(not PROFILE.exists(), reason="podman's profile is not installed")
def test_where_the_outer_engine_forbids_namespaces(
    podman: Podman, data: Path, tmp_path: Path
) -> None:
    """As docker's default profile does: one line with cause and mend, and no half container."""
    refused = {"unshare", "setns", "mount", "umount2", "pivot_root", "clone3"}
    outer = podman.around(data, "--security-opt", profile(tmp_path, NEWER | refused))
    done = outer("mkdir -p /tmp; rootless run --rm host true")
    assert done.returncode == 125
    assert "a seccomp filter of an outer container forbids it" in done.stderr
    assert "--security-opt seccomp=unconfined" in done.stderr
    assert len(done.stderr.splitlines()) == 1
