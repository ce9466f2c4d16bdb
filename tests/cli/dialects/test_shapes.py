"""What templates see as Go's types: structs, moments, spans of time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli.dialects import shapes
from rootless.cli.template import Template
from rootless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once

PODMAN = ("--dialect", "podman")
ZERO = "0001-01-01T00:00:00Z"

DOCUMENT: dict[str, Any] = {
    "Created": "2026-12-01T13:05:09.450000000Z",
    "Name": "web",
    "State": {"StartedAt": "2026-02-03T23:30:00.25+02:00", "FinishedAt": ZERO},
    "HostConfig": {
        "RestartPolicy": {"MaximumRetryCount": 3, "Name": "on-failure"},
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "LogConfig": {"Type": "json-file", "Config": {"a": "b"}, "Path": "/log", "Size": "0B"},
    },
    "Config": {"Healthcheck": {"Test": ["CMD", "a"], "Interval": 90_000_000_000}, "Labels": {}},
    "Mounts": [{"Type": "bind", "Source": "/a", "Destination": "/b", "Mode": "", "RW": True}],
    "NetworkSettings": {"Ports": {"80/tcp": None}},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{.Created}}", "2026-12-01 13:05:09.45 +0000 UTC"),
        ("{{.State.FinishedAt}} {{.State.FinishedAt.IsZero}}",
         "0001-01-01 00:00:00 +0000 UTC true"),
        ("{{.State.StartedAt}}", "2026-02-03 23:30:00.25 +0200 +0200"),
        ("{{.State.StartedAt.UTC}}", "2026-02-03 21:30:00.25 +0000 UTC"),
        ("{{.State.StartedAt.Unix}} {{.State.StartedAt.UnixMilli}}", "1770154200 1770154200250"),
        ("{{.State.StartedAt.Nanosecond}} {{.Created.IsZero}}", "250000000 false"),
        ("{{.Created.Year}} {{.Created.Month}} {{.Created.Day}}", "2026 December 1"),
        ("{{.Created.Weekday}} {{.Created.YearDay}} {{.Created.Hour}}", "Tuesday 335 13"),
        ('{{.Created.Format "2006-01-02T15:04:05Z07:00"}}', "2026-12-01T13:05:09Z"),
        ('{{.State.StartedAt.Format "Z07:00 -0700 MST"}}', "+02:00 +0200 +0200"),
        ('{{.Created.Format "Mon Jan _2 3:4:5.000 PM 06"}}', "Tue Dec  1 1:5:9.450 PM 26"),
        ('{{.Created.Format "02/1 Monday, January .99x"}}', "01/12 Tuesday, December .45x"),
        ("{{json .Created}}", '"2026-12-01T13:05:09.450000000Z"'),
        ("{{.HostConfig.RestartPolicy}}", "{on-failure 3}"),
        ("{{.HostConfig.RestartPolicy.Name}}", "on-failure"),
        ('{{printf "%v %+v" .HostConfig.RestartPolicy .HostConfig.RestartPolicy}}',
         "&{on-failure 3} &{Name:on-failure MaximumRetryCount:3}"),
        ("{{json .HostConfig.RestartPolicy}}", '{"MaximumRetryCount":3,"Name":"on-failure"}'),
        ("{{.HostConfig.PortBindings}} {{.NetworkSettings.Ports}}",
         "map[80/tcp:[{ 8080}]] map[80/tcp:<nil>]"),
        ("{{.HostConfig.LogConfig}}", "{json-file map[a:b] /log  0B}"),
        ("{{.Config.Healthcheck}}", "{[CMD a] 0s 1m30s 0s 0}"),
        ("{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Interval.Seconds}}", "1m30s 90"),
        ("{{.Mounts}}", "[{bind  /a /b    true }]"),
        ("{{range .Mounts}}{{.Source}}{{end}}", "/a"),
        ('{{printf "%T %T %T" .Created .HostConfig.RestartPolicy .Config.Healthcheck.Interval}}',
         "time.Time *define.InspectRestartPolicy time.Duration"),
        ('{{printf "%T %T %T" .Mounts .HostConfig.PortBindings .Config.Labels}}',
         "[]define.InspectMount map[string][]define.InspectHostPort map[string]string"),
    ],
)  # fmt: skip
def test_podmans_types(source: str, expected: str) -> None:
    """As podman 4.3.1 prints them. A terminal is shown the same."""
    shaped = shapes.podman(DOCUMENT)
    assert Template(source).render(shaped) == expected
    assert Template(source).render(shaped, guarded=True) == expected
    assert json.loads(json.dumps(shaped)) == DOCUMENT


def test_dockers_types() -> None:
    """Its moments are texts, and its log has no path."""
    shaped = shapes.docker(DOCUMENT)
    for source, expected in (
        ("{{.Created}}", "2026-12-01T13:05:09.450000000Z"),
        ("{{.HostConfig.RestartPolicy}}", "{on-failure 3}"),
        ("{{.HostConfig.LogConfig}}", "{json-file map[a:b]}"),
        ("{{.Mounts}}", "[{bind  /a /b   true }]"),
        ('{{printf "%T %v" .HostConfig.RestartPolicy .HostConfig.RestartPolicy}}',
         "container.RestartPolicy {on-failure 3}"),
    ):  # fmt: skip
        assert Template(source).render(shaped) == expected


def test_what_is_no_moment_stays_text() -> None:
    shaped = shapes.podman({"Created": "yesterday\x1b[31m"})
    assert Template("{{.Created}}").render(shaped, guarded=True) == "yesterday\\x1b[31m"
    with pytest.raises(UsageError, match="no field 'Year'"):
        Template("{{.Created.Year}}").render(shaped)
    with pytest.raises(UsageError, match="no field 'Century'"):
        Template("{{.Created.Century}}").render(shapes.podman(DOCUMENT))


@pytest.fixture(scope="module")
def labelled(shared: Store) -> Iterator[Store]:
    """A store where `web` runs, with labels, a volume and a check, and `new` does not."""
    check = ("--health-cmd", "true", "--health-interval", "disable")
    volumes = ("-v", "/data", "-v", "vol:/vol", "-v", "/etc:/e:ro")
    words = ("-l", "a=b", "-l", "c=d", "--restart", "on-failure:3", *check, *volumes)
    shared.ok("run", "-d", "--name", "web", *words, "busybox", "sleep", "1000")
    shared.ok("create", "--name", "new", "--health-cmd", "true", "busybox", "true")
    yield shared
    shared.ok("rm", "-fv", "web", "new")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{{.Labels.a}} {{index .Labels "c"}} {{.Labels}}', "b d map[a:b c:d]"),
        ("{{json .Labels}} {{.Labels.none}}", '{"a":"b","c":"d"} <no value>'),
        ("{{range $key, $value := .Labels}}{{$key}}={{$value}};{{end}}", "a=b;c=d;"),
        ("{{.Mounts}}{{range .Mounts}} {{.}}{{end}}", "[/data /vol /e] /data /vol /e"),
        ("[{{.Networks}}]", "[]"),
        ("{{.Created.Year}}", "2"),
        ("table {{.Names}}", "web"),
    ],
)
def test_rows_of_podmans_ps(labelled: Store, source: str, expected: str) -> None:
    line = (*PODMAN, "ps", "--noheading", "--filter", "name=web", "--format", source)
    shown = labelled.ok(*line)
    assert shown == expected or (expected == "2" and shown.startswith("20"))


def test_a_moment_of_a_row(labelled: Store) -> None:
    show = ("ps", "--filter", "name=web", "--format")
    unix, text = labelled.ok(*PODMAN, *show, "{{.Created.Unix}}|{{.Created}}").split("|")
    known = json.loads(labelled.ok(*PODMAN, *show, "json"))[0]["Created"]
    assert int(unix) == known
    assert text[:19] == labelled.ok(*PODMAN, *show, "{{.CreatedAt}}")[:19]
    assert labelled.ok(*show, "{{.Labels}} {{.Mounts}}").startswith("a=b,c=d ")


@pytest.mark.parametrize("dialect", ["docker", "podman"])
def test_tables_without_headings(labelled: Store, dialect: str) -> None:
    line = ("--dialect", dialect)
    names = labelled.ok(*line, "ps", "-a", "--noheading", "--format", "table {{.Names}}").split()
    assert sorted(names) == ["new", "web"]
    images = labelled.ok(*line, "images", "--noheading", "--format", "table {{.Tag}}")
    assert images == "latest"
    whole = labelled.ok(*line, "ps", "--format", "table").splitlines()
    assert whole[0].split()[:2] == ["CONTAINER", "ID"]
    assert whole[1].split()[-1] == "web"


def test_mounts_and_checks_of_podmans_inspect(labelled: Store) -> None:
    web, new = json.loads(labelled.ok(*PODMAN, "inspect", "web", "new"))
    usual = {"Timeout": 30_000_000_000, "Retries": 3, "Test": ["CMD-SHELL", "true"]}
    assert web["Config"]["Healthcheck"] == {**usual, "Interval": 0}
    assert new["Config"]["Healthcheck"] == {**usual, "Interval": 30_000_000_000}
    data, vol, etc = web["Mounts"]
    assert [one["Propagation"] for one in (data, vol, etc)] == ["rprivate"] * 3
    assert [one["Options"] for one in (data, vol, etc)] == [["rbind"]] * 3
    assert (vol["Mode"], etc["Mode"], etc["RW"]) == ("", "", False)
    assert web["HostConfig"]["Binds"] == [
        f"{data['Name']}:/data:rw,rprivate,rbind",
        "vol:/vol:rw,rprivate,rbind",
        "/etc:/e:ro,rprivate,rbind",
    ]
    docker = json.loads(labelled.ok("inspect", "web"))[0]
    assert docker["HostConfig"]["Binds"] == ["vol:/vol", "/etc:/e:ro"]
    assert docker["Config"]["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 0}


def test_what_podman_says_of_health(labelled: Store) -> None:
    show = ("ps", "--filter", "name=web", "--format", "{{.Status}}")
    assert labelled.ok(*PODMAN, *show).endswith(" ago (starting)")
    assert labelled.ok(*show).endswith(" (health: starting)")
    labelled.ok("healthcheck", "run", "web")
    assert labelled.ok(*PODMAN, *show).endswith(" ago (healthy)")
    assert json.loads(labelled.ok(*PODMAN, "ps", "--format", "json"))[0]["Status"].endswith(
        " ago (healthy)"
    )
    labelled.ok("pause", "web")
    assert labelled.ok(*PODMAN, *show) == "Paused"
    assert labelled.ok(*show).endswith(" (Paused)")
    labelled.ok("unpause", "web")
