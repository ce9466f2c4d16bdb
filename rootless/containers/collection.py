"""The containers of a store: making, finding and listing them.

containers/<id>/          one container; the directory itself is its lock (flock)
containers/.names/<name>  a link whose text is the id: making it claims the name
containers/.new-<id>      one that is being made; locked by its maker
containers/.gone-<id>     one that is being removed
"""

from __future__ import annotations

import os

from rootless import trace
from rootless.containers.container import Container
from rootless.errors import Ambiguous, Conflict, NotFound, StoreError
from rootless.runtime.userns import removal
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from typing import Unpack

    from rootless.containers.options import CreateOptions, Record
    from rootless.containers.running.execution import Exec
    from rootless.engine import Engine
    from rootless.images.collection import Images
    from rootless.images.transfer.progress import Shown
    from rootless.images.transfer.sources import Choose

_HEX = frozenset("0123456789abcdef")


class Containers:
    """The containers of one store. Listing takes no lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._paths = engine.paths
        self.root = engine.paths.root
        """The data directory."""
        self.names_directory = f"{engine.paths.containers}/.names"
        """Holds a link for each name."""
        self.problems: list[StoreError] = []
        """Why `list` left some out."""
        self.progress: Shown | None = None
        """How a pull that `create` begins tells of its progress."""
        self.choose: Choose | None = None
        """Asks the user which image is meant by a short name that several registries may have."""
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
            found = self.images.resolve(
                image, pull=pull, platform=platform, progress=self.progress, choose=self.choose
            )
            if not platform and found.foreign:
                plan.notes.append(found.foreign)
        trace.mark("image found")
        while True:
            id = os.urandom(32).hex()  # noqa: A001 - the field's own word
            if not id[:12].isdecimal():  # a short id of digits alone could be taken for a number
                break
        directory = f"{self._paths.containers}/{id}"
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
        making = f"{self._paths.containers}/.new-{record['id']}"
        held = None
        try:
            held = _make_locked(making)
            if not record["rm"]:
                os.makedirs(self.names_directory, 0o700, exist_ok=True)
            records.write_record(making, "config.json", record, durable=not record["rm"])
            if not self.claim_name(record["name"], record["id"], replace=replace):
                removal.empty(self._paths, making)
                return False
            os.rename(making, f"{self._paths.containers}/{record['id']}")
            if not record["rm"]:
                records.sync_directory(self.names_directory)
                records.sync_directory(self._paths.containers)
        except OSError as error:
            removal.empty(self._paths, making)
            raise StoreError(
                f"cannot make a container in {self._paths.containers}: {error.strerror}",
                records.remedy(error),
            ) from error
        except BaseException:
            removal.empty(self._paths, making)
            raise
        finally:
            if held is not None:
                os.close(held)
        return True

    def claim_name(self, name: str, id: str, *, replace: bool = False) -> bool:  # noqa: A002
        """Take `name` for the container `id`; False where another one has it."""
        for _ in range(100):
            try:
                os.symlink(id, f"{self.names_directory}/{name}")
            except FileNotFoundError:
                os.makedirs(self.names_directory, 0o700, exist_ok=True)
                continue
            except FileExistsError:
                holder = self.holder(name, id)
                if holder is None:
                    continue
                if holder == id:
                    return True  # of a rename that was killed
                if not replace:
                    return False
                try:
                    self.get(holder).remove(force=True)
                except NotFound:
                    pass  # it went by itself
                continue
            return True
        return False

    def holder(self, name: str, claimer: str = "") -> str | None:
        """Return the id that has `name`; None, and the name is free, where it left it behind.

        `claimer` has the lock of its container, if it is there already.
        """
        path = f"{self.names_directory}/{name}"
        try:
            id = os.readlink(path)  # noqa: A001
        except OSError:
            return None
        base = self._paths.containers
        if os.path.isdir(f"{base}/{id}"):
            from rootless.containers.renaming import is_stale

            if id == claimer or not is_stale(f"{base}/{id}", name):
                return id
            self._free(name, id)
            return None
        try:
            held = records.lock(f"{base}/.new-{id}", wait=False)
        except OSError:
            held = -1
        if held is None:
            return id  # it is being made just now
        # Its maker or its remover was killed in between. Renaming, unlike unlinking, cannot hit
        # a claim that somebody made meanwhile without our seeing it.
        if held >= 0:
            os.close(held)
        if os.path.isdir(f"{base}/{id}"):
            return id  # it was finished between the two looks
        if held >= 0:
            removal.empty(self._paths, f"{base}/.new-{id}")
        self._free(name, id)
        return None

    def _free(self, name: str, id: str) -> None:  # noqa: A002 - the field's own word
        """Give up the name, if it still is that of `id`."""
        path = f"{self.names_directory}/{name}"
        aside = f"{self.names_directory}/.{os.urandom(6).hex()}"
        try:
            os.rename(path, aside)
            if os.readlink(aside) != id:
                os.rename(aside, path)
            else:
                os.unlink(aside)
        except OSError:
            pass  # somebody else was faster

    def taken(self, name: str) -> Conflict:
        """Return the error for a name that another container has."""
        holder = self.holder(name) or "another one"
        return Conflict(
            f'the container name "{name}" is already in use by {holder[:12]}',
            "remove or rename that container, choose another name, or use --replace",
        )

    def get(self, ref: str) -> Container:
        """Return the container of this name, id, or beginning of an id.

        Raises NotFound, Ambiguous, or StoreError for a damaged record.
        """
        if ref and "/" not in ref:
            if len(ref) == 64 and ref in self._ids():  # whoever has it as a name
                return self._read(ref)
            try:
                found = self._read(os.readlink(f"{self.names_directory}/{ref}"))
                if found.name == ref:
                    return found
                from rootless.containers.renaming import is_stale

                if not is_stale(found.directory, ref):
                    return found
            except (OSError, NotFound):
                pass  # no such name
            if set(ref) <= _HEX:
                return self._read(self._full_id(ref))
        raise NotFound(f"no such container: {ref}", "rootless ps -a lists what there is")

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

            try:
                id = os.readlink(f"{self.names_directory}/{ref}")  # noqa: A001
            except OSError:
                id = self._full_id(ref)  # noqa: A001
            remove_damaged(self._paths, id)
        else:
            found.remove(force=force, volumes=volumes)

    def _full_id(self, prefix: str) -> str:
        found = [one for one in self._ids() if one.startswith(prefix)]
        if len(found) > 1:
            raise Ambiguous(
                f"{prefix} is the beginning of {len(found)} container ids", "give more of it"
            )
        if not found:
            raise NotFound(f"no such container: {prefix}", "rootless ps -a lists what there is")
        return found[0]

    def _read(self, id: str) -> Container:  # noqa: A002 - the field's own word
        path = f"{self._paths.containers}/{id}/config.json"
        try:
            record: Record = records.read_record(path)
            if record["id"] == id and record["created"] > 0:
                return Container(self._paths, record)
        except FileNotFoundError:
            if not os.path.isdir(f"{self._paths.containers}/{id}"):
                raise NotFound(f"no such container: {id}") from None
        except (KeyError, TypeError):
            pass  # JSON, but not of ours
        raise StoreError(
            f"damaged record of container {id[:12]}: {path}", f"rootless rm -f {id[:12]} removes it"
        )

    def rename(self, ref: str, name: str) -> None:
        """Call the container that `ref` means by another name.

        Raises what `get` raises, UsageError for what is no name, Conflict for one in use.
        """
        from rootless.containers.renaming import rename

        rename(self, ref, name)

    def list(self) -> builtins.list[Container]:
        """Return all containers, newest first; `problems` says why others cannot be read."""
        found = []
        self.problems = []
        for id in self._ids(sweep=True):  # noqa: A001
            try:
                found.append(self._read(id))
            except NotFound:
                continue  # removed meanwhile
            except StoreError as error:
                self.problems.append(error)
        found.sort(key=lambda one: one.record["created"], reverse=True)
        return found

    def ids(self) -> builtins.list[str]:
        """Return the ids of all containers, those with damaged records as well."""
        return self._ids(sweep=True)

    def _ids(self, *, sweep: bool = False) -> builtins.list[str]:
        """Return all ids. With `sweep`, what killed processes left half made or removed goes."""
        try:
            names = os.listdir(self._paths.containers)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"cannot list the containers in {self._paths.containers}: {error.strerror}"
            ) from error
        if sweep and (left := [name for name in names if name[:1] == "." and name != ".names"]):
            from rootless.containers.recovery import sweep_up

            sweep_up(self._paths, left)
        found = [name for name in names if not name.startswith(".")]
        if sweep and len(self.names()) > len(found):
            from rootless.containers.recovery import free_names

            free_names(self, set(found))
        return found

    def names(self) -> builtins.list[str]:
        """Return the names of all containers, for completion: no record is read."""
        try:
            return sorted(
                name for name in os.listdir(self.names_directory) if not name.startswith(".")
            )
        except OSError:
            return []


def _make_locked(path: str) -> int:
    """Make the directory `path` and return its lock.

    Between the two, a listing may take it for one whose maker was killed, and sweep it up.
    """
    while True:
        os.mkdir(path, 0o700)
        try:
            held = records.lock(path)
        except FileNotFoundError:
            continue
        assert held is not None  # noqa: S101 - only without waiting
        if os.path.isdir(path):
            return held
        os.close(held)
