"""How a registry is reached: the files of credentials and what they do not say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from servers import Server

from rootless.images.transfer.access import Access
from rootless.oci import reference
from rootless.oci.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


def test_a_helper_that_is_not_installed_stops_no_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As left behind by docker's desktop: it is spoken of only where access is denied."""
    for name in ("DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "desktop.exe"}))
    manifest = b'{"schemaVersion": 2}'

    def answer(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        closed = "/closed/" in path
        return (401, {"WWW-Authenticate": "Basic"}, b"") if closed else (200, {}, manifest)

    server = Server(answer)
    try:
        place = reference.parse(f"{server.address}/open/a")
        assert Access().repository(place).manifest("latest").data == manifest
        closed = reference.parse(f"{server.address}/closed/a")
        with pytest.raises(RegistryError, match="access denied") as caught:
            Access().repository(closed).manifest("latest")
        assert "docker-credential-desktop.exe is not installed" in caught.value.hint
    finally:
        server.close()
