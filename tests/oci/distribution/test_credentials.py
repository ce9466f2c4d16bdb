"""Files of credentials, and the helpers that they name."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from rootless.oci.distribution import credentials
from rootless.oci.distribution.credentials import AuthFile, Credentials
from rootless.oci.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once

HELPER = """#!/bin/sh
# A credential helper that keeps what it is given in a file.
case $1 in
store) cat > "$HELPER_STORE" ;;
get) read -r key
    [ "$key" = known.example ] || { echo "credentials not found in native keychain"; exit 1; }
    cat "$HELPER_STORE" ;;
erase) rm -f "$HELPER_STORE" ;;
esac
"""


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any credentials."""
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("run/containers", "config/containers", "docker"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_the_longest_key_counts(places: Path) -> None:
    names = ["r.example", "r.example/team", "r.example/team/app"]
    document = {"auths": {name: auth(name, "secret") for name in names}}
    (places / "config/containers/auth.json").write_text(json.dumps(document))
    for path, user in (
        ("team/app", "r.example/team/app"),
        ("team/other", "r.example/team"),
        ("teams", "r.example"),
    ):
        found = credentials.find("r.example", path)
        assert found is not None
        assert (found.user, found.password) == (user, "secret")
    assert credentials.find("r.example.evil", "team/app") is None


def test_files_in_order(places: Path) -> None:
    """podman's of the session, podman's that stays, docker's; docker's own key for its registry."""
    files = [places / "docker/config.json", places / "config/containers/auth.json"]
    files.append(places / "run/containers/auth.json")
    for file in files:
        key = "docker.io" if file.name == "auth.json" else credentials.DOCKER_KEY
        file.write_text(json.dumps({"auths": {key: auth(file.parent.parent.name, "x")}}))
        found = credentials.find("docker.io", "library/busybox")
        assert found is not None
        assert found.user == file.parent.parent.name


def test_a_file_that_is_asked_for_has_to_be_there(places: Path) -> None:
    path = f"{places}/none.json"
    with pytest.raises(RegistryError, match=f"no file of credentials {path}"):
        credentials.find("r.example", "a", path)
    AuthFile(path).store("r.example", Credentials("me", "secret"))
    found = credentials.find("r.example", "a", path)
    assert found is not None
    assert found.user == "me"


@pytest.mark.needs("unshare", "mount")
def test_where_podman_keeps_them_without_a_session(cli: Store) -> None:
    """In /run/containers, in a mount namespace with a /run of its own."""
    document = json.dumps({"auths": {"r.example": auth("me", "secret")}})
    script = """
        mount -t tmpfs none /run && mkdir -p /run/containers/0
        echo "$1" > /run/containers/0/auth.json
        shift; exec env -u XDG_RUNTIME_DIR "$@" login --get-login r.example
    """
    done = subprocess.run(
        ["unshare", "-r", "--mount", "sh", "-ec", script, "sh", document, *cli.command],
        env=cli.env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("me\n", "")


def test_secrets_do_not_end_in_logs() -> None:
    assert "hidden" not in repr(Credentials("me", "hidden", "hidden"))


def test_identity_token_and_colons(places: Path) -> None:
    entry = {**auth("me", "a:b:c"), "identitytoken": "t"}
    (places / "docker/config.json").write_text(json.dumps({"auths": {"r.example": entry}}))
    found = credentials.find("r.example")
    assert found is not None
    assert (found.user, found.password, found.token) == ("me", "a:b:c", "t")


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": {"r.example": {"auth": "§"}}}'])
def test_damaged_files_are_named(places: Path, text: str) -> None:
    path = places / "docker/config.json"
    path.write_text(text)
    with pytest.raises(RegistryError, match=r"docker/config.json"):
        credentials.find("r.example")


@pytest.mark.parametrize("text", ["", "{}", '{"auths": []}', '{"auths": {"r.example": {}}}'])
def test_files_without_any(places: Path, text: str) -> None:
    (places / "docker/config.json").write_text(text)
    assert credentials.find("r.example") is None


def test_store_and_forget(places: Path) -> None:
    """Other content stays, nobody else can read it, a link stays a link."""
    real = places / "dotfiles.json"
    real.write_text('{"psFormat": "x", "auths": {"other": {}}}')
    real.chmod(0o644)
    link = places / "docker/config.json"
    link.symlink_to(real)
    file = AuthFile(str(link))
    file.store("r.example", Credentials("me", "secret"))
    assert link.is_symlink()
    document = json.loads(real.read_text())
    assert document["psFormat"] == "x"
    assert document["auths"] == {"other": {}, "r.example": auth("me", "secret")}
    assert real.stat().st_mode & 0o777 == 0o600
    assert file.forget("r.example")
    assert not file.forget("r.example")
    assert "r.example" not in real.read_text()
    assert os.listdir(places / "docker") == ["config.json"]


def test_helpers(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = places / "bin"
    programs.mkdir()
    (programs / "docker-credential-test").write_text(HELPER)
    (programs / "docker-credential-test").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HELPER_STORE", str(places / "kept"))
    path = places / "docker/config.json"
    path.write_text('{"credsStore": "test"}')
    file = AuthFile(str(path))
    file.store("known.example", Credentials("me", "secret"))
    assert "secret" not in path.read_text()
    found = credentials.find("known.example", "a/b")
    assert found is not None
    assert (found.user, found.password) == ("me", "secret")
    assert credentials.find("unknown.example") is None
    assert file.forget("known.example")
    assert not (places / "kept").exists()


BROKEN = {
    "missing": "docker-credential-missing is not installed",
    "../../bin/sh": "credential helper '../../bin/sh': a name without / is wanted",
    "closed": "docker-credential-closed get: [Errno 13] Permission denied: "
    "'docker-credential-closed'",
    "failing": "docker-credential-failing get: no session",
    "odd": "docker-credential-odd get: its answer is no JSON",
}


@pytest.fixture
def helpers(places: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credential helpers on PATH that do not work, each of which notes that it was asked."""
    programs = places / "bin"
    programs.mkdir()
    # Nothing but these: some file systems of WSL are on PATH with thousands of programs.
    monkeypatch.setenv("PATH", str(programs))
    for name, words, mode in (
        ("closed", "exit 1", 0o644),
        ("failing", "echo no session; exit 1", 0o755),
        ("odd", "echo odd", 0o755),
    ):
        program = programs / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\necho >> {places}/asked; {words}\n")
        program.chmod(mode)
    return places


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("kind", ["credHelpers", "credsStore"])
def test_a_helper_that_does_not_work_knows_of_nothing(helpers: Path, name: str, kind: str) -> None:
    """For who only reads: the other files are looked at, and its message is kept."""
    document = {"credHelpers": {"r.example": name}} if kind == "credHelpers" else {kind: name}
    (helpers / "run/containers/auth.json").write_text(json.dumps(document))
    assert credentials.look_up("r.example", "a/b/c") == (None, BROKEN[name])
    asked = helpers / "asked"
    assert not asked.exists() or asked.read_text() == "\n", "asked again, which may take long"
    with pytest.raises(RegistryError) as caught:
        credentials.find("r.example")
    assert caught.value.message == BROKEN[name]
    if kind == "credHelpers":
        assert credentials.look_up("other.example") == (None, "")
    file = helpers / "docker/config.json"
    file.write_text(json.dumps({"auths": {"r.example": auth("me", "secret")}}))
    found, trouble = credentials.look_up("r.example", "a")
    assert found is not None
    assert (found.user, trouble) == ("me", "")


@pytest.mark.parametrize("name", BROKEN)
def test_a_helper_that_does_not_work_keeps_nothing(helpers: Path, name: str) -> None:
    """What is to be kept is not lost without a word; what is in the file itself is removed."""
    path = helpers / "docker/config.json"
    before = {"credsStore": name, "auths": {"r.example": auth("me", "old")}}
    path.write_text(json.dumps(before))
    file = AuthFile(str(path))
    if name != "odd":  # which is only seen by what it answers
        with pytest.raises(RegistryError, match=r"docker-credential|credential helper"):
            file.store("r.example", Credentials("me", "secret"))
        assert json.loads(path.read_text()) == before
    with pytest.raises(RegistryError, match=r"docker-credential|credential helper"):
        file.forget("r.example")
    assert json.loads(path.read_text()) == {"credsStore": name, "auths": {}}


@pytest.mark.parametrize(
    ("key", "domain"),
    [
        ("https://r.example/v1/", "r.example"),
        ("https://r.example", "r.example"),
        ("http://r.example:5000/", "r.example:5000"),
        ("r.example/v2/", "r.example"),
        ("https://r.example/some/where", "r.example"),
        ("index.docker.io", "docker.io"),
        ("https://registry-1.docker.io/v2/", "docker.io"),
    ],
)
def test_keys_that_are_urls(places: Path, key: str, domain: str) -> None:
    """As docker has written them, and others for it."""
    path = places / "docker/config.json"
    path.write_text(json.dumps({"auths": {"other.example": auth("x", "y"), key: auth("me", "s")}}))
    found = credentials.find(domain, "a/b")
    assert found is not None
    assert found.user == "me"
    assert credentials.find(f"x.{domain}") is None
    path.write_text(json.dumps({"credHelpers": {key: "none-such"}, **json.loads(path.read_text())}))
    assert credentials.look_up(domain)[0] is not None
    path.write_text(path.read_text().replace("credHelpers", "x"))
    assert AuthFile(str(path)).forget(domain)
    assert list(json.loads(path.read_text())["auths"]) == ["other.example"]


def test_what_is_exact_goes_before_what_is_meant(places: Path) -> None:
    keys = ("https://r.example/v1/", "r.example")
    document = {"auths": {key: auth(str(len(key)), "x") for key in keys}}
    (places / "docker/config.json").write_text(json.dumps(document))
    found = credentials.find("r.example")
    assert found is not None
    assert found.user == "9"


@pytest.mark.parametrize("change", ["{}\n", "\n{}", "{}\r\n", "wrapped"])
def test_base64_with_line_breaks(places: Path, change: str) -> None:
    text = auth("me", "secret" * 20)["auth"]
    wrapped = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    entry = {"auth": wrapped if change == "wrapped" else change.format(text)}
    (places / "docker/config.json").write_text(json.dumps({"auths": {"r.example": entry}}))
    found = credentials.find("r.example")
    assert found is not None
    assert (found.user, found.password) == ("me", "secret" * 20)


def test_user_and_password_apart(places: Path) -> None:
    """As in the secrets of Kubernetes, where auth may be missing."""
    entry = {"username": "me", "password": "a:b"}
    (places / "docker/config.json").write_text(json.dumps({"auths": {"r.example": entry}}))
    found = credentials.find("r.example")
    assert found is not None
    assert (found.user, found.password) == ("me", "a:b")
