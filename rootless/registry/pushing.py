"""Pushing blobs (OCI distribution-spec 1.1, "Pushing blobs"), in all its ways.

POST uploads/?digest=D            at once, with the content
POST uploads/, PUT ID?digest=D    the content with the PUT
POST, PATCH ..., PUT ID?digest=D  in chunks, or in one stream as docker and skopeo do
POST uploads/?mount=D             nothing to be sent: it is here already
"""

from __future__ import annotations

from rootless.httpd.answer import Answer
from rootless.httpd.errors import Gone
from rootless.oci.reference import is_digest
from rootless.registry import refusal
from rootless.registry.refusal import Refusal
from rootless.registry.uploads import Upload, Uploads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.httpd.request import Request
    from rootless.registry.auth import Caller
    from rootless.registry.shelf import Shelf


class Pushing:
    """Answers the requests below .../blobs/uploads/."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.uploads = Uploads(shelf.new)

    def answer(
        self, request: Request, caller: Caller, peer: str, name: str, upload_id: str
    ) -> Answer:
        """Do what is asked. Raises Refusal."""
        if not upload_id:
            if request.method != "POST":
                raise Refusal(405, "UNSUPPORTED", "an upload begins with POST")
            self._shelf.admit(name, guest=caller.guest)
            return self._begin(request, peer, name)
        with self.uploads.using(name, upload_id) as upload:
            if request.method == "GET":
                return Answer(204, {"Location": upload.location, "Range": upload.range})
            if request.method == "PATCH":
                self._append(request, upload)
                return self._going_on(upload)
            if request.method == "PUT":
                return self._finish(request, upload)
            if request.method == "DELETE":
                self.uploads.end(upload)
                return Answer(204)
        raise Refusal(405, "UNSUPPORTED", "an upload knows GET, PATCH, PUT and DELETE")

    def _begin(self, request: Request, peer: str, name: str) -> Answer:
        mount, digest = request.query.get("mount", ""), request.query.get("digest", "")
        if mount:
            _check(mount)
            if self._shelf.find(mount):
                return _created(name, mount)
        if digest:
            _check(digest)
        upload = self.uploads.begin(name, peer)
        if not digest:
            return self._going_on(upload)
        with self.uploads.using(name, upload.id):
            try:
                return self._finish(request, upload)
            except Gone:
                self.uploads.end(upload)  # nobody knows its name
                raise

    def _going_on(self, upload: Upload) -> Answer:
        headers = {
            "Location": upload.location,
            "Range": upload.range,
            "Docker-Upload-UUID": upload.id,
        }
        return Answer(202, headers)

    def _append(self, request: Request, upload: Upload) -> None:
        """Write a body to its upload. One that breaks off stays as far as it came, to go on.

        Raises Refusal for a chunk that does not begin where the last ended.
        """
        span = request.headers.get("content-range", "").removeprefix("bytes ").partition("/")[0]
        length = request.body.length
        if span:
            first, _, last = span.partition("-")
            if not all(n.isascii() and n.isdecimal() and len(n) < 19 for n in (first, last)):
                raise Refusal(400, "BLOB_UPLOAD_INVALID", "malformed Content-Range")
            if int(first) != upload.blob.size:
                here = {"Location": upload.location, "Range": upload.range}
                raise Refusal(
                    416, "BLOB_UPLOAD_INVALID", f"the upload has {upload.blob.size} bytes", here
                )
            if length not in (-1, int(last) - int(first) + 1):
                raise Refusal(400, "SIZE_INVALID", "Content-Range and Content-Length differ")
        try:
            while data := request.body.read():
                upload.blob.write(data)
        except OSError:
            self.uploads.end(upload)  # a full disk: what is here is in the way
            raise

    def _finish(self, request: Request, upload: Upload) -> Answer:
        digest = request.query.get("digest", "")
        _check(digest)
        self._append(request, upload)
        try:
            self._shelf.publish(upload.blob, digest)
        finally:
            self.uploads.end(upload)
        return _created(upload.name, digest)


def _created(name: str, digest: str) -> Answer:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Answer(201, headers)


def _check(digest: str) -> None:
    if not is_digest(digest):
        raise refusal.invalid_digest("this is no digest")
    if not digest.startswith("sha256:"):
        raise refusal.invalid_digest("only sha256 is taken")
