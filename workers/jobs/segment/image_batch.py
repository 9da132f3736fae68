"""The further images of a segment job: pairs of image and phrase, many in one pass of the engine."""

from collections.abc import Iterator, Sequence
from typing import Any

from maquette.contract import ImageInstances, PromptRef, SegmentJob
from maquette.contract.prompts import ImagePhrases

from workers.engines.gpu_faults import is_out_of_memory, release_memory
from workers.engines.protocols import BatchedConceptEngine, GroundingQuery, SegmentedInstance
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import InstanceMask, find_cleanup, to_instance
from workers.jobs.segment.outputs import write_masks, write_overlay

# images decoded and embedded at a time, as many as a worker's batch of several jobs has by default
IMAGES_PER_PASS = 8


def segment_images(context: JobContext, request: SegmentJob) -> list[ImageInstances]:
    """Find the phrases of each of `images`, write what was asked for, and keep one pass's pixels at a time.

    Raises UnknownPhrase, and JobProblem for what is no image.
    """
    engine = context.engines.concepts()
    if not isinstance(engine, BatchedConceptEngine):
        raise TypeError(f"engine {engine.info.name!r} lists 'image_batch' and takes one image at a time")
    results: list[ImageInstances] = []
    while len(results) < len(request.images):
        first = len(results)
        context.progress("batch", first, len(request.images), "finding objects in further images")
        items = request.images[first : first + IMAGES_PER_PASS]
        images = [context.media.load_image(item.image) for item in items]
        found = _ground(engine, request, list(zip(images, items, strict=True)))
        for index, (image, segmented) in enumerate(zip(images, found, strict=True), start=first):
            instances = [
                to_instance(each, PromptRef(kind="text", index=each.prompt))
                for each in segmented
                if each.mask.any()
            ]
            results.append(_write(context, request, index, image, instances))
    return results


def _ground(
    engine: BatchedConceptEngine, request: SegmentJob, pairs: Sequence[tuple[LoadedImage, ImagePhrases]]
) -> Iterator[list[SegmentedInstance]]:
    """The instances of each image, all images in one pass, or half of them where memory does not suffice."""
    computed = _compute_pass(engine, request, pairs)
    if computed is not None:
        yield from (engine.finish(query, raw) for query, raw in computed)
        return
    # not before the failed pass has returned: until then its embeddings keep their memory
    release_memory()
    half = len(pairs) // 2
    yield from _ground(engine, request, pairs[:half])
    yield from _ground(engine, request, pairs[half:])


def _compute_pass(
    engine: BatchedConceptEngine, request: SegmentJob, pairs: Sequence[tuple[LoadedImage, ImagePhrases]]
) -> list[tuple[GroundingQuery, Any]] | None:
    """Each image's query with what the engine found; None where memory does not suffice for several."""
    try:
        handles = engine.embed_batch([engine.prepare(image.pixels, image.key) for image, _ in pairs])
        queries = []
        for handle, (_, item) in zip(handles, pairs, strict=True):
            phrases, thresholds = request.pair_phrases(item)
            queries.append(GroundingQuery(handle, tuple(phrases), tuple(thresholds), find_cleanup(request)))
        return list(zip(queries, engine.ground_batch(queries), strict=True))
    except Exception as error:
        if len(pairs) == 1 or not is_out_of_memory(error):
            raise
        return None


def _write(
    context: JobContext, request: SegmentJob, index: int, image: LoadedImage, instances: list[InstanceMask]
) -> ImageInstances:
    prefix = f"image-{index:03d}-"
    if request.overlay:
        write_overlay(context, image, instances, prefix)
    if "png" in request.outputs:
        write_masks(context, instances, prefix)
    polygons = "polygons" in request.outputs
    return ImageInstances(
        index=index,
        width=image.width,
        height=image.height,
        instances=[item.to_wire(number, polygons=polygons) for number, item in enumerate(instances)],
    )
