"""Reconstructs the objects of one image; objects and scene jobs share it."""

from collections.abc import Sequence
from dataclasses import dataclass

from maquette.contract import DepthMap, Intrinsics, ObjectFailure

from workers.engines.protocols import ObjectAsset
from workers.jobs.cameras import find_measured_camera
from workers.jobs.context import JobContext
from workers.jobs.depth_maps import load_depth
from workers.jobs.media_loader import LoadedImage
from workers.jobs.objects.plausibility import flag_doubtful_size
from workers.jobs.segment.instances import InstanceMask


@dataclass(frozen=True, slots=True)
class ReconstructedObject:
    """An instance and its asset; `index` counts the instances of the job."""

    index: int
    name: str
    instance: InstanceMask
    asset: ObjectAsset


def reconstruct_objects(
    context: JobContext,
    image: LoadedImage,
    instances: Sequence[InstanceMask],
    intrinsics: Intrinsics | None,
    seed: int,
    depth_map: DepthMap | None = None,
) -> tuple[list[ReconstructedObject], list[ObjectFailure]]:
    """Reconstruct each instance; those that cannot be reconstructed are reported as failures.

    Raises JobProblem for intrinsics or depth that do not fit the image.
    """
    engine = context.engines.objects()
    context.record_engine(engine.info)
    camera, depth, unit_assumed = find_measured_camera(image, intrinsics), None, False
    if depth_map is not None:
        measured = load_depth(context.media, depth_map, image.width, image.height, camera)
        camera, depth, unit_assumed = measured.camera, measured.depth, measured.unit_assumed
    objects: list[ReconstructedObject] = []
    failures: list[ObjectFailure] = []
    for index, instance in enumerate(instances):
        context.progress("lift", index, len(instances), instance.label)
        try:
            asset = engine.reconstruct(
                image.pixels, instance.mask, camera=camera, depth=depth, label=instance.label, seed=seed
            )
        except ValueError as error:
            failures.append(
                ObjectFailure(index=index, label=instance.label, code="object_not_lifted", detail=str(error))
            )
            continue
        asset = flag_doubtful_size(asset, instance.label, unit_assumed=unit_assumed)
        objects.append(ReconstructedObject(index, f"object-{index:03d}", instance, asset))
    context.progress("lift", len(instances), len(instances))
    return objects, failures
