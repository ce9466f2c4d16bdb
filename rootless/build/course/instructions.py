"""The instructions of a stage, one after the other: what each costs, and what becomes of it."""

from __future__ import annotations

import functools

from rootless.build import advice, copies, emulation, history
from rootless.build import settings as configuration
from rootless.build.cache import contents, keys
from rootless.build.cache.results import Result, key_of
from rootless.build.course.order import Other
from rootless.build.course.sources import Sources
from rootless.build.dockerfile import model
from rootless.build.dockerfile.stages import trigger
from rootless.build.failing import StepFailed
from rootless.build.fetching import parts as remote
from rootless.build.files.gathering import Wanted
from rootless.build.files.hashes import Unknown
from rootless.build.state import State
from rootless.build.steps import confining, preloading
from rootless.build.steps import copy as copying
from rootless.build.steps.command import Command
from rootless.build.watching import Numbers
from rootless.errors import Error
from rootless.oci import platform as platforms
from rootless.times import now, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from rootless.build.course.common import Build
    from rootless.build.course.lazily import Lazily
    from rootless.build.course.order import Way, Work
    from rootless.build.dockerfile.model import Instruction
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.dockerfile.scope import Scope
    from rootless.build.dockerfile.stages import Stage
    from rootless.build.fetching.named import Context
    from rootless.build.files.origins import Origin
    from rootless.build.steps.copy import Copy
    from rootless.build.watching import Step


class Stages:
    """The stages of one build."""

    def __init__(self, build: Build, needed: list[Stage], lazily: Lazily) -> None:
        self._build = build
        self._request = build.request
        self._watcher = build.watcher
        self._paths = build.paths
        self._results = build.results
        self._scratch = build.scratch
        self._bring = lazily.bring
        self._work = build.order.work
        self._failed = build.order.failed
        self._sources = Sources(build)
        self._numbers = Numbers(needed, len(build.file.stages))
        self._scopes: dict[int, Scope] = {}

    def way(self, stage: Stage) -> Way:
        """Go through a stage, and return the state at its end."""
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
            scope = self._build.file.scope(environment)
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
            step.meant = stage.meant
            state = yield from self._sources.image(step, name, platform)
        self._watcher.end(step, cached=False, error="")
        return state

    def _directory(self, step: Step, stage: Stage, named: Context, platform: str) -> Way:
        """Return the state that a context is where it is taken for an image: all of its files."""
        self._watcher.begin(step)
        origin = yield from self._sources.context(step, named)
        state = State.scratch(platform)
        yield from self._lay(step, stage, state, copies.whole(origin), step.text)
        return state

    def _uses_cache(self, stage: Stage) -> bool:
        named = {one.lower() for one in self._request.caching.uncached}
        return self._request.use_cache and not named & {stage.name, str(stage.index)}

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
        command = Command(words, [[*pair] for pair in scope.run_environment().items()])
        if script is not None and script.startswith("#!"):
            command.script = script
        command.fields = confining.fields_of(done, self._request)
        self._build.materials.network |= confining.reaches(command.fields)
        about = {key: state.settings.get(key) for key in ("Env", "User", "WorkingDir")}
        command.given, command.epoch = self._request.given, self._request.epoch
        command.mounts = yield from self._sources.origins(step, stage, done)
        self._watcher.begin(step)  # once what it waits for is there
        mounted = yield from self._mounted(step, command.mounts)
        how = [done.network, confining.counted(command.fields), self._request.epoch]
        key = key_of("run", state.stack.diff_ids, words, about, declared, how, mounted)
        result = self._results.get(key, state.stack) if self._uses_cache(stage) else None
        cached = result is not None
        if result is None:
            preloading.for_run(networked=confining.is_networked(command.fields))
            from rootless.build.steps import run

            emulation.check(platforms.of(state.about))
            yield from self._bring(step, state.stack)
            for _, origin in command.mounts:
                if origin is not None and origin.stack is not None:
                    yield from self._bring(step, origin.stack)
            if self._build.imports.caches:
                command.imports, command.reach = self._build.imports, self._build.access
            command.document = state.document(None) if self._request.keep_failed else None
            value = yield self._work(step, run.run, state.stack, state.settings, command)
            if value["code"]:
                raise StepFailed.ended(step, words, value)
            if found := value["touched"]:
                text = advice.of_touched(stage, done, state.settings, found)
                self._watcher.hear(step, {"do": "note", "text": text})
            result = Result(value["layer"], {"created": now(), "text": step.text})
            anew = not self._uses_cache(stage)
            result = self._results.put(key, result, state.stack, anew=anew)
        self._take(step, state, history.run(words, declared), result, cached=cached)

    def _mounted(
        self, step: Step, mounts: list[tuple[Mount, Origin | None]]
    ) -> Generator[Work | Other, Any, list[list[Any]]]:
        """Return what of the mounts counts for the key: of a bind the content, of secrets none."""
        found = []
        for mount, origin in mounts:
            if mount.type == "cache":
                told = [mount.id or mount.target, *keys.owner_of(mount)]
                self._request.caching.collected.mounts[keys.name_of(mount, origin)] = told
            content = ""
            if origin is not None and mount.type == "bind":
                wanted = Wanted([mount.source or "/"], trusted=bool(origin.lowers))
                content = yield from self._content(step, origin, wanted)
            elif mount.type == "secret":
                content = keys.of_secret(self._paths, mount, self._request.given)
            found.append([mount.text, content])
        return found

    def _content(
        self, step: Step, origin: Origin, wanted: Wanted
    ) -> Generator[Work | Other, Any, str]:
        """Return the digest of files; that of files in layers is known from the last time."""
        if origin.stack is not None:
            known = self._results.get(contents.key(origin.stack, wanted), origin.stack)
            if known is not None:
                return str(known.notes["content"])
            yield from self._bring(step, origin.stack)
        try:
            content = copying.digest_of(self._paths, origin, wanted, read=False)
        except (Unknown, OSError):
            content = yield self._work(step, copying.read_digest, origin, wanted)
        self._know(origin, wanted, content)
        return content

    def _know(self, origin: Origin, wanted: Wanted, content: str) -> None:
        """Keep the digest of files in layers."""
        if origin.stack is not None:
            key = contents.key(origin.stack, wanted)
            self._results.put(key, contents.result(content), origin.stack)

    def _copy(
        self, step: Step, stage: Stage, state: State, done: model.Copy
    ) -> Generator[Work | Other, Any, None]:
        origin = yield from self._sources.origin(step, done.stage, stage, done)
        self._watcher.begin(step)
        copy = copies.copy_of(done, state.settings, origin)
        yield from self._lay(step, stage, state, copy, history.told(done, state.settings))

    def _lay(
        self, step: Step, stage: Stage, state: State, copy: Copy, text: str
    ) -> Generator[Work | Other, Any, None]:
        """Put the layer of a copy on top."""
        copy.manner.epoch = self._request.epoch
        copy.text, copy.use_cache = step.text, self._uses_cache(stage)
        copy.youngest = self._request.caching.youngest
        copy.scratch = self._scratch.new() if copy.unpacks else ""
        parts = [part for part in copy.parts if isinstance(part, remote.Part)]
        for part in parts:
            part.let_in(self._request.given.secrets)
            yield from part.identify(self._scratch, functools.partial(self._work, step))
            self._build.materials.add(part.material)
        result = yield from self._laid(step, state, copy)
        cached = result is not None
        if result is None:
            yield from self._bring(step, state.stack)
            for one in copy.parts:
                if one.origin.stack is not None:
                    yield from self._bring(step, one.origin.stack)
            for part in parts:
                yield from part.bring(self._scratch, functools.partial(self._work, step))
            from rootless.build.steps import laying

            value = yield self._work(step, laying.copy_files, state.stack, copy)
            result = Result(value["layer"], value["notes"])
            cached = bool(value.get("cached"))
            self._note(copy, value["found"])
            if value["key"]:
                self._results.used(value["key"], result, state.stack)
        self._take(step, state, text, result, cached=cached)

    def _laid(
        self, step: Step, state: State, copy: Copy
    ) -> Generator[Work | Other, Any, Result | None]:
        """Return what the cache has of a copy; None where it has nothing, or a child looks."""
        for part in copy.parts:
            origin = part.origin
            if origin.stack is not None:
                key = contents.key(origin.stack, part.wanted)
                known = self._results.get(key, origin.stack)
                if known is not None:
                    part.digest = str(known.notes["content"])
                else:
                    yield from self._bring(step, origin.stack)
        if not copy.use_cache:
            return None
        try:
            found = copy.digests(self._paths)
        except (Unknown, OSError):
            if not self._build.imports.caches:
                return None  # the child that does it reads it, and looks
            found = yield self._work(step, copying.read_digests, copy)
        self._note(copy, found)
        return self._results.get(copy.key(state.stack, found), state.stack)

    def _note(self, copy: Copy, found: list[str]) -> None:
        """Keep the digests of what a copy takes of layers, where they are new."""
        for part, digest in zip(copy.parts, found, strict=True):
            if not part.digest:
                self._know(part.origin, part.wanted, digest)

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
            yield from self._bring(step, state.stack)
            from rootless.build.steps import laying

            how = (state.stack, path, user, self._request.epoch)
            value = yield self._work(step, laying.make_directory, *how)
            result = Result(value["layer"], {"created": now(), "text": step.text})
            anew = not self._uses_cache(stage)
            result = self._results.put(key, result, state.stack, anew=anew)
        self._take(step, state, history.told(done, state.settings), result, cached=cached)
