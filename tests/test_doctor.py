"""rootless doctor on this machine, and where something is missing or broken for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.doctor.session import Remedies
from rootless.runtime.userns import identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

REPOSITORY = Path(__file__).resolve().parent.parent
NEEDS = [
    "kernel",
    "surroundings",
    "seccomp",
    "tun",
    "user namespaces",
    "apparmor",
    "subordinate ids",
    "newuidmap",
    "identity",
    "proc",
    "store",
    "extended attributes",
    "space",
    "overlay",
    "fuse",
    "runtime directory",
    "cgroups",
    "linger",
]


class Findings(dict[str, dict[str, str]]):
    """What `doctor --json` printed, by need, and the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__((finding["need"], finding) for finding in json.loads(text))
        self.code = code


@pytest.fixture
def scratch(cli: Store) -> Iterator[Path]:
    """A TMPDIR for the doctor, empty again after it."""
    directory = Path(tempfile.mkdtemp(prefix="doctor-"))
    cli.env["TMPDIR"] = str(directory)
    yield directory
    assert list(directory.iterdir()) == []
    directory.rmdir()


def examine(cli: Store, *before: str, **env: str) -> Findings:
    """Run `doctor --json`, behind the words of `before` (unshare ..., setpriv ...)."""
    done = subprocess.run(
        [*before, *cli.command, "doctor", "--json"],
        env={**cli.env, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return Findings(done.returncode, done.stdout)


def as_root_inside(cli: Store, script: str, **env: str) -> Findings:
    """Run `script`, then the doctor, as root of a user and a mount namespace."""
    before = ("unshare", "--map-root-user", "--mount", "sh", "-ec", f'{script}\nexec "$@"', "sh")
    return examine(cli, *before, **env)


def test_on_this_machine(cli: Store, scratch: Path, in_user_mode: str) -> None:
    findings = examine(cli)
    assert list(findings) == NEEDS
    assert findings.code == 0
    assert f"mode {in_user_mode}," in findings["identity"]["found"]
    assert findings["store"]["level"] == "ok"
    assert findings["runtime directory"]["found"] == f"{cli.runtime}/rootless"
    for finding in findings.values():
        assert sorted(finding) == ["effect", "found", "level", "need", "remedy"]
        assert finding["level"] in ("ok", "degraded")
        assert finding["found"]
        if finding["level"] == "degraded":
            assert finding["effect"]


def test_nothing_is_left_behind(cli: Store, scratch: Path) -> None:
    before = set(os.listdir(cli.directory))
    with open("/proc/self/mounts") as file:
        mounts = file.read()
    examine(cli)
    assert set(os.listdir(cli.directory)) == before
    assert os.listdir(cli.runtime) == []
    with open("/proc/self/mounts") as file:
        assert file.read() == mounts


def test_the_text_names_effects_and_remedies(cli: Store) -> None:
    done = cli("doctor", env={"XDG_RUNTIME_DIR": ""})
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if "runtime directory:" in line)
    assert lines[start] == "degraded  runtime directory: XDG_RUNTIME_DIR is not set"
    assert "-> export XDG_RUNTIME_DIR=" in lines[start + 2]


# Identities


def test_without_any_user_namespace(cli: Store, scratch: Path) -> None:
    findings = as_root_inside(cli, "echo 0 > /proc/sys/user/max_user_namespaces")
    assert findings.code == 1
    finding = findings["user namespaces"]
    assert finding["level"] == "blocked"
    assert finding["found"] == "unshare: No space left on device"
    assert "user.max_user_namespaces=15000" in finding["remedy"]
    assert findings["identity"]["level"] == "blocked"
    assert findings["overlay"]["level"] == "degraded"


def test_under_unshare_there_is_one_id(cli: Store, scratch: Path) -> None:
    findings = as_root_inside(cli, "")
    assert findings.code == 0
    assert findings["identity"]["found"] == "mode single, 1 user id"
    assert findings["identity"]["level"] == "degraded"


@pytest.mark.modes("single")
def test_without_subordinate_ids(cli: Store) -> None:
    finding = examine(cli)["subordinate ids"]
    assert finding["level"] == "degraded"
    assert "/etc/subuid" in finding["found"]
    first, last = finding["remedy"].split("--add-subuids ")[1].split()[0].split("-")
    assert int(last) - int(first) == 65535
    for line in Path("/etc/subuid").read_text().splitlines():
        _, start, count = line.split(":")
        assert int(start) + int(count) <= int(first)


@pytest.mark.modes("mapped")
def test_with_subordinate_ids(cli: Store) -> None:
    findings = examine(cli)
    (first, count), *_ = identity.subordinate("/etc/subuid", os.getuid())
    assert f"uids {first}-{first + count - 1}" in findings["subordinate ids"]["found"]
    assert findings["newuidmap"]["level"] == "ok"


@pytest.mark.modes("mapped", "single")
@pytest.mark.needs("newuidmap")
def test_a_helper_that_lost_its_privilege(cli: Store, tmp_path: Path) -> None:
    copy = tmp_path / "newuidmap"
    copy.write_bytes(Path("/usr/bin/newuidmap").read_bytes())
    copy.chmod(0o755)
    findings = examine(cli, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert findings["newuidmap"]["found"] == (
        f"{copy} is neither set-uid root nor has file capabilities"
    )
    assert findings["newuidmap"]["remedy"] == f"sudo chown root {copy} && sudo chmod u+s {copy}"
    assert findings.code == 0
    assert findings["identity"]["found"] == "mode single, 1 user id"


@pytest.mark.modes("mapped", "single")
@pytest.mark.needs("newuidmap", "setpriv")
def test_no_new_privs(cli: Store) -> None:
    findings = examine(cli, "setpriv", "--no-new-privs")
    assert "no_new_privs" in findings["newuidmap"]["found"]
    assert findings["newuidmap"]["level"] == "degraded"
    assert findings["identity"]["found"] == "mode single, 1 user id"
    assert findings.code == 0


def test_an_identity_that_cannot_be_had(cli: Store) -> None:
    unknown = examine(cli, ROOTLESS_IDENTITY="king")
    assert unknown.code == 1
    assert "ROOTLESS_IDENTITY=king" in unknown["identity"]["found"]
    assert unknown["identity"]["remedy"] == "export ROOTLESS_IDENTITY=single"


APPARMOR = """
import sys
from rootless.doctor import ids
ids._RESTRICTED = sys.argv[1]
finding = ids.apparmor()
print(finding.level, finding.found, finding.remedy, sep="\\n")
"""


def test_ubuntus_apparmor(tmp_path: Path) -> None:
    """The setting as Ubuntu has it; the attempt fails for real, though for another reason."""
    setting = tmp_path / "apparmor_restrict_unprivileged_userns"
    setting.write_text("1\n")
    ask = [sys.executable, "-c", APPARMOR, str(setting)]
    done = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ok\nrestricts user namespaces, but not those of /")
    no_more = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "sh", "-c", no_more, "sh", *ask],
        capture_output=True,
        text=True,
        check=True,
    )
    program = os.path.realpath(sys.executable)
    assert done.stdout.startswith("blocked\nkernel.apparmor_restrict_unprivileged_userns=1")
    assert f"\nprofile rootless {program} flags=(unconfined) {{\n  userns,\n" in done.stdout
    assert "sudo apparmor_parser -r /etc/apparmor.d/rootless" in done.stdout


# The store


def test_a_read_only_store(cli: Store, scratch: Path) -> None:
    os.mkdir(cli.root)
    script = f"mount --bind {cli.root} {cli.root}; mount -o remount,bind,ro {cli.root}"
    findings = as_root_inside(cli, script)
    assert findings.code == 1
    assert findings["store"]["level"] == "blocked"
    assert findings["store"]["found"].endswith(": Read-only file system")
    assert "ROOTLESS_ROOT" in findings["store"]["remedy"]
    assert findings["overlay"]["found"] == "not tried"


def test_a_store_on_which_nothing_can_be_executed(cli: Store) -> None:
    os.mkdir(cli.root)
    findings = as_root_inside(cli, f"mount -t tmpfs -o noexec none {cli.root}")
    assert findings.code == 1
    assert findings["store"]["found"] == f"{cli.root} on tmpfs, mounted noexec"


def test_a_small_store_in_memory(cli: Store) -> None:
    os.mkdir(cli.root)
    findings = as_root_inside(cli, f"mount -t tmpfs -o size=8m none {cli.root}")
    assert findings.code == 0
    assert findings["store"]["found"] == f"{cli.root} on tmpfs"
    assert findings["store"]["effect"] == "it is memory, and gone after the next boot"
    assert findings["space"]["level"] == "degraded"
    assert findings["space"]["found"].startswith("0.0 GiB free")


def test_a_store_that_takes_no_attributes(cli: Store) -> None:
    """ramfs has no user.* attributes, so there is no overlay with its upper layer on it."""
    os.mkdir(cli.root)
    script = f"mount -t ramfs none {cli.root} || mount -t tmpfs -o nr_inodes=100 none {cli.root}"
    findings = as_root_inside(cli, script)
    if "ramfs" not in findings["store"]["found"]:
        pytest.skip("ramfs cannot be mounted in a user namespace here")
    assert findings["extended attributes"]["level"] == "degraded"
    assert findings["overlay"]["level"] == "degraded"


def test_a_store_on_overlay(cli: Store) -> None:
    """The store of a nested engine mostly lies on the outer container's overlay."""
    base = f"{cli.directory}/o"
    for name in ("", "/lower", "/upper", "/work"):
        os.mkdir(base + name)
    os.mkdir(cli.root)
    options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work,userxattr"
    findings = as_root_inside(cli, f"mount -t overlay -o {options} none {cli.root}")
    assert findings.code == 0
    assert "on overlay" in findings["store"]["found"]
    overlay = findings["overlay"]
    assert overlay["level"] == "ok" or "upper layer on overlay" in overlay["found"]
    assert overlay["level"] == "ok" or overlay["effect"]


def test_a_store_where_none_can_be(cli: Store) -> None:
    for path in ("/proc/store", "/etc/passwd/store", "/etc/passwd"):
        findings = as_root_inside(cli, "", ROOTLESS_ROOT=path)
        assert findings.code == 1
        assert findings["store"]["level"] == "blocked"


# The session


def test_a_runtime_directory_that_others_may_write(cli: Store) -> None:
    os.chmod(cli.runtime, 0o777)
    finding = examine(cli)["runtime directory"]
    assert finding["found"] == f"{cli.runtime} is missing or not yours alone"
    assert f"/tmp/rootless-{os.getuid()} is used" in finding["effect"]
    os.rmdir(cli.runtime)
    assert examine(cli)["runtime directory"]["level"] == "degraded"
    os.mkdir(cli.runtime, 0o700)
    os.mkdir(f"{cli.runtime}/rootless", 0o777)
    os.chmod(f"{cli.runtime}/rootless", 0o777)
    blocked = examine(cli)
    assert blocked.code == 1
    assert blocked["runtime directory"]["level"] == "blocked"


@pytest.mark.parametrize(
    ("systemd", "inside", "words"),
    [
        (True, True, ("systemd.unified", "systemctl", "systemctl")),
        (True, False, ("systemd.unified", "systemctl", "systemctl")),
        (False, True, ("outer container", "outer container", "outer container where")),
        (
            False,
            False,
            ("mount -t cgroup2", "mkdir /sys/fs/cgroup/me", "'+cpu +io' | sudo tee /a/"),
        ),
    ],
)
def test_ways_to_cgroups_are_those_of_the_machine(
    systemd: bool, inside: bool, words: tuple[str, str, str]
) -> None:
    way = Remedies("me", systemd=systemd, inside=inside)
    said = (way.unmounted(), way.undivided(), way.partial("/a/b", ["cpu", "io"]))
    for text, word in zip(said, words, strict=True):
        assert word in text
        assert ("systemctl" in text or "systemd" in text) == systemd


def test_systemd_is_named_where_it_is(cli: Store) -> None:
    findings = examine(cli)
    there = os.path.isdir("/run/systemd/system")
    assert there or not any("systemd" in finding["remedy"] for finding in findings.values())


# Inside an engine's container


def podman(cli: Store, rootfs: Path, *options: str) -> Findings:
    """Run the doctor in podman's container, whose root is made of binds of ours."""
    binds = {"/usr", "/etc", str(REPOSITORY), sys.prefix, sys.base_prefix}
    volumes = [f"--volume={path}:{path}:ro" for path in sorted(binds)]
    engine = [
        "podman",
        f"--root={cli.directory}/podman",
        f"--runroot={cli.directory}/podman-run",
        "--storage-driver=vfs",
        "--cgroup-manager=cgroupfs",
        *(["--runtime=runc"] if os.path.exists("/usr/sbin/runc") else []),
    ]
    run = ["run", "--rm", "--network=none", *volumes, "--env=HOME=/tmp", *options]
    done = subprocess.run(
        [*engine, *run, "--rootfs", str(rootfs), *cli.command, "doctor", "--json"],
        env=cli.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if not done.stdout.startswith("["):
        pytest.skip(f"podman does not run here: {done.stderr[-200:]}")
    return Findings(done.returncode, done.stdout)


@pytest.fixture
def rootfs(cli: Store) -> Path:
    root = Path(cli.directory) / "rootfs"
    root.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("usr", "etc", "proc", "sys", "dev", "tmp", "run", "var"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    for directory in (cli.directory, root):
        os.chmod(directory, 0o755)
    return root


@pytest.mark.needs("podman")
@pytest.mark.modes("mapped", "single")
def test_inside_podman(cli: Store, rootfs: Path) -> None:
    findings = podman(cli, rootfs)
    assert findings.code == 0
    assert findings["surroundings"]["found"].startswith("inside ")
    assert findings["proc"]["found"] == "mount: Operation not permitted"
    assert "unmask=ALL" in findings["proc"]["remedy"]
    assert findings["tun"]["remedy"].endswith("--device /dev/net/tun")
    unmasked = podman(cli, rootfs, "--security-opt=unmask=ALL")
    assert unmasked["proc"]["level"] == "ok"


@pytest.mark.needs("podman")
@pytest.mark.modes("mapped")
def test_as_a_user_inside_podman(cli: Store, rootfs: Path) -> None:
    findings = podman(cli, rootfs, "--user=1000", "--security-opt=no-new-privileges")
    assert findings.code == 0
    assert findings["identity"]["found"] == "mode single, 1 user id"
    assert findings["surroundings"]["level"] == "degraded"
    assert "no_new_privs" in findings["surroundings"]["found"]
