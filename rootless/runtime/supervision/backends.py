"""Networks by a helper program in the place of our own stack: pasta(1) or slirp4netns(1).

The helper is a child of the supervisor, stays on the host's side, and ends with it. It is told of
the container's namespaces by the pid of a process in them. Init would be that process, but nobody
may look at init while it is not dumpable (see launch); so a shell takes its place until the helper
has opened what it needs.
"""

from __future__ import annotations

import _socket
import os
import select

from rootless.errors import LaunchError
from rootless.linux import namespaces, process
from rootless.netstack.addresses import GUEST_MAC, INTERFACE, pack, unpack
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn

    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port
else:
    import _signal

_READY = "helper.ready"
_API = "helper.api"
_MOST = 4096
"""Bytes of an answer, and of what a helper says when it gives up."""


def find(name: str) -> str:
    """Return the path of a program, "" for one that is not installed."""
    for directory in os.get_exec_path():
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    return ""


class Helper:
    """The helper of one container. `start` it before the container's command runs."""

    def __init__(self, name: str, settings: Settings, ports: list[Port], directory: str) -> None:
        """`directory` is the container's; `ports` are free, and the helper's to bind."""
        self._name = name
        self._settings = settings
        self._directory = directory
        self._place = -1
        self._ready = -1
        self._said = -1
        self._ports = ports

    def start(self, userns: int, netns: int) -> None:
        """Start it for these namespaces and wait until the network is there. Raises LaunchError."""
        program = find(self._name)
        if not program:
            raise LaunchError(f"{self._name} is not installed", "or use --network private")
        self._place = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._said = os.memfd_create(self._name, os.MFD_CLOEXEC)
        self._make_ready()
        anchor, release = _anchor(userns, netns)
        try:
            pid = os.fork()
            if pid == 0:
                self._execute(program, anchor)
            self._await(pid)
            if self._name == "slirp4netns":
                self._publish()
        finally:
            os.close(release)
            os.waitpid(anchor, 0)
            for fd in (self._ready, self._said, self._place):
                os.close(fd)
            self._remove()

    def _make_ready(self) -> None:
        """A pipe with a name: pasta writes its pid to a file when all is ready, not to a pipe."""
        self._remove()
        os.mkfifo(_READY, 0o600, dir_fd=self._place)
        self._ready = os.open(_READY, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._place)

    def _remove(self) -> None:
        for name in (_READY, _API):
            try:
                os.unlink(f"{self._directory}/{name}")
            except FileNotFoundError:
                pass

    def _execute(self, program: str, anchor: int) -> NoReturn:
        try:
            process.die_with_parent()
            for number in process.HANGUPS:  # Debian's pasta gives up where it finds one ignored
                _signal.signal(number, _signal.SIG_DFL)
            os.dup2(self._said, 1)
            os.dup2(self._said, 2)
            for fd in (self._ready, self._place):
                os.set_inheritable(fd, True)
            make = self._for_pasta if self._name == "pasta" else self._for_slirp4netns
            os.execv(program, [self._name, *make(str(anchor))])  # noqa: S606
        except OSError as error:
            os.write(2, (error.strerror or "").encode())
        os._exit(127)

    def _for_pasta(self, anchor: str) -> list[str]:
        settings = self._settings
        found = ["--foreground", "--quiet", "--config-net", "--no-netns-quit", "-I", INTERFACE]
        found += ["-a", settings["guest"], "-n", str(settings["prefix"])]
        found += ["-g", settings["gateway"], "--dns-forward", settings["gateway"]]
        if settings["guest6"]:
            found += ["-a", settings["guest6"], "-g", settings["gateway6"]]
        else:
            found.append("-4")
        found += [] if settings["host_loopback"] else ["--no-map-gw"]
        if os.geteuid() == 0:
            found += ["--runas", "0:0"]  # nobody may not look at the anchor
        # The address is set already; nobody is to see the other namespace's ports by themselves.
        found += ["--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra", "-T", "none", "-U", "none"]
        for protocol, flag in (("tcp", "-t"), ("udp", "-u")):
            for given in self._given(protocol) or ["none"]:
                found += [flag, given]
        ready = f"{self._directory}/{_READY}"
        return [*found, "-m", str(settings["mtu"]), "-P", ready, anchor]

    def _given(self, protocol: str) -> list[str]:
        """Return ports as pasta wants them: one on all addresses is one without any."""
        found = []
        ports = [port for port in self._ports if port["protocol"] == protocol]
        everywhere = {port["host"] for port in ports if port["ip"] == "::"}
        for port in ports:
            rule = f"{port['host']}:{port['container']}"
            if port["host"] not in everywhere:
                found.append(f"{port['ip']}/{rule}")
            elif port["ip"] == "::":
                found.append(rule)
        return found

    def _for_slirp4netns(self, anchor: str) -> list[str]:
        settings = self._settings
        found = ["--configure", f"--mtu={settings['mtu']}", f"--ready-fd={self._ready}"]
        first = int.from_bytes(pack(settings["gateway"]), "big") - 2
        found.append(f"--cidr={unpack(first.to_bytes(4, 'big'))}/{settings['prefix']}")
        found.append(f"--macaddress={GUEST_MAC.hex(':')}")
        found += ["--enable-ipv6"] if settings["guest6"] else []
        found += [] if settings["host_loopback"] else ["--disable-host-loopback"]
        # A name of at most 108 bytes (unix(7)), wherever the directory lies.
        found.append(f"--api-socket=/proc/self/fd/{self._place}/{_API}")
        return [*found, "--enable-seccomp", anchor, INTERFACE]

    def _await(self, pid: int) -> None:
        """Wait until it is ready. Raises LaunchError where it ends first."""
        ended = os.pidfd_open(pid)
        try:
            poll = select.poll()
            for fd in (self._ready, ended):
                poll.register(fd, select.POLLIN)
            if self._ready in [fd for fd, _ in poll.poll()]:
                return
        finally:
            os.close(ended)
        os.waitpid(pid, 0)
        lines = os.pread(self._said, _MOST, 0).decode(errors="replace").split("\n")
        # Debian's pasta complains of a syslog it cannot reach, a line each.
        told = [line for line in lines if line.strip() and "to syslog" not in line]
        raise LaunchError(f"{self._name} ended: {told[-1].strip() if told else 'no word from it'}")

    def _publish(self) -> None:
        """Slirp4netns is told of each port through its socket. It has none of IPv6."""
        for port in self._ports:
            if ":" in port["ip"]:
                continue
            arguments = {
                "proto": port["protocol"],
                "host_addr": port["ip"],
                "host_port": port["host"],
                "guest_addr": self._settings["guest"],
                "guest_port": port["container"],
            }
            answer = self._ask({"execute": "add_hostfwd", "arguments": arguments})
            if "error" in answer:
                raise LaunchError(
                    f"slirp4netns cannot publish port {port['host']}: {answer['error']['desc']}"
                )
        self._ports[:] = [port for port in self._ports if ":" not in port["ip"]]

    def _ask(self, question: dict[str, object]) -> dict[str, dict[str, str]]:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            sock.connect(f"/proc/self/fd/{self._place}/{_API}")
            sock.sendall(jsonio.dump_bytes(question))
            sock.shutdown(_socket.SHUT_WR)
            answer: dict[str, dict[str, str]] = jsonio.loads(sock.recv(_MOST))
        finally:
            sock.close()
        return answer


def _anchor(userns: int, netns: int) -> tuple[int, int]:
    """Return a process in the namespaces, and the descriptor whose end ends it."""
    held, release = os.pipe()
    there, arrived = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            process.die_with_parent()
            namespaces.setns(userns, namespaces.CLONE_NEWUSER)
            namespaces.setns(netns, namespaces.CLONE_NEWNET)
            os.dup2(held, 0)
            os.dup2(arrived, 1)
            # The kernel lets others look only at what was executed in this user namespace.
            os.execv("/bin/sh", ["sh", "-c", "echo; read line"])  # noqa: S606
        except OSError:
            pass
        os._exit(1)
    os.close(held)
    os.close(arrived)
    os.read(there, 1)
    os.close(there)
    return pid, release
