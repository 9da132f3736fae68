"""How well a tracker follows rendered clips: mean IoU, IDF1, MOTA and, where TrackEval is installed, HOTA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import motmetrics
import numpy as np
from numpy.typing import NDArray

from scripts.drawn_scenes.clips import RenderedClip
from workers.engines.protocols import ConceptEngine, Mask, TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

# an object counts in a frame where it shows this share of its largest area in the clip
SEEN = 0.01
SAME = 0.5

Shown = Mapping[int, Mask]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one clip: mean IoU over objects and the frames where they are seen, and identity metrics.

    An object that is not answered where it is seen has IoU 0 there. Identity metrics match masks
    of IoU ≥ 0.5.
    `hota` is None without TrackEval.
    """

    iou: float
    idf1: float
    mota: float
    switches: int
    hota: float | None


def follow(engine: ConceptEngine, clip: RenderedClip) -> list[Shown]:
    """Track every object of a clip from its box in the first frame; ids are those of the clip."""
    boxes = [bounding_box(clip.ids[0] == number) for number in range(1, len(clip.labels) + 1)]
    tracker = engine.tracker(TrackPrompts.from_visual_prompts([VisualPrompt(box=box) for box in boxes]))
    results = [
        result
        for index, image in enumerate(clip.frames)
        for result in tracker.step(VideoFrame(index, index, image))
    ]
    results += tracker.finish()
    return [{item.id: item.mask for item in result.objects} for result in results]


def score(clip: RenderedClip, shown: Sequence[Shown]) -> Scores:
    """Judge what a tracker showed in each frame of a clip."""
    numbers = range(1, len(clip.labels) + 1)
    areas = np.array([[np.count_nonzero(ids == number) for ids in clip.ids] for number in numbers])
    seen = areas >= SEEN * areas.max(axis=1, keepdims=True)
    account = motmetrics.MOTAccumulator(auto_id=True)
    overlaps: list[float] = []
    frames: list[tuple[list[int], list[int], NDArray[np.float64]]] = []
    for time, (ids, answers) in enumerate(zip(clip.ids, shown, strict=True)):
        truth = [number for number in numbers if seen[number - 1, time]]
        tracks = sorted(answers)
        table = np.array([[mask_iou(ids == number, answers[other]) for other in tracks] for number in truth])
        table = table.reshape(len(truth), len(tracks))
        overlaps += [
            float(table[row, tracks.index(number)]) if number in answers else 0.0
            for row, number in enumerate(truth)
        ]
        account.update(truth, tracks, np.where(table >= SAME, 1 - table, np.nan))
        frames.append((truth, tracks, table))
    row = motmetrics.metrics.create().compute(account, metrics=["idf1", "mota", "num_switches"]).iloc[0]
    return Scores(
        float(np.mean(overlaps)), float(row.idf1), float(row.mota), int(row.num_switches), _hota(frames)
    )


def _hota(frames: Sequence[tuple[list[int], list[int], NDArray[np.float64]]]) -> float | None:
    """Luiten et al. 2021, by its authors' code; the mean over the 19 thresholds."""
    try:
        from trackeval.metrics import HOTA
    except ImportError:
        return None
    truth = {number: place for place, number in enumerate(sorted({n for frame in frames for n in frame[0]}))}
    tracker = {
        number: place for place, number in enumerate(sorted({n for frame in frames for n in frame[1]}))
    }
    result = HOTA().eval_sequence(
        {
            "num_gt_ids": len(truth),
            "num_tracker_ids": len(tracker),
            "num_gt_dets": sum(len(frame[0]) for frame in frames),
            "num_tracker_dets": sum(len(frame[1]) for frame in frames),
            "gt_ids": [np.array([truth[n] for n in frame[0]], int) for frame in frames],
            "tracker_ids": [np.array([tracker[n] for n in frame[1]], int) for frame in frames],
            "similarity_scores": [frame[2] for frame in frames],
        }
    )
    return float(np.mean(result["HOTA"]))
