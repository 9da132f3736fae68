"""Recovers the bodies of one image; bodies and scene jobs share it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from maquette.contract import BodiesJob, ObjectFailure
from maquette.contract.requests import PromptedJob

from workers.engines.bodies.group.floor_report import report_floor
from workers.engines.protocols import (
    BodyControls,
    BodyEngine,
    BodyEstimate,
    Box,
    Gravity,
    GroupBodyEngine,
    LodBodyEngine,
    Mask,
    PromptableBodyEngine,
    Rgb,
    SceneHints,
)
from workers.geometry.cameras import Camera
from workers.jobs.bodies.body_height import scale_to_height
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import InstanceMask, find_instances

PERSON = "person"


@dataclass(frozen=True, slots=True)
class PersonRegion:
    """Where a person may be: an xyxy box, the mask (H, W) where it is known; `index` names it in results."""

    index: int
    box: Box
    mask: Mask | None


@dataclass(frozen=True, slots=True)
class RecoveredPerson:
    """A person's body; `index` is that of its region."""

    index: int
    name: str
    body: BodyEstimate


def to_regions(instances: Sequence[InstanceMask]) -> list[PersonRegion]:
    """Instances as regions, numbered in their order."""
    return [PersonRegion(index, item.box, item.mask) for index, item in enumerate(instances)]


def find_people(context: JobContext, image: LoadedImage) -> list[PersonRegion]:
    """The people of an image, by the concept engine."""
    return to_regions(find_instances(context, image, PromptedJob(text=[PERSON])))


def recover_people(
    context: JobContext,
    image: LoadedImage,
    regions: Sequence[PersonRegion],
    camera: Camera | None,
    seed: int,
    lod: int | None = None,
    height_at: Callable[[int], float | None] = lambda _: None,
    controls: BodyControls | None = None,
    gravity: Gravity | None = None,
) -> tuple[list[RecoveredPerson], list[ObjectFailure]]:
    """A body per region; regions without a trustworthy body are reported as failures.

    Either all regions have a mask, or none has. Without a `camera` the engine assumes one. `height_at` gives
    the known height in metres of a region's person by its index; `controls` are for engines that have them;
    `gravity` is what is known of it.
    """
    engine = context.engines.bodies()
    context.record_engine(engine.info)
    context.progress("bodies", 0, len(regions))
    if not regions:
        return [], []
    boxes = [region.box for region in regions]
    masks = (
        None if regions[0].mask is None else [region.mask for region in regions if region.mask is not None]
    )
    scene = SceneHints(gravity=gravity, heights=tuple(height_at(region.index) for region in regions))
    bodies = call_engine(engine, image.pixels, boxes, masks, controls, camera, seed, scene)
    people: list[RecoveredPerson] = []
    failures: list[ObjectFailure] = []
    for region, body in zip(regions, bodies, strict=True):
        if body is None:
            failures.append(_report_failure(region.index))
        else:
            body = apply_height(apply_lod(engine, body, lod), height_at(region.index))
            people.append(RecoveredPerson(region.index, f"body-{region.index:03d}", body))
    context.progress("bodies", len(regions), len(regions))
    if people and people[0].body.gravity is None:
        standing = report_floor([person.body for person in people], gravity)
        people = [replace(person, body=body) for person, body in zip(people, standing, strict=True)]
    return people, failures


def call_engine(
    engine: BodyEngine,
    image: Rgb,
    boxes: Sequence[Box],
    masks: Sequence[Mask] | None,
    controls: BodyControls | None,
    camera: Camera | None,
    seed: int,
    scene: SceneHints | None = None,
) -> list[BodyEstimate | None]:
    """The engine's bodies of an image (H, W, 3), as the controls say where there are some.

    Engines that solve people together take what is known of the `scene`. A body with numbers that are not
    finite is none: no format can hold it.
    """
    bodies: list[BodyEstimate | None]
    if controls is None and scene is not None and isinstance(engine, GroupBodyEngine):
        bodies = engine.recover_group(image, boxes, masks, camera=camera, scene=scene, seed=seed)
    elif controls is None:
        bodies = engine.recover(image, boxes, masks, camera=camera, seed=seed)
    elif isinstance(engine, PromptableBodyEngine):
        bodies = engine.recover_prompted(image, boxes, controls, masks, camera=camera)
    else:
        raise TypeError(f"engine {engine.info.name!r} lists controls of bodies and has none")
    return [body if body is not None and _is_finite(body) else None for body in bodies]


def _is_finite(body: BodyEstimate) -> bool:
    rig = body.rig
    arrays = (body.vertices, body.joints, body.keypoints_2d, body.keypoints_3d, rig.rest_vertices)
    rigid = (rig.rest_joints, rig.rotations, rig.root_translation)
    scores = (body.confidence, body.reprojection_error)
    return all(bool(np.isfinite(values).all()) for values in (*arrays, *rigid, scores))


def list_ignored_options(context: JobContext, request: BodiesJob) -> list[str]:
    """Flags for options of the request that the engine ignores."""
    has_levels = isinstance(context.engines.bodies(), LodBodyEngine)
    return ["lod_ignored"] if request.lod is not None and not has_levels else []


def apply_lod(engine: BodyEngine, body: BodyEstimate, lod: int | None) -> BodyEstimate:
    """The body at the requested level of detail, where the engine has levels."""
    return engine.at_lod(body, lod) if lod is not None and isinstance(engine, LodBodyEngine) else body


def apply_height(body: BodyEstimate, height: float | None) -> BodyEstimate:
    """The body at its given height in metres; as it is where none is given."""
    return body if height is None else scale_to_height(body, height)


def _report_failure(index: int) -> ObjectFailure:
    return ObjectFailure(
        index=index,
        label=PERSON,
        code="no_person_found",
        detail="no trustworthy body in this box; an untrustworthy one is not returned",
    )
