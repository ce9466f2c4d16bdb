"""Who we are to a registry: the files of containers-auth.json(5) and docker's config.json.

    {"auths": {"KEY": {"auth": base64("user:password"), "identitytoken": "..."}},
     "credHelpers": {"KEY": "NAME"}, "credsStore": "NAME"}

A key is a registry, or one of its name spaces or repositories; the longest that fits counts. A
helper is the program docker-credential-NAME, which is asked on its standard input.
"""

from __future__ import annotations

import binascii
import contextlib
import fcntl
import os

from rootless.oci import jsonio
from rootless.oci.errors import RegistryError
from rootless.oci.reference import DEFAULT_DOMAIN
from rootless.oci.signatures.scopes import user_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Document = dict[str, Any]

DOCKER_KEY = "https://index.docker.io/v1/"
"""Docker's own name for its registry, from the first version of the protocol."""

_DOCKER_HOSTS = ("index.docker.io", "registry-1.docker.io")

TOKEN_USER = "<token>"  # noqa: S105 - not a password: how helpers mark one
"""The user name with which a helper says that the secret is an identity token."""

MAX_FILE = 16 << 20
_HELPER_TIMEOUT = 30
_KEPT = "your credentials are kept by it"


class HelperError(RegistryError):
    """A helper that is not there, or did not work."""


class Credentials:
    """A user name and a password, or an identity token (OAuth 2 refresh token)."""

    __slots__ = ("password", "token", "user")

    def __init__(self, user: str, password: str, token: str = "") -> None:
        self.user, self.password, self.token = user, password, token

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"  # never the secret: this may end in a log

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        pair = f"{self.user}:{self.password}".encode()
        return "Basic " + _base64(pair)


def _base64(data: bytes) -> str:
    """Return base64. By hand: the module of this name imports re."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def parse(text: str) -> Credentials:
    """Return what --creds says: USER[:PASSWORD]."""
    user, _, password = text.partition(":")
    return Credentials(user, password)


class AuthFile:
    """One file of credentials, which need not exist."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> Document:
        """Return its content, {} where it does not exist or is empty. Raises RegistryError."""
        try:
            with open(self.path, "rb") as file:
                data = file.read(MAX_FILE)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise RegistryError(f"cannot read {self.path}: {error.strerror}") from error
        if not data.strip():
            return {}
        try:
            document = jsonio.loads(data)
        except ValueError as error:
            raise RegistryError(f"cannot read {self.path}: it is no JSON ({error})") from error
        if not isinstance(document, dict):
            raise RegistryError(f"cannot read {self.path}: it is no JSON object")
        return document

    def find(self, key: str, failed: dict[str, RegistryError]) -> Credentials | None:
        """Return what the file, or a helper that it names, has under this key.

        A helper that does not work knows of nothing, and is put among those that have `failed`,
        which are not asked again. Raises RegistryError for a damaged file or entry.
        """
        document = self.read()
        helper = _under(key, _table(document, "credHelpers")) or document.get("credsStore")
        if isinstance(helper, str) and helper and helper not in failed:
            try:
                found = _ask_helper(helper, key)
            except HelperError as error:
                found, failed[helper] = None, error
            if found is not None:
                return found
        entry = _under(key, _table(document, "auths"))
        return _decode(entry, f"{self.path}: {key}") if isinstance(entry, dict) else None

    def keys(self) -> list[str]:
        """Return what the file knows, without its helpers' stores."""
        document = self.read()
        return [*_table(document, "auths"), *_table(document, "credHelpers")]

    def store(self, key: str, credentials: Credentials) -> None:
        """Keep credentials under a key, with the helper that the file names for it, if any."""
        with self._changing() as document:
            helper = _under(key, _table(document, "credHelpers")) or document.get("credsStore")
            if isinstance(helper, str) and helper:
                secret = credentials.token or credentials.password
                user = TOKEN_USER if credentials.token else credentials.user
                _run_helper(helper, "store", {"ServerURL": key, "Username": user, "Secret": secret})
                entry: Document = {}
            else:
                pair = f"{credentials.user}:{credentials.password}".encode()
                entry = {"auth": _base64(pair)}
                if credentials.token:
                    entry["identitytoken"] = credentials.token
            document["auths"] = {**_table(document, "auths"), key: entry}

    def forget(self, key: str) -> bool:
        """Remove what is kept under a key; whether there was something.

        Raises RegistryError where a helper keeps it and does not work, when the rest is done.
        """
        failed: HelperError | None = None
        with self._changing() as document:
            helper = _under(key, _table(document, "credHelpers")) or document.get("credsStore")
            auths = _table(document, "auths")
            written = [name for name in auths if name == key or normal(name) == key]
            known = bool([auths.pop(name) for name in written])
            if isinstance(helper, str) and helper:
                try:
                    known = _ask_helper(helper, key) is not None or known
                    _run_helper(helper, "erase", key)
                except HelperError as error:
                    failed = error
        if failed is not None:
            raise failed
        return known

    def forget_all(self) -> None:
        """Remove all that is kept."""
        for key in self.keys():
            self.forget(key)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Document]:
        """The content, to be changed in place; written when the block ends without an error."""
        directory = os.path.dirname(os.path.abspath(self.path))
        try:
            os.makedirs(directory, 0o700, exist_ok=True)
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise RegistryError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self.read()
            yield document
            self._write(document)
        finally:
            os.close(lock)

    def _write(self, document: Document) -> None:
        try:
            # A link, as some keep their dotfiles, stays one: what it points to is replaced.
            path = os.path.realpath(self.path)
            from rootless.oci.blobs import replace

            replace(path, jsonio.dumps(document, indent=4).encode() + b"\n", private=True)
        except OSError as error:
            raise RegistryError(f"cannot write {self.path}: {error.strerror}") from error


def default_path() -> str:
    """Return the file that `login` writes: it outlives the session, and podman reads it, too."""
    if given := os.environ.get("REGISTRY_AUTH_FILE"):
        return given
    return f"{user_directory()}/containers/auth.json"


def files(given: str = "") -> list[AuthFile]:
    """Return the files that are looked at, in order: the one given alone, else the usual ones."""
    given = given or os.environ.get("REGISTRY_AUTH_FILE", "")
    if given:
        return [AuthFile(given)]
    own = [f"{user_directory()}/containers/auth.json", docker_file()]
    return [AuthFile(path) for path in (*_session_files(), *own)]


def docker_file() -> str:
    """Return where docker's config.json is, if it is there."""
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return f"{directory}/config.json"


def docker_setting(key: str) -> tuple[str, str]:
    """Return a text of docker's config.json, and what names its place; "" for none.

    Where the file cannot be read it has none: it is read for more than this.
    """
    path = docker_file()
    try:
        with open(path, "rb") as file:
            value = jsonio.loads(file.read(MAX_FILE)).get(key)
    except (OSError, ValueError, AttributeError):
        return "", ""
    return (value, f"{path}: {key}") if value and isinstance(value, str) else ("", "")


def _session_files() -> list[str]:
    """Where podman keeps them until the machine goes down; without a session it is root's."""
    if directory := os.environ.get("XDG_RUNTIME_DIR"):
        return [f"{directory}/containers/auth.json"]
    without = f"/run/containers/{os.getuid()}/auth.json"  # below what is often root's alone
    session = f"/run/user/{os.getuid()}/containers/auth.json"
    return [session, *([without] if os.access(without, os.R_OK) else [])]


def keys_of(domain: str, path: str = "") -> list[str]:
    """Return the keys that fit a repository, the most exact first."""
    names = path.split("/") if path else []
    found = ["/".join((domain, *names[:count])) for count in range(len(names), -1, -1)]
    return [*found, DOCKER_KEY] if domain == DEFAULT_DOMAIN else found


def normal(key: str) -> str:
    """Return the key that another one means: docker has written URLs for registries.

    Of a URL only the host counts, as for docker.
    """
    scheme, colons, rest = key.partition("://")
    rest = rest if colons and scheme.lower() in ("http", "https") else ""
    host, _, path = (rest or key).partition("/")
    if rest or path.rstrip("/") in ("", "v1", "v2"):
        return DEFAULT_DOMAIN if host in _DOCKER_HOSTS else host
    return key


def _under(key: str, table: Document) -> object:
    """Return what a table has under a key, or under another that means it."""
    found = table.get(key)
    if found is None and key != DOCKER_KEY:
        found = next((value for name, value in table.items() if normal(name) == key), None)
    return found


def look_up(domain: str, path: str = "", authfile: str = "") -> tuple[Credentials | None, str]:
    """Return the credentials for a repository, and why a helper did not say any ("" mostly).

    That is no reason to give up: without its helper docker's file is one without credentials, and
    most of what is pulled is for everybody. Raises RegistryError for damaged files.
    """
    if authfile and not os.path.exists(authfile):
        hint = f"rootless login --authfile {authfile} {domain} makes it"
        raise RegistryError(f"there is no file of credentials {authfile}", hint)
    failed: dict[str, RegistryError] = {}
    for file in files(authfile):
        for key in keys_of(domain, path):
            if (found := file.find(key, failed)) is not None:
                return found, ""
    return None, next((error.message for error in failed.values()), "")


def find(domain: str, path: str = "", authfile: str = "") -> Credentials | None:
    """Return the credentials for a repository, None where there are none. Raises RegistryError."""
    found, trouble = look_up(domain, path, authfile)
    if trouble:
        raise RegistryError(trouble, _KEPT)
    return found


def _table(document: Document, name: str) -> Document:
    table = document.get(name)
    return table if isinstance(table, dict) else {}


def _decode(entry: Document, subject: str) -> Credentials | None:
    token = entry.get("identitytoken")
    token = token if isinstance(token, str) else ""
    packed = entry.get("auth")
    if not isinstance(packed, str) or not packed:
        given = [entry.get(word) for word in ("username", "password")]  # docker's other form
        plain = [text if isinstance(text, str) else "" for text in given]
        return Credentials(plain[0], plain[1], token) if token or all(plain) else None
    try:
        packed = "".join(packed.split())  # wrapped by base64(1) at 76 columns, as often as not
        user, _, password = binascii.a2b_base64(packed, strict_mode=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise RegistryError(
            f"{subject}: what is under auth is not base64", "log in again"
        ) from error
    return Credentials(user, password.rstrip("\0"), token)


def _ask_helper(name: str, key: str) -> Credentials | None:
    answer = _run_helper(name, "get", key)
    if not isinstance(answer, dict):
        return None
    user, secret = str(answer.get("Username", "")), str(answer.get("Secret", ""))
    return Credentials("", "", secret) if user == TOKEN_USER else Credentials(user, secret)


def _run_helper(name: str, action: str, question: Document | str) -> object:
    """Run docker-credential-NAME; return its answer, None where it knows of nothing.

    Raises RegistryError where it is missing or fails in another way.
    """
    import subprocess

    program = f"docker-credential-{name}"
    if "/" in name:
        raise HelperError(f"credential helper {name!r}: a name without / is wanted")
    text = question if isinstance(question, str) else jsonio.dump_bytes(question).decode()
    try:
        done = subprocess.run(
            [program, action],
            check=False,
            input=text.encode(),
            capture_output=True,
            timeout=_HELPER_TIMEOUT,
        )
    except FileNotFoundError:
        raise HelperError(f"{program} is not installed", _KEPT) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HelperError(f"{program} {action}: {error}") from error
    if done.returncode:
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        if "not found" in said and action != "store":
            return None
        raise HelperError(f"{program} {action}: {said[:200] or 'it failed'}")
    try:
        return jsonio.loads(done.stdout) if action == "get" else None
    except ValueError as error:
        raise HelperError(f"{program} {action}: its answer is no JSON") from error
