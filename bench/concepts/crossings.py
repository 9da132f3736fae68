"""The default tracker on look-alikes that cross or bounce: mean IoU, IDF1 and how it flags its doubt.

    python -m bench run concepts.crossings [--clips 6] [--first 100]

Two equal discs, boxes or people per clip, prompted by their boxes in the first frame. "Own" and "exchanged"
are the shares of the frames after the last contact in which a mask shows its own or the other object (mask
IoU over 0.5), "flagged" the share with `identity_uncertain`; "equal" counts frames with two masks of IoU over
0.75.
"""

import argparse
from collections.abc import Sequence

import motmetrics
import numpy as np

from bench.report import Report
from tests.support.crossings import KINDS, CrossingClip, draw_crossing
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import TrackedInstance, TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

THREADS = 2
# mask IoU from which an answer shows an object, and from which two answers are one
SAME, EQUAL = 0.5, 0.75
# an object counts in a frame where it shows this many pixels
MIN_PIXELS = 30
COLUMNS = ("mean IoU", "IDF1", "own", "exchanged", "flagged", "equal")

Shown = dict[int, TrackedInstance]


def track(engine: DefaultConcepts, clip: CrossingClip) -> list[Shown]:
    """The tracked objects of every frame by id, which is the true one."""
    boxes = [bounding_box(clip.mask(0, number)) for number in (1, 2)]
    tracker = engine.tracker(TrackPrompts.from_visual_prompts([VisualPrompt(box=box) for box in boxes]))
    frames = [VideoFrame(index, index, image) for index, image in enumerate(clip.frames)]
    return [{item.id: item for item in result.objects} for frame in frames for result in tracker.step(frame)]


def score(clip: CrossingClip, shown: Sequence[Shown]) -> tuple[float, ...]:
    """The figures of one clip, in the order of COLUMNS."""
    account = motmetrics.MOTAccumulator(auto_id=True)
    overlaps, own, exchanged, flagged, equal = [], [], [], [], 0
    for index, answers in enumerate(shown):
        truth = [n for n in (1, 2) if np.count_nonzero(clip.mask(index, n)) >= MIN_PIXELS]
        table = np.array(
            [[mask_iou(clip.mask(index, n), item.mask) for item in answers.values()] for n in truth]
        ).reshape(len(truth), len(answers))
        account.update(truth, list(answers), np.where(table >= SAME, 1 - table, np.nan))
        for number in truth:
            item = answers.get(number)
            iou = mask_iou(clip.mask(index, number), item.mask) if item else 0.0
            overlaps.append(iou)
            if index >= clip.parting:
                own.append(iou > SAME)
                other = clip.mask(index, 3 - number)
                exchanged.append(item is not None and mask_iou(other, item.mask) > SAME)
                flagged.append(item is not None and "identity_uncertain" in item.flags)
        if len(answers) == 2:
            one, two = answers.values()
            equal += mask_iou(one.mask, two.mask) > EQUAL
    summary = motmetrics.metrics.create().compute(account, metrics=["idf1"])
    means = (float(np.mean(values)) for values in (own, exchanged, flagged))
    return float(np.mean(overlaps)), float(summary.iloc[0].idf1), *means, float(equal)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=6, help="clips per kind and motion")
    parser.add_argument("--first", type=int, default=100, help="seed of the first clip")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultConcepts(threads=THREADS)
    columns = {"objects": "", "motion": ""} | dict.fromkeys(COLUMNS, ".3f")
    table = report.table("Look-alikes", columns)
    rows = []
    for kind in KINDS:
        for bounce in (False, True):
            clips = [
                draw_crossing(seed, kind, bounce=bounce)
                for seed in range(options.first, options.first + options.clips)
            ]
            means = np.mean([score(clip, track(engine, clip)) for clip in clips], axis=0).tolist()
            table.add(kind, "bounce" if bounce else "cross", *means)
            rows.append(means)
    total = np.mean(rows, axis=0).tolist()
    table.add("mean", "", *total)
    report.add(dict(zip(("mean_iou", "idf1", "own", "exchanged", "flagged", "equal"), total, strict=True)))
