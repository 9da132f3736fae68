"""Ids of the default engine's tracker against hand-checked truth, as `track` jobs return them.

    python -m bench run datasets.track_truth --videos FOLDER [--names vtest,vtest_last] [--rates 10,6]

"chains" are the ids of chains of masks: the tracker does not know the times of frames, and so compares nobody
over time. "ids" are those of `track` jobs, "certain" the same without what is flagged `identity_uncertain`.
The videos are those of `datasets.real_truth`, at their own size.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.datasets.dataset_tracks import read_frames
from bench.datasets.real_truth import find_videos
from bench.datasets.truth_boxes import TrackBoxes, TruthVideo, compare, decide_objects
from bench.report import Report
from bench.timing import Stopwatch
from workers.engines.protocols import Box, ConceptEngine, FrameResult, Rgb, TrackPrompts, VideoFrame
from workers.engines.registry import load_engines

UNCERTAIN = "identity_uncertain"
COLUMNS = {"video": "", "frames per second": ".0f", "ids": "", "tracks": "d", "good": "d", "yield": ".2f"}
COLUMNS |= {"IDF1": ".3f", "switches": "d", "merges": "d", "CPU seconds": ".0f"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="folder of the videos")
    parser.add_argument("--names", default="vtest,vtest_late,vtest_last", help="videos, joined by commas")
    parser.add_argument("--rates", default="10,6", help="frames per second, joined by commas")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = load_engines("default").concepts()
    table = report.table("Ids against hand-checked truth", COLUMNS)
    for name, truth, path, rates in find_videos(options, report):
        for rate in rates:
            chains, _, slow = _follow(engine, truth, path, rate, has_times=False)
            ids, certain, seconds = _follow(engine, truth, path, rate, has_times=True)
            rows = (("chains", chains, slow), ("ids", ids, seconds), ("certain", certain, seconds))
            for kind, tracks, spent in rows:
                scores = compare(truth, tracks)
                share = len(decide_objects(truth, tracks)) / scores.objects
                values = (scores.tracks, scores.good, share, scores.idf1, scores.switches, scores.merges)
                table.add(name, rate, kind, *values, spent)


def _follow(
    engine: ConceptEngine, truth: TruthVideo, path: Path, rate: float, *, has_times: bool
) -> tuple[list[TrackBoxes], list[TrackBoxes], float]:
    """All tracks, those of certain frames alone, and the CPU seconds of the tracker."""
    tracker = engine.tracker(TrackPrompts(phrases=truth.labels))
    results: list[FrameResult] = []
    watch, spent = Stopwatch(), 0.0
    for index, image in _choose_frames(truth, path, rate):
        time = (index - truth.first) / truth.rate if has_times else None
        watch.lap()
        results += tracker.step(VideoFrame(index, index, image, time))
        spent += watch.lap().cpu
    results += tracker.finish()
    kinds = (_collect(truth, results, leaves_out) for leaves_out in (False, True))
    return next(kinds), next(kinds), spent


def _choose_frames(truth: TruthVideo, path: Path, rate: float) -> Iterator[tuple[int, Rgb]]:
    """The frames of the annotated part that are nearest to a grid of that rate, with their numbers."""
    last = max(truth.frames) + 1
    steps = range(round((last - truth.first) * rate / truth.rate) + 1)
    wanted = {truth.first + round(step * truth.rate / rate) for step in steps}
    for index, image in enumerate(read_frames(path)):
        if index > last:
            return
        if index in wanted:
            yield index, image


def _collect(truth: TruthVideo, results: Sequence[FrameResult], leaves_out: bool) -> list[TrackBoxes]:
    tracks: dict[int, tuple[str, dict[int, Box]]] = {}
    for result in results:
        for item in result.objects:
            if not (leaves_out and UNCERTAIN in item.flags):
                label = truth.labels[item.prompt]
                tracks.setdefault(item.id, (label, {}))[1][result.index] = item.box
    return [TrackBoxes(label=label, boxes=boxes) for label, boxes in tracks.values()]
