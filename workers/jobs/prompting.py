"""From the prompts of a request to masks: what segment, objects, bodies and scene share."""

from dataclasses import dataclass

import numpy as np
from maquette.contract import Box, Instance, Manifest, PromptRef, Rle, SegmentJob, SegmentResult
from maquette.contract.geometry import Point
from maquette.contract.jobs import Prompted
from numpy.typing import NDArray

from workers.engines.protocols import Click, Segmented
from workers.errors import JobProblem
from workers.formats import rle
from workers.jobs.context import JobContext, LoadedImage


@dataclass(frozen=True, slots=True)
class Found:
    """One instance with its mask (H, W) bool; `ref` names the prompt that found it."""

    mask: NDArray[np.bool_]
    box: tuple[float, float, float, float]
    score: float | None
    label: str | None
    ref: PromptRef
    flags: tuple[str, ...] = ()

    def instance(self, index: int) -> Instance:
        """As the contract tells it."""
        return Instance(
            index=index,
            label=self.label,
            score=self.score,
            box=wire_box(self.box),
            area=int(self.mask.sum()),
            mask=Rle.model_validate(rle.encode_mask(self.mask)),
            prompt=self.ref,
            flags=list(self.flags),
        )


def find(context: JobContext, image: LoadedImage, request: Prompted) -> list[Found]:
    """All instances of phrases, then one for each box and list of points, then all that is like exemplars."""
    engine = context.engines.concepts()
    context.used(engine.info)
    check_inside(request.boxes, request.points, image.width, image.height)
    engine.check(request.text)
    context.progress("embed", message="reading the image")
    handle = engine.embed(image.pixels, image.sha256)
    context.progress("prompt", message="finding objects")
    found = [
        _found(item, PromptRef(kind="text", index=item.prompt))
        for item in engine.ground(handle, request.text, threshold=request.threshold)
        if request.text
    ]
    clicks = clicks_of(request.boxes, request.points)
    if clicks:
        boxes = len(request.boxes)
        for item in engine.segment(handle, clicks):
            is_box = item.prompt < boxes
            index = item.prompt if is_box else item.prompt - boxes
            found.append(_found(item, PromptRef(kind="box" if is_box else "points", index=index)))
    exemplars = request.exemplars if isinstance(request, SegmentJob) else []
    if exemplars:
        check_inside([exemplar.box for exemplar in exemplars], [], image.width, image.height)
        boxes_shown = [exemplar.box.xyxy() for exemplar in exemplars]
        labels = [int(exemplar.positive) for exemplar in exemplars]
        shown = engine.ground_exemplars(handle, boxes_shown, labels, threshold=request.threshold)
        found += [_found(item, PromptRef(kind="exemplars", index=0)) for item in shown]
    return [item for item in found if item.mask.any()]


def clicks_of(boxes: list[Box], points: list[list[Point]]) -> list[Click]:
    """Boxes first, then lists of points, as engines take them."""
    clicks = [Click(box=box.xyxy()) for box in boxes]
    for group in points:
        clicks.append(
            Click(
                points=np.array([[p.x, p.y] for p in group], dtype=np.float64),
                labels=np.array([p.label for p in group], dtype=np.int64),
            )
        )
    return clicks


def check_inside(boxes: list[Box], points: list[list[Point]], width: int, height: int) -> None:
    """Raise JobProblem when a prompt lies outside the picture."""
    for index, box in enumerate(boxes):
        if box.x1 <= 0 or box.y1 <= 0 or box.x0 >= width or box.y0 >= height:
            raise JobProblem(
                "prompt_outside_image", f"boxes[{index}] lies outside the {width} x {height} image"
            )
    for index, group in enumerate(points):
        if any(not (0 <= p.x <= width and 0 <= p.y <= height) for p in group):
            raise JobProblem(
                "prompt_outside_image", f"points[{index}] lies outside the {width} x {height} image"
            )


def from_masks(masks: list[Rle], image: LoadedImage) -> list[Found]:
    """Masks of the request as instances; raises JobProblem for one of another size or broken RLE."""
    found = []
    for index, wire in enumerate(masks):
        if wire.size != (image.height, image.width):
            raise JobProblem(
                "mask_size_mismatch",
                f"masks[{index}] is {wire.size[0]} x {wire.size[1]} (height x width), the image is "
                f"{image.height} x {image.width}",
            )
        mask = decode(wire, f"masks[{index}]")
        if not mask.any():
            raise JobProblem("mask_empty", f"masks[{index}] has no pixel")
        found.append(Found(mask, box_of(mask), None, None, PromptRef(kind="mask", index=index)))
    return found


def from_manifest(manifest: Manifest, job_id: str) -> list[Found]:
    """The instances of an earlier segment job."""
    if not isinstance(manifest.result, SegmentResult):
        raise JobProblem("source_wrong_kind", f"job {job_id} is no segment job: its result has no masks")
    return [
        Found(
            decode(item.mask, f"instance {item.index}"),
            item.box.xyxy(),
            item.score,
            item.label,
            PromptRef(kind="job", index=item.index),
            tuple(item.flags),
        )
        for item in manifest.result.instances
    ]


def decode(wire: Rle, what: str) -> NDArray[np.bool_]:
    """A mask of the wire; raises JobProblem when its runs are broken."""
    try:
        return rle.decode_mask({"size": list(wire.size), "counts": wire.counts})
    except rle.RleError as error:
        raise JobProblem("mask_invalid", f"{what} is not valid COCO RLE: {error}") from error


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The tight box (xyxy, end-exclusive) of a mask that has pixels."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1)


def wire_box(box: tuple[float, float, float, float]) -> Box:
    """A box as the contract tells it."""
    return Box(x0=box[0], y0=box[1], x1=box[2], y1=box[3])


def _found(item: Segmented, ref: PromptRef) -> Found:
    return Found(item.mask, item.box, item.score, item.label, ref, item.flags)
