"""`registry serve`: the parts put together."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os

from rootless.errors import UsageError, named
from rootless.httpd import listeners, tls
from rootless.httpd.hosts import Hosts
from rootless.httpd.server import Server
from rootless.images.faults import store_errors
from rootless.registry.api import Api
from rootless.registry.auth import Htpasswd, Open
from rootless.registry.directory import Directory
from rootless.registry.names import GUESTS
from rootless.registry.own import Own
from rootless.registry.service import RegistryService

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterator

    from rootless.registry.shelf import Shelf
    from rootless.store.paths import Paths


class Options:
    """What the user asked for, checked. Raises UsageError."""

    def __init__(
        self,
        listen: str,
        tls_cert: str = "",
        tls_key: str = "",
        htpasswd: str = "",
        storage: str = "",
    ) -> None:
        if tls_key and not tls_cert:
            raise UsageError(
                f"{named('tls_key')} without {named('tls_cert')}", "name the certificate as well"
            )
        self.address = _address(listen)
        self.tls = _tls(tls_cert, tls_key) if tls_cert else None
        self.guard = Htpasswd(htpasswd) if htpasswd else Open()
        self.storage = os.path.abspath(storage) if storage else ""


def serve(
    paths: Paths, options: Options, say: Callable[[str], None], log: Callable[[str], None]
) -> None:
    """Serve until a signal ends it. `say` is told where it listens, `log` gets the rest.

    Raises UsageError for an address that cannot be had, StoreError for a store that cannot be
    written.
    """
    with _errors(paths, options.storage):
        shelf = _shelf(paths, options.storage)
        with shelf:
            # Under TLS, or with passwords, a foreign name gets a web page nowhere.
            known = options.tls or not options.guard.token
            hosts = None if known else Hosts(options.address[0])
            api = Api(shelf, options.guard, hosts, tls=options.tls is not None)
            listener = _listen(*options.address)
            host, port = listener.getsockname()[:2]
            if isinstance(shelf, Own):
                names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
                shelf.addresses = frozenset(f"{name}:{port}" for name in names)
            service = RegistryService(api, log)
            server = Server(service, [listener], options.tls, chore=api.expire)
            for warning in _warnings(options, host):
                log(f"Warning: {warning}")
            scheme = "https" if options.tls else "http"
            shown = f"[{host}]" if ":" in host else host
            what = options.storage or f"the images of {paths.root}"
            said = [f"Serving {what} at {scheme}://{shown}:{port}", *_terms(options)]

            def tell() -> None:
                for line in said:
                    say(line)

            server.run(tell)


@contextlib.contextmanager
def _errors(paths: Paths, storage: str) -> Iterator[None]:
    """Tell the system's errors in terms of where the registry keeps what it gets."""
    if not storage:
        with store_errors(paths):
            yield
        return
    try:
        yield
    except OSError as error:
        message = f"cannot write to {storage}: {error.strerror or error}"
        raise UsageError(message, f"{named('storage')} names the directory") from error


def _shelf(paths: Paths, storage: str) -> Shelf:
    if not storage:
        return Own(paths)
    if os.path.isdir(storage) and os.listdir(storage):
        if not os.path.isfile(f"{storage}/oci-layout"):
            raise UsageError(f"{storage} is no OCI image layout", "name an empty directory")
        if os.path.realpath(storage) == os.path.realpath(paths.images):
            raise UsageError(f"{storage} is the store itself", f"leave {named('storage')} out")
    return Directory(storage)


def _terms(options: Options) -> list[str]:
    """What holds where there are no passwords."""
    if not options.guard.token:
        return []
    where = "into repositories where nothing is yours" if options.storage else f"as {GUESTS}/NAME"
    return [
        f"Others may pull, and push {where}. All else is for whoever logs in,",
        f"with any user and the password {options.guard.token}",
    ]


def _warnings(options: Options, host: str) -> list[str]:
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return []
    found = []
    if options.guard.token:
        found = ["whoever reaches this address may pull and push as a guest: --htpasswd has users"]
    if options.tls is None:
        found.append("passwords cross the network as they are: --tls-cert encrypts them")
    return found


def _listen(host: str, port: int) -> socket.socket:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return listeners.tcp(host, port)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        hint = f"{named('listen')} names another address" if taken else ""
        message = error.strerror or str(error)
        raise UsageError(f"cannot listen on {where}: {message}", hint) from error


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    try:
        return tls.context(certificate, key)
    except FileNotFoundError as error:
        raise UsageError(f"cannot read {error.filename}: no such file") from error
    except ValueError as error:
        whose = f"{named('tls_key')} names its key"
        hint = "certificate and key must belong together" if key else whose
        raise UsageError(f"cannot use the certificate {certificate}: {error}", hint) from error


def _address(text: str) -> tuple[str, int]:
    """ADDR:PORT, [ADDR]:PORT or :PORT, which is every address."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise UsageError(f"malformed address {text!r}", "write ADDR:PORT, as in 127.0.0.1:5000")
    return host, int(port)
