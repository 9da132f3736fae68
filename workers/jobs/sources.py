"""The image that an objects, scene or bodies job works on, and its instances."""

from maquette.contract import BodiesJob, Manifest, MediaRef, SegmentResult
from maquette.contract.requests import ReconstructionJob

from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import InstanceMask, decode_masks, find_instances, load_instances
from workers.jobs.segment.prompts import check_prompts


def load_source_image(
    context: JobContext, request: ReconstructionJob | BodiesJob
) -> tuple[LoadedImage, Manifest | None]:
    """The request's image and None, or the image of the job that it continues and that job's manifest."""
    if request.from_job is None:
        assert request.image is not None
        return context.media.load_image(request.image), None
    earlier = context.load_manifest(request.from_job)
    if not earlier.provenance.sources:
        raise JobProblem("source_wrong_kind", f"job {request.from_job} read no image")
    ref = MediaRef(id=earlier.provenance.sources[0])
    frame = earlier.result.frame if isinstance(earlier.result, SegmentResult) else None
    image = context.media.load_image(ref) if frame is None else context.media.load_frame(ref, frame)
    return image, earlier


def load_image_and_instances(
    context: JobContext, request: ReconstructionJob
) -> tuple[LoadedImage, list[InstanceMask]]:
    """The request's image with the instances of its prompts, then its masks; or those of an earlier job."""
    image, earlier = load_source_image(context, request)
    if earlier is not None:
        return image, load_instances(earlier, str(request.from_job))
    check_prompts(request, image.width, image.height)
    masks = decode_masks(request.masks, request.mask_labels)
    if request.text or request.boxes or request.points:
        return image, find_instances(context, image, request) + masks
    return image, masks
