"""Which Host headers mean this machine."""

from __future__ import annotations

import socket

import pytest

from rootless.httpd.hosts import Hosts


@pytest.mark.parametrize(
    ("host", "means_us"),
    [
        ("", True),
        ("localhost", True),
        ("LocalHost:5000", True),
        ("localhost.:5000", True),
        ("a.b.localhost:80", True),
        ("127.0.0.1:5000", True),
        ("192.0.2.1", True),
        ("[::1]:5000", True),
        ("[fe80::1%eth0]", True),
        ("host.containers.internal:5000", True),
        ("told.example:5000", True),
        (socket.gethostname(), True),
        ("evil.example", False),
        ("evil.example:5000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evillocalhost", False),
        ("evil.example:localhost", False),
    ],
)
def test_names(host: str, means_us: bool) -> None:
    """A page can have its own name lead here, but no address, and no name below localhost."""
    assert Hosts("told.example").include(host) is means_us
