"""The distribution protocol (OCI distribution-spec 1.1, "Endpoints"): requests to answers.

    end-1  GET  /v2/                                  end-6, 7  POST, PUT ...blobs/uploads/ID
    end-2  GET, HEAD /v2/NAME/blobs/DIGEST            end-8     GET /v2/NAME/tags/list
    end-3  GET, HEAD /v2/NAME/manifests/REFERENCE     end-9     DELETE .../manifests/REFERENCE
    end-4, 5, 11  POST, PATCH .../blobs/uploads/      end-10    DELETE .../blobs/DIGEST
    end-13 GET  .../blobs/uploads/ID                  end-12    GET .../referrers/DIGEST

and docker's GET /v2/_catalog. Where there are no passwords GET /token is where guests and the
owner get their tokens (distribution's "Token Authentication"). Blobs are to be had from every
repository: whoever may read one repository here may read all.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from rootless.httpd.answer import Answer
from rootless.httpd.hosts import name_of
from rootless.oci import jsonio, models
from rootless.oci.digest import Digest
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.layout import INDEXES, MANIFESTS, MAX_JSON, OCI_INDEX
from rootless.oci.reference import is_digest
from rootless.registry import catalogue, refusal
from rootless.registry.auth import GUEST
from rootless.registry.names import is_repository, is_tag
from rootless.registry.pushing import Pushing
from rootless.registry.refusal import Refusal, Reserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.httpd.hosts import Hosts
    from rootless.httpd.request import Request
    from rootless.registry.auth import Caller, Guard
    from rootless.registry.shelf import Shelf

MOST_LISTED = 10_000
"""Names in one answer: the rest is behind its link."""

TOKENS = "/token"

_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")

MAX_REFERRERS = MAX_JSON
"""Bytes of one list of referrers, roughly: a client reads no more of an index."""


class Api:
    """Answers requests from one storage. May be used by several threads."""

    def __init__(
        self, shelf: Shelf, guard: Guard, hosts: Hosts | None = None, *, tls: bool = False
    ) -> None:
        """`hosts` are the names it goes by, None for any."""
        self._shelf = shelf
        self._guard = guard
        self._hosts = hosts
        self._scheme = "https" if tls else "http"
        self._pushing = Pushing(shelf)

    def caller(self, request: Request) -> Caller:
        """Who sends it. Raises Refusal 401, and 403 for what is not meant for us."""
        host = request.headers.get("host", "")
        if self._hosts is not None and not self._hosts.include(host):
            raise _foreign(name_of(host))
        try:
            return self._guard.caller(request.headers.get("authorization", ""))
        except Refusal as refused:
            raise self._challenged(request, refused) from refused

    def _challenged(self, request: Request, refused: Refusal) -> Refusal:
        """Say where the token is that the owner gets for his password, and guests for nothing.

        docker and podman send a password only to who asks for it at /v2/, and then to each. Asked
        in the Basic scheme they would not come without; for a token they come as guests as well.
        """
        host = request.headers.get("host", "")
        if not self._guard.token or not host or not _HOST.issuperset(host):
            return refused
        realm = f'Bearer realm="{self._scheme}://{host}{TOKENS}",service="rootless registry"'
        return Refusal(401, "UNAUTHORIZED", refused.message, {"WWW-Authenticate": realm})

    def expire(self) -> None:
        """Let go of what is held for nobody."""
        self._pushing.uploads.expire()
        self._shelf.expire()

    def answer(self, request: Request, caller: Caller, peer: str) -> Answer:
        """Do what is asked. Raises Refusal. `peer` is whom the connection counts for."""
        try:
            return self._answer(request, caller, peer)
        except Reserved as refused:
            if "authorization" in request.headers:
                raise
            raise self._challenged(request, refused) from refused

    def _answer(self, request: Request, caller: Caller, peer: str) -> Answer:
        if request.path == TOKENS and self._guard.token:
            token = GUEST if caller.guest else self._guard.token
            answer = _json({"token": token, "access_token": token, "expires_in": 3600})
            return self._only_get(request, answer)
        parts = request.path.split("/")
        if parts[:2] != ["", "v2"]:
            raise Refusal(404, "UNSUPPORTED", "there is only /v2/ here")
        if parts[2:] in ([], [""]):
            asks = request.method in ("GET", "HEAD") and "authorization" not in request.headers
            if self._guard.token and asks:
                welcome = "guests are welcome, and need no password for their token"
                raise self._challenged(request, Refusal(401, "UNAUTHORIZED", welcome))
            return self._only_get(request, _json({}))
        if parts[2:] == ["_catalog"]:
            names = sorted(self._shelf.catalogue().repositories)
            return self._only_get(request, self._page(request, "repositories", names, {}))
        kind, name, last = _split(parts[2:])
        if not is_repository(name):
            raise Refusal(400, "NAME_INVALID", "malformed name of a repository")
        if kind == "uploads":
            return self._pushing.answer(request, caller, peer, name, last)
        if kind in ("manifests", "blobs"):
            do = getattr(self, f"_{request.method.lower()}_{kind}", None)
            if request.method not in ("GET", "HEAD", "PUT", "DELETE") or do is None:
                raise _not_allowed()
            done: Answer = do(request, caller, name, last)
            return done
        if kind == "tags":
            return self._only_get(request, self._tags(request, name))
        return self._only_get(request, self._referrers(request, name, last))

    def _only_get(self, request: Request, answer: Answer) -> Answer:
        if request.method not in ("GET", "HEAD"):
            raise _not_allowed()
        return answer

    # -- manifests ----------------------------------------------------------------------------

    def _get_manifests(self, request: Request, caller: Caller, name: str, reference: str) -> Answer:
        found = self._shelf.catalogue()
        if is_digest(reference):
            digest = reference if found.has(name, reference) else ""
        else:
            digest = found.by_tag(name, _tag(reference))
        if not digest:
            if name not in found.repositories:
                raise refusal.unknown_name(name)
            raise refusal.unknown_manifest(name, reference)
        with open(self._shelf.open(digest), "rb") as file:
            data = file.read(MAX_JSON + 1)
        media_type = catalogue.Manifest(data).media_type
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        return Answer(200, headers, data)

    _head_manifests = _get_manifests

    def _put_manifests(self, request: Request, caller: Caller, name: str, reference: str) -> Answer:
        tag = "" if ":" in reference else _tag(reference)
        if not tag:
            _check_digest(reference)
        data = request.body.whole(MAX_JSON)
        declared = request.headers.get("content-type", "").partition(";")[0].strip()
        media_type = _media_type(data, declared)
        if not tag and Digest.of(data) != reference:
            raise refusal.invalid_digest(f"the manifest has not the digest {reference}")
        digest, manifest = self._shelf.put(name, tag, data, media_type, guest=caller.guest)
        headers = {
            "Location": f"/v2/{name}/manifests/{tag or digest}",
            "Docker-Content-Digest": digest,
        }
        if manifest.subject:
            headers["OCI-Subject"] = manifest.subject
        return Answer(201, headers)

    def _delete_manifests(
        self, request: Request, caller: Caller, name: str, reference: str
    ) -> Answer:
        if is_digest(reference):
            self._shelf.delete_manifest(name, reference, guest=caller.guest)
        else:
            self._shelf.delete_tag(name, _tag(reference), guest=caller.guest)
        return Answer(202)

    # -- blobs --------------------------------------------------------------------------------

    def _get_blobs(self, request: Request, caller: Caller, name: str, digest: str) -> Answer:
        _check_digest(digest)
        fd = self._shelf.open(digest)
        size = os.fstat(fd).st_size
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
        }
        span = _range(request.headers.get("range", ""), size)
        if span is None:
            return Answer(200, headers, file=fd, count=size)
        first, last = span
        if first > last:
            os.close(fd)
            beyond = {"Content-Range": f"bytes */{size}"}
            raise Refusal(416, "SIZE_INVALID", f"the blob has {size} bytes", beyond)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return Answer(206, headers, file=fd, offset=first, count=last - first + 1)

    def _head_blobs(self, request: Request, caller: Caller, name: str, digest: str) -> Answer:
        _check_digest(digest)
        self._shelf.find(digest)  # whoever asks so is about to push what needs it
        return self._get_blobs(request, caller, name, digest)

    def _delete_blobs(self, request: Request, caller: Caller, name: str, digest: str) -> Answer:
        _check_digest(digest)
        self._shelf.delete_blob(digest, guest=caller.guest)
        return Answer(202)

    # -- lists --------------------------------------------------------------------------------

    def _tags(self, request: Request, name: str) -> Answer:
        found = self._shelf.catalogue()
        if name not in found.repositories:
            raise refusal.unknown_name(name)
        return self._page(request, "tags", found.tags(name), {"name": name})

    def _page(self, request: Request, key: str, names: list[str], more: dict[str, Any]) -> Answer:
        """Names after `last`, `n` of them; the next ones are behind a Link (RFC 8288)."""
        wanted = request.query.get("n", str(MOST_LISTED))
        if not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 10):
            raise Refusal(400, "PAGINATION_NUMBER_INVALID", "n is no number")
        count = min(int(wanted), MOST_LISTED)
        last = request.query.get("last", "")
        rest = [name for name in names if name > last] if last else names
        answer = _json({**more, key: rest[:count]})
        if 0 < count < len(rest):
            after = quote(rest[count - 1], safe="")
            target = f"{quote(request.path)}?n={count}&last={after}"
            answer.headers["Link"] = f'<{target}>; rel="next"'
        return answer

    def _referrers(self, request: Request, name: str, digest: str) -> Answer:
        _check_digest(digest)
        listed = self._shelf.catalogue().referrers(name, digest)
        headers = {}
        wanted = request.query.get("artifactType", "")
        if wanted:
            listed = [one for one in listed if one.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        last = request.query.get("last", "")
        listed = [one for one in listed if one["digest"] > last]
        size = 0
        shown: list[dict[str, Any]] = []
        for one in listed:
            size += len(jsonio.dumps(one))
            if shown and size > MAX_REFERRERS:
                query = f"last={shown[-1]['digest']}"
                query += f"&artifactType={quote(wanted, safe='')}" if wanted else ""
                headers["Link"] = f'<{quote(request.path)}?{query}>; rel="next"'
                break
            shown.append(one)
        answer = _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": shown})
        answer.headers |= {**headers, "Content-Type": OCI_INDEX}
        return answer


def _json(document: object) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, jsonio.dump_bytes(document))


def _split(parts: list[str]) -> tuple[str, str, str]:
    """Kind, repository and last component: read from the end, since a repository may be named
    `a/blobs/uploads`."""
    if parts[-3:-1] == ["blobs", "uploads"]:
        return "uploads", "/".join(parts[:-3]), parts[-1]
    if parts[-2:] == ["blobs", "uploads"]:
        return "uploads", "/".join(parts[:-2]), ""
    if parts[-2:] == ["tags", "list"]:
        return "tags", "/".join(parts[:-2]), ""
    if parts[-2:-1] and parts[-2] in ("manifests", "blobs", "referrers"):
        return parts[-2], "/".join(parts[:-2]), parts[-1]
    raise Refusal(404, "UNSUPPORTED", "there is nothing of this path")


def _foreign(name: str) -> Refusal:
    """A Host header that does not mean this machine: a page may have had its name lead here."""
    ways = "its address, a name in this machine's /etc/hosts, --htpasswd or TLS are the way"
    return refusal.denied(f"this registry does not go by the name {name}: {ways}")


def _not_allowed() -> Refusal:
    return Refusal(405, "UNSUPPORTED", "this cannot be done here")


def _tag(text: str) -> str:
    if not is_tag(text):
        raise Refusal(404, "MANIFEST_UNKNOWN", "this is neither a tag nor a digest")
    return text


def _check_digest(text: str) -> None:
    if not is_digest(text):
        raise refusal.invalid_digest("this is no digest")


def _media_type(data: bytes, declared: str) -> str:
    """The media type of a manifest that is pushed. Raises Refusal for what is none, or two."""
    try:
        models.kind_of(data, declared, "the manifest")
        found = catalogue.Manifest(data).media_type
    except (ImageError, DigestError) as error:
        raise refusal.invalid_manifest(error.message) from error
    if found not in (*MANIFESTS, *INDEXES):
        raise Refusal(415, "MANIFEST_INVALID", f"manifests of type {found[:80]} are not taken")
    if declared not in ("", found):
        raise refusal.invalid_manifest(f"it says that it is {found}, and came as {declared[:80]}")
    return found


def _range(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range (RFC 9110, 14.1.2); None for one that is to be ignored.

    One that cannot be had ends before it begins.
    """
    unit, equals, span = text.partition("=")
    first, dash, last = span.strip().partition("-")
    numbers = [part for part in (first, last) if part]
    good = all(part.isascii() and part.isdecimal() and len(part) < 19 for part in numbers)
    if unit.strip().lower() != "bytes" or not equals or not dash or not numbers or not good:
        return None
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else (1, 0)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < int(first):
        return None
    return (int(first), end) if int(first) < size else (1, 0)
