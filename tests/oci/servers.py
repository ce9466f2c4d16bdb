"""An HTTP server in a thread of the test, whose answers the test decides."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class Server:
    """An HTTP server on loopback; `answer` decides, `seen` remembers path and headers."""

    def __init__(
        self,
        answer: Callable[[str, dict[str, str]], Answer],
        host: str = "127.0.0.1",
        certificate: str = "",
    ) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {key.lower(): value for key, value in self.headers.items()}
                outer.seen.append((self.path, headers))
                status, more, body = answer(self.path, headers)
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), **more}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                if int(more.get("Content-Length", 0)) > len(body):
                    self.close_connection = True

            do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            do_PUT = do_POST  # noqa: N815 - the same

            do_PATCH = do_POST  # noqa: N815 - the same

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def self_signed(directory: Path, address: str) -> str:
    """Make a certificate for an IP address, cert.pem; return the path of it behind its key."""
    both, alone = directory / "both.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", both, "-out", alone, "-subj", "/CN=x",
         "-addext", f"subjectAltName=IP:{address}"],
        check=True, capture_output=True,
    )  # fmt: skip
    with open(both, "ab") as file:
        file.write(alone.read_bytes())
    return str(both)
