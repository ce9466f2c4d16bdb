"""What would have done better than an instruction did."""

from __future__ import annotations

from rootless.build.dockerfile import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.dockerfile.stages import Stage


def of_touched(stage: Stage, run: model.Run, settings: dict[str, Any], found: Any) -> str:
    """Return the advice for a RUN that has `found` (steps.touched), with the line that is better.

    That is a COPY before it which brings the files; else the RUN that has made them.
    """
    size, path, flags = found["size"], found["path"], found["flags"]
    amount = f"{size / 1e6:.1f} MB of this layer, such as {path},"
    text = f"{amount} differ from the layers below in mode or owner alone"
    workdir = settings.get("WorkingDir") or "/"
    for one in reversed(stage.own):
        if isinstance(one, model.Copy) and one.line < run.line:
            target = one.target if one.target.startswith("/") else f"{workdir.rstrip('/')}/"
            if path.startswith(target.rstrip("/") + "/") or path == target:
                rest = one.text.split(None, 1)[1]
                return f"{text}; better is line {one.line}: {one.name} {flags} {rest}"
    return f"{text}; better is to do it in the RUN that makes the files"
