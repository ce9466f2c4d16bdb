"""The containers of a store: making, finding and listing them."""

from __future__ import annotations

import os

from rootless import trace
from rootless.containers.container import Container
from rootless.containers.places import objects
from rootless.errors import Conflict, NotFound, StoreError
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from typing import Unpack

    from rootless.containers.options import CreateOptions, Record
    from rootless.containers.running.execution import Exec
    from rootless.engine import Engine
    from rootless.images.collection import Images
    from rootless.teller import Teller


class Containers:
    """The containers of one store. Listing takes no lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._paths = engine.paths
        self.root = engine.paths.root
        """The data directory."""
        self.objects = objects(engine.paths)
        """Their directories and names."""
        self.teller: Teller = QUIET
        """Told of a pull that `create` begins."""
        self.images: Images | None = None
        """The images that `create` took its own from; their `warnings` tell of the pull."""
        self.notes: list[str] = []
        """What `create` has made otherwise than asked for, for the user's eyes."""
        self._made = ""
        """The id of what `create` has made, or was about to."""

    def create(self, image: str, command: list[str], **asked: Unpack[CreateOptions]) -> Container:
        """Make a container; nothing of it runs yet.

        Raises UsageError for options that make no sense, Conflict for a name in use, and what
        finding or pulling the image raises.
        """
        # Here, because listing and finding shall not pay for it (2.5 of 16 ms).
        from rootless.containers import create as creation
        from rootless.containers import events
        from rootless.containers.names import random_name
        from rootless.store.objects import new_id

        plan = creation.check(self._paths, image, asked)
        self.notes = plan.notes
        kind, _, other = plan.network.partition(":")
        if kind == "container":
            plan.network = f"container:{self.get(other).id}"
        self._paths.prepare()
        trace.mark("options checked")
        found = None
        if not asked.get("rootfs"):
            pull, platform = asked.get("pull") or "missing", asked.get("platform", "")
            pull = {"true": "always", "false": "never"}.get(pull, pull)
            self.images = self._engine.images
            found = self.images.resolve(image, pull=pull, platform=platform, teller=self.teller)
            if not platform and found.foreign:
                plan.notes.append(found.foreign)
        trace.mark("image found")
        id = new_id()  # noqa: A001 - the field's own word
        directory = self.objects.path(id)
        record = creation.compose(
            self._paths,
            found,
            command,
            asked,
            id=id,
            directory=directory,
            reference=image,
            plan=plan,
        )
        trace.mark("record composed")
        self._made = id
        while not self._store(record, replace=bool(asked.get("replace"))):
            if asked.get("name"):
                raise self.taken(record["name"])
            record["name"] = random_name()
        trace.mark("container created")
        events.tell(self._paths.root, record, "create")
        container = Container(self._paths, record)
        if not self._has_layers(record):
            container.remove(force=True)
            return self.create(image, command, **asked)
        return container

    def abandon(self) -> None:
        """Remove what `create` made last, unless it runs: an exception came before its start."""
        if not self._made:
            return  # it came during a pull
        try:
            self._read(self._made).remove()
        except (Conflict, NotFound):
            pass

    def _has_layers(self, record: Record) -> bool:
        """Whether the layers are still there, now that the stored record keeps `rmi` off them.

        `rmi` renames layers away and then looks for records, we look in the other order: one of
        us sees the other.
        """
        if all(map(os.path.isdir, record["layers"])):
            return True
        from rootless.oci.blobs import locked

        with locked(self._paths.images):
            pass  # an rmi under way has ended, and has put back what our record names
        return all(map(os.path.isdir, record["layers"]))

    def _store(self, record: Record, *, replace: bool) -> bool:
        """Write the record under its name; False where the name is taken."""
        return self.objects.make(
            record["id"],
            record,
            name=record["name"],
            durable=not record["rm"],
            replace=self._displace if replace else None,
        )

    def _displace(self, id: str) -> None:  # noqa: A002 - the field's own word
        try:
            self.get(id).remove(force=True)
        except NotFound:
            pass  # it went by itself

    def taken(self, name: str) -> Conflict:
        """Return the error for a name that another container has."""
        holder = self.objects.holder(name) or "another one"
        return Conflict(
            f'the container name "{name}" is already in use by {holder[:12]}',
            "remove or rename that container, choose another name, or use --replace",
        )

    def get(self, ref: str) -> Container:
        """Return the container of this name, id, or beginning of an id.

        Raises NotFound, Ambiguous, or StoreError for a damaged record.
        """
        return Container(self._paths, self.objects.find(ref))

    def get_exec(self, id: str) -> Exec:  # noqa: A002 - the field's own word
        """Return the command of `exec` with this id, whatever its container. Raises NotFound."""
        from rootless.containers.running.execution import find
        from rootless.containers.running.sessions import container_of

        return find(self._read(container_of(self._paths, id)), id)

    def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove the container that `ref` means; with `force` also one with a damaged record.

        Raises what `get` and `Container.remove` raise.
        """
        try:
            found = self.get(ref)
        except StoreError:
            if not force:
                raise
            from rootless.containers.recovery import remove_damaged

            remove_damaged(self._paths, self.objects.named(ref) or self.objects.full_id(ref))
        else:
            found.remove(force=force, volumes=volumes)

    def _read(self, id: str) -> Container:  # noqa: A002 - the field's own word
        return Container(self._paths, self.objects.read(id))

    def rename(self, ref: str, name: str) -> None:
        """Call the container that `ref` means by another name.

        Raises what `get` raises, UsageError for what is no name, Conflict for one in use.
        """
        from rootless.containers.renaming import rename

        rename(self, ref, name)

    def list(self, teller: Teller = QUIET) -> builtins.list[Container]:
        """Return all containers, newest first; `teller` is told why others cannot be read."""
        found = []
        for id in self.ids():  # noqa: A001
            try:
                found.append(self._read(id))
            except NotFound:
                continue  # removed meanwhile
            except StoreError as error:
                teller.problem(error)
        found.sort(key=lambda one: one.record["created"], reverse=True)
        return found

    def ids(self) -> builtins.list[str]:
        """Return the ids of all containers, those with damaged records as well."""
        return self.objects.ids(sweep=True)

    def names(self) -> builtins.list[str]:
        """Return the names of all containers, for completion: no record is read."""
        return self.objects.names()
