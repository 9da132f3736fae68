"""Segment: an image and prompts to masks."""

from maquette.contract import Manifest, SegmentJob, SegmentResult

from workers.formats.overlay import overlay_png
from workers.jobs import prompting
from workers.jobs.context import JobContext


def run(context: JobContext, request: SegmentJob) -> Manifest:
    """Find every instance; the overlay shows them on the image."""
    image = context.image(request.image)
    found = prompting.find(context, image, request)
    context.progress("write", message="writing the overlay")
    labels = [item.label or f"{item.ref.kind} {item.ref.index}" for item in found]
    overlay = overlay_png(image.pixels, [item.mask for item in found], labels)
    context.save("overlay.png", "overlay", "image/png", overlay)
    result = SegmentResult(
        width=image.width,
        height=image.height,
        instances=[item.instance(index) for index, item in enumerate(found)],
    )
    return context.manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text},
        seed=request.seed,
        reason=None if found else "nothing in the image matches the prompts",
        flags=[] if found else ["nothing_found"],
    )
