"""copy: an image from any place to any other."""

from __future__ import annotations

from rootless.cli.reach import access_of, platform_of, tell_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.cli.options import common
    from rootless.cli.options import transfer as opt
    from rootless.cli.options.registries import Reach
    from rootless.engine import Engine
    from rootless.images.transfer.access import Access


def copy(
    engine: Engine,
    source: opt.CopySource,
    destination: opt.CopyTarget,
    *,
    digestfile: opt.DigestFile = "",
    quiet: common.Silent = False,
    **asked: Unpack[opt.CopyAsked],
) -> int:
    """Copy an image from any place to any other.

    Places are docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME],
    dir:DIR and containers-storage:NAME, which is also what a name alone means. The digest stays,
    unless another form is asked for or the destination cannot hold the one there is. With --all
    an index comes into the store as a manifest list. The last line is the digest.

    Signatures go along between registries and dir:, as registries.d has it: sigstore's from and to
    registries with use-sigstore-attachments: true, OpenPGP's from a lookaside to dir:; no lookaside
    is written. Where they cannot go along, or would not hold for what is written, nothing is copied
    without --remove-signatures. Images in the store have none.

    Examples:
        rootless copy docker://debian:12 oci:mirror:debian
        rootless copy --all docker://ghcr.io/me/tools docker://localhost:5000/tools
        rootless copy --all docker://debian:12 containers-storage:debian:12
        rootless copy --compression-format zstd tools docker://ghcr.io/me/tools:2
    """
    from rootless.cli.teller import Teller
    from rootless.images.transfer.wish import CopyWish

    wish = CopyWish(
        everything=asked.get("all", False),
        platform=platform_of(asked),
        format_=asked.get("format", ""),
        compression=asked.get("compression_format", ""),
        level=asked.get("compression_level", 0),
        remove_signatures=asked.get("remove_signatures", False),
    )
    ends = access_of_both(asked)
    with Teller(quiet=quiet, lines=True) as teller:
        digest = engine.images.copy(source, destination, wish, access=ends, teller=teller)
    tell_digest(digest, digestfile, quiet=quiet)
    return 0


def access_of_both(asked: opt.CopyAsked) -> tuple[Access, Access]:
    """Return how the registry of the source is spoken with, and that of the destination."""
    both = asked.get("tls_verify")
    here: Reach = {
        "tls_verify": asked.get("src_tls_verify", both),
        "creds": asked.get("src_creds") or asked.get("creds", ""),
        "authfile": asked.get("src_authfile") or asked.get("authfile", ""),
        "cert_dir": asked.get("src_cert_dir") or asked.get("cert_dir", ""),
    }
    there: Reach = {
        "tls_verify": asked.get("dest_tls_verify", both),
        "creds": asked.get("dest_creds") or asked.get("creds", ""),
        "authfile": asked.get("dest_authfile") or asked.get("authfile", ""),
        "cert_dir": asked.get("dest_cert_dir") or asked.get("cert_dir", ""),
    }
    return access_of(here), access_of(there, asked)
