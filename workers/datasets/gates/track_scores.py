"""Scores of tracks, from the statistics of their masks; docs/reference/datasets.md has their bounds.

Whatever lasts is in seconds and whatever changes is a share of time or of the mask, so that a track has about
the same scores at 30, 15 and 6 frames per second.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from workers.datasets.gates.identity_switches import find_breaks, find_identity_switches, find_merge
from workers.datasets.gates.mask_changes import measure_flicker
from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.track_path import TrackPath
from workers.datasets.schema import ScoreRow
from workers.engines.concepts.identity.certainty import ROUNDING, SHORT_GAP
from workers.engines.concepts.images.color_histograms import histogram_similarity

STAGE = "gates"
# moments in the clip from which a track seems to be on another object, at which it may have merged into
# another, from which two objects seem to be under its mask, and at which it begins or ends for no known
# reason; they are shown, and no gate bounds them
SWITCH_AT, MERGE_AT, MERGED_AT, BREAK_AT = "id_switch_at", "merge_at", "merged_at", "break_at"
# share of a mask that each of two detections explains alone, from which two objects are under it. Of 620
# exact masks of drawn people none has more than 0.04 (docs/benchmarks/datasets.md)
TWO_OBJECTS = 0.1
# seconds before and after a gap whose mean appearance is compared; chosen, not measured
MEMORY = 0.5


def score_tracks(
    clip: str, stats: Mapping[int, TrackStats], pixels: int, times: Sequence[float]
) -> dict[int, list[ScoreRow]]:
    """The two-dimensional scores of every track; `pixels` is the area of a frame, `times` are the frames'.

    length frames; seen_seconds null for a clip of one frame; visible_fraction of its span; area pixels
    (median); area_share of the frame (median); truncation share of the outline on the border of the image
    (mean); flicker share of the mask that changes for one frame alone where the image does not (mean), and of
    the time that is lost in gaps of up to 0.125 s, null where no image can be compared; id_switch count;
    reidentification similarity (0..1) over the worst longer gap, null without one; box_mask IoU (median) of
    the engine's box with the mask's own; merged share of the frames that the engine compared with detections
    in which two objects are under the mask, null where it compared none. For every suspected switch, merge,
    mask over two objects and break there is a row with its moment, from the first frame of the clip on.
    """
    interval = float(np.median(np.diff(times))) if len(times) > 1 else None
    paths = {track: TrackPath(own, times) for track, own in stats.items()}
    scored = {}
    for track, own in stats.items():
        area, frames = float(np.median(own.areas)), own.frames
        switches, merge = find_identity_switches(track, paths), find_merge(track, paths)
        values = (
            ("length", float(len(frames)), "frames"),
            ("seen_seconds", None if interval is None else len(frames) * interval, "seconds"),
            ("visible_fraction", len(frames) / (frames[-1] - frames[0] + 1), "share"),
            ("area", area, "pixels"),
            ("area_share", area / pixels, "share"),
            ("truncation", float(np.mean(own.contacts)), "share"),
            ("flicker", _measure_flicker(own, times, interval), "share"),
            ("id_switch", float(len(switches)), "count"),
            ("reidentification", _measure_reidentification(paths[track], interval), "likeness"),
            ("box_mask", float(np.median(own.box_ious)), "IoU"),
            ("merged", _measure_merged(own), "share"),
            *((SWITCH_AT, moment - times[0], "seconds") for moment in sorted(set(switches))),
            *(((MERGE_AT, merge - times[0], "seconds"),) if merge is not None else ()),
            *((MERGED_AT, moment - times[0], "seconds") for moment in _find_merged(own, times)),
            *((BREAK_AT, moment - times[0], "seconds") for moment in find_breaks(paths[track])),
        )
        scored[track] = [
            ScoreRow(clip=clip, track=track, stage=STAGE, name=name, value=value, unit=unit)
            for name, value, unit in values
        ]
    return scored


def _list_gaps(stats: TrackStats, times: Sequence[float], interval: float) -> list[tuple[int, float]]:
    """Each gap: the place of the observation after it, and how long the track is missing, in seconds."""
    return [
        (place, times[after] - times[before] - interval)
        for place, (before, after) in enumerate(pairwise(stats.frames), 1)
        if after - before > 1
    ]


def _measure_merged(stats: TrackStats) -> float | None:
    compared = [share for share in stats.merged if share is not None]
    return float(np.mean([share >= TWO_OBJECTS for share in compared])) if compared else None


def _find_merged(stats: TrackStats, times: Sequence[float]) -> list[float]:
    """The first moment of each time for which two objects seem to be under the mask."""
    compared = [
        (frame, share >= TWO_OBJECTS)
        for frame, share in zip(stats.frames, stats.merged, strict=True)
        if share is not None
    ]
    before = [False, *(is_merged for _, is_merged in compared)]
    return [times[frame] for (frame, now), was in zip(compared, before, strict=False) if now and not was]


def _measure_flicker(stats: TrackStats, times: Sequence[float], interval: float | None) -> float | None:
    if interval is None:
        return None
    lost = sum(gap for _, gap in _list_gaps(stats, times, interval) if gap <= SHORT_GAP + ROUNDING)
    changed = measure_flicker(stats.changes.values())
    if changed is None and not lost:
        return None
    seen = len(stats.frames) * interval
    return ((changed or 0.0) * seen + lost) / (seen + lost)


def _measure_reidentification(path: TrackPath, interval: float | None) -> float | None:
    """The similarity of a track before and after the gap where it is least; None without gaps."""
    similarities = []
    for place, gap in _list_gaps(path.stats, path.times, interval or 0.0):
        if gap <= SHORT_GAP + ROUNDING:
            continue
        before, after = float(path.seconds[place - 1]), float(path.seconds[place])
        old = slice(path.window(before - MEMORY, before).start, place)
        new = slice(place, path.window(after, after + MEMORY).stop)
        similarities.append(histogram_similarity(path.average_appearance(old), path.average_appearance(new)))
    return min(similarities) if similarities else None
