"""A repository in a registry, read anonymously (OCI distribution-spec 1.1; docker's v2 protocol).

Who asks without a token gets 401 and a challenge that says where anonymous tokens are given; the
token is for this registry alone. Authentication with secrets has its place in `_authorise`.
"""

from __future__ import annotations

import threading
from urllib.parse import urlencode, urlsplit

from rootless.oci import jsonio, layout
from rootless.oci.digest import Digest
from rootless.oci.errors import DigestError, RegistryError
from rootless.oci.http import MAX_ERROR, Client, HttpError, Response, is_loopback, shown
from rootless.oci.reference import DEFAULT_DOMAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.oci.reference import Reference

DOCKER_HOST = "registry-1.docker.io"
ACCEPT = ", ".join((*layout.MANIFESTS, *layout.INDEXES))
MAX_TOKEN = 1 << 20
MAX_TAGS = 1 << 20
"""Tags of one repository that are listed, so that no registry goes on for ever."""


class Fetched:
    """A manifest or index as it came: its bytes are what the digest is of."""

    def __init__(self, data: bytes, media_type: str, digest: str) -> None:
        self.data = data
        self.media_type = media_type
        self.digest = digest


class Repository:
    """One repository. May be used by several threads at once.

    Registries on this machine may speak plain HTTP, as for docker; others only without
    `tls_verify`, and then TLS without a valid certificate is tried first.

    `place` is its name at a mirror (`registries`); `name` is what it is called here.
    """

    def __init__(
        self, name: Reference, *, place: Reference | None = None, tls_verify: bool = True
    ) -> None:
        self.name = name
        self.place = place or name
        host = DOCKER_HOST if self.place.domain == DEFAULT_DOMAIN else self.place.domain
        lenient = not tls_verify or is_loopback(host)
        self._client = Client(verify=not lenient)
        self._schemes = ["https", "http"] if lenient else ["https"]
        self._host = host
        self._token = ""
        self._lock = threading.Lock()

    def manifest(self, reference: str) -> Fetched:
        """Return the manifest or index that a tag or digest names. Raises RegistryError.

        Raises DigestError where the content is not what the digest says.
        """
        with self._get(f"manifests/{reference}", {"Accept": ACCEPT}) as response:
            data = response.body(layout.MAX_JSON)
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            claimed = response.headers.get("Docker-Content-Digest", "")
        digest = Digest.of(data)
        expected = reference if ":" in reference else claimed
        if expected.startswith("sha256:") and expected != digest:
            raise DigestError(f"manifest {expected} of {self.name.name} has the digest {digest}")
        if expected.startswith("sha512:"):
            raise RegistryError(f"manifest {expected}: sha512 is not supported for manifests")
        return Fetched(data, media_type, digest)

    def digest(self, reference: str) -> str:
        """Return the digest that a tag has at present, by a HEAD request. Raises RegistryError."""
        with self._get(f"manifests/{reference}", {"Accept": ACCEPT}, method="HEAD") as response:
            digest = response.headers.get("Docker-Content-Digest", "")
        return digest or self.manifest(reference).digest

    def blob(self, digest: str) -> Response:
        """Begin to fetch a blob; the caller verifies and closes it. Raises RegistryError."""
        return self._get(f"blobs/{digest}", {})

    def tags(self) -> Iterator[str]:
        """Yield all tags, page by page ("Listing Tags" in the spec). Raises RegistryError."""
        path, left = "tags/list?n=1000", MAX_TAGS
        while path:
            with self._get(path, {}) as response:
                data, link = response.body(layout.MAX_JSON), response.headers.get("Link", "")
            try:
                found = [tag for tag in jsonio.loads(data)["tags"] or () if isinstance(tag, str)]
            except (ValueError, KeyError, TypeError) as error:
                raise RegistryError(f"{self._host} answers with no list of tags") from error
            yield from found
            left -= len(found)
            path = _next_page(link) if found and left > 0 else ""

    def _get(self, path: str, headers: dict[str, str], *, method: str = "GET") -> Response:
        """Send a request, with a token if one is wanted. Raises RegistryError unless status 200."""
        response = self._send(path, headers, method)
        if response.status == 401:
            challenge = response.headers.get("WWW-Authenticate", "")
            response.close()
            self._authorise(challenge)
            response = self._send(path, headers, method)
        if response.status != 200:
            with response:
                raise self._refused(response, path)
        return response

    def _send(self, path: str, headers: dict[str, str], method: str) -> Response:
        if self._token:
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        url = f"{self._schemes[0]}://{self._host}/v2/{self.place.path}/{path}"
        lenient = len(self._schemes) > 1
        try:
            response = self._client.request(url, headers, method=method)
        except HttpError as error:
            if not (error.no_tls and lenient):
                raise
            self._schemes = ["http"]
            return self._send(path, headers, method)
        self._schemes = self._schemes[:1]
        return response

    def _authorise(self, challenge: str) -> None:
        """Get an anonymous token from where `challenge` (RFC 9110, 11.6.1) says."""
        kind, _, rest = challenge.partition(" ")
        fields = _fields(rest)
        if kind.lower() != "bearer" or not fields.get("realm"):
            raise self._denied()
        scope = fields.get("scope") or f"repository:{self.place.path}:pull"
        realm = fields["realm"]
        if not realm.startswith("https://") and self._schemes[0] == "https":
            raise RegistryError(f"{self._host} gives its tokens at a place without TLS")
        query = {key: fields[key] for key in ("service",) if key in fields} | {"scope": scope}
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        try:
            urlsplit(url)
        except ValueError as error:
            raise RegistryError(f"{self._host} gives its tokens at no URL: {error}") from error
        with self._client.request(url) as response:
            if response.status != 200:
                raise self._denied()
            self._token = _token(response.body(MAX_TOKEN), realm)

    def _denied(self) -> RegistryError:
        return RegistryError(
            f"pull access denied for {self.name.familiar_name}",
            "it does not exist or needs a login, which is not supported yet",
        )

    def _refused(self, response: Response, path: str) -> RegistryError:
        status = response.status
        if status in (401, 403):
            return self._denied()
        if status == 404 and path.startswith("manifests/"):
            reference = path.partition("/")[2]
            separator = "@" if ":" in reference else ":"
            return RegistryError(
                f"no image {self.name.familiar_name}{separator}{reference} in {self.place.domain}"
            )
        said = _errors(response.body(MAX_ERROR))
        hint = "the registry limits pulls: wait a while" if status == 429 else ""
        return RegistryError(f"{shown(response.url)}: status {status}{said}", hint)


def _next_page(link: str) -> str:
    """Return what a Link header (RFC 8288) says of the next page, "" for none.

    Only its query: pages come from where the first came from.
    """
    target, _, rest = link.partition(">")
    query = target.partition("?")[2]
    return f"tags/list?{query}" if query and 'rel="next"' in rest else ""


def _fields(text: str) -> dict[str, str]:
    """The fields of a challenge: key="value" with commas between."""
    from urllib.request import parse_http_list, parse_keqv_list

    try:
        return parse_keqv_list(parse_http_list(text))
    except (ValueError, IndexError):
        return {}


def _token(data: bytes, realm: str) -> str:
    try:
        answer = jsonio.loads(data)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError):
        token = None
    # A token goes into a header: a line break in it would be a header of the server's choice.
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise RegistryError(f"{shown(realm)} answered without a token")
    return token


def _errors(data: bytes) -> str:
    """What the registry says of an error (distribution-spec, "Error Codes"), printable."""
    try:
        found = jsonio.loads(data)["errors"]
        words = [f"{error.get('code', '')}: {error.get('message', '')}" for error in found[:3]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    text = "; ".join(words)[:300]
    return ": " + "".join(c if c.isprintable() else "?" for c in text)
