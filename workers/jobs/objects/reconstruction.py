"""Reconstructs the objects of one image; objects and scene jobs share it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from maquette.contract import ObjectFailure
from maquette.contract.requests import ReconstructionJob
from numpy.typing import NDArray

from workers.engines.protocols import GenerationControls, GenerativeEngine, ObjectAsset, ObjectEngine
from workers.geometry.cameras import Camera
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


@dataclass(frozen=True, slots=True)
class MeasuredView:
    """What is known of an image's view: intrinsics, and z (H, W) in metres, NaN where unknown.

    `unit_assumed` says that the depth map came without its unit.
    """

    camera: Camera | None
    depth: NDArray[np.float32] | None = None
    unit_assumed: bool = False


def measure_view(context: JobContext, image: LoadedImage, request: ReconstructionJob) -> MeasuredView:
    """The camera and the depth map that a request gives; the camera also from EXIF or from points.

    Raises JobProblem for intrinsics or depth that do not fit the image.
    """
    camera = find_measured_camera(image, request.camera)
    if request.depth is None:
        return MeasuredView(camera)
    measured = load_depth(context.media, request.depth, image.width, image.height, camera)
    return MeasuredView(measured.camera, measured.depth, measured.unit_assumed)


def reconstruct_objects(
    context: JobContext,
    image: LoadedImage,
    instances: Sequence[InstanceMask],
    view: MeasuredView,
    request: ReconstructionJob,
) -> tuple[list[ReconstructedObject], list[ObjectFailure]]:
    """Reconstruct each instance; those that cannot be reconstructed are reported as failures."""
    engine = context.engines.objects()
    context.record_engine(engine.info)
    controls = _read_controls(request)
    objects: list[ReconstructedObject] = []
    failures: list[ObjectFailure] = []
    for index, instance in enumerate(instances):
        context.progress("lift", index, len(instances), instance.label)
        try:
            asset = _reconstruct(engine, image, instance, view, controls, request.seed)
        except ValueError as error:
            failures.append(
                ObjectFailure(index=index, label=instance.label, code="object_not_lifted", detail=str(error))
            )
            continue
        asset = flag_doubtful_size(asset, instance.label, unit_assumed=view.unit_assumed)
        objects.append(ReconstructedObject(index, f"object-{index:03d}", instance, asset))
    context.progress("lift", len(instances), len(instances))
    return objects, failures


def _reconstruct(
    engine: ObjectEngine,
    image: LoadedImage,
    instance: InstanceMask,
    view: MeasuredView,
    controls: GenerationControls | None,
    seed: int,
) -> ObjectAsset:
    if controls is not None:
        if not isinstance(engine, GenerativeEngine):
            raise TypeError(f"engine {engine.info.name!r} lists controls of generation and has none")
        return engine.generate(
            image.pixels, instance.mask, controls, camera=view.camera, depth=view.depth, seed=seed
        )
    return engine.reconstruct(
        image.pixels, instance.mask, camera=view.camera, depth=view.depth, label=instance.label, seed=seed
    )


def _read_controls(request: ReconstructionJob) -> GenerationControls | None:
    """What the request says about generating; None where it says nothing."""
    wants_points = "pointmap" in request.outputs
    if request.generation is None and not wants_points:
        return None
    fields = {} if request.generation is None else request.generation.model_dump()
    return GenerationControls(**fields, pointmap=wants_points)
