"""CVE-2019-5736: a container makes the engine's own program its interpreter.

The kernel resolves `#!` lines while /proc/self/exe is still the program that called execve(2).
With the image's own loader in the place of ld.so, whoever gets there runs code of the image in a
process whose /proc/self/exe is the host's Python. Here that Python belongs to the user, as uv,
pyenv and `venv --copies` have it; the loader is busybox, which says where it is.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from subprocess import CompletedProcess

LINE = "#!{} /proc/self/exe\n"
"""busybox as `stat` says what its program is."""


def loader_of(program: str) -> str:
    """Return the path of the loader that an ELF file names (PT_INTERP, elf(5))."""
    data = Path(program).read_bytes()[: 1 << 16]
    start, size, count = struct.unpack_from("<Q14xHH", data, 32)
    for at in range(start, start + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, at)
        if kind == 3:
            return data[offset : offset + length].rstrip(b"\0").decode()
    pytest.skip("this Python has no loader: it is static")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The command, run by a copy of Python that is the user's, and a root that is after it."""
    base = tmp_path_factory.mktemp("hostile")
    subprocess.run(
        [sys.executable, "-m", "venv", "--copies", "--without-pip", str(base / "venv")], check=True
    )
    python = str(base / "venv/bin/python3")
    packages = next((base / "venv/lib").glob("python*/site-packages"))
    places = [str(REPOSITORY), *(path for path in sys.path if "site-packages" in path)]
    (packages / "ours.pth").write_text("\n".join(places))
    root = base / "root"
    loader = root / loader_of(python).lstrip("/")
    for directory in (root / "bin", root / "etc", root / "d/ok\v", loader.parent):
        directory.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in ("sh", "sleep", "stat", "true"):
        (root / "bin" / applet).symlink_to("busybox")
    shutil.copy("/bin/busybox", loader)
    shutil.copy("/bin/busybox", root / "d/ok")
    for place in ("d/ok\v/stat", "d/stat"):
        (root / place).symlink_to("/proc/self/exe")
    _write_scripts(root / "d")
    store = Store()
    store.command = [python, os.path.dirname(sys.executable) + "/rootless"]
    store.tree = str(root)  # type: ignore[attr-defined]
    store.python = python  # type: ignore[attr-defined]
    yield store
    store.remove()


def _write_scripts(directory: Path) -> None:
    scripts = {"vertical-tab": LINE.format("/d/ok\v/stat"), "direct": LINE.format("/d/stat")}
    scripts |= {f"row{n}": f"#!/d/row{n + 1}\n" for n in range(1, 5)}
    scripts["row5"] = LINE.format("/d/stat")
    for name, text in scripts.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    (directory / "closed").write_text(scripts["direct"])
    (directory / "closed").chmod(0o111)


def run(store: Store, *command: str, options: Iterable[str] = ()) -> CompletedProcess[str]:
    tree = store.tree  # type: ignore[attr-defined]
    return store("run", "--rm", *options, "--rootfs", f"{tree}:O", *command)


def test_loader_of_the_image_would_say_so(hostile: Store) -> None:
    """Else the tests below would prove nothing: what they expect is not said for another reason."""
    done = run(hostile, "/bin/stat", "/proc/self/exe")
    assert "-> '/bin/busybox'" in done.stdout


@pytest.mark.parametrize("options", [[], ["--init"], ["-u", "1000"], ["-t"]], ids=" ".join)
@pytest.mark.parametrize("name", ["vertical-tab", "row1", "row2", "closed", "direct", "stat"])
def test_run(hostile: Store, name: str, options: list[str]) -> None:
    done = run(hostile, f"/d/{name}", options=options)
    assert done.returncode in (126, 127), done
    assert "python" not in done.stdout, done


def test_exec(hostile: Store) -> None:
    tree = hostile.tree  # type: ignore[attr-defined]
    hostile.ok("run", "-d", "--name", "one", "--rootfs", f"{tree}:O", "sleep", "100")
    for name in ("vertical-tab", "row1", "closed"):
        done = hostile("exec", "one", f"/d/{name}")
        assert done.returncode in (126, 127), done
        assert "python" not in done.stdout, done
    hostile.ok("rm", "-f", "one")


@pytest.mark.parametrize("name", ["vertical-tab", "row1"])
def test_health_check(hostile: Store, name: str) -> None:
    """An image needs nothing but a HEALTHCHECK."""
    tree = hostile.tree  # type: ignore[attr-defined]
    options = ["--health-cmd", f'["/d/{name}"]', "--health-interval", "1h"]
    hostile.ok("run", "-d", "--name", "two", *options, "--rootfs", f"{tree}:O", "sleep", "100")
    assert hostile("healthcheck", "run", "two").returncode == 1
    log = hostile.ok("inspect", "-f", "{{json .State.Health.Log}}", "two")
    assert '"ExitCode":126' in log or '"ExitCode":127' in log
    assert "python" not in log
    hostile.ok("rm", "-f", "two")


def test_file_that_is_changed_between_a_look_and_the_execution(hostile: Store) -> None:
    tree = Path(hostile.tree)  # type: ignore[attr-defined]
    shared = tree.parent / "swapped"
    shared.mkdir()
    options = ["-v", f"{shared}:/s", "--rootfs", f"{tree}:O"]
    hostile.ok("run", "-d", "--name", "three", *options, "sleep", "100")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("/bin/true", "/d/vertical-tab"):
                (shared / "new").symlink_to(target)
                os.rename(shared / "new", shared / "command")
                time.sleep(0.0005)

    (shared / "command").symlink_to("/bin/true")
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        codes = set()
        for _ in range(30):
            done = hostile("exec", "three", "/s/command")
            assert "python" not in done.stdout, done
            codes.add(done.returncode)
    finally:
        stop.set()
        swapper.join()
    assert codes <= {0, 126, 127}
    hostile.ok("rm", "-f", "three")


def test_program_of_a_starting_process_is_no_file_of_the_host(hostile: Store) -> None:
    """Whoever looks at a process between our interpreter and its command sees a sealed memfd."""
    script = "stat /proc/1/exe; (: >> /proc/1/exe) 2>&1; chmod 4777 /proc/1/exe; true"
    done = run(hostile, "sh", "-c", script, options=["--init"])
    assert "-> '/memfd:rootless (deleted)'" in done.stdout
    assert "Operation not permitted" in done.stdout or "Text file busy" in done.stdout
    python = hostile.python  # type: ignore[attr-defined]
    assert os.stat(python).st_mode & 0o7777 == 0o755


@pytest.mark.as_root
@pytest.mark.modes("root")
@pytest.mark.parametrize("userns", ["host", "keep-id:uid=7,gid=7"])
def test_where_files_in_memory_must_not_be_executed(busybox: Store, userns: str) -> None:
    """vm.memfd_noexec = 2 (Linux 6.3): the stub comes from a tmpfs that is mounted nowhere.

    The setting is one of each pid namespace (6.6), and root's to make.
    """
    if not Path("/proc/sys/vm/memfd_noexec").exists():
        pytest.skip("this kernel has no vm.memfd_noexec")
    lines = [
        "echo 2 > /proc/sys/vm/memfd_noexec || exit 99",
        f'"$@" run -d --init --userns {userns} --name one busybox sleep 100',
        '"$@" exec one readlink /proc/1/exe',
        '"$@" exec -u 5 one sh -c "exit 4"; echo $?',
        '"$@" exec one nosuch; echo $?',
        '"$@" rm -f one',
    ]
    space = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c"]
    command = [*space, "\n".join(lines), "sh", *busybox.command]
    done = subprocess.run(command, env=busybox.env, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[1:] == ["/stub", "4", "127", "one"], done


def test_script_that_leads_to_the_stub_again_ends(hostile: Store) -> None:
    """And does not go round for ever: the stub knows that it was here before."""
    done = run(hostile, "/d/row1")
    assert (done.returncode, done.stdout, done.stderr) == (127, "", "")
