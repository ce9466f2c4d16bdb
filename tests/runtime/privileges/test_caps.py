"""Capabilities: what is asked for becomes sets, and the sets become true of a real process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from rootless.errors import UsageError
from rootless.runtime.privileges import caps

pytestmark = pytest.mark.once

# What a launcher does between unshare and execve, then what the kernel says of it.
LAUNCH = """
import json, os, sys
from rootless.linux import namespaces
from rootless.runtime.privileges import caps
if os.geteuid() != 0:
    namespaces.unshare(namespaces.CLONE_NEWUSER)
wanted = json.loads(sys.argv[1])
caps.shed(wanted)
caps.regain()
caps.settle(wanted)
print(json.dumps(dict(
    line.strip().split(":\\t")
    for line in open("/proc/self/status") if line.startswith(("Cap", "NoNew")))), flush=True)
os.execv("/bin/grep", ["grep", "Cap", "/proc/self/status"])
"""


def launched(wanted: dict[str, list[str]]) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=True,
    )
    first, _, rest = done.stdout.partition("\n")
    return json.loads(first), rest


def test_the_default_is_podmans() -> None:
    assert caps.resolve() == sorted(caps.DEFAULT)
    assert len(caps.DEFAULT) == 11


@pytest.mark.parametrize("spelling", ["net_admin", "NET_ADMIN", "cap_net_admin", "Cap_Net_Admin"])
def test_case_and_prefix_do_not_matter(spelling: str) -> None:
    assert "CAP_NET_ADMIN" in caps.resolve([spelling])
    assert "CAP_CHOWN" not in caps.resolve([], ["Chown"])


def test_commas_separate_as_with_podman() -> None:
    more = set(caps.resolve(["NET_ADMIN,SYS_TIME"])) - set(caps.DEFAULT)
    assert more == {"CAP_NET_ADMIN", "CAP_SYS_TIME"}


def test_all() -> None:
    everything = caps.resolve(["all"])
    assert everything == sorted(caps.known())
    assert caps.resolve(privileged=True) == everything
    assert caps.resolve([], ["ALL"]) == []
    assert caps.resolve(["CHOWN"], ["ALL"]) == ["CAP_CHOWN"]
    assert set(everything) - set(caps.resolve(["ALL"], ["SYS_ADMIN"])) == {"CAP_SYS_ADMIN"}


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown capability 'FLY'"):
        caps.resolve(["FLY"])
    with pytest.raises(UsageError, match="CAP_KILL cannot be both added and dropped"):
        caps.resolve(["KILL"], ["kill"])
    with pytest.raises(UsageError, match="both added and dropped"):
        caps.resolve(["ALL"], ["ALL"])


def test_numbers_are_the_kernels() -> None:
    assert caps.NAMES.index("CAP_SETFCAP") == 31
    assert caps.NAMES.index("CAP_AUDIT_READ") == 37
    assert caps.NAMES.index("CAP_CHECKPOINT_RESTORE") == 40
    assert caps.names(caps.bits(caps.NAMES)) == list(caps.NAMES)
    assert caps.names(1 << 50) == ["CAP_50"]
    with open("/proc/sys/kernel/cap_last_cap") as file:
        assert caps.last() == int(file.read())


def test_a_name_beyond_the_running_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "last", lambda: 37)
    assert "CAP_BPF" not in caps.resolve(["ALL"])
    with pytest.raises(UsageError, match="this kernel has no capability CAP_BPF"):
        caps.resolve(["BPF"])


def test_last_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = caps.last()

    def no_proc(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", no_proc)
    assert caps.last() == expected


def test_root_gets_its_sets_and_no_inheritable_ones() -> None:
    wanted = caps.sets(caps.resolve())
    status, after = launched(wanted)
    mask = f"{caps.bits(caps.DEFAULT):016x}"
    assert status["CapBnd"] == status["CapPrm"] == status["CapEff"] == mask
    assert status["CapInh"] == status["CapAmb"] == "0" * 16
    assert f"CapBnd:\t{mask}" in after


def test_nothing_at_all() -> None:
    status, after = launched(caps.sets([]))
    assert {status[key] for key in status if key.startswith("Cap")} == {"0" * 16}
    assert after.count("0" * 16) == 5


def test_another_user_has_only_what_was_named_and_keeps_it_over_execve() -> None:
    wanted = caps.sets(caps.resolve(["NET_RAW"]), ["net_raw"], root=False)
    assert wanted["effective"] == ["CAP_NET_RAW"]
    status, after = launched(wanted)
    mask = f"{caps.bits(['CAP_NET_RAW']):016x}"
    assert status["CapEff"] == status["CapPrm"] == status["CapInh"] == status["CapAmb"] == mask
    assert f"CapAmb:\t{mask}" in after
    assert caps.sets(caps.resolve(), root=False)["ambient"] == []


def test_no_new_privs() -> None:
    script = (
        "from rootless.linux import caps; a = caps.no_new_privs(); caps.set_no_new_privs();"
        "print(a, caps.no_new_privs())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout in ("False True\n", "True True\n")
