"""Writes the files of a body in a still image."""

from collections.abc import Callable, Sequence

from maquette.contract import BodyFormat, BodyResult, Keypoint

from workers.engines.bodies.estimates import measure_height
from workers.engines.bodies.export import write_body_bvh, write_body_glb, write_body_obj, write_body_ply
from workers.engines.protocols import BodyEstimate
from workers.formats.annotated_arrays import write_json, write_npz
from workers.formats.registry import BODY_FORMATS
from workers.jobs.bodies.body_height import estimate_height_range
from workers.jobs.bodies.body_record import MESH_ARRAYS, describe_body, list_body_arrays
from workers.jobs.bodies.recovery import RecoveredPerson
from workers.jobs.context import JobContext
from workers.jobs.wire import to_wire_box, to_wire_camera


def write_body(
    context: JobContext,
    person: RecoveredPerson,
    formats: Sequence[BodyFormat] = ("glb",),
    *,
    vertices: bool = False,
    flags: Sequence[str] = (),
) -> BodyResult:
    """Save a body in each format; `flags` are added to its own, `vertices` adds vertices to NPZ and JSON."""
    body, name = person.body, person.name
    info = context.engines.bodies().info
    engine = f"{info.name} {info.version}"
    writers: dict[BodyFormat, Callable[[], bytes]] = {
        "glb": lambda: write_body_glb(body, name),
        "obj": lambda: write_body_obj(body, name),
        "ply": lambda: write_body_ply(body),
        "bvh": lambda: write_body_bvh(body),
        "npz": lambda: write_npz(describe_body(body, engine), list_body_arrays(body, vertices=vertices)),
        "json": lambda: write_json(
            describe_body(body, engine), list_body_arrays(body, vertices=vertices), MESH_ARRAYS
        ),
    }
    files: dict[BodyFormat, str] = {}
    for kind in dict.fromkeys(formats):
        file_format = BODY_FORMATS[kind]
        file = f"{name}.{file_format.extension}"
        files[kind] = context.save(file, file_format.role, file_format.media_type, writers[kind]()).name
    return BodyResult(
        index=person.index,
        box=to_wire_box(body.box),
        mesh=files.get("glb"),
        grounded=body.grounded,
        ambiguous_limbs=list(body.ambiguous_limbs),
        hand_left=body.hands[0],
        hand_right=body.hands[1],
        files=files,
        camera=to_wire_camera(body.camera),
        keypoints=_to_keypoints(body),
        parameters=dict(body.parameters),
        height_m=(height := measure_height(body.rig)),
        height_range_m=estimate_height_range(height, body.scale_source, body.height_range),
        scale_source=body.scale_source,
        confidence=body.confidence,
        reprojection_error_px=body.reprojection_error,
        flags=[*body.flags, *flags],
    )


def _to_keypoints(body: BodyEstimate) -> list[Keypoint]:
    return [
        Keypoint(name=name, xy=(xy[0], xy[1]), xyz=(xyz[0], xyz[1], xyz[2]), visibility=visibility)
        for name, xy, xyz, visibility in zip(
            body.keypoint_names,
            body.keypoints_2d.tolist(),
            body.keypoints_3d.tolist(),
            body.keypoint_visibility.tolist(),
            strict=True,
        )
    ]
