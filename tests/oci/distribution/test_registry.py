"""The registry protocol against servers of the test's own, honest and hostile ones."""

from __future__ import annotations

import email.utils
import json
import time
from typing import TYPE_CHECKING

import pytest
from archives import digest
from servers import Server, self_signed

from rootless.oci import reference
from rootless.oci.distribution.credentials import Credentials
from rootless.oci.distribution.http import Client, shown
from rootless.oci.distribution.registry import Repository
from rootless.oci.distribution.upload import Upload
from rootless.oci.errors import (
    DigestError,
    HttpError,
    RegistryError,
    RegistryFailed,
    RegistryNotFound,
    RegistryUnreachable,
    TooManyRequests,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers import Answer

pytestmark = pytest.mark.once

MANIFEST = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(
        answer: Callable[[str, dict[str, str]], Answer],
        host: str = "127.0.0.1",
        certificate: str = "",
    ) -> Server:
        servers.append(Server(answer, host, certificate))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "pause", 0.001)


def repository(server: Server) -> Repository:
    return Repository(reference.parse(f"{server.address}/a/b"))


def test_manifest_over_plain_http_on_loopback(serve: Callable[..., Server]) -> None:
    server = serve(lambda path, headers: (200, {"Content-Type": f"{OCI}; charset=utf-8"}, MANIFEST))
    fetched = repository(server).manifest("latest")
    assert (fetched.data, fetched.media_type) == (MANIFEST, OCI)
    assert fetched.digest == digest(MANIFEST)
    path, headers = server.seen[-1]
    assert path == "/v2/a/b/manifests/latest"
    assert "application/vnd.docker.distribution.manifest.list.v2+json" in headers["accept"]


@pytest.mark.parametrize("claim", ["header", "reference"])
def test_manifest_that_is_another_is_refused(serve: Callable[..., Server], claim: str) -> None:
    other = "sha256:" + "1" * 64
    more = {"Docker-Content-Digest": other} if claim == "header" else {}
    server = serve(lambda path, headers: (200, more, MANIFEST))
    with pytest.raises(DigestError, match="has the digest"):
        repository(server).manifest("latest" if claim == "header" else other)


def test_endless_manifest_is_refused(serve: Callable[..., Server]) -> None:
    server = serve(lambda path, headers: (200, {}, b" " * (5 << 20)))
    with pytest.raises(RegistryError, match="longer than 4194304 bytes"):
        repository(server).manifest("latest")


def test_anonymous_token(serve: Callable[..., Server]) -> None:
    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return 200, {}, b'{"access_token": "t0ken"}'
        if headers.get("authorization") == "Bearer t0ken":
            return 200, {}, MANIFEST
        realm = (
            f'Bearer realm="http://{headers["host"]}/token",service="s p",scope="repository:x,y"'
        )
        return 401, {"WWW-Authenticate": realm}, b"{}"

    server = serve(answer)
    repo = repository(server)
    assert repo.manifest("latest").data == MANIFEST
    repo.blob("sha256:" + "1" * 64).close()
    paths = [path for path, _ in server.seen]
    assert paths[1] == "/token?service=s+p&scope=repository%3Ax%2Cy"
    assert len(paths) == 4, "the token was not kept"


@pytest.mark.parametrize(
    "challenge", ["Basic realm=x", "", "Bearer", "Bearer realm", 'Bearer realm="']
)
def test_a_registry_that_wants_a_login_is_named(
    serve: Callable[..., Server], challenge: str
) -> None:
    server = serve(lambda path, headers: (401, {"WWW-Authenticate": challenge}, b""))
    with pytest.raises(RegistryError, match=r"pull access denied for 127.0.0.1:\d+/a/b"):
        repository(server).manifest("latest")


BEARER = 'Bearer realm="http://%s/token",service="a, b"'


@pytest.mark.parametrize(
    ("first", "second", "sent"),
    [
        ("Negotiate", "Basic realm=x", "Basic bWU6c2VjcmV0"),
        ("Negotiate YII=, Basic realm=x", "", "Basic bWU6c2VjcmV0"),
        ('Digest realm="a", nonce="b,\\"c", BASIC realm = "x"', "", "Basic bWU6c2VjcmV0"),
        (f"Negotiate, {BEARER}", "", "Bearer t0ken"),
        (BEARER.replace("realm", "Realm").replace("service", "SERVICE"), "", "Bearer t0ken"),
        ('bearer x=y, realm=""', "Basic realm=x", "Basic bWU6c2VjcmV0"),
        ("Basic realm=x", BEARER, "Bearer t0ken"),
    ],
)
def test_all_challenges_are_read(
    serve: Callable[..., Server], first: str, second: str, sent: str
) -> None:
    """In one header or two, whatever else is offered, names in any case (RFC 9110, 11.6.1)."""

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            asked = "service=a%2C+b" in path and headers["authorization"] == "Basic bWU6c2VjcmV0"
            return 200 if asked else 400, {}, b'{"token": "t0ken"}'
        if headers.get("authorization") == sent:
            return 200, {}, MANIFEST
        texts = [text.replace("%s", headers["host"]) for text in (first, second)]
        # Two keys, for two headers of the same name.
        named = {"WWW-Authenticate": texts[0], "www-authenticate": texts[1]}
        return 401, {key: text for key, text in named.items() if text}, b""

    place = reference.parse(f"{serve(answer).address}/a/b")
    ours = Repository(place, credentials=Credentials("me", "secret"))
    assert ours.manifest("latest").data == MANIFEST
    again = Repository(place, credentials=Credentials("me", "secret"))
    assert again.digest("latest") == digest(MANIFEST), "a HEAD goes another way"


def test_what_is_asked_for_in_an_unknown_way_is_named(serve: Callable[..., Server]) -> None:
    both = {"WWW-Authenticate": "Negotiate", "www-authenticate": 'Digest realm="a"'}
    address = serve(lambda path, headers: (401, both, b"")).address
    ours = Repository(reference.parse(f"{address}/a"), credentials=Credentials("me", "secret"))
    with pytest.raises(RegistryError, match="not known here: Negotiate, Digest") as caught:
        ours.manifest("latest")
    assert address in caught.value.message


@pytest.mark.parametrize("kind", ["Basic realm=x", 'Bearer realm="http://%s/token"'])
def test_a_wrong_password_is_called_so(serve: Callable[..., Server], kind: str) -> None:
    def answer(path: str, headers: dict[str, str]) -> Answer:
        challenge = kind % headers["host"] if "%s" in kind else kind
        return 401, {"WWW-Authenticate": challenge}, b""

    address = serve(answer).address
    ours = Repository(reference.parse(f"{address}/a/b"), credentials=Credentials("me", "old"))
    for _ in range(2):  # the second begins with what the first was refused for
        with pytest.raises(RegistryError) as caught:
            ours.manifest("latest")
        assert caught.value.message == f"{address} does not accept the credentials of me"
        assert caught.value.hint == f"rootless login {address} renews them"


def test_what_a_registry_says_of_a_refusal_is_shown(serve: Callable[..., Server]) -> None:
    body = b'{"errors": [{"code": "DENIED", "message": "pay first"}]}'
    ours = repository(serve(lambda path, headers: (403, {}, body)))
    with pytest.raises(RegistryError, match=r"^pull access denied for \S+: DENIED: pay first"):
        ours.manifest("latest")
    with pytest.raises(RegistryError, match=r"^push access denied for \S+: DENIED: pay first"):
        ours.put_manifest("latest", b"{}", OCI)


def test_a_web_page_is_no_manifest(serve: Callable[..., Server]) -> None:
    kind = {"Content-Type": "text/html; charset=utf-8"}
    ours = repository(serve(lambda path, headers: (200, kind, b"<html>log in</html>")))
    with pytest.raises(RegistryError, match="answers with a web page") as caught:
        ours.manifest("latest")
    assert caught.value.hint == "is it a registry?"


def test_what_is_missing_is_named(serve: Callable[..., Server]) -> None:
    server = serve(lambda path, headers: (404, {}, b""))
    name = f"{server.address}/a/b"
    with pytest.raises(RegistryError) as caught:
        repository(server).manifest("x")
    assert caught.value.message == f"no image {name}:x in {server.address}"
    assert caught.value.hint == f"rootless search --list-tags {name} shows what there is"
    with pytest.raises(RegistryError) as caught:
        list(repository(server).tags())
    assert caught.value.message == f"no repository {name} in {server.address}"
    with pytest.raises(RegistryError, match="does not answer as a registry: status 404"):
        repository(server).check()


def test_a_realm_that_is_no_url_is_refused(serve: Callable[..., Server]) -> None:
    more = {"WWW-Authenticate": 'Bearer realm="http://[x"'}
    with pytest.raises(RegistryError, match="no URL"):
        repository(serve(lambda path, headers: (401, more, b""))).manifest("latest")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}'])
def test_tokens_that_are_none_are_refused(serve: Callable[..., Server], body: bytes) -> None:
    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return 200, {}, body
        return 401, {"WWW-Authenticate": f'Bearer realm="http://{headers["host"]}/token"'}, b""

    with pytest.raises(RegistryError, match="without a token"):
        repository(serve(answer)).manifest("latest")


def test_redirect_to_another_host_carries_no_token(serve: Callable[..., Server]) -> None:
    storage = serve(lambda path, headers: (200, {}, b"content"), "localhost")

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return 200, {}, b'{"token": "secret"}'
        if "authorization" not in headers:
            return 401, {"WWW-Authenticate": f'Bearer realm="http://{headers["host"]}/token"'}, b""
        if "again" not in path:
            return 307, {"Location": path + "again"}, b""
        return 307, {"Location": f"http://{storage.address}/blob?signature=x"}, b""

    server = serve(answer)
    with repository(server).blob("sha256:" + "1" * 64) as response:
        assert response.read(100) == b"content"
    assert server.seen[-1][1]["authorization"] == "Bearer secret", "lost on the same host"
    ((path, headers),) = storage.seen
    assert path == "/blob?signature=x"
    assert "authorization" not in headers


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/y", "//[", "gopher://x"])
def test_redirects_to_other_schemes_are_refused(serve: Callable[..., Server], target: str) -> None:
    server = serve(lambda path, headers: (302, {"Location": target}, b""))
    with pytest.raises(RegistryError):
        repository(server).manifest("latest")


def test_endless_redirects_end(serve: Callable[..., Server]) -> None:
    server = serve(lambda path, headers: (302, {"Location": path + "x"}, b""))
    with pytest.raises(RegistryError, match="more than 5 redirects"):
        repository(server).manifest("latest")


def test_temporary_faults_are_retried(serve: Callable[..., Server]) -> None:
    left = [503, 429, 500]

    def answer(path: str, headers: dict[str, str]) -> Answer:
        return (left.pop(), {"Retry-After": "0"}, b"") if left else (200, {}, MANIFEST)

    assert repository(serve(answer)).manifest("latest").data == MANIFEST


def test_a_fault_that_stays_is_told(serve: Callable[..., Server]) -> None:
    body = json.dumps({"errors": [{"code": "UNAVAILABLE", "message": "be\x1b[31m right back"}]})
    server = serve(lambda path, headers: (503, {}, body.encode()))
    with pytest.raises(RegistryError) as caught:
        repository(server).manifest("latest")
    assert caught.value.message.endswith(r"status 503: UNAVAILABLE: be\x1b[31m right back")
    assert len(server.seen) == Client.attempts


HUB = {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}


@pytest.mark.parametrize(
    ("headers", "body", "message", "hint"),
    [
        (
            {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "0;w=21600"},
            json.dumps(HUB),
            "TOOMANYREQUESTS: You have reached your pull rate limit. (0 of 100 left in 6 hours)",
            "wait a while, or rootless login",
        ),
        ({"Retry-After": "3600"}, '{"message": "slow\\ndown"}', "slow down", "try again in 60 min"),
        ({"Content-Type": "text/plain"}, "toomanyrequests: no\n", "toomanyrequests: no", "wait"),
        ({"Content-Type": "text/html"}, "<html>no</html>", "limits requests", "wait a while"),
        ({"RateLimit-Remaining": "x;w=y"}, '{"errors": [1, {"code": ["x"]}]}', "['x']", ""),
        ({"Retry-After": "no day"}, json.dumps({"errors": [{"message": "x" * 999}]}), "xxx...", ""),
    ],
)  # fmt: skip
def test_limits_are_told_in_one_line(
    serve: Callable[..., Server], headers: dict[str, str], body: str, message: str, hint: str
) -> None:
    server = serve(lambda path, _: (429, headers, body.encode()))
    for action in (
        lambda: repository(server).manifest("latest"),
        lambda: repository(server).put_manifest("latest", b"{}", OCI),
        lambda: repository(server).begin_upload(),
    ):
        with pytest.raises(RegistryError) as caught:
            action()
        assert caught.value.message.startswith(f"{server.address} limits requests")
        assert message in caught.value.message
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 450
        assert hint in caught.value.hint


def test_a_token_that_is_refused_for_a_limit(serve: Callable[..., Server]) -> None:
    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return 429, {"Retry-After": "99"}, json.dumps(HUB).encode()
        return 401, {"WWW-Authenticate": f'Bearer realm="http://{headers["host"]}/token"'}, b""

    with pytest.raises(RegistryError, match="limits requests: TOOMANYREQUESTS: You") as caught:
        repository(serve(answer)).manifest("latest")
    assert "try again in 99 seconds" in caught.value.hint


def test_how_long_a_server_wants_us_to_wait(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it says, but not for ever: then there is no further attempt."""
    waited: list[float] = []
    monkeypatch.setattr("rootless.oci.distribution.http.time.sleep", waited.append)
    soon = email.utils.formatdate(time.time() + 20, usegmt=True)
    for after, least, requests in (("2", 2, 4), (soon, 15, 4), ("31", 0, 1), ("soon", 0, 4)):
        server = serve(lambda path, _, after=after: (429, {"Retry-After": after}, b""))
        waited.clear()
        with pytest.raises(RegistryError):
            repository(server).manifest("latest")
        assert len(server.seen) == requests, after
        assert len(waited) == requests - 1
        assert all(least <= seconds < least + 7 for seconds in waited), (after, waited)


def test_missing_images_are_named(serve: Callable[..., Server]) -> None:
    server = serve(lambda path, headers: (404, {}, b"<html>"))
    with pytest.raises(RegistryError, match=r"no image 127\.0\.0\.1:\d+/a/b:latest in 127"):
        repository(server).manifest("latest")
    assert len(server.seen) == 1, "a missing image was asked for again"


def test_a_transfer_that_breaks_off_is_an_error(serve: Callable[..., Server]) -> None:
    server = serve(lambda path, headers: (200, {"Content-Length": "100"}, b"x" * 10))
    with (
        repository(server).blob("sha256:" + "1" * 64) as response,
        pytest.raises(HttpError) as caught,
    ):
        while response.read(100):
            pass
    assert caught.value.temporary


DIGEST = "sha256:" + "1" * 64

ASKED: dict[str, Callable[[Repository], object]] = {
    "manifest": lambda repo: repo.manifest("1"),
    "digest": lambda repo: repo.digest("1"),
    "blob": lambda repo: repo.blob(DIGEST),
    "tags": lambda repo: list(repo.tags()),
    "search": lambda repo: repo.search("x", 1),
    "upload": lambda repo: repo.begin_upload(),
    "put": lambda repo: repo.put_manifest("1", MANIFEST, OCI),
    "login": lambda repo: repo.check(),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RegistryError),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, RegistryNotFound),
        (408, HttpError),
        (418, RegistryError),
        (429, TooManyRequests),
        (500, RegistryFailed),
        (501, RegistryFailed),
        (503, RegistryFailed),
        (507, RegistryFailed),
    ],
)
def test_each_status_has_its_error(
    serve: Callable[..., Server], asked: str, status: int, kind: type[RegistryError]
) -> None:
    if (asked, status) == ("login", 404):
        kind = RegistryError  # then it is no registry: there is nothing that it has not
    server = serve(lambda path, headers: (status, {"Retry-After": "99"}, b""))
    with pytest.raises(RegistryError) as caught:
        ASKED[asked](repository(server))
    assert type(caught.value) is kind


def test_what_an_upload_is_answered(serve: Callable[..., Server]) -> None:
    for status, kind in ((403, Unauthorized), (404, RegistryError), (507, RegistryFailed)):
        server = serve(lambda path, headers, status=status: (status, {}, b""))
        content = Bytes(b"x")
        with pytest.raises(RegistryError, match=r"blob .* was not taken") as caught:
            Upload(repository(server), content).run(
                f"http://{server.address}/v2/a/b/blobs/uploads/1"
            )
        assert type(caught.value) is kind


class Bytes:
    """What is uploaded, from memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.digest, self.size = digest(data), len(data)

    def read(self, start: int) -> Iterator[bytes]:
        yield self._data[start:]

    def settle(self) -> None:
        pass


def test_nobody_there() -> None:
    with pytest.raises(RegistryUnreachable) as caught:
        Repository(reference.parse("127.0.0.1:1/x")).manifest("latest")
    url = "http://127.0.0.1:1/v2/x/manifests/latest"
    assert caught.value.message == f"cannot reach {url}: Connection refused"


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(
        RegistryUnreachable, match=r"^cannot reach https://no\.invalid/v2/\S+: [^\[:]+$"
    ):
        Repository(reference.parse("no.invalid/x")).manifest("latest")


def test_plain_http_elsewhere_only_without_tls_verify(serve: Callable[..., Server]) -> None:
    # 0.0.0.0 is this machine to the kernel, but to nobody's rule about loopback.
    server = serve(lambda path, headers: (200, {}, MANIFEST), "0.0.0.0")
    name = reference.parse(f"{server.address}/a/b")
    with pytest.raises(RegistryError, match=r"tls-verify|TLS|SSL"):
        Repository(name).manifest("latest")
    assert server.seen == []
    assert Repository(name, tls_verify=False).manifest("latest").data == MANIFEST


@pytest.mark.needs("openssl")
def test_certificates_are_verified_unless_told_otherwise(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "0.0.0.0")
    server = serve(lambda path, headers: (200, {}, MANIFEST), "0.0.0.0", certificate)
    name = reference.parse(f"{server.address}/a/b")
    with pytest.raises(RegistryError, match="certificate"):
        Repository(name).manifest("latest")
    assert server.seen == []
    assert Repository(name, tls_verify=False).manifest("latest").data == MANIFEST
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert Repository(name).manifest("latest").data == MANIFEST


def test_secrets_in_urls_are_not_shown() -> None:
    assert shown("https://user:pw@host:1/path?X-Amz-Signature=s#f") == "https://host:1/path"
