"""What becomes of the last state: the image in the store, and the outputs."""

from __future__ import annotations

from rootless.build import emulation
from rootless.build.cache.results import Result
from rootless.build.steps import finish
from rootless.build.watching import Step
from rootless.images.trees.stack import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.carriers.wishes import Carrier
    from rootless.build.course.attesting import Attestations
    from rootless.build.course.common import Build
    from rootless.build.course.lazily import Lazily
    from rootless.build.output.wishes import Output
    from rootless.build.state import State

    Document = dict[str, Any]


class Finishing:
    """The end of one build."""

    def __init__(self, build: Build, lazily: Lazily) -> None:
        self._build = build
        self._lazily = lazily
        self._request = build.request
        self._watcher = build.watcher
        self._paths = build.paths
        self._last = build.order.last

    def finish(self, state: State) -> str:
        """Make the image and write what is asked for; return the id of the image."""
        request, shape = self._request, self._request.shape
        if request.labels:
            state.settings.setdefault("Labels", {}).update(request.labels)
        shape.finish(state)
        if shape.squash:
            self._squash(state, 0 if shape.squash == "all" else state.begun)
        self._compare(state)
        image, document = "", state.document(request.epoch)
        said = None
        if request.attesting or request.attesting.told:
            from rootless.build.course.attesting import Attestations

            if request.attesting.sbom:
                self._lazily.bring_at_last(Step("fetching layers"), state.stack)
            said = Attestations(self._build, state, document)
        if not request.outputs or not all(one.is_files for one in request.outputs):
            image = self._named(state, document, said)
        for output in request.outputs:
            self._put(state, image, output, said)
        request.caching.collected.needed.update(state.stack.chains)
        for carrier in request.caching.targets:
            if carrier.kind != "inline" and request.caching.exports:
                self._export(carrier)
        return image

    def _export(self, carrier: Carrier) -> None:
        """Write the results into a carrier."""
        from rootless.build.carriers.exporting import Export, export

        request, imports = self._request, self._build.imports
        step = Step(f"exporting cache to {carrier}")
        self._watcher.begin(step)
        asked = Export(carrier, request.caching.collected, self._build.access)
        for cache in imports.caches:
            if cache.carrier.is_same(carrier):
                layers = cache.layers.items()
                asked.there.update((one, told["blob"]) for one, told in layers if told["blob"])
                asked.mounts_there.update(cache.mounts)
        for stack in imports.stacks_owed() if carrier.everything else ():
            if stack.diff_ids[-1] not in asked.there:
                self._lazily.bring_at_last(step, stack)
        if text := self._last(step, export, asked):
            self._watcher.hear(
                step, {"do": "warning", "text": f"no cache is written to {carrier}: {text}"}
            )
        self._watcher.end(step, cached=False, error="")

    def _compare(self, state: State) -> None:
        """Warn where the image is for another platform than the one that is asked for."""
        if text := emulation.unlike(state.about, self._request.platform, self._base_of):
            self._watcher.hear(Step("exporting to image"), {"do": "warning", "text": text})

    @property
    def _base_of(self) -> str:
        """Where the base of the target is named: NAME:LINE."""
        stage = self._build.target
        while stage.parent is not None:
            stage = stage.parent
        return f"{self._request.name}:{stage.origin.line}"

    def _named(self, state: State, document: Document, said: Attestations | None) -> str:
        """Put the image into the store, and return its id."""
        request, shape = self._request, self._request.shape
        step = Step("exporting to image")
        self._watcher.begin(step)
        if any(carrier.kind == "inline" for carrier in request.caching.targets):
            from rootless.build.carriers.document import INLINE

            document[INLINE] = request.caching.collected.inline(state.moment)
        form = finish.Form(request.tags, shape.annotations, docker=request.docker)
        form.attested = said.attested if said is not None else None
        image = finish.known(self._build.images, state.stack, document, form)
        if not image:
            self._lazily.bring_at_last(step, state.stack)
            value, entry = self._last(step, finish.name, state.stack, document, form)
            image = str(value).partition(":")[2]
            if form.attested is not None:
                request.named[image] = entry
        self._watcher.hear(step, {"do": "image", "id": image, "names": request.tags})
        self._watcher.end(step, cached=False, error="")
        return image

    def _put(self, state: State, image: str, output: Output, said: Attestations | None) -> None:
        """Write an output, or push it."""
        from rootless.build.output import sending

        if not (output.is_files or output.place or output.push):
            return
        step = Step(f"exporting to {output.kind}")
        self._watcher.begin(step)
        if output.is_files:
            self._lazily.bring_at_last(step, state.stack)
            layers = self._paths.lowers(state.stack)
            if said is not None and said.statements:
                names = [f"{output.prefix}{name}" for name, _, _ in said.statements]
                subjects = self._last(step, sending.subjects, layers, names)
                layers.append(said.files(subjects, output.prefix))
            self._last(step, sending.write_files, layers, output, self._request.epoch)
        else:
            ref = self._request.named.get(image, image)
            sent = sending.Sent(self._build.images, ref, self._request.tags, self._build.access)
            self._request.pushed.update(self._last(step, sending.send, sent, output))
        self._watcher.end(step, cached=False, error="")

    def _squash(self, state: State, first: int) -> None:
        if len(state.stack.parts) - first < 2:
            return
        from rootless.build.steps import squashing

        step = Step("squashing layers")
        self._watcher.begin(step)
        epoch = self._request.epoch
        self._lazily.bring_at_last(step, state.stack)
        value = self._last(step, squashing.squash, state.stack, first, epoch)
        below = Stack(state.stack.parts[:first], state.stack.diff_ids[:first])
        state.stack = Result(value["layer"], value["notes"]).upon(below)
        state.history = squashing.history(state.history, first)
        self._watcher.end(step, cached=False, error="")
