"""The commands end to end: what they print, in docker's shape."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def three(shared: Store) -> Iterator[Store]:
    """A store with three containers: one runs, one has ended, one was only created."""
    shared.ok(
        "run", "-d", "--name", "up", "-l", "tier=web", "-l", "a.b=c d", "host", "sleep", "100"
    )
    shared.ok(
        "create", "--name", "new", "-l", "tier=db", "host", "echo", "a very long command line"
    )
    shared("run", "--name", "down", "busybox", "sh", "-c", "exit 3")
    yield shared
    shared.ok("rm", "-fa")


def names(store: Store, *args: str) -> list[str]:
    return store.ok("ps", "--format", "{{.Names}}", *args).split()


def test_ps_has_dockers_columns(three: Store) -> None:
    first, *rows = three.ok("ps", "-a").splitlines()
    assert first.split("   ")[0] == "CONTAINER ID"
    assert first.replace("CONTAINER ID", "ID").split() == (
        ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    )
    for column in ("IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"):
        assert all(row[first.index(column) - 1] == " " for row in rows)
        assert all(row[first.index(column)] != " " for row in rows)
    assert [row.split()[-1] for row in rows] == ["down", "new", "up"]  # newest first
    assert "Exited (3) " in rows[0]
    assert "Created" in rows[1]
    assert '"echo a very long co…"' in rows[1]
    assert "Up " in rows[2]


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "en_US.ISO-8859-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
    ],
)
def test_old_locales_change_nothing(three: Store, env: dict[str, str]) -> None:
    for line in (["ps", "-a"], ["image", "tree", "busybox"], ["inspect", "new"], ["ps", "--help"]):
        odd, usual = (three(*line, env=each, text=False).stdout for each in (env, {}))
        shown = [text.decode().split() for text in (odd, usual)]
        assert line == ["ps", "-a"] or shown[0] == shown[1]
        assert line != ["ps", "-a"] or "co…" in odd.decode()
    made = three("run", "--rm", "-l", "a=ü", "-e", "B=ü", "host", "printenv", "B", env=env)
    assert made.stdout == "ü\n"


def test_ps_shows_what_runs_unless_asked(three: Store) -> None:
    assert names(three) == ["up"]
    assert names(three, "-a") == ["down", "new", "up"]
    assert names(three, "-l") == ["down"]
    assert names(three, "-n", "2") == ["down", "new"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("status=exited", "down"),
        ("status=exited status=created", "down new"),
        ("exited=3", "down"),
        ("exited=4", ""),
        ("name=w", "down new"),
        ("name=^w", ""),
        ("name=^(up|new)$", "new up"),
        ("label=tier", "new up"),
        ("label=tier=web", "up"),
        ("label=tier label=a.b=c d", "up"),
        ("ancestor=busybox", "down"),
        ("ancestor=nothing", ""),
        ("before=down", "new up"),
        ("since=up", "down new"),
        ("name=up status=exited", ""),
    ],
)
def test_filters(three: Store, filters: str, expected: str) -> None:
    args = [
        f"--filter={text}"
        for text in filters.replace(" label", ";label").replace(" status", ";status").split(";")
    ]
    assert names(three, "-a", *args) == expected.split()


def test_ids(three: Store) -> None:
    full = three.ok("ps", "-aq", "--no-trunc").split()
    assert [len(each) for each in full] == [64] * 3
    assert three.ok("ps", "-aq").split() == [each[:12] for each in full]
    assert three.ok("inspect", "-f", "{{.Name}}", full[2][:10]) == "/up"


def test_json_is_an_object_a_line(three: Store) -> None:
    rows = [json.loads(line) for line in three.ok("ps", "-a", "--format", "json").splitlines()]
    assert [row["Names"] for row in rows] == ["down", "new", "up"]
    assert rows[2]["State"] == "running"
    assert rows[2]["Labels"] == "a.b=c d,tier=web"
    assert rows[0]["Command"] == "\"sh -c 'exit 3'\"".replace("'", "")
    # The same as {{json .}}, of which the ages may differ by now.
    first = three.ok("ps", "-a", "--format", "{{json .}}").splitlines()[0]
    assert list(json.loads(first)) == sorted(rows[0])
    assert json.loads(first)["ID"] == rows[0]["ID"]


def test_templates_in_tables(three: Store) -> None:
    text = three.ok("ps", "--format", 'table {{.Names}}\\t{{.Label "tier"}}\\t{{.State}}')
    assert text.splitlines() == ["NAMES     TIER      STATE", "up        web       running"]


def test_sizes_are_shown_when_asked(three: Store) -> None:
    assert three.ok("ps", "-s").splitlines()[0].endswith("SIZE")
    assert "(virtual " in three.ok("ps", "--format", "{{.Size}}")


def test_inspect_is_one_array(three: Store) -> None:
    documents = json.loads(three.ok("inspect", "up", "busybox"))
    assert documents[0]["State"]["Status"] == "running"
    assert documents[1]["RepoTags"] == ["localhost/busybox:latest"]
    assert documents[1]["RootFS"]["Layers"][0].startswith("sha256:")
    assert three.ok("inspect", "-f", "{{.State.ExitCode}} {{.State.Status}}", "down", "up") == (
        "3 exited\n0 running"
    )
    assert three.ok("inspect", "--format", "{{json .Config.Labels}}", "up") == (
        '{"tier":"web","a.b":"c d"}'
    )
    assert three("inspect", "--type", "image", "up").returncode == 1
    assert three("image", "inspect", "up").returncode == 1
    assert three("container", "inspect", "busybox").returncode == 1
    assert json.loads(three.ok("container", "inspect", "up", "-s"))[0]["SizeRootFs"] >= 0


def test_images_has_dockers_columns(shared: Store) -> None:
    first, row = shared.ok("images").splitlines()
    assert first.replace("IMAGE ID", "ID").split() == ["REPOSITORY", "TAG", "ID", "CREATED", "SIZE"]
    repository, tag, short, *_, size = row.split()
    assert (repository, tag, len(short)) == ("localhost/busybox", "latest", 12)
    assert size.endswith("MB")
    assert shared.ok("images", "-q") == short
    assert shared.ok("images", "-q", "--no-trunc").startswith(f"sha256:{short}")
    (document,) = [json.loads(each) for each in shared.ok("images", "--format=json").splitlines()]
    assert (document["ID"], document["Size"]) == (short, size)
    assert "DIGEST" in shared.ok("images", "--digests").splitlines()[0]


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["busybox"], 1),
        (["busybox:latest"], 1),
        (["busybox:1"], 0),
        (["busy*"], 1),
        (["--filter=reference=*box:lat*"], 1),
        (["docker.io/library/busybox"], 0),
        (["--filter=dangling=true"], 0),
        (["--filter=dangling=false"], 1),
        (["--filter=label=none"], 0),
        (["--filter=before=busybox"], 0),
    ],
)
def test_images_filters(shared: Store, args: list[str], found: int) -> None:
    assert len(shared.ok("images", "-q", *args).split()) == found


def test_tag_and_rmi(busybox: Store) -> None:
    busybox.ok("tag", "busybox", "one:1", "localhost/two")
    tags = busybox.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(tags) == ["localhost/busybox:latest", "localhost/two:latest", "one:1"]
    assert busybox.ok("rmi", "one:1").startswith("Untagged: ")
    done = busybox("rmi", "nothing", "localhost/two")
    assert done.returncode == 1
    assert "No such image: nothing" in done.stderr
    assert "Untagged: " in done.stdout
    busybox.ok("rmi", "-a")
    assert busybox.ok("images", "-q") == ""


def test_save_and_load(busybox: Store, tmp_path: Path) -> None:
    archive = str(tmp_path / "image.tar")
    busybox.ok("save", "-o", archive, "busybox")
    busybox.ok("rmi", "busybox")
    assert busybox.ok("load", "-i", archive) == "Loaded image: localhost/busybox:latest"
    saved = busybox("save", "busybox", text=False)
    assert saved.returncode == 0
    busybox.ok("rmi", "busybox")
    loaded = busybox("load", text=False, input=saved.stdout)
    assert loaded.stdout == b"Loaded image: localhost/busybox:latest\n", loaded.stderr


def test_import(cli: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    archive = str(tmp_path / "tree.tar")
    subprocess.run(["tar", "-cf", archive, "-C", str(tmp_path), "file"], check=True)
    printed = cli.ok("import", "-c", 'CMD ["/file"]', "-c", "ENV A=1", archive, "localhost/tree:1")
    assert cli.ok(
        "inspect", "-f", "{{.Id}} {{.Config.Cmd}} {{.Config.Env}}", "localhost/tree:1"
    ) == (f"{printed} [/file] [A=1]")


def test_run_prints_and_ends_as_the_command_does(cli: Store) -> None:
    done = cli("run", "--rm", "-i", "host", "sh", "-c", "cat; echo err >&2; exit 7", input="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "err\n")
    assert cli("run", "--rm", "host", "no-such-command").returncode == 127
    assert cli("run", "--rm", "host", "/etc/passwd").returncode == 126
    # Without --init the command is pid 1, which the kernel shields from signals from within.
    assert cli("run", "--rm", "--init", "host", "sh", "-c", "kill -9 $$").returncode == 137
    assert cli.ok("ps", "-aq") == ""


def test_cidfile(cli: Store, tmp_path: Path) -> None:
    path = tmp_path / "cid"
    printed = cli.ok("run", "-d", "--cidfile", str(path), "host", "true")
    assert path.read_text() == printed
    done = cli("run", "--cidfile", str(path), "host", "true")
    assert done.returncode == 125
    assert done.stderr.startswith("Error: container ID file found")
    missing = str(tmp_path / "none/cid")
    assert cli("run", "--cidfile", missing, "host", "true").returncode == 125
    other = tmp_path / "other"
    assert (
        cli("run", "--cidfile", str(other), "--network", "bogus", "host", "true").returncode == 125
    )
    assert not other.exists()
    assert len(cli.ok("ps", "-aq").split()) == 1


def test_lifecycle_prints_what_was_typed(cli: Store) -> None:
    full = cli.ok("create", "--name", "box", "host", "sleep", "100")
    assert len(full) == 64
    assert cli.ok("start", "box", full[:12]) == f"box\n{full[:12]}"
    done = cli("rm", "box")
    assert done.returncode == 1
    assert "running" in done.stderr
    assert cli.ok("kill", full[:6]) == full[:6]
    assert cli.ok("wait", "box") == "137"
    assert cli.ok("start", "box") == "box"
    assert cli.ok("stop", "-t", "0", "--all") == full
    assert cli.ok("wait", "box") == "137"
    assert cli("kill", "box").returncode == 1
    assert cli.ok("rm", "box") == "box"


def test_start_attached_ends_as_the_command_does(cli: Store) -> None:
    cli.ok("create", "--name", "box", "host", "sh", "-c", "echo out; exit 5")
    done = cli("start", "-a", "box")
    assert (done.returncode, done.stdout) == (5, "out\n")


def test_exec_makes_no_directory(three: Store) -> None:
    """The files of a container that runs are its own; `run -w` makes one, as docker's."""
    done = three("exec", "-w", "/tmp/none/below", "up", "pwd")
    assert (done.returncode, done.stdout) == (127, "")
    assert "the working directory /tmp/none/below does not exist" in done.stderr
    assert three("exec", "up", "ls", "/tmp/none").returncode == 2
    assert three("exec", "-w", "/etc/passwd", "up", "pwd").returncode == 127
    assert three.ok("run", "--rm", "-w", "/tmp/none/below", "host", "pwd") == "/tmp/none/below"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rename new up", "remove or rename that container, or choose another name"),
        ("run --device /etc/passwd host true", "--device: /etc/passwd is no device"),
        ("run --pull always localhost/busybox true", "so it cannot be pulled anew"),
        ("run --pull always localhost/nothing true", "it is to be had from no registry"),
        ("pull --platform bogus localhost/busybox", "invalid platform 'bogus': there is no such"),
    ],
)
def test_what_is_said_names_what_can_be_done(three: Store, line: str, said: str) -> None:
    done = three(*line.split())
    assert done.returncode in (1, 125)
    assert said in done.stderr
    assert "--replace" not in done.stderr


def test_files_of_variables_are_named_with_the_line(cli: Store, tmp_path: Path) -> None:
    (tmp_path / "e").write_text("# first\nA=1\nB C\n")
    (tmp_path / "l").write_text("a=1\n\n=b\n")
    done = cli("run", "--env-file", str(tmp_path / "e"), "host", "true")
    assert f"--env-file {tmp_path}/e, line 3: invalid variable 'B C'" in done.stderr
    done = cli("run", "--label-file", str(tmp_path / "l"), "host", "true")
    assert f"--label-file {tmp_path}/l, line 3" in done.stderr


def test_a_directory_that_has_gone_is_named(cli: Store, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    script = f'mkdir {gone}; cd {gone}; rmdir {gone}; exec "$@" run --rm -v .:/w host true'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *cli.command], env=cli.env, capture_output=True, text=True
    )
    assert done.returncode == 125
    assert done.stderr.startswith("Error: the current directory: No such file or directory")


def test_exec(three: Store) -> None:
    assert three.ok("exec", "-e", "A=b c", "-w", "/etc", "up", "sh", "-c", "pwd; echo $A") == (
        "/etc\nb c"
    )
    assert three("exec", "up", "sh", "-c", "exit 4").returncode == 4
    assert three("exec", "up", "no-such-command").returncode == 127
    assert three("exec", "-i", "up", "cat", input="in").stdout == "in"
    assert three("exec", "down", "true").returncode == 1


def test_logs(cli: Store) -> None:
    script = "for i in 1 2 3; do echo $i; done; echo e >&2"
    cli("run", "--name", "box", "host", "sh", "-c", script)
    done = cli("logs", "box")
    assert (done.stdout, done.stderr) == ("1\n2\n3\n", "e\n")
    done = cli("logs", "-n", "2", "box")
    assert (done.stdout, done.stderr) == ("3\n", "e\n")
    assert cli.ok("logs", "--tail=0", "box") == ""
    assert cli.ok("logs", "--since", "1h", "box") == "1\n2\n3"
    assert cli.ok("logs", "--until", "1h", "box") == ""
    assert cli.ok("logs", "-t", "box").splitlines()[0].split()[0][4] == "-"
    assert cli.ok("logs", "-f", "box") == "1\n2\n3"
    assert cli("logs", "--tail", "some", "box").returncode == 1


@pytest.mark.each
def test_unshare(cli: Store) -> None:
    assert cli.ok("unshare", "id", "-u") == "0"
    assert cli("unshare", "sh", "-c", "exit 3").returncode == 3
    assert cli("unshare", "no-such-command").returncode == 127
    assert cli("unshare", "/etc/passwd").returncode == 126


def test_info(cli: Store, in_user_mode: str) -> None:
    facts = json.loads(cli.ok("info", "--format", "json"))
    assert facts["DockerRootDir"] == cli.root
    assert facts["Rootless"]["Mode"] == in_user_mode
    assert cli.ok("info", "-f", "{{.Rootless.Mode}}") == in_user_mode
    assert f" Docker Root Dir: {cli.root}\n" in cli.ok("info")


@pytest.mark.each
def test_doctor(cli: Store) -> None:
    done = cli("doctor", "--json")
    assert done.returncode == 0
    assert {"need", "found", "level"} <= set(json.loads(done.stdout)[0])
    assert len(cli.ok("doctor").splitlines()) > 5


def test_the_same_words_on_a_terminal(three: Store) -> None:
    piped = three.ok("inspect", "up")
    leader, terminal = os.openpty()
    with open(leader, "rb", buffering=0) as shown:
        process = subprocess.Popen(
            [*three.command, "ps", "-q"], env=three.env, stdout=terminal, stderr=terminal
        )
        os.close(terminal)
        text = shown.read(4096).decode()
        assert process.wait() == 0
    assert text.strip() == json.loads(piped)[0]["Id"][:12]


def test_progress_is_for_terminals_only(cli: Store, busybox_image: str) -> None:
    assert cli("load", "-i", busybox_image).stderr == ""
    cli.ok("rmi", "-a")
    leader, terminal = os.openpty()
    with open(leader, "rb", buffering=0) as shown:
        done = cli("load", "-i", busybox_image, stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        text = shown.read(65536).decode()
    assert done.stdout == "Loaded image: localhost/busybox:latest\n"
    assert "layer " in text
    assert "MB" in text
