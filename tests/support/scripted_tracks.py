"""Tracks of people of two colours each, as a clip's frames would be measured, without any frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workers.datasets.appearance.crops import Crop
from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.observations import TrackedClip, TrackObservation
from workers.engines.concepts.identity.half_histograms import HalfHistograms, describe_halves

Color = tuple[int, int, int]
# jacket and trousers
Clothes = tuple[Color, Color]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is seen of a track from one second to another; `doubtful` frames have a margin of 0.

    It is at `place` when it starts and moves by `velocity` pixels per second; `cut` is whether the border of
    the image cuts it.
    """

    start: float
    stop: float
    clothes: Clothes
    place: tuple[float, float] = (50.0, 50.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    doubtful: bool = False
    cut: bool = False


def script_clip(
    tracks: Mapping[int, Sequence[Scene]], rate: float, seconds: float, compared: bool = True
) -> tuple[TrackedClip, list[float]]:
    """A clip of some tracks and the times of its frames; `compared` is whether the engine states margins."""
    times = [index / rate for index in range(round(seconds * rate))]
    out = TrackedClip(size=(200, 400))
    for track, scenes in tracks.items():
        stats = out.stats[track] = TrackStats(0)
        out.prompts[track], out.labels[track], out.observations[track] = 0, "person", []
        for frame, moment in enumerate(times):
            for scene in scenes:
                if scene.start <= moment < scene.stop:
                    _observe(out, track, frame, moment, scene, compared)
        middle = stats.frames[len(stats.frames) // 2]
        out.crops[track] = [Crop(frame, 1.0, (0, 0, 1, 1), b"") for frame in (stats.frames[0], middle)]
    return out, times


def describe_clothes(clothes: Clothes) -> HalfHistograms:
    """The colours of someone 8 pixels wide and 24 tall."""
    image = np.zeros((24, 8, 3), np.uint8)
    image[:12], image[12:] = clothes
    return describe_halves(image, np.ones(image.shape[:2], np.bool_))


def _observe(out: TrackedClip, track: int, frame: int, moment: float, scene: Scene, compared: bool) -> None:
    stats, passed = out.stats[track], moment - scene.start
    x, y = (at + passed * speed for at, speed in zip(scene.place, scene.velocity, strict=True))
    box = (x - 4, y - 12, x + 4, y + 12)
    stats.frames.append(frame)
    stats.areas.append(192)
    stats.boxes.append(box)
    stats.box_ious.append(1.0)
    stats.contacts.append(0.2 if scene.cut else 0.0)
    stats.appearances.append(np.zeros(800, np.float32))
    stats.margins.append((0.0 if scene.doubtful else 0.6) if compared else None)
    stats.merged.append(0.0 if compared else None)
    stats.halves.append(describe_clothes(scene.clothes))
    out.observations[track].append(
        TrackObservation(
            frame=frame, box=box, score=0.9, mask={"size": [200, 400], "counts": ""}, area=192,
            depth=None, points=None, flags=(),
        )
    )  # fmt: skip
