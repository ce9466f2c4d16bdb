"""Starting containers after a boot, with what this host has: systemd's user manager, or cron.

A unit of the user's manager runs at boot only if the user lingers (loginctl(1)), else at his first
login. cron's @reboot (crontab(5)) needs no session. Both call `rootless start` with the restart
policies that a boot is about; the containers' own supervisors do the rest.
"""

from __future__ import annotations

import os
import subprocess
import sys

from rootless.doctor.finding import OK
from rootless.doctor.session import linger
from rootless.errors import HostError
from rootless.store.paths import default_root, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

UNIT = "rootless-boot.service"
MARK = "# rootless: containers that start with this machine"
"""What our lines of a crontab end with, one for each store; no other line is touched."""

_DAEMONS = {"cron", "crond", "fcron", "dcron", "bcron-sched", "systemd-cron"}

_ALIASES = ("docker", "podman")

POLICIES = ("always", "unless-stopped")


class Way:
    """How a boot starts containers here: `name` is systemd, cron, or nothing."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.name = "systemd" if _has_user_manager() else "cron" if _has_cron() else ""

    def enable(self) -> None:
        """Install it. Raises HostError where there is neither."""
        if self.name == "systemd":
            path = unit_path(self._paths.root)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(unit(self._paths.root))
            _systemctl("daemon-reload")
            _systemctl("enable", unit_name(self._paths.root))
        elif self.name == "cron":
            _write_crontab([*self._other_lines(), cron_line(self._paths.root)])
        else:
            raise HostError(
                "neither a systemd user manager nor cron is here",
                "have something run this after a boot: " + " ".join(command(self._paths.root)),
            )

    def disable(self) -> None:
        """Take back what `enable` has installed, by either way."""
        for path in self._units():
            if self.name == "systemd":
                _systemctl("disable", os.path.basename(path))
            os.unlink(path)
        if _has_cron() and self._is_in_crontab():
            _write_crontab(self._other_lines())

    @property
    def is_enabled(self) -> bool:
        """Whether it is installed."""
        return bool(self._units()) or (_has_cron() and self._is_in_crontab())

    def _units(self) -> list[str]:
        """The unit of this store, by its own name or by that which releases before gave to any."""
        found = []
        for path in dict.fromkeys((unit_path(self._paths.root), unit_path(""))):
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    lines = [
                        line.removeprefix("ExecStart=") for line in file if line[:9] == "ExecStart"
                    ]
            except OSError:
                continue
            if any(self._is_ours(line) for line in lines):
                found.append(path)
        return found

    def _is_ours(self, line: str) -> bool:
        """Whether a line of a unit or of a crontab is about this store."""
        root = self._paths.root
        if root == default_root():
            return " --root " not in line
        words = (cron_words(["--root", root]), " ".join(map(_quoted, ["--root", root])))
        return any(f" {one} " in line for one in words)

    def _is_in_crontab(self) -> bool:
        return any(line.endswith(MARK) and self._is_ours(line) for line in _crontab())

    def _other_lines(self) -> list[str]:
        return [x for x in _crontab() if not (x.endswith(MARK) and self._is_ours(x))]

    def warning(self) -> str:
        """Return what keeps it from working, with the command that helps; "" for nothing."""
        if self.name == "cron" and not _cron_runs():
            return "no cron daemon runs here: until one does, nothing is started after a boot"
        if self.name != "systemd" or (finding := linger()).level == OK:
            return ""
        return f"linger is {finding.found}: the unit starts with the first login; {finding.remedy}"


def command(root: str) -> list[str]:
    """Return the command line that a boot runs."""
    program = _program(os.path.abspath(sys.argv[0]))
    place = [] if root == default_root() else ["--root", root]
    filters = [word for name in POLICIES for word in ("--filter", f"restart-policy={name}")]
    return [sys.executable, program, *place, "start", "--all", *filters]


def _program(path: str) -> str:
    """Return the program itself where `path` is a link that `alias` has made: it may go again.

    Other links stay: what an installer has put in front of a release is to lead to the next one.
    """
    while os.path.basename(path) in _ALIASES and os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return path


def unit_name(root: str) -> str:
    """Return the name of a store's unit; "" is the user's usual store."""
    if root in ("", default_root()):
        return UNIT
    from hashlib import sha256

    return UNIT.replace(".", f"-{sha256(os.fsencode(root)).hexdigest()[:12]}.", 1)


def unit_path(root: str) -> str:
    """Where the unit is, or would be (systemd.unit(5))."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{home()}/.config"
    return f"{base}/systemd/user/{unit_name(root)}"


def unit(root: str) -> str:
    """Return the unit. Its containers stay when it is stopped: each has a supervisor of its own."""
    line = " ".join(_quoted(word) for word in command(root))
    return (
        "[Unit]\n"
        "Description=Containers of rootless that start with this machine\n"
        "Documentation=man:podman-restart(1)\n\n"
        "[Service]\n"
        "Type=oneshot\n"
        "RemainAfterExit=yes\n"
        "KillMode=process\n"
        f"ExecStart={line}\n\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def _quoted(word: str) -> str:
    """Quote for ExecStart= (systemd.service(5)): specifiers, variables, and white space."""
    word = word.replace("%", "%%").replace("$", "$$")
    if word and not set(word) & set(" \t\"'\\"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def cron_line(root: str) -> str:
    """Return the line of the crontab. cron gives a % a meaning of its own (crontab(5))."""
    return f"@reboot {cron_words(command(root))} {MARK}"


def cron_words(words: list[str]) -> str:
    """Return words as a line of the crontab has them."""
    import shlex

    return shlex.join(words).replace("%", "\\%")


def _has_user_manager() -> bool:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return os.path.exists(f"{runtime}/systemd/private") and os.path.isdir("/run/systemd/system")


def _has_cron() -> bool:
    from shutil import which

    return which("crontab") is not None


def _cron_runs() -> bool:
    """Whether a cron daemon runs; also where other users' processes are hidden (proc(5))."""
    if not os.path.exists("/proc/1/comm"):
        return True
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                if file.read().strip() in _DAEMONS:
                    return True
        except OSError:
            continue  # it has ended
    return False


def _systemctl(*words: str) -> None:
    done = subprocess.run(
        ["systemctl", "--user", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise HostError(f"systemctl --user {words[0]}: {said[0]}")


def _crontab() -> list[str]:
    done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    if done.returncode and "no crontab" not in done.stderr:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise HostError(f"cannot read the crontab: {said[0]}")
    return done.stdout.splitlines()


def _write_crontab(lines: list[str]) -> None:
    """Write the crontab; one without lines is removed."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["crontab", "-" if lines else "-r"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise HostError(f"cannot write the crontab: {said[0]}")
