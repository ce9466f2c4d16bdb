"""From a request, which `conflicts` has checked, and an image to the record of a container."""

from __future__ import annotations

import os
import time

from rootless.containers import legacy, networks
from rootless.containers.creation import conflicts, environment, spec
from rootless.containers.creation.image_settings import Settings, command
from rootless.containers.creation.spec import Plan
from rootless.containers.names import random_name
from rootless.containers.request import tmpfs, volume
from rootless.errors import UsageError, named
from rootless.images.finding import meanings
from rootless.oci.errors import ImageError
from rootless.oci.reference import full
from rootless.runtime.privileges import caps
from rootless.store.objects import new_id
from rootless.teller import QUIET
from rootless.values import is_number, is_usable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pwd import struct_passwd

    from rootless.containers.record import Image, Record, Rootfs
    from rootless.containers.request import Healthcheck, Publish, Request, Restart, Userns
    from rootless.runtime.spec import Account, Attachment
    from rootless.store.paths import Paths
    from rootless.teller import Teller
    from rootless.volumes.mounts import Volume


_SYSTEMD = ("/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init")
"""What systemd is called, apart from its own name: podman's list."""


class Neighbours:
    """What a new container has of others; for volumes and links see `neighbours`."""

    def __init__(self, attached: list[Attachment]) -> None:
        self.networks = attached
        self.volumes: list[Volume] = []
        """What the containers of volumes_from have mounted, with names and places."""
        self.files: list[Volume] = []
        """What is shown of artifacts and images."""
        self.hosts: list[list[str]] = []
        """Further lines of /etc/hosts: [address, name, ...]."""
        self.environment: list[list[str]] = []
        """[name, value] of what links tell."""


def _check_log(driver: str) -> None:
    """Raise HostError for a log that cannot be had, before there is a container."""
    if driver == "journald":
        from rootless.runtime.logs import journal

        os.close(journal.connect())


def compose(
    paths: Paths,
    request: Request,
    image: Image | None,
    *,
    id: str,  # noqa: A002 - the record's own word
    near: Neighbours,
    teller: Teller = QUIET,
) -> Record:
    """Return the record of a container. Nothing is written but layers not yet unpacked.

    `request` has been checked, `image` is None where it brings a root file system of its own,
    `near` is what it has of other containers. Raises UsageError, ImageError.
    """
    _check_log(request["log"]["driver"])
    name = request["image"]
    settings = Settings(image.config if image else {}, name)
    first, rest = command(settings, request["entrypoint"], request["command"], name)
    plan = _plan(request, settings, id, f"{paths.containers}/{id}", near)
    plan.volumes = _volumes(paths, request, settings, near, teller)
    _take_command(plan, first + rest, id)
    plan.account = _account(plan)
    plan.hostusers = [_hostuser(plan, name) for name in request["hostusers"]]
    if plan.seccomp == {"profile": "image"}:
        plan.seccomp = settings.seccomp
    exposed = list(dict.fromkeys([*settings.exposed, *request["expose"]]))
    record: Record = {
        "version": 1,
        "id": id,
        "name": request["name"] or random_name(),
        "created": time.time(),
        "image": name,
        "image_id": image.id if image and not image.host else "",
        "image_digest": image.digest if image and not image.host else "",
        "image_name": _image_name(name, image.names) if image and not image.host else "",
        "layers": image.lowers() if image and not image.host else [],
        "rootfs": _rootfs(image, request),
        "request": request,
        "path": plan.args[0],
        "args": plan.args[1:],
        "entrypoint": first,
        "cmd": rest,
        "user": plan.user,
        "labels": {**settings.labels, **request["labels"]},
        "annotations": request["annotations"],
        "tty": request["tty"],
        "stdin": request["stdin"],
        "rm": request["remove"],
        "stop_signal": request["stop_signal"] or _signal_of(settings) or plan.stop_signal,
        "stop_timeout": request["stop_timeout"],
        "networks": near.networks,
        "hostname": plan.hostname,
        "hosts": [*near.hosts, *request["hosts"]],
        "exposed": exposed,
        "ports": _ports(request, exposed, near.networks),
        "dns": request["dns"],
        "healthcheck": _healthcheck(request, settings),
        "health": request["health"],
        "restart": restart_of(request["restart"]),
        "sdnotify": request["sdnotify"],
        "log_driver": request["log"]["driver"],
        "log_options": request["log"]["options"],
        "volumes": plan.volumes,
        "spec": spec.build(plan),
    }
    return {**record, **legacy.kept(request, near.networks)}  # type: ignore[typeddict-item]


def _image_name(ref: str, names: list[str]) -> str:
    """Return which of the names of an image was meant; "" where it has none."""
    known = [name for name in (*meanings(ref), full(ref)) if name in names]
    ends = [name for name in names if name.endswith(f"/{ref}")]  # by the last part of its name
    return next(iter([*known, *ends, *names]), "")


def _plan(
    request: Request,
    settings: Settings,
    id: str,  # noqa: A002 - the record's own word
    directory: str,
    near: Neighbours,
) -> Plan:
    """Fill in what the image, the id and the host decide where the request does not."""
    plan = Plan(request, directory)
    plan.networks = near.networks
    shared = networks.kind(plan.networks) == "host" or request["namespaces"]["uts"] == "host"
    plan.hostname = request["hostname"] or (os.uname().nodename if shared else id[:12])
    plan.userns = _userns(request["userns"])
    if request["uidmap"]:
        from rootless.containers.creation import maps

        plan.userns = maps.written(request)
    plan.user = request["user"]
    if not plan.user:
        conflicts.check_user(settings.user, "the image's user")
        plan.user = settings.user
    if not plan.user and plan.userns.startswith("keep-id:"):
        # As podman: who keeps his id is meant to be himself inside, unless the image says more.
        uid, gid = plan.userns.removeprefix("keep-id:uid=").split(",gid=")
        plan.user = f"{uid}:{gid}"
    plan.cwd = request["workdir"] or "/" + settings.workdir.lstrip("/")
    is_root = plan.user.partition(":")[0] in ("", "0", "root")
    security = request["security"]
    allowed = caps.resolve(
        security["cap_add"], security["cap_drop"], privileged=security["privileged"]
    )
    plan.capabilities = caps.sets(allowed, security["cap_add"], root=is_root)
    plan.env = environment.compose(settings.env, request, plan.hostname, near.environment)
    return plan


def _take_command(plan: Plan, args: list[str], id: str) -> None:  # noqa: A002 - the record's word
    """Note what is to run, and prepare the container for it. Raises UsageError."""
    if not is_usable(args):
        raise UsageError(f"the {named('command')} {args!r} holds a NUL byte")
    plan.args = args
    if _is_systemd(plan.request, args):
        from rootless.containers.creation import systemd

        systemd.prepare(plan, id)


def _is_systemd(request: Request, args: list[str]) -> bool:
    """Whether the container is to be prepared for systemd, by the request or by its command."""
    if request["systemd"] != "true" or request["init"]:  # then another is the first process
        return request["systemd"] == "always"
    words = args[2:] if args[:2] == ["/bin/sh", "-c"] else args  # of a Dockerfile's CMD
    return bool(words) and (words[0] in _SYSTEMD or words[0].rpartition("/")[2] == "systemd")


def _userns(wanted: Userns) -> str:
    """Return the mode in full: host, nomap or keep-id:uid=N,gid=N."""
    if wanted["mode"] != "keep-id":
        return wanted["mode"]
    uid = os.getuid() if wanted["uid"] is None else wanted["uid"]
    gid = os.getgid() if wanted["gid"] is None else wanted["gid"]
    return f"keep-id:uid={uid},gid={gid}"


def _account(plan: Plan) -> Account | None:
    """The user's own names, where the container keeps his ids. At home he is as with podman."""
    wanted = plan.request["userns"]
    if wanted["mode"] != "keep-id" or wanted["uid"] is not None or wanted["gid"] is not None:
        return None
    import grp
    import pwd

    uid, gid = os.getuid(), os.getgid()
    name, home, group, full = str(uid), "", str(gid), ""
    try:
        user = pwd.getpwuid(uid)
        name, home, full = user.pw_name, user.pw_dir, _full_name(user)
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        pass  # this machine has no names for him
    return {
        "name": name,
        "full_name": full,
        "uid": uid,
        "group": group,
        "gid": gid,
        "home": _home(plan, home),
    }


def _hostuser(plan: Plan, asked: str) -> Account:
    """Return the user of this machine of that name or number. Raises UsageError for none."""
    import pwd

    try:
        user = pwd.getpwuid(int(asked)) if is_number(asked) else pwd.getpwnam(asked)
    except (KeyError, OverflowError, ValueError):
        raise UsageError(
            f"{named('hostusers')}: this machine has no user {asked!r:.60}", field="hostusers"
        ) from None
    return {
        "name": user.pw_name,
        "full_name": _full_name(user),
        "uid": user.pw_uid,
        "group": "",
        "gid": user.pw_gid,
        "home": _home(plan, user.pw_dir),
    }


def _full_name(user: struct_passwd) -> str:
    """As Go has it, which podman asks."""
    return user.pw_gecos.partition(",")[0]


def _home(plan: Plan, home: str) -> str:
    """Where a user of this machine is at home inside: there, if that is mounted (podman)."""
    mounted = (item["destination"] for item in plan.volumes)
    is_here = any(f"{home}/".startswith(f"{path.rstrip('/')}/") for path in mounted if home)
    return home if is_here else plan.cwd


def _signal_of(settings: Settings) -> int:
    if not settings.stop_signal:
        return 0
    from rootless.values import signal_number

    return signal_number(settings.stop_signal)


def restart_of(wanted: Restart) -> str:
    """Return the policy as the supervisor has it: on-failure[:N], or a word."""
    return f"{wanted['policy']}:{wanted['most']}" if wanted["most"] else wanted["policy"]


def _ports(request: Request, exposed: list[str], attached: list[Attachment]) -> list[Publish]:
    """Return what is published: what was asked for, and of what is exposed the rest."""
    wanted = request["ports"]
    if networks.kind(attached) not in networks.OWN:
        return []
    if not request["publish_all"]:
        return wanted
    from rootless.containers import ports

    has = {(port["container"], port["protocol"]) for port in wanted}
    found = [port for text in exposed for port in ports.exposed(text)]
    return [*wanted, *(port for port in found if (port["container"], port["protocol"]) not in has)]


def _healthcheck(request: Request, settings: Settings) -> Healthcheck | None:
    usual = request["health"] == {"on_failure": "none", "startup": None}
    if usual and not (settings.healthcheck or request["healthcheck"]):
        return None
    from rootless.containers import health

    check = health.compose(settings.healthcheck, request["healthcheck"])
    health.refuse_lonely(check, request["health"])
    return check


def _volumes(
    paths: Paths, request: Request, settings: Settings, near: Neighbours, teller: Teller
) -> list[Volume]:
    """Return all that is mounted but devices; volumes have their names and places now."""
    own = [item for item in request["mounts"] if item["type"] not in ("artifact", "image")]
    result = [*own, *near.files, *request["tmpfs"]]
    taken = {item["destination"] for item in (*result, *request["devices"])}
    result += [item for item in near.volumes if item["destination"] not in taken]
    taken.update(item["destination"] for item in near.volumes)
    if request["image_volumes"] != "ignore":
        found = _image_volumes(request["image"], settings, taken, teller)
        if request["image_volumes"] == "tmpfs":
            found = [tmpfs(item["destination"], "tmpcopyup") for item in found]
        result += found
    for number, item in enumerate(result):
        if item["type"] == "volume":
            from rootless.volumes.names import data_path

            name = item["name"] or new_id()
            result[number] = {**item, "name": name, "source": data_path(paths.volumes, name)}
    return result


def _image_volumes(name: str, settings: Settings, taken: set[str], teller: Teller) -> list[Volume]:
    """Anonymous volumes for the image's VOLUMEs, where nothing else is mounted (`taken`)."""
    result: list[Volume] = []
    for path in settings.volumes:
        try:
            item = volume("", path) if ":" not in path else None
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
            teller.note(f"the image's volume {where} is left out: the container has its own")
            continue
        if where.split("/")[1] in ("proc", "sys", "dev"):
            raise ImageError(
                f"image {name}: its volume {where} would take the place of the container's own",
                f"a mount of yours at {where} replaces it, where you want one there",
            )
        taken.add(where)
        result.append(item)
    return result


def _rootfs(image: Image | None, request: Request) -> Rootfs:
    if image is not None:
        return {"kind": "host" if image.host else "layers", "path": "", "overlay": False}
    own = request["rootfs"]
    if own is None or not os.path.isdir(own["path"]):
        path = own["path"] if own else ""
        raise UsageError(f"{named('rootfs')}: no directory {path}")
    return {"kind": "directory", "path": own["path"], "overlay": own["overlay"]}
