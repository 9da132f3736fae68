"""SAM 3 video on RANDOM weights: where a frame's time goes, and frames in batches against one at a time.

Every batch size tracks the same phrases through the same frames, in turns; `ratio` is its CPU time per frame
(on a GPU: its time on the wall) over that of the first batch size. Stages are timed at the first batch size,
if that is 1.
"""

import argparse
import time
from collections import defaultdict
from statistics import median
from typing import Any

import numpy as np
import torch

from bench.concepts.sam3_random_weights import add_model_options, peak_mb, random_engine
from bench.concepts.sam3_video import CONSTANT_OBJECTS
from bench.report import Report
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame

SIZE = 360, 640
PHRASES = ("cat", "dog", "cow", "car", "cup", "hat", "bus", "bed")


class Stages:
    """Seconds in each part of the model, by wrapping its methods."""

    def __init__(self, model: Any, device: str) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device
        for owner, name, stage in (
            (model.detector_model, "get_vision_features", "backbone and neck"),
            (model, "get_vision_features_for_tracker", "neck of the tracker"),
            (model, "run_detection", "detector"),
            (model, "run_tracker_propagation", "propagation of objects"),
            (model, "run_tracker_update_planning_phase", "association, memory"),
            (model, "run_tracker_update_execution_phase", "new objects"),
        ):
            setattr(owner, name, self._timed(getattr(owner, name), stage))
        self._model = model

    def _timed(self, work: Any, stage: str) -> Any:
        def timed(*given: Any, **named: Any) -> Any:
            start = clock(self._device)
            result = work(*given, **named)
            self.seconds[stage] += clock(self._device) - start
            return result

        return timed

    def undo(self) -> None:
        """Unwrap the methods."""
        detector = self._model.detector_model
        del detector.get_vision_features
        for name in [name for name in vars(self._model) if name.startswith(("run_", "get_vision"))]:
            delattr(self._model, name)


def clock(device: str) -> float:
    """Seconds of CPU, or of the wall once the GPU is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def track(engine: Sam3Concepts, frames: int, phrases: int, device: str) -> tuple[float, list[FrameResult]]:
    """Seconds per frame, and the results."""
    images = [draw_image(number % 40, SIZE) for number in range(frames)]
    tracker = engine.tracker(TrackPrompts(PHRASES[:phrases]))
    results: list[FrameResult] = []
    start = clock(device)
    for number, image in enumerate(images):
        results += tracker.step(VideoFrame(number, number, image))
    results += tracker.finish()
    return (clock(device) - start) / frames, results


def differences(left: list[FrameResult], right: list[FrameResult]) -> dict[str, Any]:
    """How far two runs over one video are from each other."""
    pixels, total, scores, same = 0, 0, 0.0, True
    for one, other in zip(left, right, strict=True):
        same &= [item.id for item in one.objects] == [item.id for item in other.objects]
        for mine, theirs in zip(one.objects, other.objects, strict=False):
            pixels += int(np.count_nonzero(mine.mask != theirs.mask))
            total += mine.mask.size
            scores = max(scores, abs(mine.score - theirs.score))
    return {
        "same_ids": same,
        "pixels_that_differ": pixels,
        "of": total,
        "largest_difference_of_scores": scores,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model_options(parser)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--phrases", type=int, default=1)


def run(options: argparse.Namespace, report: Report) -> None:
    engine = random_engine(options, seed=7, objects=options.objects, **CONSTANT_OBJECTS)
    loaded, device = engine._loaded, options.device
    engines = {
        batch: Sam3Concepts(engine._settings.model_copy(update={"batch": batch}), loaded=loaded)
        for batch in options.batches
    }
    first = options.batches[0]
    for each in engines.values():
        track(each, min(options.frames, max(engines)), options.phrases, device)
    seconds: dict[int, list[float]] = {batch: [] for batch in engines}
    results: dict[int, list[FrameResult]] = {}
    stages: dict[str, float] = defaultdict(float)
    for _ in range(options.repeat):
        for batch, each in engines.items():
            timed = Stages(loaded.model, device) if batch == first == 1 else None
            per_frame, results[batch] = track(each, options.frames, options.phrases, device)
            seconds[batch].append(per_frame)
            if timed:
                for stage, spent in timed.seconds.items():
                    stages[stage] += spent
                timed.undo()
    report.add({"device": engine.info.device, "threads": torch.get_num_threads()})
    whole = sum(seconds[first]) * options.frames
    shares = report.table("Stages", {"stage": "", "share of the time": ".3f"})
    for stage, spent in sorted(stages.items(), key=lambda item: -item[1]):
        shares.add(stage, spent / whole)
    for batch, each in seconds.items():
        figures = {
            "seconds_per_frame": round(median(each), 4),
            "ratio": round(median(each) / median(seconds[first]), 3),
            **differences(results[first], results[batch]),
        }
        report.add({f"batch of {batch}": figures})
    report.add({"peak_mb": peak_mb()})
