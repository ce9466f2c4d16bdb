"""--tls-verify=true of a registry on loopback: on a shared machine anybody may listen there.

By default such a registry needs no certificate, as for docker. Where one is asked for, neither a
certificate that nothing trusts nor plain HTTP is taken, and no password leaves.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.images.transfer.access import Access
from rootless.oci.distribution.registries import Registries
from rootless.oci.distribution.registry import Repository
from rootless.oci.errors import RegistryError
from rootless.oci.reference import parse
from tests.oci.servers import Answer, Server, self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once

BASIC = {"WWW-Authenticate": 'Basic realm="x"', "Content-Type": "application/json"}

COMMANDS = [
    ("pull", "NAME/x:1"),
    ("pull", "--all-tags", "NAME/x"),
    ("push", "busybox", "NAME/x:1"),
    ("search", "--list-tags", "NAME/x"),
    ("search", "NAME/x"),
    ("copy", "docker://NAME/x:1", "oci:DIR/out"),
    ("copy", "containers-storage:busybox", "docker://NAME/x:1"),
    ("inspect", "--remote", "NAME/x:1"),
    ("manifest", "create", "list", "docker://NAME/x:1"),
    ("manifest", "inspect", "NAME/x:1"),
    ("artifact", "pull", "NAME/x:1"),
    ("artifact", "ls", "--remote", "NAME/x:1"),
]


@pytest.fixture(params=["tls", "plain"])
def trap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A neighbour's server that wants a password of whoever comes."""

    def answer(path: str, headers: dict[str, str]) -> Answer:
        return 401, BASIC, b"{}"

    pem = self_signed(tmp_path, "127.0.0.1") if request.param == "tls" else ""
    server = Server(answer, certificate=pem)
    yield server
    server.close()


def passwords(server: Server) -> list[str]:
    return [headers["authorization"] for _, headers in server.seen if "authorization" in headers]


def credentials(store: Store, host: str) -> None:
    """Keep a password for a registry, as an earlier login has."""
    directory = Path(store.env["XDG_CONFIG_HOME"], "containers")
    directory.mkdir(parents=True)
    auths = {"auths": {host: {"auth": base64.b64encode(b"me:secret").decode()}}}
    (directory / "auth.json").write_text(json.dumps(auths))


def test_no_command_speaks_to_what_has_no_valid_certificate(shared: Store, trap: Server) -> None:
    """Each command that speaks to registries; the password is kept from an earlier login."""
    auth = Path(shared.directory, f"auth-{trap.address}")
    auths = {"auths": {trap.address: {"auth": base64.b64encode(b"me:secret").decode()}}}
    auth.write_text(json.dumps(auths))
    for command in COMMANDS:
        words = [w.replace("NAME", trap.address).replace("DIR", shared.directory) for w in command]
        head = 2 if words[0] in ("manifest", "artifact") else 1
        line = [*words[:head], "--tls-verify=true", "--authfile", str(auth), *words[head:]]
        done = shared(*line)
        assert done.returncode != 0, line
        assert trap.address in done.stderr, line
        assert "certificate" in done.stderr or "TLS" in done.stderr, done.stderr
    assert trap.seen == []


def test_a_login_sends_no_password(cli: Store, trap: Server) -> None:
    line = ("login", "-u", "me", "-p", "secret")
    for host in (trap.address, trap.address.replace("127.0.0.1", "localhost")):
        done = cli(*line, "--tls-verify", host)
        assert done.returncode != 0
        assert "certificate" in done.stderr or "TLS" in done.stderr
    assert trap.seen == []
    # Where nothing was asked for, it is as docker has it: the test would see a password.
    assert cli(*line, trap.address).returncode != 0
    assert passwords(trap) != []


def test_the_side_of_a_copy_counts_for_itself(cli: Store, trap: Server) -> None:
    """--src-tls-verify and --dest-tls-verify go before --tls-verify, as with skopeo."""
    credentials(cli, trap.address)
    name = f"docker://{trap.address}/x:1"
    for line in (
        ("--tls-verify=false", "--src-tls-verify=true", name, f"oci:{cli.directory}/out"),
        ("--tls-verify=true", name, f"oci:{cli.directory}/out"),
    ):
        assert cli("copy", *line).returncode != 0
    assert trap.seen == []
    assert cli("copy", "--src-tls-verify=false", name, f"oci:{cli.directory}/out").returncode != 0
    assert passwords(trap) != []


def test_the_file_of_registries_may_ask_for_it(
    trap: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`insecure = false` that stands there is asked for; an option goes before the file."""
    conf = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    name = parse(f"{trap.address}/x:1")
    for insecure, given, spoken in (
        ("insecure = false", None, False),
        ("insecure = true", True, False),
        ("insecure = true", None, True),
        ("insecure = false", False, True),
        ("", None, True),
    ):
        conf.write_text(f'[[registry]]\nlocation = "{trap.address}"\n{insecure}\n')
        Registries.load()
        trap.seen.clear()
        with pytest.raises(RegistryError):
            Access(tls_verify=given, creds="me:secret").destination(name).manifest("1")
        assert bool(trap.seen) is spoken, (insecure, given)


def test_leniency_ends_where_the_machine_does() -> None:
    """A registry on loopback that leads elsewhere gets no leniency for that place."""
    client = Repository(parse("localhost:5000/x"))._client
    for host, verifies in (("127.0.0.1:5000", False), ("localhost", False), ("a.example", True)):
        assert client._context(host).check_hostname is verifies, host
        pool = client._pool(f"https://{host}/")
        assert (pool.connection_pool_kw.get("cert_reqs") != "CERT_NONE") is verifies, host
