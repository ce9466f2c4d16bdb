"""`copy` of what is signed: skopeo's copies beside ours, and policies that they have to meet."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import digest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from images_help import attach, skopeo
from servers import Server

from rootless.images.transfer.wish import CopyWish
from rootless.oci.errors import SignatureError
from tests.images.transfer.test_copying import layout as layout  # a fixture for here, too

if TYPE_CHECKING:
    from conftest import Store

    from rootless.images.collection import Images

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

PLAIN = CopyWish(remove_signatures=True)
TLS = ("--src-tls-verify=false", "--dest-tls-verify=false")


class Site:
    """A registry with the signed image a/one:1; attachments of a/ and b/ are looked for."""

    def __init__(self, registry: str, images: Images, settings: Path, layout: str) -> None:
        self.registry, self.images, self.settings = registry, images, settings
        self.key = ec.generate_private_key(ec.SECP256R1())
        (settings / "registries.d").mkdir(parents=True)
        self.allow("a", "b")
        self.one, self.many = f"{registry}/a/one:1", f"{registry}/a/many:1"
        images.copy(f"oci:{layout}:one", f"docker://{self.one}")
        images.copy(f"oci:{layout}:many", f"docker://{self.many}", CopyWish(everything=True))
        self.digest = self.sign(self.one)

    def allow(self, *namespaces: str) -> None:
        """Write registries.d."""
        tables = {
            f"{self.registry}/{one}": {"use-sigstore-attachments": True} for one in namespaces
        }
        text = json.dumps({"docker": tables})  # which is YAML
        (self.settings / "registries.d/test.yaml").write_text(text)

    def sign(self, name: str, manifest: str = "", *, count: int = 1) -> str:
        """Sign what a name means, or the manifest of a digest; return the digest."""
        manifest = manifest or digest(self.raw(name))
        payloads = [self.payload(name, manifest, number) for number in range(count)]
        scheme = ec.ECDSA(hashes.SHA256())
        attach(name, manifest, *((one, self.key.sign(one, scheme)) for one in payloads))
        return manifest

    def payload(self, name: str, manifest: str, number: int = 0) -> bytes:
        critical = {
            "type": "cosign container image signature",
            "image": {"docker-manifest-digest": manifest},
            "identity": {"docker-reference": name},
        }
        return json.dumps({"critical": critical, "optional": {"number": number}}).encode()

    def raw(self, name: str) -> bytes:
        return skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}").encode()

    def skopeo(self, *arguments: str) -> str:
        """Copy with skopeo, which looks into the same registries.d."""
        return skopeo("--registries.d", f"{self.settings}/registries.d", "copy", "-q", *arguments)

    def attached(self, name: str, manifest: str) -> list[dict[str, Any]]:
        """What is attached to a manifest in the repository of a name."""
        tag = f"{manifest.replace(':', '-')}.sig"
        found: list[dict[str, Any]] = json.loads(self.raw(f"{name.rpartition(':')[0]}:{tag}"))[
            "layers"
        ]
        return found

    def require(self, name: str, *, signed_for: str) -> None:
        """Let only in what is signed for a name, wherever it lies by now."""
        pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        key = self.settings / "key.pub"
        key.write_bytes(self.key.public_key().public_bytes(*pem))
        identity = {"type": "exactReference", "dockerReference": signed_for}
        wanted = {"type": "sigstoreSigned", "keyPath": str(key), "signedIdentity": identity}
        table = {"docker": {name.rpartition(":")[0]: [wanted]}}
        text = json.dumps({"default": [{"type": "reject"}], "transports": table})
        (self.settings / "policy.json").write_text(text)


@pytest.fixture
def site(registry: str, images: Images, cli: Store, layout: str) -> Site:
    return Site(registry, images, Path(cli.env["XDG_CONFIG_HOME"], "containers"), layout)


def files(directory: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in directory.iterdir() if "signature-" in one.name}


def parsed(files: dict[str, bytes]) -> dict[str, Any]:
    """Files of sigstore signatures, whatever the order of their keys."""
    heads = {data.partition(b"\n")[0] for data in files.values()}
    assert heads == {b"\0sigstore-json"}
    return {name: json.loads(data.partition(b"\n")[2]) for name, data in files.items()}


def test_the_store_keeps_none_and_a_wish_stays_what_it_is(site: Site, images: Images) -> None:
    """Into it as a pull: in another form, too; and to another place with the same wish after it."""
    site.allow("a", "b")
    wish = CopyWish(everything=True)
    signed = site.sign(site.many)
    images.copy(f"docker://{site.many}", "tools", wish)
    images.copy(f"docker://{site.one}", "other", CopyWish(format_="v2s2", compression="gzip"))
    target = f"{site.registry}/b/many:1"
    images.copy(f"docker://{site.many}", f"docker://{target}", wish)
    assert len(site.attached(target, signed)) == 1


def test_signatures_go_along_between_registries(site: Site, tmp_path: Path) -> None:
    """And hold there; other signatures that are there stay."""
    target = f"{site.registry}/b/one:1"
    assert site.images.copy(f"docker://{site.one}", f"docker://{target}") == site.digest
    assert site.attached(target, site.digest) == site.attached(site.one, site.digest)
    # Debian's skopeo copies such signatures, but was built so that it verifies none.
    site.require(target, signed_for=site.one)
    assert site.images.pull(target).digest == site.digest
    site.require(target, signed_for=target)
    with pytest.raises(SignatureError, match="is for the name"):
        site.images.pull(target)
    (site.settings / "policy.json").unlink()

    other = f"{site.registry}/c/one:1"
    site.allow("a", "b", "c")
    site.images.copy(f"docker://{site.one}", f"docker://{other}", PLAIN)
    with pytest.raises(AssertionError, match="manifest unknown"):
        site.attached(other, site.digest)
    site.sign(other)
    theirs = site.attached(other, site.digest)
    site.images.copy(f"docker://{site.one}", f"docker://{other}")
    site.images.copy(f"docker://{site.one}", f"docker://{other}")
    assert site.attached(other, site.digest) == theirs + site.attached(site.one, site.digest)


def test_dir_has_the_files_that_skopeo_writes(site: Site, tmp_path: Path) -> None:
    site.sign(site.one, count=3)
    site.images.copy(f"docker://{site.one}", f"dir:{tmp_path}/ours")
    site.skopeo(*TLS, f"docker://{site.one}", f"dir:{tmp_path}/theirs")
    assert sorted(files(tmp_path / "ours")) == ["signature-1", "signature-2", "signature-3"]
    assert parsed(files(tmp_path / "ours")) == parsed(files(tmp_path / "theirs"))
    # And back, each from the other's directory.
    for number, which in enumerate(("ours", "theirs")):
        target = f"{site.registry}/b/back{number}:1"
        site.images.copy(f"dir:{tmp_path}/{which}", f"docker://{target}")
        assert site.attached(target, site.digest) == site.attached(site.one, site.digest)
    site.skopeo(*TLS, f"dir:{tmp_path}/ours", f"docker://{site.registry}/b/skopeo:1")
    again = site.attached(f"{site.registry}/b/skopeo:1", site.digest)
    assert again == site.attached(site.one, site.digest)
    site.images.copy(f"docker://{site.one}", f"dir:{tmp_path}/ours", PLAIN)
    assert files(tmp_path / "ours") == {}


def test_an_index_and_its_images(site: Site, tmp_path: Path) -> None:
    index = json.loads(site.raw(site.many))
    top, first = digest(site.raw(site.many)), index["manifests"][0]["digest"]
    site.sign(site.many)
    docker = CopyWish(everything=True, format_="v2s2")
    with pytest.raises(SignatureError, match="would not hold for another form"):
        site.images.copy(f"docker://{site.many}", f"dir:{tmp_path}/docker", docker)
    assert os.listdir(tmp_path / "docker") == ["version"]
    site.sign(site.many, first)
    everything = CopyWish(everything=True)
    target = f"{site.registry}/b/many:1"
    assert site.images.copy(f"docker://{site.many}", f"docker://{target}", everything) == top
    for one in (top, first):
        assert site.attached(target, one) == site.attached(site.many, one)
    site.images.copy(f"docker://{target}", f"dir:{tmp_path}/ours", everything)
    site.skopeo("--all", *TLS, f"docker://{target}", f"dir:{tmp_path}/theirs")
    assert len(files(tmp_path / "ours")) == 2
    assert parsed(files(tmp_path / "ours")) == parsed(files(tmp_path / "theirs"))
    back = f"{site.registry}/b/back:1"
    site.images.copy(f"dir:{tmp_path}/ours", f"docker://{back}", everything)
    for one in (top, first):
        assert site.attached(back, one) == site.attached(site.many, one)
    # One platform alone is what is on top then.
    amd64 = CopyWish(platform="linux/amd64")
    site.images.copy(f"docker://{target}", f"dir:{tmp_path}/ours", amd64)
    assert list(files(tmp_path / "ours")) == ["signature-1"]


@pytest.mark.parametrize("wish", [{"format_": "v2s2"}, {"compression": "zstd"}])
def test_what_is_signed_does_not_change(site: Site, wish: dict[str, str], tmp_path: Path) -> None:
    target = f"docker://{site.registry}/b/changed:1"
    with pytest.raises(SignatureError, match=r"would not hold.*remove_signatures leaves them"):
        site.images.copy(f"docker://{site.one}", target, CopyWish(**wish))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="unknown"):
        site.raw(target.removeprefix("docker://"))
    removed = CopyWish(**wish, remove_signatures=True)  # type: ignore[arg-type]
    assert site.images.copy(f"docker://{site.one}", target, removed) != site.digest


def test_where_signatures_cannot_be_kept(site: Site, tmp_path: Path) -> None:
    """It is told before anything is sent; where nobody looks for them there are none."""
    places = {
        f"oci:{tmp_path}/o:1": "remove_signatures leaves them out",
        f"oci-archive:{tmp_path}/o.tar:1": "remove_signatures leaves them out",
        f"docker-archive:{tmp_path}/d.tar:x:1": "remove_signatures leaves them out",
        f"docker://{site.registry}/c/one:1": "use-sigstore-attachments: true in registries.d",
    }
    for place, words in places.items():
        with pytest.raises(SignatureError, match=f"cannot keep .*{words}"):
            site.images.copy(f"docker://{site.one}", place)
    with pytest.raises(AssertionError, match="unknown"):
        site.raw(f"{site.registry}/c/one:1")
    with pytest.raises(AssertionError, match="not supported"):
        site.skopeo(*TLS, f"docker://{site.one}", f"oci:{tmp_path}/skopeo:1")
    for place in places:
        site.images.copy(f"docker://{site.one}", place, PLAIN)
    site.allow("b")
    site.images.copy(f"docker://{site.one}", f"docker://{site.registry}/b/one:1")
    with pytest.raises(AssertionError, match="unknown"):
        site.attached(f"{site.registry}/b/one:1", site.digest)


def test_layers_that_nobody_wants_compressed_stay(site: Site, tmp_path: Path) -> None:
    """What a registry would get compressed is signed as it is, and goes so."""
    from archives import docker, layer

    (tmp_path / "a.tar").write_bytes(docker([layer()], names=["plain:1"]))
    site.images.copy(f"docker-archive:{tmp_path}/a.tar", f"dir:{tmp_path}/d")
    plain, target = f"{site.registry}/a/plain:1", f"{site.registry}/b/plain:1"
    skopeo("copy", "-q", "--preserve-digests", TLS[1], f"dir:{tmp_path}/d", f"docker://{plain}")
    whole = site.sign(plain)
    assert site.images.copy(f"docker://{plain}", f"docker://{target}") == whole
    assert site.attached(target, whole) == site.attached(plain, whole)


def test_a_lookaside(site: Site, tmp_path: Path) -> None:
    """OpenPGP signatures come from there into dir:, but are not put there."""
    place = f"/sigs/a/one@{site.digest.replace(':', '=')}/signature-"
    answers = {f"{place}1": (200, b"\xa3\x01one"), f"{place}2": (200, b"\xa3\x01two")}

    def answer(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        status, body = answers.get(path, (404, b""))
        return status, {}, body

    server = Server(answer)
    try:
        text = f"docker: {{'{site.registry}/a': {{lookaside: 'http://{server.address}/sigs'}}}}\n"
        (site.settings / "registries.d/test.yaml").write_text(text)
        site.images.copy(f"docker://{site.one}", f"dir:{tmp_path}/ours")
        site.skopeo(*TLS, f"docker://{site.one}", f"dir:{tmp_path}/theirs")
        there = {"signature-1": b"\xa3\x01one", "signature-2": b"\xa3\x01two"}
        assert files(tmp_path / "ours") == files(tmp_path / "theirs") == there
        target = f"docker://{site.registry}/b/one:1"
        for source in (f"docker://{site.one}", f"dir:{tmp_path}/ours"):
            with pytest.raises(SignatureError, match=r"has OpenPGP signatures, which .* cannot"):
                site.images.copy(source, target)
        assert site.images.copy(f"docker://{site.one}", target, PLAIN) == site.digest
        answers[f"{place}2"] = (200, b"<html>")
        with pytest.raises(SignatureError, match="neither OpenPGP's nor sigstore's"):
            site.images.copy(f"docker://{site.one}", f"dir:{tmp_path}/ours")
    finally:
        server.close()


def test_attachments_that_are_too_many_or_none(site: Site, tmp_path: Path) -> None:
    site.sign(site.one, count=65)
    with pytest.raises(SignatureError, match="has 65 signatures, which is too many"):
        site.images.copy(f"docker://{site.one}", f"dir:{tmp_path}/d")
    site.sign(site.one)
    wish = CopyWish(everything=True, remove_signatures=True)
    tag = f"one:{site.digest.replace(':', '-')}.sig"
    site.images.copy(f"docker://{site.many}", f"docker://{site.registry}/b/{tag}", wish)
    with pytest.raises(SignatureError, match="is an index"):
        site.images.copy(f"docker://{site.one}", f"docker://{site.registry}/b/one:1")
    # What cannot be signed there has got no name.
    with pytest.raises(AssertionError, match="unknown"):
        site.raw(f"{site.registry}/b/one:1")
    site.images.copy(f"docker://{site.many}", f"docker://{site.registry}/a/{tag}", wish)
    with pytest.raises(SignatureError, match="is an index"):
        site.images.copy(f"docker://{site.one}", f"dir:{tmp_path}/d")


def test_the_command(site: Site, cli: Store, tmp_path: Path) -> None:
    target = f"docker://{site.registry}/b/one:1"
    line = ("copy", "-q", f"docker://{site.one}")
    done = cli(*line, "--format", "v2s2", target)
    assert done.returncode == 125
    assert "is signed" in done.stderr
    cli.ok(*line, "--remove-signatures", f"oci:{tmp_path}/o:1")
    cli.ok(*line, target)
    assert len(site.attached(target.removeprefix("docker://"), site.digest)) == 1
    # The store keeps none: what is pushed from it has none.
    cli.ok("pull", "-q", site.one)
    cli.ok("push", "-q", site.one, f"{site.registry}/b/pushed:1")
    with pytest.raises(AssertionError, match="unknown"):
        site.attached(f"{site.registry}/b/pushed:1", site.digest)
