"""Image references: docker's grammar and its normalisation, without `re`.

    reference = name [":" tag] ["@" digest]
    name      = [domain "/"] component {"/" component}

The grammar is that of github.com/distribution/reference. A familiar name such as `busybox` means
`docker.io/library/busybox:latest`: the first component is a domain only if it has a dot or a
colon, an upper-case letter, or is `localhost`.
"""

from __future__ import annotations

from rootless.oci.errors import InvalidReference

DEFAULT_DOMAIN = "docker.io"
OFFICIAL = "library/"
DEFAULT_TAG = "latest"

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALNUM = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TAG = _ALNUM | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")
_SEPARATORS = frozenset("._-")
_DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}


class Reference:
    """A checked, normalised reference. `tag` and `digest` are empty where none was given."""

    __slots__ = ("digest", "domain", "path", "tag")

    def __init__(self, domain: str, path: str, tag: str = "", digest: str = "") -> None:
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest

    @property
    def name(self) -> str:
        """The full name without tag and digest: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar(self) -> str:
        """The shortest form that means the same, as docker prints it: `busybox:latest`."""
        return self.familiar_name + self._suffix()

    @property
    def familiar_name(self) -> str:
        """The shortest name without tag and digest."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        rest = self.path.removeprefix(OFFICIAL)
        # library/a/b is no official image: there is no shorter form of it.
        return self.path if "/" in rest else rest

    def tagged(self) -> Reference:
        """This reference with the tag `latest` where it has neither tag nor digest."""
        if self.tag or self.digest:
            return self
        return Reference(self.domain, self.path, DEFAULT_TAG)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix()

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def parse(text: str) -> Reference:
    """Return the reference that `text` means to docker; a missing tag stays missing.

    `docker://` in front is accepted, as podman and skopeo write it.
    Raises InvalidReference, which says what is wrong.
    """
    plain = text.removeprefix("docker://")
    rest, at, digest = plain.partition("@")
    if at and not is_digest(digest):
        raise _invalid(text, "its digest is malformed")
    rest, tag = _split_tag(rest)
    if tag is not None and not is_tag(tag):
        raise _invalid(text, "its tag is malformed")
    if not rest:
        raise _invalid(text, "it has no name")
    if not at and tag is None and len(rest) == 64 and _HEX.issuperset(rest):
        raise _invalid(text, "64 hexadecimal digits are an image id, not a name")
    domain, path = _split_domain(rest)
    _check_name(text, domain, path)
    return Reference(domain, path, tag or "", digest)


def normalise(text: str) -> str:
    """Return the full form of a reference, with `:latest` where neither tag nor digest is given.

    Raises InvalidReference.
    """
    return str(parse(text).tagged())


def name_to_give(text: str) -> str:
    """Return the full form of the name that an image may get by `text`, with its tag.

    Raises InvalidReference, also for what could be taken for a digest: as docker has it, no
    repository is named like an algorithm.
    """
    parsed = parse(text)
    if parsed.digest:
        raise _invalid(text, "a name to give cannot have a digest")
    local = parsed.domain in (DEFAULT_DOMAIN, "localhost")
    if local and parsed.path.removeprefix(OFFICIAL) in _DIGEST_LENGTHS:
        raise _invalid(text, "it looks like a digest")
    return str(parsed.tagged())


def full(written: str) -> str:
    """Return the full form of a name as it stands in the annotation of an image layout.

    Programs write short ones there, even bare tags; as podman does, we take those for local and
    not for docker's. OCI allows more than docker; such a name is known as it is.
    """
    try:
        parsed = parse(written)
        if not written.startswith(parsed.domain + "/"):
            parsed = parse("localhost/" + written)
    except InvalidReference:
        return written
    return str(parsed.tagged())


def is_valid(text: str) -> bool:
    """Whether `text` is a reference."""
    try:
        parse(text)
    except InvalidReference:
        return False
    return True


def is_short(text: str) -> bool:
    """Whether a valid reference names no registry: where it is from is a matter of settings."""
    first, slash, _ = text.partition("/")
    return not text.startswith("docker://") and not (slash and _names_registry(first))


def is_id(text: str) -> bool:
    """Whether `text` can only be an id or a digest: `sha256:` and digits, or 64 digits."""
    digits = text.removeprefix("sha256:")
    return is_hex(digits) and (digits != text or len(digits) == 64)


def has_digest(text: str) -> bool:
    """Whether `text` ends in a digest: that says what is meant, the name only where it is from."""
    return is_digest(text.partition("@")[2])


def is_tag(text: str) -> bool:
    """Whether `text` is a tag: [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}."""
    return 0 < len(text) <= 128 and text[0] not in ".-" and _TAG.issuperset(text)


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of an algorithm that OCI registers."""
    algorithm, _, value = text.partition(":")
    return len(value) == _DIGEST_LENGTHS.get(algorithm, -1) and _HEX.issuperset(value)


def is_hex(text: str) -> bool:
    """Whether `text` may be an id or the beginning of one."""
    return 0 < len(text) <= 64 and _HEX.issuperset(text)


def _split_tag(text: str) -> tuple[str, str | None]:
    """Split at the colon behind the last slash: one before it belongs to a port."""
    colon = text.rfind(":")
    if colon < 0 or "/" in text[colon:]:
        return text, None
    return text[:colon], text[colon + 1 :]


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not _names_registry(first):
        first, rest = DEFAULT_DOMAIN, name
    elif first == "index.docker.io":
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = OFFICIAL + rest
    return first, rest


def _names_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first.lower() != first


def _check_name(text: str, domain: str, path: str) -> None:
    if domain in ("http:", "https:"):
        raise _invalid(text, f"a name begins with its registry: leave {domain}// out")
    if not is_domain(domain):
        raise _invalid(text, f"{domain!r} is no host name")
    if path.lower() != path:
        raise _invalid(text, "the repository name must be lowercase")
    if len(domain) + len(path) + 1 > 255:
        raise _invalid(text, "its name is longer than 255 characters")
    if not all(_is_component(component) for component in path.split("/")):
        raise _invalid(text, "its name is malformed")


def is_domain(text: str) -> bool:
    """Whether `text` is a registry: a host name or an address, perhaps with a port."""
    host, port = text, "0"
    if text.startswith("["):  # an IPv6 address in brackets, port behind it
        address, bracket, tail = text[1:].partition("]")
        port = tail[1:] if tail.startswith(":") else tail or "0"
        characters = _HEX | frozenset("ABCDEF:")
        return bool(bracket and address) and characters.issuperset(address) and port.isdecimal()
    if ":" in text:
        host, _, port = text.partition(":")
    return (
        port.isascii()
        and port.isdecimal()
        and all(
            part and _ALNUM.issuperset(part.replace("-", "a")) and part[0] != "-" != part[-1]
            for part in host.split(".")
        )
    )


def _is_component(text: str) -> bool:
    """[a-z0-9]+ joined by one of `.`, `_`, `__` or any number of `-`."""
    if not text or text[0] not in _LOWER or text[-1] not in _LOWER:
        return False
    run = ""
    for character in text:
        if character in _LOWER:
            if run and run not in (".", "_", "__") and run.strip("-"):
                return False
            run = ""
        elif character in _SEPARATORS:
            run += character
        else:
            return False
    return True


def _invalid(text: str, why: str) -> InvalidReference:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return InvalidReference(f"invalid reference {shown!r}: {why}")
