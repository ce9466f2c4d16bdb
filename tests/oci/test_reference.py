"""References: docker's grammar, its normalisation, and names as layouts hold them."""

from __future__ import annotations

import string

import hypothesis.strategies as st
import pytest
from hypothesis import given

from rootless.oci import reference
from rootless.oci.errors import InvalidReference

pytestmark = pytest.mark.once

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker://busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("a/b", "docker.io/a/b:latest", "a/b:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x:t", "localhost:5000/x:t", "localhost:5000/x:t"),
        ("quay.io/a/b/c", "quay.io/a/b/c:latest", "quay.io/a/b/c:latest"),
        ("Host/x", "Host/x:latest", "Host/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
        ("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest", "a__b/c--d.e_f:latest"),
        (f"x@sha256:{HEX}", f"docker.io/library/x@sha256:{HEX}", f"x@sha256:{HEX}"),
        (f"q.io/x:t@sha256:{HEX}", f"q.io/x:t@sha256:{HEX}", f"q.io/x:t@sha256:{HEX}"),
    ],
)
def test_names_are_normalised(text: str, full: str, familiar: str) -> None:
    assert reference.normalise(text) == full
    assert reference.parse(text).tagged().familiar == familiar


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "a:", "a:-x", "a:" + "t" * 129, "Busybox", "a//b", "/a", "a/", "-a", "a-", "a..b",
        "a._b", "a___b", "a b", "a\n", "é", "a@", "a@sha256:xyz", f"a@md5:{'a' * 32}", "x.io:p/y",
        "-x.io/y", "[::1/x", HEX, "a" * 256, "../a", "a/../b", "q.io/../../etc", "a:b:c", "a\0b",
    ],
)  # fmt: skip
def test_bad_references_are_refused(text: str) -> None:
    with pytest.raises(InvalidReference, match="invalid reference"):
        reference.parse(text)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_of_the_web_is_no_reference(scheme: str) -> None:
    with pytest.raises(InvalidReference, match=f"leave {scheme}:// out"):
        reference.parse(f"{scheme}://registry.example/a:1")


@given(st.text(string.ascii_letters + string.digits + "._-/:@[]\n é", max_size=40))
def test_what_parses_is_stable_and_safe(text: str) -> None:
    try:
        full = reference.normalise(text)
    except InvalidReference:
        return
    assert reference.normalise(full) == full
    assert reference.normalise(reference.parse(full).familiar) == full
    assert ".." not in full.split("/")
    assert full.isprintable()


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("latest", "localhost/latest:latest"),
        ("busybox:1", "localhost/busybox:1"),
        ("docker.io/library/busybox:1", "docker.io/library/busybox:1"),
        ("q.io/x", "q.io/x:latest"),
        ("Not+Docker", "Not+Docker"),
    ],
)
def test_short_names_in_layouts_are_local(written: str, full: str) -> None:
    assert reference.full(written) == full
