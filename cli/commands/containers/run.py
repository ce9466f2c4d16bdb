"""run and create."""

from __future__ import annotations

import os
import sys

from rootless.cli.teller import Teller
from rootless.containers.creation import create as _creation  # noqa: F401 - for Engine.create
from rootless.containers.words.request import request
from rootless.errors import Error, UsageError
from rootless.store.paths import containers_confs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Unpack

    from rootless.cli.options import common as opt
    from rootless.cli.options import run as ropt
    from rootless.containers.container import Container
    from rootless.containers.request import Fields, Request
    from rootless.containers.words.asked import Asked
    from rootless.engine import Engine
    from rootless.images.transfer.access import Access

_OF_IMAGES = {"arch", "os", "variant", "decryption_key", "tls_verify", "creds", "authfile"}
_OF_IMAGES |= {"cert_dir", "retry", "retry_delay"}
"""Options of how the image is found and fetched that are rarely there."""

_USERNS = ("userns", "uidmap", "gidmap", "subuidname", "subgidname")
"""Those that say which ids a container has."""

_SECRETS = ("--creds", "--decryption-key")
"""Those whose values are nobody else's business."""

_DIALECTS = {"annotation", "env_file", "label_file"}
_DIALECTS |= {"health_cmd", "health_retries", "health_timeout", "health_startup_cmd"}
"""Those that a dialect may read in its own way."""

_INSIDES = {"runtime", "cgroups", "cgroup_parent", "cgroup_conf", "device_cgroup_rule", "gpus"}
_INSIDES |= {"oom_kill_disable"}
"""Those that name what docker and podman have inside."""


def run(
    engine: Engine,
    image: opt.ImageName,
    command: ropt.Command = None,
    *,
    detach: ropt.Detach = False,
    detach_keys: ropt.DetachKeys = None,
    sig_proxy: ropt.SigProxy = True,
    preserve_fds: ropt.PreserveFds = 0,
    preserve_fd: ropt.PreserveFd = None,
    **asked: Unpack[ropt.Asked],
) -> int:
    """Run a command in a new container.

    Options stand before IMAGE; everything after it belongs to the command. The exit code is the
    command's; 125 for an error of ours, 126 or 127 where the command cannot be started.

    Examples:
        # a shell, removed when it ends
        rootless run -it --rm busybox
        # this machine's own programs, with the current directory
        rootless run --rm -v .:/work -w /work host make
        # in the background, at port 8080 of this machine
        rootless run -d --name web -p 8080:80 -v ./site:/www busybox httpd -f -h /www
        # the same for local programs alone, at a port that is free
        rootless run -d -p 127.0.0.1::80 -v ./site:/www busybox httpd -f -h /www
    """
    preserved = []
    if preserve_fds or preserve_fd:
        from rootless.cli.descriptors import inherited

        preserved = inherited(preserve_fds, preserve_fd or [])
    if asked.get("tty") and asked.get("interactive"):
        from rootless.cli.ends import check_terminal

        wanted = [stream.lower() for stream in asked.get("attach") or ["stdin"]]
        check_terminal("run", attached=not detach and "stdin" in wanted)
    engine.holding = True
    container = _create(engine, image, command or [], asked, detach=detach)
    container.on_note, container.preserved = warn_of, preserved
    code = 0
    if detach:
        container.start()
    else:
        code = _run(container, detach_keys, sig_proxy=sig_proxy)
    if detach:
        from rootless.cli.output import say

        say(container.id)
        if os.path.isdir("/run/systemd/system"):
            _warn_of_logout(engine)
        return 0
    return code


def _run(container: Container, detach_keys: str | None, *, sig_proxy: bool) -> int:
    try:
        from rootless.cli.ends import OwnEnds

        stdin, tty = container.record["stdin"], container.record["tty"]
        ends = OwnEnds(stdin=stdin, tty=tty, proxy=sig_proxy)
        if streams := container.record["request"]["attach"]:
            ends.stdout = 1 if "stdout" in streams else -1
            ends.stderr = 2 if "stderr" in streams else -1
            if ends.stdout == ends.stderr:  # as docker: else nobody would know of it
                from rootless.cli.output import say

                say(container.id)
        return container.run(ends, detach_keys=ends.keys(detach_keys))
    except BaseException:  # a signal, which may have come before the start
        if container.record["rm"]:
            container.abandon()
        raise


def warn_of(text: str) -> None:
    """Print what a user should know of what was made or started."""
    from rootless.cli.output import warn

    warn(text)


def _warn_of_logout(engine: Engine) -> None:
    """Say once in a session that its end would be the container's, too."""
    from rootless.runtime.supervision.scope import kills_at_logout

    told = f"{engine.paths.runtime}/told-of-logout"
    if os.path.exists(told) or not kills_at_logout():
        return
    with open(told, "w", encoding="utf-8"):
        pass
    from rootless.cli.output import say

    say(
        "containers end when you log out, because systemd ends your processes then; "
        "loginctl enable-linger keeps them",
        to_stderr=True,
    )


def create(
    engine: Engine,
    image: opt.ImageName,
    command: ropt.Command = None,
    **asked: Unpack[ropt.Asked],
) -> int:
    """Make a container without starting it.

    Takes the options of `run`.

    Examples:
        rootless create --name job -v ./data:/data busybox wc -l /data/list
        rootless start -a job
    """
    from rootless.cli.output import say

    say(_create(engine, image, command or [], asked, detach=False).id)
    return 0


def _create(
    engine: Engine, image: str, command: list[str], asked: ropt.Asked, *, detach: bool
) -> Container:
    """Make the container, with the user's own defaults for what was not asked."""
    if "PODMAN_USERNS" in os.environ and asked.keys().isdisjoint(_USERNS):
        from rootless.cli.dialects import choice

        if userns := choice.current().userns(os.environ):
            try:
                return _create(engine, image, command, {**asked, "userns": userns}, detach=detach)
            except UsageError as error:
                if error.field != "userns":
                    raise
                raise error.about("PODMAN_USERNS") from None
    files = containers_confs()
    if not files:
        return _made(engine, image, command, asked, detach=detach)
    from rootless.defaults import completing, settings

    conf = settings.read(files)
    engine.access = _reach
    try:
        whole: Any = completing.completed({**asked, "detach": detach}, conf)
        fields = completing.fields(conf, os.environ)
        return _made(engine, image, command, whole, detach=detach, fields=fields)
    except UsageError as error:
        from rootless.defaults.blaming import blamed

        raise blamed(error, conf, {**asked, "detach": detach}) from error


def _reach() -> Access:
    """Return how registries are spoken with where nothing was asked."""
    from rootless.cli.reach import access_of

    return access_of({})


def _told(known: Access | Callable[[], Access] | None, image: str) -> Callable[[], Access]:
    """Return how registries are spoken with: who asks is about to fetch, of which podman tells."""

    def reach() -> Access:
        from rootless.cli.dialects import choice
        from rootless.cli.output import say
        from rootless.images.transfer.access import Access

        if told := choice.current().pulling(image):
            say(told, to_stderr=True)
        return known() if callable(known) else known or Access()

    return reach


def _without_secrets(line: list[str], behind: int) -> list[str]:
    """Return a command line as it may be kept: no passwords of registries, no keys.

    The last words, as many as `behind`, are the container's command, which stays as it is.
    """
    found, masked = [], False
    end = len(line) - behind
    for word in line[:end]:
        name, equals, _ = word.partition("=")
        secret = name in _SECRETS
        found.append("***" if masked else f"{name}=***" if secret and equals else word)
        masked = secret and not equals and not masked
    return found + line[end:]


def _in_parts(asked: ropt.Asked) -> ropt.Asked:
    """Return the options with several values in one text apart, where the dialect has them so.

    What it says otherwise of health checks is put in our words.
    """
    if _DIALECTS.isdisjoint(asked):
        return asked
    from rootless.cli.dialects import choice

    dialect = choice.current()
    parted: ropt.Asked = dialect.checks(dialect.parted(asked))
    return parted


def _heed_missing(wanted: Request) -> None:
    """Let directories that are not there be made only where that is the dialect's habit."""
    missing = [
        item
        for item in wanted["mounts"]
        if item["make"] and item["type"] == "bind" and not os.path.exists(item["source"])
    ]
    if not (missing or wanted["workdir"]):
        return
    from rootless.cli.dialects import choice

    if not choice.current().makes_paths:
        wanted["make_workdir"] = False
        for item in missing:
            item["make"] = False


def _made(
    engine: Engine,
    image: str,
    command: list[str],
    asked: ropt.Asked,
    *,
    detach: bool,
    fields: Fields | None = None,
) -> Container:
    """Make the container and write its id where --cidfile wants it (the place was checked)."""
    pull, platform = asked.get("pull") or "missing", asked.get("platform", "")
    if not _OF_IMAGES.isdisjoint(asked):
        from rootless.cli.reach import access_of, platform_of, refuse_encrypted

        refuse_encrypted(asked.get("decryption_key"))
        engine.access, platform = access_of(asked, asked), platform_of(asked)
    if not asked.get("quiet"):
        engine.access = _told(engine.access, image)
    with Teller(quiet=asked.get("quiet", False)) as teller:
        if not _INSIDES.isdisjoint(asked):
            from rootless.cli.commands.containers.insides import heed

            heed(asked, teller)
        # A relative path is one of the directory that we are in, which may be gone by now.
        texts: Asked = {**_in_parts(asked), "detach": detach, "platform": platform}
        wanted = request(image, command, texts, base=".", environ=os.environ)
        wanted.update(fields or {})  # type: ignore[typeddict-item]
        _heed_missing(wanted)
        if wanted["read_only"] and "read_only_tmpfs" not in asked:
            from rootless.cli.dialects import choice

            wanted["read_only_tmpfs"] = choice.current().read_only_tmpfs
        wanted["create_command"] = _without_secrets(sys.argv, len(command))
        network = wanted["networks"][0]["kind"] if wanted["networks"] else "private"
        if wanted["ports"] and network in ("none", "host"):
            teller.note(f"-p does nothing with --network {network}")
        container = engine.create(
            wanted,
            pull={"true": "always", "false": "never"}.get(pull, pull),
            platform=platform,
            replace=bool(asked.get("replace")),
            parsed=True,
            teller=teller,
        )
    path = asked.get("cidfile")
    if path:
        try:
            # O_EXCL: the file of another container, made since the check, is not overwritten.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(container.id)
        except OSError as error:
            container.remove(force=True)
            raise Error(f"cannot write the container id to {path}: {error.strerror}") from error
    return container
