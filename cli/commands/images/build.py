"""build: an image from a Dockerfile."""

from __future__ import annotations

import os

from rootless.build.checking import Checking
from rootless.cli import reach
from rootless.cli.building import checks, choosing, failure, listing, session
from rootless.cli.commands.images import buildflags, outputs
from rootless.cli.dialects import choice
from rootless.cli.output import say
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.build.contexts import Place
    from rootless.build.given import Given
    from rootless.build.request import BuildRequest
    from rootless.cli.options import building as opt
    from rootless.engine import Engine

PRINTS = ("tree", "context")
"""What --print shows in the place of a build."""


def build(
    engine: Engine,
    context: opt.BuildContext = ".",
    *,
    file: opt.BuildFile = "",
    tag: opt.BuildTag = None,
    quiet: opt.BuildQuiet = False,
    progress: opt.Progress = "",
    **asked: Unpack[opt.BuildAsked],
) -> int:
    """Build an image from a Dockerfile.

    Examples:
        rootless build -t app .
        rootless build -t app --target test --build-arg VERSION=2 -f docker/Dockerfile .
        rootless build -t app https://example.com/app.git#main:docker
        tar c . | rootless build -t app -
        # what is not as it should be, without building
        rootless build --check .
        # which files of the context it would read, and what hides the others
        rootless build --print=context .
        # from, run, copy, ... are steps for scripts: a directory of such a name
        rootless build ./from
        # a shell in what a command has left that fails
        rootless build --on-error shell .
    """
    from rootless.build.contexts import Place, opened

    kind, as_json = checks.call_of(asked.get("call", ""), check=asked.get("check", False))
    place = Place(context, file, asked.get("ignorefile", ""))
    if (what := asked.get("print", "")) not in ("", *PRINTS):
        raise UsageError(f"{named('print')}: nothing is known of {what!r}", " and ".join(PRINTS))
    if what and kind != "build":
        raise UsageError(f"{named('print')} and {named('call')} contradict each other", "name one")
    _give(place.given, asked)
    if what == "tree":
        return _print(engine, place)
    with opened(engine.paths, place, choice.current().dockerfiles) as request:
        request.tags = [choice.current().given(name) for name in tag or []]
        _fill(request, asked)
        engine.access = lambda: reach.access_of(asked, asked)
        if kind != "build" or what:
            with failure.shown():
                checking = Checking(engine.images, request)
                if what:
                    return listing.show(checking)
                return checks.answer(checking, kind, request.target, as_json=as_json)
        split = request.platform if asked.get("logsplit") else None
        log = choosing.log(asked.get("logfile", ""), split)
        watcher = choosing.watcher(progress, quiet=quiet, logfile=log)
        image, code = session.run(engine, request, watcher, on_error=asked.get("on_error", ""))
    if code:
        return code
    if (path := asked.get("iidfile")) and image:
        reach.write_digest(path, f"sha256:{image}")
    if path := asked.get("metadata_file"):
        outputs.tell(engine, request, image, path)
    if quiet and image:
        say(choice.current().made(image))
    return 0


def _print(engine: Engine, place: Place) -> int:
    """Print the tree of a Dockerfile, which may be named in the place of a context."""
    from rootless.build.contexts import opened

    if os.path.isfile(place.context):
        try:
            with open(place.context, "rb") as source:
                data, name = source.read(), os.path.basename(place.context)
        except OSError as error:
            raise UsageError(f"cannot read {place.context}: {error.strerror}") from error
    else:
        with opened(engine.paths, place, choice.current().dockerfiles) as request:
            data, name = request.dockerfile, request.name
    with failure.shown():
        checks.print_tree(data, name)
    return 0


def _fill(request: BuildRequest, asked: opt.BuildAsked) -> None:
    for text in asked.get("build_arg") or ():
        name, equals, value = text.partition("=")
        if equals:
            request.arguments[name] = value
        elif name in os.environ:
            request.arguments[name] = os.environ[name]
    if contexts := asked.get("build_context"):
        from rootless.build.fetching.named import parse

        request.contexts = dict(parse(text) for text in contexts)
    for text in asked.get("label") or ():
        name, _, value = text.partition("=")
        request.labels[name] = value
    request.base = asked.get("from_", "")
    request.target = asked.get("target", "")
    request.use_cache = not asked.get("no_cache", False)
    named = asked.get("no_cache_filter") or []
    request.caching.uncached = [stage for text in named for stage in text.split(",")]
    if ttl := asked.get("cache_ttl", ""):
        request.caching.youngest = _youngest(ttl)
    request.jobs = asked.get("jobs", 0)
    request.pull = buildflags.policy_of(asked.get("pull", ""))
    buildflags.fill(request, asked)
    if asked.get("cache_from") or asked.get("cache_to"):
        from rootless.cli.commands.images import caches

        caches.fill(request, asked)


def _give(given: Given, asked: opt.BuildAsked) -> None:
    for text in asked.get("secret") or ():
        words = text.split(",")
        plain = ",".join(word for word in words if word != "cache=content")
        secret, content = buildflags.secret_of(plain)
        if "cache=content" in words:
            given.counted.add(secret)
        given.secrets[secret] = content
    for text in asked.get("ssh") or ():
        name, _, socket = text.partition("=")
        given.agents[name] = _agent(name, socket)


def _youngest(text: str) -> float:
    """Return the moment from which on results count. Raises UsageError."""
    import time

    from rootless.times import span

    age = span(text)
    if age is None:
        raise UsageError(f"--cache-ttl: {text!r} is no span of time", "for example 24h or 90m")
    return time.time() - age


def _agent(name: str, socket: str) -> str:
    """Return the socket of an agent. Raises UsageError where there is none."""
    import stat

    path = socket or os.environ.get("SSH_AUTH_SOCK", "")
    try:
        if path and stat.S_ISSOCK(os.stat(path).st_mode):
            return os.path.abspath(path)
    except OSError:
        pass
    raise UsageError(
        f"no ssh agent for {name!r} at {path or 'SSH_AUTH_SOCK'}",
        "start one (eval $(ssh-agent); ssh-add), or name its socket: ID=PATH",
    )
