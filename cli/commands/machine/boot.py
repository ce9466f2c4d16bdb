"""boot: whether containers start with this machine."""

from __future__ import annotations

from rootless.cli import exits, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def boot(engine: Engine, action: opt.BootAction) -> int:
    """Let containers start with this machine, or not any more.

    Those with the restart policies always and unless-stopped. By a unit of the systemd user
    manager, or where there is none by a line of the crontab. `status` ends with 0 where it is
    enabled.

    Examples:
        rootless boot enable
        rootless boot status
    """
    from rootless.system.boot import Way

    way = Way(engine.paths)
    if action == "enable":
        way.enable()
        output.say(f"enabled, by {way.name}")
    elif action == "disable":
        way.disable()
        output.say("disabled")
        return exits.OK
    else:
        output.say(
            f"{'enabled' if way.is_enabled else 'disabled'}, by {way.name or 'nothing here'}"
        )
    if warning := way.warning():
        output.say(warning, to_stderr=True)
    return exits.OK if way.is_enabled else exits.FAILED
