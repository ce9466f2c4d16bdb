"""The containers of a store: making, finding and listing them."""

from __future__ import annotations

import os

from rootless import trace
from rootless.containers.container import Container
from rootless.containers.record import objects, shown, stored, upgraded
from rootless.errors import Conflict, NotFound, StoreError, named
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins

    from rootless.containers.record import Image, Record
    from rootless.containers.request import Request
    from rootless.containers.running.execution import Exec
    from rootless.store.paths import Paths
    from rootless.teller import Teller
    from rootless.volumes.mounts import Volume


def bare(name: str) -> str:
    """Return a container's name without the slash that docker's own names begin with."""
    return name.removeprefix("/") or name


class ImageGone(NotFound):
    """An image was removed while a container was made of it."""


class Containers:
    """The containers of one store. Listing takes no lock."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.root = paths.root
        """The data directory."""
        self.objects = objects(paths)
        """Their directories and names."""
        self.holding = False
        """See `Engine.holding`."""

    @property
    def paths(self) -> Paths:
        """The directories of its store."""
        return self._paths

    def check(self, request: Request, *, parsed: bool = False) -> None:
        """Refuse a request that cannot be, before an image is pulled for it.

        `parsed` is whether `words` has made it. Raises UsageError, and what `get` raises
        for a container whose network is wanted, or that is to be started before.
        """
        from rootless.containers.creation import conflicts

        conflicts.check(request, parsed=parsed)
        for one in request["networks"]:
            if one["kind"] == "container":
                self.get(one["name"])
            elif one["kind"] == "named":
                from rootless.networks.collection import Networks

                Networks(self._paths).get(one["name"])
        for name in request["requires"]:
            self.get(name)
        for other in (*request["volumes_from"], *request["links"]):
            self.get(other["container"])

    def create(
        self,
        request: Request,
        image: Image | None,
        *,
        replace: bool = False,
        parsed: bool = False,
        files: builtins.list[Volume] | None = None,
        teller: Teller = QUIET,
    ) -> Container:
        """Make a container of `image`, None for a root file system of its own; nothing runs yet.

        `files` are what there is in the place of artifacts and images among the mounts.
        `replace` is whether it takes its name from another container, which is removed; for
        `parsed` see `check`. Raises what `check` raises, Conflict for a name in use, ImageGone,
        NotFound where another container that it needs was removed meanwhile.
        """
        # Here, because listing and finding shall not pay for it (2.5 of 16 ms).
        from rootless.containers import events, networks
        from rootless.containers.creation import create as creation
        from rootless.containers.names import random_name
        from rootless.store.objects import new_id

        self.check(request, parsed=parsed)
        self._paths.prepare()
        near = creation.Neighbours(
            networks.resolved(request["networks"], lambda name: self.get(name).id)
        )
        near.files = files or []
        if request["volumes_from"] or request["links"]:
            from rootless.containers.creation.neighbours import look

            look(near, request, lambda ref: self.get(ref).record)
            self._lend(near.volumes)
        trace.mark("request checked")
        id = new_id()  # noqa: A001 - the field's own word
        record = creation.compose(self._paths, request, image, id=id, near=near, teller=teller)
        trace.mark("record composed")
        used = [one["name"] for one in near.networks if one["kind"] == "container"]
        if request["requires"]:
            record["requires"] = [self.get(name).id for name in request["requires"]]
            used += record["requires"]
        self._note_use(id, used)
        held: int | None = None
        try:
            while (held := self._store(record, replace=replace)) is None:
                if request["name"]:
                    raise self.taken(record["name"])
                record["name"] = random_name()
            trace.mark("container created")
            events.tell(self._paths.root, record, "create")
        except BaseException:  # a signal
            if held is not None:
                os.close(held)
            if request["remove"]:
                self._abandon(id)
            raise
        container = Container(self._paths, record)
        if self.holding:
            container.held = held
        else:
            os.close(held)
        if (gone := self._gone(record, used)) is not None:
            container.remove(force=True)
            raise gone
        return container

    def _lend(self, volumes: builtins.list[Volume]) -> None:
        """Note of anonymous volumes that the next container has them as well."""
        for item in volumes:
            if item["anonymous"]:
                from rootless.volumes.collection import Volumes

                Volumes(self._paths).lend(item["name"])

    def _note_use(self, id: str, used: builtins.list[str]) -> None:  # noqa: A002
        for other in used:
            from rootless.containers.users import note

            note(self._paths, other, id)

    def _abandon(self, id: str) -> None:  # noqa: A002 - the field's own word
        """Remove a container that was being made, if it was there already."""
        try:
            self._read(id).remove()
        except (Conflict, NotFound):
            pass

    def _gone(self, record: Record, used: builtins.list[str]) -> NotFound | None:
        """Return the error for what the stored record needs and what was removed meanwhile."""
        if not self._has_layers(record):
            return ImageGone(f"an image of {record['name']} was removed meanwhile")
        for other in used:
            from rootless.containers.users import is_there

            if not is_there(self._paths, other):
                what = f"container {other[:12]}, which {record['name']} needs,"
                return NotFound(f"{what} was removed meanwhile", "make that one again first")
        return None

    def _has_layers(self, record: Record) -> bool:
        """Whether the layers are still there, now that the stored record keeps `rmi` off them.

        `rmi` renames layers away and then looks for records, we look in the other order: one of
        us sees the other.
        """
        layers = [*record["layers"], *(layer for one in shown(record) for layer in one["layers"])]
        if all(map(os.path.isdir, layers)):
            return True
        from rootless.oci.blobs import locked

        with locked(self._paths.images):
            pass  # an rmi under way has ended, and has put back what our record names
        return all(map(os.path.isdir, layers))

    def _store(self, record: Record, *, replace: bool) -> int | None:
        """Write the record under its name; return its lock, None where the name is taken."""
        return self.objects.make(
            record["id"],
            stored(record),
            name=record["name"],
            durable=not record["rm"],
            replace=self._displace if replace else None,
        )

    def _displace(self, id: str) -> None:  # noqa: A002 - the field's own word
        try:
            self.get(id).remove(force=True)
        except NotFound:
            pass  # it went by itself

    def taken(self, name: str, *, replaceable: bool = True) -> Conflict:
        """Return the error for a name that another container has."""
        holder = self.objects.holder(name) or "another one"
        hint = "remove or rename that container, or choose another name"
        if replaceable:
            hint = (
                f"remove or rename that container, choose another name, or use {named('replace')}"
            )
        return Conflict(f'the container name "{name}" is already in use by {holder[:12]}', hint)

    def get(self, ref: str) -> Container:
        """Return the container of this name, id, or beginning of an id.

        Raises NotFound, Ambiguous, or StoreError for a damaged record.
        """
        return Container(self._paths, upgraded(self.objects.find(bare(ref))))

    def get_exec(self, id: str) -> Exec:  # noqa: A002 - the field's own word
        """Return the command of `exec` with this id, whatever its container. Raises NotFound."""
        from rootless.containers.running.execution import find
        from rootless.containers.running.sessions import container_of

        return find(self._read(container_of(self._paths, id)), id)

    def remove(
        self,
        ref: str,
        *,
        force: bool = False,
        volumes: bool = False,
        depend: bool = False,
        timeout: int | None = 0,
    ) -> list[str]:
        """Remove the container that `ref` means; with `force` also one with a damaged record.

        With `depend`, those first that need it. Returns the ids of what went, in this order.
        `timeout` is that of `Container.remove`. Raises what `get` and `Container.remove` raise.
        """
        gone = []
        try:
            found = self.get(ref)
            if depend:
                gone = self._remove_users(found.id, force=force, volumes=volumes, timeout=timeout)
        except StoreError:
            if not force:
                raise
            from rootless.containers.recovery import remove_damaged

            ref = bare(ref)
            id_ = self.objects.named(ref) or self.objects.full_id(ref)
            remove_damaged(self._paths, id_)
            return [id_]
        found.remove(force=force, volumes=volumes, timeout=timeout)
        return [*gone, found.id]

    def _remove_users(
        self,
        id: str,  # noqa: A002
        *,
        force: bool,
        volumes: bool,
        timeout: int | None,
    ) -> list[str]:
        from rootless.containers.users import users

        gone = []
        for user in users(self._paths, id):
            try:
                gone += self.remove(
                    user, force=force, volumes=volumes, depend=True, timeout=timeout
                )
            except NotFound:
                pass  # somebody else was faster
        return gone

    def _read(self, id: str) -> Container:  # noqa: A002 - the field's own word
        return Container(self._paths, upgraded(self.objects.read(id)))

    def rename(self, ref: str, name: str) -> None:
        """Call the container that `ref` means by another name.

        Raises what `get` raises, UsageError for what is no name, Conflict for one in use.
        """
        from rootless.containers.renaming import rename

        name = bare(name)
        if not rename(self.get(ref), name):
            raise self.taken(name, replaceable=False)

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
