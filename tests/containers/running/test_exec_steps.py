"""exec in steps: made, started, resized, inspected and waited for, by processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers.running import sessions
from rootless.runtime.supervision.members import parent_of
from tests.containers.running.library import fail, program, say
from tests.containers.test_restarts import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Store

MAKE = "print(containers.get('one').make_exec(json.loads(sys.argv[1])).id)"
ATTACHED = "sys.exit(containers.get_exec(sys.argv[1]).start(Ends(0, 1, 2)))"
DETACHED = "assert containers.get_exec(sys.argv[1]).start() is None"
INSPECT = "print(json.dumps(containers.get_exec(sys.argv[1]).inspect()))"
WAIT = "print(containers.get_exec(sys.argv[1]).wait())"


@pytest.fixture(scope="module")
def running(shared: Store) -> Iterator[Store]:
    """A store in which a container `one` runs."""
    shared.ok("run", "-d", "--name", "one", "-e", "GONE=x", "busybox", "sleep", "1000")
    yield shared
    shared.ok("rm", "-f", "one")


def made(store: Store, command: list[str], **request: Any) -> str:
    return say(store, MAKE, json.dumps({"command": command, **request}))


def status(store: Store, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(say(store, INSPECT, name))
    return found


def directory(store: Store) -> str:
    return f"{store.root}/containers/{os.readlink(f'{store.root}/containers/.names/one')}"


def look(store: Store, name: str) -> sessions.Status:
    """Inspect it from this process: nothing is forked for that."""
    return sessions.status(directory(store), name)


def keeper(store: Store, name: str) -> int:
    """Return the pid of the joiner: the parent of the command, as the host sees it."""
    until(lambda: look(store, name)["pid"] > 0)
    return parent_of(look(store, name)["pid"]) or 0


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def test_one_makes_another_starts_a_third_asks(running: Store) -> None:
    request = {
        "environment": [["WORD", "said"], ["GONE", None]],
        "workdir": "/etc",
        "user": "7:8",
        "stdin": True,
    }
    if os.geteuid() == 0 or running("exec", "-u", "7", "one", "true").returncode:
        del request["user"]  # no other id exists
    script = "read x; echo $x $WORD $GONE $PWD; id -u; echo bad >&2; exit 7"
    name = made(running, ["sh", "-c", script], **request)
    before = status(running, name)
    assert (before["running"], before["pid"], before["exit_code"]) == (False, 0, None)
    assert (before["started"], before["finished"]) == (0, 0)
    began = time.time()
    with program(running, ATTACHED, name) as starter:
        until(lambda: look(running, name)["pid"] > 0)
        now = status(running, name)
        assert (now["running"], now["exit_code"]) == (True, None)
        waiter = program(running, WAIT, name)
        assert fail(running, DETACHED, name) == f"Conflict: exec {name[:12]} was started before"
        out, err = starter.communicate("typed\n", timeout=20)
    user = request.get("user", "0").partition(":")[0]
    assert (out, err, starter.returncode) == (f"typed said /etc\n{user}\n", "bad\n", 7)
    with waiter:
        assert waiter.communicate(timeout=20)[0] == "7\n"
    after = status(running, name)
    assert (after["running"], after["pid"], after["exit_code"]) == (False, 0, 7)
    assert began <= after["started"] <= after["finished"] <= time.time()
    assert after["request"] == {"command": ["sh", "-c", script], **request}
    assert after["container"] == os.path.basename(directory(running))
    assert say(running, WAIT, name) == "7"
    assert fail(running, DETACHED, name) == f"Conflict: exec {name[:12]} was started before"


def test_without_input_wanted_none_is_taken(running: Store) -> None:
    name = made(running, ["cat"])
    with program(running, ATTACHED, name) as starter:
        assert starter.wait(timeout=20) == 0


def test_detached(running: Store) -> None:
    name = made(running, ["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 9"])
    say(running, DETACHED, name)
    now = status(running, name)
    assert now["running"]
    assert os.path.exists(f"/proc/{now['pid']}")
    running.ok("exec", "one", "touch", "/tmp/go")
    assert say(running, WAIT, name) == "9"
    assert status(running, name)["exit_code"] == 9


@pytest.mark.parametrize(("command", "code"), [("nothing", 127), ("/etc", 126)])
def test_what_cannot_be_started_has_ended(running: Store, command: str, code: int) -> None:
    name = made(running, [command])
    assert command in fail(running, DETACHED, name)
    after = status(running, name)
    assert (after["running"], after["exit_code"]) == (False, code)
    assert say(running, WAIT, name) == str(code)


def test_refused(running: Store) -> None:
    assert fail(running, INSPECT, "0" * 64) == f"NotFound: no such exec: {'0' * 64}"
    assert fail(running, INSPECT, "../" * 20 + "root").startswith("NotFound: ")
    name = made(running, ["true"])
    assert fail(running, WAIT, name) == f"Conflict: exec {name[:12]} was not started"
    keys = json.dumps({"command": ["sh"], "tty": True, "detach_keys": "xy"})
    assert "is no key" in fail(running, MAKE, keys)
    assert "NUL byte" in fail(running, MAKE, json.dumps({"command": ["a\0b"]}))
    running.ok("create", "--name", "idle", "busybox", "true")
    idle = MAKE.replace("'one'", "'idle'")
    refused = fail(running, idle, json.dumps({"command": ["true"]}))
    assert refused.startswith("Conflict: cannot execute in container idle: it is not running")
    running.ok("rm", "idle")


@pytest.mark.parametrize("attached", [True, False])
def test_somebody_else_changes_the_window(running: Store, attached: bool) -> None:
    script = "trap 'stty size > /tmp/size' WINCH; echo up; while :; do sleep 0.05; done"
    name = made(running, ["sh", "-c", script], tty=True)
    resize = "containers.get_exec(sys.argv[1]).resize(31, 97)"
    assert "does not run" in fail(running, resize, name)
    starter = program(running, ATTACHED if attached else DETACHED, name)
    if attached:
        assert starter.stdout
        assert starter.stdout.readline() == "up\n"
    else:
        assert starter.wait(timeout=20) == 0

    def changed() -> bool:
        say(running, resize, name)
        return running("exec", "one", "cat", "/tmp/size").stdout == "31 97\n"

    until(changed)
    os.kill(look(running, name)["pid"], signal.SIGKILL)
    assert say(running, WAIT, name) == "137"
    starter.communicate(timeout=20)
    assert starter.returncode == (137 if attached else 0)
    until(lambda: not os.path.exists(f"{directory(running)}/exec/{name}.size"))
    assert "does not run" in fail(running, resize, name)
    running.ok("exec", "one", "rm", "/tmp/size")
    plain = made(running, ["true"])
    assert "has no terminal" in fail(running, resize, plain)


def test_a_detached_terminal_does_not_hang_up(running: Store) -> None:
    running.ok(
        "exec", "-dt", "one", "sh", "-c", "tty > /tmp/tty; sleep 0.5; echo >> /tmp/tty && exit 3"
    )
    (name,) = sessions.running(directory(running))
    assert say(running, WAIT, name) == "3"
    assert running.ok("exec", "one", "cat", "/tmp/tty").startswith("/dev/pts/")


def test_left_by_keys_it_can_still_be_resized(running: Store) -> None:
    script = "trap 'stty size > /tmp/left' WINCH; echo up; while :; do sleep 0.05; done"
    name = made(running, ["sh", "-c", script], tty=True, stdin=True, detach_keys="a,b")
    code = "assert containers.get_exec(sys.argv[1]).start(Ends(0, 1, 2)) is None"
    with program(running, code, name) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == "up\n"
        _, err = starter.communicate("ab", timeout=20)
        assert (starter.returncode, err) == (0, "")
    assert look(running, name)["running"]

    def changed() -> bool:
        say(running, "containers.get_exec(sys.argv[1]).resize(11, 22)", name)
        return running("exec", "one", "cat", "/tmp/left").stdout == "11 22\n"

    until(changed)
    say(running, f"containers.get_exec(sys.argv[1]).send_signal({int(signal.SIGKILL)})", name)
    assert say(running, WAIT, name) == "137"


# -- kill -9


def test_its_keeper_was_killed(running: Store) -> None:
    name = made(running, ["sleep", "1000"])
    with program(running, ATTACHED, name) as starter:
        os.kill(keeper(running, name), signal.SIGKILL)
        starter.communicate(timeout=20)
        assert starter.returncode == sessions.LOST
    pid = look(running, name)["pid"]
    assert look(running, name)["running"]  # which is true
    with program(running, WAIT, name) as waiter:
        os.kill(pid, signal.SIGKILL)
        assert waiter.communicate(timeout=20)[0] == f"{sessions.LOST}\n"
    after = status(running, name)
    assert (after["running"], after["pid"], after["exit_code"]) == (False, 0, sessions.LOST)
    assert name not in json.loads(running.ok("inspect", "one"))[0]["ExecIDs"]


def test_who_started_it_was_killed(running: Store) -> None:
    name = made(running, ["sh", "-c", "sleep 0.5; exit 4"])
    with program(running, ATTACHED, name) as starter:
        until(lambda: look(running, name)["pid"] > 0)
        starter.kill()
    assert say(running, WAIT, name) == "4"


def test_killed_at_any_step_it_comes_to_an_end(running: Store, seed: int) -> None:
    """Whatever is killed when: nothing is said to run that does not, and nothing hangs."""
    dice = random.Random(seed)
    for _ in range(12):
        name = made(running, ["sh", "-c", "exit 5"], tty=dice.random() < 0.3)
        with program(running, ATTACHED, name) as starter:
            time.sleep(dice.uniform(0.02, 0.4))
            children = {pid for pid in pids() if parent_of(pid) == starter.pid}
            for pid in children if dice.random() < 0.5 else ():
                with contextlib.suppress(ProcessLookupError):  # the joiner, or what it leaves
                    os.kill(pid, signal.SIGKILL)
            starter.kill()
        until(lambda name=name: not look(running, name)["running"])
        code = look(running, name)["exit_code"]
        if code is None:  # it was not begun, and can be
            say(running, DETACHED, name)
            assert say(running, WAIT, name) == "5"
        else:
            # 1, 129: without its client, or the terminal that was the client's
            assert code in (5, 1, 129, 137, sessions.LOST)


# -- the container


def test_the_container_ends_meanwhile(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    names = [made(busybox, ["sleep", "1000"]) for _ in range(3)]
    never = made(busybox, ["true"])
    with program(busybox, ATTACHED, names[0]) as starter:
        until(lambda: look(busybox, names[0])["pid"] > 0)
        say(busybox, DETACHED, names[1])
        busybox.ok("kill", "one")
        starter.communicate(timeout=20)
        assert starter.returncode == 137
    assert [say(busybox, WAIT, name) for name in names[:2]] == ["137", "137"]
    assert "Conflict: cannot execute in container one: it is not running" in fail(
        busybox, DETACHED, never
    )
    # The exit codes stay until the next start.
    assert status(busybox, names[0])["exit_code"] == 137
    busybox.ok("start", "one")
    for name in (*names, never):
        assert fail(busybox, INSPECT, name) == f"NotFound: no such exec: {name}"
    name = made(busybox, ["sleep", "1000"])
    say(busybox, DETACHED, name)
    with program(busybox, WAIT, name) as waiter:
        time.sleep(0.3)
        busybox.ok("rm", "-f", "one")
        assert waiter.communicate(timeout=20)[0] == "137\n"


def test_only_so_many_are_kept(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    lasting = made(busybox, ["sleep", "1000"])
    say(busybox, DETACHED, lasting)
    code = "for _ in range(int(sys.argv[2])): last = " + MAKE[6:-1].replace(".id", "")
    last = say(busybox, code + "\nprint(last.id)", '{"command": ["true"]}', str(3 * sessions.MOST))
    found = [path for path in os.listdir(f"{directory(busybox)}/exec") if path.endswith(".json")]
    assert len(found) <= sessions.MOST
    assert {f"{lasting}.json", f"{last}.json"} <= {*found}
    assert status(busybox, lasting)["running"]
    busybox.ok("rm", "-f", "one")


# -- records, without a container


def test_a_record_of_the_last_release(tmp_path: Path) -> None:
    (tmp_path / "exec").mkdir()
    old = {"id": "a", "command": ["true"], "user": "", "tty": False, "pid": 7, "started": 1.5}
    (tmp_path / "exec/a.json").write_text(json.dumps({**old, "running": True, "exit_code": None}))
    found = sessions.status(str(tmp_path), "a")
    assert (found["running"], found["pid"], found["exit_code"]) == (True, 7, None)
    assert found["request"] == {"command": ["true"]}
    (tmp_path / "exec/a.json").write_text(json.dumps({**old, "running": False, "exit_code": 3}))
    found = sessions.status(str(tmp_path), "a")
    assert (found["running"], found["pid"], found["exit_code"]) == (False, 0, 3)


def test_a_record_is_read_by_the_last_release(tmp_path: Path) -> None:
    """It reads a JSON object with `running` in it."""
    session = sessions.Session(str(tmp_path), "a")
    session.make({"command": ["true"], "environment": [("A", "\u00e9" * 9000)], "user": "u"})
    session.claim()
    path = tmp_path / "exec/a.json"
    size = path.stat().st_size
    for note, runs in (((os.getpid(), None), True), ((os.getpid(), 255), False)):
        session.note(*note)
        record = json.loads(path.read_text())
        assert (record["running"], record["command"], record["user"]) == (runs, ["true"], "u")
        assert path.stat().st_size == size
    session.close()


def test_a_pid_that_is_another_process_by_now(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:
        session = sessions.Session(str(tmp_path), "a")
        session.make({"command": ["true"]})
        session.claim()
        session.note(other.pid, None)
        assert sessions.status(str(tmp_path), "a")["running"]
        session.close()
        assert sessions.status(str(tmp_path), "a")["running"]
        path = tmp_path / "exec/a.json"
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "noted": record["noted"] - 1000}))
        found = sessions.status(str(tmp_path), "a")
        assert (found["running"], found["exit_code"]) == (False, sessions.LOST)
        other.kill()


def test_what_runs_keeps_its_record_however_many(tmp_path: Path) -> None:
    held = []
    for number in range(sessions.MOST + 10):
        held.append(sessions.Session(str(tmp_path), f"{number:03}"))
        held[-1].make({"command": ["true"]})
        held[-1].claim()
    for number in range(20):
        ended = sessions.Session(str(tmp_path), f"ended{number}")
        ended.make({"command": ["true"]})
        ended.claim()
        ended.note(1 << 22, 0)
        ended.close()
    found = {path.stem for path in (tmp_path / "exec").iterdir()}
    assert {session.id for session in held} <= found
    assert len(found) <= sessions.MOST + 11
    for session in held:
        session.close()


WRONG: list[tuple[Any, str]] = [
    ({}, "command"),
    ({"command": []}, "command"),
    ({"command": "ls"}, "command"),
    ({"command": [1]}, "command"),
    ({"command": ["ls"], "tty": "yes"}, "tty"),
    ({"command": ["ls"], "workdir": 5}, "workdir"),
    ({"command": ["ls"], "workdir": "/\0"}, "workdir"),
    ({"command": ["ls"], "environment": {"A": "b"}}, "environment"),
    ({"command": ["ls"], "environment": [["A", "b"], "C=d"]}, "environment.1"),
    ({"command": ["ls"], "environment": [["A=B", "c"]]}, "environment.0"),
    ({"command": ["ls"], "surprise": 1}, "surprise"),
    ({"command": ["ls"], "tty": True, "detach_keys": "long"}, "detach_keys"),
]


def test_a_wrong_request_is_refused_before_it_is_written_down(running: Store) -> None:
    code = """
        one = containers.get('one')
        for wanted in json.loads(sys.argv[1]):
            for call in (one.make_exec, one.execute):
                try:
                    print(call(wanted))
                except Error as error:
                    print(error.field)
    """
    made(running, ["true"])
    before = os.listdir(f"{directory(running)}/exec")
    fields = say(running, code, json.dumps([wanted for wanted, _ in WRONG])).split()
    assert fields == [field for _, field in WRONG for _ in range(2)]
    assert os.listdir(f"{directory(running)}/exec") == before
