"""Options of commands that speak with registries: who we are there, and how long we try."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import argument, option

REGISTRY = "Registry"

TlsVerify = Annotated[
    bool | None,
    option(
        "--tls-verify",
        panel=REGISTRY,
        about="Require a valid certificate. (default: true, but of localhost)",
    ),
]
"""None where it was not given: given as true it holds for a registry on this machine as well."""
Creds = Annotated[
    str,
    option(
        "--creds",
        metavar="USER[:PASSWORD]",
        panel=REGISTRY,
        about="Instead of what login has kept.",
    ),
]
AuthFile = Annotated[
    str,
    option(
        "--authfile",
        metavar="FILE",
        panel=REGISTRY,
        about="Where credentials are. (REGISTRY_AUTH_FILE)",
    ),
]
CompatAuthFile = Annotated[
    str, option("--compat-auth-file", metavar="FILE", about="The same, with docker's names in it.")
]
CertDir = Annotated[
    str,
    option(
        "--cert-dir", metavar="DIR", panel=REGISTRY, about="Certificates: *.crt, *.cert and *.key."
    ),
]
RegistryName = Annotated[str, argument("[REGISTRY]", "Host, or host and name space. (docker.io)")]
Username = Annotated[str, option("--username", "-u", metavar="NAME", about="The user's name.")]
Password = Annotated[
    str, option("--password", "-p", metavar="TEXT", about="Better use --password-stdin.")
]
PasswordStdin = Annotated[bool, option("--password-stdin", about="Read it from stdin.")]
GetLogin = Annotated[bool, option("--get-login", about="Print the user name that is kept.")]
VerboseLogin = Annotated[bool, option("--verbose", "-v", about="Say which file was written.")]
AllRegistries = Annotated[bool, option("--all", "-a", about="All registries.")]
Retry = Annotated[
    int,
    option(
        "--retry",
        metavar="N",
        panel=REGISTRY,
        about="How often more, where a registry does not answer. (0)",
    ),
]
RetryDelay = Annotated[
    str,
    option(
        "--retry-delay",
        metavar="TIME",
        panel=REGISTRY,
        about="Before each: 5s, 1m. (2s, 4s, 8s, ...)",
    ),
]
Term = Annotated[str, argument("TERM", "A part of a name, a registry before it or not.")]
Limit = Annotated[int, option("--limit", metavar="N", about="Results of each registry. (25)")]
Compatible = Annotated[
    bool, option("--compatible", about="Accepted: stars are shown as by docker.")
]
ListTags = Annotated[bool, option("--list-tags", about="The tags of the repository TERM.")]


class Reach(TypedDict, total=False):
    """How a registry is spoken with; `cli.reach.access_of` makes an Access of it."""

    tls_verify: TlsVerify
    creds: Creds
    authfile: AuthFile
    cert_dir: CertDir


class Patience(TypedDict, total=False):
    """How often a registry is tried; `cli.reach.retry_of` makes a Retry of it."""

    retry: Retry
    retry_delay: RetryDelay


class PatientReach(Reach, Patience, total=False):
    """How a registry is spoken with, and how often it is tried."""
