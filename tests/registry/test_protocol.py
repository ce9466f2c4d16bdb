"""The rules of the OCI distribution-spec 1.1, one by one, over both kinds of storage."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest
from archives import config, digest, layer
from serving_help import INDEX, MANIFEST, Registry, artifact

pytestmark = pytest.mark.once

ABSENT = digest(b"what nobody has")
names = (f"spec/r{number}" for number in range(10_000))


@pytest.fixture
def name() -> str:
    """A repository of this test's own."""
    return next(names)


# -- end-1, pull


def test_the_base_says_that_this_is_a_registry(served: Registry) -> None:
    for path in ("/v2/", "/v2"):
        assert served("GET", path).status == 200
    assert served("GET", "/v2/").headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_a_manifest_is_served_as_it_was_pushed(served: Registry, name: str) -> None:
    pushed = served.image(name, "1.0")
    for reference in ("1.0", pushed):
        got = served("GET", f"{name}/manifests/{reference}")
        assert (got.status, digest(got.body)) == (200, pushed)
        assert got.headers["Content-Type"] == MANIFEST
        assert got.headers["Docker-Content-Digest"] == pushed
        head = served("HEAD", f"{name}/manifests/{reference}")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(got.body))
        assert head.headers["Docker-Content-Digest"] == pushed


def test_what_is_not_there(served: Registry, name: str) -> None:
    served.image(name, "1")
    for path, code in (
        (f"{name}/manifests/2", "MANIFEST_UNKNOWN"),
        (f"{name}/manifests/{ABSENT}", "MANIFEST_UNKNOWN"),
        (f"{name}/blobs/{ABSENT}", "BLOB_UNKNOWN"),
        ("no/such/manifests/1", "NAME_UNKNOWN"),
        ("no/such/tags/list", "NAME_UNKNOWN"),
        (f"{name}/blobs/uploads/{'0' * 32}", "BLOB_UPLOAD_UNKNOWN"),
    ):
        reply = served("GET", path)
        assert (reply.status, reply.code) == (404, code), path
        assert reply.headers["Content-Type"] == "application/json"
        assert served("HEAD", path).body == b""


def test_a_manifest_of_another_repository_is_not_served(served: Registry, name: str) -> None:
    pushed = served.image(f"{name}/one", "1", layer({"one": name.encode()}))
    served.image(f"{name}/two", "1")
    assert served("GET", f"{name}/two/manifests/{pushed}").status == 404


def test_blobs_and_their_ranges(served: Registry, name: str) -> None:
    data = os.urandom(100_000)
    path = f"{name}/blobs/{served.blob(name, data)}"
    whole = served("GET", path)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["Docker-Content-Digest"] == digest(data)
    head = served("HEAD", path)
    assert (head.status, head.headers["Content-Length"]) == (200, "100000")
    for asked, expected in (
        ("bytes=0-0", data[:1]),
        ("bytes=99990-", data[99990:]),
        ("bytes=10-19", data[10:20]),
        ("bytes=-7", data[-7:]),
        ("bytes=5-200000", data[5:]),
        ("bytes=-200000", data),
    ):
        part = served("GET", path, headers={"Range": asked})
        assert (part.status, part.body) == (206, expected), asked
        start = data.index(expected[:4]) if len(expected) > 3 else 0
        span = f"bytes {start}-{start + len(expected) - 1}/100000"
        assert part.headers["Content-Range"] == span
    for asked in ("bytes=100000-", "bytes=-0"):
        beyond = served("GET", path, headers={"Range": asked})
        assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */100000")
    for ignored in ("bytes=5-1", "bytes=a-b", "bytes=0-1,4-5", "lines=1-2", "bytes=-"):
        assert served("GET", path, headers={"Range": ignored}).body == data, ignored


# -- push of blobs


def begun(served: Registry, name: str) -> str:
    reply = served("POST", f"{name}/blobs/uploads/")
    assert reply.status == 202
    return reply.location


def finish(location: str, expected: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={expected}"


def test_post_then_put(served: Registry, name: str) -> None:
    data = os.urandom(5000)
    reply = served("PUT", finish(begun(served, name), digest(data)), data)
    assert (reply.status, reply.headers["Docker-Content-Digest"]) == (201, digest(data))
    assert served("GET", reply.location).body == data


def test_a_single_post(served: Registry, name: str) -> None:
    data = os.urandom(5000)
    reply = served("POST", f"{name}/blobs/uploads/?digest={digest(data)}", data)
    assert reply.status == 201
    assert served("GET", reply.location).body == data


def test_chunks_in_order(served: Registry, name: str) -> None:
    data = os.urandom(30_000)
    location = begun(served, name)
    for start in (0, 10_000):
        span = {"Content-Range": f"{start}-{start + 9999}"}
        reply = served("PATCH", location, data[start : start + 10_000], span)
        assert (reply.status, reply.headers["Range"]) == (202, f"0-{start + 9999}")
        location = reply.location
    for span in ("0-9999", "25000-29999"):
        reply = served("PATCH", location, data[:10_000], {"Content-Range": span})
        assert reply.status == 416
    asked = served("GET", location)
    assert (asked.status, asked.headers["Range"]) == (204, "0-19999")
    last = {"Content-Range": "20000-29999"}
    reply = served("PUT", finish(asked.location, digest(data)), data[20_000:], last)
    assert reply.status == 201
    assert served("GET", reply.location).body == data


def test_a_stream_of_unknown_length(served: Registry, name: str) -> None:
    """As docker and skopeo send it."""
    pieces = [os.urandom(70_000) for _ in range(5)]
    data = b"".join(pieces)
    reply = served("PATCH", begun(served, name), iter(pieces), {"Transfer-Encoding": "chunked"})
    assert (reply.status, reply.headers["Range"]) == (202, f"0-{len(data) - 1}")
    reply = served("PUT", finish(reply.location, digest(data)))
    assert served("GET", reply.location).body == data


def test_the_empty_blob(served: Registry, name: str) -> None:
    assert served("GET", f"{name}/blobs/{served.blob(name, b'')}").body == b""


def test_content_that_has_another_digest_is_refused(served: Registry, name: str) -> None:
    data = os.urandom(5000)
    other = digest(data + b"x")
    location = begun(served, name)
    reply = served("PUT", finish(location, other), data)
    assert (reply.status, reply.code) == (400, "DIGEST_INVALID")
    assert served("GET", location).status == 404
    for one in (other, digest(data)):
        assert served("HEAD", f"{name}/blobs/{one}").status == 404


def test_an_upload_given_up(served: Registry, name: str) -> None:
    location = begun(served, name)
    assert served("GET", location.replace(name, "other/name")).status == 404
    assert served("DELETE", location).status == 204
    assert served("PUT", finish(location, digest(b"")), b"").code == "BLOB_UPLOAD_UNKNOWN"


def test_mounts(served: Registry, name: str) -> None:
    blob = served.blob(f"{name}/a", os.urandom(3000))
    for source in (f"&from={name}/a", ""):
        reply = served("POST", f"{name}/b/blobs/uploads/?mount={blob}{source}")
        assert reply.status == 201
        assert reply.location == f"/v2/{name}/b/blobs/{blob}"
    reply = served("POST", f"{name}/b/blobs/uploads/?mount={ABSENT}&from={name}/a")
    assert reply.status == 202, "what cannot be mounted is to be uploaded"
    assert "/blobs/uploads/" in reply.location


# -- push of manifests


def test_a_manifest_before_its_blobs_is_refused(served: Registry, name: str) -> None:
    document = artifact()
    document["config"]["digest"] = document["layers"][0]["digest"] = ABSENT
    document["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
    document["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
    reply = served.manifest(name, "1", document)
    assert (reply.status, reply.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert served("GET", f"{name}/manifests/1").status == 404


def test_a_manifest_under_another_digest_is_refused(served: Registry, name: str) -> None:
    served.blob(name, b"{}")
    assert served.manifest(name, ABSENT, artifact()).code == "DIGEST_INVALID"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no json",
        b"[]",
        b"[" * 100_000,
        b'{"schemaVersion": 2}' * 2,
        b'{"schemaVersion": 1, "fsLayers": []}',
        json.dumps({"mediaType": MANIFEST, "manifests": [], "config": {}, "layers": []}).encode(),
        json.dumps({"mediaType": INDEX, "config": {}, "layers": []}).encode(),
        json.dumps({"mediaType": MANIFEST, "config": 7, "layers": "x"}).encode(),
        json.dumps({"mediaType": MANIFEST, "config": {"digest": "../x"}, "layers": []}).encode(),
        json.dumps({"mediaType": MANIFEST, "config": {"digest": 5}, "layers": [None]}).encode(),
        json.dumps({"mediaType": f"{MANIFEST}\r\nX-Evil: 1", "config": {}, "layers": []}).encode(),
    ],
)
def test_what_is_no_manifest_is_refused(served: Registry, name: str, document: bytes) -> None:
    for headers in ({"Content-Type": MANIFEST}, {}):
        reply = served("PUT", f"{name}/manifests/1", document, headers)
        assert reply.status in (400, 415), reply.body
        assert reply.code == "MANIFEST_INVALID"
        assert "X-Evil" not in reply.headers
    assert served("GET", f"{name}/tags/list").status == 404


def test_a_type_that_differs_from_the_document_is_refused(served: Registry, name: str) -> None:
    """CVE-2021-41190: one document, two meanings."""
    served.image(name, "1")
    data = served("GET", f"{name}/manifests/1").body
    for kind in (INDEX, "application/vnd.docker.distribution.manifest.v2+json", "text/html"):
        reply = served("PUT", f"{name}/manifests/2", data, {"Content-Type": kind})
        assert reply.code == "MANIFEST_INVALID"
        assert reply.status in (400, 415)


def test_a_manifest_of_more_than_4_mib_is_refused(served: Registry, name: str) -> None:
    served.blob(name, b"{}")
    data = json.dumps(artifact(annotations={"x": "y" * (4 << 20)})).encode()
    reply = served("PUT", f"{name}/manifests/1", data, {"Content-Type": MANIFEST})
    assert (reply.status, reply.code) == (413, "SIZE_INVALID")
    pieces = iter([data[:1000], data[1000:]])
    headers = {"Content-Type": MANIFEST, "Transfer-Encoding": "chunked"}
    assert served("PUT", f"{name}/manifests/1", pieces, headers).status == 413


def test_an_index_of_two_platforms(served: Registry, name: str) -> None:
    entries: list[dict[str, Any]] = []
    for architecture in ("amd64", "arm64", "s390x"):
        one = served.image(name, "", layer({architecture: name.encode()}))
        platform = {"os": "linux", "architecture": architecture}
        size = len(served("GET", f"{name}/manifests/{one}").body)
        entries.append({"mediaType": MANIFEST, "digest": one, "size": size, "platform": platform})
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    reply = served.manifest(name, "all", document)
    assert reply.status == 201, reply.body
    got = served("GET", f"{name}/manifests/all")
    assert (got.json, got.headers["Content-Type"]) == (document, INDEX)
    for entry in entries:
        assert served("GET", f"{name}/manifests/{entry['digest']}").status == 200
    assert served("DELETE", f"{name}/manifests/{entries[1]['digest']}").code == "DENIED"
    entries.append({**entries[0], "digest": ABSENT})
    assert served.manifest(name, "more", document).code == "MANIFEST_BLOB_UNKNOWN"


def test_a_tag_moves(served: Registry, name: str) -> None:
    old = served.image(name, "1", layer({"old": name.encode()}))
    new = served.image(name, "1", layer({"new": name.encode()}))
    assert served("HEAD", f"{name}/manifests/1").headers["Docker-Content-Digest"] == new
    assert served("HEAD", f"{name}/manifests/{old}").status == 200, "pinned by its digest"
    assert served("GET", f"{name}/tags/list").json == {"name": name, "tags": ["1"]}


# -- content discovery


def test_tags_in_pages(served: Registry, name: str) -> None:
    tags = ["10", "9", "Big", "_a", "a", "b-1", "latest"]
    for tag in reversed(tags):
        served.image(name, tag)
    assert served("GET", f"{name}/tags/list").json == {"name": name, "tags": tags}
    path, seen = f"{name}/tags/list?n=3", []
    for size in (3, 3, 1):
        reply = served("GET", path)
        seen += reply.json["tags"]
        assert len(reply.json["tags"]) == size
        link = reply.headers["Link"]
        assert (link is None) == (size == 1)
        if link:
            assert link.endswith('>; rel="next"')
            path = link[1:].partition(">")[0]
    assert seen == tags
    none = served("GET", f"{name}/tags/list?n=0")
    assert (none.json["tags"], none.headers["Link"]) == ([], None)
    assert served("GET", f"{name}/tags/list?last=b").json["tags"] == ["b-1", "latest"]
    assert served("GET", f"{name}/tags/list?n=7").headers["Link"] is None
    for bad in ("x", "-1", "9" * 30):
        assert served("GET", f"{name}/tags/list?n={bad}").status == 400


def test_the_catalogue(served: Registry, name: str) -> None:
    served.image(f"{name}/z", "1")
    served.image(f"{name}/y", "1")
    assert {f"{name}/y", f"{name}/z"} <= set(served("GET", "/v2/_catalog").json["repositories"])
    page = served("GET", f"/v2/_catalog?n=1&last={name}/y")
    assert page.json["repositories"] == [f"{name}/z"]


def test_referrers(served: Registry, name: str) -> None:
    subject = served.image(name, "1", layer({"referred": name.encode()}))
    empty = served("GET", f"{name}/referrers/{ABSENT}")
    assert (empty.status, empty.headers["Content-Type"]) == (200, INDEX)
    assert empty.json == {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    served.blob(name, b"{}")
    for kind in ("application/x-sbom", "application/x-signature"):
        document = artifact(subject, kind, annotations={"kind": kind})
        reply = served.manifest(name, "", document)
        assert (reply.status, reply.headers["OCI-Subject"]) == (201, subject)
    found = served("GET", f"{name}/referrers/{subject}")
    assert found.headers["OCI-Filters-Applied"] is None
    assert len(found.json["manifests"]) == 2
    for one in found.json["manifests"]:
        data = served("GET", f"{name}/manifests/{one['digest']}").body
        assert (one["mediaType"], one["size"]) == (MANIFEST, len(data))
        assert one["annotations"] == {"kind": one["artifactType"]}
    only = served("GET", f"{name}/referrers/{subject}?artifactType=application/x-sbom")
    assert only.headers["OCI-Filters-Applied"] == "artifactType"
    assert [one["artifactType"] for one in only.json["manifests"]] == ["application/x-sbom"]
    assert served("GET", f"{name}/referrers/sha256:x").code == "DIGEST_INVALID"


def test_referrers_of_an_image_by_its_configuration(served: Registry, name: str) -> None:
    """Without artifactType it is the type of the configuration (distribution-spec, end-12)."""
    subject = {"mediaType": MANIFEST, "digest": ABSENT, "size": 3}
    served.image(name, "about", subject=subject)
    (one,) = served("GET", f"{name}/referrers/{ABSENT}").json["manifests"]
    assert one["artifactType"] == "application/vnd.oci.image.config.v1+json"


def test_many_referrers_come_in_pages(served: Registry, name: str) -> None:
    served.blob(name, b"{}")
    pushed = set()
    for number in range(5):
        document = artifact(ABSENT, annotations={"x": str(number) * (3 << 19)})
        pushed.add(served.manifest(name, "", document).headers["Docker-Content-Digest"])
    path, pages = f"{name}/referrers/{ABSENT}", []
    while path:
        reply = served("GET", path)
        assert len(reply.body) < 5 << 20
        pages.append({one["digest"] for one in reply.json["manifests"]})
        link = reply.headers["Link"]
        path = link[1:].partition(">")[0] if link else ""
    assert len(pages) > 1
    assert set.union(*pages) == pushed
    assert sum(map(len, pages)) == 5


# -- content management


def test_a_tag_is_deleted_and_its_manifest_stays(served: Registry, name: str) -> None:
    pushed = served.image(name, "1", layer({"stays": name.encode()}))
    assert served("DELETE", f"{name}/manifests/1").status == 202
    for method in ("GET", "DELETE"):
        assert served(method, f"{name}/manifests/1").code == "MANIFEST_UNKNOWN"
    assert served("GET", f"{name}/manifests/{pushed}").status == 200


def test_a_manifest_is_deleted_with_its_tags(served: Registry, name: str) -> None:
    pushed = served.image(name, "1", layer({"goes": name.encode()}))
    served.image(name, "2", layer({"goes": name.encode()}))
    served.image(name, "3")
    assert served("DELETE", f"{name}/manifests/{pushed}").status == 202
    for reference in ("1", "2", pushed):
        assert served("GET", f"{name}/manifests/{reference}").code == "MANIFEST_UNKNOWN"
    assert served("DELETE", f"{name}/manifests/{pushed}").status == 404
    assert served("GET", f"{name}/tags/list").json["tags"] == ["3"]


def test_blobs_are_deleted_unless_an_image_needs_them(served: Registry, name: str) -> None:
    mine, free = layer({"mine": name.encode()}), os.urandom(100)
    pushed = served.image(name, "1", mine)
    for needed in (digest(mine), digest(config(mine)), pushed):
        assert served("DELETE", f"{name}/blobs/{needed}").code == "DENIED"
    blob = served.blob(name, free)
    assert served("DELETE", f"{name}/blobs/{blob}").status == 202
    assert served("GET", f"{name}/blobs/{blob}").status == 404
    assert served("DELETE", f"{name}/blobs/{blob}").code == "BLOB_UNKNOWN"
    assert served("DELETE", f"{name}/manifests/{pushed}").status == 202
    served("DELETE", f"{name}/blobs/{digest(mine)}")
    assert served("GET", f"{name}/blobs/{digest(mine)}").status == 404


# -- names


@pytest.mark.parametrize(
    "path",
    [
        "UPPER/manifests/1",
        "a//b/manifests/1",
        "../../etc/manifests/passwd",
        "%2e%2e/%2e%2e/manifests/x",
        "a/../b/tags/list",
        "a..b/tags/list",
        "-a/tags/list",
        "a:1/tags/list",
        "a@b/tags/list",
        "a%00/tags/list",
        "a%0d%0aX-Evil:%201/tags/list",
        f"{'a/' * 200}b/tags/list",
        "/v2//manifests/1",
    ],
)
def test_malformed_names_are_refused(served: Registry, path: str) -> None:
    for method in ("GET", "DELETE", "PUT"):
        reply = served(method, path)
        assert reply.status in (400, 405), reply.body
        assert reply.code in ("NAME_INVALID", "UNSUPPORTED")
        assert "X-Evil" not in reply.headers


@pytest.mark.parametrize(
    "bad",
    [
        "sha256:",
        "sha256:ABC",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:" + "A" * 64,
        "sha256:..%2f..%2f..%2fetc%2fpasswd",
        "sha512:" + "a" * 64,
        "..",
        "%2e%2e%2findex.json",
    ],
)
def test_malformed_digests_are_refused(served: Registry, name: str, bad: str) -> None:
    served.image(name, "1")
    for path in (f"{name}/blobs/{bad}", f"{name}/referrers/{bad}"):
        assert served("GET", path).status in (400, 404)
    reply = served("POST", f"{name}/blobs/uploads/?digest={bad}", b"x")
    assert reply.code == "DIGEST_INVALID"
    reply = served("POST", f"{name}/blobs/uploads/?mount={bad}")
    assert reply.code == "DIGEST_INVALID"
    assert served("PUT", f"{name}/manifests/{bad}", b"{}").status in (400, 404)


def test_a_repository_may_be_named_like_a_part_of_a_path(served: Registry) -> None:
    for name in ("blobs/uploads", "tags", "manifests/blobs", "v2/referrers"):
        pushed = served.image(name, "list")
        assert served("GET", f"{name}/manifests/list").headers["Docker-Content-Digest"] == pushed
        assert served("GET", f"{name}/tags/list").json["tags"] == ["list"]


def test_other_methods_and_paths(served: Registry) -> None:
    for method, path in (
        ("POST", "/v2/"),
        ("PUT", "x/tags/list"),
        ("PATCH", "x/manifests/1"),
        ("POST", f"x/blobs/{ABSENT}"),
        ("GET", "x/blobs/uploads/"),
        ("BREW", "x/manifests/1"),
        ("GET__X", "x/manifests/1"),
    ):
        reply = served(method, path, b"")
        assert (reply.status, reply.code) in ((405, "UNSUPPORTED"), (404, "NAME_UNKNOWN")), path
    for path in ("/", "/v1/", "/v2/x", "/index.html", "/v2/../etc/passwd"):
        assert served("GET", path).status == 404, path


def test_sha512_is_refused_in_words(served: Registry, name: str) -> None:
    other = f"sha512:{hashlib.sha512(b'x').hexdigest()}"
    reply = served("POST", f"{name}/blobs/uploads/?digest={other}", b"x")
    assert "only sha256" in reply.json["errors"][0]["message"]
