"""copy: an image from any place to any other."""

from __future__ import annotations

from rootless.cli.commands.images.transfer import patience_of, platform_of, tell_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common as opt
    from rootless.engine import Engine


def copy(
    engine: Engine,
    source: opt.CopySource,
    destination: opt.CopyTarget,
    *,
    all: opt.CopyAll = False,  # noqa: A002 - the option's name
    platform: opt.PullPlatform = "",
    arch: opt.PullArch = "",
    os: opt.PullOs = "",
    variant: opt.PullVariant = "",
    format: opt.CopyFormat = "",  # noqa: A002 - the option's name
    compression_format: opt.CopyCompression = "",
    compression_level: opt.CompressionLevel = 0,
    digestfile: opt.DigestFile = "",
    quiet: opt.Silent = False,
    remove_signatures: opt.CopySignatures = False,
    retry: opt.CopyRetry = 0,
    retry_delay: opt.RetryDelay = "",
    tls_verify: opt.TlsVerify = None,
    src_tls_verify: opt.SrcTlsVerify = None,
    dest_tls_verify: opt.DestTlsVerify = None,
    creds: opt.Creds = "",
    src_creds: opt.SrcCreds = "",
    dest_creds: opt.DestCreds = "",
    authfile: opt.AuthFile = "",
    src_authfile: opt.SrcAuthFile = "",
    dest_authfile: opt.DestAuthFile = "",
    cert_dir: opt.CertDir = "",
    src_cert_dir: opt.SrcCertDir = "",
    dest_cert_dir: opt.DestCertDir = "",
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
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.wish import CopyWish

    wish = CopyWish(
        everything=all,
        platform=platform_of(platform, arch, os, variant),
        format_=format,
        compression=compression_format,
        level=compression_level,
        remove_signatures=remove_signatures,
    )
    here = Access(
        tls_verify=tls_verify if src_tls_verify is None else src_tls_verify,
        creds=src_creds or creds,
        authfile=src_authfile or authfile,
        cert_dir=src_cert_dir or cert_dir,
    )
    there = Access(
        tls_verify=tls_verify if dest_tls_verify is None else dest_tls_verify,
        creds=dest_creds or creds,
        authfile=dest_authfile or authfile,
        cert_dir=dest_cert_dir or cert_dir,
        retry=patience_of(retry, retry_delay),
    )
    with Teller(quiet=quiet, lines=True) as teller:
        digest = engine.images.copy(source, destination, wish, access=(here, there), teller=teller)
    tell_digest(digest, digestfile, quiet=quiet)
    return 0
