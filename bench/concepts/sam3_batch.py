"""SAM 3 video on RANDOM weights: where a frame's time goes, and frames together against one at a time.

Run: python -m bench run concepts.sam3_batch [--size tiny|full] [--device cpu|cuda]
[--dtype float32|bfloat16] [--batches 1 4 8] [--frames 16] [--objects 4] [--phrases 1] [--repeat 3]
[--json FILE]

Every batch follows the same phrases through the same frames, in turns; `ratio` is its CPU time (a GPU's: its
time on the wall) a frame over that of the first batch. Stages are timed in the first batch's runs.
"""

import time
from collections import defaultdict
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch

from bench.concepts.sam3_random_weights import engine, parser, peak_mb, report
from bench.concepts.sam3_video import STILL
from tests.parity.sam3_tiny import picture
from workers.engines.concepts.sam3.engine import Sam3Concepts
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
            found = work(*given, **named)
            self.seconds[stage] += clock(self._device) - start
            return found

        return timed

    def undo(self) -> None:
        """The model as it was."""
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


def follow(made: Sam3Concepts, frames: int, phrases: int, device: str) -> tuple[float, list[FrameResult]]:
    """Seconds a frame, and what was found."""
    pictures = [picture(number % 40, SIZE) for number in range(frames)]
    tracker = made.tracker(TrackPrompts(PHRASES[:phrases]))
    found: list[FrameResult] = []
    start = clock(device)
    for number, image in enumerate(pictures):
        found += tracker.step(VideoFrame(number, number, image))
    found += tracker.finish()
    return (clock(device) - start) / frames, found


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


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    options.add_argument("--frames", type=int, default=16)
    options.add_argument("--objects", type=int, default=4)
    options.add_argument("--phrases", type=int, default=1)
    arguments = options.parse_args()
    made = engine(arguments, seed=7, objects=arguments.objects, **STILL)
    loaded, device = made._loaded, arguments.device
    engines = {
        batch: Sam3Concepts(replace(made._settings, batch=batch), loaded=loaded)
        for batch in arguments.batches
    }
    first = arguments.batches[0]
    for each in engines.values():
        follow(each, min(arguments.frames, max(engines)), arguments.phrases, device)
    took: dict[int, list[float]] = {batch: [] for batch in engines}
    found: dict[int, list[FrameResult]] = {}
    stages: dict[str, float] = defaultdict(float)
    for _ in range(arguments.repeat):
        for batch, each in engines.items():
            timed = Stages(loaded.model, device) if batch == first == 1 else None
            seconds, found[batch] = follow(each, arguments.frames, arguments.phrases, device)
            took[batch].append(seconds)
            if timed:
                for stage, spent in timed.seconds.items():
                    stages[stage] += spent
                timed.undo()
    whole = sum(took[first]) * arguments.frames
    report(
        arguments,
        {
            "device": made.info.device,
            "threads": torch.get_num_threads(),
            "frames": arguments.frames,
            "phrases": arguments.phrases,
            "share_of_stages": {
                stage: round(spent / whole, 3)
                for stage, spent in sorted(stages.items(), key=lambda item: -item[1])
            },
            "batches": {
                batch: {
                    "seconds_a_frame": round(median(seconds), 4),
                    "ratio": round(median(seconds) / median(took[first]), 3),
                    **differences(found[first], found[batch]),
                }
                for batch, seconds in took.items()
            },
            "peak_mb": peak_mb(),
        },
    )


if __name__ == "__main__":
    main()
