"""The image that an objects or bodies job works on."""

from maquette.contract import BodiesJob, Manifest, MediaRef, ObjectsJob, SegmentResult

from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage


def load_source_image(
    context: JobContext, request: ObjectsJob | BodiesJob
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
