"""The steps of the demo, each through the SDK over HTTP."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from maquette import Maquette
from maquette.contract import Rle
from maquette.progress import JobProgressBar
from maquette.results import AnyResult
from maquette.rle import decode
from numpy.typing import NDArray

from scripts.demo import inputs
from workers.geometry.overlap import mask_iou


@dataclass(slots=True)
class Step:
    """One job of the demo and what came of it."""

    title: str
    what: str
    seconds: float
    summary: str
    folder: Path
    result: AnyResult
    notes: list[str] = field(default_factory=list)


class Demo:
    """Runs the steps in order; later ones go on from earlier ones."""

    def __init__(self, mq: Maquette, out: Path) -> None:
        self._mq = mq
        self._out = out
        self.steps: list[Step] = []

    def run(self) -> None:
        """Segment, lift, bodies, track, dataset."""
        cup = self._step(
            "segment",
            "photo of a cup: the phrase “cup”, a box around the saucer, points on and off the spoon",
            lambda: self._mq.segment(
                inputs.photo("coffee.png"),
                text="cup",
                boxes=[(75, 60, 485, 395)],
                points=[[(367, 290, 1), (300, 360, 0)]],
            ),
            lambda r: f"{len(r.instances)} masks",
        )
        bike = self._step(
            "segment",
            "photo of a garage: the phrase “motorcycle”",
            lambda: self._mq.segment(inputs.photo("motorcycle_left.png"), text="motorcycle"),
            lambda r: f"{len(r.instances)} mask",
        )
        for source in (cup, bike):
            self._step(
                "objects",
                "every mask of the job before, lifted (no mask travels through the client)",
                lambda source=source: self._mq.objects(
                    from_job=source.result.job.id, formats=["glb", "ply", "html"]
                ),
                _summarize_objects,
            )
        self._step(
            "bodies",
            "photo of an astronaut: people are found, then fitted",
            lambda: self._mq.bodies(inputs.photo("astronaut.png")),
            lambda r: f"{len(r.bodies)} rigged body",
        )
        self._step(
            "scene",
            "the same photo as one scene",
            lambda: self._mq.scene(
                inputs.photo("astronaut.png"), ["person", "tie", "bottle"], formats=["glb", "ply", "html"]
            ),
            lambda r: f"{len(r.nodes)} node(s)",
        )
        self._videos(bike)

    def _videos(self, bike: Step) -> None:
        mask = bike.result.instances[0].mask  # type: ignore[union-attr]
        first, second = self._out / "moving.mp4", self._out / "moving-back.mp4"
        truth = inputs.compose_video(first, inputs.photo("motorcycle_left.png"), mask)
        inputs.compose_video(second, inputs.photo("motorcycle_left.png"), mask, mirrored=True)
        track = self._step(
            "track",
            "a video composed from the motorcycle: the phrase “motorcycle”",
            lambda: self._mq.track(first, text="motorcycle"),
            lambda r: f"{len(r.tracks)} track(s)",
        )
        track.notes.append(f"mean IoU with the exact masks of the composition: {_mean_iou(track, truth):.3f}")
        self._step(
            "dataset",
            "both videos as clips, tracks and observations",
            lambda: self._mq.dataset([first, second], "motorcycle", clip_seconds=2, size=256),
            lambda r: f"{r.data.clips} clips, {r.data.tracks} tracks, {r.data.observations} observations",
        )

    def _step(self, title: str, what: str, start: Callable[[], Any], summary: Callable[[Any], str]) -> Step:
        started = time.monotonic()
        with JobProgressBar(f"{len(self.steps) + 1}. {title}") as bar:
            result = start().wait(progress=bar)
        seconds = time.monotonic() - started
        folder: Path = result.save(self._out / f"{len(self.steps) + 1:02d}-{title}")
        step = Step(title, what, seconds, summary(result), folder, result)
        if result.reason:
            step.notes.append(result.reason)
        self.steps.append(step)
        return step


def _summarize_objects(result: Any) -> str:
    ious = [item.silhouette_iou for item in result.objects]
    worst = min(ious) if ious else float("nan")
    return f"{len(result.objects)} GLB + splat, silhouette IoU ≥ {worst:.3f}"


def _mean_iou(track: Step, truth: list[NDArray[np.bool_]]) -> float:
    scores = []
    for file in sorted(track.folder.glob("masks-*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            exact = truth[row["frame"]]
            union = np.zeros_like(exact)
            for item in row["objects"]:
                union |= decode(Rle.model_validate(item["mask"]))
            scores.append(mask_iou(union, exact))
    return float(np.mean(scores)) if scores else 0.0
