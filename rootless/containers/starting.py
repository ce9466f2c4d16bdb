"""From a record on disk to a running container: what the supervisor is given, and its fork."""

from __future__ import annotations

import _socket
import os
import time

from rootless import trace
from rootless.containers import etc, networks
from rootless.containers.events import about
from rootless.containers.record import has_check, read, shown
from rootless.errors import HostError, LaunchError, StoreError, named
from rootless.runtime.launch import single, terminal
from rootless.runtime.launch.command import code_of_failure
from rootless.runtime.launch.launch import Launch
from rootless.runtime.launch.report import Phase, Report
from rootless.runtime.networks import kinds
from rootless.runtime.privileges import seccomp
from rootless.runtime.supervision import cgroup, handover, notify, restart, supervisor
from rootless.runtime.supervision.charge import go_again, reason, settle, upgraded
from rootless.runtime.supervision.startup import Startup, Wishes, interrupt
from rootless.runtime.tree import rootfs
from rootless.runtime.tree.tree import holds_files
from rootless.runtime.userns import identity, removal, shift
from rootless.store import records
from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
    from typing import NoReturn

    from rootless.containers.record import Record
    from rootless.containers.running.ends import Ends
    from rootless.netstack.ports import Port
    from rootless.runtime.logs.charge import LogCharge
    from rootless.runtime.networks.kinds import Driver
    from rootless.runtime.spec import Mount, Process, Spec
    from rootless.runtime.supervision.charge import Charge
    from rootless.runtime.tree.plan import Root
else:
    import _signal


_LOG_SIZE, _LOG_FILES = 50 << 20, 3
"""Of whom has no wish: what is left to write without end must not fill a disk."""


_NO_CGROUP = "systemd needs a cgroup of its own, and there is none that this user may divide: "


class Started:
    """A container that runs."""

    def __init__(self, supervisor: int, stream: _socket.socket | None) -> None:
        self.supervisor = supervisor
        """pid of the supervisor, a child of this process."""
        self.stream = stream
        """The stream to it (see runtime.supervision.streams), None where we are not attached."""
        self.notes: list[str] = []
        """What is otherwise than one would expect, for the user's eyes."""


def start(
    paths: Paths,
    record: Record,
    directory: str,
    alive: int,
    *,
    ends: Ends | None,
    preserved: Iterable[int] = (),
) -> Started:
    """Start the container and return when its command runs.

    `alive` holds its life lock; the supervisor gets a copy. With `ends` we are attached to it.
    Its command gets the descriptors `preserved` as well, which are closed here.
    Raises LaunchError and its subclasses, HostError, StoreError.
    """
    trace.mark("runtime imported")
    attach = ends is not None
    if ends is not None and record["tty"]:
        terminal.set_size(record["spec"]["process"], ends.size())
    startup = _prepare(paths, record, directory, attach=attach)
    _ = paths.runtime  # an unusable one is reported by us, not from inside the supervisor
    startup.preserve(preserved)
    startup.bind(ends is not None and ends.holds)
    trace.mark("start prepared")
    try:
        started = _fork(startup, alive, attach=attach)
    finally:
        for fd in preserved:
            os.close(fd)
    if paths.runtime_note:
        started.notes.append(paths.runtime_note)
    return started


def _prepare(
    paths: Paths, record: Record, directory: str, *, attach: bool, before: Charge | None = None
) -> Startup:
    """Make what the start needs; `before` is the life before this one, where it starts again.

    Raises UsageError, HostError, StoreError.
    """
    if record["log_driver"] == "passthrough" and before is None:
        from rootless.containers.creation.conflicts import refuse_terminal

        refuse_terminal(record["log_driver"])
    who = identity.detect()
    shift.check(record["spec"]["rootless"]["userns"], who)
    trace.mark("identity known")
    record = _with_networks(paths, record, directory)
    spec = record["spec"]
    program = seccomp.filter_for(
        spec["linux"]["seccomp"],
        spec["process"].get("capabilities", {}).get("bounding", []),
        single.emulation(who.mode, spec),
        f"{paths.root}/seccomp",
    )
    trace.mark("filter ready")
    network = kinds.of_spec(spec)
    network.check()
    notes: list[str] = []
    root = _root(paths, record, directory, who, notes)
    _write_files(record, directory)
    if os.path.isdir(f"{directory}/exec"):
        from rootless.containers.running.sessions import forget

        forget(directory)
    if record["volumes"]:
        from rootless.containers.volumes import prepare

        record = prepare(paths, record, directory)
        spec = record["spec"]
    if shown(record):
        spec = _with_images(paths, record, directory, who, notes)
    wishes = _wishes(record, directory)
    wishes.detached = not attach
    wishes.notice = notify.wanted(record["sdnotify"], attached=attach)
    if wishes.notice is not None and wishes.notice["mode"] == "container":
        wishes.notice["fd"] = _notifying(directory)
        spec = _with_notifying(spec, directory)
    wishes.listening = before["listening"] if before else notify.listening()
    if before and before["ports"]:
        wishes.ports = before["ports"]
    elif record["ports"]:
        wishes.ports = _publish(record, wishes, network)
    if spec["rootless"].get("systemd") and not cgroup.find():
        notes.append(_NO_CGROUP + _way_to_one())
    wishes.notes = notes + wishes.notes
    launch = Launch(spec, directory, root, program, who)
    launch.network = network
    launch.listening = wishes.listening
    if record["request"]["networks"]:
        launch.needed = "network"  # not to be replaced by more than was asked for
    if spec["rootless"]["overlay_binds"] or spec["rootless"].get("layers"):
        launch.driver = rootfs.choose_driver(paths)
    return Startup(paths, launch, wishes)


def _with_networks(paths: Paths, record: Record, directory: str) -> Record:
    """Return the record with what others have made of its networks by now."""
    if networks.kind(record["networks"]) == "container":
        from rootless.containers.joining import joined

        return joined(paths, record)
    if not networks.has_named(record["networks"]):
        return record
    from rootless.containers.joining import attached

    try:
        before = records.read_record(f"{directory}/state.json").get("networks", {})
    except (OSError, StoreError):
        before = {}
    return attached(paths, record, before)


def _way_to_one() -> str:
    if os.path.isdir("/run/systemd/system"):
        return "systemd-run --user --scope -p Delegate=yes COMMAND gives it one"
    return "rootless doctor says how to get one"


def _publish(record: Record, wishes: Wishes, network: Driver) -> list[Port]:
    """Bind what is published; with the sockets of the service manager where it has bound them.

    Raises HostError.
    """
    from rootless.containers.ports import Binding

    binding = Binding(remap=record["request"]["remap_ports"])
    binding.open(record["ports"], wishes.listening)
    if wishes.listening is not None:  # those that are ours to listen on are not the container's
        wishes.listening = notify.without(wishes.listening, binding.used)
    wishes.notes = binding.notes
    if network.outside is not None:
        wishes.forwarded = [{**port, "fd": -1} for port in binding.ports]
        binding.close()  # they are free: who serves the network is to bind them
    return binding.ports


def _notifying(directory: str) -> int:
    """Return the socket that the container writes to, for the service manager of this start.

    Raises StoreError.
    """
    try:
        return notify.listen(directory)
    except OSError as error:
        raise StoreError(
            f"cannot make a socket in {directory}: {error.strerror}",
            f"or use {named('sdnotify')} supervisor",
        ) from error


def _with_notifying(spec: Spec, directory: str) -> Spec:
    """Return the configuration with that socket in the container."""
    options = ["bind", "nosuid", "nodev", "noexec"]
    source = f"{directory}/notify"
    mount: Mount = {
        "destination": notify.PLACE,
        "type": "bind",
        "source": source,
        "options": options,
    }
    variable = f"NOTIFY_SOCKET={notify.PLACE}/{notify.SOCKET}"
    kept = [item for item in spec["process"]["env"] if not item.startswith("NOTIFY_SOCKET=")]
    process: Process = {**spec["process"], "env": [*kept, variable]}
    return {**spec, "mounts": [*spec["mounts"], mount], "process": process}


def _wishes(record: Record, directory: str) -> Wishes:
    wishes = Wishes(log=_log(record, directory))
    wishes.open_stdin = record["stdin"]
    wishes.durable = not record["rm"]
    wishes.event = {"id": record["id"], "name": record["name"], "attributes": about(record)}
    wishes.event["image_name"] = record.get("image_name", "")
    volumes = [one for one in record["volumes"] if one["type"] == "volume"]
    if volumes:
        wishes.event["volumes"] = [[one["name"], one["destination"]] for one in volumes]
    wishes.restart = record["restart"]
    wishes.stop_signal, wishes.stop_timeout = record["stop_signal"], record["stop_timeout"]
    request = record["request"]
    wishes.timeout = request["timeout"]
    wishes.pidfile, wishes.own_pidfile = request["pidfile"], request["conmon_pidfile"]
    if has_check(record):
        from rootless.containers.running.health import checks

        wishes.health = checks(record)
    return wishes


def _log(record: Record, directory: str) -> LogCharge:
    options = record["log_options"]
    fields: dict[str, str] = {}
    if record["log_driver"] == "journald":
        from rootless.containers.creation.attributes import attributes, field_name, tag

        more = {field_name(name): text for name, text in attributes(record).items()}
        more.pop("TAG", None)
        more.pop("", None)
        fields = {
            **more,
            "CONTAINER_ID": record["id"][:12],
            "CONTAINER_ID_FULL": record["id"],
            "CONTAINER_NAME": record["name"],
            "CONTAINER_TAG": tag(record),
            "IMAGE_NAME": record["image"],
            "SYSLOG_IDENTIFIER": tag(record),
        }
    elif options:
        from rootless.containers.creation.attributes import attributes

        fields = attributes(record)
    return {
        "driver": record["log_driver"],
        "path": f"{directory}/log",
        "fd": -1,
        "max_size": int(options.get("max-size", _LOG_SIZE)),
        "max_file": int(options.get("max-file", 1 if "max-size" in options else _LOG_FILES)),
        "compress": options.get("compress") == "true",
        "fields": fields,
    }


def again(handed: int) -> NoReturn:
    """In the supervisor, after the wait of the restart policy: start the container once more.

    A start that fails counts as an end with its exit code. Never returns.
    """
    charge = upgraded(handover.receive(handed))
    handover.adopt(handed, [charge["alive"]])
    supervisor.set_name()
    directory, state = charge["directory"], charge["state"]
    try:
        _signal.signal(_signal.SIGTERM, interrupt)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        paths = Paths(charge["root"])
        restart.forget_checks(directory)  # first: what comes after this is not for the record read
        record = read(directory)
        startup = _prepare(paths, record, directory, attach=False, before=charge)
        startup.run_again(charge)
    except BaseException as error:  # noqa: BLE001 - nobody is there to be told
        if not os.path.exists(f"{directory}/{restart.STOPPED}"):
            state["exit_code"] = code_of_failure(error)
            state.update(reason(error), started=time.time(), finished=time.time())
        settle(charge)
        if state["status"] == "restarting":
            go_again(charge)
        supervisor.clean_up(charge["root"], directory)
        os._exit(0)


def _fork(startup: Startup, alive: int, *, attach: bool) -> Started:
    starter, theirs = Report.pair()
    stream, client = None, None
    if attach:
        stream, client = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    pid = os.fork()
    if pid == 0:
        startup.run(theirs, -1 if client is None else client.fileno(), alive)
    theirs.close()
    if client is not None:
        client.close()
    startup.let_go()
    try:
        message = starter.receive()
    except BaseException as error:
        if stream is not None:
            stream.close()
        if not isinstance(error, LaunchError):
            os.kill(pid, _signal.SIGTERM)  # Ctrl-C: it gives the start up
        os.waitpid(pid, 0)
        raise
    finally:
        starter.close()
    if message is None or message["phase"] != Phase.READY:
        raise HostError("the supervisor was killed while it started the container")
    trace.adopt(message["steps"])
    started = Started(pid, stream)
    started.notes = startup.notes + message["notes"]
    return started


def _root(
    paths: Paths, record: Record, directory: str, who: identity.Identity, notes: list[str]
) -> Root:
    """Choose and prepare the root file system; add to `notes` what the user is to be told.

    Raises StoreError where the disk is full.
    """
    source = record["rootfs"]
    try:
        for name in ("rootfs", "upper", "work"):
            _make(f"{directory}/{name}")
        if source["kind"] == "host":
            return rootfs.HostRoot(f"{directory}/rootfs")
        if source["kind"] == "directory" and not source["overlay"]:
            return rootfs.DirectoryRoot(source["path"])
        if record["rm"]:
            _forget_volatile(paths, directory)
        if source["kind"] == "directory":
            lowers = [source["path"]]
        else:
            layers = record["layers"]
            if not holds_files(f"{directory}/rootfs"):
                layers = _with_owners(paths, record, layers, who, notes)
            lowers = rootfs.stacked(layers[::-1])
        return rootfs.layered(paths, directory, lowers, volatile=record["rm"])
    except OSError as error:
        raise StoreError(
            f"cannot prepare the root file system in {directory}: {error.strerror}",
            records.remedy(error) or f"name another directory with {named('root')}",
        ) from error


def _with_images(
    paths: Paths, record: Record, directory: str, who: identity.Identity, notes: list[str]
) -> Spec:
    """Return the configuration with what is mounted of other images; notes as for `_root`."""
    from rootless.containers.volumes import with_images

    return with_images(
        paths, record, directory, lambda layers: _with_owners(paths, record, layers, who, notes)
    )


def _with_owners(
    paths: Paths, record: Record, layers: list[str], who: identity.Identity, notes: list[str]
) -> list[str]:
    """Return what is mounted in the place of `layers`, lowest first; notes as for `_root`.

    Several layers that leave files in a shared store have to become one, too: see layers.skeleton.
    """
    private = record["spec"]["rootless"]
    owners, userns = shift.apparent(private, who), private["userns"]
    are_elsewhere = owners is None and len(layers) > 1 and rootfs.data_layers(layers)
    if are_elsewhere and rootfs.choose_driver(paths) == "overlay":
        owners, userns = shift.unchanged(who), "host"
    if owners is None:
        return layers
    from rootless.images.trees.skeletons import Skeletons

    return Skeletons(paths, owners, userns).of(layers, notes)


def _forget_volatile(paths: Paths, directory: str) -> None:
    """Let a --rm container start again (restart): its upper layer was mounted as volatile.

    Overlay leaves a mark of that in the work directory and refuses to mount it again, because
    after a power cut data may be missing. There was none, or the container would be gone.
    """
    if os.path.exists(f"{directory}/work/work"):
        removal.discard(paths, f"{directory}/work", f"{directory}/.gone-work")
        _make(f"{directory}/work")


def _make(path: str) -> None:
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        pass  # from an earlier start


def _write_files(record: Record, directory: str) -> None:
    try:
        for name, text in etc.files(record).items():
            path = f"{directory}/{name}"
            try:
                os.unlink(path)  # it may be root's of the container, another user to us
            except FileNotFoundError:
                pass
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
            os.chmod(path, 0o644)
    except OSError as error:
        raise StoreError(
            f"cannot write the container's files in {directory}: {error.strerror}",
            records.remedy(error),
        ) from error
