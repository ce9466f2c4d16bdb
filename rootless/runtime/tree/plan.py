"""From an OCI runtime configuration to the list of operations that builds the container's tree.

Pure: nothing is touched here, so that `--debug` can print the plan and tests can read it.
"""

from __future__ import annotations

from rootless.runtime.networks import kinds
from rootless.runtime.tree import operations as op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from rootless.runtime.spec import Mount, Private, Spec
    from rootless.runtime.tree.operations import Operation
    from rootless.runtime.tree.rootfs import DirectoryRoot, FuseRoot, HostRoot, OverlayRoot

    Root: TypeAlias = DirectoryRoot | FuseRoot | HostRoot | OverlayRoot

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""The devices of the OCI runtime specification (config-linux, "Default Devices")."""

_KINDS = {
    "proc": op.Proc,
    "sysfs": op.Sysfs,
    "cgroup": op.Cgroup,
    "cgroup2": op.Cgroup,
    "mqueue": op.Mqueue,
    "devpts": op.Devpts,
    "tmpfs": op.Tmpfs,
    "ramfs": op.Tmpfs,
}


def plan(spec: Spec, root: Root, driver: str = "overlay") -> list[Operation]:
    """Return the operations for `spec` on `root`, in order, all but the last step into the tree.

    `driver` is that of the `:O` mounts (see rootfs.choose_driver).
    """
    linux = spec["linux"]
    own = {space["type"] for space in linux["namespaces"] if not space.get("path")}
    steps: list[Operation] = [op.Isolate(), root]
    if spec["rootless"].get("marks"):  # old containers have none
        steps.append(op.Marks())
    network = kinds.of_spec(spec)
    steps += network.steps()
    if "uts" in own and spec["hostname"]:
        steps.append(op.Hostname(spec["hostname"]))
    if "uts" in own and spec.get("domainname"):  # old containers have none
        steps.append(op.Domainname(spec["domainname"]))
    special = _special(spec, driver)
    dev_made = False
    for mount in spec["mounts"]:
        if dev_made and not mount["destination"].startswith("/dev"):
            steps += _devices(spec["rootless"])
            dev_made = False
        steps += special.get(mount["destination"]) or [_mount(mount)]
        dev_made = dev_made or (mount["destination"] == "/dev" and mount["type"] == "tmpfs")
    if dev_made:
        steps += _devices(spec["rootless"])
    if source := spec["rootless"].get("container_env"):
        steps.append(op.Bind(source, op.CONTAINER_ENV, ["bind", *op.SAFE, "rprivate"]))
    wished = linux.get("sysctl") or {}
    if network.own and op.Pings.NAME not in wished:
        steps.append(op.Pings())
    steps += [op.Sysctl(name, value) for name, value in wished.items()]
    steps += [op.ReadOnly(path) for path in linux.get("readonlyPaths") or ()]
    steps += [op.Mask(path) for path in linux.get("maskedPaths") or ()]
    if spec["root"]["readonly"]:
        steps.append(op.ReadOnlyRoot())
    return steps


def _special(spec: Spec, driver: str) -> dict[str, list[Operation]]:
    """Return the steps of those mounts that need more than one word, by destination."""
    private = spec["rootless"]
    steps: dict[str, list[Operation]] = {}
    if shown := private.get("layers"):
        from rootless.runtime.tree import showing

        steps = {item["destination"]: [showing.step(item, driver)] for item in shown}
    below = private.get("subpaths")
    if not private["copy_up"] and not private["overlay_binds"] and not below:
        return steps
    from rootless.runtime.tree import volumes

    mounts = {mount["destination"]: mount for mount in spec["mounts"]}
    for wish in private["copy_up"]:
        where = wish["destination"]
        copy = volumes.CopyUp(wish["source"], where, wish.get("into", ""))
        steps[where] = [copy, _mount(mounts[where])]
    for where, subpath in (below or {}).items():
        steps[where] = [volumes.Below(mounts[where], subpath)]
    for layer in private["overlay_binds"]:
        where = layer["destination"]
        if driver == "fuse-overlayfs":
            steps[where] = [volumes.FuseBind(layer)]
        else:
            options = mounts[where]["options"]
            steps[where] = [volumes.OverlayBind(layer, options, native=driver == "overlay")]
    return steps


def _devices(private: Private) -> list[Operation]:
    shown = tuple(f"/dev/{name}" for name in DEVICES)
    steps: list[Operation] = [op.Device(path) for path in shown]
    if private["privileged"]:
        from rootless.runtime.tree.volumes import HostDevices

        steps.append(HostDevices(shown))
    return [*steps, op.Symlinks()]


def _mount(mount: Mount) -> Operation:
    kind, destination, options = mount["type"], mount["destination"], mount["options"]
    if kind == "bind" or "bind" in options or "rbind" in options:
        return op.Bind(mount["source"], destination, options)
    return _KINDS.get(kind, op.Mount)(kind, destination, options)
