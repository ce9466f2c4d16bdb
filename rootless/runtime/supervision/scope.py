"""A systemd scope for a supervisor and its container: the end of a login session spares them.

logind ends a session with all its processes where KillUserProcesses= says so (logind.conf(5)). What
the user's manager has in a scope of its own goes on as long as that manager: with linger, always.
Without linger a scope would make it worse where logind spares the session: the manager ends
with the last logout, and all its scopes with it. Then nothing is moved.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SESSION = ".scope"
_PATIENCE = 2.0
"""Seconds that systemd has to make the scope."""


def own_cgroup() -> str:
    """Return the path of our cgroup in the hierarchy of version 2, "" without one."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            return next((line[3:].strip() for line in file if line.startswith("0::")), "")
    except OSError:
        return ""


def is_in_session(cgroup: str) -> bool:
    """Whether a cgroup is that of a login session: .../session-3.scope."""
    name = cgroup.rpartition("/")[2]
    return name.startswith("session-") and name.endswith(SESSION)


def lingers() -> bool:
    """Whether the user's manager outlives his sessions."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return os.path.exists(f"/var/lib/systemd/linger/{name}")


def leave_session(name: str) -> bool:
    """Move this process into a scope `rootless-NAME.scope`, where that helps; whether it did."""
    bus = f"{os.environ.get('XDG_RUNTIME_DIR', '')}/bus"
    if not (is_in_session(own_cgroup()) and os.path.exists(bus) and lingers()):
        return False
    try:
        _start_scope(bus, f"rootless-{name}{SESSION}")
    except Exception:  # noqa: BLE001 - whatever the bus says: the container runs without it
        return False
    return True


def _start_scope(bus: str, unit: str) -> None:
    """Ask the manager, and wait until it has done so (org.freedesktop.systemd1(5))."""
    from jeepney import DBusAddress, MatchRule, new_method_call
    from jeepney.io.blocking import open_dbus_connection

    manager = DBusAddress(
        "/org/freedesktop/systemd1", "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager"
    )
    properties: list[tuple[str, tuple[str, Any]]] = [
        ("PIDs", ("au", [os.getpid()])),
        ("Delegate", ("b", True)),
        ("Description", ("s", f"Container {unit.removesuffix(SESSION)}")),
        ("CollectMode", ("s", "inactive-or-failed")),
    ]
    with open_dbus_connection(f"unix:path={bus}") as connection:
        done = MatchRule(type="signal", interface=manager.interface, member="JobRemoved")
        with connection.filter(done) as removed:
            connection.send_and_get_reply(new_method_call(manager, "Subscribe"), timeout=_PATIENCE)
            call = new_method_call(
                manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, [])
            )
            job = connection.send_and_get_reply(call, timeout=_PATIENCE).body[0]
            while connection.recv_until_filtered(removed, timeout=_PATIENCE).body[1] != job:
                pass


def kills_at_logout() -> bool:
    """Whether the end of the last session would end this process (logind.conf(5))."""
    cgroup = own_cgroup()
    if os.getuid() == 0 or lingers() or not os.path.isdir("/run/systemd/system"):
        return False
    if f"/user@{os.getuid()}.service/" in cgroup:
        return True  # the manager ends with the last session
    if not is_in_session(cgroup):
        return False
    try:
        return _login_property("KillUserProcesses")
    except Exception:  # noqa: BLE001 - no bus, no logind: nobody kills anything
        return False


def _login_property(name: str) -> bool:
    from jeepney import DBusAddress, Properties
    from jeepney.io.blocking import open_dbus_connection

    login = DBusAddress(
        "/org/freedesktop/login1", "org.freedesktop.login1", "org.freedesktop.login1.Manager"
    )
    with open_dbus_connection("SYSTEM") as connection:
        reply = connection.send_and_get_reply(Properties(login).get(name), timeout=_PATIENCE)
        return bool(reply.body[0][1])
