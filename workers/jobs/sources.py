"""Where a job's image comes from: the request, or the job it goes on from."""

from maquette.contract import BodiesJob, Manifest, MediaRef, ObjectsJob, SegmentResult

from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage


def load_source_image(
    context: JobContext, request: ObjectsJob | BodiesJob
) -> tuple[LoadedImage, Manifest | None]:
    """The image, and the earlier job's manifest when the request names one."""
    if request.from_job is None:
        assert request.image is not None
        return context.media.load_image(request.image), None
    earlier = context.load_manifest(request.from_job)
    if not earlier.provenance.sources:
        raise JobProblem("source_wrong_kind", f"job {request.from_job} read no image")
    ref = MediaRef(id=earlier.provenance.sources[0])
    frame = earlier.result.frame if isinstance(earlier.result, SegmentResult) else None
    return (context.media.load_image(ref) if frame is None else context.media.load_frame(ref, frame)), earlier
