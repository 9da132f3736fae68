"""Stores the bodies of many frames as chunks, and reads them back track by track."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate, Rig
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]
# Rest meshes stored per track and chunk, and used per track: they bound the memory, the mean shape needs no
# more. Chosen, not measured.
SAMPLES_PER_CHUNK, SAMPLES_PER_TRACK = 8, 32
RIG_ARRAYS = ("parents", "rest_joints", "rest_vertices", "faces", "skin_joints", "skin_weights")
COLUMNS = (
    *("frames", "rotations", "positions", "rest_joints", "keypoints_2d", "keypoints_3d"),
    *("visibility", "boxes", "confidence", "errors", "gravity", "parameters"),
)


class EstimateChunkWriter:
    """Collects the bodies of successive frames and writes them as one chunk."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, BodyEstimate]] = []
        self._frames: list[tuple[int, int]] = []
        self._shifts: list[float] = []

    def add(
        self,
        frame: int,
        pts: int,
        bodies: Sequence[tuple[int, BodyEstimate]],
        shift: float = float("nan"),
    ) -> None:
        """Add the bodies of a frame, each with the id of its track; `shift` is that of the background."""
        self._frames.append((frame, pts))
        self._shifts.append(shift)
        self._rows += [(track, frame, body) for track, body in bodies]

    def flush(self) -> bytes:
        """The collected frames as NPZ bytes; the writer is empty afterwards."""
        rows, self._rows = self._rows, []
        arrays: dict[str, NDArray[Any]] = {"timeline": np.array(self._frames, dtype=np.int64)}
        self._frames = []
        arrays["shifts"], self._shifts = np.array(self._shifts), []
        arrays["tracks"] = np.array([track for track, _, _ in rows], dtype=np.int64)
        if rows:
            arrays |= _stack(rows)
            samples = _sample_rows(arrays["tracks"], SAMPLES_PER_CHUNK)
            arrays["samples"] = samples
            arrays["sample_vertices"] = np.stack([rows[k][2].rig.rest_vertices for k in samples]).astype(
                np.float32
            )
        out = io.BytesIO()
        np.savez(out, allow_pickle=False, **arrays)
        return out.getvalue()


def dump_rig(body: BodyEstimate) -> bytes:
    """What all bodies of an engine share, as NPZ bytes: joints, skin, names."""
    names = {
        "joint_names": np.array(body.rig.joint_names),
        "keypoint_names": np.array(body.keypoint_names),
        "parameters": np.array(json.dumps({name: len(v) for name, v in body.parameters.items()})),
    }
    out = io.BytesIO()
    np.savez_compressed(
        out, allow_pickle=False, **names, **{name: getattr(body.rig, name) for name in RIG_ARRAYS}
    )
    return out.getvalue()


def load_rig(data: bytes) -> tuple[Rig, tuple[str, ...], dict[str, int]]:
    """The rig in its rest pose, the names of the keypoints, and the lengths of the parameters."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        names = tuple(str(name) for name in stored["joint_names"])
        identity = np.zeros((len(names), 4))
        identity[:, 0] = 1.0
        rig = Rig(
            joint_names=names,
            rotations=identity,
            root_translation=np.zeros(3),
            **{name: stored[name] for name in RIG_ARRAYS},
        )
        lengths: dict[str, int] = json.loads(str(stored["parameters"]))
        return rig, tuple(str(name) for name in stored["keypoint_names"]), lengths


def load_timeline(chunks: Sequence[str], read: Callable[[str], bytes]) -> NDArray[np.int64]:
    """Frame number and pts (T, 2) of every frame."""
    parts = [_load(read(chunk))["timeline"] for chunk in chunks]
    return np.concatenate([np.zeros((0, 2), np.int64), *(part.reshape(-1, 2) for part in parts)])


def load_shifts(chunks: Sequence[str], read: Callable[[str], bytes]) -> Floats:
    """How far the background of every frame has moved (T,), as `EstimateChunkWriter.add` took it."""
    parts = [_load(read(chunk)) for chunk in chunks]
    # a checkpoint of an earlier version has none: a camera that nobody watched is not known to stand still
    return np.concatenate(
        [np.full(len(part["timeline"]), np.nan) if "shifts" not in part else part["shifts"] for part in parts]
        or [np.zeros(0)]
    )


def list_tracks(chunks: Sequence[str], read: Callable[[str], bytes]) -> list[int]:
    """Ids of all tracks that have a body in some frame."""
    return sorted({int(t) for chunk in chunks for t in _load(read(chunk))["tracks"]})


def load_track_estimates(
    track: int, chunks: Sequence[str], read: Callable[[str], bytes], lengths: dict[str, int]
) -> TrackEstimates:
    """All estimates of one track; only its rows are kept in memory."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    samples: list[int] = []
    meshes: list[NDArray[np.float32]] = []
    count = 0
    for chunk in chunks:
        data = _load(read(chunk))
        track_rows = np.flatnonzero(data["tracks"] == track)
        if not len(track_rows):
            continue
        data.setdefault("gravity", np.full((len(data["tracks"]), 3), np.nan))
        for name in COLUMNS:
            parts[name].append(data[name][track_rows])
        for place, mesh in zip(data["samples"], data["sample_vertices"], strict=True):
            if data["tracks"][place] == track:
                samples.append(count + int(np.searchsorted(track_rows, place)))
                meshes.append(mesh)
        count += len(track_rows)
    kept = np.unique(
        np.linspace(0, len(samples) - 1, min(len(samples), SAMPLES_PER_TRACK)).round().astype(int)
    )
    table = {name: np.concatenate(values) for name, values in parts.items()}
    packed = table.pop("parameters").astype(np.float64)
    ends = np.cumsum(list(lengths.values()))[:-1]
    return TrackEstimates(
        frames=table.pop("frames"),
        samples=np.array([samples[k] for k in kept], dtype=np.int64),
        sample_vertices=np.stack([meshes[k] for k in kept]).astype(np.float64),
        parameters=dict(zip(lengths, np.split(packed, ends, axis=1), strict=True)),
        **{name: values.astype(np.float64) for name, values in table.items()},
    )


def _stack(rows: Sequence[tuple[int, int, BodyEstimate]]) -> dict[str, NDArray[Any]]:
    bodies = [body for _, _, body in rows]
    return {
        "frames": np.array([frame for _, frame, _ in rows], dtype=np.int64),
        "rotations": np.stack([body.rig.rotations for body in bodies]),
        "positions": np.stack([body.rig.root_translation for body in bodies]),
        "rest_joints": np.stack([body.rig.rest_joints for body in bodies]).astype(np.float32),
        "keypoints_2d": np.stack([body.keypoints_2d for body in bodies]).astype(np.float32),
        "keypoints_3d": np.stack([body.keypoints_3d for body in bodies]).astype(np.float32),
        "visibility": np.stack([body.keypoint_visibility for body in bodies]).astype(np.float32),
        "boxes": np.array([body.box for body in bodies]),
        "confidence": np.array([body.confidence for body in bodies]),
        "errors": np.array([body.reprojection_error for body in bodies]),
        "gravity": np.array([_read_gravity(body) for body in bodies]),
        "parameters": np.array(
            [[v for values in body.parameters.values() for v in values] for body in bodies]
        ),
    }


def _read_gravity(body: BodyEstimate) -> tuple[float, float, float]:
    """Down in the camera frame (3,); NaN where it was only assumed."""
    if body.gravity is None or body.gravity.source == "assumed":
        return (np.nan, np.nan, np.nan)
    return body.gravity.direction


def _sample_rows(tracks: NDArray[Any], most: int) -> NDArray[np.int64]:
    """At most `most` rows of each track, evenly through its rows."""
    kept: list[int] = []
    for track in np.unique(tracks):
        track_rows = np.flatnonzero(tracks == track)
        places = np.unique(
            np.linspace(0, len(track_rows) - 1, min(len(track_rows), most)).round().astype(int)
        )
        kept += track_rows[places].tolist()
    return np.array(sorted(kept), dtype=np.int64)


def _load(data: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
