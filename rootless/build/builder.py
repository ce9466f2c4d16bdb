"""One build: stages and their instructions in an order that works, as many at once as may be.

Each stage is a generator, which yields what it waits for: the work of a child, or another stage.
What needs neither, because the cache has it or because it only changes settings, is done at once.
"""

from __future__ import annotations

import os
from collections import deque

from rootless.build import copies
from rootless.build import settings as configuration
from rootless.build.cache.results import Result, Results, key_of
from rootless.build.crew import Crew
from rootless.build.dockerfile import model
from rootless.build.dockerfile.parsing import parse
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import plan, trigger
from rootless.build.files.gathering import Wanted
from rootless.build.files.hashes import Unknown
from rootless.build.files.origins import Origin
from rootless.build.place import Site
from rootless.build.state import State
from rootless.build.steps import confining, finish, resolve, run, squashing
from rootless.build.steps import copy as copying
from rootless.build.watching import Step, Unwatched
from rootless.errors import NotFound
from rootless.images import durability
from rootless.images.making import Stack
from rootless.oci import platform as platforms
from rootless.times import now, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from rootless.build.dockerfile.model import Instruction
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.dockerfile.scope import Scope
    from rootless.build.dockerfile.stages import Stage
    from rootless.build.request import BuildRequest
    from rootless.build.watching import Watcher
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access

    Document = dict[str, Any]
    Way = Generator["Work | Other", Any, State]


class Work:
    """What a child is to do for a step."""

    def __init__(self, step: Step, function: Callable[..., Any], *arguments: Any) -> None:
        self.step = step
        self.function = function
        self.arguments = arguments


class Other:
    """Another stage, which is waited for."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage


class _Course:
    """A stage under way."""

    def __init__(self, stage: Stage, way: Way) -> None:
        self.stage = stage
        self.way = way
        self.waiting: list[_Course] = []
        """Those that wait for its end."""
        self.state: State | None = None


class Builder:
    """One build of one target."""

    def __init__(
        self,
        images: Images,
        request: BuildRequest,
        watcher: Watcher | None = None,
        access: Access | Callable[[], Access] | None = None,
    ) -> None:
        """`access` is how registries are spoken with where a base is pulled."""
        self._images = images
        self._access = access
        self._paths = Site(images.paths.root)
        self._request = request
        self._watcher = watcher or Unwatched()
        self._results = Results(images.paths)
        self._crew = Crew(request.jobs or len(os.sched_getaffinity(0)))
        self._courses: dict[int, _Course] = {}
        self._ready: deque[tuple[_Course, Any]] = deque()
        self._pending: deque[tuple[_Course, Work]] = deque()
        self._scopes: dict[int, Scope] = {}
        self._steps = 0

    def run(self) -> str:
        """Build it; return the id of the image. Raises Error, after all has ended."""
        request = self._request
        dockerfile = parse(request.dockerfile, request.name)
        here = str(platforms.host())
        given = Arguments(request.arguments, target=request.platform or here, build=here)
        self._file = plan(dockerfile, given)
        target = self._file.target(request.target)
        self._check(target)
        self._paths.prepare()  # before a step leaves something there, and it looks like another's
        try:
            state = self._build(target)
            image = self._finish(state)
        except BaseException:
            self._crew.cancel()
            raise
        finally:
            self._crew.wait()
            self._close()
        return image

    def _hire(self) -> None:
        """Before the first child: start the foreman, whom all of them share."""
        if self._paths.foreman is None:
            from rootless.images.foreman import Foreman

            run.preload()
            self._paths.prepare()
            self._paths.foreman = Foreman(self._paths, holds=True)

    def _close(self) -> None:
        if self._paths.foreman is not None:
            self._paths.foreman.__exit__(None, None, None)
            durability.write_out_later(self._paths)

    def _check(self, target: Stage) -> None:
        """Raise DockerfileError for what cannot be done, before anything is."""
        for stage in self._file.needed(target):
            for instruction in stage.instructions:
                if isinstance(instruction, model.Run):
                    confining.check(instruction, self._request)

    # -- the order

    def _build(self, target: Stage) -> State:
        for stage in self._file.needed(target):
            course = self._courses[stage.index] = _Course(stage, self._stage(stage))
            self._ready.append((course, None))
        last = self._courses[target.index]
        while last.state is None:
            while self._ready:
                self._go_on(*self._ready.popleft())
            while self._pending and self._crew.has_room:
                self._hire()
                course, work = self._pending.popleft()
                token = (course, work.step)
                self._crew.start(token, work.function, *work.arguments)
            if last.state is None:
                self._turn()
        return last.state

    def _turn(self) -> None:
        for (course, step), value, error in self._crew.turn(None, self._hear):
            if error is not None:
                self._watcher.end(step, cached=False, error=error.message)
                raise error
            self._ready.append((course, value))

    def _hear(self, token: Any, message: Document) -> None:
        self._watcher.hear(token[1], message)

    def _go_on(self, course: _Course, value: Any) -> None:
        try:
            wish = course.way.send(value)
        except StopIteration as end:
            course.state = end.value
            self._ready.extend((other, course.state) for other in course.waiting)
            return
        if isinstance(wish, Work):
            self._pending.append((course, wish))
            return
        other = self._courses[wish.stage.index]
        if other.state is not None:
            self._ready.append((course, other.state))
        else:
            other.waiting.append(course)

    def _work(self, step: Step, function: Callable[..., Any], *arguments: Any) -> Any:
        return Work(step, function, self._paths, *arguments)

    # -- a stage

    def _stage(self, stage: Stage) -> Way:
        state = yield from self._base(stage)
        if stage.parent is None:
            state.moment = "" if self._request.epoch is None else utc(self._request.epoch)
            self._request.shape.begin(state)
        scope = self._scope(stage, state)
        instructions = [*self._triggers(stage, state), *stage.instructions]
        for number, instruction in enumerate(instructions, 1):
            step = self._step(stage, f"{number}/{len(instructions)}", instruction)
            done = scope.apply(instruction)
            yield from self._instruction(step, stage, state, done, scope)
        return state

    def _triggers(self, stage: Stage, state: State) -> list[Instruction]:
        """What the base image has for stages based on it, which is done once."""
        if stage.parent is not None:
            return []  # a stage's own are among the instructions
        texts = state.settings.pop("OnBuild", None) or []
        return [trigger(text, stage.image) for text in texts]

    def _step(self, stage: Stage, position: str, instruction: Instruction) -> Step:
        self._steps += 1
        return Step(self._steps, stage.title, position, instruction.text)

    def _scope(self, stage: Stage, state: State) -> Scope:
        environment = configuration.variables(state.settings)
        if stage.parent is None:
            scope = self._file.scope(environment)
        else:
            scope = self._scopes[stage.parent.index].child(environment)
        self._scopes[stage.index] = scope
        return scope

    def _base(self, stage: Stage) -> Way:
        if stage.parent is not None:
            state: State = yield Other(stage.parent)
            branch = state.branch()
            branch.settings.pop("OnBuild", None)
            return branch
        if stage.image == "scratch":
            return State.scratch(stage.platform or self._request.platform)
        platform = stage.platform or self._request.platform
        return (yield from self._image(stage.image, platform))

    def _image(self, name: str, platform: str) -> Way:
        """Return the state that an image is, pulled where it is not here."""
        images = self._images
        if self._request.pull in ("missing", "never"):
            try:
                return State.of(images.resolve(name, pull="never", platform=platform))
            except NotFound:
                pass
        step = Step(0, "", "", f"FROM {name}")
        how = (name, self._request.pull, platform)
        image_id = yield Work(step, resolve.pull, images, self._access, *how)
        return State.of(images.get(f"sha256:{image_id}"))

    # -- an instruction

    def _instruction(
        self, step: Step, stage: Stage, state: State, done: Instruction, scope: Scope
    ) -> Generator[Work | Other, Any, None]:
        self._watcher.begin(step)
        if isinstance(done, model.Run):
            yield from self._run(step, stage, state, done, scope)
        elif isinstance(done, model.Copy):
            yield from self._copy(step, stage, state, done)
        elif isinstance(done, model.Workdir):
            yield from self._workdir(step, state, done)
        else:
            if isinstance(done, model.Maintainer):
                state.about["author"] = done.author
            configuration.apply(state.settings, done, state.inherited)
            state.tell(done.text, empty=True)
            self._watcher.end(step, cached=False, error="")

    def _take(self, step: Step, state: State, text: str, result: Result, *, cached: bool) -> None:
        state.stack = result.upon(state.stack)
        state.tell(text, result.notes.get("created", ""), empty=result.layer is None)
        self._watcher.end(step, cached=cached, error="")

    def _run(
        self, step: Step, stage: Stage, state: State, done: model.Run, scope: Scope
    ) -> Generator[Work | Other, Any, None]:
        script = done.command.script
        words = configuration.words(done.command, state.settings)
        declared = scope.declared()
        command = run.Command(words, [[*pair] for pair in scope.run_environment().items()])
        if script is not None and script.startswith("#!"):
            command.script = script
        command.fields = confining.fields_of(done, self._request)
        about = {key: state.settings.get(key) for key in ("Env", "User", "WorkingDir")}
        command.given, command.epoch = self._request.given, self._request.epoch
        command.mounts = yield from self._origins(stage, done)
        mounted = yield from self._mounted(step, command.mounts)
        how = [done.network, confining.counted(command.fields), self._request.epoch]
        key = key_of("run", state.stack.diff_ids, words, about, declared, how, mounted)
        result = self._results.get(key, state.stack) if self._request.use_cache else None
        cached = result is not None
        if result is None:
            value = yield self._work(step, run.run, state.stack, state.settings, command)
            result = Result(value["layer"], {"created": now()})
            self._results.put(key, result)
        told = " ".join([f"|{len(declared)}", *(f"{k}={v}" for k, v in declared.items())])
        text = " ".join(["RUN", *([told] if declared else []), *words])
        self._take(step, state, text, result, cached=cached)

    def _origins(
        self, stage: Stage, done: model.Run
    ) -> Generator[Work | Other, Any, list[tuple[Mount, Origin | None]]]:
        """Return the mounts of a RUN, each with where its files come from."""
        found: list[tuple[Mount, Origin | None]] = []
        for mount in done.mounts:
            origin = None
            if mount.type == "bind" or mount.stage:
                origin = yield from self._origin(mount.stage, stage, done)
            found.append((mount, origin))
        return found

    def _mounted(
        self, step: Step, mounts: list[tuple[Mount, Origin | None]]
    ) -> Generator[Work | Other, Any, list[list[Any]]]:
        """Return what of the mounts counts for the key: of a bind the content, of secrets none."""
        found = []
        for mount, origin in mounts:
            content = ""
            if origin is not None and mount.type == "bind":
                wanted = Wanted([mount.source or "/"], trusted=bool(origin.lowers))
                try:
                    content = copying.digest_of(self._paths, origin, wanted, read=False)
                except (Unknown, OSError):
                    content = yield self._work(step, copying.read_digest, origin, wanted)
            found.append([mount.text, content])
        return found

    def _origin(
        self, name: str, stage: Stage, done: Instruction
    ) -> Generator[Work | Other, Any, Origin]:
        """Return where files come from: the context for no name, a stage, or an image."""
        if not name:
            return Origin(self._request.context, self._request.ignore)
        source = self._file.reference(name, stage, done)
        if source is not None:
            state: State = yield Other(source)
        else:
            state = yield from self._image(name, self._request.platform)
        places = [f"{self._paths.layers}/{chain}/fs" for chain in state.stack.chains]
        return Origin(lowers=places)

    def _copy(
        self, step: Step, stage: Stage, state: State, done: model.Copy
    ) -> Generator[Work | Other, Any, None]:
        origin = yield from self._origin(done.stage, stage, done)
        copy = copies.copy_of(done, state.settings, origin)
        copy.manner.epoch = self._request.epoch
        result = None
        try:
            if self._request.use_cache:
                result = self._results.get(
                    copy.key(self._paths, state.stack, read=False), state.stack
                )
        except (Unknown, OSError):
            pass  # a child reads it
        cached = result is not None
        if result is None:
            value = yield self._work(step, copying.copy_files, state.stack, copy)
            result = Result(value["layer"], value["notes"])
            cached = bool(value.get("cached"))
        self._take(step, state, done.text, result, cached=cached)

    def _workdir(
        self, step: Step, state: State, done: model.Workdir
    ) -> Generator[Work | Other, Any, None]:
        configuration.apply(state.settings, done, state.inherited)
        path, user = state.settings["WorkingDir"], state.settings.get("User") or ""
        key = key_of("workdir", state.stack.diff_ids, path, user, self._request.epoch)
        result = self._results.get(key, state.stack)
        cached = result is not None
        if result is None:
            how = (state.stack, path, user, self._request.epoch)
            value = yield self._work(step, copying.make_directory, *how)
            result = Result(value["layer"], {"created": now()})
            self._results.put(key, result)
        self._take(step, state, done.text, result, cached=cached)

    # -- the image

    def _finish(self, state: State) -> str:
        request, shape = self._request, self._request.shape
        if request.labels:
            state.settings.setdefault("Labels", {}).update(request.labels)
        shape.finish(state)
        if shape.squash:
            self._squash(state, 0 if shape.squash == "all" else state.begun)
        document = state.document(request.epoch)
        form = finish.Form(request.tags, shape.annotations, docker=request.docker)
        if known := finish.known(self._images, state.stack, document, form):
            return known
        return str(self._last(finish.name, state.stack, document, form)).partition(":")[2]

    def _squash(self, state: State, first: int) -> None:
        if len(state.stack.parts) - first < 2:
            return
        epoch = self._request.epoch
        value = self._last(squashing.squash, state.stack, first, epoch)
        below = Stack(state.stack.parts[:first], state.stack.diff_ids[:first])
        state.stack = Result(value["layer"], value["notes"]).upon(below)
        state.history = squashing.history(state.history, first)

    def _last(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a child do what comes when all stages have ended; return what came of it."""
        step = Step(self._steps + 1, "", "", "image")
        self._hire()
        self._crew.start((None, step), function, self._paths, *arguments)
        while True:
            for _, value, error in self._crew.turn(None, self._hear):
                if error is not None:
                    raise error
                return value
