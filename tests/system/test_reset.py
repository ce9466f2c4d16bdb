"""system reset: it deletes a store, all of it, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import user_mode

if TYPE_CHECKING:
    from conftest import Store


def test_everything_goes(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "-v", "data:/data", "busybox", "sleep", "1000")
    busybox.ok("create", "--name", "two", "busybox", "true")
    refused = busybox("system", "reset", input="n\n")
    assert refused.returncode == 0
    sizes = {line.split()[-1]: line.split()[0] for line in refused.stdout.splitlines()[1:-2]}
    assert {"images", "events", "driver"} <= {name for name, size in sizes.items() if size != "0B"}
    assert "Running containers, which are killed: one" in refused.stdout
    assert busybox.ok("ps", "-q") != ""
    agreed = busybox("system", "reset", input="y\n")
    assert agreed.returncode == 0, agreed.stderr
    assert not os.path.exists(busybox.root)
    assert busybox.ok("run", "--rm", "host", "echo", "new") == "new"


def test_damaged_records_are_no_obstacle(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "true")
    (config,) = Path(busybox.root, "containers").glob("*/config.json")
    config.write_text("{")
    busybox.ok("system", "reset", "--force")
    assert not os.path.exists(busybox.root)


def test_one_that_is_killed_is_finished_by_the_next(busybox: Store) -> None:
    """Meanwhile there is no whole store, and whoever would write to it is told so."""
    many = Path(busybox.root, "volumes/many")
    many.mkdir()
    for number in range(20000):  # their removal takes a while
        (many / str(number)).touch()
    line = [*busybox.command, "system", "reset", "--force"]
    reset = subprocess.Popen(line, env=busybox.env, stdout=subprocess.DEVNULL)
    while not os.path.exists(f"{busybox.root}/.gone-volumes"):
        assert reset.poll() is None
    reset.kill()
    reset.wait()
    assert busybox.ok("ps", "-aq") == busybox.ok("images", "-q") == ""
    for command in (["run", "--rm", "host", "true"], ["import", "x.tar"], ["create", "busybox"]):
        refused = busybox(*command)
        assert "is being reset, or a reset of it was broken off" in refused.stderr, command
        assert "(rootless system reset finishes that)" in refused.stderr
        assert refused.returncode != 0
    busybox.ok("system", "reset", "--force")
    assert not os.path.exists(busybox.root)
    assert busybox.ok("run", "--rm", "host", "echo", "new") == "new"


def test_what_is_not_ours_stays(busybox: Store) -> None:
    Path(busybox.root, "thesis.tex").write_text("years of work")
    shown = busybox.ok("system", "reset", "--force")
    assert "left alone: thesis.tex" in shown
    assert os.listdir(busybox.root) == ["thesis.tex"]


def refusal(store: Store, **options: str) -> str:
    """Return why a reset is refused, and make sure that nothing was deleted."""
    before = sorted(os.listdir(store.root))
    done = store("system", "reset", "--force", **options)
    assert done.returncode == 125, done.stdout
    assert sorted(os.listdir(store.root)) == before
    return str(done.stderr)


def test_refused_without_the_mark(cli: Store) -> None:
    os.mkdir(cli.root)
    os.mkdir(f"{cli.root}/images")
    assert "does not bear the mark" in refusal(cli)
    os.rmdir(f"{cli.root}/images")
    os.rmdir(cli.root)
    assert "there is no store" in cli("system", "reset", "--force").stderr


def test_refused_places(busybox: Store) -> None:
    assert "current directory" in refusal(busybox, cwd=busybox.root)
    assert "current directory" in refusal(busybox, cwd=f"{busybox.root}/images")
    home = {"HOME": f"{busybox.root}/images"}
    assert "your home, or above it" in refusal(busybox, env=home)  # type: ignore[arg-type]
    link = f"{busybox.directory}/link"
    os.symlink(busybox.root, link)
    assert "a symbolic link" in refusal(busybox, env={"ROOTLESS_ROOT": link})  # type: ignore[arg-type]


def test_refused_mount_point(busybox: Store) -> None:
    maps = ["--map-root-user", *(["--map-auto"] if user_mode() == "mapped" else [])]
    reset = [*busybox.command, "system", "reset", "--force"]
    script = 'mount --bind "$ROOTLESS_ROOT" "$ROOTLESS_ROOT" && "$@"'
    done = subprocess.run(
        ["unshare", *maps, "--mount", "sh", "-c", script, "sh", *reset],
        env=busybox.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 125
    assert "a mount point" in done.stderr
    assert "busybox" in busybox.ok("images")
