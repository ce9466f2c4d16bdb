"""rootless info: docker's names for the facts that both have, and what is ours alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rootless

if TYPE_CHECKING:
    from tests.conftest import Store


def test_dockers_names(cli: Store) -> None:
    facts = json.loads(cli.ok("info", "--format", "json"))
    assert facts["ServerVersion"] == rootless.__version__
    assert facts["DockerRootDir"] == cli.root
    assert facts["Driver"] in ("overlay", "fuse-overlayfs", "copy")
    assert facts["KernelVersion"] == os.uname().release
    assert facts["NCPU"] == len(os.sched_getaffinity(0))
    assert "name=rootless" in facts["SecurityOptions"]
    assert (facts["Containers"], facts["Images"]) == (0, 0)


def test_what_is_ours(cli: Store, in_user_mode: str) -> None:
    ours = json.loads(cli.ok("info", "--format", "{{json .Rootless}}"))
    assert ours["Mode"] == in_user_mode
    assert ours["RuntimeDir"] == f"{cli.runtime}/rootless"
    assert ours["UidMap"][0] == [0, os.getuid(), 1]
    assert any("one user id" in line for line in ours["Degraded"]) == (in_user_mode == "single")


def test_second_best_steps_are_named(cli: Store) -> None:
    env = {"ROOTLESS_DRIVER": "copy", "XDG_RUNTIME_DIR": ""}
    text = cli.ok("info", env=env)
    assert "Driver: copy" in text
    assert "root file systems by copy" in text
    assert "XDG_RUNTIME_DIR is not set" in text


def test_without_a_store_that_can_be_written(cli: Store) -> None:
    with open(cli.root, "w"):
        pass
    done = cli("info")
    assert "Traceback" not in done.stderr


def test_which_containers_conf_are_read(cli: Store) -> None:
    def told(text: str) -> dict[str, Any]:
        file = Path(cli.directory, "c.conf")
        file.write_text(text)
        words = ("info", "--format", "{{json .Rootless.ContainersConf}}")
        found: dict[str, Any] = json.loads(cli.ok(*words, env={"CONTAINERS_CONF": str(file)}))
        return found

    file = f"{cli.directory}/c.conf"
    ignored = [
        "containers.pids_limit (not here yet)",
        "engine.runtime (there is one runtime, our own)",
    ]
    text = "[containers]\ninit = true\npids_limit = 1\n[engine]\nruntime = 'crun'\n"
    assert told(text) == {"Files": [file], "Ignored": ignored}
    assert told("[containers]\ninit = 1\n") == {
        "Files": [],
        "Ignored": [],
        "Error": f"{file}: [containers] init: invalid value 1 (write true or false)",
    }
    none = "{{json .Rootless.ContainersConf}}"
    assert json.loads(cli.ok("info", "--format", none)) == {"Files": [], "Ignored": []}
    Path(file).write_text("")
    assert f"Files: {file}" in cli.ok("info", env={"CONTAINERS_CONF": file})
