"""run: the options that few need, as the container's process meets them."""

from __future__ import annotations

import base64
import os
import pwd
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.containers.test_run import inside

if TYPE_CHECKING:
    from conftest import Store


def test_time_zone_and_umask(shared: Store) -> None:
    """Both hold for a command of exec as well, and a command is found without a PATH."""
    zone = Path("/usr/share/zoneinfo/Asia/Tokyo")
    if not zone.is_file():
        pytest.skip("tzdata is not installed")
    options = ["--tz", "Asia/Tokyo", "--umask", "0027", "--unsetenv-all", "--name", "zone"]
    shared.ok("run", "-d", *options, "busybox", "sleep", "100")
    try:
        said = shared.ok("exec", "zone", "sh", "-c", "umask; base64 /etc/localtime")
        umask, _, text = said.partition("\n")
        assert (umask, base64.b64decode(text)) == ("0027", zone.read_bytes())
        assert shared.ok("exec", "zone", "env") == "HOME=/root"
        shown = "{{.Config.Umask}} {{.Config.Timezone}} {{.Config.Env}}"
        assert shared.ok("inspect", "-f", shown, "zone") == "0027 Asia/Tokyo []"
    finally:
        shared.ok("rm", "-f", "zone")


def test_unknown_uid_gets_a_line_in_passwd(shared: Store) -> None:
    lines = inside(shared, "-u", "4321", "--", "whoami; tail -n 1 /etc/passwd; echo $HOME")
    assert lines.splitlines() == ["4321", "4321:*:4321:0:4321:/:/bin/sh", "/"]


LINES = "grep -v ^root: /etc/passwd | tail -n +3; grep 5678 /etc/group; echo $HOME"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--passwd=false"], ["/"]),
        (["--passwd-entry", "$USERNAME:*:$UID:$GID:a $NAME:/home/$UID:sh"],
         ["4321:*:4321:5678:a 4321:/home/4321:sh", "5678:x:5678:4321", "/home/4321"]),
        (["--group-entry", "$GROUPNAME:*:$GID:x,$USERLIST"],
         ["4321:*:4321:5678:4321:/:/bin/sh", "5678:*:5678:x,4321", "/"]),
    ],
)  # fmt: skip
def test_lines_of_an_unknown_user(shared: Store, options: list[str], lines: list[str]) -> None:
    found = inside(shared, "-u", "4321:5678", *options, "--", LINES)
    assert found.splitlines() == lines


def test_a_user_of_the_host_is_known(shared: Store) -> None:
    """Who is known there already, by his name or his number, gets no second line."""
    me, users = pwd.getpwuid(os.getuid()), ["--hostuser", "root", "--hostuser", str(os.getuid())]
    full = me.pw_gecos.partition(",")[0]
    found = inside(shared, *users, "-w", "/tmp", "--", "tail -n +3 /etc/passwd").splitlines()
    line = f"{me.pw_name}:*:{me.pw_uid}:{me.pw_gid}:{full}:/tmp:/bin/sh"
    assert found[1:] == ([line] if os.getuid() not in (0, 1000) else [])


def test_domain_and_further_roots(shared: Store) -> None:
    script = "cat /proc/sys/kernel/domainname; cmp /etc/hosts /jail/etc/hosts && echo same"
    options = ["-h", "box", "--domainname", "example.org", "--chrootdirs", "/jail"]
    assert inside(shared, *options, "--", script).split() == ["example.org", "same"]


def test_score_and_personality(shared: Store) -> None:
    """Of the command of exec as well."""
    own = int(Path("/proc/self/oom_score_adj").read_text())
    wanted = min(own + 100, 1000)
    options = ["--oom-score-adj", str(wanted), "--personality", "LINUX32", "--name", "kernel"]
    shared.ok("run", "-d", *options, "busybox", "sh", "-c", "uname -m; sleep 100")
    try:
        said = shared.ok("exec", "kernel", "sh", "-c", "cat /proc/1/oom_score_adj /proc/self/oom_*")
        assert said.split()[0] == str(wanted)
        assert said.split().count(str(wanted)) == 2
        machine = shared.ok("exec", "kernel", "uname", "-m")
        if os.uname().machine == "x86_64":
            assert machine == "i686"
        assert shared.ok("logs", "kernel") == machine
        assert shared.ok("inspect", "-f", "{{.HostConfig.OomScoreAdj}}", "kernel") == str(wanted)
    finally:
        shared.ok("rm", "-f", "kernel")


def test_a_score_that_needs_root(shared: Store) -> None:
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    command = ["busybox", "cat", "/proc/self/oom_score_adj"]
    done = shared("run", "--rm", "--oom-score-adj", "-1000", *command)
    if done.stderr:  # else a privilege, or a lower score before, allows it
        assert "without root it can only be raised" in done.stderr
    assert (done.returncode, done.stdout.strip()) == (0, own if done.stderr else "-1000")


def test_pid_files_and_a_time_limit(shared: Store, tmp_path: Path) -> None:
    """Both are so again after a restart."""
    options = [
        "--pidfile",
        "first",
        "--conmon-pidfile",
        str(tmp_path / "second"),
        "--name",
        "short",
    ]
    shared.ok("create", *options, "--timeout", "1000", "busybox", "sleep", "100", cwd=tmp_path)
    try:
        for command in ("start", "restart"):
            shared.ok(command, "short")
            shown = "{{.State.Pid}} {{.State.ConmonPid}} {{.PidFile}} {{.Config.Timeout}}"
            first, second = (tmp_path / name for name in ("first", "second"))
            expected = f"{first.read_text()} {second.read_text()} {first} 1000"
            assert shared.ok("inspect", "-f", shown, "short") == expected
    finally:
        shared.ok("rm", "-f", "short")
    done = shared("run", "--rm", "--pidfile", str(tmp_path / "none/x"), "busybox", "true")
    assert (done.returncode, shared.ok("ps", "-aq")) == (125, "")
    assert "cannot write the pid file" in done.stderr
    assert shared("run", "--rm", "--timeout", "1", "busybox", "sleep", "100").returncode == 255


def test_required_containers_are_started_before(shared: Store) -> None:
    try:
        shared.ok("create", "--name", "base", "busybox", "sleep", "100")
        shared.ok("create", "--name", "middle", "--requires", "base", "busybox", "sleep", "100")
        shared.ok("create", "--name", "top", "--requires", "middle,base", "busybox", "true")
        ids = shared.ok("ps", "-aq", "--no-trunc", "--filter", "name=middle|base").split()
        shown = shared.ok("inspect", "-f", "{{range .Dependencies}}{{println .}}{{end}}", "top")
        assert sorted(shown.split()) == sorted(ids)
        refused = shared("rm", "base")
        assert refused.returncode != 0
        assert "need it" in refused.stderr
        shared.ok("start", "-a", "top")
        assert shared.ok("ps", "--format", "{{.Names}}").split() == ["middle", "base"]
    finally:
        shared.ok("rm", "-f", "top")
        shared.ok("rm", "-f", "middle")
        shared.ok("rm", "-f", "base")
    done = shared("create", "--requires", "nobody", "busybox")
    assert done.returncode != 0
    assert "o such container: nobody" in done.stderr


def test_an_init_of_the_hosts(shared: Store, tmp_path: Path) -> None:
    """It begins with `--` and the command, as with podman; as static as that of the image."""
    tmp_path.chmod(0o755)
    init = tmp_path / "init"
    init.write_text('#!/bin/sh\nshift\necho "init $0"; exec "$@"\n')
    init.chmod(0o755)
    lines = inside(shared, "--init", "--init-path", str(init), "--", "echo $0 $$").splitlines()
    assert lines == ["init /run/podman-init", "sh 1"]


def test_the_image_goes_with_its_last_container(shared: Store) -> None:
    images = ["images", "--format", "{{.Repository}}", "--filter", "reference=*/short*"]
    for name in ("short", "shorter"):
        shared.ok("tag", "busybox", f"localhost/{name}")
    assert shared.ok("run", "--rmi", "localhost/short", "echo", "a") == "a"
    assert shared.ok(*images) == "localhost/shorter"
    shared.ok("run", "-d", "--rmi", "--name", "away", "localhost/shorter", "sleep", "100")
    shared.ok("rm", "-f", "away")
    assert shared.ok(*images) == ""
    shared.ok("image", "inspect", "busybox")


def descriptors(store: Store, *line: str) -> subprocess.CompletedProcess[str]:
    """Run with what says `three` at 3, `five` at 5, and a pipe's end at 7; nothing else open."""
    script = 'exec 3<<"A" 5<<"B" 7>"$0"; exec "$@"\nthree\nA\nfive\nB\n'
    words = ["sh", "-c", script, f"{store.directory}/seven", *store.command, *line]
    return subprocess.run(words, env=store.env, capture_output=True, text=True, timeout=60)


READ = "ls /proc/self/fd | tr '\\n' ' '; cat <&3; cat <&5; echo seven >&7"


@pytest.mark.parametrize("before", [[], ["--init"]])
def test_descriptors_of_the_callers(shared: Store, before: list[str]) -> None:
    """They have their numbers, with an own init and for exec as well, and no other comes along."""
    options = ["--preserve-fds", "1", "--preserve-fd", "5,7", "--preserve-fd=5"]
    seven = Path(shared.directory, "seven")
    done = descriptors(shared, "run", "--rm", *before, *options, "busybox", "sh", "-c", READ)
    assert (done.stdout, done.stderr) == ("0 1 2 3 4 5 7 three\nfive\n", "")
    assert seven.read_text() == "seven\n"
    shared.ok("run", "-d", "--name", "open", *before, "busybox", "sleep", "100")
    try:
        done = descriptors(shared, "exec", *options, "open", "sh", "-c", READ)
        assert (done.stdout, done.stderr) == ("0 1 2 3 4 5 7 three\nfive\n", "")
        assert seven.read_text() == "seven\n"
    finally:
        shared.ok("rm", "-f", "open")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preserve-fds", "2"], "--preserve-fds: descriptor 4 is not open"),
        (["--preserve-fds", "-1"], "--preserve-fds: -1 is no number of descriptors"),
        (["--preserve-fds", "9999"], "--preserve-fds: 9999 is no number of descriptors"),
        (["--preserve-fd", "3,x"], "--preserve-fd: 'x' is no descriptor"),
        (["--preserve-fd", "2"], "--preserve-fd: '2' is no descriptor"),
        (["--preserve-fd", ""], "--preserve-fd: '' is no descriptor"),
    ],
)
def test_descriptors_that_are_none(shared: Store, options: list[str], message: str) -> None:
    for line in (["run", *options, "busybox", "true"], ["exec", *options, "nobody", "true"]):
        done = descriptors(shared, *line)
        assert done.returncode != 0
        assert message in done.stderr
    assert shared.ok("ps", "-aq") == ""


def test_the_starter_does_not_hold_what_it_has_handed_over(shared: Store) -> None:
    """Whoever reads the other end learns of the end at the command's own close."""
    read, write = os.pipe()
    line = [*shared.command, "run", "--rm", "-i", "--preserve-fd", str(write), "busybox"]
    script = f"exec {write}>&-; read word; echo $word"
    starting = subprocess.Popen(
        [*line, "sh", "-c", script], env=shared.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, pass_fds=(write,),
    )  # fmt: skip
    os.close(write)
    try:
        assert os.read(read, 1) == b""
        assert starting.poll() is None
        assert starting.communicate("on\n", timeout=60)[0] == "on\n"
    finally:
        os.close(read)
        starting.kill()
        starting.wait()


@pytest.mark.modes("mapped")
def test_ids_of_the_users_own_choice(shared: Store, tmp_path: Path) -> None:
    """Root's files are root's, and the user is whom he has chosen to be."""
    tmp_path.chmod(0o700)
    options = ["--uidmap", "0:1:1000", "--uidmap", "1000:0:1", "-u", "1000", "--name", "maps"]
    script = "id -u; stat -c %u /etc/passwd /etc/hosts /work; touch /work/mine; touch /etc/x"
    line = [*options, "-v", f"{tmp_path}:/work", "busybox", "sh", "-c", script]
    done = shared("run", *line)
    try:
        assert done.stdout.split() == ["1000", "0", "0", "1000"]
        assert "Permission denied" in done.stderr
        assert (tmp_path / "mine").stat().st_uid == os.getuid()
        shown = "{{.HostConfig.UsernsMode}} {{json .HostConfig.IDMappings.UidMap}}"
        expected = 'private ["0:1:1000","1000:0:1"]'
        assert shared.ok("inspect", "-f", shown, "maps") == expected
    finally:
        shared.ok("rm", "-f", "maps")


def test_a_map_without_a_group_for_terminals(shared: Store) -> None:
    """Its devpts has no gid=5, the group tty, which is not mapped."""
    options = ("--uidmap", "0:0:1", "--gidmap", "0:0:1")
    found = shared.ok("run", "--rm", *options, "busybox", "grep", " devpts ", "/proc/mounts")
    assert "mode=620" in found
    assert "gid=" not in found


def test_ids_that_there_are_not(shared: Store) -> None:
    done = shared("run", "--rm", "--uidmap", "0:0:2000000000", "busybox", "true")
    assert done.returncode == 125
    assert "cannot map ids up to 1999999999 (--uidmap)" in done.stderr


def test_read_only(shared: Store) -> None:
    script = "touch /x 2>/dev/null || echo refused; touch /tmp/x /run/x /dev/shm/x && echo taken"
    for options, env in (["--read-only-tmpfs"], {}), ([], {"ROOTLESS_DIALECT": "podman"}):
        done = shared(
            "run", "--rm", "--read-only", *options, "busybox", "sh", "-c", script, env=env
        )
        assert done.stdout == "refused\ntaken\n", done.stderr
    script = "for d in / /tmp /run /var/tmp; do touch $d/x 2>/dev/null && echo $d; done; true"
    assert inside(shared, "--read-only", "--", script) == "", "as with docker"
    no = "--read-only-tmpfs=false"
    podman = {"ROOTLESS_DIALECT": "podman"}
    line = ("run", "--rm", "--read-only", no, "busybox", "sh", "-c", script)
    assert shared.ok(*line, env=podman) == ""
    tmpfs = inside(shared, "--read-only", "--tmpfs", "/data", "--", "touch /data/x && echo taken")
    assert tmpfs == "taken"
    script = "stat -c %a /tmp /var/tmp; touch /tmp/x"
    modes = inside(shared, "--read-only", "--read-only-tmpfs", "-u", "1000", "--", script)
    assert modes.split() == ["1777", "1777"]
