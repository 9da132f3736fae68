"""Objects: each masked object of an image to a mesh, a splat and a pose."""

from maquette.contract import Manifest, ObjectResult, ObjectsJob, ObjectsResult

from workers.formats.overlay import overlay_png
from workers.jobs.context import JobContext, LoadedImage
from workers.jobs.objects import multi_view, reconstruction
from workers.jobs.objects.extras import write_extras
from workers.jobs.segment import instances
from workers.jobs.sources import image_of


def run(context: JobContext, request: ObjectsJob) -> Manifest:
    """Find or take the masks, then lift each."""
    reconstruction.check_formats(request.formats)
    if request.multiview:
        return multi_view.run(context, request)
    image, earlier = image_of(context, request)
    if earlier is not None:
        found = instances.from_manifest(earlier, str(request.from_job))
    else:
        found = _prompted(context, image, request)
    lifted, failures = reconstruction.lift(context, image, found, request.camera, request.seed, request.depth)
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
    return context.manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text},
        seed=request.seed,
        reason=None if found else "nothing in the image matches the prompts",
        flags=[] if found else ["nothing_found"],
        from_job=request.from_job,
    )


def _written(
    context: JobContext, image: LoadedImage, item: reconstruction.Lifted, request: ObjectsJob
) -> ObjectResult:
    extras, flags = write_extras(context, image.pixels, item, request)
    made = reconstruction.write(context, item, request.formats)
    return made.model_copy(update={"extras": extras, "flags": sorted({*made.flags, *flags})})


def _prompted(context: JobContext, image: LoadedImage, request: ObjectsJob) -> list[instances.Found]:
    found = instances.from_masks(request.masks, image)
    if request.text or request.boxes or request.points:
        found = instances.find(context, image, request) + found
    return found
