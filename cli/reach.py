"""What commands that fetch, send or look at images elsewhere have in common.

Who we are to a registry and how long we try (the options `Reach` and `Patience` of
`options.registries`), which platform is meant, and the digest that is told.
"""

from __future__ import annotations

from rootless.cli import output
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options.registries import Patience, Reach
    from rootless.cli.options.transfer import OfPlatform
    from rootless.images.transfer.access import Access, Retry


def access_of(asked: Reach, patience: Patience | None = None) -> Access:
    """Return how a registry is spoken with: who we are to it, and how long it is tried.

    Raises UsageError.
    """
    from rootless.images.transfer.access import Access

    return Access(
        tls_verify=asked.get("tls_verify"),
        creds=asked.get("creds", ""),
        authfile=asked.get("authfile", ""),
        cert_dir=asked.get("cert_dir", ""),
        retry=retry_of(patience or {}),
    )


def retry_of(asked: Patience) -> Retry:
    """Return what --retry and --retry-delay ask for. Raises UsageError."""
    from rootless import times
    from rootless.images.transfer.access import Retry

    retry, delay = asked.get("retry", 0), asked.get("retry_delay", "")
    seconds = times.span(delay) if delay else 0.0
    if retry < 0 or seconds is None:
        what = f"--retry {retry}" if retry < 0 else f"--retry-delay {delay}"
        raise UsageError(f"{what} makes no sense", "such as --retry 3 --retry-delay 5s")
    return Retry(retry, seconds)


def platform_of(asked: OfPlatform) -> str:
    """Return what --platform, or its three parts, ask for. Raises UsageError for both."""
    platform = asked.get("platform", "")
    os, arch, variant = asked.get("os", ""), asked.get("arch", ""), asked.get("variant", "")
    if not (arch or os or variant):
        return platform
    if platform:
        raise UsageError("--platform goes with neither --arch nor --os nor --variant")
    from rootless.oci.platform import host

    parts = (os or "linux", arch or host().architecture, variant)
    return "/".join(part for part in parts if part)


def refuse_encrypted(keys: list[str] | None) -> None:
    """Raise UsageError where an image is to be decrypted."""
    if keys:
        raise UsageError(
            "--decryption-key: encrypted images are not supported", "skopeo copy decrypts them"
        )


def tell_digest(digest: str, file: str, *, quiet: bool) -> None:
    """Say the digest of what was copied, also to a file if one is named. Raises UsageError."""
    if file:
        write_digest(file, digest)
    if not quiet:
        output.say(digest)


def write_digest(path: str, digest: str) -> None:
    """Write the digest of a manifest to a file. Raises UsageError where that cannot be done."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(digest)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
