"""What changed of each object between two frames, by how much, and whether errors could explain it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.datasets.changes.frame_state import MOMENT, ClipStates, FrameState
from workers.datasets.changes.words import describe_change
from workers.datasets.schema import ChangeRow, ObservationRow
from workers.geometry.overlap import box_iou
from workers.geometry.poses import matrix_from_quaternion

Floats = NDArray[np.float64]
# sources of 3D boxes that measure; the others are guesses from typical sizes
MEASURED = ("given", "depth", "multiview")
# of its size (cube root of the volume): a centre that moves less stays. Steps of boxes from depth were off by
# up to 0.22 in 95% of 87 steps of rendered objects that move before a moving camera, by 0 where they stand
MOVED_WORLD = 0.25
# of its size (root of the area of its box) in the image: masks breathe while a thing stands. Chosen
MOVED_IMAGE = 0.15
# the same for boxes that came with the source, which are exact: what nobody would call a move. Chosen
MOVED_GIVEN = 0.05
# degrees; boxes from depth have one rotation per track, so only given ones turn. Chosen
TURNED = 5.0
# ratio of sizes; boxes from depth have one size per track, so only given ones differ. Chosen
RESIZED = 1.05
# IoU of the boxes of what went and what came that makes it a replacement. Chosen, as in detection benchmarks
REPLACED_IOU = 0.5
# pixels: a box that is nearer to the border of the image is cut by it
BORDER = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneEdit:
    """What was done between two rendered frames to one track: move, turn, resize, replace, ..."""

    operation: str
    track: int


def measure_changes(a: FrameState, b: FrameState, edit: SceneEdit | None = None) -> list[ChangeRow]:
    """One row for each track that is seen in either frame, by track; those that appeared come last.

    Frames of two clips must have the same ids for the same objects. `edit` says what was done to the scene
    between two renderings of it.
    """
    came = {track: row for track, row in b.rows.items() if track not in a.rows}
    rows = []
    for track, row in sorted(a.rows.items()):
        other = b.rows.get(track)
        if other is not None:
            is_new = edit is not None and edit.track == track and edit.operation == "replace"
            rows.append(_compare(a, b, row, other, edit, presence="replaced" if is_new else "both"))
            continue
        successor = _find_successor(a, b, row, came)
        if successor is not None:
            del came[successor.track]
            rows.append(_compare(a, b, row, successor, edit, presence="replaced"))
        else:
            rows.append(_build_absent(a, b, row, edit, appeared=False))
    rows += [_build_absent(a, b, row, edit, appeared=True) for _, row in sorted(came.items())]
    return rows


def compare_frames(states: ClipStates, pairs: Sequence[tuple[int, int]]) -> list[ChangeRow]:
    """The rows of some pairs of frames of one clip."""
    frames = {frame: states.at(frame) for frame in sorted({frame for pair in pairs for frame in pair})}
    return [row for a, b in pairs for row in measure_changes(frames[a], frames[b])]


def _compare(
    a: FrameState,
    b: FrameState,
    row: ObservationRow,
    other: ObservationRow,
    edit: SceneEdit | None,
    *,
    presence: str,
) -> ChangeRow:
    """The row of an object that is in both frames, or of one and what is now in its place."""
    moved, translation, measured_in = _measure_move(a, b, row, other)
    is_same = presence == "both"
    degrees, axis = _measure_turn(a, row, other) if is_same else (None, None)
    factor = _measure_size(row, other) if is_same else None
    measured = replace(
        _begin_row(a, b, (row.track, other.track), edit, presence=presence),
        moved=moved,
        translation=translation,
        turned=None if degrees is None else degrees >= TURNED,
        degrees=degrees,
        axis=axis,
        resized=None if factor is None else max(factor, 1 / factor) >= RESIZED,
        factor=factor,
        measured_in=measured_in,
        scale_source=row.scale_source if row.scale_source == other.scale_source else None,
    )
    return replace(measured, text=describe_change(measured, b.labels[other.track]))


def _measure_move(
    a: FrameState, b: FrameState, row: ObservationRow, other: ObservationRow
) -> tuple[bool | None, tuple[float, ...] | None, str | None]:
    """Whether the centre is elsewhere, by how much, and where that was measured."""
    pose = a.world_from_cam
    worlds_agree = a.clip.clip == b.clip.clip or a.clip.camera_source == b.clip.camera_source == "given"
    if pose is not None and worlds_agree and _is_measured(row) and _is_measured(other):
        assert row.center_world and other.center_world and row.size
        step = np.subtract(other.center_world, row.center_world)
        is_given = row.box3d_source == other.box3d_source == "given"
        bound = (MOVED_GIVEN if is_given else MOVED_WORLD) * float(np.prod(row.size)) ** (1 / 3)
        return bool(np.linalg.norm(step) >= bound), _to_floats(pose[:3, :3].T @ step), "world"
    if not _is_same_view(a, b):
        return None, None, None
    step = _find_middle(other) - _find_middle(row)
    size = np.sqrt((row.x1 - row.x0) * (row.y1 - row.y0))
    moved = bool(np.linalg.norm(step) >= MOVED_IMAGE * size)
    return moved, _to_floats(step / [a.clip.width, a.clip.height]), "image"


def _is_measured(row: ObservationRow) -> bool:
    return row.center_world is not None and row.size is not None and row.box3d_source in MEASURED


def _is_same_view(a: FrameState, b: FrameState) -> bool:
    """Whether both frames are seen from one place, so that what moves in the image moves."""
    first, second = a.world_from_cam, b.world_from_cam
    if first is None or second is None or a.clip.clip != b.clip.clip:
        return False
    return bool(np.array_equal(first, second))


def _measure_turn(
    a: FrameState, row: ObservationRow, other: ObservationRow
) -> tuple[float | None, tuple[float, ...] | None]:
    """The angle in degrees and its axis in the camera axes of A; None where a rotation is unknown."""
    pose = a.world_from_cam
    for item in (row, other):
        if item.rotation_world is None or item.box3d_source != "given" or "rotation_unknown" in item.flags:
            return None, None
    if pose is None or row.rotation_world is None or other.rotation_world is None:
        return None, None
    turn = matrix_from_quaternion(other.rotation_world) @ matrix_from_quaternion(row.rotation_world).T
    turn = pose[:3, :3].T @ turn @ pose[:3, :3]
    vector = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine, cosine = float(np.linalg.norm(vector)) / 2, (float(np.trace(turn)) - 1) / 2
    degrees = float(np.degrees(np.arctan2(sine, cosine)))
    return degrees, _to_floats(vector / (2 * sine)) if sine > 1e-6 else None


def _measure_size(row: ObservationRow, other: ObservationRow) -> float | None:
    """The ratio of sizes; boxes that are not given have one size through a clip, which measures nothing."""
    if row.size is None or other.size is None or {row.box3d_source, other.box3d_source} != {"given"}:
        return None
    return float(np.cbrt(np.prod(other.size) / np.prod(row.size)))


def _find_successor(
    a: FrameState, b: FrameState, row: ObservationRow, came: dict[int, ObservationRow]
) -> ObservationRow | None:
    """What is now where an object was that has gone, and what was not there then."""
    if not _is_same_view(a, b) or _is_near(b, row.track):
        return None
    overlaps = [
        (box_iou(_get_box(row), _get_box(other)), -track)
        for track, other in came.items()
        if not _is_near(a, track)
    ]
    best = max(overlaps, default=(0.0, 0))
    return came[-best[1]] if best[0] >= REPLACED_IOU else None


def _build_absent(
    a: FrameState, b: FrameState, row: ObservationRow, edit: SceneEdit | None, *, appeared: bool
) -> ChangeRow:
    """The row of an object that is seen in one of the frames alone."""
    without = a if appeared else b
    is_removed = edit is not None and edit.track == row.track
    presence = "appeared" if appeared else "vanished"
    if _is_near(without, row.track) and not is_removed:
        presence = "uncertain"
    reason = None if presence == "uncertain" or is_removed else _find_reason(without, row.track)
    tracks = (None, row.track) if appeared else (row.track, None)
    begun = _begin_row(a, b, tracks, edit, presence=presence, reason=reason)
    return replace(begun, text=describe_change(begun, None))


def _is_near(state: FrameState, track: int) -> bool:
    """Whether a track is seen so shortly before or after a frame that it may well be there."""
    return track in state.nearest and state.nearest[track][1] <= MOMENT


def _find_reason(state: FrameState, track: int) -> str | None:
    """Why a track is not seen, by how it was seen last, or is seen next."""
    if track not in state.nearest:
        return None
    row = state.nearest[track][0]
    if "occluded" in row.flags:
        return "hidden"
    edges = (row.x0, row.y0, state.clip.width - row.x1, state.clip.height - row.y1)
    return "left_image" if min(edges) <= BORDER or "truncated" in row.flags else None


def _begin_row(
    a: FrameState,
    b: FrameState,
    tracks: tuple[int | None, int | None],
    edit: SceneEdit | None,
    *,
    presence: str,
    reason: str | None = None,
) -> ChangeRow:
    """The row of an object of which nothing is measured yet; `tracks` are those in A and in B."""
    track, other_track = tracks
    operation = None
    if edit is not None:
        operation = edit.operation if edit.track in tracks else "none"
    return ChangeRow(
        clip=a.clip.clip,
        frame=a.frame,
        other_clip=b.clip.clip,
        other_frame=b.frame,
        track=track,
        other_track=other_track,
        label=b.labels[other_track or 0] if track is None else a.labels[track],
        presence=presence,
        reason=reason,
        moved=None,
        translation=None,
        turned=None,
        degrees=None,
        axis=None,
        resized=None,
        factor=None,
        measured_in=None,
        scale_source=None,
        edit=operation,
        text="",
    )


def _find_middle(row: ObservationRow) -> Floats:
    return np.array([(row.x0 + row.x1) / 2, (row.y0 + row.y1) / 2])


def _get_box(row: ObservationRow) -> tuple[float, float, float, float]:
    return row.x0, row.y0, row.x1, row.y1


def _to_floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def is_changed(row: ChangeRow) -> bool:
    """Whether the object is known to have changed at all."""
    is_other = row.presence in ("appeared", "vanished", "replaced") or row.edit == "recolour"
    return is_other or bool(row.moved or row.turned or row.resized)
