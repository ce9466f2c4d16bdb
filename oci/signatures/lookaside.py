"""Where the signatures of an image lie: containers-registries.d(5).

    docker:                                default-docker:
      registry.example.com/project:          use-sigstore-attachments: true
        lookaside: https://example.com/sigs

Simple signatures lie in a lookaside under REPOSITORY@sha256=DIGEST/signature-1, -2 and so on;
without a setting that is sigstore/ among the user's data.
"""

from __future__ import annotations

import os

from rootless.oci.distribution.http import Client
from rootless.oci.errors import HttpError, SignatureError
from rootless.oci.signatures.packets import MAX_BYTES
from rootless.oci.signatures.scopes import configuration, scopes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.oci.reference import Reference

MAX_SIGNATURES = 64
"""Signatures of one image that are looked at."""

MAX_FILE = 1 << 20


class Lookaside:
    """The settings of all files together. Raises SignatureError for what is not understood."""

    def __init__(self) -> None:
        self._default: dict[str, object] = {}
        self._namespaces: dict[str, dict[str, object]] = {}
        directory = configuration("registries.d")
        try:
            names = sorted(name for name in os.listdir(directory) if name.endswith(".yaml"))
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise SignatureError(f"cannot read {directory}: {error.strerror}") from error
        for name in names:
            self._add(f"{directory}/{name}")

    def _add(self, path: str) -> None:
        document = _mapping(_read(path), path, ("docker", "default-docker"))
        if "default-docker" in document:
            if self._default:
                raise SignatureError(f"{path}: default-docker is in another file, too")
            self._default = _mapping(document["default-docker"], path)
        for namespace, table in _mapping(document.get("docker"), path).items():
            if namespace in self._namespaces:
                raise SignatureError(f"{path}: {namespace} is in another file, too")
            self._namespaces[namespace] = _mapping(table, path)

    def _setting(self, name: Reference, *keys: str) -> object:
        """What the narrowest table says that has one of `keys`; None where none has."""
        found = [self._namespaces[scope] for scope in scopes_of(name) if scope in self._namespaces]
        for table in (*found, self._default):
            for key in keys:
                if table.get(key) not in (None, ""):
                    return table[key]
        return None

    def url(self, name: Reference) -> str:
        """The top of the place where the signatures of `name` lie. Raises SignatureError."""
        found = self._setting(name, "lookaside", "sigstore")
        if found is None:
            return f"file://{_default_directory()}"
        if not isinstance(found, str) or not found.startswith(("file:///", "http://", "https://")):
            raise SignatureError(f"the lookaside {found!r} of {name.name} is no file or http URL")
        return found.rstrip("/")

    def told(self, scope: str) -> str:
        """Where the settings say that signatures of a registry or repository lie, "" for nowhere.

        For listings: what holds for all of them is left out.
        """
        while scope:
            table = self._namespaces.get(scope, {})
            if found := table.get("lookaside") or table.get("sigstore"):
                return str(found)
            scope = scope.rpartition("/")[0]
        return ""

    def has_attachments(self, name: Reference) -> bool:
        """Whether sigstore's signatures of `name` are looked for in its registry."""
        return self._setting(name, "use-sigstore-attachments") is True

    def signatures(self, name: Reference, digest: str) -> Iterator[bytes]:
        """Return the simple signatures of a manifest. Raises SignatureError."""
        place = f"{self.url(name)}/{name.path}@{digest.replace(':', '=')}"
        return numbered(_fetch, f"{place}/")


def numbered(read: Callable[[str], bytes | None], start: str) -> Iterator[bytes]:
    """Yield the files signature-1, -2 and so on, up to the first that is not there."""
    for number in range(1, MAX_SIGNATURES + 1):
        found = read(f"{start}signature-{number}")
        if found is None:
            return
        yield found


def _default_directory() -> str:
    if os.geteuid() == 0:
        return "/var/lib/containers/sigstore"
    return os.path.expanduser("~/.local/share/containers/sigstore")


def _fetch(url: str) -> bytes | None:
    """A signature, None where there is none."""
    if url.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        return read_bounded(unquote(urlsplit(url).path))
    try:
        with Client().request(url) as response:
            if response.status in (404, 410):
                return None
            if response.status != 200:
                raise SignatureError(f"the lookaside {url} answers {response.status}")
            return response.body(MAX_BYTES)
    except HttpError as error:
        raise SignatureError(f"cannot look for signatures: {error.message}", error.hint) from error


def read_bounded(path: str, limit: int = MAX_BYTES) -> bytes | None:
    """The content of a file, None where there is none. Raises SignatureError."""
    try:
        # Not blocking: a fifo where a file should be must not hold the pull up.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            data = file.read(limit + 1) or b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SignatureError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > limit:
        raise SignatureError(f"{path} is larger than {limit} bytes")
    return data


def _read(path: str) -> object:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    data = read_bounded(path, MAX_FILE) or b""
    try:
        return YAML(typ="safe", pure=True).load(data.decode())
    except (YAMLError, ValueError, RecursionError) as error:
        cause = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise SignatureError(f"cannot read {path}: it is no YAML ({cause})") from error


def _mapping(value: object, path: str, keys: tuple[str, ...] = ()) -> dict[str, object]:
    """A table of the file; nothing at all is an empty one."""
    table = {} if value is None else value
    if not isinstance(table, dict) or (keys and set(table) - set(keys)):
        raise SignatureError(f"{path} is not in the form of containers-registries.d(5)")
    return {str(key): content for key, content in table.items()}
