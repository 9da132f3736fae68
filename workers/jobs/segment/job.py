"""Segment: a picture and prompts to masks."""

import numpy as np
from maquette.contract import Manifest, SegmentJob, SegmentResult

from workers.formats.images import encode_png
from workers.formats.overlay import overlay_png
from workers.jobs.context import JobContext
from workers.jobs.segment.instances import find_instances


def run(context: JobContext, request: SegmentJob) -> Manifest:
    """Find every instance; the overlay shows them on the picture."""
    if request.frame is None:
        image = context.media.load_image(request.image)
    else:
        image = context.media.load_frame(request.image, request.frame)
    found = find_instances(context, image, request)
    context.progress("write", message="writing the overlay")
    labels = [item.label or f"{item.ref.kind} {item.ref.index}" for item in found]
    overlay = overlay_png(image.pixels, [item.mask for item in found], labels)
    context.save("overlay.png", "overlay", "image/png", overlay)
    if "png" in request.outputs:
        for index, item in enumerate(found):
            context.save(
                f"mask-{index:03d}.png", "mask", "image/png", encode_png(item.mask.astype(np.uint8) * 255)
            )
    polygons = "polygons" in request.outputs
    result = SegmentResult(
        width=image.width,
        height=image.height,
        frame=request.frame,
        instances=[item.instance(index, polygons=polygons) for index, item in enumerate(found)],
    )
    return context.build_manifest(
        result,
        parameters={"thresholds": request.resolve_thresholds(), "text": request.text},
        seed=request.seed,
        reason=None if found else "nothing in the picture matches the prompts",
        flags=[] if found else ["nothing_found"],
    )
