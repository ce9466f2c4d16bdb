"""policy.json on pull and load: signatures by gpg and skopeo, podman's verdict beside ours."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from images_help import attach, leavings, skopeo
from servers import Server

from rootless.oci.errors import SignatureError
from rootless.oci.signatures.openpgp import KeyRing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images_help import Podman

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry", "gpg"), pytest.mark.once]
ACCEPT = [{"type": "insecureAcceptAnything"}]


class Gpg:
    """gpg with a directory of its own, directly below the store's: names of sockets are short."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home
        self.env = {**os.environ, "GNUPGHOME": str(home)}

    def __call__(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--yes", "--quiet", "--passphrase", "", *arguments]
        done = subprocess.run(command, env=self.env, input=stdin, capture_output=True, timeout=50)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def key(self, name: str, kind: str = "ed25519", expires: str = "1y", *more: str) -> str:
        """Make a key and return its fingerprint."""
        self(*more, "--quick-gen-key", f"{name} <{name}@example.com>", kind, "sign", expires)
        return self.fingerprint(name)

    def fingerprint(self, name: str) -> str:
        lines = self("--with-colons", "--list-keys", f"{name}@example.com").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    def export(self, name: str) -> bytes:
        return self("--armor", "--export", f"{name}@example.com")


@pytest.fixture
def gpg(cli: Any) -> Iterator[Gpg]:
    made = Gpg(Path(cli.directory, "gpg"))
    yield made
    for step in (["--kill", "all"], ["--remove-socketdir"]):
        subprocess.run(["gpgconf", *step], env=made.env, check=True, timeout=20)
    with contextlib.suppress(OSError):  # another test's sockets are in it
        os.rmdir(f"/run/user/{os.getuid()}/gnupg")


class Site:
    """A registry with the image `app:1`, a lookaside, and the settings that speak of them."""

    def __init__(self, registry: str, images: Images, config: Path, layout: str) -> None:
        self.name = f"{registry}/team/app:1"
        self.repository = f"{registry}/team/app"
        self.images = images
        self.config = config / "containers"
        self.lookaside = config / "signatures"
        (self.config / "registries.d").mkdir(parents=True)
        self.registries(f"docker:\n  {registry}:\n    lookaside: file://{self.lookaside}\n")
        skopeo("copy", "-q", "--dest-tls-verify=false",
               f"oci:{layout}:busybox:latest", f"docker://{self.name}")  # fmt: skip
        raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{self.name}")
        self.manifest = raw.encode()
        found = skopeo("inspect", "--tls-verify=false", f"docker://{self.name}")
        self.digest = str(json.loads(found)["Digest"])

    def registries(self, text: str) -> None:
        (self.config / "registries.d/test.yaml").write_text(text)

    def policy(self, *requirements: Any, scope: str = "", transport: str = "docker") -> Path:
        path = self.config / "policy.json"
        table = {transport: {scope or self.repository: list(requirements)}}
        path.write_text(json.dumps({"default": [{"type": "reject"}], "transports": table}))
        return path

    def put(self, signature: bytes, number: int = 1) -> None:
        place = self.lookaside / f"team/app@{self.digest.replace(':', '=')}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"signature-{number}").write_bytes(signature)

    def payload(self, **changes: Any) -> bytes:
        critical = {
            "type": changes.get("type", "atomic container signature"),
            "image": {"docker-manifest-digest": changes.get("digest", self.digest)},
            "identity": {"docker-reference": changes.get("name", self.name)},
        }
        optional = {"creator": "test", "timestamp": 1700000000}
        return json.dumps({"critical": critical, "optional": optional}).encode()

    def refused(self, match: str) -> None:
        with pytest.raises(SignatureError, match=match) as caught:
            self.images.pull(self.name)
        assert "\n" not in str(caught.value)
        assert leavings(self.images.paths.root) == []
        assert self.images.list() == []

    def accepted(self) -> None:
        assert self.images.pull(self.name).names == [self.name]
        self.images.remove([self.name])


@pytest.fixture
def site(registry: str, images: Images, cli: Any, busybox_image: str) -> Site:
    return Site(registry, images, Path(cli.env["XDG_CONFIG_HOME"]), busybox_image)


def signed_by(key: bytes, **more: Any) -> dict[str, Any]:
    data = base64.b64encode(key).decode()
    return {"type": "signedBy", "keyType": "GPGKeys", "keyData": data, **more}


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519", "nistp256"])
def test_what_skopeo_signs_is_let_in(site: Site, gpg: Gpg, kind: str, podman: Podman) -> None:
    """podman is asked about the same policy and the same lookaside."""
    name = gpg.key("alice", kind)
    key = gpg.home / "alice.gpg"
    key.write_bytes(gpg("--export", "alice@example.com"))
    path = site.policy({"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(key)})
    site.refused("signedBy wants a signature: there is no signature")
    theirs = ["pull", "-q", "--tls-verify=false", "--signature-policy", str(path), site.name]
    (gpg.home / "manifest").write_bytes(site.manifest)
    subprocess.run(
        ["skopeo", "standalone-sign", "-o", gpg.home / "sig", gpg.home / "manifest", site.name,
         name],
        env=gpg.env, check=True, capture_output=True, timeout=50,
    )  # fmt: skip
    site.put((gpg.home / "sig").read_bytes())
    site.accepted()
    # podman reads only the settings in the home directory.
    home = Path(podman._env["XDG_CONFIG_HOME"]).parent / "home"
    shutil.copytree(site.config, home / ".config/containers")
    podman._env = {**podman._env, "HOME": str(home), "GNUPGHOME": str(home)}
    podman(*theirs)
    gpg.key("mallory", kind)
    key.write_bytes(gpg("--export", "mallory@example.com"))
    site.refused("which is not trusted")
    with pytest.raises(AssertionError, match=r"(?i)signature"):
        podman(*theirs)


def test_one_good_signature_suffices(site: Site, gpg: Gpg) -> None:
    gpg.key("alice")
    gpg.key("mallory")
    site.policy(signed_by(gpg.export("alice")))
    site.put(gpg("--sign", "-u", "mallory@example.com", stdin=site.payload()))
    site.refused(r"is by key [0-9A-F]{16}, which is not trusted")
    site.put(gpg("--sign", "-u", "alice@example.com", stdin=site.payload()), 2)
    site.accepted()
    site.policy(signed_by(gpg.export("alice")), signed_by(gpg.export("mallory")))
    site.accepted()  # both requirements are met, each by another signature
    site.policy(signed_by(gpg.export("alice")), {"type": "reject"})
    site.refused("reject: nothing from there is let in")


def test_payloads_that_speak_of_something_else(site: Site, gpg: Gpg) -> None:
    gpg.key("alice")
    site.policy(signed_by(gpg.export("alice")))
    whole = site.payload().decode()
    for payload, match in (
        (site.payload(digest="sha256:" + "0" * 64), "is for sha256:000"),
        (site.payload(digest="sha256:../x"), "is for no digest"),
        (site.payload(name=site.repository + ":2"), "for the name"),
        (site.payload(name=site.repository), "for the name"),
        (site.payload(type="another"), "another type"),
        (b"{}", "has not exactly critical and optional"),
        (whole.replace('"critical"', '"critical": {}, "critical"').encode(), "there twice"),
        (whole.replace('"image"', '"more": 1, "image"').encode(), "has not exactly type"),
        (b"[" * 100_000, "no JSON"),
    ):
        site.put(gpg("--sign", "-u", "alice@example.com", stdin=payload))
        site.refused(match)


def test_keys_and_signatures_that_are_not_good_any_more(site: Site, gpg: Gpg) -> None:
    gpg.key("alice")
    gpg.key("old", "ed25519", "1d", "--faked-system-time", "20200101T000000")
    user = ("--sign", "-u", "alice@example.com")
    then = ("--faked-system-time", "20200101T000100")
    old = gpg(*then, "--sign", "-u", "old@example.com", stdin=site.payload())
    site.put(old)
    site.policy(signed_by(gpg.export("old")))
    site.refused("expired on 2020-01-02")
    # A signature that expires is made by a key of that time, which itself does not expire.
    gpg.key("long", "ed25519", "never", "--faked-system-time", "20200101T000000")
    expired = gpg(*then, "--default-sig-expire", "1d", "--sign", "-u", "long@example.com",
                  stdin=site.payload())  # fmt: skip
    site.put(expired)
    site.policy(signed_by(gpg.export("long")))
    site.refused("the signature expired on 2020-01-02")
    good = gpg(*user, stdin=site.payload())
    site.put(good)
    site.policy(signed_by(gpg.export("alice")))
    site.accepted()
    revocation = next((gpg.home / "openpgp-revocs.d").glob(f"{gpg.fingerprint('alice')}.rev"))
    gpg("--import", stdin=revocation.read_bytes().replace(b":-----", b"-----"))
    site.policy(signed_by(gpg.export("alice")))
    site.refused("is revoked")


def test_damaged_signatures_of_every_length(gpg: Gpg, seed: int) -> None:
    """No damage to message or key is ever anything but a SignatureError, or harmless."""
    print(f"TEST_SEED={seed}")
    chance = random.Random(seed)
    for kind in ("rsa2048", "ed25519", "nistp256"):
        gpg.key(kind, kind)
        key = gpg("--export", f"{kind}@example.com")
        message = gpg("-z", "0", "--sign", "-u", f"{kind}@example.com", stdin=b"content")
        ring = KeyRing()
        ring.add(key)
        assert ring.open(message) == b"content"
        for length in range(len(message)):
            with pytest.raises(SignatureError):
                ring.open(message[:length])
        for _ in range(1500):
            damaged = bytearray(chance.choice((key, message)))
            for _ in range(chance.randint(1, 3)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                broken = KeyRing()
                broken.add(bytes(damaged))
            except SignatureError:
                pass
            try:
                assert ring.open(bytes(damaged)) == b"content"
            except SignatureError:
                pass


def test_a_lookaside_on_the_web(site: Site, gpg: Gpg) -> None:
    gpg.key("alice")
    site.policy(signed_by(gpg.export("alice")))
    good = gpg("--sign", "-u", "alice@example.com", stdin=site.payload())
    place = f"/sigs/team/app@{site.digest.replace(':', '=')}/signature-"
    answers = {f"{place}1": (200, b"\xa3\x01nothing"), f"{place}2": (200, good)}

    def answer(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        status, body = answers.get(path, (404, b""))
        return status, {}, body

    server = Server(answer)
    try:
        site.registries(f"default-docker: {{lookaside: 'http://{server.address}/sigs/'}}\n")
        site.accepted()
        assert [path for path, _ in server.seen] == [f"{place}1", f"{place}2"]
        answers[f"{place}1"] = (403, b"")
        site.refused("answers 403")
        answers[f"{place}1"] = (200, b"x" * (5 << 20))
        site.refused("longer than")
    finally:
        server.close()


@pytest.mark.parametrize(
    ("identity", "name", "good"),
    [
        ({"type": "matchExact"}, "{repository}:1", True),
        ({"type": "matchExact"}, "{repository}:2", False),
        ({"type": "matchRepository"}, "{repository}:2", True),
        ({"type": "matchRepository"}, "{repository}2:1", False),
        ({"type": "exactReference", "dockerReference": "x.example/y:3"}, "x.example/y:3", True),
        ({"type": "exactReference", "dockerReference": "x.example/y:3"}, "{repository}:1", False),
        ({"type": "exactRepository", "dockerRepository": "x.example/y"}, "x.example/y:9", True),
        ({"type": "remapIdentity", "prefix": "{registry}", "signedPrefix": "up.example/v"},
         "up.example/v/team/app:1", True),
        ({"type": "remapIdentity", "prefix": "{registry}/te", "signedPrefix": "up.example"},
         "up.example/am/app:1", False),
    ],
)  # fmt: skip
def test_identities(site: Site, gpg: Gpg, identity: dict[str, str], name: str, good: bool) -> None:
    places = {"repository": site.repository, "registry": site.repository.partition("/")[0]}
    wanted = {key: value.format(**places) for key, value in identity.items()}
    gpg.key("alice")
    site.policy(signed_by(gpg.export("alice"), signedIdentity=wanted))
    payload = site.payload(name=name.format(**places))
    site.put(gpg("--sign", "-u", "alice@example.com", stdin=payload))
    site.accepted() if good else site.refused("the signature is for the name")


def test_sigstore(site: Site, tmp_path: Path) -> None:
    """A key as cosign makes one, the signature attached by skopeo to the image in the registry."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = tmp_path / "cosign.pub"
    key.write_bytes(public)
    site.policy({"type": "sigstoreSigned", "keyPath": str(key)})
    site.refused("there is no signature .use-sigstore-attachments")
    site.registries("default-docker: {use-sigstore-attachments: true}\n")
    site.refused("sigstoreSigned wants a signature: there is no signature$")
    payload = site.payload(type="cosign container image signature")
    attach(site.name, site.digest, (payload, private.sign(payload, ec.ECDSA(hashes.SHA256()))))
    site.accepted()
    other = private.sign(payload + b" ", ec.ECDSA(hashes.SHA256()))
    attach(site.name, site.digest, (payload, other))
    site.refused("does not fit the key")


def test_scopes_and_archives(
    site: Site, busybox_image: str, busybox_archive: str, images: Images
) -> None:
    site.policy(*ACCEPT, scope=site.name)
    site.accepted()
    site.policy(*ACCEPT, scope=site.repository.partition("/")[0])
    site.accepted()
    site.policy(*ACCEPT, scope=site.repository[:-1])
    site.refused("reject")
    for source in (busybox_image, busybox_archive):
        with pytest.raises(SignatureError, match="is refused by"):
            images.load(source)
        assert images.list() == []
    site.policy(*ACCEPT, scope=os.path.dirname(busybox_image), transport="oci")
    assert images.load(busybox_image)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "cannot read"),
        ("{}", "default: not a list"),
        ('{"default": []}', "default: not a list"),
        ('{"default": [{"type": "reject"}], "default": [{"type": "reject"}]}', "there twice"),
        ('{"default": [{"type": "reject", "x": 1}]}', "no other keys"),
        ('{"default": [{"type": "sigstoreSigned", "fulcio": {}}]}', "fulcio is not supported"),
        ('{"default": [{"type": "signedBy", "keyType": "GPGKeys"}]}', "not exactly one of"),
        ('{"default": [{"type": "reject"}], "more": 1}', "unknown key 'more'"),
    ],
)
def test_policies_that_are_not_understood_let_nothing_in(site: Site, text: str, match: str) -> None:
    (site.config / "policy.json").write_text(text)
    site.refused(match)
