"""login and logout: who we are to registries."""

from __future__ import annotations

import os
import sys

from rootless.cli import output
from rootless.cli.dialects import choice
from rootless.errors import NotFound, UsageError
from rootless.oci import reference
from rootless.oci.distribution import credentials
from rootless.oci.errors import Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import registries as opt
    from rootless.engine import Engine
    from rootless.images.transfer.access import Access
    from rootless.oci.reference import Reference

_DOCKER = "docker.io"


def login(
    engine: Engine,
    registry: opt.RegistryName = _DOCKER,
    *,
    username: opt.Username = "",
    password: opt.Password = "",
    password_stdin: opt.PasswordStdin = False,
    get_login: opt.GetLogin = False,
    authfile: opt.AuthFile = "",
    compat_auth_file: opt.CompatAuthFile = "",
    cert_dir: opt.CertDir = "",
    tls_verify: opt.TlsVerify = None,
    verbose: opt.VerboseLogin = False,
) -> int:
    """Keep a name and a password for a registry, if it takes them.

    They are kept in ~/.config/containers/auth.json, for podman and skopeo as well, or by the
    credential helper that the file names. Those of ~/.docker/config.json are found, too. Where
    what is kept is still good, nobody is asked.

    Examples:
        rootless login ghcr.io
        pass show registry | rootless login -u me --password-stdin registry.example.com
    """
    from rootless.images.transfer.access import Access

    name = _registry(registry)
    file = authfile or compat_auth_file
    if get_login:
        return _print_login(name, file)
    asked = username or password or password_stdin
    if not asked and _is_known(
        name, Access(tls_verify=tls_verify, authfile=file, cert_dir=cert_dir)
    ):
        return 0
    if password:
        output.warn("other users can see a password on the command line; use --password-stdin")
    user, secret = _ask(name, username, password, stdin=password_stdin)
    creds = f"{user}:{secret}"
    Access(tls_verify=tls_verify, creds=creds, cert_dir=cert_dir).registry(name).check()
    given = credentials.parse(creds)
    path = file or credentials.default_path()
    credentials.AuthFile(path).store(_key(name, compat=bool(compat_auth_file)), given)
    if verbose:
        output.say(f"Used: {path}")
    output.say("Login Succeeded!")
    return 0


def logout(
    engine: Engine,
    registry: opt.RegistryName = _DOCKER,
    *,
    all: opt.AllRegistries = False,  # noqa: A002 - the option's name
    authfile: opt.AuthFile = "",
    compat_auth_file: opt.CompatAuthFile = "",
) -> int:
    """Forget the credentials for a registry.

    Examples:
        rootless logout ghcr.io
        rootless logout --all
    """
    files = credentials.files(authfile or compat_auth_file)
    if all:
        for file in files:
            file.forget_all()
        output.say("Removed login credentials for all registries")
        return 0
    name = _registry(registry)
    keys = credentials.keys_of(name.domain, name.path)[:1]
    if name.domain == _DOCKER and not name.path:
        keys.append(credentials.DOCKER_KEY)
    known = [file.forget(key) for file in files for key in keys if os.path.exists(file.path)]
    output.say(choice.current().logged_out(keys[0], known=any(known)))
    return 0


def _registry(text: str) -> Reference:
    """Return what is logged in to: a registry, or a name space in it, as a path that may be empty.

    Raises UsageError.
    """
    plain = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    domain, _, path = plain.partition("/")
    if text.rstrip("/") == credentials.DOCKER_KEY.rstrip("/") or domain == "index.docker.io":
        return reference.Reference(_DOCKER, "")
    if path in ("v1", "v2"):
        path = ""
    if not reference.is_valid(f"{domain}/{path or 'any'}") or not reference.is_domain(domain):
        raise UsageError(f"{text!r} is no registry", "such as ghcr.io or localhost:5000")
    return reference.Reference(domain, path)


def _key(name: Reference, *, compat: bool) -> str:
    if compat and name.domain == _DOCKER and not name.path:
        return credentials.DOCKER_KEY
    return f"{name.domain}/{name.path}".rstrip("/")


def _is_known(name: Reference, access: Access) -> bool:
    """Whether the registry takes what is kept: then nobody is asked, as by docker and podman."""
    key = _key(name, compat=False)
    if access.authfile and not os.path.exists(access.authfile):
        return False
    known = credentials.find(name.domain, name.path, access.authfile)
    if known is None:
        return False
    output.say(f"Authenticating with existing credentials for {key}")
    try:
        access.registry(name).check()
    except Unauthorized:
        output.say("Existing credentials are invalid, please enter valid username and password")
        return False
    output.say(f"Existing credentials are valid. Already logged in to {key}")
    return True


def _print_login(name: Reference, authfile: str) -> int:
    known = credentials.find(name.domain, name.path, authfile)
    if known is None or not known.user:
        raise NotFound(f"not logged in to {_key(name, compat=False)}")
    output.say(known.user)
    return 0


def _ask(name: Reference, user: str, password: str, *, stdin: bool) -> tuple[str, str]:
    """Return user and password: as given, from standard input, or typed in."""
    if stdin:
        if password:
            raise UsageError("--password and --password-stdin exclude each other")
        if not user:
            raise UsageError("--password-stdin needs a user name", "-u NAME")
        return user, sys.stdin.read().rstrip("\r\n")
    if not (user and password) and not sys.stdin.isatty():
        raise UsageError(
            f"there is no terminal to ask for the password of {name.domain} on",
            "-u NAME --password-stdin",
        )
    if not user:
        output.say("Username: ", to_stderr=True, end="")
        line = sys.stdin.readline()
        user = line.strip()
        if not user:
            output.say("", to_stderr=True, end="" if line else "\n")  # ctrl-d
            raise UsageError(f"nobody says who logs in to {name.domain}", "-u NAME")
    if not password:
        from getpass import getpass

        try:
            password = getpass(f"Password for {user} at {name.domain}: ")
        except EOFError:
            password = ""
        if not password:
            raise UsageError(f"no password for {user} at {name.domain} was typed")
    return user, password
