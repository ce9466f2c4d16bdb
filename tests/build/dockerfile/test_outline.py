"""What a file can be asked for."""

from __future__ import annotations

import pytest

from rootless.build.dockerfile.outline import arguments, mounted, targets
from rootless.build.dockerfile.parsing import parse
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import Plan, plan

pytestmark = pytest.mark.once

TEXT = """\
# VERSION of the tools
ARG VERSION=1
ARG BASE
# tools builds the tools
FROM --platform=$BUILDPLATFORM debian:$VERSION AS tools
ARG VERSION TARGETARCH
# MODE debug or release
# something else
ARG MODE=${VERSION}x
RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=ssh x
RUN --mount=type=secret,target=/run/secrets/s,required --mount=type=cache,id=i,target=/d x
FROM tools AS more
ARG MORE=${MODE}y
RUN --mount=type=bind,target=/x --mount=type=ssh,id=k x
# about nothing
FROM scratch
COPY --from=tools /a /
"""


@pytest.fixture
def file() -> Plan:
    given = Arguments({"BASE": "b"}, build="linux/amd64")
    return plan(parse(TEXT, "Dockerfile"), given)


def test_targets(file: Plan) -> None:
    found = [
        (one.name, one.base, one.platform, one.description, one.default, one.line)
        for one in targets(file)
    ]
    assert found == [
        ("tools", "debian:1", "linux/amd64", "builds the tools", False, 5),
        ("more", "tools", "", "", False, 12),
        ("", "scratch", "", "", True, 16),
    ]


def test_arguments(file: Plan) -> None:
    def told(target: str) -> list[tuple[str, str | None, str, int]]:
        found = arguments(file, file.target(target), {})
        return [(one.name, one.value, one.description, one.line) for one in found]

    first = [("VERSION", "1", "of the tools", 2), ("BASE", "b", "", 3)]
    assert told("") == [*first, ("MODE", "1x", "debug or release", 9)]
    assert told("more") == [*first, ("MODE", "1x", "debug or release", 9), ("MORE", "1xy", "", 13)]


def test_what_is_mounted(file: Plan) -> None:
    found = [
        (one.kind, one.name, one.required, one.line) for one in mounted(file, file.target("more"))
    ]
    assert found == [
        *(("cache", "/c", False, 10), ("secret", "s", True, 10), ("ssh", "default", False, 10)),
        *(("cache", "i", False, 11), ("ssh", "k", False, 14)),
    ]
    assert len(mounted(file, file.target())) == 4
