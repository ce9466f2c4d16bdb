"""A repository in a registry (OCI distribution-spec 1.1; docker's v2 protocol).

Who we are there is the matter of `auth`. What the registry says is bounded and checked here; blobs
are verified by whoever reads them.
"""

from __future__ import annotations

from rootless.oci import jsonio, layout
from rootless.oci.digest import Digest
from rootless.oci.distribution.auth import Authority, Rejected
from rootless.oci.distribution.brief import encoded
from rootless.oci.distribution.http import (
    Client,
    Response,
    is_loopback,
    joined,
    origin_of,
    shown,
)
from rootless.oci.distribution.refusals import refusal, said
from rootless.oci.errors import (
    DigestError,
    HttpError,
    RegistryError,
    RegistryNotFound,
    Unauthorized,
)
from rootless.oci.reference import DEFAULT_DOMAIN
from rootless.oci.transports import Fetched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.oci.distribution.certificates import Certificates
    from rootless.oci.distribution.credentials import Credentials
    from rootless.oci.distribution.http import Body
    from rootless.oci.reference import Reference

DOCKER_HOST = "registry-1.docker.io"
INDEX_HOST = "index.docker.io"
"""Where docker.io is searched."""

ACCEPT = ", ".join((*layout.MANIFESTS, *layout.INDEXES))
JSON = {"Accept": "application/json"}
MAX_PAGES = 2000
MAX_LISTED = 64 << 20
"""Pages of one list, and bytes of all of them, so that no registry goes on for ever."""

_PULL, _PUSH = "pull", "pull,push"
_CATALOGUE = "registry:catalog:*"
"""The scope of the list of all repositories, which is in none of them."""


class Repository:
    """One repository. May be used by several threads at once.

    `place` is its name at a mirror (`registries`); `name` is what it is called here.
    Without `tls_verify` TLS without a valid certificate is tried first, then plain HTTP. That is
    how registries on this machine are spoken to by default (None), as by docker. With True they
    are not: on a shared machine anybody may listen there, and would be given the password.
    `trouble` is why there may be no credentials, for who is refused without.
    """

    def __init__(
        self,
        name: Reference,
        *,
        place: Reference | None = None,
        tls_verify: bool | None = None,
        credentials: Credentials | None = None,
        trouble: str = "",
        certificates: Certificates | None = None,
    ) -> None:
        self.name = name
        self.place = place or name
        host = DOCKER_HOST if self.place.domain == DEFAULT_DOMAIN else self.place.domain
        lenient = tls_verify is None and is_loopback(host) and certificates is None
        verify = tls_verify is not False
        self._client = Client(verify=verify, lenient=lenient, certificates=certificates)
        self._schemes = ["https", "http"] if lenient or not verify else ["https"]
        self._host = host
        self._trouble = trouble
        self._authority = Authority(self._client, self.place.domain, credentials)

    # -- reading

    def manifest(self, reference: str) -> Fetched:
        """Return the manifest or index that a tag or digest names. Raises RegistryError.

        Raises DigestError where the content is not what the digest says.
        """
        with self._get(f"manifests/{reference}", {"Accept": ACCEPT}) as response:
            return self._fetched(reference, response)

    def find(self, reference: str) -> Fetched | None:
        """As `manifest`, but None where there is none of this name."""
        path = f"manifests/{reference}"
        with self._ask(path, {"Accept": ACCEPT}) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                raise self._refused(response, path)
            return self._fetched(reference, response)

    def _fetched(self, reference: str, response: Response) -> Fetched:
        data = response.body(layout.MAX_JSON)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type == "text/html":
            raise RegistryError(f"{self._host} answers with a web page", "is it a registry?")
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

    def blob(self, digest: str, start: int = 0) -> Response:
        """Begin to fetch a blob; the caller verifies and closes it. Raises RegistryError.

        With `start` from that byte on, if the registry knows ranges (RFC 9110, 14): then the
        status is 206, else 200 and the blob comes whole.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        return self._get(f"blobs/{digest}", headers)

    def tags(self) -> Iterator[str]:
        """Yield all tags, page by page ("Listing Tags" in the spec). Raises RegistryError."""
        return self._pages(f"{self.place.path}/tags/list", "tags", _PULL)

    def catalogue(self) -> Iterator[str]:
        """Yield the repositories of the whole registry, if it tells them. Raises RegistryError."""
        return self._pages("_catalog", "repositories", _CATALOGUE)

    def _pages(self, path: str, key: str, actions: str) -> Iterator[str]:
        """Yield the words of a list that comes in pages."""
        query, pages = "n=1000", _Pages(f"{self._host} lists {key}")
        while query:
            with self._request("GET", f"{path}?{query}", JSON, b"", actions, "") as response:
                if response.status != 200:
                    raise self._refused(response, path)
                data, link = response.body(layout.MAX_JSON), response.headers.get("Link", "")
            query = pages.next(query, link, len(data))
            try:
                found = jsonio.loads(data)[key] or []
                yield from (word for word in found if isinstance(word, str))
            except (ValueError, KeyError, TypeError) as error:
                raise RegistryError(f"{self._host} answers with no list of {key}") from error
            if not found:
                return

    def search(self, term: str, limit: int) -> bytes:
        """Return what docker's index finds, as JSON; only few registries have one.

        Raises RegistryError.
        """
        query = encoded([("q", term), ("n", str(limit))])
        with self._request("GET", f"/v1/search?{query}", JSON, b"", "", "") as response:
            if response.status != 200:
                raise self._refused(response, "v1/search")
            return response.body(layout.MAX_JSON)

    def referrers(self, subject: str) -> list[bytes] | None:
        """Return the pages of the list of what refers to a manifest ("Listing Referrers").

        None where the registry does not know such lists. Raises RegistryError.
        """
        first = path = f"referrers/{subject}"
        found: list[bytes] = []
        query, pages = "", _Pages(f"{self._host} lists what refers to {subject}")
        while True:
            with self._ask(path, {"Accept": layout.OCI_INDEX}) as response:
                if response.status == 404 and not found:
                    return None
                if response.status != 200:
                    raise self._refused(response, path)
                found.append(response.body(layout.MAX_JSON))
                link = response.headers.get("Link", "")
            query = pages.next(query, link, len(found[-1]))
            if not query:
                return found
            path = f"{first}?{query}"

    # -- writing

    def has(self, digest: str, size: int = -1) -> bool:
        """Whether a blob is there, of this size if one is given. Raises RegistryError."""
        with self._ask(f"blobs/{digest}", {}, method="HEAD", actions=_PUSH) as response:
            if response.status not in (200, 404):
                raise self._refused(response, f"blobs/{digest}", _PUSH)
            # 0 is what servers in between make of a length that they do not know.
            return response.status == 200 and (size < 0 or response.length in (-1, 0, size))

    def begin_upload(self, digest: str = "", origin: str = "") -> str:
        """Begin to upload a blob; return where to. Raises RegistryError.

        With `origin`, a repository of the same registry that has the blob `digest`, the registry
        may take it from there; then there is nowhere to upload to, and the answer is "".
        """
        query = f"?mount={digest}&from={origin}" if origin else ""
        path = f"blobs/uploads/{query}"
        with self._ask(path, {}, method="POST", actions=_PUSH, origin=origin) as response:
            if response.status == 201 and origin:
                return ""
            location = response.headers.get("Location", "")
            if response.status != 202 or not location:
                raise self._refused(response, path, _PUSH)
            return joined(response.url, location)

    def send(self, method: str, url: str, headers: dict[str, str], body: Body = b"") -> Response:
        """Send a request to a place that `begin_upload` named. Raises RegistryError."""
        if origin_of(url) == (self._schemes[0], self._host.lower()):
            return self._authorised(method, url, headers, body, _PUSH, "")
        return self._client.request(url, headers, method=method, body=body)

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> str:
        """Give a manifest a tag, or none (a digest); return its digest. Raises RegistryError."""
        self.put_listed(reference, data, media_type)
        return Digest.of(data)

    def put_listed(self, reference: str, data: bytes, media_type: str) -> bool:
        """As `put_manifest`; whether the registry lists it with those that refer to its subject.

        ("Pushing Manifests with Subject": else the client has to.)
        """
        path = f"manifests/{reference}"
        headers = {"Content-Type": media_type}
        with self._ask(path, headers, method="PUT", body=data, actions=_PUSH) as response:
            if response.status not in (200, 201, 202):
                raise self._refused(response, path, _PUSH)
            return bool(response.headers.get("OCI-Subject"))

    def check(self) -> None:
        """See whether it is a registry, and accepts us (`login`).

        Raises Unauthorized, RegistryError.
        """
        with self._request("GET", "", JSON, b"", "", "") as response:
            if response.status in (401, 403):
                raise self._denied("", said(response))
            if response.status != 200:
                raise self.refusal(response, f"{self._host} does not answer as a registry")

    # -- requests

    def _get(self, path: str, headers: dict[str, str], *, method: str = "GET") -> Response:
        """Send a request. Raises RegistryError unless it succeeds."""
        response = self._ask(path, headers, method=method)
        if response.status not in (200, 206):
            with response:
                raise self._refused(response, path)
        return response

    def _ask(
        self,
        path: str,
        headers: dict[str, str],
        *,
        method: str = "GET",
        body: Body = b"",
        actions: str = _PULL,
        origin: str = "",
    ) -> Response:
        return self._request(method, f"{self.place.path}/{path}", headers, body, actions, origin)

    def _request(
        self, method: str, path: str, headers: dict[str, str], body: Body, actions: str, origin: str
    ) -> Response:
        """Send a request below /v2/, by TLS if there is any; or at a path that begins with /."""
        host = INDEX_HOST if path[:1] == "/" and self._host == DOCKER_HOST else self._host
        lenient = len(self._schemes) > 1
        if lenient and self._client.is_without_tls(self._host):
            self._schemes, lenient = ["http"], False
        url = f"{self._schemes[0]}://{host}{path if path[:1] == '/' else f'/v2/{path}'}"
        try:
            response = self._authorised(method, url, headers, body, actions, origin)
        except HttpError as error:
            if not (error.no_tls and lenient):
                raise
            self._schemes = ["http"]
            return self._request(method, path, headers, body, actions, origin)
        self._schemes = self._schemes[:1]
        return response

    def _authorised(
        self, method: str, url: str, headers: dict[str, str], body: Body, actions: str, origin: str
    ) -> Response:
        """Send a request, and once more with what the registry asks for in between."""
        scopes = f"repository:{self.place.path}:{actions}" if actions else ""
        if actions == _CATALOGUE:
            scopes = actions
        if origin:
            scopes += f" repository:{origin}:{_PULL}"
        known = self._authority.header(scopes)
        response = self._client.request(url, {**headers, **known}, method=method, body=body)
        # Who it has led us to is not the one who may ask for our password.
        if response.status != 401 or origin_of(response.url) != origin_of(url):
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        response.close()
        try:
            self._authority.answer(challenge, scopes, known, tls=url.startswith("https:"))
        except Rejected as error:
            raise self._rejected(actions) from error
        except Unauthorized as error:
            raise self._denied(actions) from error
        known = self._authority.header(scopes)
        response = self._client.request(url, {**headers, **known}, method=method, body=body)
        if response.status == 401:
            with response:
                if known.get("Authorization", "").startswith("Basic "):
                    raise self._rejected(actions)
                raise self._denied(actions, said(response))
        return response

    def _rejected(self, actions: str) -> Unauthorized:
        """Return the error for a wrong password; without `actions` that of a login."""
        credentials = self._authority.credentials
        if not actions or credentials is None:
            return Rejected(f"{self._host} does not accept these credentials")
        who = f"the credentials of {credentials.user}" if credentials.user else "your credentials"
        hint = f"rootless login {self.place.domain} renews them"
        return Rejected(f"{self._host} does not accept {who}", hint)

    def _denied(self, actions: str, words: str = "") -> Unauthorized:
        """Return the error for what we may not do; `words` are the registry's own."""
        credentials = self._authority.credentials
        if not actions:
            return Unauthorized(f"{self._host} does not accept these credentials{words}")
        login = f"rootless login {self.place.domain}"
        if actions == _CATALOGUE:
            hint = f"{login} first" if credentials is None else ""
            return Unauthorized(f"{self._host} does not list its repositories to you{words}", hint)
        if credentials is None:
            hint = f"{self._trouble or f'{login} first'}, if it exists"
        else:
            hint = f"you are logged in as {credentials.user or 'somebody'}: does it exist?"
        kind = "push" if actions == _PUSH else "pull"
        return Unauthorized(f"{kind} access denied for {self.name.familiar_name}{words}", hint)

    def _refused(self, response: Response, path: str, actions: str = _PULL) -> RegistryError:
        status = response.status
        if status in (401, 403):
            return self._denied(actions, said(response))
        if status == 404 and path == f"{self.place.path}/tags/list":
            return RegistryNotFound(
                f"no repository {self.name.familiar_name} in {self.place.domain}"
            )
        if status == 404 and path.startswith("manifests/"):
            reference = path.partition("/")[2]
            name = self.name.familiar_name
            if ":" in reference:
                return RegistryNotFound(f"no image {name}@{reference} in {self.place.domain}")
            hint = f"rootless search --list-tags {name} shows what there is"
            return RegistryNotFound(f"no image {name}:{reference} in {self.place.domain}", hint)
        error = self.refusal(response, shown(response.url))
        return RegistryNotFound(error.message, error.hint) if status == 404 else error

    def refusal(
        self, response: Response, subject: str, *, temporary: bool = False
    ) -> RegistryError:
        """Return the error for an answer that nobody expected; see `refusals`."""
        known = self._authority.credentials is not None
        return refusal(response, subject, self.place.domain, known=known, temporary=temporary)


class _Pages:
    """The way through a list that comes in pages."""

    def __init__(self, subject: str) -> None:
        """`subject` is what an error says of it: registry, `lists`, and what."""
        self._subject = subject
        self._count = self._size = 0

    def next(self, query: str, link: str, size: int) -> str:
        """Return what a Link header (RFC 8288) says of the page after `query`, "" for none.

        Only its query: pages come from where the first came from. `size` is that of the page which
        has come. Raises RegistryError where there is no end to them.
        """
        target, _, rest = link.partition(">")
        following = target.partition("?")[2] if 'rel="next"' in rest else ""
        self._count += 1
        self._size += size
        endless = self._count == MAX_PAGES or self._size > MAX_LISTED
        if following and (endless or following == query):
            raise RegistryError(f"{self._subject} without end")
        return following
