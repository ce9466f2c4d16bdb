"""One build: stages and their instructions in an order that works, as many at once as may be.

Each stage is a generator, which yields what it waits for: the work of a child, or another stage.
What needs neither, because the cache has it or because it only changes settings, is done at once.
"""

from __future__ import annotations

import functools
import os
from collections import deque

from rootless.build import advice, copies, emulation, history, leavings, leftovers
from rootless.build import settings as configuration
from rootless.build.cache import keys
from rootless.build.cache.living import Living
from rootless.build.cache.results import Result, Results, key_of
from rootless.build.contexts import ignore_of
from rootless.build.crew import Crew
from rootless.build.dockerfile import model
from rootless.build.dockerfile.directives import refuse_frontend
from rootless.build.dockerfile.parsing import parse
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import plan, trigger
from rootless.build.failing import StepFailed
from rootless.build.fetching import parts as remote
from rootless.build.fetching.remotes import fetch_context
from rootless.build.files.gathering import Wanted
from rootless.build.files.hashes import Unknown
from rootless.build.files.origins import Origin
from rootless.build.place import Site
from rootless.build.scratch import Scratch
from rootless.build.state import State
from rootless.build.steps import confining, finish, resolve, run, squashing
from rootless.build.steps import copy as copying
from rootless.build.watching import CANCELED, Numbers, Step, Unwatched
from rootless.errors import Error, NotFound
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
    from rootless.build.fetching.named import Context
    from rootless.build.output.wishes import Output
    from rootless.build.request import BuildRequest
    from rootless.build.steps.copy import Copy
    from rootless.build.watching import Watcher
    from rootless.images.collection import Images
    from rootless.images.image import Image
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
        self._results = Results(images.paths, youngest=request.youngest)
        self._living = Living(images.paths)
        self._paths.build = self._living.id
        self._crew = Crew(request.jobs or len(os.sched_getaffinity(0)))
        self._courses: dict[int, _Course] = {}
        self._ready: deque[tuple[_Course, Any]] = deque()
        self._pending: deque[tuple[_Course, Work]] = deque()
        self._scopes: dict[int, Scope] = {}
        self._scratch = request.scratch or Scratch(images.paths)
        self._contexts: dict[str, Origin] = {}
        """Named contexts that were fetched, by what they are fetched from."""

    def run(self) -> str:
        """Build it; return the id of the image. Raises Error, after all has ended."""
        request = self._request
        dockerfile = parse(request.dockerfile, request.name)
        refuse_frontend(dockerfile.syntax, request.arguments.get("BUILDKIT_SYNTAX"))
        here = str(platforms.host())
        given = Arguments(request.arguments, target=request.platform or here, build=here)
        self._file = plan(dockerfile, given, request.contexts)
        target = self._file.target(request.target)
        self._check(target)
        self._paths.prepare()  # before a step leaves something there, and it looks like another's
        leavings.sweep(self._paths)
        with self._living:
            try:
                state = self._build(target)
                image = self._finish(state)
            except BaseException as error:
                for _, step in self._crew.cancel():
                    self._watcher.end(step, cached=False, error=CANCELED)
                self._crew.wait()
                leavings.sweep_build(self._paths, self._living.id)  # of children that were killed
                if isinstance(error, StepFailed) and error.left:
                    leftovers.keep(self._images, error.left)
                raise
            finally:
                self._crew.wait()
                self._close()
                if request.scratch is None:
                    self._scratch.close()
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
        needed = self._file.needed(target)
        self._numbers = Numbers(needed, len(self._file.stages))
        for stage in needed:
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
        for (course, step), value, error in self._crew.turn(self._watcher.interval, self._hear):
            if error is not None:
                raise self._failed(step, error)
            self._ready.append((course, value))
        self._watcher.tick()

    def _failed(self, step: Step, error: Error) -> Error:
        """Tell that a step has failed; return the error that ends the build."""
        failed = StepFailed.of(step, error)
        self._watcher.end(step, cached=False, error=getattr(failed, "said", "") or failed.message)
        return failed

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
        opening = self._numbers.steps(stage, stage.instructions)[0]
        try:
            state = yield from self._base(opening, stage)
            if stage.parent is None:
                state.moment = "" if self._request.epoch is None else utc(self._request.epoch)
                self._request.shape.begin(state)
            scope = self._scope(stage, state)
            instructions = [*self._triggers(stage, state), *stage.instructions]
        except Error as error:
            raise self._failed(opening, error) from error
        steps = self._numbers.steps(stage, instructions)
        for step, instruction in zip(steps[1:], instructions, strict=True):
            try:
                done = scope.apply(instruction)
                yield from self._instruction(step, stage, state, done, scope)
            except Error as error:
                raise self._failed(step, error) from error
        return state

    def _triggers(self, stage: Stage, state: State) -> list[Instruction]:
        """What the base image has for stages based on it, which is done once."""
        if stage.parent is not None:
            return []  # a stage's own are among the instructions
        texts = state.settings.pop("OnBuild", None) or []
        return [trigger(text, stage.image) for text in texts]

    def _scope(self, stage: Stage, state: State) -> Scope:
        environment = configuration.variables(state.settings)
        if stage.parent is None:
            scope = self._file.scope(environment)
        else:
            scope = self._scopes[stage.parent.index].child(environment)
        self._scopes[stage.index] = scope
        return scope

    def _base(self, step: Step, stage: Stage) -> Way:
        if stage.parent is not None:
            state: State = yield Other(stage.parent)
            self._watcher.begin(step)
            state = state.branch()
            state.settings.pop("OnBuild", None)
        elif stage.image == "scratch":
            self._watcher.begin(step)
            state = State.scratch(stage.platform or self._request.platform)
        else:
            platform = stage.platform or self._request.platform
            named = self._request.contexts.get(stage.image.lower())
            if named is not None and not named.image:
                return (yield from self._directory(step, stage, named, platform))
            name = named.image if named else stage.image
            state = yield from self._image(step, name, platform)
        self._watcher.end(step, cached=False, error="")
        return state

    def _directory(self, step: Step, stage: Stage, named: Context, platform: str) -> Way:
        """Return the state that a context is where it is taken for an image: all of its files."""
        self._watcher.begin(step)
        origin = yield from self._context(step, named)
        state = State.scratch(platform)
        yield from self._lay(step, stage, state, copies.whole(origin), step.text)
        return state

    def _image(self, step: Step, name: str, platform: str) -> Way:
        """Return the state that an image is, pulled where it is not here.

        `step` is that of a FROM, which begins with it, or of what takes files from the image.
        """
        image = self._here(name, platform)
        opening = isinstance(step.instruction, model.From)
        if image is None:
            if opening:
                self._watcher.begin(step)
            step.meant = self._file.like(name)
            how = (name, self._request.pull, platform)
            image_id = yield Work(step, resolve.pull, self._images, self._access, *how)
            step.meant = ""
            image = self._images.get(f"sha256:{image_id}")
            self._watcher.hear(step, {"do": "found", "name": name, "digest": image.digest})
        elif opening:
            step.text = f"FROM {resolve.whole(self._images.name_of(name) or name, image.digest)}"
            self._watcher.begin(step)
        return State.of(image)

    def _here(self, name: str, platform: str) -> Image | None:
        """Return an image that need not be fetched; None where it has to be."""
        if self._request.pull in ("missing", "never"):
            try:
                return self._images.resolve(name, pull="never", platform=platform)
            except NotFound:
                pass
        return None

    def _uses_cache(self, stage: Stage) -> bool:
        named = {one.lower() for one in self._request.uncached}
        return self._request.use_cache and not named & {stage.name, str(stage.index)}

    # -- an instruction

    def _instruction(
        self, step: Step, stage: Stage, state: State, done: Instruction, scope: Scope
    ) -> Generator[Work | Other, Any, None]:
        if isinstance(done, model.Run):
            yield from self._run(step, stage, state, done, scope)
        elif isinstance(done, model.Copy):
            yield from self._copy(step, stage, state, done)
        elif isinstance(done, model.Workdir):
            yield from self._workdir(step, stage, state, done)
        else:
            self._watcher.begin(step)
            if isinstance(done, model.Maintainer):
                state.about["author"] = done.author
            configuration.apply(state.settings, done, state.inherited)
            state.tell(history.told(done, state.settings), empty=True)
            step.result = key_of(state.stack.chains[-1:], len(state.history), done.text)
            self._watcher.end(step, cached=False, error="")

    def _take(self, step: Step, state: State, text: str, result: Result, *, cached: bool) -> None:
        state.stack = result.upon(state.stack)
        state.tell(text, result.notes.get("created", ""), empty=result.layer is None)
        step.result = key_of(state.stack.chains[-1:], len(state.history), text)
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
        command.mounts = yield from self._origins(step, stage, done)
        self._watcher.begin(step)  # once what it waits for is there
        mounted = yield from self._mounted(step, command.mounts)
        how = [done.network, confining.counted(command.fields), self._request.epoch]
        key = key_of("run", state.stack.diff_ids, words, about, declared, how, mounted)
        result = self._results.get(key, state.stack) if self._uses_cache(stage) else None
        cached = result is not None
        if result is None:
            emulation.check(platforms.of(state.about))
            command.document = state.document(None) if self._request.keep_failed else None
            value = yield self._work(step, run.run, state.stack, state.settings, command)
            if value["code"]:
                raise StepFailed.ended(step, words, value["code"], value["left"])
            if found := value["touched"]:
                text = advice.of_touched(stage, done, state.settings, found)
                self._watcher.hear(step, {"do": "note", "text": text})
            result = Result(value["layer"], {"created": now(), "text": step.text})
            anew = not self._uses_cache(stage)
            result = self._results.put(key, result, state.stack, anew=anew)
        self._take(step, state, history.run(words, declared), result, cached=cached)

    def _origins(
        self, step: Step, stage: Stage, done: model.Run
    ) -> Generator[Work | Other, Any, list[tuple[Mount, Origin | None]]]:
        """Return the mounts of a RUN, each with where its files come from."""
        found: list[tuple[Mount, Origin | None]] = []
        for mount in done.mounts:
            origin = None
            if mount.type == "bind" or mount.stage:
                origin = yield from self._origin(step, mount.stage, stage, done)
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
            elif mount.type == "secret":
                content = keys.of_secret(self._paths, mount, self._request.given)
            found.append([mount.text, content])
        return found

    def _origin(
        self, step: Step, name: str, stage: Stage, done: Instruction
    ) -> Generator[Work | Other, Any, Origin]:
        """Return where files come from: the context for no name, a stage, or an image."""
        if not name:
            return Origin(self._request.context, self._request.ignore)
        named = self._request.contexts.get(name.lower())
        if named is not None and not named.image:
            return (yield from self._context(step, named))
        source = self._file.reference(name, stage, done)
        if source is not None:
            state: State = yield Other(source)
        else:
            name = named.image if named else name
            state = yield from self._image(step, name, self._request.platform)
        return Origin(lowers=self._paths.lowers(state.stack))

    def _context(self, step: Step, named: Context) -> Generator[Work | Other, Any, Origin]:
        """Return where the files of a named context are, fetched once."""
        known = named.directory or named.source
        if known not in self._contexts:
            path = named.directory
            if not path:
                path = yield self._work(step, fetch_context, named.source, self._scratch.new())
            self._contexts[known] = Origin(path, ignore_of(path))
        return self._contexts[known]

    def _copy(
        self, step: Step, stage: Stage, state: State, done: model.Copy
    ) -> Generator[Work | Other, Any, None]:
        origin = yield from self._origin(step, done.stage, stage, done)
        self._watcher.begin(step)
        copy = copies.copy_of(done, state.settings, origin)
        yield from self._lay(step, stage, state, copy, history.told(done, state.settings))

    def _lay(
        self, step: Step, stage: Stage, state: State, copy: Copy, text: str
    ) -> Generator[Work | Other, Any, None]:
        """Put the layer of a copy on top."""
        copy.manner.epoch = self._request.epoch
        copy.text, copy.use_cache = step.text, self._uses_cache(stage)
        copy.youngest = self._request.youngest
        copy.scratch = self._scratch.new() if copy.unpacks else ""
        parts = [part for part in copy.parts if isinstance(part, remote.Part)]
        for part in parts:
            yield from part.identify(self._scratch, functools.partial(self._work, step))
        result = None
        try:
            if copy.use_cache:
                key = copy.key(self._paths, state.stack, read=False)
                result = self._results.get(key, state.stack)
        except (Unknown, OSError):
            pass  # a child reads it
        cached = result is not None
        if result is None:
            for part in parts:
                yield from part.bring(self._scratch, functools.partial(self._work, step))
            value = yield self._work(step, copying.copy_files, state.stack, copy)
            result = Result(value["layer"], value["notes"])
            cached = bool(value.get("cached"))
        self._take(step, state, text, result, cached=cached)

    def _workdir(
        self, step: Step, stage: Stage, state: State, done: model.Workdir
    ) -> Generator[Work | Other, Any, None]:
        self._watcher.begin(step)
        configuration.apply(state.settings, done, state.inherited)
        path, user = state.settings["WorkingDir"], state.settings.get("User") or ""
        key = key_of("workdir", state.stack.diff_ids, path, user, self._request.epoch)
        result = self._results.get(key, state.stack) if self._uses_cache(stage) else None
        cached = result is not None
        if result is None:
            how = (state.stack, path, user, self._request.epoch)
            value = yield self._work(step, copying.make_directory, *how)
            result = Result(value["layer"], {"created": now(), "text": step.text})
            anew = not self._uses_cache(stage)
            result = self._results.put(key, result, state.stack, anew=anew)
        self._take(step, state, history.told(done, state.settings), result, cached=cached)

    # -- the image

    def _finish(self, state: State) -> str:
        request, shape = self._request, self._request.shape
        if request.labels:
            state.settings.setdefault("Labels", {}).update(request.labels)
        shape.finish(state)
        if shape.squash:
            self._squash(state, 0 if shape.squash == "all" else state.begun)
        self._compare(state)
        image = ""
        if not request.outputs or not all(one.is_files for one in request.outputs):
            image = self._named(state)
        for output in request.outputs:
            self._put(state, image, output)
        return image

    def _compare(self, state: State) -> None:
        """Warn where the image is for another platform than the one that is asked for."""
        if text := emulation.unlike(state.about, self._request.platform, self._base_of):
            self._watcher.hear(Step("exporting to image"), {"do": "warning", "text": text})

    @property
    def _base_of(self) -> str:
        """Where the base of the target is named: NAME:LINE."""
        stage = self._file.target(self._request.target)
        while stage.parent is not None:
            stage = stage.parent
        return f"{self._request.name}:{stage.origin.line}"

    def _named(self, state: State) -> str:
        """Put the image into the store, and return its id."""
        request, shape = self._request, self._request.shape
        step = Step("exporting to image")
        self._watcher.begin(step)
        document = state.document(request.epoch)
        form = finish.Form(request.tags, shape.annotations, docker=request.docker)
        image = finish.known(self._paths, state.stack, document, form)
        if not image:
            value = self._last(step, finish.name, state.stack, document, form)
            image = str(value).partition(":")[2]
        self._watcher.hear(step, {"do": "image", "id": image, "names": request.tags})
        self._watcher.end(step, cached=False, error="")
        return image

    def _put(self, state: State, image: str, output: Output) -> None:
        """Write an output, or push it."""
        from rootless.build.output import sending

        if not (output.is_files or output.place or output.push):
            return
        step = Step(f"exporting to {output.kind}")
        self._watcher.begin(step)
        if output.is_files:
            epoch = self._request.epoch
            self._last(step, sending.write_files, state.stack, output, epoch)
        else:
            sent = sending.Sent(self._images, image, self._request.tags, self._access)
            self._request.pushed.update(self._last(step, sending.send, sent, output))
        self._watcher.end(step, cached=False, error="")

    def _squash(self, state: State, first: int) -> None:
        if len(state.stack.parts) - first < 2:
            return
        step = Step("squashing layers")
        self._watcher.begin(step)
        epoch = self._request.epoch
        value = self._last(step, squashing.squash, state.stack, first, epoch)
        below = Stack(state.stack.parts[:first], state.stack.diff_ids[:first])
        state.stack = Result(value["layer"], value["notes"]).upon(below)
        state.history = squashing.history(state.history, first)
        self._watcher.end(step, cached=False, error="")

    def _last(self, step: Step, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a child do what comes when all stages have ended; return what came of it."""
        self._hire()
        self._crew.start((None, step), function, self._paths, *arguments)
        while True:
            for _, value, error in self._crew.turn(self._watcher.interval, self._hear):
                if error is not None:
                    raise self._failed(step, error)
                return value
            self._watcher.tick()
