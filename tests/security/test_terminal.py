"""Words of strangers on a terminal: of images, archives, registries, containers and their files.

What they say is shown, not obeyed (the kind of CVE-2003-0063 and CVE-2019-8325): no colours, titles
or answers of the terminal, no line that looks like one of ours, no text turned around
(CVE-2021-42574), and no command that a shell completes and then runs.
"""

from __future__ import annotations

import ast
import http.server
import io
import json
import os
import pty
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.cli import progress
from rootless.cli.tables import table
from rootless.oci.errors import one_line, shown, shown_json
from rootless.oci.jsonio import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once

EVIL = "x\x1b[31m\x07\nforged  row\r\t\x9b2J\u202egnp.exe\u2028\x7f"
"""Colours and a title's end, a line of its own, a C1 command, text from right to left."""

SHOWN = r"x\x1b[31m\x07\nforged  row\r\t\x9b2J\u202egnp.exe\u2028\x7f"
FINE = "ü 漢字 \N{FAMILY} 👨\u200d👩\u200d👧 \u3000"
COMMANDS = {*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028} - {0x0A}


def assert_harmless(said: str) -> None:
    assert COMMANDS.isdisjoint(map(ord, said)), ascii(said)
    assert not any(line.startswith("forged") for line in said.split("\n"))


def docker_archive(path: Path, names: list[str]) -> None:
    """An image whose settings are full of escapes."""
    config = {
        "architecture": "amd64", "os": "linux", "author": EVIL,
        "created": "2026-01-01T00:00:00Z",
        "config": {"Labels": {EVIL: EVIL}, "Cmd": [EVIL, FINE], "Env": [f"A={EVIL}"]},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created_by": EVIL, "comment": EVIL, "empty_layer": True}],
    }  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": names, "Layers": []}]
    with tarfile.open(path, "w") as archive:
        for name, document in (("config.json", config), ("manifest.json", manifest)):
            data = json.dumps(document).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def evil(cli: Store, tmp_path: Path) -> Store:
    """A store with such an image under a good name, and under one that another program wrote."""
    docker_archive(tmp_path / "evil.tar", ["localhost/evil:1"])
    cli.ok("load", "-i", str(tmp_path / "evil.tar"))
    index = Path(cli.root, "images", "index.json")
    document = json.loads(index.read_text())
    (entry,) = document["manifests"]
    other = json.loads(json.dumps(entry))
    for key, value in other["annotations"].items():
        if "localhost/evil" in value:
            other["annotations"][key] = f"localhost/{EVIL}$(touch /tmp/run){FINE}"
    document["manifests"].append(other)
    index.write_text(json.dumps(document))
    return cli


@pytest.mark.parametrize(
    "line",
    [
        "images",
        "images --digests --no-trunc",
        "images --format json",
        "history localhost/evil:1",
        "history --no-trunc localhost/evil:1",
        "image tree localhost/evil:1",
        "inspect localhost/evil:1",
        "inspect --format {{json:.}} localhost/evil:1",
        "system df -v",
        "events --stream=false",
        "events --stream=false --format json",
    ],
)
def test_what_an_image_says(evil: Store, line: str) -> None:
    said = evil.ok(*(word.replace(":.", " .") for word in line.split()))
    assert_harmless(said)
    if "json" in line or "inspect" in line:
        for each in [said] if line.startswith("inspect local") else said.splitlines():
            json.loads(each)
    if line == "images":
        assert SHOWN in said
        assert FINE in said
        assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    "line",
    ["ps -a", "ps -a --no-trunc", "ps -as", "ps -a --format json", "ps -a --format podman",
     "ps -a --format table:{{.Names}}\\t{{.Labels}}\\t{{.ID}}", "events --stream=false",
     "inspect evil", "logs evil", "system df -v"],
)  # fmt: skip
def test_what_a_container_was_told(busybox: Store, line: str) -> None:
    busybox.ok("run", "--name", "evil", "-l", f"label={EVIL}", "busybox", "true", EVIL, FINE)
    words = [word.replace("table:", "table ") for word in line.split()]
    said = busybox.ok(*words)
    assert_harmless(said)
    if line.startswith("ps") and "table" in line:
        (row,) = said.splitlines()[1:]
        assert row.startswith(f"evil      label={SHOWN}   ")
        assert len(row.rpartition(" ")[2]) == 12


def test_what_a_container_has_made(busybox: Store) -> None:
    """Its files in `diff`, and its processes in `top`."""
    busybox.ok("run", "-d", "--name", "evil", "busybox", "sh", "-c", "touch /$'x\\n'; sleep 60; :",
               EVIL)  # fmt: skip
    busybox.ok("exec", "evil", "touch", f"/{EVIL}")
    assert f"A /{SHOWN}" in busybox.ok("diff", "evil").splitlines()
    assert f"/{EVIL}" in json.loads(busybox.ok("diff", "--format", "json", "evil"))["added"]
    for line in ("top evil", "top evil pid args", "ps"):
        assert_harmless(busybox.ok(*line.split()))
    busybox.ok("rm", "-f", "evil")


def test_output_of_containers_is_passed_on(busybox: Store) -> None:
    printed = busybox("run", "--name", "one", "busybox", "printf", "%s", EVIL, text=False).stdout
    assert printed == EVIL.encode()
    assert busybox("logs", "one", text=False).stdout == EVIL.encode()


def test_names_in_archives(cli: Store, tmp_path: Path) -> None:
    docker_archive(tmp_path / "evil.tar", [f"localhost/{EVIL}:1"])
    done = cli("load", "-i", str(tmp_path / "evil.tar"))
    assert_harmless(done.stdout + done.stderr)
    assert len((done.stdout + done.stderr).splitlines()) == 1
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        member = tarfile.TarInfo(f"../{EVIL}")
        archive.addfile(member)
    done = cli("import", str(tmp_path / "root.tar"), "localhost/x")
    assert done.returncode == 1
    assert_harmless(done.stdout + done.stderr)


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry that refuses all, with what it likes to say."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"errors": [{"code": "DENIED", "message": EVIL + "\ud800"}]}).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the base class's own way

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("line", ["pull {}/a", "search {}/a", "login -u a -p b {}", "inspect {}/a"])
def test_what_a_registry_says(cli: Store, registry: str, line: str) -> None:
    done = cli(*line.format(registry).split())
    assert done.returncode != 0
    assert_harmless(done.stderr)
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def on_terminal(store: Store, *words: str) -> str:
    """What a command prints where its output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*store.command, *words], env=store.env, stdin=subprocess.DEVNULL, stdout=theirs,
        stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        data = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the last of them has closed it
                break
            data += piece
    os.close(ours)
    assert process.returncode == 0, data
    return data.decode(errors="surrogateescape").replace("\r\n", "\n")


def test_templates_are_raw_in_pipes_and_safe_on_terminals(evil: Store) -> None:
    """Scripts get what is there, as from docker and podman; who looks at it gets it as text."""
    line = ("inspect", "--format", "{{index .Config.Cmd 0}}|{{.Author}}\n", "localhost/evil:1")
    assert evil(*line, text=False).stdout == f"{EVIL}|{EVIL}\n\n".encode()
    looked = on_terminal(evil, *line)
    assert f"|{SHOWN}\n" in looked
    assert not (COMMANDS - {0x09}).intersection(map(ord, looked))
    lines = ("inspect", "--format", r'{{range .Config.Env}}{{println "a" "b"}}{{end}}')
    assert on_terminal(evil, *lines, "localhost/evil:1") == "a b\n\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{println .Author}}", f"{SHOWN}\n\n"),
        (r'{{.Author | printf "%s\n"}}', f"{SHOWN}\n\n"),
        (r'{{join .Config.Env "\n"}}{{"\n"}}', f"A={SHOWN}\n\n"),
        ("{{print .Config.Env}}", f"[A={SHOWN}]\n"),
        ("{{range $key, $each := .Config.Labels}}{{println $key}}{{end}}", f"{SHOWN}\n\n"),
        ("{{truncate .Author 20}}{{index .Config.Env 0}}", f"{shown(EVIL[:20])}A={SHOWN}\n"),
    ],
)
def test_functions_of_templates_pass_no_line_on(evil: Store, source: str, expected: str) -> None:
    """Line feeds of the template stay, and of values none, whatever has been called with them."""
    line = ("image", "inspect", "--format", source, "localhost/evil:1")
    assert on_terminal(evil, *line) == expected


LATIN = {"LC_ALL": "en_US.ISO-8859-1"}


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where LATIN is (LOCPATH): hardly a machine has it any more."""
    if not os.path.isdir("/usr/share/i18n/charmaps"):
        pytest.skip("the sources of locales are not installed")
    directory = tmp_path_factory.mktemp("locales")
    name = LATIN["LC_ALL"]
    made = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(directory / name)]
    subprocess.run(made, check=True, capture_output=True)
    return str(directory)


@pytest.mark.needs("localedef")
@pytest.mark.parametrize(
    "env",
    [
        LATIN,
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"},
    ],
    ids=str,
)
def test_any_locale_prints_bytes_as_they_are(
    busybox: Store, locales: str, env: dict[str, str]
) -> None:
    """A byte that is no UTF-8 or a letter outside the locale must not make `ps` fail for all."""
    env = {**env, "LOCPATH": locales} if env == LATIN else env
    odd = f"{FINE}\udcfc\udca0\udc9b"
    made = busybox("run", "--name", "a", "busybox", "echo", odd, env=env, text=False)
    assert made.stdout == os.fsencode(odd) + b"\n"
    for line in (
        "ps -a --no-trunc",
        "inspect --format {{json:.Args}} a",
        "ps -a --no-trunc --format json",
    ):
        words = [word.replace(":.", " .") for word in line.split()]
        done = busybox(*words, env=env, text=False)
        assert done.stderr == b""
        assert done.returncode == 0
        bytes_ = b"\\ufffd" * 3 if "json" in line else b"\xfc\xa0"
        assert FINE.encode() + bytes_ in done.stdout
        assert b"\x9b" not in done.stdout.replace(FINE.encode(), b"")
    logged = busybox("logs", "a", env=env, text=False)
    assert logged.stdout == os.fsencode(odd) + b"\n"


@pytest.mark.needs("localedef")
def test_a_store_with_another_name_in_any_locale(
    cli: Store, busybox_image: str, locales: str
) -> None:
    """The supervisor, which executes itself again, must find the store that the command found."""
    root = f"{cli.directory}/ü"
    env = {**LATIN, "LOCPATH": locales, "ROOTLESS_ROOT": root}
    cli.ok("load", "-i", busybox_image, env=env)
    cli.ok("run", "-d", "--name", "a", "busybox", "sh", "-c", "sleep 3; exit 7", env=env)
    assert cli.ok("wait", "a", env={"ROOTLESS_ROOT": root}) == "7"
    cli.ok("rm", "a", env=env)
    assert sorted(os.listdir(cli.directory)) == ["run", "ü"]


def test_completion_offers_no_commands(evil: Store) -> None:
    found = evil.ok("__complete", "--", "rmi", "").splitlines()
    assert [line.split("\t")[0] for line in found] == ["localhost/evil:1"]
    os.makedirs(f"{evil.root}/containers/.names", exist_ok=True)
    for name in ("good.name-1", "`id`", "a\tb", "a\n:files", "a;b", "a b", "'", "~root", "*"):
        os.symlink("0" * 64, f"{evil.root}/containers/.names/{name}")
    assert evil.ok("__complete", "--", "logs", "").split() == ["good.name-1", "container"]


@given(st.text())
def test_nothing_is_obeyed(text: str) -> None:
    assert COMMANDS.isdisjoint(map(ord, shown(text)))
    assert "\n" not in shown(text)
    assert "\n" not in one_line(text)
    document = shown_json(dumps({"a": text}))
    assert COMMANDS.isdisjoint(map(ord, document))
    assert json.loads(document) == {"a": text}


def test_what_is_no_text_is_none_in_json() -> None:
    """As Go's: a document is UTF-8, whatever bytes a label has."""
    assert shown_json('"k=\udcff\udc80\ud800\xff"') == '"k=\\ufffd\\ufffd\\ufffd\xff"'


def test_what_is_harmless_stays() -> None:
    assert shown(FINE) == FINE
    assert shown("\udcfc\udcff") == "\udcfc\udcff"
    assert shown("\udc80\ud800\U000e0041") == r"\x80\ud800\U000e0041"
    assert json.loads(shown_json('"\U000e0041"')) == "\U000e0041"


def test_columns_stay_in_line() -> None:
    rows = table([("A", "B", "C"), (EVIL, EVIL, "x"), (FINE, "y", "z")]).splitlines()
    assert len(rows) == 3
    assert len({row.rindex(last) for row, last in zip(rows, "Cxz", strict=True)}) == 1


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """Titles of artifacts: lines in a pipe, and no markup for rich's bars."""
    lines = progress.Lines()
    lines.begin("a", EVIL, 1)
    lines.end("a", EVIL)
    bars = progress.Bars()
    bars.begin("a", f"[bold]{EVIL}", 1)
    bars.end("a", "[link=http://a]b")
    bars.close()
    said = capsys.readouterr().err
    assert_harmless(said)
    assert said.startswith(f"{SHOWN}: {SHOWN}\n")
    assert "[bold]x" in said


RAW = {
    "answers/usage.py": 1,  # our own help
    "building/output.py": 2,  # escaped there, but for tabs
    "commands/machine/completion.py": 2,  # our own scripts
    "commands/machine/version.py": 1,  # our own version, with nothing more loaded
    "commands/containers/logs.py": 3,  # what containers wrote
    "commands/images/remote.py": 1,  # a manifest byte for byte, but not to a terminal
    "commands/images/image_trust.py": 1,  # the user's own file
    "commands/containers/stats.py": 1,  # clears the screen
    "complete.py": 1,  # for shells; checked there
    "generate.py": 1,  # a tool of ours
    "commands/watching.py": 1,  # clears the screen
    "main.py": 1,
    "pages.py": 3,  # our own pages
}
"""Where something is written past `output`, and how often."""


def test_all_goes_through_one_place() -> None:
    """A new command cannot forget it."""
    found: dict[str, int] = {}
    base = Path(__file__).resolve().parents[2] / "cli"
    for path in sorted(base.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            # `target` is what logs.py calls the streams.
            if called in ("print", "console.print", "target.write") or called.startswith(
                ("sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer", "sys.stderr.buffer")
            ):
                name = str(path.relative_to(base))
                found[name] = found.get(name, 0) + 1
    del found["output.py"]
    assert {name: count for name, count in found.items() if count > RAW.get(name, 0)} == {}
