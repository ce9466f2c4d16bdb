"""The filters of listings of images, and of what removes some of many."""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.images.summary import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.images.image import Image


def filtered(
    images: Finder, found: list[Image], filters: list[str]
) -> list[tuple[Image, list[str]]]:
    """Return images with those of their names that fit."""
    kept = [(image, image.names) for image in found]
    patterns = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"invalid filter {text!r}", "write it as KEY=VALUE")
        if key == "reference":
            patterns.append(value)
        else:
            test = _test(images, key, value)
            kept = [(image, names) for image, names in kept if test(image)]
    if patterns:
        kept = [(i, [n for n in names if any(_fits(n, p) for p in patterns)]) for i, names in kept]
        kept = [(image, names) for image, names in kept if names]
    return kept


def _test(images: Finder, key: str, value: str) -> Any:
    if key in ("dangling", "readonly", "containers"):
        return _yes_or_no(images, key, value)
    if key in ("label", "label!"):
        name, equals, text = value.partition("=")
        wanted = key == "label"
        return lambda image: (
            wanted == (_label(image, name) == text if equals else _label(image, name) is not None)
        )
    if key == "id":
        return lambda image: image.id.startswith(value.removeprefix("sha256:"))
    if key == "until":
        from rootless import times

        moment = times.moment(value)
        return lambda image: image.created < moment
    if key in ("before", "since", "after"):
        limit = images.get(value).created
        if key == "before":
            return lambda image: image.created < limit
        return lambda image: image.created > limit
    known = "before, containers, dangling, id, label, label!, readonly, reference, since, until"
    raise UsageError(f"invalid filter {key!r}", f"one of {known}")


def _yes_or_no(images: Finder, key: str, value: str) -> Any:
    if value not in ("true", "false", "1", "0"):
        raise UsageError(f"invalid filter {key}={value}", "true or false")
    wanted = value in ("true", "1")
    if key == "dangling":
        return lambda image: (not image.names) == wanted
    if key == "readonly":
        return lambda image: image.readonly == wanted
    from rootless.images.removing import containers, image_ids

    used = {one for record in containers(images.paths) for one in image_ids(record)}
    return lambda image: (not used.isdisjoint(image.ids)) == wanted


def _label(image: Image, name: str) -> str | None:
    labels = image.config.get("config", {}).get("Labels") or {}
    value = labels.get(name)
    return None if value is None else str(value)


def _fits(name: str, pattern: str) -> bool:
    """Whether a full name fits docker's pattern: familiar or full, with or without a tag."""
    repository, tag = split(name)
    bare = repository.removeprefix("localhost/")  # podman's name for what no registry has
    forms = [
        repository,
        f"{repository}:{tag}",
        name,
        name.rpartition(":")[0],
        bare,
        f"{bare}:{tag}",
    ]
    if not set("*?[") & set(pattern):
        return pattern in forms or pattern.removeprefix("docker.io/") in forms
    from fnmatch import fnmatchcase

    slashes = pattern.count("/")
    return any(fnmatchcase(form, pattern) for form in forms if form.count("/") == slashes)
