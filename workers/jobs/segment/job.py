"""Runs a segment job."""

import numpy as np
from maquette.contract import Manifest, SegmentJob, SegmentResult

from workers.engines.protocols import SemanticEngine
from workers.formats.images import encode_png
from workers.formats.overlay import overlay_png
from workers.jobs.capabilities import require_capability
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import InstanceMask, find_instances


def run(context: JobContext, request: SegmentJob) -> Manifest:
    """Find every instance; write the overlay and the requested outputs."""
    if request.frame is None:
        # clicks follow each other on the same image
        image = context.media.load_image(request.image, keep=True)
    else:
        image = context.media.load_frame(request.image, request.frame)
    if "semantic" in request.outputs:
        require_capability(context.engines.concepts().info, "semantic_map", "outputs: semantic")
    instances = find_instances(context, image, request)
    if request.overlay:
        context.progress("write", message="writing the overlay")
        labels = [item.label or f"{item.prompt.kind} {item.prompt.index}" for item in instances]
        overlay = overlay_png(image.pixels, [item.mask for item in instances], labels)
        context.save("overlay.png", "overlay", "image/png", overlay)
    if "png" in request.outputs:
        _write_masks(context, instances)
    semantic = _write_semantic_maps(context, image, request) if "semantic" in request.outputs else []
    polygons = "polygons" in request.outputs
    result = SegmentResult(
        width=image.width,
        height=image.height,
        frame=request.frame,
        instances=[item.to_wire(index, polygons=polygons) for index, item in enumerate(instances)],
        semantic=semantic,
    )
    return context.build_manifest(
        result,
        parameters={"thresholds": request.resolve_thresholds(), "text": request.text},
        seed=request.seed,
        reason=None if instances else "nothing in the image matches the prompts",
        flags=[] if instances else ["nothing_found"],
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


def _write_masks(context: JobContext, instances: list[InstanceMask]) -> None:
    for index, item in enumerate(instances):
        data = encode_png(item.mask.astype(np.uint8) * 255)
        context.save(f"mask-{index:03d}.png", "mask", "image/png", data)
