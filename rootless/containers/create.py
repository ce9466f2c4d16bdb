"""From what the user asked to the record of a container: checked, parsed, composed.

    check     everything that is contradictory or impossible is refused here, before any side effect
    compose   the record, with the runtime's configuration in it; it writes nothing itself, but
              an image whose layers are still packed unpacks them

`check` reads the files that options name (environments, labels, seccomp profiles) once, since
they may be pipes; its plan is handed on to `compose`.
"""

from __future__ import annotations

import os
import time

from rootless.containers import environment, spec, values
from rootless.containers.image_settings import Settings, command
from rootless.containers.names import check_name, random_name
from rootless.containers.spec import Plan
from rootless.containers.words import logs, mounts, security
from rootless.errors import UsageError
from rootless.oci.errors import ImageError
from rootless.runtime.privileges import caps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.options import (
        Account,
        CreateOptions,
        Dns,
        Healthcheck,
        Image,
        PrivateNetwork,
        Publish,
        Record,
        Rootfs,
        Volume,
    )
    from rootless.store.paths import Paths

STOP_TIMEOUT = 10
"""Seconds between the stop signal and SIGKILL."""

_HELPERS = ("pasta", "slirp4netns")
"""Programs that make a network in the place of our own stack (runtime.networks.helper)."""

_LATER = "comes with a later version"

_MODES = {
    "cgroupns": ("host", "private"),
    "ipc": ("host", "private", "shareable", "none"),
    "pid": ("host", "private"),
    "uts": ("host", "private"),
}

_PULL = ("always", "missing", "never", "newer", "true", "false", "")


def check(paths: Paths, reference: str, asked: CreateOptions) -> Plan:
    """Refuse what cannot be, and return the plan so far: all that the image has no say in.

    `reference` is the image, or with --rootfs the directory. Raises UsageError. Nothing has
    happened when it returns, nor when it raises: call it before the image is pulled.
    """
    for option, value in asked.items():
        if not values.is_usable(value):
            raise UsageError(f"--{option.replace('_', '-')}: {value!r} holds a NUL byte")
    _check_conflicts(reference, asked)
    _check_modes(asked)
    plan = Plan(asked, "")
    plan.network, plan.private = _network(asked.get("network", ""))
    plan.userns, plan.shifted = _userns(asked.get("userns", ""))
    plan.user = values.user(asked.get("user", ""))
    plan.cwd = _workdir(asked.get("workdir", ""))
    plan.ports = _ports(plan)
    plan.exposed = _exposed(plan.asked)
    plan.dns = _dns(asked)
    plan.hosts = [_host(text, plan) for text in asked.get("add_host", ())]
    plan.log_driver, plan.log_options = logs.parse(asked)
    if any(key.startswith(("health_", "no_healthcheck")) for key in asked):
        from rootless.containers import health  # most containers have none

        plan.healthcheck, plan.health = health.check(asked)
    if asked.get("stop_signal"):
        plan.stop_signal = values.signal_number(asked["stop_signal"])
    if asked.get("shm_size"):
        plan.shm_size = values.size(asked["shm_size"], "--shm-size") or spec.SHM_SIZE
    _limits(plan)
    plan.security = security.parse(asked)
    plan.allowed = caps.resolve(
        asked.get("cap_add", ()),
        asked.get("cap_drop", ()),
        privileged=bool(asked.get("privileged")),
    )
    plan.annotations = dict(
        values.pair(text, "--annotation", needs_value=True) for text in asked.get("annotation", ())
    )
    _mounts(plan, paths.volumes)
    plan.labels = environment.labels(asked)
    if not values.is_usable(plan.labels):
        raise UsageError("--label-file: a label holds a NUL byte")
    plan.changes = environment.asked_for(
        asked.get("env", ()), asked.get("env_file", ()), os.environ
    )
    return plan


def _check_conflicts(reference: str, asked: CreateOptions) -> None:
    """Options that exclude each other, and values that are none."""
    name = asked.get("name", "")
    hostname = asked.get("hostname", "")
    groups = asked.get("group_add", [])
    restart = _restart(asked.get("restart", ""))
    _sdnotify(asked.get("sdnotify", ""))
    cidfile = asked.get("cidfile", "")
    if name:
        check_name(name)
    for wrong, message in (
        (not reference, "an image is required"),
        (asked.get("replace") and not name, "--replace needs a --name"),
        (restart != "no" and asked.get("rm"), "--restart and --rm exclude each other"),
        (asked.get("pull", "") not in _PULL, f"--pull: unknown policy {asked.get('pull')!r}"),
        (asked.get("rootfs") and asked.get("pull"), "--rootfs and --pull exclude each other"),
        (
            asked.get("no_hosts") and asked.get("add_host"),
            "--no-hosts and --add-host exclude each other",
        ),
        (
            hostname and asked.get("uts") == "host",
            "--hostname cannot be set in the host's UTS namespace (--uts host)",
        ),
        (
            hostname and not (values.is_host_name(hostname) and len(hostname) <= 64),
            f"--hostname: invalid name {hostname!r}",
        ),
        (
            asked.get("init") and asked.get("pid") == "host",
            "--init needs a PID namespace of its own, not --pid host",
        ),
        (
            asked.get("shm_size") and asked.get("ipc") in ("host", "none"),
            f"--shm-size and --ipc {asked.get('ipc')} exclude each other",
        ),
        (
            "keep-groups" in groups and len(groups) > 1,
            "--group-add keep-groups cannot be combined with other groups",
        ),
        (
            any(not group or ":" in group for group in groups),
            "--group-add: a group is a name or a number",
        ),
        (asked.get("stop_timeout", 0) < -1, "--stop-timeout: seconds, or -1 for no limit"),
        (
            cidfile and os.path.lexists(cidfile),
            f"container ID file found, make sure the other container isn't running "
            f"or delete {cidfile}",
        ),
    ):
        if wrong:
            raise UsageError(message)
    if asked.get("rootfs"):
        _rootfs_directory(reference)


def _check_modes(asked: CreateOptions) -> None:
    """Namespaces that are shared with something else than nobody or the host."""
    given = {option: asked.get(option) for option in _MODES}
    for option, allowed in _MODES.items():
        mode = str(given[option] or "")
        if mode.startswith(("container:", "ns:", "pod")):
            raise UsageError(f"--{option} {mode} {_LATER}", f"now: {', '.join(allowed)}")
        if mode and mode not in allowed:
            raise UsageError(f"--{option}: unknown mode {mode!r}", f"{', '.join(allowed)}")


def _network(mode: str) -> tuple[str, PrivateNetwork | None]:
    """Return the mode and, for a network of the container's own, its settings."""
    if mode in ("none", "host"):
        return mode, None
    name, _, options = mode.partition(":")
    if name == "container" and options:
        return mode, None
    if name == "ns" and options.startswith("/"):
        return mode, None
    if name in ("", "bridge", "default", "private", *_HELPERS):
        from rootless.netstack import addresses

        helper = name if name in _HELPERS else ""
        try:
            settings = addresses.parse(options)
        except ValueError as error:
            raise UsageError(f"--network {mode}: {error}") from None
        if helper and "buffers=" in options:
            raise UsageError(f"--network {mode}: {helper} has no such option", "it is private's")
        names = settings["gateway"]
        if helper == "slirp4netns":
            names = addresses.after(names)
        private: PrivateNetwork = {
            "settings": settings,
            "helper": helper,
            "names": names,
            "needed": bool(mode),
        }
        return helper or "private", private
    modes = "private (the default), none, host, container:NAME, ns:/PATH, pasta and slirp4netns"
    raise UsageError(f"--network {mode} {_LATER}", f"now: {modes}")


def _userns(mode: str) -> tuple[str, bool]:
    """Return the mode in full: host, nomap or keep-id:uid=N,gid=N; whether root's files are root's.

    They are the user's, as all that is root's out here, with the option `shared` of keep-id.
    """
    kind, colon, options = mode.partition(":")
    if kind == "keep-id":
        ids = {"uid": os.getuid(), "gid": os.getgid()}
        words = options.split(",") if colon else []
        for word in words:
            key, _, number = word.partition("=")
            if word == "shared":
                continue
            if key not in ids or not values.is_number(number) or int(number[:11]) > 0x7FFFFFFF:
                hint = "uid=N, gid=N or shared"
                raise UsageError(f"--userns {mode}: unknown option {word!r}", hint)
            ids[key] = int(number)
        return f"keep-id:uid={ids['uid']},gid={ids['gid']}", "shared" not in words
    if mode in ("", "host"):
        return "host", False
    if mode == "nomap":
        return mode, True
    if kind in ("auto", "container", "ns", "private"):
        raise UsageError(f"--userns {mode} {_LATER}", "now: host, keep-id and nomap")
    modes = "host, keep-id[:uid=N,gid=N,shared] or nomap"
    raise UsageError(f"--userns: unknown mode {mode!r}", modes)


def _workdir(path: str) -> str:
    if path and (not path.startswith("/") or "\0" in path):
        raise UsageError(
            f"the working directory {path!r} is invalid, it needs to be an absolute path"
        )
    return path


def _ports(plan: Plan) -> list[Publish]:
    """Return what -p asks for; a network that has no ports of its own has none to publish."""
    asked = plan.asked
    way = asked.get("publish_privileged", "")
    if way not in ("", "error", "remap"):
        raise UsageError(f"--publish-privileged: unknown way {way!r}", "error or remap")
    if not asked.get("publish"):
        return []
    if plan.network in ("none", "host"):
        plan.notes.append(f"-p does nothing with --network {plan.network}")
        return []
    if not plan.private:
        raise UsageError(
            f"-p and --network {plan.network} exclude each other",
            "publish the port with the container that has the network",
        )
    from rootless.containers import ports

    return [port for text in asked["publish"] for port in ports.parse(text)]


def _exposed(asked: CreateOptions) -> list[str]:
    """Return what --expose names, PORT/PROTOCOL each."""
    if not asked.get("expose"):
        return []
    from rootless.containers import ports

    found = []
    for text in asked["expose"]:
        for port in ports.parse(text, "--expose"):
            if port["host"] or port["ip"]:
                raise UsageError(f"--expose {text}: that is -p's", "PORT[-END][/tcp|/udp]")
            found.append(f"{port['container']}/{port['protocol']}")
    return found


def _published(plan: Plan, exposed: list[str]) -> list[Publish]:
    """Return what -P adds: the exposed ports that -p does not name."""
    if not plan.asked.get("publish_all") or not plan.private:
        return []
    from rootless.containers import ports

    named = {(port["container"], port["protocol"]) for port in plan.ports}
    found = [port for text in exposed for port in ports.exposed(text)]
    return [port for port in found if (port["container"], port["protocol"]) not in named]


def _dns(asked: CreateOptions) -> Dns:
    from rootless.containers.values import check_addresses

    servers = asked.get("dns", [])
    check_addresses(servers, "--dns")
    search = asked.get("dns_search", [])
    return {"servers": servers, "search": search, "options": asked.get("dns_option", [])}


def _host(text: str, plan: Plan) -> list[str]:
    address, *names = values.host_entry(text)
    if address == "host-gateway" and plan.network == "none":
        raise UsageError(f"--add-host {text}: there is no gateway with --network none")
    return [address, *names]


def _restart(policy: str) -> str:
    """Return the restart policy in full."""
    name, colon, most = policy.partition(":")
    if name == "on-failure" and (not colon or values.is_number(most)):
        return name if int(most or 0) == 0 else f"{name}:{int(most)}"
    if colon or name not in ("", "no", "never", "always", "unless-stopped"):
        raise UsageError(
            f"--restart: unknown policy {policy!r}", "no, on-failure[:N], always, unless-stopped"
        )
    return "no" if name in ("", "never") else name


def _sdnotify(mode: str) -> str:
    modes = ("container", "supervisor", "healthy", "ignore")
    mode = "supervisor" if mode == "conmon" else mode or "container"  # conmon is podman's
    if mode not in modes:
        raise UsageError(f"--sdnotify: unknown mode {mode!r}", ", ".join(modes))
    return mode


def _limits(plan: Plan) -> None:
    asked = plan.asked
    for text in asked.get("ulimit", ()):
        limit = values.ulimit(text)
        if limit is None:
            continue
        if any(limit["type"] == other["type"] for other in plan.rlimits):
            raise UsageError(f"--ulimit {text}: this limit is given twice")
        plan.rlimits.append(limit)
    host_ipc = asked.get("ipc") == "host"
    for text in asked.get("sysctl", ()):
        name, value = values.sysctl(text, host_network=plan.network == "host", host_ipc=host_ipc)
        plan.sysctls[name] = value


def _mounts(plan: Plan, directory: str) -> None:
    asked = plan.asked
    plan.volumes = [mounts.volume(text, directory) for text in asked.get("volume", ())]
    plan.volumes += [mounts.mount(text, directory) for text in asked.get("mount", ())]
    plan.volumes += [mounts.tmpfs(text) for text in asked.get("tmpfs", ())]
    plan.devices = [mounts.device(text) for text in asked.get("device", ())]
    seen: set[str] = set()
    for item in (*plan.volumes, *plan.devices):
        if item["destination"] in seen:
            raise UsageError(f"duplicate mount point: {item['destination']}")
        seen.add(item["destination"])
        mounts.refuse_proc(item["destination"], item["type"], item["source"])
    mounts.require_sources(plan.volumes, plan.devices)


def _rootfs_directory(reference: str) -> tuple[str, bool]:
    """Parse DIR[:O]; the directory must be there."""
    path, colon, option = reference.rpartition(":")
    if not colon or option != "O":
        path, option = reference, ""
    if not os.path.isdir(path):
        raise UsageError(f"--rootfs: no directory {path}", "the argument is DIR or DIR:O")
    return os.path.abspath(path), option == "O"


def compose(
    paths: Paths,
    image: Image | None,
    words: list[str],
    asked: CreateOptions,
    *,
    id: str,  # noqa: A002 - the record's own word
    directory: str,
    reference: str = "",
    plan: Plan | None = None,
) -> Record:
    """Return the record of a container. Nothing is written but layers not yet unpacked.

    `image` is None for --rootfs; `reference` is the image as the user named it, or the
    directory; `words` is the command. `plan` comes from `check`, which is called where it is
    missing. Raises UsageError, ImageError.
    """
    name = reference or (image and (image.names or [image.id])[0]) or ""
    plan = plan or check(paths, name, asked)
    settings = Settings(image.config if image else {}, name)
    first, rest = command(settings, asked.get("entrypoint"), words, name)
    _complete(plan, settings, id, directory)
    plan.volumes += _image_volumes(plan, settings, paths.volumes, name)
    plan.args = first + rest
    if not values.is_usable(plan.args):
        raise UsageError(f"the command {plan.args!r} holds a NUL byte")
    plan.account = _account(plan)
    exposed = list(dict.fromkeys([*settings.exposed, *plan.exposed]))
    configuration = spec.build(plan)
    return {
        "version": 1,
        "id": id,
        "name": asked.get("name") or random_name(),
        "created": time.time(),
        "image": name,
        "image_id": image.id if image and not image.host else "",
        "layers": image.lowers() if image and not image.host else [],
        "rootfs": _rootfs(image, name),
        "asked": asked,
        "path": plan.args[0],
        "args": plan.args[1:],
        "entrypoint": first,
        "cmd": rest,
        "user": plan.user,
        "labels": {**settings.labels, **plan.labels},
        "annotations": plan.annotations,
        "tty": bool(asked.get("tty")),
        "stdin": bool(asked.get("interactive")),
        "rm": bool(asked.get("rm")),
        "stop_signal": plan.stop_signal or values.signal_number(settings.stop_signal or "TERM"),
        "stop_timeout": asked.get("stop_timeout", STOP_TIMEOUT),
        "network": plan.network,
        "hostname": plan.hostname,
        "hosts": plan.hosts,
        "exposed": exposed,
        "ports": [*plan.ports, *_published(plan, exposed)],
        "dns": plan.dns,
        "healthcheck": _healthcheck(plan, settings),
        "health": plan.health,
        "restart": _restart(asked.get("restart", "")),
        "sdnotify": _sdnotify(asked.get("sdnotify", "")),
        "log_driver": plan.log_driver,
        "log_options": plan.log_options,
        "volumes": plan.volumes,
        "spec": configuration,
    }


def _complete(plan: Plan, settings: Settings, id: str, directory: str) -> None:  # noqa: A002
    """Fill in what the image, the id and the host decide where nothing was asked."""
    asked = plan.asked
    plan.directory = directory
    shared = plan.network == "host" or asked.get("uts") == "host"
    plan.hostname = asked.get("hostname") or (os.uname().nodename if shared else id[:12])
    plan.user = plan.user or values.user(settings.user, "the image's user")
    if not plan.user and plan.userns.startswith("keep-id:"):
        # As podman: who keeps his id is meant to be himself inside, unless the image says more.
        uid, gid = plan.userns.removeprefix("keep-id:uid=").split(",gid=")
        plan.user = f"{uid}:{gid}"
    plan.cwd = plan.cwd or "/" + settings.workdir.lstrip("/")
    is_root = plan.user.partition(":")[0] in ("", "0", "root")
    plan.capabilities = caps.sets(plan.allowed, asked.get("cap_add", ()), root=is_root)
    plan.env = environment.compose(settings.env, asked, plan.changes, plan.hostname, os.environ)


def _account(plan: Plan) -> Account | None:
    """The user's own names, where the container keeps his ids. At home he is as with podman."""
    uid, gid = os.getuid(), os.getgid()
    if plan.userns != f"keep-id:uid={uid},gid={gid}" or "=" in plan.asked.get("userns", ""):
        return None
    import grp
    import pwd

    name, home, group = str(uid), "", str(gid)
    try:
        user = pwd.getpwuid(uid)
        name, home = user.pw_name, user.pw_dir
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        pass  # this machine has no names for him
    mounted = (item["destination"] for item in plan.volumes)
    is_here = any(f"{home}/".startswith(f"{path.rstrip('/')}/") for path in mounted if home)
    return {
        "name": name,
        "uid": uid,
        "group": group,
        "gid": gid,
        "home": home if is_here else plan.cwd,
    }


def _healthcheck(plan: Plan, settings: Settings) -> Healthcheck | None:
    if not (settings.healthcheck or plan.healthcheck):
        return None
    from rootless.containers import health

    return health.compose(settings.healthcheck, plan.healthcheck)


def _image_volumes(plan: Plan, settings: Settings, directory: str, name: str) -> list[Volume]:
    """Anonymous volumes for the image's VOLUMEs, where nothing of the user's is mounted."""
    taken = {item["destination"] for item in (*plan.volumes, *plan.devices)}
    result: list[Volume] = []
    for path in settings.volumes:
        try:
            item = mounts.volume(path, directory) if ":" not in path else None
        except UsageError as error:
            raise ImageError(f"image {name}: its volume {path!r} is invalid: {error}") from error
        if item is None:
            raise ImageError(f"image {name}: its volume {path!r} is invalid")
        where = item["destination"]
        if where in taken:
            continue
        if where in ("/sys/fs/cgroup", "/dev/shm"):  # noqa: S108 - no file of ours
            # Images with systemd name the one, for a docker that had nothing there, others the
            # other, for more room than docker gives.
            plan.notes.append(f"the image's volume {where} is left out: the container has its own")
            continue
        if mounts.is_own(where):
            raise ImageError(
                f"image {name}: its volume {where} would take the place of the container's own",
                f"a mount of yours at {where} replaces it, where you want one there",
            )
        taken.add(where)
        result.append(item)
    return result


def _rootfs(image: Image | None, reference: str) -> Rootfs:
    if image is None:
        path, overlay = _rootfs_directory(reference)
        return {"kind": "directory", "path": path, "overlay": overlay}
    return {"kind": "host" if image.host else "layers", "path": "", "overlay": False}
