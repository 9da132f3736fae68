"""Runs a bodies job; videos are handed to `workers.jobs.bodies.video`."""

from collections.abc import Sequence
from dataclasses import replace

from maquette.contract import BodiesJob, BodiesResult, Manifest, TrackResult

from workers.errors import JobProblem
from workers.formats.images import encode_png
from workers.jobs.bodies.controls import read_controls
from workers.jobs.bodies.files import write_body
from workers.jobs.bodies.gravity import read_gravity
from workers.jobs.bodies.previews import render_body_panels
from workers.jobs.bodies.recovery import (
    PersonRegion,
    find_people,
    list_ignored_options,
    recover_people,
    to_regions,
)
from workers.jobs.bodies.video import run as run_video
from workers.jobs.cameras import find_measured_camera
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import decode_masks, load_instances
from workers.jobs.segment.prompts import check_prompts
from workers.jobs.sources import load_source_image
from workers.jobs.wire import to_wire_floor, to_wire_gravity

# options of the request that the manifest repeats
RECORDED = {"formats", "lod", "vertices", "max_people", "height_m", "hands", "max_wrist_angle"}
RECORDED |= {"people", "gravity", "camera_pitch_deg"}


def run(context: JobContext, request: BodiesJob) -> Manifest:
    """Find the people or take the given ones, then recover a body for each."""
    if request.video is not None:
        return run_video(context, request, None)
    if request.from_job is not None:
        earlier = context.load_manifest(request.from_job)
        if isinstance(earlier.result, TrackResult):
            return run_video(context, request, earlier)
        if why := request.video_only_field():
            raise JobProblem("source_wrong_kind", f"{why} of a video; job {request.from_job} read an image")
    return _run_image(context, request)


def _run_image(context: JobContext, request: BodiesJob) -> Manifest:
    image, earlier = load_source_image(context, request)
    if earlier is not None:
        regions = to_regions(load_instances(earlier, str(request.from_job)))
    else:
        regions = _select_regions(context, image, request)
    kept = _keep_largest(regions, request.max_people)
    camera = find_measured_camera(image, request.camera)
    controls = read_controls(request, kept)
    people, failures = recover_people(
        context,
        image,
        kept,
        camera,
        request.seed,
        request.lod,
        request.height_at,
        controls,
        read_gravity(request, image.elevation_deg),
    )
    context.progress("write", message="writing bodies")
    panels = render_body_panels(image.pixels, [person.body for person in people])
    context.save("overlay.png", "overlay", "image/png", encode_png(panels))
    ignored = list_ignored_options(context, request)
    result = BodiesResult(
        width=image.width,
        height=image.height,
        bodies=[
            write_body(context, person, request.formats, vertices=request.vertices, flags=ignored)
            for person in people
        ],
        floor=to_wire_floor(people[0].body) if people else None,
        gravity=to_wire_gravity(people[0].body) if people else None,
        failures=failures,
    )
    reason = None
    if not people:
        reason = (
            "no trustworthy body was found in the boxes" if regions else "no person was found in the image"
        )
    return context.build_manifest(
        result,
        parameters=request.model_dump(include=RECORDED),
        seed=request.seed,
        reason=reason,
        flags=[
            *([] if people else ["nothing_found"]),
            *(["people_capped"] if len(kept) < len(regions) else []),
            *ignored,
        ],
        from_job=request.from_job,
    )


def _select_regions(context: JobContext, image: LoadedImage, request: BodiesJob) -> list[PersonRegion]:
    check_prompts(request, image.width, image.height)
    if request.masks:
        regions = to_regions(decode_masks(request.masks))
        boxes = [box.xyxy() for box in request.boxes] or [region.box for region in regions]
        return [replace(region, box=box) for region, box in zip(regions, boxes, strict=True)]
    if request.boxes:
        return [PersonRegion(index, box.xyxy(), None) for index, box in enumerate(request.boxes)]
    return find_people(context, image)


def _keep_largest(regions: Sequence[PersonRegion], limit: int) -> list[PersonRegion]:
    """The `limit` largest regions, in their order."""

    def rank(region: PersonRegion) -> tuple[float, int]:
        x0, y0, x1, y1 = region.box
        return -(x1 - x0) * (y1 - y0), region.index

    return sorted(sorted(regions, key=rank)[:limit], key=lambda region: region.index)
