"""image trust: what policy.json says, and setting it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images.transfer import test_signatures

if TYPE_CHECKING:
    from conftest import Store

    from tests.images.transfer.test_signatures import Gpg

pytestmark = pytest.mark.once

gpg = test_signatures.gpg  # the fixture


def policy(store: Store) -> Path:
    return Path(store.env["XDG_CONFIG_HOME"], "containers/policy.json")


@pytest.fixture
def key(cli: Store, gpg: Gpg) -> str:
    """A public key as gpg exports it."""
    gpg.key("somebody")
    path = Path(cli.directory, "key.asc")
    path.write_bytes(gpg.export("somebody"))
    return str(path)


@pytest.mark.needs("gpg", "gpgconf")
def test_set_and_show(cli: Store, key: str) -> None:
    cli.ok("image", "trust", "set", "--type", "reject", "default")
    cli.ok("image", "trust", "set", "--type", "accept", "docker.io/library")
    cli.ok("image", "trust", "set", "--pubkeysfile", key, "example.com/team")
    assert json.loads(policy(cli).read_text()) == {
        "default": [{"type": "reject"}],
        "transports": {
            "docker": {
                "docker.io/library": [{"type": "insecureAcceptAnything"}],
                "example.com/team": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": key}],
            }
        },
    }
    shown = [line.split() for line in cli.ok("image", "trust", "show").splitlines()]
    assert shown == [
        ["TRANSPORT", "NAME", "TYPE", "ID", "STORE"],
        ["all", "default", "reject"],
        ["repository", "docker.io/library", "accept"],
        ["repository", "example.com/team", "signed", "somebody@example.com"],
    ]
    assert cli.ok("image", "trust", "show", "--raw") == policy(cli).read_text().rstrip()
    (row,) = json.loads(cli.ok("image", "trust", "show", "--json", "example.com/team"))
    assert (row["type"], row["gpg_id"]) == ("signed", "somebody@example.com")


@pytest.mark.needs("podman")
def test_it_is_shown_as_podman_shows_it(cli: Store) -> None:
    for scope, kind in (("default", "reject"), ("quay.io", "accept"), ("docker.io/x", "reject")):
        cli.ok("image", "trust", "set", "--type", kind, scope)
    command = ["podman", "image", "trust", "show", "--json", "--policypath", str(policy(cli))]
    # podman remembers below HOME where it ran first, and makes that directory anew.
    env = {**cli.env, "HOME": cli.directory}
    theirs = subprocess.run(command, capture_output=True, text=True, env=env)
    if theirs.returncode:
        pytest.skip(f"podman does not run here: {theirs.stderr[-200:]}")
    ours = json.loads(cli.ok("image", "trust", "show", "--json"))
    assert ours == json.loads(theirs.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("set", "which registry"),
        ("set --type accept --pubkeysfile /etc/hosts default", "has no keys"),
        ("set default", "needs a key"),
        ("set --pubkeysfile /nowhere default", "is not there"),
        ("forget default", "show"),
    ],
)
def test_refused(cli: Store, words: str, said: str) -> None:
    done = cli("image", "trust", *words.split())
    assert done.returncode == 125
    assert said in done.stderr
    assert not policy(cli).exists()


def test_a_policy_that_is_not_understood_stays(cli: Store) -> None:
    policy(cli).parent.mkdir(parents=True)
    policy(cli).write_text('{"default": "nonsense"}')
    done = cli("image", "trust", "set", "--type", "accept", "quay.io")
    assert done.returncode != 0
    assert "policy.json" in done.stderr
    assert policy(cli).read_text() == '{"default": "nonsense"}'
