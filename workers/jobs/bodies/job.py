"""Bodies: people of an image to rigged meshes; a video goes to `bodies_video`."""

from collections.abc import Sequence
from dataclasses import dataclass

from maquette.contract import BodiesJob, BodiesResult, Manifest, TrackResult

from workers.engines.protocols import Box, Mask
from workers.errors import JobProblem
from workers.formats.images import encode_png
from workers.jobs.bodies.recovery import find_people, list_ignored_options, recover_people, write_body
from workers.jobs.bodies.video import run as run_video
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.previews import render_body_panels
from workers.jobs.segment.instances import InstanceMask, check_prompts_inside, decode_masks, load_instances
from workers.jobs.sources import load_source_image


@dataclass(frozen=True, slots=True)
class PersonRegions:
    """Where people may be: boxes, and their masks when they are known."""

    boxes: list[Box]
    masks: list[Mask] | None


def run(context: JobContext, request: BodiesJob) -> Manifest:
    """Find or take the people, then recover a body for each."""
    if request.video is not None:
        return run_video(context, request, None)
    if request.from_job is not None:
        earlier = context.load_manifest(request.from_job)
        if isinstance(earlier.result, TrackResult):
            return run_video(context, request, earlier)
        if why := request.video_only_field():
            raise JobProblem("source_wrong_kind", f"{why} of a video; job {request.from_job} read an image")
    return _still(context, request)


def _still(context: JobContext, request: BodiesJob) -> Manifest:
    image, earlier = load_source_image(context, request)
    if earlier is not None:
        asked = _masked(load_instances(earlier, str(request.from_job)))
    else:
        asked = _asked(context, image, request)
    chosen = _largest(asked.boxes, request.max_people)
    persons, failures = recover_people(
        context,
        image,
        [asked.boxes[i] for i in chosen],
        None if asked.masks is None else [asked.masks[i] for i in chosen],
        request.camera,
        request.seed,
        chosen,
        request.lod,
    )
    context.progress("write", message="writing bodies")
    panels = render_body_panels(image.pixels, [person.body for person in persons])
    context.save("overlay.png", "overlay", "image/png", encode_png(panels))
    own = list_ignored_options(context, request)
    result = BodiesResult(
        width=image.width,
        height=image.height,
        bodies=[
            write_body(context, person, request.formats, vertices=request.vertices, flags=own)
            for person in persons
        ],
        failures=failures,
    )
    if persons:
        reason = None
    elif asked.boxes:
        reason = "no trustworthy body was found in the boxes"
    else:
        reason = "no person was found in the image"
    return context.build_manifest(
        result,
        parameters={
            "formats": request.formats,
            "lod": request.lod,
            "vertices": request.vertices,
            "max_people": request.max_people,
        },
        seed=request.seed,
        reason=reason,
        flags=[
            *([] if persons else ["nothing_found"]),
            *(["people_capped"] if len(chosen) < len(asked.boxes) else []),
            *own,
        ],
        from_job=request.from_job,
    )


def _asked(context: JobContext, image: LoadedImage, request: BodiesJob) -> PersonRegions:
    check_prompts_inside(request.boxes, [], image.width, image.height)
    if request.masks:
        return _masked(decode_masks(request.masks, image))
    if request.boxes:
        return PersonRegions([box.xyxy() for box in request.boxes], None)
    return _masked(find_people(context, image))


def _masked(found: Sequence[InstanceMask]) -> PersonRegions:
    return PersonRegions([item.box for item in found], [item.mask for item in found])


def _largest(boxes: Sequence[Box], limit: int) -> list[int]:
    """The indices of the `limit` largest boxes, in the order they came in."""
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]
    return sorted(sorted(range(len(boxes)), key=lambda i: (-areas[i], i))[:limit])
