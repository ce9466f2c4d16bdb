"""run: what a command finds inside, and what its exit tells outside."""

from __future__ import annotations

import os
import pwd
import random
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.runtime.privileges import caps

if TYPE_CHECKING:
    from conftest import Store


def inside(store: Store, *words: str) -> str:
    """Run a container of busybox that is gone afterwards: options, then `--`, then a script."""
    split = words.index("--")
    return store.ok("run", "--rm", *words[:split], "busybox", "sh", "-c", *words[split + 1 :])


# -- the process


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -9 $$; exit 3"], 3),  # a namespace's init does not hear itself
        (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
        (["/etc"], 126),
        (["/etc/passwd"], 126),
        (["/nothing"], 127),
        (["nothing-on-path"], 127),
        ([""], 127),
        (["/etc/passwd/x"], 126),
    ],
)
def test_exit_code(shared: Store, command: list[str], code: int) -> None:
    done = shared("run", "--rm", "busybox", *command)
    assert done.returncode == code, done.stderr
    assert shared.ok("ps", "-aq") == ""


def test_exit_code_of_a_signal(shared: Store) -> None:
    done = shared("run", "--rm", "--init", "busybox", "sh", "-c", "kill -TERM $$")
    assert done.returncode == 128 + 15


@pytest.mark.parametrize(
    "line",
    [
        ["--no-such-option", "busybox"],
        ["--name", "a/b", "busybox"],
        ["--pull", "never", "no-such-image"],
        ["-u", "nobody-knows", "busybox", "true"],
        ["-u", "0:nobody-knows", "busybox", "true"],
        ["-v", "/no/such/../relative:rel", "busybox", "true"],
        ["--network", "no-such", "busybox", "true"],
    ],
)
def test_our_own_errors_are_125_and_one_line(shared: Store, line: list[str]) -> None:
    done = shared("run", "--rm", *line)
    assert done.returncode == 125
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[0].startswith(("Error: ", "Usage:"))
    assert shared.ok("ps", "-aq") == ""


def test_environment_is_dockers(shared: Store) -> None:
    lines = inside(shared, "-h", "box", "-e", "A=1", "--", "env").splitlines()
    values = dict(line.split("=", 1) for line in lines)
    values.pop("PWD", None)
    values.pop("SHLVL", None)
    assert values == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": "box",
        "HOME": "/root",
        "A": "1",
        "container": "podman",  # by which programs know where they are: podman's
    }


def test_home_is_the_users_unless_given(shared: Store) -> None:
    assert inside(shared, "-u", "user", "--", "echo $HOME") == "/home/user"
    assert inside(shared, "-e", "HOME=/tmp", "--", "echo $HOME") == "/tmp"


def test_host_environment_stays_outside_unless_asked_for(shared: Store) -> None:
    given = {"SECRET": "s3cret"}
    done = shared("run", "--rm", "busybox", "env", env=given)
    assert "SECRET" not in done.stdout
    assert "SECRET=s3cret" in shared.ok("run", "--rm", "-e", "SECRET", "busybox", "env", env=given)
    assert "SECRET=s3cret" in shared.ok("run", "--rm", "--env-host", "busybox", "env", env=given)


def test_working_directory_is_made(shared: Store) -> None:
    assert inside(shared, "-w", "/new/deep", "--", "pwd; ls -ld . | cut -c1-10") == (
        "/new/deep\ndrwxr-xr-x"
    )


@pytest.mark.parametrize("path", ["/proc/self/fd/3", "/proc/self/fd/7/etc", "/proc/1/root"])
def test_working_directory_follows_no_magic_link(shared: Store, path: str) -> None:
    """CVE-2024-21626: a descriptor of the launcher as a way out."""
    for number in range(3, 20):
        done = shared("run", "--rm", "-w", path.replace("3", str(number)), "busybox", "pwd")
        assert done.returncode == 125
        assert "cannot enter the working directory" in done.stderr
        if "fd/3" not in path:
            break


def test_no_descriptor_of_ours_is_inside(shared: Store) -> None:
    # The shell's own expansion opens the directory as the lowest free one.
    read, write = os.pipe()
    try:
        done = shared(
            "run", "--rm", "busybox", "ls", "/proc/self/fd", pass_fds=(read, write, 0, 1, 2)
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_first_process_is_the_command_alone(shared: Store) -> None:
    script = "readlink /proc/1/exe; tr '\\0' ' ' < /proc/1/cmdline; echo; echo $$; umask"
    exe, line, pid, umask = inside(shared, "--", script).splitlines()
    assert (exe, pid, umask) == ("/bin/busybox", "1", "0022")
    assert line.startswith("sh -c ")


@pytest.mark.parametrize("program", ["/link", "/script"])
def test_command_that_leads_to_our_interpreter_is_refused(
    shared: Store, tmp_path: Path, program: str
) -> None:
    """CVE-2019-5736."""
    os.symlink("/proc/self/exe", tmp_path / "link")
    (tmp_path / "script").write_text("#!/proc/self/exe\n")
    (tmp_path / "script").chmod(0o755)
    os.chmod(tmp_path, 0o755)
    done = shared("run", "--rm", "--rootfs", f"{tmp_path}:O", program)
    assert (done.returncode, done.stdout) == (126, "")


def test_signals_are_default_inside(shared: Store) -> None:
    """Whatever the caller ignores (nohup, a shell's background jobs) and we ourselves."""
    command = [*shared.command, "run", "--rm", "busybox", "grep", "Sig", "/proc/self/status"]
    line = ["sh", "-c", 'trap "" HUP QUIT USR1; exec "$@"', "sh", *command]
    done = subprocess.run(line, env=shared.env, capture_output=True, text=True, check=True)
    values = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert int(values["SigBlk"], 16) == 0
    # glibc keeps 32 and 33 to itself and lets nobody set them; make, by posix_spawn, ignores them.
    assert int(values["SigIgn"], 16) & ~(0b11 << 31) == 0


# -- users


def test_users_by_name_and_number(shared: Store, in_user_mode: str) -> None:
    script = "id -u; id -g; id -G; echo $HOME"
    uid, gid, groups, home = inside(shared, "--", script).splitlines()
    assert (uid, gid, home) == ("0", "0", "/root")
    # Without subordinate ids the user's supplementary groups stay, and have no number inside.
    assert set(groups.split()) <= {"0", "65534"} if in_user_mode == "single" else groups == "0"
    by_name = inside(shared, "-u", "user", "--", script).splitlines()
    assert by_name[:2] == ["1000", "1000"]
    assert by_name[3] == "/home/user"
    if in_user_mode != "single":  # no groups but one's own without subordinate ids
        assert by_name[2] == "1000 100"
        assert inside(shared, "-u", "user:users", "--", script).splitlines()[1:3] == ["100", "100"]
        assert inside(shared, "-u", ":users", "--", script).splitlines()[:2] == ["0", "100"]
        groups = inside(shared, "--group-add", "users", "--group-add", "77", "--", "id -G")
        assert sorted(groups.split()) == ["0", "100", "77"]
    assert inside(shared, "-u", "1000:7", "--", script).splitlines()[:2] == ["1000", "7"]


def test_user_owns_his_output(shared: Store) -> None:
    """nginx and others open /dev/stderr again."""
    done = shared("run", "--rm", "-u", "1000", "busybox", "sh", "-c", "echo hello > /dev/stderr")
    assert (done.returncode, done.stderr) == (0, "hello\n")


def test_keep_groups(shared: Store) -> None:
    kept = inside(shared, "--group-add", "keep-groups", "--", "grep ^Groups /proc/self/status")
    mine = [group for group in os.getgroups() if group != os.getgid()]
    assert len(kept.split()) - 1 >= len(mine)


def test_keep_id(shared: Store, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    script = "id -u; id -g; id -un; touch /work/mine"
    output = inside(shared, "--userns", "keep-id", "-v", f"{tmp_path}:/work", "--", script)
    name = pwd.getpwuid(os.getuid()).pw_name
    assert output.split()[:2] == [str(os.getuid()), str(os.getgid())]
    assert output.split()[2] in (name, str(os.getuid()))
    assert (tmp_path / "mine").stat().st_uid == os.getuid()


def test_keep_id_with_other_numbers(shared: Store, tmp_path: Path) -> None:
    script = "id -u; id -g; touch /work/mine"
    options = ["--userns", "keep-id:uid=1000,gid=1000", "-v", f"{tmp_path}:/work"]
    assert inside(shared, *options, "--", script).split() == ["1000", "1000"]
    assert (tmp_path / "mine").stat().st_uid == os.getuid()


# -- isolation


def status(store: Store, *options: str) -> dict[str, str]:
    """Return /proc/self/status of a container's process."""
    lines = inside(store, *options, "--", "cat /proc/self/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_capabilities_and_seccomp(shared: Store) -> None:
    default = f"{caps.bits(caps.DEFAULT):016x}"
    root = status(shared)
    assert [root[name] for name in ("CapPrm", "CapEff", "CapBnd")] == [default] * 3
    assert int(root["CapInh"], 16) == int(root["CapAmb"], 16) == 0  # CVE-2022-24769
    assert root["Seccomp"] == "2"
    user = status(shared, "-u", "1000")
    assert user["CapBnd"] == default
    assert {int(user[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


def test_capabilities_added_and_dropped(shared: Store) -> None:
    values = status(shared, "--cap-drop", "ALL", "--cap-add", "CHOWN")
    assert caps.names(int(values["CapBnd"], 16)) == ["CAP_CHOWN"]


def test_no_new_privileges(shared: Store) -> None:
    values = status(shared, "--security-opt", "no-new-privileges")
    assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2")


def test_privileged(shared: Store) -> None:
    values = status(shared, "--privileged")
    assert len(caps.names(int(values["CapEff"], 16))) > len(caps.DEFAULT)
    assert values["Seccomp"] == "0"
    assert inside(shared, "--privileged", "--", "mount -t tmpfs x /tmp && echo done") == "done"


def test_kernel_is_out_of_reach(shared: Store) -> None:
    script = """
        for path in /proc/kcore /proc/keys /proc/timer_list; do
            [ -e $path ] && [ "$(head -c 1 $path | wc -c)" != 0 ] && echo readable $path
        done
        for path in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /sys/kernel/x /proc/bus/x; do
            (echo x > $path) 2>/dev/null && echo writable $path
        done
        mount -t tmpfs x /tmp 2>/dev/null && echo mounted
        ls -A /sys/firmware /proc/scsi 2>/dev/null | grep -v :
        echo end"""
    assert inside(shared, "--", script).split() == ["end"]


def test_proc_shows_the_containers_processes_only(shared: Store) -> None:
    assert inside(shared, "--", "echo /proc/[0-9]*").split()[0] == "/proc/1"
    assert len(inside(shared, "--", "echo /proc/[0-9]*").split()) == 1


def test_host_mounts_are_not_seen(shared: Store) -> None:
    mounts = inside(shared, "--", "cut -d' ' -f5 /proc/self/mountinfo").splitlines()
    allowed = ("/", "/proc", "/dev", "/sys", "/etc/", "/run/.containerenv")
    assert all(mount == "/" or mount.startswith(allowed[1:]) for mount in mounts)
    assert inside(shared, "--", "ls -A /tmp") == ""


def test_devices(shared: Store) -> None:
    script = "ls /dev; echo x > /dev/null; head -c 3 /dev/zero | wc -c; cat < /dev/null"
    words = inside(shared, "--", script).split()
    assert words.pop() == "3"
    expected = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert words == expected.split()


@pytest.mark.parametrize("name", ["proc", "dev", "sys", "etc", "dev/shm", "proc/self"])
def test_image_whose_mount_points_are_links(shared: Store, tmp_path: Path, name: str) -> None:
    """CVE-2023-27561 and others: /proc is a link to somewhere else."""
    root, target = tmp_path / "root", tmp_path / "target"
    (root / "bin").mkdir(parents=True)
    (root / "inner").mkdir()
    target.mkdir()
    os.chmod(tmp_path, 0o755)
    (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, root / name)
    done = shared("run", "--rm", "--rootfs", str(root), "/bin/busybox", "ls", "/")
    assert done.returncode in (0, 125), done.stderr
    assert "Traceback" not in done.stderr
    assert list(target.iterdir()) == []
    if name == "proc" and done.returncode == 0:
        script = "grep -c ' /proc/sys ' /proc/self/mountinfo"
        masked = shared("run", "--rm", "--rootfs", str(root), "/bin/busybox", "sh", "-c", script)
        assert masked.returncode != 0 or masked.stdout.strip() != "0"


def test_namespaces_of_the_host(shared: Store) -> None:
    for name in ("uts", "ipc", "net", "cgroup", "pid"):
        option = "--network" if name == "net" else f"--{'cgroupns' if name == 'cgroup' else name}"
        mine = os.readlink(f"/proc/self/ns/{name}")
        script = f"readlink /proc/self/ns/{name}"
        assert inside(shared, "--", script) != mine
        assert inside(shared, option, "host", "--", script) == mine


def test_pid_host_ends_with_its_command(shared: Store) -> None:
    """No pid namespace ends what the command has left behind: the supervisor does."""
    seconds = random.randrange(10**6, 10**9)  # the pid may be somebody else's soon
    script = f"sleep {seconds} >/dev/null 2>&1 & echo $!"
    command = Path("/proc", inside(shared, "--pid", "host", "--", script), "cmdline")
    assert not command.exists() or command.read_text() != f"sleep\0{seconds}\0"


def test_orphans_without_a_pid_namespace_are_reaped(busybox: Store) -> None:
    script = "for n in 1 2 3 4; do (sleep 0.$n &); done; sleep 0.6; echo ready; exec sleep 1000"
    busybox.ok("run", "-d", "--pid", "host", "--name", "one", "busybox", "sh", "-c", script)
    follower = busybox.start("logs", "-f", "one")
    assert follower.stdout
    assert follower.stdout.readline() == "ready\n"
    init = busybox.ok("inspect", "-f", "{{.State.Pid}}", "one")
    supervisor = Path(f"/proc/{init}/status").read_text().split("PPid:\t")[1].split()[0]
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    assert children == [init]
    busybox.ok("rm", "-f", "one")
    follower.communicate(timeout=20)


def test_a_proc_that_tells_lies_is_refused(shared: Store, tmp_path: Path) -> None:
    """A hostile image and volume together: /proc is a link to a volume that tells lies."""
    root, lies = tmp_path / "root", tmp_path / "lies"
    (root / "bin").mkdir(parents=True)
    (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    (root / "inner").mkdir()
    (root / "true").mkdir()
    (root / "proc").symlink_to("inner")
    (lies / "sys/kernel").mkdir(parents=True)
    (lies / "sys/kernel/cap_last_cap").write_text("0\n")
    os.chmod(tmp_path, 0o755)
    options = ["-v", f"{lies}:/inner", "-v", "/proc:/true", "--rootfs", str(root)]
    command = ["/bin/busybox", "grep", "CapBnd", "/true/self/status"]
    done = shared("run", "--rm", "--pid", "host", *options, *command)
    assert (done.returncode, done.stdout) == (125, "")
    assert "/proc leads to /inner, by a link in the image" in done.stderr


def test_network_none_has_a_loopback(shared: Store) -> None:
    done = shared("run", "--rm", "--network", "none", "busybox", "cat", "/proc/net/dev")
    devices = [line.split(":")[0].strip() for line in done.stdout.splitlines() if ":" in line]
    assert devices == ["lo"]
    assert "UP" in inside(shared, "--", "ip -o link show lo")
    # The client's input stays open: at its end the listener would hang up, said or not.
    script = "(echo over | nc -l -p 5555) & until sleep 0.3 | nc 127.0.0.1 5555; do :; done"
    assert inside(shared, "--network", "none", "--", script) == "over"


def test_network_host(shared: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"nc -w 5 127.0.0.1 {port}"
        client = shared.start("run", "--rm", "--network", "host", "busybox", "sh", "-c", script)
        server.settimeout(30)
        with server.accept()[0] as connection:
            connection.sendall(b"over")
        assert client.communicate(timeout=30) == ("over", "")


# -- the system inside


def test_hostname(shared: Store) -> None:
    name, line = inside(shared, "-h", "box.example", "--", "hostname; cat /etc/hostname").split()
    assert name == line == "box.example"
    short = inside(shared, "--cidfile", f"{shared.directory}/cid", "--", "hostname")
    identity = Path(f"{shared.directory}/cid").read_text()
    os.unlink(f"{shared.directory}/cid")
    assert short == identity[:12]
    assert inside(shared, "--uts", "host", "--", "hostname") == socket.gethostname()


def test_hosts(shared: Store) -> None:
    hosts = inside(shared, "-h", "box", "--add-host", "db:10.1.2.3", "--", "cat /etc/hosts")
    assert "10.1.2.3\tdb" in hosts.replace(" ", "\t")
    assert "box" in hosts
    assert inside(shared, "--no-hosts", "--", "cat /etc/hosts 2>/dev/null | grep -c box; true") == (
        "0"
    )


def test_tmpfs_and_shm_size(shared: Store) -> None:
    script = "df -k /data /dev/shm | awk 'NR>1 {print $2}'; stat -c %a /data"
    options = ["--tmpfs", "/data:size=1m,mode=700", "--shm-size", "2m"]
    assert inside(shared, *options, "--", script).split() == ["1024", "2048", "700"]


def test_init_reaps_and_passes_on_signals(busybox: Store) -> None:
    script = "trap 'echo got; exit 5' TERM; sleep 0.1 & while :; do sleep 0.05; done"
    busybox.ok("run", "-d", "--init", "--name", "one", "busybox", "sh", "-c", script)
    name = busybox.ok("exec", "one", "cat", "/proc/1/comm")
    assert name == "init"
    orphan = "sh -c 'sleep 0.1 &'; sleep 0.4; grep -l 'State:.Z' /proc/[0-9]*/status"
    assert busybox("exec", "one", "sh", "-c", orphan).stdout == ""
    busybox.ok("stop", "one")
    assert busybox.ok("logs", "one") == "got"
    assert busybox.ok("inspect", "-f", "{{.State.ExitCode}}", "one") == "5"


def test_init_ends_with_the_commands_code(shared: Store) -> None:
    assert shared("run", "--rm", "--init", "busybox", "sh", "-c", "exit 9").returncode == 9
    assert shared("run", "--rm", "--init", "busybox", "nothing").returncode == 127


# -- mounts


def test_bind_mounts(shared: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    at = f"{tmp_path}:/data"
    assert inside(shared, "-v", at, "--", "cat /data/file; touch /data/new") == "content"
    assert (tmp_path / "new").stat().st_uid == os.getuid()
    refused = "touch /data/x 2>/dev/null || echo refused"
    assert inside(shared, "-v", f"{at}:ro", "--", refused) == "refused"
    for accepted in ("z", "Z", "rw", "rslave", "nosuid,nodev", "noexec", "rbind"):
        assert inside(shared, "-v", f"{at}:{accepted}", "--", "cat /data/file") == "content"
    options = inside(shared, "-v", f"{at}:nosuid,noexec", "--", "grep /data /proc/self/mountinfo")
    assert "nosuid" in options
    assert "noexec" in options
    one = inside(shared, "-v", f"{tmp_path}/file:/etc/one:ro", "--", "cat /etc/one; ls -d /etc/one")
    assert one == "content/etc/one"


def test_mount_option(shared: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    bound = f"type=bind,source={tmp_path},target=/data,readonly"
    script = "cat /data/file; touch /data/x 2>/dev/null || echo refused"
    assert inside(shared, "--mount", bound, "--", script) == "contentrefused"
    memory = "type=tmpfs,destination=/scratch,tmpfs-size=1m"
    assert inside(shared, "--mount", memory, "--", "df -k /scratch | awk 'NR>1 {print $2}'") == (
        "1024"
    )
    missing = shared("run", "--rm", "--mount", "type=bind,src=/no/such,dst=/x", "busybox", "true")
    assert missing.returncode == 125
    assert "/no/such" in missing.stderr


def test_throw_away_bind(shared: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    script = "echo more >> /data/file; touch /data/x; cat /data/file; ls /data"
    done = shared("run", "--rm", "-v", f"{tmp_path}:/data:O", "busybox", "sh", "-c", script)
    assert (done.returncode, done.stdout.split()) == (0, ["contentmore", "file", "x"]), done.stderr
    assert (tmp_path / "file").read_text() == "content"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.modes("mapped", "root")
def test_bind_for_the_containers_user(shared: Store) -> None:
    source = Path(shared.directory) / "data"  # who removes that may remove files of others
    source.mkdir()
    inside(shared, "-u", "1000", "-v", f"{source}:/data:U", "--", "touch /data/x")
    assert source.stat().st_uid != os.getuid()


def test_named_volume_is_kept(shared: Store) -> None:
    inside(shared, "-v", "kept:/data", "--", "echo one > /data/file")
    assert inside(shared, "-v", "kept:/data", "--", "cat /data/file") == "one"


def test_volumes_from(busybox: Store, tmp_path: Path) -> None:
    """Of a container that need not run; an anonymous one goes with its last user."""
    (tmp_path / "f").write_text("host\n")
    busybox.ok("create", "--name", "data", "-v", "/anon", "-v", f"{tmp_path}:/b", "busybox", "true")
    script = "echo kept > /anon/x; cat /b/f; echo 1 > /b/f"
    done = busybox("run", "--rm", "--volumes-from", "data:ro", "busybox", "sh", "-c", script)
    assert done.stdout == "host\n"
    assert done.stderr.count("Read-only file system") == 2
    busybox.ok("run", "--rm", "--volumes-from", "/data", "busybox", "sh", "-c", script)
    line = ["--name", "heir", "--volumes-from", "data", "-v", "/own:/b", "busybox"]
    done = busybox("run", *line[:2], "--volumes-from", "nosuch", "busybox", "true")
    assert "No such container: nosuch" in done.stderr
    line[5] = "/b"
    assert busybox.ok("run", *line, "sh", "-c", "cat /anon/x; ls /b") == "kept"
    told = busybox.ok("inspect", "-f", "{{.HostConfig.VolumesFrom}}", "heir")
    assert told == "[data]"
    volume = Path(busybox.root, "volumes", busybox.ok(
        "inspect", "-f", '{{range .Mounts}}{{if eq .Destination "/anon"}}{{.Name}}{{end}}{{end}}',
        "heir"))  # fmt: skip
    busybox.ok("rm", "-v", "data")
    assert busybox.ok("start", "-a", "heir") == "kept"
    busybox.ok("rm", "-v", "heir")
    assert not volume.exists()


def test_mounts_in_memory_and_by_pattern(shared: Store, tmp_path: Path) -> None:
    for name in ("lib1", "lib2"):
        (tmp_path / name).write_text(name + "\n")
    mounts = ["--mount", "type=ramfs,dst=/m", "--mount", f"type=glob,src={tmp_path}/lib*,dst=/l"]
    script = "grep ' /m ' /proc/mounts | cut -d' ' -f3; echo x > /m/x; cat /m/x /l/lib1 /l/lib2"
    said = shared.ok("run", "--rm", *mounts, "busybox", "sh", "-c", script)
    assert said.split() == ["ramfs", "x", "lib1", "lib2"]


def test_rootfs_directory(shared: Store, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    os.chmod(tmp_path, 0o755)
    (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    command = ["/bin/busybox", "touch", "/made"]
    shared.ok("run", "--rm", "--rootfs", f"{root}:O", *command)
    assert not (root / "made").exists()
    shared.ok("run", "--rm", "--rootfs", str(root), *command)
    assert (root / "made").exists()


def test_devpts_and_shm_modes(shared: Store) -> None:
    modes = inside(shared, "--", "stat -c %a /dev/shm /dev/pts/ptmx /dev/null /tmp /")
    assert [int(mode, 8) & 0o666 for mode in modes.split()[1:3]] == [0o666, 0o666]
    assert int(modes.split()[0], 8) == 0o1777
    assert int(modes.split()[4], 8) & stat.S_IXOTH


# -- names


def test_cidfile(shared: Store) -> None:
    path = f"{shared.directory}/cid"
    shared.ok("run", "--rm", "--cidfile", path, "busybox", "true")
    assert len(Path(path).read_text()) == 64
    again = shared("run", "--rm", "--cidfile", path, "busybox", "true")
    assert (again.returncode, path in again.stderr) == (125, True)
    os.unlink(path)


def test_name_conflict_and_replace(busybox: Store) -> None:
    first = busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    done = busybox("run", "-d", "--name", "one", "busybox", "true")
    assert done.returncode == 125
    assert first[:12] in done.stderr
    second = busybox.ok("run", "-d", "--replace", "--name", "one", "busybox", "sleep", "1000")
    assert busybox.ok("ps", "-aq", "--no-trunc") == second != first


def test_hundreds_of_mounts(shared: Store, tmp_path: Path) -> None:
    options = [word for n in range(400) for word in ("-v", f"{tmp_path}:/a/rather/long/name/{n}")]
    assert inside(shared, *options, "--", "ls /a/rather/long/name | wc -l") == "400"


def test_command_of_any_length(shared: Store) -> None:
    assert shared("run", "--rm", "busybox", "x" * 100000).returncode in (126, 127)
    assert len(inside(shared, "--", f"echo {'y' * 100000}")) == 100000


# -- limits


def test_a_limit_may_be_smaller_than_the_launcher_needs(shared: Store) -> None:
    assert inside(shared, "--ulimit", "nofile=8:9", "--", "ulimit -n; ulimit -Hn") == "8\n9"


def test_a_limit_beyond_the_hosts_is_refused_in_words(shared: Store) -> None:
    done = shared("run", "--rm", "--ulimit", "nofile=2147483647", "busybox", "true")
    assert done.returncode == 125
    assert "cannot set ulimit nofile" in done.stderr
    assert "hard limit" in done.stderr


def test_an_image_for_another_machine_is_told(busybox: Store, tmp_path: Path) -> None:
    busybox.ok("create", "--name", "one", "busybox")
    busybox.ok("export", "-o", f"{tmp_path}/root.tar", "one")
    busybox.ok("import", "--platform", "linux/s390x", f"{tmp_path}/root.tar", "localhost/odd")
    done = busybox("run", "--rm", "localhost/odd", "true")
    assert done.returncode == 0  # what it says of itself is not true
    assert done.stderr.startswith("Warning: the image is for platform linux/s390x, and this")
    assert busybox("run", "--rm", "--platform", "linux/s390x", "localhost/odd", "true").stderr == ""
    assert busybox("run", "--rm", "busybox", "true").stderr == ""
