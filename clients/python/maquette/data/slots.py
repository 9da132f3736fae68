"""Assigning the tracks of a window to object slots."""

import zlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maquette.data.clips import ClipEntry, Observations

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SlotAssignment:
    """The M observations of a window that have a slot.

    `rows` (M,) are their places among the observations of the clip, `times` (M,) their frames in the window,
    `slots` (M,) their slots; `tracks` has the track of each slot.
    """

    rows: Indices
    times: Indices
    slots: Indices
    tracks: list[int]


def assign_slots(
    entry: ClipEntry,
    observations: Observations,
    frames: Indices,
    *,
    slots: int,
    anchored: bool,
    seed: int,
) -> SlotAssignment:
    """Give slots to the tracks of a window of `frames` (T,), as `maquette.data.Windows` documents it."""
    time_by_frame = np.full(entry.frames, -1)
    time_by_frame[frames] = np.arange(len(frames))
    times = time_by_frame[observations.frame]
    rows = np.flatnonzero(times >= 0)
    tracks, times = observations.track[rows], times[rows]
    candidates = set((tracks[times == 0] if anchored else tracks).tolist())
    order = _shuffle_tracks(entry, observations, candidates, seed)
    if len(order) > slots:
        order = _keep_largest(order, tracks, observations.boxes[rows], slots)
    slot_by_track = {track: slot for slot, track in enumerate(order)}
    assigned = np.array([slot_by_track.get(track, -1) for track in tracks.tolist()], np.int64)
    has_slot = assigned >= 0
    return SlotAssignment(rows[has_slot], times[has_slot], assigned[has_slot], order)


def _shuffle_tracks(
    entry: ClipEntry, observations: Observations, candidates: Collection[int], seed: int
) -> list[int]:
    """The candidates in the order of the clip."""
    rng = np.random.default_rng([seed, zlib.crc32(entry.clip.encode())])
    # all tracks of the clip are shuffled, so that two tracks keep their order from window to window
    shuffled: list[int] = rng.permutation(np.unique(observations.track)).tolist()
    return [track for track in shuffled if track in candidates]


def _keep_largest(order: list[int], tracks: Indices, boxes: NDArray[np.float32], count: int) -> list[int]:
    """Those `count` tracks of `order` whose boxes are largest over the window."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    sums = {track: float(areas[tracks == track].sum()) for track in order}
    largest = set(sorted(order, key=lambda track: -sums[track])[:count])
    return [track for track in order if track in largest]
