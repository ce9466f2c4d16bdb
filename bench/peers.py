"""The engines that are compared: how each is called, each with a store of its own.

All run as the same ordinary user, on the same file system, with the same images.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Engine:
    """A container engine: the start of its command line, and its name in the table."""

    def __init__(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.name, self.command, self.env = name, command, env

    def argv(self, *args: str) -> list[str]:
        """Return the command line for `args`."""
        return [*self.command, *args]

    def __call__(self, *args: str) -> str:
        """Run `args`, which must succeed, and return what it printed."""
        done = subprocess.run(
            self.argv(*args), env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            sys.exit(f"{self.name} {' '.join(args)}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout.strip()

    def close(self) -> None:
        """End the containers of the engine."""
        subprocess.run(self.argv("rm", "--all", "--force"), env=self.env, capture_output=True)


class Podman(Engine):
    """podman, with the first OCI runtime that can start a container here."""

    def __init__(self, work: Path) -> None:
        runtime = work / "p"
        runtime.mkdir(mode=0o700)
        self.runtime = runtime
        places = ["--root", f"{work}/podman", "--runroot", f"{runtime}/run"]
        places += ["--tmpdir", f"{runtime}/tmp"]
        # Neither systemd nor a journal need be there; the overlay driver is podman's fastest.
        quiet = ["--cgroup-manager=cgroupfs", "--events-backend=file", "--log-level=error"]
        command = ["podman", *places, "--storage-driver=overlay", *quiet]
        env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        # Where podman remembers what registries have (blob-info-cache-v1.boltdb).
        env["XDG_DATA_HOME"] = str(runtime)
        # A session keyring for each container is more than a user may have (kernel.keys.maxkeys).
        settings = runtime / "containers.conf"
        settings.write_text("[containers]\nkeyring = false\n")
        super().__init__("podman", command, {**env, "CONTAINERS_CONF": str(settings)})

    def choose(self, image: str) -> str:
        """Settle on crun or runc by trying `image`; return "" or why none can be used."""
        reason = "neither crun nor runc is installed"
        for runtime in filter(shutil.which, ("crun", "runc")):
            trial = ["--runtime", runtime, "run", "--rm", "--network=none", image, "true"]
            done = subprocess.run(self.argv(*trial), env=self.env, capture_output=True, text=True)
            if done.returncode == 0:
                self.command += ["--runtime", runtime]
                self.name = f"podman, {runtime}"
                return ""
            reason = f"podman with {runtime}: {done.stderr.strip().splitlines()[-1]}"
        return reason

    def close(self) -> None:
        """Remove everything, and end the process that holds podman's user namespace."""
        subprocess.run(self.argv("rm", "-af", "-t0"), env=self.env, capture_output=True)
        subprocess.run(self.argv("rmi", "-af"), env=self.env, capture_output=True)
        for file in self.runtime.rglob("pause.pid"):
            os.kill(int(file.read_text()), signal.SIGTERM)


def rootless(work: Path) -> Engine:
    """Return this engine, as a user has it: the installed command."""
    (work / "rootless-runtime").mkdir(mode=0o700)
    env = {**os.environ, "ROOTLESS_ROOT": f"{work}/rootless"}
    env["XDG_RUNTIME_DIR"] = f"{work}/rootless-runtime"
    return Engine("rootless", [f"{os.path.dirname(sys.executable)}/rootless"], env)


def bubblewrap(tree: Path) -> list[str]:
    """Return a command line of bubblewrap for `true` in `tree`: a container without an engine."""
    return ["bwrap", "--unshare-all", "--bind", str(tree), "/", "--proc", "/proc", "--dev", "/dev"]
