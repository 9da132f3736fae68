"""Instances of an image with their masks, from prompts or from an earlier job."""

from collections.abc import Sequence
from dataclasses import dataclass

from maquette.contract import Instance, Manifest, PromptRef, Rle, SegmentJob, SegmentResult
from maquette.contract.requests import PromptedJob, Region, find_misfit

from workers.engines.protocols import (
    Box,
    ConceptEngine,
    ImageHandle,
    Mask,
    MaskCleanup,
    Runs,
    SegmentedInstance,
    VisualPrompt,
)
from workers.errors import JobProblem
from workers.formats import rle
from workers.geometry.borders import touched_sides
from workers.geometry.boxes import bounding_box
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.prompts import (
    check_prompts,
    decode_mask,
    decode_rle,
    to_visual_prompt,
    to_visual_prompts,
)
from workers.jobs.wire import to_wire_box


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceMask:
    """One instance: a mask (H, W), an xyxy box in pixels, and the prompt that it answers.

    `score` is None for masks that the request gave, `label` where it does not name them; `runs` are the
    mask's where the engine knows them.
    """

    mask: Mask
    box: Box
    score: float | None
    label: str | None
    prompt: PromptRef
    flags: tuple[str, ...] = ()
    stability: float | None = None
    runs: Runs | None = None

    def to_wire(self, index: int, *, polygons: bool = False) -> Instance:
        """The instance as the contract writes it."""
        return Instance(
            index=index,
            label=self.label,
            score=self.score,
            box=to_wire_box(self.box),
            area=int(self.mask.sum()),
            mask=Rle.model_validate(self._encode()),
            prompt=self.prompt,
            stability=self.stability,
            borders=touched_sides(self.mask),
            polygons=rle.mask_to_polygons(self.mask) if polygons else None,
            flags=list(self.flags),
        )

    def _encode(self) -> rle.Rle:
        if self.runs is None:
            return rle.encode_mask(self.mask)
        return rle.encode_runs(self.runs, self.mask.shape)


def find_instances(context: JobContext, image: LoadedImage, request: PromptedJob) -> list[InstanceMask]:
    """Every instance of the phrases, one per visual prompt, then every instance that matches the exemplars.

    Empty masks are left out. Raises JobProblem for prompts that do not fit the image, UnknownPhrase.
    """
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    check_prompts(request, image.width, image.height)
    prompts, refs = _build_visual_prompts(request)
    engine.check(request.text)
    context.progress("embed", message="reading the image")
    handle = engine.embed(image.pixels, image.key)
    context.progress("prompt", message="finding objects")
    instances: list[InstanceMask] = []
    if request.text:
        segmented = engine.ground(
            handle,
            request.text,
            thresholds=request.resolve_thresholds(),
            cleanup=find_cleanup(request),
        )
        instances += [to_instance(item, PromptRef(kind="text", index=item.prompt)) for item in segmented]
    if prompts:
        instances += [to_instance(item, refs[item.prompt]) for item in engine.segment(handle, prompts)]
    if isinstance(request, SegmentJob) and request.exemplars:
        instances += _match_exemplars(context, engine, handle, request)
    return [instance for instance in instances if instance.mask.any()]


def decode_masks(masks: Sequence[Rle], labels: Sequence[str | None] = ()) -> list[InstanceMask]:
    """Masks of a request that `check_prompts` accepted, with a label each where the request has any.

    Raises JobProblem for a mask that is broken or empty.
    """
    instances = []
    for index, encoded in enumerate(masks):
        mask = decode_mask(encoded, f"masks[{index}]")
        prompt = PromptRef(kind="mask", index=index)
        instances.append(
            InstanceMask(
                mask=mask,
                box=bounding_box(mask),
                score=None,
                label=labels[index] if labels else None,
                prompt=prompt,
            )
        )
    return instances


def load_instances(manifest: Manifest, job_id: str) -> list[InstanceMask]:
    """The instances of an earlier segment job; raises JobProblem for another kind of job."""
    if not isinstance(manifest.result, SegmentResult):
        raise JobProblem("source_wrong_kind", f"job {job_id} is not a segment job: its result has no masks")
    return [
        InstanceMask(
            mask=decode_rle(item.mask, f"instance {item.index}"),
            box=item.box.xyxy(),
            score=item.score,
            label=item.label,
            prompt=PromptRef(kind="job", index=item.index),
            flags=tuple(item.flags),
        )
        for item in manifest.result.instances
    ]


def _build_visual_prompts(request: PromptedJob) -> tuple[list[VisualPrompt], list[PromptRef]]:
    """One prompt per box, per list of points and per object prompt, and where each is in the request."""
    object_prompts = request.prompts if isinstance(request, SegmentJob) else []
    prompts = to_visual_prompts(request.boxes, request.points)
    prompts += [to_visual_prompt(item, f"prompts[{index}]") for index, item in enumerate(object_prompts)]
    refs = [
        *(PromptRef(kind="box", index=index) for index in range(len(request.boxes))),
        *(PromptRef(kind="points", index=index) for index in range(len(request.points))),
        *(PromptRef(kind="prompt", index=index) for index in range(len(object_prompts))),
    ]
    return prompts, refs


def _match_exemplars(
    context: JobContext, engine: ConceptEngine, handle: ImageHandle, request: SegmentJob
) -> list[InstanceMask]:
    """Every instance that matches the exemplars, which may lie in other images."""
    others: dict[str, tuple[LoadedImage, ImageHandle]] = {}
    handles: list[ImageHandle | None] = []
    for index, exemplar in enumerate(request.exemplars):
        if exemplar.image is None:
            handles.append(None)
            continue
        key = exemplar.image.model_dump_json()
        if key not in others:
            loaded = context.media.load_image(exemplar.image)
            others[key] = loaded, engine.embed(loaded.pixels, loaded.key)
        other, other_handle = others[key]
        misfit = find_misfit([Region(f"exemplars[{index}]", exemplar.box)], other.width, other.height)
        if misfit is not None:
            raise JobProblem(misfit.code, misfit.detail)
        handles.append(other_handle)
    segmented = engine.ground_exemplars(
        handle,
        [exemplar.box.xyxy() for exemplar in request.exemplars],
        [int(exemplar.positive) for exemplar in request.exemplars],
        shown=handles if others else (),
        threshold=request.threshold,
        cleanup=find_cleanup(request),
    )
    return [to_instance(item, PromptRef(kind="exemplars", index=0)) for item in segmented]


def find_cleanup(request: PromptedJob) -> MaskCleanup | None:
    """What the request says about cleaning; None where it says nothing."""
    if not isinstance(request, SegmentJob) or (request.nms_iou is None and request.fill_area is None):
        return None
    return MaskCleanup(nms_iou=request.nms_iou, fill_area=request.fill_area)


def to_instance(item: SegmentedInstance, prompt: PromptRef) -> InstanceMask:
    """An engine's instance, and what of the request it answers."""
    return InstanceMask(
        mask=item.mask,
        box=item.box,
        score=item.score,
        label=item.label,
        prompt=prompt,
        flags=item.flags,
        stability=item.stability,
        runs=item.runs,
    )
