"""Files and git repositories on loopback, for builds that fetch them."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Web:
    """A server of one directory, which remembers what it was asked for."""

    def __init__(self, url: str, asked: list[str]) -> None:
        self.url = url
        self.asked = asked


@contextlib.contextmanager
def web(directory: Path, authorization: str = "") -> Iterator[Web]:
    """Serve a directory; to those alone who say `authorization`, if that is something."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(directory))

        def send_head(self) -> Any:
            if authorization and self.headers["Authorization"] != authorization:
                self.send_error(401)
                return None
            return super().send_head()

        def log_message(self, *args: Any) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Web(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def git_daemon(directory: Path) -> Iterator[str]:
    """Serve the repositories in a directory; yield the URL that they are below."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Its own program, not git's start of it: that one would leave it behind.
    daemon = os.path.join(
        subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
        .stdout.strip(),
        "git-daemon",
    )  # fmt: skip
    words = [daemon, "--export-all", f"--base-path={directory}", "--listen=127.0.0.1"]
    server = subprocess.Popen([*words, f"--port={port}", "--reuseaddr"])
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def git(directory: Path, *words: str) -> str:
    """Run git there, as somebody."""
    options = (
        "-c",
        "user.name=n",
        "-c",
        "user.email=n@example.com",
        "-c",
        "init.defaultBranch=main",
    )
    run = ["git", *options, "-C", str(directory), *words]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
