"""Objects: each masked object of an image to a mesh, a splat and a pose."""

from maquette.contract import Manifest, ObjectResult, ObjectsJob, ObjectsResult

from workers.formats.overlay import overlay_png
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.objects import multi_view
from workers.jobs.objects.extras import write_extras
from workers.jobs.objects.reconstruction import (
    ReconstructedObject,
    check_formats,
    reconstruct_objects,
    write_object,
)
from workers.jobs.segment.instances import InstanceMask, decode_masks, find_instances, load_instances
from workers.jobs.sources import load_source_image


def run(context: JobContext, request: ObjectsJob) -> Manifest:
    """Find or take the masks, then lift each."""
    check_formats(request.formats)
    if request.multiview:
        return multi_view.run(context, request)
    image, earlier = load_source_image(context, request)
    if earlier is not None:
        found = load_instances(earlier, str(request.from_job))
    else:
        found = _prompted(context, image, request)
    lifted, failures = reconstruct_objects(context, image, found, request.camera, request.seed, request.depth)
    context.progress("write", message="writing meshes and splats")
    labels = [item.label or f"object {index}" for index, item in enumerate(found)]
    overlay = overlay_png(image.pixels, [item.mask for item in found], labels)
    context.save("overlay.png", "overlay", "image/png", overlay)
    result = ObjectsResult(
        width=image.width,
        height=image.height,
        objects=[_written(context, image, item, request) for item in lifted],
        failures=failures,
    )
    return context.build_manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text},
        seed=request.seed,
        reason=None if found else "nothing in the image matches the prompts",
        flags=[] if found else ["nothing_found"],
        from_job=request.from_job,
    )


def _written(
    context: JobContext, image: LoadedImage, item: ReconstructedObject, request: ObjectsJob
) -> ObjectResult:
    extras, flags = write_extras(context, image.pixels, item, request)
    made = write_object(context, item, request.formats)
    return made.model_copy(update={"extras": extras, "flags": sorted({*made.flags, *flags})})


def _prompted(context: JobContext, image: LoadedImage, request: ObjectsJob) -> list[InstanceMask]:
    found = decode_masks(request.masks, image)
    if request.text or request.boxes or request.points:
        found = find_instances(context, image, request) + found
    return found
