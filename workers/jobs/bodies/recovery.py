"""From an image to body estimates: what bodies and scene share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from maquette.contract import BodiesJob, BodyFormat, BodyResult, Intrinsics, Keypoint, ObjectFailure
from maquette.contract.requests import PromptedJob
from numpy.typing import NDArray

from workers.bodies.still import MESH_ARRAYS, still_about, still_columns
from workers.engines.bodies.export import body_bvh, body_glb, body_obj, body_ply
from workers.engines.protocols import BodyEngine, BodyEstimate, LodBodyEngine
from workers.formats.annotated_arrays import write_json, write_npz
from workers.formats.registry import BODY_FORMATS
from workers.jobs.cameras import find_measured_camera, to_wire_camera
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import InstanceMask, find_instances, to_wire_box


@dataclass(frozen=True, slots=True)
class RecoveredPerson:
    """One person: the box that was asked for and the body that was found."""

    index: int
    name: str
    body: BodyEstimate


def find_people(
    context: JobContext, image: LoadedImage, threshold: float | None = None
) -> list[InstanceMask]:
    """People by the concept engine."""
    return find_instances(context, image, PromptedJob(text=["person"], threshold=threshold))


def recover_people(
    context: JobContext,
    image: LoadedImage,
    boxes: list[tuple[float, float, float, float]],
    masks: list[NDArray[np.bool_]] | None,
    given: Intrinsics | None,
    seed: int,
    indices: Sequence[int] | None = None,
    lod: int | None = None,
) -> tuple[list[RecoveredPerson], list[ObjectFailure]]:
    """A body for each box; a box without a trustworthy person is told as a failure.

    `indices` are the numbers that results and failures carry, by default the boxes' places.
    """
    numbers = range(len(boxes)) if indices is None else indices
    engine = context.engines.bodies()
    context.record_engine(engine.info)
    context.progress("bodies", 0, len(boxes))
    if not boxes:
        return [], []
    camera = find_measured_camera(image, given)
    bodies = engine.recover(image.pixels, boxes, masks, camera=camera, seed=seed)
    people = [
        RecoveredPerson(index, f"body-{index:03d}", apply_lod(engine, body, lod))
        for index, body in zip(numbers, bodies, strict=True)
        if body is not None
    ]
    failures = [
        ObjectFailure(
            index=index,
            label="person",
            code="no_person_found",
            detail="no trustworthy person in this box: none is better than a wild one",
        )
        for index, body in zip(numbers, bodies, strict=True)
        if body is None
    ]
    context.progress("bodies", len(boxes), len(boxes))
    return people, failures


def list_ignored_options(context: JobContext, request: BodiesJob) -> list[str]:
    """What of the request this engine leaves out."""
    levelled = isinstance(context.engines.bodies(), LodBodyEngine)
    return ["lod_ignored"] if request.lod is not None and not levelled else []


def apply_lod(engine: BodyEngine, body: BodyEstimate, lod: int | None) -> BodyEstimate:
    """The body at the level of detail that was asked for, where its engine has levels."""
    return engine.at_lod(body, lod) if lod is not None and isinstance(engine, LodBodyEngine) else body


def write_body(
    context: JobContext,
    person: RecoveredPerson,
    formats: Sequence[BodyFormat] = ("glb",),
    *,
    vertices: bool = False,
    flags: Sequence[str] = (),
) -> BodyResult:
    """Store a body in each of the formats; `flags` are added to its own."""
    body = person.body
    files = {
        kind: context.save(
            f"{person.name}.{BODY_FORMATS[kind].extension}",
            BODY_FORMATS[kind].role,
            BODY_FORMATS[kind].media_type,
            _encoded(context, person, kind, vertices),
        ).name
        for kind in dict.fromkeys(formats)
    }
    keypoints = [
        Keypoint(name=name, xy=(xy[0], xy[1]), xyz=(xyz[0], xyz[1], xyz[2]), visibility=visible)
        for name, xy, xyz, visible in zip(
            body.keypoint_names,
            body.keypoints_2d.tolist(),
            body.keypoints_3d.tolist(),
            body.keypoint_visibility.tolist(),
            strict=True,
        )
    ]
    return BodyResult(
        index=person.index,
        box=to_wire_box(body.box),
        mesh=files.get("glb"),
        files=files,
        camera=to_wire_camera(body.camera),
        keypoints=keypoints,
        parameters=dict(body.parameters),
        scale_source=body.scale_source,
        confidence=body.confidence,
        reprojection_error_px=body.reprojection_error,
        flags=[*body.flags, *flags],
    )


def _encoded(context: JobContext, person: RecoveredPerson, kind: BodyFormat, vertices: bool) -> bytes:
    body = person.body
    if kind == "glb":
        return body_glb(body, person.name)
    if kind == "obj":
        return body_obj(body, person.name)
    if kind == "ply":
        return body_ply(body)
    if kind == "bvh":
        return body_bvh(body)
    info = context.engines.bodies().info
    about = still_about(body, f"{info.name} {info.version}")
    columns = still_columns(body, vertices=vertices)
    return write_npz(about, columns) if kind == "npz" else write_json(about, columns, MESH_ARRAYS)
