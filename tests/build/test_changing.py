"""`--change`: instructions of a Dockerfile for images that no build makes."""

from __future__ import annotations

from typing import Any

import pytest

from rootless.build.changing import changed_by
from rootless.errors import UsageError


@pytest.mark.parametrize(
    ("lines", "settings"),
    [
        (['CMD ["a", "b"]'], {"Cmd": ["a", "b"]}),
        (['CMD=["a"]'], {"Cmd": ["a"]}),
        (["CMD a $b | c"], {"Cmd": ["/bin/sh", "-c", "a $b | c"]}),
        (["CMD [broken"], {"Cmd": ["/bin/sh", "-c", "[broken"]}),
        (['CMD ["x"]', 'ENTRYPOINT ["e"]'], {"Cmd": ["x"], "Entrypoint": ["e"]}),
        (['CMD ["a", 1]'], {"Cmd": ["/bin/sh", "-c", '["a", 1]']}),
        (["ENV A=1", "ENV B=$A${C:-x}"], {"Env": ["A=1", "B=1x"]}),
        (["HEALTHCHECK --retries=2 --interval=1m CMD x y"],
         {"Healthcheck": {"Test": ["CMD-SHELL", "x y"], "Interval": 60 * 10**9, "Retries": 2}}),
        (["HEALTHCHECK NONE"], {"Healthcheck": {"Test": ["NONE"]}}),
        (["ENV A=1 B='2 3'", "env A=4"], {"Env": ["A=4", "B=2 3"]}),
        (["ENV A  old form"], {"Env": ["A=old form"]}),
        (["ENV=A=1"], {"Env": ["A=1"]}),
        (["EXPOSE 80 53/UDP"], {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        (["EXPOSE 70-71"], {"ExposedPorts": {"70/tcp": {}, "71/tcp": {}}}),
        (["LABEL a=b c.d='e f'"], {"Labels": {"a": "b", "c.d": "e f"}}),
        (["ONBUILD RUN make"], {"OnBuild": ["RUN make"]}),
        (["STOPSIGNAL SIGQUIT"], {"StopSignal": "SIGQUIT"}),
        (["USER 1:2"], {"User": "1:2"}),
        (['VOLUME ["/a b"]', "VOLUME /c /d"], {"Volumes": {"/a b": {}, "/c": {}, "/d": {}}}),
        (["WORKDIR /a", "WORKDIR b/../c"], {"WorkingDir": "/a/c"}),
    ],
)  # fmt: skip
def test_changes(lines: list[str], settings: dict[str, Any]) -> None:
    found: dict[str, Any] = {}
    changed_by(lines)(found)
    assert found == settings


@pytest.mark.parametrize(
    "line",
    ["", "FROM x", "CMD", "ENV A", "ENV =b", "LABEL a", "ENV A='b", "EXPOSE x", "EXPOSE 70000",
     "EXPOSE 9-8", "EXPOSE 1/icmp", "ONBUILD FROM x", "USER 1\nUSER 2", "COPY a b", "STOPSIGNAL x"],
)  # fmt: skip
def test_bad_changes_are_refused(line: str) -> None:
    with pytest.raises(UsageError, match="invalid change"):
        changed_by([line])({})


def test_what_is_inherited() -> None:
    """An entry point drops a command that is there already, as it does in a stage."""
    found: dict[str, Any] = {"Cmd": ["old"], "Env": ["A=1"], "WorkingDir": "/w"}
    changed_by(['ENTRYPOINT ["e"]', "ENV B=$A", "WORKDIR x"])(found)
    assert found == {"Entrypoint": ["e"], "Env": ["A=1", "B=1"], "WorkingDir": "/w/x"}
