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
"""What our line of a crontab ends with; no other line is touched."""

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
            path = unit_path()
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(unit(self._paths.root))
            _systemctl("daemon-reload")
            _systemctl("enable", UNIT)
        elif self.name == "cron":
            _write_crontab([*_other_lines(), cron_line(self._paths.root)])
        else:
            raise HostError(
                "neither a systemd user manager nor cron is here",
                "have something run this after a boot: " + " ".join(command(self._paths.root)),
            )

    def disable(self) -> None:
        """Take back what `enable` has installed, by either way."""
        if os.path.exists(unit_path()):
            if self.name == "systemd":
                _systemctl("disable", UNIT)
            os.unlink(unit_path())
        if _has_cron() and is_in_crontab():
            _write_crontab(_other_lines())

    @property
    def is_enabled(self) -> bool:
        """Whether it is installed."""
        return os.path.exists(unit_path()) or (_has_cron() and is_in_crontab())

    def warning(self) -> str:
        """Return what keeps it from working, with the command that helps; "" for nothing."""
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


def unit_path() -> str:
    """Where the unit is, or would be (systemd.unit(5))."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{home()}/.config"
    return f"{base}/systemd/user/{UNIT}"


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
    import shlex

    return f"@reboot {shlex.join(command(root))} {MARK}".replace("%", "\\%")


def _has_user_manager() -> bool:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return os.path.exists(f"{runtime}/systemd/private") and os.path.isdir("/run/systemd/system")


def _has_cron() -> bool:
    from shutil import which

    return which("crontab") is not None


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


def is_in_crontab() -> bool:
    """Whether our line is in this user's crontab. Raises HostError."""
    return any(line.endswith(MARK) for line in _crontab())


def _other_lines() -> list[str]:
    return [line for line in _crontab() if not line.endswith(MARK)]


def _write_crontab(lines: list[str]) -> None:
    """Write the crontab; one without lines is removed."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["crontab", "-" if lines else "-r"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise HostError(f"cannot write the crontab: {said[0]}")
