"""Runs a segment job."""

import numpy as np
from maquette.contract import Manifest, SegmentJob, SegmentResult

from workers.engines.protocols import SemanticEngine
from workers.formats.images import encode_png
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.image_batch import segment_images
from workers.jobs.segment.instances import find_instances
from workers.jobs.segment.outputs import write_masks, write_overlay


def run(context: JobContext, request: SegmentJob) -> Manifest:
    """Find every instance; write the overlay and the requested outputs."""
    if request.frame is None:
        # clicks follow each other on the same image
        image = context.media.load_image(request.image, keep=True)
    else:
        image = context.media.load_frame(request.image, request.frame)
    if request.images:
        context.engines.concepts().check(request.phrases())
    instances = find_instances(context, image, request)
    if request.overlay:
        context.progress("write", message="writing the overlay")
        write_overlay(context, image, instances)
    if "png" in request.outputs:
        write_masks(context, instances)
    semantic = _write_semantic_maps(context, image, request) if "semantic" in request.outputs else []
    polygons = "polygons" in request.outputs
    result = SegmentResult(
        width=image.width,
        height=image.height,
        frame=request.frame,
        instances=[item.to_wire(index, polygons=polygons) for index, item in enumerate(instances)],
        semantic=semantic,
        images=segment_images(context, request) if request.images else [],
    )
    is_found = bool(instances) or any(image.instances for image in result.images)
    return context.build_manifest(
        result,
        parameters={"thresholds": request.resolve_thresholds(), "text": request.text},
        seed=request.seed,
        reason=None if is_found else "nothing in the image matches the prompts",
        flags=[] if is_found else ["nothing_found"],
    )


def _write_semantic_maps(context: JobContext, image: LoadedImage, request: SegmentJob) -> list[str]:
    """A PNG per phrase; returns the artefacts' names."""
    engine = context.engines.concepts()
    if not isinstance(engine, SemanticEngine):
        raise TypeError(f"engine {engine.info.name!r} lists 'semantic_map' and has none")
    maps = engine.map_semantics(engine.embed(image.pixels, image.key), request.text)
    names = []
    for index, share in enumerate(maps):
        data = encode_png(np.round(255 * share).astype(np.uint8))
        names.append(context.save(f"semantic-{index:03d}.png", "semantic", "image/png", data).name)
    return names
