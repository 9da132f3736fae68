"""Writes the files of a person's motion: one writer per format, chosen from a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from maquette.contract import BodiesJob, BodyFormat

from workers.formats.annotated_arrays import AnnotatedArray, write_json, write_npz
from workers.formats.registry import BODY_FORMATS
from workers.jobs.bodies.body_record import MESH_ARRAYS
from workers.jobs.bodies.motion import BodyMotion
from workers.jobs.bodies.motion_export import FILE_FROM_MOTION, Floats, write_motion_bvh, write_motion_glb
from workers.jobs.context import JobContext

# most bytes of vertices that one file of a track gets; chosen, not measured
MAX_VERTEX_BYTES = 512 << 20
# a file's name and its bytes
NamedFile = tuple[str, bytes]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MotionRecord:
    """What the files of a motion are written from; `stem` is the first part of their names.

    `header` and `arrays` make the NPZ and the JSON, `vertices` (T, V, 3) are added to the NPZ only.
    """

    stem: str
    motion: BodyMotion
    header: Mapping[str, Any]
    arrays: Mapping[str, AnnotatedArray]
    vertices: AnnotatedArray | None
    file_from_motion: Floats
    flags: tuple[str, ...]


def write_motion_files(
    context: JobContext, record: MotionRecord, formats: list[BodyFormat]
) -> dict[BodyFormat, list[str]]:
    """Save the motion in each format; returns the names of the artefacts. BVH has one file per span."""
    files: dict[BodyFormat, list[str]] = {}
    for name in dict.fromkeys(formats):
        file_format = BODY_FORMATS[name]
        files[name] = [
            context.save(file, file_format.role, file_format.media_type, data).name
            for file, data in WRITERS[name](record)
        ]
    return files


def choose_file_frame(request: BodiesJob) -> Floats:
    """The rotation (3, 3) from the frame of the request's motions to the y-up frame of files."""
    return FILE_FROM_MOTION["-y" if request.world_from_cam is None else request.world_up]


def pose_vertices(motion: BodyMotion, frame: str | None) -> AnnotatedArray | None:
    """The vertices (T, V, 3) of every frame, NaN in open gaps; None when they are over MAX_VERTEX_BYTES."""
    shape = (len(motion.frames), *motion.rig.rest_vertices.shape)
    if int(np.prod(shape)) * 4 > MAX_VERTEX_BYTES:
        return None
    out = np.full(shape, np.nan, dtype=np.float32)
    for span in motion.spans:
        for k in range(span.start, span.stop):
            out[k] = motion.vertices(k)
    return AnnotatedArray(out, "posed vertices, filled and smoothed", "m", frame)


def _write_glb(record: MotionRecord) -> list[NamedFile]:
    extras = {name: value for name, value in record.header.items() if name != "humanoid"}
    extras["flags"] = list(record.flags)
    data = write_motion_glb(record.motion, record.stem, extras, record.file_from_motion)
    return [(f"{record.stem}.glb", data)]


def _write_bvh(record: MotionRecord) -> list[NamedFile]:
    spans = record.motion.spans
    stems = [record.stem] if len(spans) == 1 else [f"{record.stem}-{k}" for k in range(len(spans))]
    return [
        (f"{stem}.bvh", write_motion_bvh(record.motion, span, record.file_from_motion))
        for stem, span in zip(stems, spans, strict=True)
    ]


def _write_npz(record: MotionRecord) -> list[NamedFile]:
    arrays = dict(record.arrays)
    if record.vertices is not None:
        arrays["vertices"] = record.vertices
    return [(f"{record.stem}.npz", write_npz(record.header, arrays))]


def _write_json(record: MotionRecord) -> list[NamedFile]:
    return [(f"{record.stem}.json", write_json(record.header, record.arrays, MESH_ARRAYS))]


# a video has no OBJ and PLY: they hold one pose
WRITERS: Mapping[BodyFormat, Callable[[MotionRecord], list[NamedFile]]] = {
    "glb": _write_glb,
    "bvh": _write_bvh,
    "npz": _write_npz,
    "json": _write_json,
}
