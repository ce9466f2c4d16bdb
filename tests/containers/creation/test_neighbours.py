"""What a new container has of others: volumes, and links in a network that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import etc, networks
from rootless.containers.creation.create import Neighbours
from rootless.containers.creation.neighbours import look
from rootless.containers.request import attachment, request
from rootless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.record import Record

    Composed = Callable[..., Record]

pytestmark = pytest.mark.once


def near(others: dict[str, Record], **fields: Any) -> Neighbours:
    """Return what a container has of `others`."""
    wanted = request("x", **fields)
    found = Neighbours(networks.resolved(wanted["networks"], lambda name: others[name]["id"]))
    look(found, wanted, lambda name: others[name])
    return found


def shown(found: Neighbours) -> list[tuple[str, str, bool]]:
    """Return where what is lent comes from and goes to, and whether it may be written."""
    return [(item["source"], item["destination"], item["rw"]) for item in found.volumes]


def test_volumes_of_others(composed: Composed) -> None:
    """Later ones win; what was read-only stays so; docker's --tmpfs is not lent."""
    one = composed(volume=["/tmp:/a", "/etc:/b:ro", "v:/c:U"], tmpfs=["/t"])
    two = composed(volume=["/usr:/a"], mount=["type=tmpfs,dst=/m"])
    wish = [{"container": "one", "ro": False}, {"container": "two", "ro": True}]
    found = near({"one": one, "two": two}, volumes_from=wish)
    source = one["volumes"][2]["source"]
    assert shown(found) == [
        ("/usr", "/a", False),
        ("/etc", "/b", False),
        (source, "/c", True),
        ("", "/m", False),
    ]
    bind, _, volume, memory = found.volumes
    assert bind["options"] == ["rbind", "rprivate", "ro", "rro"]
    assert (volume["copy_up"], volume["chown"], volume["name"]) == (False, False, "v")
    assert memory["options"] == ["nosuid", "nodev", "ro"]


def test_a_link_within_one_network(composed: Composed) -> None:
    db = composed(
        image={
            "Cmd": ["x"],
            "ExposedPorts": {"5432/tcp": {}, "53/udp": {}},
            "Env": ["A=b", "PATH=x"],
        },
        name="db",
        expose=["80"],
    )
    link = [{"container": "db", "alias": "my-db"}]
    found = near(
        {"db": db, db["id"]: db},
        links=link,
        networks=[attachment("container", "db")],
        name="web",
    )
    assert found.hosts == [["127.0.0.1", "my-db", db["id"][:12], "db"]]
    told = dict(found.environment)
    assert told["MY_DB_NAME"] == "/web/my-db"
    assert told["MY_DB_PORT"] == "tcp://127.0.0.1:80"
    assert told["MY_DB_PORT_5432_TCP"] == "tcp://127.0.0.1:5432"
    parts = [told[f"MY_DB_PORT_53_UDP_{part}"] for part in ("ADDR", "PORT", "PROTO")]
    assert parts == ["127.0.0.1", "53", "udp"]
    assert told["MY_DB_ENV_A"] == "b"
    assert "MY_DB_ENV_PATH" not in told


@pytest.mark.parametrize(
    ("ours", "theirs", "linked"),
    [
        ("host", "host", True),
        ("ns:/run/x", "ns:/run/x", True),
        ("ns:/run/x", "ns:/run/y", False),
        ("container:other", "", True),
        ("", "", False),
        ("host", "", False),
        ("none", "none", False),
    ],
)
def test_networks_in_common(composed: Composed, ours: str, theirs: str, linked: bool) -> None:
    """Each has its own unless both are told otherwise."""
    other = composed(name="other", network=[theirs])
    kind, _, name = ours.partition(":")
    wanted = [attachment(kind, name)] if kind else []  # type: ignore[arg-type]
    link = [{"container": "other", "alias": "o"}]
    others = {"other": other, other["id"]: other}
    if linked:
        assert near(others, links=link, networks=wanted).hosts
        return
    with pytest.raises(UsageError, match="there is no network in common"):
        near(others, links=link, networks=wanted)


@pytest.mark.parametrize(
    ("way", "kinds"),
    [("", ["volume"]), ("anonymous", ["volume"]), ("tmpfs", ["tmpfs"]), ("ignore", [])],
)
def test_the_images_volumes(composed: Composed, way: str, kinds: list[str]) -> None:
    image = {"Cmd": ["x"], "Volumes": {"/data": {}, "/mine": {}}}
    record = composed(image=image, tmpfs=["/mine"], image_volume=way)
    found = [item for item in record["volumes"] if item["destination"] == "/data"]
    assert [item["type"] for item in found] == kinds
    if kinds == ["tmpfs"]:
        assert "tmpcopyup" in found[0]["options"]


def test_hosts_has_links_first(composed: Composed) -> None:
    record = composed(add_host=["a:1.2.3.4"])
    record["hosts"] = [["127.0.0.1", "db"], *record["hosts"]]
    lines = etc.hosts(record).splitlines()
    assert lines.index("127.0.0.1\tdb") < lines.index("1.2.3.4\ta")
