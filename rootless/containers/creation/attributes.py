"""What goes with each line of a log: labels, variables and a tag, as docker's --log-opt names them.

docker writes them as "attrs" into a json-file, and as fields of their own into the journal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record

TAGS = ("ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName")
"""What a tag may have between {{. and }}."""


def attributes(record: Record) -> dict[str, str]:
    """Return them by their names; those of labels first, as docker has it."""
    options = record["log_options"]
    variables = dict(text.partition("=")[::2] for text in record["spec"]["process"]["env"])
    found = {}
    for option, known in (("labels", record["labels"]), ("env", variables)):
        names = {name for name in options.get(option, "").split(",") if name in known}
        if pattern := options.get(f"{option}-regex"):
            import re  # few want it

            names |= {name for name in known if re.search(pattern, name)}
        found.update({name: known[name] for name in sorted(names)})
    if "tag" in options:
        found["tag"] = tag(record)
    return found


def tag(record: Record) -> str:
    """Return the tag, the container's short id where none is asked for."""
    values = {
        "ID": record["id"][:12],
        "FullID": record["id"],
        "Name": record["name"],
        "ImageID": record["image_id"][:12],
        "ImageFullID": record["image_id"],
        "ImageName": record["image"],
        "DaemonName": "rootless",
    }
    text = record["log_options"].get("tag", values["ID"])
    first, *others = text.split("{{")
    for part in others:
        name, _, rest = part.partition("}}")
        first += values[name.strip().removeprefix(".")] + rest
    return first


def is_tag(text: str) -> bool:
    """Whether a tag has nothing between {{ and }} but what there is."""
    parts = [part.partition("}}") for part in text.split("{{")[1:]]
    return all(end and name.strip() in {f".{one}" for one in TAGS} for name, end, _ in parts)


def field_name(name: str) -> str:
    """Return the name of a field of the journal: upper-case letters, digits and underscores."""
    upper = "".join(one if one.isascii() and one.isalnum() else "_" for one in name.upper())
    return upper.lstrip("_")
