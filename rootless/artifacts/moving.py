"""`artifact pull` and `artifact push`, and who refers to an image in a registry.

A transfer that breaks off is gone on with a few times; a pull that fails leaves nothing behind.
"""

from __future__ import annotations

from functools import partial

from rootless.artifacts.intake import Intake
from rootless.errors import UsageError
from rootless.images.transfer.downloading import Transfers
from rootless.images.transfer.outgoing import Kept
from rootless.images.transfer.parallel import in_parallel
from rootless.images.transfer.sources import Sources, registry_source
from rootless.oci import artifacts, reference
from rootless.oci.digest import Digest
from rootless.oci.distribution import referrers
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.distribution.upload import bring
from rootless.oci.errors import InvalidReference, one_line
from rootless.oci.layout import OCI_MANIFEST
from rootless.oci.transports import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.artifacts.artifact import Artifact
    from rootless.images.transfer.access import Access
    from rootless.oci.artifacts import Referrer
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.models import Descriptor
    from rootless.store.paths import Paths
    from rootless.teller import Teller


def pull(
    paths: Paths,
    ref: str,
    access: Access,
    teller: Teller,
) -> str:
    """Pull an artifact; return its full name. See Artifacts.pull."""

    def fetch(repository: Repository) -> None:
        with Intake(paths) as intake:
            _take(intake, RegistrySource(repository), teller)

    name, _ = Sources(ref, access, teller).first(fetch)
    return str(name)


def _take(intake: Intake, source: RegistrySource, teller: Teller) -> None:
    """Fetch all that is not here, then name the artifact."""
    top = source.manifest()
    manifest = artifacts.decode(top.data, f"manifest {top.digest} of {source.name}")
    source.admit(top.data)
    if artifacts.EMPTY_DIGEST in manifest.blobs:
        intake.take_bytes(artifacts.EMPTY)
    transfers = Transfers(intake, source, teller)
    missing = [blob for blob in manifest.blobs.values() if not intake.has(blob.digest)]
    wanted = [(blob.digest, blob.size, one_line(artifacts.title_of(blob))) for blob in missing]
    in_parallel([partial(transfers.fetch, *one) for one in wanted], transfers.cancel)
    intake.commit(str(source.repository.name), lambda _: top.data, [top.digest])


def push(artifact: Artifact, target: str, access: Access, teller: Teller) -> str:
    """Push an artifact; return its digest. See Artifacts.push."""
    try:
        name = reference.parse(target or artifact.name).tagged()
    except InvalidReference as error:
        raise UsageError(error.message) from error
    if name.domain == "localhost":
        raise UsageError(f"{name} is a name of this machine alone", "push NAME REGISTRY/NAME")
    repository = access.destination(name)
    blobs = artifact.manifest.blobs.values()
    in_parallel(
        [partial(_send, artifact, repository, blob, teller) for blob in blobs], lambda: None
    )
    subject = artifact.manifest.subject
    tag = name.tag or name.digest
    listed = repository.put_listed(tag, artifact.data, OCI_MANIFEST)
    if subject is not None and not listed:
        referrers.enter(repository, subject.digest, _descriptor(artifact))
    return str(Digest.of(artifact.data))


def _send(artifact: Artifact, repository: Repository, blob: Descriptor, teller: Teller) -> None:
    name = artifacts.title_of(blob) or f"blob {blob.digest[7:19]}"
    teller.begin(blob.digest, one_line(name), blob.size)
    path, advance = artifact.layout.blob_path(blob.digest), partial(teller.advance, blob.digest)
    teller.end(blob.digest, bring(repository, Kept(path, blob.digest, blob.size, advance), ""))


def _descriptor(artifact: Artifact) -> dict[str, object]:
    """What a list of referrers says of an artifact."""
    said: dict[str, object] = {
        "mediaType": OCI_MANIFEST,
        "digest": artifact.digest,
        "size": len(artifact.data),
        "artifactType": artifact.manifest.kind,
    }
    if artifact.manifest.annotations:
        said["annotations"] = artifact.manifest.annotations
    return said


def referring(ref: str, access: Access, kind: str) -> list[Referrer]:
    """Return what refers to `ref` in its registry; see Artifacts.referrers."""
    source = registry_source(Location("docker", ref.removeprefix("docker://")), access)
    return referrers.referrers(source.repository, source.manifest().digest, kind)
