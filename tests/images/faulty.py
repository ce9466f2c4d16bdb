"""A registry that is reached through a bad line: it cuts, slows, truncates, flips bits and lies."""

from __future__ import annotations

import http.client
import http.server
import random
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

PUSH_FAULTS = ("busy", "gone", "cut", "lost")
"""What may happen to a request that brings something: `cut` in its middle, or its answer `lost`."""

FAULTS = ("cut", "flip", "slow", "busy", "lie", "short", "gone", "no-range")


class Line:
    """A proxy before a registry: `fault(path)` chooses what happens, `sent` counts blobs' bytes."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.sent = 0
        self.pace = 0.0
        """Seconds between pieces of 64 KiB."""
        self.fault = lambda _path: ""
        self.seen: list[tuple[str, str]] = []
        """Method and path of all requests."""
        self.brought = 0
        """Bytes of all that was sent to the registry."""
        line = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                line.answer(self)

            do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

            def do_POST(self) -> None:
                line.bring(self)

            do_PUT = do_PATCH = do_POST  # noqa: N815 - the same

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients may go when they like
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Ask the registry, and pass on what it says, more or less."""
        self.seen.append((handler.command, handler.path))
        fault = self.fault(handler.path)
        if fault == "gone":
            handler.close_connection = True
            return
        if fault == "busy":
            handler.send_response(random.choice((429, 500, 503)))
            handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        wanted = {key: value for key, value in handler.headers.items() if key != "Host"}
        if fault == "no-range":
            wanted.pop("Range", None)
        request = urllib.request.Request(
            f"http://{self.registry}{handler.path}", headers=wanted, method=handler.command
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                self._pass_on(handler, response.status, response.headers, response.read(), fault)
        except urllib.error.HTTPError as error:
            self._pass_on(handler, error.code, error.headers, error.read(), "")

    def bring(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Pass on what is sent, more or less, and the answer."""
        self.seen.append((handler.command, handler.path))
        body = _body(handler)
        self.brought += len(body)
        fault = self.fault(handler.path)
        if fault == "busy":
            self._pass_on(handler, 503, {"Retry-After": "0"}, b"", "")
            return
        handler.close_connection = fault in ("gone", "cut", "lost")
        if fault == "gone" or (fault == "cut" and handler.command != "PATCH"):
            return
        if fault == "cut":
            body = body[: len(body) // 2]
        wanted = {k: v for k, v in handler.headers.items() if k != "Transfer-Encoding"}
        if fault == "cut":
            wanted.pop("Content-Range", None)
        wanted["Content-Length"] = str(len(body))
        # With our Host, so that the places that the registry names lead here.
        connection = http.client.HTTPConnection(self.registry, timeout=30)
        connection.request(handler.command, handler.path, body, wanted)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        if not handler.close_connection:
            self._pass_on(handler, response.status, response.headers, data, "")

    def _pass_on(self, handler, status, headers, body, fault) -> None:  # type: ignore[no-untyped-def]
        if fault == "flip" and body:
            at = len(body) // 2
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        length = len(body) + (7 if fault == "lie" else 0)
        if handler.command == "HEAD":
            length = int(headers.get("Content-Length", 0))
        if fault == "short":
            body = body[: len(body) // 2]
            length = len(body)
        handler.send_response(status)
        for key, value in headers.items():
            if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(key, value)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        end = len(body) // 2 if fault == "cut" else len(body)
        try:
            for at in range(0, end, 65536):
                piece = body[at : min(at + 65536, end)]
                handler.wfile.write(piece)
                if "/blobs/" in handler.path:
                    self.sent += len(piece)
                time.sleep(self.pace or (0.02 if fault == "slow" else 0))
        except OSError:
            handler.close_connection = True  # the client has gone
        if end < length:
            handler.close_connection = True


def _body(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    """Read the body of a request, in one piece or in chunks."""
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    pieces = []
    while size := int(handler.rfile.readline(), 16):
        pieces.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(pieces)


def end_at(process: subprocess.Popen[str], line: Line, sent: int, how: int) -> None:
    """End a command by a signal as soon as so many bytes of blobs have passed."""
    try:
        deadline = time.monotonic() + 20
        while line.sent < sent and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(how)
        process.wait(20)
    finally:
        process.kill()
        process.communicate()
