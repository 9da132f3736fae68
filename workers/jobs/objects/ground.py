"""The ground plane that objects and scene jobs report, from a mask of the floor."""

from maquette.contract import GroundPlane
from maquette.contract.requests import ReconstructionJob, Region, find_misfit

from workers.engines.protocols import GroundEngine
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.objects.reconstruction import MeasuredView
from workers.jobs.segment.prompts import decode_mask


def find_ground(
    context: JobContext, image: LoadedImage, view: MeasuredView, request: ReconstructionJob
) -> GroundPlane | None:
    """The plane under the request's mask of the floor; None where it gives none.

    Raises JobProblem for a mask that does not fit the image, is broken or empty, and RequestRefused
    `ground_not_found`.
    """
    if request.ground is None:
        return None
    # the prompts of an earlier job are not checked again, but this mask is new
    misfit = find_misfit([Region("ground", request.ground)], image.width, image.height)
    if misfit is not None:
        raise JobProblem(misfit.code, misfit.detail)
    mask = decode_mask(request.ground, "ground")
    engine = context.engines.objects()
    if not isinstance(engine, GroundEngine):
        raise TypeError(f"engine {engine.info.name!r} lists the ground plane and finds none")
    context.record_engine(engine.info)
    context.progress("ground", message="fitting the ground plane")
    plane = engine.find_ground(image.pixels, mask, camera=view.camera, depth=view.depth, seed=request.seed)
    return GroundPlane(
        normal=plane.normal,
        offset=plane.offset,
        scale_source=plane.scale_source,
        inlier_share=plane.inlier_share,
        flags=["depth_unit_assumed"] if plane.scale_source == "metric" and view.unit_assumed else [],
    )
