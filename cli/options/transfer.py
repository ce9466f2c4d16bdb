"""Options of images on their way: pull, push, copy, load, save, import, and inspect --remote."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from rootless.cli.options.declare import argument, option
from rootless.cli.options.registries import PatientReach, Reach, RetryDelay

PulledNames = Annotated[
    list[str], argument("IMAGE...", "Names in registries, or archives and directories.")
]
NewName = Annotated[str, argument("[NAME]", "A name for the new image.")]
Archive = Annotated[str, argument("FILE", "A tar archive of a root file system; - is stdin.")]
Input = Annotated[str, option("--input", "-i", metavar="FILE", about="Instead of stdin.")]
SaveFormat = Annotated[
    Literal["docker-archive", "oci-archive", "oci-dir", "docker-dir"],
    option(
        "--format",
        metavar="FORMAT",
        about="docker-archive, oci-archive, oci-dir, docker-dir. (the first)",
    ),
]
SaveCompress = Annotated[
    bool, option("--compress", about="With docker-dir: compress layers that are not.")
]
Uncompressed = Annotated[
    bool, option("--uncompressed", about="With oci-archive, oci-dir: do not compress layers.")
]
ManyImages = Annotated[
    bool, option("--multi-image-archive", "-m", about="Accepted: all names are of images.")
]
PushTarget = Annotated[str, argument("[DESTINATION]", "The name there. (that of the image)")]
PushFormat = Annotated[
    Literal["", "oci", "v2s2", "docker"],
    option("--format", "-f", metavar="FORMAT", about="oci or v2s2. (as the image is)"),
]
CompressionFormat = Annotated[
    Literal["", "gzip", "zstd"],
    option("--compression-format", metavar="FORMAT", about="gzip or zstd. (as the layers are)"),
]
PushCompress = Annotated[
    bool, option("--compress", about="Accepted: layers that are not compressed get gzip anyway.")
]
PushLevel = Annotated[
    int,
    option(
        "--compression-level",
        metavar="N",
        about="1 to 9 for gzip, to 22 for zstd, of what is compressed. (quick)",
    ),
]
AllTagsHere = Annotated[
    bool, option("--all-tags", "-a", about="All tags of the repository that are here.")
]
DisableContentTrust = Annotated[
    bool, option("--disable-content-trust", about="Accepted, as for docker.")
]
DigestFile = Annotated[
    str, option("--digestfile", metavar="FILE", about="Write the manifest's digest there.")
]
RemoveSignatures = Annotated[
    bool, option("--remove-signatures", about="Accepted: images in the store have none.")
]
PullWhen = Annotated[
    Literal["always", "missing", "never", "newer"],
    option("--policy", metavar="POLICY", about="always, missing, never, newer. (always)"),
]
AllTags = Annotated[bool, option("--all-tags", "-a", about="All tags of each image.")]
DecryptionKey = Annotated[
    list[str] | None,
    option("--decryption-key", metavar="KEY", about="Refused: images cannot be encrypted here."),
]
PullArch = Annotated[str, option("--arch", metavar="ARCH", about="Instead of this machine's.")]
PullOs = Annotated[str, option("--os", metavar="OS", about="Instead of linux.")]
PullVariant = Annotated[
    str, option("--variant", metavar="VARIANT", about="Of the architecture: v7, v8, ...")
]
PullPlatform = Annotated[
    str, option("--platform", metavar="OS/ARCH", about="Of an image for many machines.")
]
CopySource = Annotated[str, argument("SOURCE", "docker://NAME, oci:DIR:TAG, or a name here; ...")]
CopyTarget = Annotated[str, argument("DESTINATION", "The same.")]
CopyAll = Annotated[bool, option("--all", "-a", about="All platforms, with the index as it is.")]
CopyFormat = Annotated[
    Literal["", "oci", "v2s2"],
    option("--format", "-f", metavar="FORMAT", about="oci or v2s2. (as the image is)"),
]
CopyCompression = Annotated[
    Literal["", "gzip", "zstd"],
    option(
        "--compression-format",
        "--dest-compress-format",
        metavar="FORMAT",
        about="gzip or zstd. (as the layers are)",
    ),
]
CompressionLevel = Annotated[
    int,
    option(
        "--compression-level",
        "--dest-compress-level",
        metavar="N",
        about="1 to 9 for gzip, 1 to 22 for zstd.",
    ),
]
CopySignatures = Annotated[
    bool, option("--remove-signatures", about="Leave the signatures of the source out.")
]
CopyRetry = Annotated[
    int,
    option(
        "--retry",
        "--retry-times",
        metavar="N",
        about="How often more, where a registry does not answer. (0)",
    ),
]
Remote = Annotated[
    bool, option("--remote", about="Of images elsewhere: a registry, an archive, a directory.")
]
RawManifest = Annotated[
    bool, option("--raw", about="With --remote: the manifest, or with --config that, as it is.")
]
ConfigOnly = Annotated[bool, option("--config", about="With --remote: the configuration.")]
NoTags = Annotated[bool, option("--no-tags", "-n", about="With --remote: do not list the tags.")]


class Elsewhere(Reach, total=False):
    """What `inspect --remote` is asked for."""

    remote: Remote
    raw: RawManifest
    config: ConfigOnly
    no_tags: NoTags
    platform: PullPlatform
    retry: CopyRetry


SrcCreds = Annotated[
    str, option("--src-creds", metavar="USER[:PASSWORD]", about="For the source alone.")
]
DestCreds = Annotated[
    str, option("--dest-creds", metavar="USER[:PASSWORD]", about="For the destination alone.")
]
SrcTlsVerify = Annotated[bool | None, option("--src-tls-verify", about="For the source alone.")]
DestTlsVerify = Annotated[
    bool | None, option("--dest-tls-verify", about="For the destination alone.")
]
SrcAuthFile = Annotated[
    str, option("--src-authfile", metavar="FILE", about="For the source alone.")
]
DestAuthFile = Annotated[
    str, option("--dest-authfile", metavar="FILE", about="For the destination alone.")
]
SrcCertDir = Annotated[str, option("--src-cert-dir", metavar="DIR", about="For the source alone.")]
DestCertDir = Annotated[
    str, option("--dest-cert-dir", metavar="DIR", about="For the destination alone.")
]


class OfPlatform(TypedDict, total=False):
    """Which image of an index is meant: as a whole, or by its parts."""

    platform: PullPlatform
    arch: PullArch
    os: PullOs
    variant: PullVariant


class PullAsked(OfPlatform, PatientReach, total=False):
    """What pull is asked for, beside its own; what has no effect comes last in the help."""

    decryption_key: DecryptionKey
    disable_content_trust: DisableContentTrust


class CopyShape(OfPlatform, total=False):
    """What of an image is copied, and what becomes of it."""

    all: CopyAll
    format: CopyFormat
    compression_format: CopyCompression
    compression_level: CompressionLevel
    remove_signatures: CopySignatures


class CopyEnds(Reach, total=False):
    """How the registries of both ends are spoken with: those of one end come first."""

    src_tls_verify: SrcTlsVerify
    dest_tls_verify: DestTlsVerify
    src_creds: SrcCreds
    dest_creds: DestCreds
    src_authfile: SrcAuthFile
    dest_authfile: DestAuthFile
    src_cert_dir: SrcCertDir
    dest_cert_dir: DestCertDir


class CopyPatience(TypedDict, total=False):
    """How often the registries are tried, with skopeo's name of the option as well."""

    retry: CopyRetry
    retry_delay: RetryDelay


class CopyAsked(CopyShape, CopyEnds, CopyPatience, total=False):
    """What copy is asked for, beside its own."""
