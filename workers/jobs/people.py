"""From an image to body estimates: what bodies and scene share."""

from dataclasses import dataclass

import numpy as np
from maquette.contract import BodyResult, Intrinsics, Keypoint, ObjectFailure
from maquette.contract.jobs import Prompted
from numpy.typing import NDArray

from workers.engines.bodies.export import body_glb
from workers.engines.protocols import BodyEstimate
from workers.jobs import prompting
from workers.jobs.cameras import known_camera, wire_camera
from workers.jobs.context import JobContext, LoadedImage
from workers.jobs.prompting import Found, wire_box


@dataclass(frozen=True, slots=True)
class Person:
    """One person: the box that was asked for and the body that was found."""

    index: int
    name: str
    body: BodyEstimate


def find_people(context: JobContext, image: LoadedImage, threshold: float | None = None) -> list[Found]:
    """People by the concept engine."""
    return prompting.find(context, image, Prompted(text=["person"], threshold=threshold))


def recover(
    context: JobContext,
    image: LoadedImage,
    boxes: list[tuple[float, float, float, float]],
    masks: list[NDArray[np.bool_]] | None,
    given: Intrinsics | None,
    seed: int,
) -> tuple[list[Person], list[ObjectFailure]]:
    """A body for each box; a box without a trustworthy person is told as a failure."""
    engine = context.engines.bodies()
    context.used(engine.info)
    context.progress("bodies", 0, len(boxes))
    if not boxes:
        return [], []
    camera = known_camera(image, given)
    bodies = engine.recover(image.pixels, boxes, masks, camera=camera, seed=seed)
    people = [
        Person(index, f"body-{index:03d}", body) for index, body in enumerate(bodies) if body is not None
    ]
    failures = [
        ObjectFailure(
            index=index,
            label="person",
            code="no_person_found",
            detail="no trustworthy person in this box: none is better than a wild one",
        )
        for index, body in enumerate(bodies)
        if body is None
    ]
    context.progress("bodies", len(boxes), len(boxes))
    return people, failures


def write(context: JobContext, person: Person) -> BodyResult:
    """Store a body's rigged GLB."""
    body = person.body
    mesh = context.save(f"{person.name}.glb", "mesh", "model/gltf-binary", body_glb(body, person.name))
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
        box=wire_box(body.box),
        mesh=mesh.name,
        camera=wire_camera(body.camera),
        keypoints=keypoints,
        parameters=dict(body.parameters),
        scale_source=body.scale_source,
        confidence=body.confidence,
        reprojection_error_px=body.reprojection_error,
        flags=list(body.flags),
    )
