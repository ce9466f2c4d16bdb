"""Git repositories as sources: `URL#REF:DIRECTORY`, fetched by the git of this machine.

What a repository says is a stranger's: git runs no protocol but those of the network, asks nobody
for a password, and a ref is never taken for an option.
"""

from __future__ import annotations

import os

from rootless.build.attesting.materials import Material
from rootless.build.fetching import entrance
from rootless.build.fetching.urls import shown
from rootless.errors import HostError, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PROTOCOLS = "http:https:git:ssh"
_HEX = frozenset("0123456789abcdef")
_QUERY = ("ref", "branch", "tag", "commit", "checksum", "subdir", "keep-git-dir")


class Repository:
    """What a source names: where it is, which commit of it, and which directory."""

    def __init__(self, url: str, ref: str = "", directory: str = "") -> None:
        self.url, self.header = entrance.parted(url)
        """Where it is, and what the server is told that lets us in; "" for nothing."""
        self.ref = ref
        self.directory = directory
        self.checksum = ""
        """The commit that it has to be, or how that begins."""
        self.keep = False
        """Whether the directory .git comes along."""

    def let_in(self, secrets: Mapping[str, bytes]) -> None:
        """Take from a build's secrets what lets git in. Raises UsageError."""
        self.header = entrance.header_of(self.url, secrets) or self.header

    def material(self, commit: str) -> Material:
        """Return what is said of a commit of it, without a password of its URL."""
        where = shown(self.url) if "://" in self.url else self.url
        directory = f":{self.directory}" if self.directory else ""
        mark = "#" if self.ref or directory else ""
        return Material(f"{where}{mark}{self.ref}{directory}", "sha1", commit)


def parse(text: str) -> Repository | None:
    """Return the repository that a source names; None where it is something else.

    Raises UsageError for a query that says what is not known.
    """
    url, _, fragment = text.partition("#")
    bare, _, query = url.partition("?")
    lower = bare.lower()
    if lower.startswith("github.com/"):
        url = bare = f"https://{bare}"
    elif lower.startswith(("http://", "https://")):
        if not lower.endswith(".git"):
            return None
    elif not (lower.startswith(("git://", "ssh://")) or _is_short(bare)):
        return None
    ref, _, directory = fragment.partition(":")
    found = Repository(bare, ref, directory)
    if query:
        from urllib.parse import parse_qsl

        for key, value in parse_qsl(query, keep_blank_values=True):
            _set(found, key, value, text)
    if found.ref.startswith("-") or bare.startswith("-"):
        raise UsageError(f"the git reference {text!r:.200} begins with a dash", "name a branch")
    return found


def _is_short(text: str) -> bool:
    """Whether this is git@host:path."""
    user, at, rest = text.partition("@")
    return bool(at) and user == "git" and ":" in rest and "/" not in rest.partition(":")[0]


def _set(found: Repository, key: str, value: str, text: str) -> None:
    if key in ("ref", "branch", "tag"):
        start = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(key, "")
        found.ref = value if value.startswith("refs/") else start + value
    elif key in ("commit", "checksum"):
        found.checksum = value
        found.ref = found.ref or value
    elif key == "subdir":
        found.directory = value
    elif key == "keep-git-dir":
        found.keep = value not in ("0", "false")
    else:
        raise UsageError(
            f"{text!r:.200} says {key!r}, which is not known", "known are " + ", ".join(_QUERY)
        )


def commit_of(one: Repository) -> str:
    """Return the commit that is meant, "" where only a copy can tell. Raises NotFound, HostError.

    One that is named in full is taken as it is.
    """
    if len(one.ref) == 40 and not set(one.ref.lower()) - _HEX:
        return _checked(one, one.ref.lower())
    ref = one.ref or "HEAD"
    rows = (line.split("\t") for line in _git(one, "ls-remote", "--", one.url).splitlines())
    known = {row[1]: row[0] for row in rows if len(row) == 2}
    for name in (f"refs/tags/{ref}^{{}}", f"{ref}^{{}}", f"refs/heads/{ref}", f"refs/tags/{ref}"):
        if name in known:
            return _checked(one, known[name])
    if ref in known:
        return _checked(one, known[ref])
    if 4 <= len(ref) < 40 and not set(ref.lower()) - _HEX:
        return ""  # the beginning of a commit's name
    raise NotFound(
        f"{shown(one.url)} has no branch, tag or commit {ref!r:.100}", "see its branches"
    )


def _checked(one: Repository, commit: str) -> str:
    if one.checksum and not commit.startswith(one.checksum.lower()):
        raise UsageError(
            f"{shown(one.url)} is at the commit {commit}, and not {one.checksum!r:.80}",
            "see whether it is the one that you want before you take it",
        )
    return commit


def check_out(one: Repository, commit: str, directory: str) -> str:
    """Put a commit's files into an empty directory; return the commit. Raises as `commit_of`."""
    _git(one, "init", "--quiet", "--template=", "--", directory)
    run = ("-C", directory)
    fetch = (*run, "fetch", "--quiet", "--no-tags")
    try:
        if not commit:
            raise NotFound(f"{shown(one.url)} is to be fetched whole")
        _git(one, *fetch, "--depth=1", "--", one.url, commit)
    except (NotFound, HostError):
        # Few servers give a commit by its name, and those of plain files no single one.
        names = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        _git(one, *fetch, "--", one.url, *names)
        name = commit or one.ref
        commit = _git(one, *run, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
        _checked(one, commit)
    _git(one, *run, "checkout", "--quiet", "--detach", commit, "--")
    if os.path.lexists(f"{directory}/.gitmodules"):
        _git(one, *run, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
    return commit


def _git(one: Repository, *words: str) -> str:
    """Run git; return what it prints. Raises HostError, NotFound with what it says."""
    environment = {
        **os.environ,
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    environment |= entrance.variables(one.url, one.header, environment)
    options = ("-c", "core.symlinks=true", "-c", "core.hooksPath=/dev/null")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    import subprocess

    try:
        done = subprocess.run(
            ["git", *options, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            umask=0o022,
        )
    except FileNotFoundError:
        hint = "install git, or name an archive of the files"
        raise HostError(f"{shown(one.url)} needs git, which is not here", hint) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().replace("\n", "; ")
        if (
            one.header
        ):  # git leaves it out of its errors, but not of all that it can be made to trace
            said = said.replace(one.header, "***")
        hint = (
            "see whether the URL and the reference are right, and whether it wants a password: "
            f"the secret {entrance.TOKEN}"
        )
        raise NotFound(f"{shown(one.url)}: git says {said[:500] or done.returncode}", hint)
    return done.stdout.decode("utf-8", "surrogateescape")
