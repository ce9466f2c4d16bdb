"""Pulling and pushing beside podman and skopeo, against docker-registry on the loopback."""

from __future__ import annotations

import os
import statistics
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING

import images

if TYPE_CHECKING:
    from pathlib import Path

    import peers

SETTINGS = """
version: 0.1
log: {level: info, formatter: text, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:0"}
"""
PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")


class Registry:
    """A docker-registry with `debian:bench` and `ten:bench`, an image of ten layers."""

    def __init__(self, work: Path) -> None:
        """Raises Missing where a program is not installed."""
        images.need("docker-registry", "skopeo")
        settings = work / "registry.yml"
        settings.write_text(SETTINGS % (work / "registry"))
        command = ["docker-registry", "serve", str(settings)]
        log = work / "registry.log"
        with open(log, "w") as stream:
            self._server = subprocess.Popen(command, stderr=stream)
        while "listening on 127.0.0.1:" not in (said := log.read_text()):
            time.sleep(0.05)
        port = said.partition("listening on 127.0.0.1:")[2].partition('"')[0]
        self.address = f"127.0.0.1:{port.split(',')[0]}"
        try:
            self._fill()
        except BaseException:
            self.close()
            raise

    def _fill(self) -> None:
        line = ("skopeo", "copy", "-q", "--insecure-policy", *PLAIN)
        for archive, name in ((images.debian(), "debian:bench"), (_ten(), "ten:bench")):
            images.run(*line, f"docker-archive:{archive}", f"docker://{self.address}/{name}")

    def close(self) -> None:
        """End it."""
        self._server.kill()
        self._server.wait()


def _ten() -> Path:
    """Return a docker archive of the Debian, its files spread over ten layers."""
    archive = images.CACHE / "ten.tar"
    if archive.exists():
        return archive
    with images.scratch() as directory:
        layout = f"{directory}/layout"
        images.run("umoci", "init", "--layout", layout)
        images.run("umoci", "new", "--image", f"{layout}:1")
        with tarfile.open(images.debian()) as outer:
            member = next(one for one in outer if one.name.endswith(".tar"))
            stream = outer.extractfile(member)
            with tarfile.open(fileobj=stream) as inner:
                parts = [tarfile.open(f"{directory}/{n}.tar", "w") for n in range(10)]
                for number, entry in enumerate(inner):
                    if entry.isdir():
                        targets = parts
                    elif entry.isreg():
                        targets = parts[number % 10 : number % 10 + 1]
                    else:
                        continue
                    for part in targets:
                        content = inner.extractfile(entry) if entry.isreg() else None
                        part.addfile(entry, content)
                for part in parts:
                    part.close()
        for number in range(10):
            layer = f"{directory}/{number}.tar"
            images.run("umoci", "raw", "add-layer", "--image", f"{layout}:1", layer)
        images.docker_archive(f"oci:{layout}:1", archive, "ten:bench")
    return archive


def pull(pairs: list[tuple[peers.Engine, peers.Engine]], name: str) -> tuple[float, float, str]:
    """Pull `name` with both of each pair, whose stores are empty: medians in milliseconds."""
    rounds = [
        [(engine.argv("pull", "-q", "--tls-verify=false", name), engine.env) for engine in pair]
        for pair in pairs
    ]
    return _in_turn(rounds)


def transfer(ours: peers.Engine, work: Path, source: str) -> tuple[float, float, str]:
    """Copy `source` to layouts, each time a new one, with ours and skopeo in turn."""
    rounds = []
    for number in range(8):
        line = ("copy", "-q", "--src-tls-verify=false", source)
        target = f"oci:{work}/transfer-{number}"
        theirs = ["skopeo", "--insecure-policy", *line, f"{target}-theirs:1"]
        rounds.append([(ours.argv(*line, f"{target}-ours:1"), ours.env), (theirs, ours.env)])
    return _in_turn(rounds)


def _in_turn(rounds: list[list[tuple[list[str], dict[str, str]]]]) -> tuple[float, float, str]:
    """Run (command, environment) of ours and theirs, round by round: medians in milliseconds."""
    times: list[list[float]] = [[], []]
    peak = 0
    for pair in rounds:
        for (argv, env), column in zip(pair, times, strict=True):
            # Else who syncs, as ours does, waits for what the one before has left to be written.
            os.sync()
            began = time.perf_counter()
            pid = os.posix_spawnp(
                argv[0],
                argv,
                env,
                file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
            )
            _, status, usage = os.wait4(pid, 0)
            column.append((time.perf_counter() - began) * 1000)
            if status:
                raise images.Missing(f"this failed: {' '.join(argv)}")
            peak = max(peak, usage.ru_maxrss) if column is times[0] else peak
    ours, theirs = map(statistics.median, times)
    return ours, theirs, f"our largest process: {peak / 1024:.0f} MB"
