"""What all tests share: a scrubbed environment, own stores, the real command, a real image.

Nothing is mocked. A test that needs a program or device says so with `@pytest.mark.needs("podman",
"/dev/fuse")`, one that makes sense only in some identity modes with `@pytest.mark.modes("mapped")`;
where the need is not met it is skipped by name.

`make test` runs the suite as users of different identity modes. What is the same for all of them is
marked `once`, most often as a file (`pytestmark = pytest.mark.once`): only the first user runs it.
A test of such a file that differs all the same is marked `each`, or asks for the mode.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.children import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "TEST_SEED")
"""What survives of the environment that pytest was started with."""

SEEN: pytest.StashKey[int] = pytest.StashKey()
"""Stderr as the person or the log has it."""


def pytest_configure(config: pytest.Config) -> None:
    """Scrub the environment and set hypothesis up, before any test module is imported."""
    for name in set(os.environ) - set(KEPT):
        if not name.startswith(("PYTEST_", "COV_")):
            del os.environ[name]
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where Debian keeps runc, ip and mkfs
    os.environ["LANG"] = "C.UTF-8"
    os.environ["CONTAINERS_CONF"] = os.devnull  # this machine's own is none of a test's business
    # A shell lets what it starts in the background ignore SIGINT, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[SEEN] = os.dup(2)  # before pytest catches what is written there
    examples = 2000 if config.option.markexpr == "soak" else 50
    hypothesis.settings.register_profile(
        "house", database=None, deadline=None, print_blob=True, max_examples=examples
    )
    hypothesis.settings.load_profile("house")


def watch(item: pytest.Item) -> None:
    """End this process, with the stack on stderr, if the test is not over long after its time."""
    limit = item.config.getoption("timeout") or float(item.config.getini("timeout"))
    if mark := item.get_closest_marker("timeout"):
        limit = mark.args[0]
    faulthandler.dump_traceback_later(2 * limit + 60, exit=True, file=item.config.stash[SEEN])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """See that no test holds the run up for good; pytest-xdist names the test whose worker ended.

    pytest-timeout raises once, in the main thread: hypothesis takes that for a failing example and
    tries it again without a limit, and what tears a failed test down has no limit either.
    """
    watch(item)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Watch on: pytest's own faulthandler stops all watching when a test has failed."""
    if isinstance(node, pytest.Item):
        watch(node)


def user_mode() -> str:
    """The identity mode that this user's containers run in: "root", "mapped" or "single"."""
    if os.geteuid() == 0:
        return "root"
    name = pwd.getpwuid(os.getuid()).pw_name
    try:
        lines = Path("/etc/subuid").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    granted = any(line.split(":")[0] in (name, str(os.getuid())) for line in lines)
    return "mapped" if granted and shutil.which("newuidmap") else "single"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark `each` what asks for the identity mode, in whatever file it stands."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "in_user_mode" in fixtures or item.get_closest_marker("modes"):
            item.add_marker("each")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip by name what this machine or this user cannot do."""
    for mark in item.iter_markers("needs"):
        for need in mark.args:
            if need.startswith("/dev/"):
                if not os.access(need, os.R_OK | os.W_OK):
                    pytest.skip(f"{need} is not there or not open to this user")
            elif not shutil.which(need):
                pytest.skip(f"{need} is not installed")
    for mark in item.iter_markers("modes"):
        if user_mode() not in mark.args:
            pytest.skip(f"for identity mode {' or '.join(mark.args)}, this user has {user_mode()}")


@pytest.fixture(scope="session")
def in_user_mode() -> str:
    """The identity mode of this run: "root", "mapped" or "single"."""
    return user_mode()


@pytest.fixture
def seed() -> int:
    """Where a test with random parts starts: TEST_SEED, which `make soak` sets and prints."""
    return int(os.environ.get("TEST_SEED", "0"))


class Store:
    """A data directory and a runtime directory of a test's own, and the command that uses them.

    `store("run", "--rm", "busybox", "true")` runs the real `rootless` and returns the
    CompletedProcess; `store.ok(...)` also asserts exit code 0 and returns what it printed.
    """

    def __init__(self) -> None:
        # Directly below /tmp: the names of sockets must fit into 108 bytes (unix(7)).
        self.directory = tempfile.mkdtemp(prefix="rl-")
        self.root = f"{self.directory}/root"
        self.runtime = f"{self.directory}/run"
        os.mkdir(self.runtime, 0o700)
        self.env = {**os.environ, "ROOTLESS_ROOT": self.root, "XDG_RUNTIME_DIR": self.runtime}
        self.env["XDG_CONFIG_HOME"] = f"{self.directory}/config"
        self.env["XDG_CACHE_HOME"] = f"{self.directory}/cache"
        # This machine's own registries.conf and aliases are none of a test's business.
        self.env["CONTAINERS_REGISTRIES_CONF"] = os.devnull
        # As the script starts itself, and that of the checkout: the installed one is a copy.
        self.command = [sys.executable, "-S", str(REPOSITORY / "cli" / "rootless")]

    def __call__(
        self, *args: str, env: dict[str, str] | None = None, text: bool = True, **popen: Any
    ) -> subprocess.CompletedProcess[Any]:
        """Run `rootless ARGS` to its end; `input`, `timeout`, `cwd` as for subprocess.run."""
        popen.setdefault("timeout", 60)
        if "input" not in popen:
            popen.setdefault("stdin", subprocess.DEVNULL)
        if "stdout" not in popen and "stderr" not in popen:
            popen["capture_output"] = True
        return subprocess.run(
            [*self.command, *args], env={**self.env, **(env or {})}, text=text, **popen
        )

    def ok(self, *args: str, **options: Any) -> str:
        """Run `rootless ARGS`, which must succeed; return its output without the last newline."""
        done = self(*args, **options)
        assert done.returncode == 0, f"rootless {' '.join(args)}: {done.stdout}{done.stderr}"
        return str(done.stdout).rstrip("\n")

    def start(self, *args: str, **popen: Any) -> subprocess.Popen[str]:
        """Start `rootless ARGS` and return at once; stdin, stdout and stderr are pipes."""
        for stream in ("stdin", "stdout", "stderr"):
            popen.setdefault(stream, subprocess.PIPE)
        return Process([*self.command, *args], env=self.env, text=True, **popen)

    def remove(self) -> None:
        """Remove the containers, then everything, subordinate users' files too."""
        if os.path.isdir(f"{self.root}/containers") and os.listdir(f"{self.root}/containers"):
            self("rm", "--all", "--force")
        # A podman that a test ran in this runtime directory leaves the holder of its namespace.
        pause = Path(self.runtime, "libpod/tmp/pause.pid")
        if pause.exists():
            os.kill(int(pause.read_text()), signal.SIGKILL)
        remove_tree(self.directory)
        assert not os.path.exists(self.directory)


def remove_tree(directory: str) -> None:
    """Remove a directory that may hold files of subordinate users or without permissions."""
    # By rm(1): it goes as deep as a hostile tree does. Few tests leave what only others may remove.
    subprocess.run(["rm", "-rf", directory], capture_output=True)
    if user_mode() != "root" and os.path.isdir(directory):
        maps = ["--map-root-user"] + (["--map-auto"] if user_mode() == "mapped" else [])
        subprocess.run(["unshare", *maps, "rm", "-rf", directory], capture_output=True)


@pytest.fixture
def cli() -> Iterator[Store]:
    """The real command on an empty store of this test's own; its containers end with the test."""
    store = Store()
    yield store
    store.remove()


@pytest.fixture
def rootless_root(cli: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The data directory of `cli`, set in the environment for the engine as a library."""
    monkeypatch.setenv("ROOTLESS_ROOT", cli.root)
    monkeypatch.setenv("XDG_RUNTIME_DIR", cli.runtime)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "CONTAINERS_REGISTRIES_CONF"):
        monkeypatch.setenv(name, cli.env[name])
    return cli.root


@pytest.fixture(scope="session")
def loaded(busybox_image: str) -> Iterator[str]:
    """The data directory of a store with `busybox`, for copies: a load takes ten times as long."""
    store = Store()
    store.ok("load", "--input", busybox_image)
    wait_until_written(store)
    yield store.root
    store.remove()


def wait_until_written(store: Store) -> None:
    """Wait until the layers of a store are written out, and so bear no mark of their unpacking."""
    layers = list(Path(store.root, "layers").iterdir())
    while any(os.path.lexists(layer / "boot") for layer in layers):
        time.sleep(0.02)


def copy_store(source: str, target: str) -> None:
    """Make the data directory `target` as a copy of `source`, which nobody uses."""
    subprocess.run(["cp", "--archive", source, target], check=True)


@pytest.fixture
def busybox(cli: Store, loaded: str) -> Store:
    """`cli` with the image `busybox`."""
    copy_store(loaded, cli.root)
    return cli


@pytest.fixture(scope="module")
def shared(loaded: str) -> Iterator[Store]:
    """One store with `busybox` for a whole module, for tests that clean up what they make."""
    store = Store()
    copy_store(loaded, store.root)
    yield store
    store.remove()


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all xdist workers of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def busybox_image(shared_directory: Path) -> str:
    """An OCI layout with `busybox:latest`: Debian's static busybox, put together by umoci."""
    layout = shared_directory / "busybox-layout"
    with open(shared_directory / "busybox.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layout.exists():
            _make_busybox(shared_directory, layout)
    return str(layout)


@pytest.fixture(scope="session")
def busybox_archive(shared_directory: Path, busybox_image: str) -> str:
    """The same image as a docker archive, written by skopeo."""
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    archive = shared_directory / "busybox.tar"
    with open(shared_directory / "busybox.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            source, target = f"oci:{busybox_image}:busybox:latest", f"docker-archive:{archive}.new"
            subprocess.run(
                ["skopeo", "copy", "-q", "--insecure-policy", source, f"{target}:busybox:latest"],
                check=True,
            )
            os.rename(f"{archive}.new", archive)
    return str(archive)


def _make_busybox(directory: Path, layout: Path) -> None:
    """Make the layout with umoci, under another name until it is whole."""
    program = "/bin/busybox"
    if not os.path.exists(program):
        pytest.skip("busybox-static is not installed")
    if not shutil.which("umoci"):
        pytest.skip("umoci is not installed")
    tree, new = directory / "busybox-tree", directory / "busybox-new"
    for name in ("bin", "etc", "root", "tmp"):
        (tree / name).mkdir(parents=True)
    (tree / "tmp").chmod(0o1777)
    shutil.copy(program, tree / "bin/busybox")
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    for applet in set(applets.stdout.split()) - {"busybox"}:
        (tree / "bin" / applet).symlink_to("busybox")
    (tree / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
        "user:x:1000:1000:user:/home/user:/bin/sh\n"
    )
    (tree / "etc/group").write_text("root:x:0:\nusers:x:100:user\nuser:x:1000:\nnogroup:x:65534:\n")
    image = f"{new}:busybox:latest"
    for command in (
        ["init", "--layout", str(new)],
        ["new", "--image", image],
        ["insert", "--rootless", "--image", image, str(tree), "/"],
        ["config", "--image", image, "--config.cmd", "sh"],
    ):
        subprocess.run(["umoci", *command], check=True, capture_output=True)
    new.rename(layout)
