"""Runs an objects job."""

from maquette.contract import Manifest, ObjectsJob, ObjectsResult

from workers.formats.overlay import overlay_png
from workers.jobs.context import JobContext
from workers.jobs.objects import multi_view
from workers.jobs.objects.extras import write_object_with_extras
from workers.jobs.objects.files import check_formats
from workers.jobs.objects.ground import find_ground
from workers.jobs.objects.reconstruction import measure_view, reconstruct_objects
from workers.jobs.sources import load_image_and_instances


def run(context: JobContext, request: ObjectsJob) -> Manifest:
    """Segment the objects or take their masks, then reconstruct each."""
    check_formats(request.formats)
    if request.multiview:
        return multi_view.run(context, request)
    image, instances = load_image_and_instances(context, request)
    view = measure_view(context, image, request)
    ground = find_ground(context, image, view, request)
    objects, failures = reconstruct_objects(context, image, instances, view, request)
    context.progress("write", message="writing meshes and splats")
    labels = [item.label or f"object {index}" for index, item in enumerate(instances)]
    overlay = overlay_png(image.pixels, [item.mask for item in instances], labels)
    context.save("overlay.png", "overlay", "image/png", overlay)
    result = ObjectsResult(
        width=image.width,
        height=image.height,
        objects=[write_object_with_extras(context, image.pixels, item, request) for item in objects],
        failures=failures,
        ground=ground,
    )
    return context.build_manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text},
        seed=request.seed,
        reason=None if instances else "nothing in the image matches the prompts",
        flags=[] if instances else ["nothing_found"],
        from_job=request.from_job,
    )
