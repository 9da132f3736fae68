"""From the prompts of a request to masks: what segment, objects, bodies and scene share."""

from dataclasses import dataclass

import numpy as np
from maquette.contract import (
    Box,
    Instance,
    Manifest,
    ObjectPrompt,
    Point,
    PromptRef,
    Rle,
    SegmentJob,
    SegmentResult,
)
from maquette.contract.requests import PromptedJob
from numpy.typing import NDArray

from workers.engines.protocols import ConceptEngine, ImageHandle, SegmentedInstance, VisualPrompt
from workers.errors import JobProblem
from workers.formats import rle
from workers.geometry.borders import touched_sides
from workers.geometry.boxes import bounding_box
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage


@dataclass(frozen=True, slots=True)
class InstanceMask:
    """One instance with its mask (H, W) bool; `ref` names the prompt that found it."""

    mask: NDArray[np.bool_]
    box: tuple[float, float, float, float]
    score: float | None
    label: str | None
    ref: PromptRef
    flags: tuple[str, ...] = ()
    stability: float | None = None

    def instance(self, index: int, *, polygons: bool = False) -> Instance:
        """As the contract tells it."""
        return Instance(
            index=index,
            label=self.label,
            score=self.score,
            box=to_wire_box(self.box),
            area=int(self.mask.sum()),
            mask=Rle.model_validate(rle.encode_mask(self.mask)),
            prompt=self.ref,
            stability=self.stability,
            borders=touched_sides(self.mask),
            polygons=rle.mask_to_polygons(self.mask) if polygons else None,
            flags=list(self.flags),
        )


def find_instances(context: JobContext, image: LoadedImage, request: PromptedJob) -> list[InstanceMask]:
    """All instances of phrases, then one for each box and list of points, then all that is like exemplars."""
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    check_prompts_inside(request.boxes, request.points, image.width, image.height)
    prompts = request.prompts if isinstance(request, SegmentJob) else []
    clicks = to_visual_prompts(request.boxes, request.points)
    clicks += [
        to_visual_prompt(prompt, f"prompts[{index}]", image.width, image.height)
        for index, prompt in enumerate(prompts)
    ]
    engine.check(request.text)
    context.progress("embed", message="reading the image")
    handle = engine.embed(image.pixels, image.key)
    context.progress("prompt", message="finding objects")
    found = []
    if request.text:
        named = engine.ground(handle, request.text, thresholds=request.resolve_thresholds())
        found = [_found(item, PromptRef(kind="text", index=item.prompt)) for item in named]
    if clicks:
        refs = [
            *(PromptRef(kind="box", index=index) for index in range(len(request.boxes))),
            *(PromptRef(kind="points", index=index) for index in range(len(request.points))),
            *(PromptRef(kind="prompt", index=index) for index in range(len(prompts))),
        ]
        found += [_found(item, refs[item.prompt]) for item in engine.segment(handle, clicks)]
    if isinstance(request, SegmentJob) and request.exemplars:
        found += _alike(context, engine, image, handle, request)
    return [item for item in found if item.mask.any()]


def _alike(
    context: JobContext, engine: ConceptEngine, image: LoadedImage, handle: ImageHandle, request: SegmentJob
) -> list[InstanceMask]:
    """All that looks like the request's exemplars, some of which may lie in other pictures."""
    others: dict[str, tuple[LoadedImage, ImageHandle]] = {}
    shown: list[ImageHandle | None] = []
    for index, exemplar in enumerate(request.exemplars):
        place, known = image, None
        if exemplar.image is not None:
            name = exemplar.image.model_dump_json()
            if name not in others:
                loaded = context.media.load_image(exemplar.image)
                others[name] = loaded, engine.embed(loaded.pixels, loaded.key)
            place, known = others[name]
        if exemplar.box.is_outside(place.width, place.height):
            raise prompt_outside_problem(f"exemplars[{index}]", place.width, place.height)
        shown.append(known)
    found = engine.ground_exemplars(
        handle,
        [exemplar.box.xyxy() for exemplar in request.exemplars],
        [int(exemplar.positive) for exemplar in request.exemplars],
        shown=shown if others else (),
        threshold=request.threshold,
    )
    return [_found(item, PromptRef(kind="exemplars", index=0)) for item in found]


def to_visual_prompts(boxes: list[Box], points: list[list[Point]]) -> list[VisualPrompt]:
    """Boxes first, then lists of points, as engines take them."""
    clicks = [VisualPrompt(box=box.xyxy()) for box in boxes]
    for group in points:
        clicks.append(_pointed(None, group, None))
    return clicks


def to_visual_prompt(prompt: ObjectPrompt, what: str, width: int, height: int) -> VisualPrompt:
    """One object's prompt as engines take it; raises JobProblem when it does not fit the picture."""
    if (prompt.box and prompt.box.is_outside(width, height)) or any(
        point.is_outside(width, height) for point in prompt.points
    ):
        raise prompt_outside_problem(what, width, height)
    mask = None if prompt.mask is None else _fitting(prompt.mask, f"{what}.mask", width, height)
    return _pointed(prompt.box, prompt.points, mask)


def _pointed(box: Box | None, points: list[Point], mask: NDArray[np.bool_] | None) -> VisualPrompt:
    return VisualPrompt(
        box=None if box is None else box.xyxy(),
        points=np.array([[p.x, p.y] for p in points], dtype=np.float64) if points else None,
        labels=np.array([p.label for p in points], dtype=np.int64) if points else None,
        mask=mask,
    )


def check_prompts_inside(boxes: list[Box], points: list[list[Point]], width: int, height: int) -> None:
    """Raise JobProblem when a prompt lies outside the picture."""
    for index, box in enumerate(boxes):
        if box.is_outside(width, height):
            raise prompt_outside_problem(f"boxes[{index}]", width, height)
    for index, group in enumerate(points):
        if any(point.is_outside(width, height) for point in group):
            raise prompt_outside_problem(f"points[{index}]", width, height)


def prompt_outside_problem(what: str, width: int, height: int) -> JobProblem:
    """That a prompt lies outside the picture."""
    return JobProblem("prompt_outside_image", f"{what} lies outside the {width} x {height} picture")


def decode_masks(masks: list[Rle], image: LoadedImage) -> list[InstanceMask]:
    """Masks of the request as instances; raises JobProblem for one of another size or broken RLE."""
    found = []
    for index, wire in enumerate(masks):
        mask = _fitting(wire, f"masks[{index}]", image.width, image.height)
        found.append(InstanceMask(mask, bounding_box(mask), None, None, PromptRef(kind="mask", index=index)))
    return found


def _fitting(wire: Rle, what: str, width: int, height: int) -> NDArray[np.bool_]:
    if wire.size != (height, width):
        raise JobProblem(
            "mask_size_mismatch",
            f"{what} is {wire.size[0]} x {wire.size[1]} (height x width), the picture is {height} x {width}",
        )
    mask = decode_rle(wire, what)
    if not mask.any():
        raise JobProblem("mask_empty", f"{what} has no pixel")
    return mask


def load_instances(manifest: Manifest, job_id: str) -> list[InstanceMask]:
    """The instances of an earlier segment job."""
    if not isinstance(manifest.result, SegmentResult):
        raise JobProblem("source_wrong_kind", f"job {job_id} is no segment job: its result has no masks")
    return [
        InstanceMask(
            decode_rle(item.mask, f"instance {item.index}"),
            item.box.xyxy(),
            item.score,
            item.label,
            PromptRef(kind="job", index=item.index),
            tuple(item.flags),
        )
        for item in manifest.result.instances
    ]


def decode_rle(wire: Rle, what: str) -> NDArray[np.bool_]:
    """A mask of the wire; raises JobProblem when its runs are broken."""
    try:
        return rle.decode_mask({"size": list(wire.size), "counts": wire.counts})
    except rle.RleError as error:
        raise JobProblem("mask_invalid", f"{what} is not valid COCO RLE: {error}") from error


def to_wire_box(box: tuple[float, float, float, float]) -> Box:
    """A box as the contract tells it."""
    return Box(x0=box[0], y0=box[1], x1=box[2], y1=box[3])


def _found(item: SegmentedInstance, ref: PromptRef) -> InstanceMask:
    return InstanceMask(item.mask, item.box, item.score, item.label, ref, item.flags, item.stability)
