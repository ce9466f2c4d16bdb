"""The README and the pages of docs/: their command lines are run, in their order, and compared.

In a block of code a line that begins with "$ " is a command, and what it prints stands below, "..."
for whatever. What `cat ~/.config/FILE` shows is put there, and so are the files of what is built.
What differs from run to run (ids, times, sizes) is compared in kind. All registries are one, in
this process. What needs a terminal, another program or another machine is only read by the parser,
where it is ours.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from rootless.cli import lean, pages
from rootless.testing import Registry
from tests import ports
from tests.conftest import REPOSITORY, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

README = REPOSITORY / "README.md"
PAGES = {"README": README, **{name: REPOSITORY / f"docs/{name}.md" for name in pages.topics()}}

EACH = {"build": pytest.param("build", marks=pytest.mark.each)}
"""Pages whose lines may do different things where there is one id."""

NOT_RUN = (
    *("boot ", "registry serve", "doctor", "system reset", "login", "capture", "'...'"),
    *(" -it ", "unshare", "attach", "pull --tls-verify=false"),
)
"""What is only parsed: this machine's, a terminal's, or not over by itself."""

SHOWN = ("cat ~/.config/", "cat app/", "cat owners/", "cat secret/", "cat token")
"""Beginnings of lines that show a file which is then there."""

SHELL = ("rootless", "[", "echo", "cat", "until", "chmod", "ROOTLESS_ADDITIONAL_STORES=$PWD/store")
"""First words of lines that are run."""

FILES = {
    "site/index.html": "hello\n",
    "model.gguf": "weights\n",
    "README.md": "of the model\n",
    "sbom.json": "{}\n",
}
PORTS = ("8080", "8081")
"""Those of the pages."""

NAMES = ("*.example.com", "docker.io", "ghcr.io")
REGISTRY = '[[registry]]\nprefix = "{1}"\nlocation = "{0}"\ninsecure = true\n'

KINDS = (
    (r'[^\s"]*/\.?config/containers', "~/.config/containers"),
    (r"(sha256:)?\b[0-9a-f]{12,64}\b", "ID"),
    (r"(\d+|an?|About an?|Less than a) (second|minute|hour)s?", "AGE"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b[\d.]+ ?[kMG]?B\b", "SIZE"),
    (r"\b\d+ / \d+\b", "COUNTS"),
    (r"DONE [\d.]+s", "DONE"),
    (r"\s+", " "),
)
"""What differs from run to run, and what it is compared as."""


class Step(NamedTuple):
    """A command of a page, and what stands below it."""

    command: str
    printed: list[str]


def sessions(text: str) -> Iterator[Step]:
    """Yield the commands of a page."""
    step = None
    for line in text.splitlines():
        code = line[4:] if line.startswith("    ") else None
        if step and step.command.endswith("\\") and code is not None:
            step = Step(step.command[:-1] + code.strip(), [])
            continue
        if step and (code is None or code.startswith("$ ")):
            yield step
            step = None
        if code is not None and code.startswith("$ "):
            step = Step(code[2:], [])
        elif step and code is not None:
            step.printed.append(code)
    if step:
        yield step


def parsed(command: str) -> bool:
    """Whether a line of ours is understood."""
    words = shlex.split(command.partition(" | ")[0], comments=True)
    return lean.parse(words[1:]) is not None


def is_run(command: str) -> bool:
    return command.split()[0] in SHELL and not any(part in f"{command} " for part in NOT_RUN)


def in_kind(text: str) -> str:
    """Return what two runs have in common."""
    for pattern, kind in KINDS:
        text = re.sub(pattern, kind, text)
    return text.strip()


def fits(printed: str, shown: list[str]) -> bool:
    """Whether a program has printed what a page shows."""
    lines = [in_kind(line) for line in printed.splitlines()]
    pattern = r"\n".join(re.escape(in_kind(line)).replace(r"\.\.\.", "(?s:.*)") for line in shown)
    return re.fullmatch(pattern, "\n".join(lines)) is not None


class Place:
    """A store and a directory with what the pages speak of."""

    def __init__(self, store: Store, directory: Path, ports: dict[str, str]) -> None:
        self.store = store
        self._directory = directory
        self._ports = ports

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line by a shell; what it says of mistakes is part of what it prints."""
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self._directory,
            env=self.store.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )

    def has(self, path: str, lines: list[str]) -> None:
        """Make a file that a page shows by `cat ~/.config/NAME`."""
        file = self._directory / path.replace("~/.config", self.store.env["XDG_CONFIG_HOME"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
        if file.name == "containers.conf":
            self.store.env["CONTAINERS_CONF"] = str(file)  # alone, without this machine's

    def tidy(self) -> None:
        """Leave for the next page what there was for this one."""
        shutil.rmtree(self.store.env["XDG_CONFIG_HOME"], ignore_errors=True)
        self.store.env["CONTAINERS_CONF"] = os.devnull
        self.store.ok("rm", "-fa")
        names = self.store.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        if others := [name for name in names if name != "busybox:latest"]:
            self.store.ok("rmi", "-f", *others)
        self.store.ok("image", "prune", "-f")

    def text(self, page: str) -> str:
        """Return the text of a page, with ports that are free."""
        text = PAGES[page].read_text()
        for shown, free in self._ports.items():
            text = text.replace(shown, free)
        return text


@pytest.fixture(scope="module")
def place(busybox_archive: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One for all pages, with the image busybox, and all registries in this process."""
    directory = tmp_path_factory.mktemp("pages")
    shutil.copy(busybox_archive, directory / "busybox.tar")
    (directory / "site").mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    store = Store()
    store.env["PATH"] = f"{os.path.dirname(sys.executable)}:{store.env['PATH']}"
    with Registry(str(directory / "registry")) as registry:
        conf = directory / "registries.conf"
        conf.write_text("".join(REGISTRY.format(registry.address, name) for name in NAMES))
        store.env["CONTAINERS_REGISTRIES_CONF"] = str(conf)
        store.ok("load", "-i", busybox_archive)
        for name in ("docker.io/library/debian:12", "ghcr.io/me/tools:1"):
            store.ok("push", "-q", "busybox", name)
        numbers = map(str, ports.free(len(PORTS)))
        yield Place(store, directory, dict(zip(PORTS, numbers, strict=True)))
    store.remove()


@pytest.mark.parametrize("page", [EACH.get(page, page) for page in PAGES])
def test_lines_of_a_page_do_what_it_says(page: str, place: Place) -> None:
    code = 0
    for command, shown in sessions(place.text(page)):
        assert not command.startswith("rootless ") or parsed(command), command
        if command.startswith(SHOWN):
            place.has(command[4:], shown)
        elif command == "echo $?":
            assert shown == [str(code)], command
        elif is_run(command):
            done = place.run(command)
            code = done.returncode
            assert fits(done.stdout, shown), f"{command}\n{done.stdout}"
    place.tidy()


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = PAGES[page]
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        assert (path.parent / target).is_file(), target


def test_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\(docs/([\w-]+)\.md\)", README.read_text()))
    assert linked == set(pages.topics())
