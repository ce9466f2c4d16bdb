"""The processes of a container, as `top` lists them: podman's descriptors, read from /proc.

See ps(1) for what the columns mean; proc(5), "stat" and "status", for where they come from.
"""

from __future__ import annotations

import grp
import os
import pwd
import time

from rootless.errors import Conflict, UsageError
from rootless.runtime.supervision.members import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.handle import Handle

DEFAULT = ("user", "hpid", "hppid", "c", "stime", "tty", "cputime", "args")
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """One process, read once. Raises OSError where it is gone."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            name, _, rest = file.read().partition(" ")[2].rpartition(")")
        self.comm = name[1:]
        self.stat = rest.split()
        """Fields of proc(5), stat, from the state on: field N of the page is at N - 3."""
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            lines = [line.partition(":") for line in file]
        self.status = {key: value.strip() for key, _, value in lines}
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().rstrip(b"\0").split(b"\0")
        self.args = b" ".join(words).decode(errors="replace") or f"[{self.comm}]"
        with open("/proc/uptime", encoding="utf-8") as file:
            uptime = float(file.read().split()[0])
        self.age = max(0.0, uptime - int(self.stat[19]) / _TICKS)
        self.cpu = (int(self.stat[11]) + int(self.stat[12])) / _TICKS

    def inner(self, key: str) -> str:
        """The last of the ids that `status` lists for each pid namespace: the innermost one."""
        return self.status.get(key, str(self.pid)).split()[-1]

    def inner_parent(self) -> str:
        """The pid of its parent as the container sees it, 0 for one outside."""
        try:
            with open(f"/proc/{self.stat[1]}/status", encoding="utf-8", errors="replace") as file:
                pids = next((line for line in file if line.startswith("NSpid:")), "").split()
        except OSError:
            return "0"
        return pids[-1] if len(pids) - 1 >= len(self.status.get("NSpid", "").split()) else "0"

    def percent(self) -> str:
        """Processor use over its life."""
        return f"{100 * self.cpu / self.age if self.age else 0:.3f}"

    def user(self, which: int) -> str:
        """A user as the container knows him; `which` counts as in `status`: 0 real, 1 effective."""
        return self._inside("Uid", which, "/etc/passwd")

    def group(self, which: int) -> str:
        """A group as the container knows it."""
        return self._inside("Gid", which, "/etc/group")

    def _inside(self, kind: str, which: int, table: str) -> str:
        from rootless.runtime.launch.users import name_of

        id = self._map(kind, int(self.status[kind].split()[which]))  # noqa: A001
        try:
            root = os.open(f"/proc/{self.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return str(id)  # of somebody else, or it has just ended
        try:
            return name_of(root, table, id)
        finally:
            os.close(root)

    def _map(self, kind: str, outer: int) -> int:
        """Return an id of ours as the process's user namespace has it (user_namespaces(7))."""
        with open(f"/proc/{self.pid}/{kind.lower()}_map", encoding="utf-8") as file:
            for line in file:
                inside, outside, count = map(int, line.split())
                if outside <= outer < outside + count:
                    return inside + outer - outside
        return outer

    def host_user(self) -> str:
        """The effective user on the host, by name where there is one."""
        uid = int(self.status["Uid"].split()[1])
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def host_group(self) -> str:
        """The effective group on the host."""
        gid = int(self.status["Gid"].split()[1])
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    def started(self) -> str:
        """The time of day when it started, or the day."""
        moment = time.localtime(time.time() - self.age)
        return time.strftime("%H:%M" if self.age < 86400 else "%b%d", moment)

    def tty(self) -> str:
        """Its terminal, ? without one."""
        number = int(self.stat[4])
        return f"pts/{(number & 0xFF) | (number >> 12 & 0xFFF00)}" if number >> 8 & 0xFF else "?"

    def capabilities(self, key: str) -> str:
        """A set of capabilities by name: full, none, or a list."""
        from rootless.runtime.privileges.caps import known

        bits = int(self.status[key], 16)
        names = [name.removeprefix("CAP_") for at, name in enumerate(known()) if bits >> at & 1]
        if not names:
            return "none"
        return "full" if len(names) == len(list(known())) else ",".join(names)


def _clock(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def _elapsed(seconds: float) -> str:
    """podman's way: 1h2m3.5s."""
    hours, rest = divmod(seconds, 3600)
    text = f"{int(hours)}h" if hours else ""
    text += f"{int(rest // 60)}m" if rest >= 60 or hours else ""
    return text + f"{rest % 60:.3f}".rstrip("0").rstrip(".") + "s"


COLUMNS: dict[str, tuple[str, Callable[[Process], str]]] = {
    "args": ("COMMAND", lambda p: p.args),
    "c": ("C", lambda p: str(int(float(p.percent())))),
    "capbnd": ("BOUNDING CAPS", lambda p: p.capabilities("CapBnd")),
    "capeff": ("EFFECTIVE CAPS", lambda p: p.capabilities("CapEff")),
    "capinh": ("INHERITED CAPS", lambda p: p.capabilities("CapInh")),
    "capprm": ("PERMITTED CAPS", lambda p: p.capabilities("CapPrm")),
    "comm": ("COMMAND", lambda p: p.comm),
    "cputime": ("TIME", lambda p: _clock(p.cpu)),
    "etime": ("ELAPSED", lambda p: _elapsed(p.age)),
    "group": ("GROUP", lambda p: p.group(1)),
    "hgroup": ("HGROUP", Process.host_group),
    "hpid": ("HPID", lambda p: str(p.pid)),
    "hppid": ("HPPID", lambda p: p.stat[1]),
    "huser": ("HUSER", Process.host_user),
    "nice": ("NI", lambda p: p.stat[16]),
    "pcpu": ("%CPU", Process.percent),
    "pgid": ("PGID", lambda p: p.inner("NSpgid")),
    "pid": ("PID", lambda p: p.inner("NSpid")),
    "ppid": ("PPID", Process.inner_parent),
    "rgroup": ("RGROUP", lambda p: p.group(0)),
    "rss": ("RSS", lambda p: p.status.get("VmRSS", "0").split()[0]),
    "ruser": ("RUSER", lambda p: p.user(0)),
    "seccomp": ("SECCOMP", lambda p: ("disabled", "strict", "filter")[int(p.status["Seccomp"])]),
    "state": ("STATE", lambda p: p.stat[0]),
    "stime": ("STIME", Process.started),
    "time": ("TIME", lambda p: _elapsed(p.cpu)),
    "tty": ("TTY", Process.tty),
    "user": ("USER", lambda p: p.user(1)),
    "vsz": ("VSZ", lambda p: p.status.get("VmSize", "0").split()[0]),
}
"""Descriptor -> heading and value; ps(1) has most of them, podman-top(1) the rest."""

_OTHER_WORDS = {
    "%C": "pcpu", "%G": "group", "%P": "ppid", "%U": "user", "%a": "args", "%c": "comm",
    "%g": "rgroup", "%n": "nice", "%p": "pid", "%r": "pgid", "%t": "etime", "%u": "ruser",
    "%x": "time", "%y": "tty", "%z": "vsz", "stat": "state", "ni": "nice", "cmd": "args",
}  # fmt: skip

_HEADINGS = {"user": "UID", "hpid": "PID", "hppid": "PPID", "args": "CMD"}
"""docker's default headings, where they differ."""


def top(container: Handle, words: list[str], *, inside: bool = False) -> list[list[str]]:
    """Return the rows, the heading first.

    `words` are descriptors, or options of ps(1), which is run then; docker's columns without any.
    With `inside` what ps shows are the numbers that processes have inside.
    Raises Conflict where the container does not run, UsageError.
    """
    state = container.state()
    if not state.running:
        raise Conflict(f"container {container.name} is not running", "start it first")
    pids = members(state.pid, state.values["command_pid"])
    names = [_OTHER_WORDS.get(name, name) for word in words for name in word.split(",")]
    if any(name not in COLUMNS for name in names):
        heading, *lines = _by_ps(words, pids)
        return [heading, *_numbered(heading, lines)] if inside else [heading, *lines]
    heading = [COLUMNS[name][0] for name in names or DEFAULT]
    if not names:
        heading = [_HEADINGS.get(name, COLUMNS[name][0]) for name in DEFAULT]
    rows = [heading]
    for pid in pids:
        try:
            process = Process(pid)
            rows.append([COLUMNS[name][1](process) for name in names or DEFAULT])
        except OSError:
            continue  # it has just ended
    return rows


_NUMBERS: dict[str, Callable[[Process], str]] = {
    "PID": lambda p: p.inner("NSpid"),
    "PPID": Process.inner_parent,
    "PGID": lambda p: p.inner("NSpgid"),
    "PGRP": lambda p: p.inner("NSpgid"),
    "SID": lambda p: p.inner("NSsid"),
    "SESS": lambda p: p.inner("NSsid"),
}
"""What ps(1) heads numbers of processes with, and what they are inside."""


def _numbered(heading: list[str], rows: list[list[str]]) -> list[list[str]]:
    """Return rows of ps with the numbers of the inside."""
    done = []
    for row in rows:
        try:
            process = Process(int(row[heading.index("PID")]))
        except OSError:
            continue  # it has just ended
        own = {name: number(process) for name, number in _NUMBERS.items()}
        done.append([own.get(name, cell) for name, cell in zip(heading, row, strict=False)])
    return done


def _by_ps(words: list[str], pids: list[int]) -> list[list[str]]:
    """Run the host's ps with the options that were given, and keep the container's lines."""
    import subprocess

    try:
        done = subprocess.run(["ps", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        known = ", ".join(COLUMNS)
        raise UsageError(
            f"top: {' '.join(words)!r} are options of ps, which is missing", known
        ) from None
    heading, *lines = done.stdout.splitlines() or [""]
    columns = heading.split()
    if done.returncode or "PID" not in columns:
        said = done.stderr.strip().splitlines()
        raise UsageError(
            f"top: {' '.join(words)!r}: {said[0] if said else 'ps shows no column PID'}",
            "descriptors are " + ", ".join(COLUMNS),
        )
    at = columns.index("PID")
    wanted = {str(pid) for pid in pids}
    rows = [line.split(None, len(columns) - 1) for line in lines]
    return [columns, *(row for row in rows if len(row) > at and row[at] in wanted)]
