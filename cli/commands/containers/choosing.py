"""Which containers a command is about: those named, and those that its options mean."""

from __future__ import annotations

from rootless.errors import NotFound, StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def some(
    engine: Engine,
    given: list[str] | None,
    which: opt.Which,
    *,
    running: bool = False,
    ignore: bool = False,
) -> list[str]:
    """Return the containers that are meant, as the user typed them, or their ids.

    Filters choose among those named, or among all; with `running` only those that run are meant
    where none is named. With `ignore` files that have gone do not matter, but they were named:
    where there is no other they mean no container, whatever fits the filters.
    """
    filters, latest = which.get("filter"), which.get("latest", False)
    files = which.get("cidfile") or []
    names = [*(given or []), *_read(files, ignore=ignore)]
    if which.get("all") or latest:
        if names or files:
            raise UsageError("names and --all or --latest contradict each other")
        if latest:
            return [_latest(engine)]
    elif names:
        if len(names) > 1 and not ignore:
            all_there(engine, names)
        return _fitting(engine, names, filters) if filters else names
    elif files:
        return []  # with --ignore: they have gone
    elif not filters:
        raise UsageError("which container?", "name one, or say --all")
    found = engine.containers.list()
    if filters:
        fit = _fit(engine, filters)
        found = [one for one in found if one.id in fit]
    return [one.id for one in found if not running or one.state().active]


def all_there(engine: Engine, names: list[str]) -> None:
    """Raise NotFound for the first that is not there, where the dialect does all or nothing."""
    from rootless.cli.dialects import choice

    if choice.current().all_or_none:
        for name in names:
            try:
                engine.containers.get(name)
            except StoreError:
                pass  # it is there, and the command tells what is wrong with it


def named(
    engine: Engine, given: list[str] | None, which: opt.Named, *, ignore: bool = False
) -> list[str]:
    """Return the containers that are named, by their files as well, or the latest."""
    names = [*(given or []), *_read(which.get("cidfile") or [])]
    if which.get("latest"):
        if names:
            raise UsageError("names and --latest contradict each other")
        return [_latest(engine)]
    if not names:
        raise UsageError("which container?", "name one, or say --latest")
    if len(names) > 1 and not ignore:
        all_there(engine, names)
    return names


def one(engine: Engine, name: str, *, latest: bool) -> str:
    """Return the one container that is meant."""
    return named(engine, [name] if name else None, {"latest": latest})[0]


def shifted(
    engine: Engine, first: str, rest: list[str] | None, *, latest: bool, cidfile: str = ""
) -> tuple[str, list[str]]:
    """Return the container, and what else was said: all, where options name the container."""
    if latest or cidfile:
        names = named(engine, None, {"latest": latest, "cidfile": [cidfile] if cidfile else []})
        return names[0], [*([first] if first else []), *(rest or [])]
    return one(engine, first, latest=False), rest or []


def _latest(engine: Engine) -> str:
    found = engine.containers.list()
    if not found:
        raise NotFound("there is no container yet", "--latest is the one made last")
    return found[0].id


def _read(files: list[str], *, ignore: bool = False) -> list[str]:
    """Return the ids in files that `run --cidfile` has written."""
    found = []
    for name in files:
        try:
            with open(name, encoding="utf-8", errors="surrogateescape") as file:
                id_ = file.read(4096).strip()
        except FileNotFoundError as error:
            if ignore:
                continue
            raise UsageError(f"--cidfile {name}: {error.strerror}") from error
        except OSError as error:
            raise UsageError(f"--cidfile {name}: {error.strerror}") from error
        if not id_:
            raise UsageError(f"--cidfile {name}: there is no id in it")
        found.append(id_)
    return found


def _fitting(engine: Engine, names: list[str], filters: list[str]) -> list[str]:
    """Return those of `names` that fit; one that there is not is left for the command to tell."""
    fit = _fit(engine, filters)
    found = []
    for name in names:
        try:
            if engine.containers.get(name).id not in fit:
                continue
        except NotFound:
            pass
        found.append(name)
    return found


def _fit(engine: Engine, filters: list[str]) -> set[str]:
    """Return the ids of the containers that fit."""
    from rootless.cli.teller import Teller
    from rootless.containers.filters import Filters
    from rootless.containers.summary import listed

    every = listed(engine.containers.list(), Teller())
    fitting = Filters(filters, engine.containers, engine.images).keep(every)
    return {each.record["id"] for each in fitting}
