"""Fresh interpreters that call doors, and the files that they and we are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rootless.linux import interpreter


def test_a_door_is_called_with_the_data_as_they_are(tmp_path: Path) -> None:
    layers = tmp_path / os.fsdecode(b"it's \xff {0}\n\"\xc3\xa9\\")
    mark = layers / "layer/boot"
    mark.parent.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    mark.symlink_to(f"{os.uname().nodename} {boot}")
    pid = interpreter.spawn("write_out", str(layers), site=interpreter.BARE)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not mark.is_symlink()


def test_its_output_goes_where_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("damaged")
    reader, writer = os.pipe()
    root, directory = str(tmp_path), str(tmp_path)
    pid = interpreter.spawn(
        "probe", root, directory, "regular", site=interpreter.BARE, output=writer
    )
    os.close(writer)
    with open(reader) as told:
        assert f"{tmp_path}/config.json" in told.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 125


def test_other_files_are_noticed(tmp_path: Path) -> None:
    """A process with a package of its own, which is written anew, and goes away."""
    for name in ("__init__", "doors", "linux/__init__", "linux/interpreter", "linux/files"):
        target = tmp_path / f"rootless/{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(interpreter.PACKAGES, f"rootless/{name}.py").read_bytes())
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
from rootless.linux import interpreter
doors = f"{sys.argv[1]}/rootless/doors.py"
found = [interpreter.is_replaced()]
os.rename(doors, f"{doors}.old")
found.append(interpreter.is_replaced())
os.rename(f"{doors}.old", doors)
with open(doors) as old, open(f"{doors}.new", "w") as new:
    new.write(old.read())
os.rename(f"{doors}.new", doors)
found.append(interpreter.is_replaced())
print(found)
"""
    command = [sys.executable, "-I", "-S", "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "[False, True, True]\n", done.stderr
