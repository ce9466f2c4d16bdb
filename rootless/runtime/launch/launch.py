"""The way of one process from the supervisor into a container: the launcher and the init.

    supervisor ── fork ─> launcher        enters the user namespace, makes the other namespaces
                             └─ fork ─> init   pid 1: builds the tree, becomes the command

The launcher ends at once; the supervisor is a subreaper, so init becomes its child. It tells init
so (`Phase.GO`), and init asks to die with it. From before it enters namespaces of the container
until execve the process is not dumpable: our interpreter may belong to the user, and the
container's root could else write it through /proc/PID/exe (CVE-2019-5736). What it executes is
the stub, for the same reason (`runtime.launch.stub`).
"""

from __future__ import annotations

import os
import stat
import time

from rootless.errors import LaunchError
from rootless.linux import namespaces
from rootless.linux.process import die_with_parent, forget_arguments, set_dumpable
from rootless.runtime.launch import single, terminal, users
from rootless.runtime.launch.report import Phase
from rootless.runtime.launch.settle import Settlement, adjust_oom_score, domain_of, forbid_imports
from rootless.runtime.networks import kinds
from rootless.runtime.tree import operations, rootfs
from rootless.runtime.tree.accounts import Accounts
from rootless.runtime.tree.plan import plan
from rootless.runtime.tree.tree import Tree
from rootless.runtime.userns import nesting, shift

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from rootless.runtime.launch.report import Report
    from rootless.runtime.launch.users import User
    from rootless.runtime.spec import Spec
    from rootless.runtime.supervision.notify import Listening
    from rootless.runtime.tree.plan import Root
    from rootless.runtime.userns.identity import Identity
    from rootless.runtime.userns.namespace import Entry


class Launch:
    """Everything that a start needs to know; made before the fork."""

    def __init__(
        self, spec: Spec, directory: str, root: Root, program: bytes, who: Identity
    ) -> None:
        self.spec = spec
        self.directory = directory
        """The container's own directory on the host."""
        self.root = root
        self.program = program
        """The seccomp filter, empty for none."""
        self.who = who
        self.owners = shift.apparent(spec["rootless"], who)
        """Whose the tree is that is built (shift.Owners); None where it is that of U's ids."""
        self.driver = "overlay"
        """How the `:O` mounts are made (rootfs.choose_driver)."""
        self.needed = ""
        """The namespace (OCI name) that was asked for expressly: without it nothing starts."""
        self.plan: list[operations.Operation] = []
        self.network = kinds.of_spec(spec)
        """What makes the network."""
        self.degraded: list[str] = []
        """What was refused and what was done instead, in words."""
        self.stdio = (-1, -1, -1)
        """What become descriptors 0 to 2, unless a terminal does."""
        self.listening: Listening | None = None
        """Sockets at 3 and further on that the command gets (sd_listen_fds(3))."""
        self.preserved: list[int] = []
        """Further descriptors that it gets as they are."""
        self.steps: list[tuple[str, int]] = []
        """Time line: step, nanoseconds of the monotonic clock when it began."""
        self._step = ""

    def begin(self, step: str) -> None:
        """Note what is done from now on, for the time line and for the error message."""
        self._step = step
        self.steps.append((step, time.monotonic_ns()))

    def launcher(self, entry: Entry, report: Report) -> NoReturn:
        """Run in the first child. Never returns."""
        status = 1
        try:
            self._make_namespaces(entry)
            self.begin("fork init")
            pid = os.fork()
            if pid == 0:
                self._init(report)
            if self.network.named is not None:
                report.send(Phase.LINK, fd=_link_of_here())
            report.send(Phase.FORKED, pid=pid, fd=self._network_for_outside())
            status = 0
        except BaseException as error:  # noqa: BLE001 - nothing may return to the caller's stack
            report.fail(self._step, error)
        os._exit(status)

    def _network_for_outside(self) -> int:
        """Return the network namespace where it is to be served from outside, else -1."""
        if self.network.outside is None and self.network.named is None:
            return -1
        return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def _make_namespaces(self, entry: Entry) -> None:
        self.begin("open the namespaces to join")
        new, joined = {}, []
        for space in self.spec["linux"]["namespaces"]:
            name, flag = namespaces.TYPES[space["type"]]
            if path := space.get("path", ""):
                joined.append((os.open(path, os.O_RDONLY | os.O_CLOEXEC), flag, name))
            elif flag not in (namespaces.CLONE_NEWUSER, namespaces.CLONE_NEWNS):
                new[space["type"]] = flag
        self.begin("enter the user namespace")
        forget_arguments()  # with the values of -e, for others in a shared pid namespace
        if refused_score := adjust_oom_score(self.spec["process"]):
            self.degraded.append(refused_score)
        entry.enter()
        set_dumpable(False)
        for fd, flag, name in joined:
            self.begin(f"join the {name} namespace")
            try:
                namespaces.setns(fd, flag)
            except PermissionError as error:
                raise LaunchError(
                    f"cannot join the {name} namespace: the user namespace that it belongs to is "
                    "not one of yours",
                    "who has made it can let its own containers join it",
                    errno=error.errno or 0,
                ) from error
            os.close(fd)
        self.plan = plan(self.spec, self.root, self.driver)
        if self.owners is not None:
            self._hand_over(self.owners)
        self._start_helpers()
        self.begin("make the namespaces")
        refused = nesting.make_namespaces(new, self.needed)
        self.degraded += refused.values()
        self.plan = [step for step in self.plan if getattr(step, "needs", "") not in refused]

    def _hand_over(self, owners: shift.Owners) -> None:
        """Give what was made for the container outside to its root."""
        self.begin("give the container's files to its root")
        rootfs.begin_with_owner(self.root)
        for path in operations.ETC_FILES:
            try:
                os.chown(f"{self.directory}/{os.path.basename(path)}", *owners.root)
            except FileNotFoundError:
                pass  # it has none
        for fd in self.stdio:
            # Or with nomap nobody inside could give them to the container's user (`own_stdio`).
            if fd >= 0 and stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.fchown(fd, *owners.root)

    def _start_helpers(self) -> None:
        """Mount what a helper process serves, which must live outside the container."""
        helped = [step for step in self.plan if hasattr(step, "start")]
        if helped:
            namespaces.unshare(namespaces.CLONE_NEWNS)
        for step in helped:
            self.begin(step.describe())
            step.start()

    def _init(self, report: Report) -> NoReturn:
        """Run as pid 1 of the container. Never returns."""
        try:
            self.begin("wait for the supervisor")
            if report.receive() is None:
                os._exit(1)  # it was killed, and nobody would own the container
            die_with_parent()
            os.setsid()
            tree = Tree(self.who.mode, self.owners)
            tree.degraded = self.degraded
            for step in self.plan:
                self.begin(step.describe())
                step.apply(tree)
            if tree.link >= 0:
                report.send(Phase.LINK, fd=tree.link)
                os.close(tree.link)
            self._enter(tree, report)
        except BaseException as error:  # noqa: BLE001 - nothing may return to the caller's stack
            report.fail(self._step, error)
        os._exit(1)

    def _enter(self, tree: Tree, report: Report) -> None:
        """From the finished tree to the command."""
        process, private = self.spec["process"], self.spec["rootless"]
        accounts = Accounts(tree, self.directory, private)
        self.begin("add users to /etc/passwd")
        accounts.introduce()
        self.begin("look up the user")
        user = users.resolve(tree.root, process["user"].get("username", ""), private["groups"])
        change = shift.wanted(private["userns"], self.who, user.uid, user.gid)
        if private["volumes_U"]:
            self.begin("give volumes to the user")
            give_volumes(private["volumes_U"], user, change)
        if not user.name and user.uid != 0:
            self.begin("add the user to /etc/passwd")
            accounts.add(user)
            if private.get("passwd_entry"):
                user.home = users.resolve(tree.root, str(user.uid)).home
        if emulation := single.emulation(self.who.mode, self.spec):
            single.tell_apt(tree, process)
        slave = self._make_terminal(tree, report) if process.get("terminal") else -1
        settlement = Settlement(
            process, self.program, keep_groups=private["keep_groups"], dies=True
        )
        settlement.listened = emulation == "recorded"
        settlement.listening = self.listening
        settlement.preserved = self.preserved
        settlement.personality = domain_of(self.spec)
        settlement.makes_directory = private.get("make_workdir", True)
        self.begin("make the stub")
        settlement.prepare(report.verdict)
        pivot = operations.Pivot()
        self.begin(pivot.describe())
        pivot.apply(tree)
        forbid_imports()
        if change is not None:
            self.begin("map the ids of the container")
            change.apply()
        if self.owners is not None:
            shift.become_root()
        if private["init"]:
            self.begin("fork the command")
            settlement.prepare_init()
            child = os.fork()
            if child > 0:
                settlement.execute_init(user, child)
            os.setsid()
        self.begin("take standard input and output")
        self._take_stdio(slave, user)
        self.begin("take on the user and his privileges")
        settlement.take_on(user)
        if settlement.listener >= 0:
            report.send(Phase.OWNERS, fd=settlement.listener)
            os.close(settlement.listener)
        for text in tree.degraded:
            self.begin(f"degraded: {text}")
        self.begin("execute the command")
        # A supervisor that was killed before `take_on` asked to die with it reads this no more.
        if report.ready(process["args"][0], degraded=tree.degraded, steps=self.steps):
            settlement.execute(user)

    def _make_terminal(self, tree: Tree, report: Report) -> int:
        self.begin("open a terminal")
        master, slave = terminal.open_pair(tree.root, self.spec["process"])
        terminal.show_as_console(tree, master)
        if self.owners is not None:
            os.fchown(slave, self.owners.root[0], -1)
        report.send(Phase.TERMINAL, fd=master)
        os.close(master)
        return slave

    def _take_stdio(self, slave: int, user: User) -> None:
        if slave >= 0:
            terminal.take_as_controlling(slave)
        else:
            for number, fd in enumerate(self.stdio):
                os.dup2(fd, number)
        own_stdio(user)


def _link_of_here() -> int:
    """Return a socket of rtnetlink(7) by which this network namespace is changed from outside."""
    from rootless.linux import rtnetlink  # few containers are on such a network

    return rtnetlink.opened().detach()


def give_volumes(sources: list[str], user: User, change: shift.Shift | None) -> None:
    """Give what `:U` names to the container's user, by his ids in U."""
    from rootless.runtime.tree.volumes import give_away

    if change is None:
        give_away(sources, user.uid, user.gid)
    else:
        uid = shift.in_parent(user.uid, change.uid_map)
        gid = shift.in_parent(user.gid, change.gid_map)
        give_away(sources, uid, gid)


def own_stdio(user: User) -> None:
    """Give terminals and pipes at 0 to 2 to `user`, or he could not open /dev/stderr again."""
    for fd in (0, 1, 2):
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or os.isatty(fd):
            try:
                os.fchown(fd, user.uid, user.gid if stat.S_ISFIFO(mode) else -1)
            except OSError:
                pass  # an id outside the map, or somebody else's pipe: it still can be written
