"""Whether the gates decide alike at 30, 15 and 6 frames per second.

    python -m bench run datasets.gate_rates [--clips 16] [--video FILE --text person,bed --rate 10 --size 512]

Exact tracks of rendered clips, and with `--video` those that the default engine finds in a file at its own
rate: the same masks, of which every frame, every second and every fifth are scored.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.report import Report, Table
from media.sandbox import Sandbox
from scripts.drawn_scenes.clips import render_clip
from workers.datasets.gates.policy import DEFAULT
from workers.datasets.gates.track_metrics import TrackedMask, TrackMetrics
from workers.datasets.gates.track_scores import score_tracks
from workers.datasets.images import fit_size, resize_area, resize_mask
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.engines.protocols import TrackPrompts, VideoFrame
from workers.engines.registry import load_engines
from workers.geometry.boxes import bounding_box

RATE, STEPS = 30.0, (1, 2, 5)
COLUMNS = {
    "tracks of": "", "frames per second": ".0f", "tracks": "d", "kept": "d", "decided alike": "d",
    "rejected by": "",
}  # fmt: skip

Rgb = NDArray[np.uint8]
Tracks = Mapping[int, TrackedMask]


def render_clips(count: int) -> Iterator[tuple[list[Rgb], list[Tracks]]]:
    """Rendered clips of 60 frames with the exact masks of their objects."""
    for seed in range(300, 300 + count):
        clip = render_clip(seed, frames=60, moving_camera=bool(seed % 2))
        labels = sorted(set(clip.labels))
        tracks: list[Tracks] = []
        for ids in clip.ids:
            masks = {number: ids == number for number in range(1, len(clip.labels) + 1)}
            tracks.append(
                {
                    number: TrackedMask(mask, bounding_box(mask), labels.index(clip.labels[number - 1]))
                    for number, mask in masks.items()
                    if mask.any()
                }
            )
        yield list(clip.frames), tracks


def track_video(path: Path, phrases: Sequence[str], side: int) -> tuple[list[Rgb], list[Tracks]]:
    """The frames of a video at the size of datasets, and the default engine's tracks."""
    prompts = TrackPrompts(tuple(phrases), (None,) * len(phrases))
    tracker = load_engines("default").concepts().tracker(prompts)
    images: list[Rgb] = []
    results = []
    with Sandbox() as sandbox:
        for index, frame in enumerate(sandbox.frames(path).frames):
            height, width = frame.pixels.shape[:2]
            seen = resize_area(frame.pixels, fit_size(width, height, TRACK_SIZE))
            results += tracker.step(VideoFrame(index, frame.pts, seen))
            images.append(resize_area(frame.pixels, fit_size(width, height, side)))
    results += tracker.finish()
    size = images[0].shape[1], images[0].shape[0]
    tracks: list[Tracks] = []
    for result in sorted(results, key=lambda item: item.index):
        masks = {item.id: (resize_mask(item.mask, size), item.prompt) for item in result.objects}
        tracks.append(
            {
                number: TrackedMask(mask, bounding_box(mask), prompt)
                for number, (mask, prompt) in masks.items()
                if mask.any()
            }
        )
    return images, tracks


def decide(images: Sequence[Rgb], tracks: Sequence[Tracks], step: int, rate: float) -> dict[int, set[str]]:
    """The gates that each track fails when every `step`-th frame of so many per second is scored."""
    metrics = TrackMetrics()
    chosen = range(0, len(images), step)
    for number, index in enumerate(chosen):
        metrics.add(number, images[index], tracks[index])
    times = [index / rate for index in chosen]
    scored = score_tracks("clip", metrics.stats, images[0].shape[0] * images[0].shape[1], times)
    return {
        track: {row.gate for row in DEFAULT.decide(rows) if not row.passed} for track, rows in scored.items()
    }


def add_rows(
    table: Table, name: str, clips: Sequence[tuple[Sequence[Rgb], Sequence[Tracks]]], rate: float
) -> None:
    """Add a row per frame rate."""
    first: list[dict[int, set[str]]] = []
    for step in STEPS:
        decided = [decide(images, tracks, step, rate) for images, tracks in clips]
        first = first or decided
        failed = Counter(gate for own in decided for gates in own.values() for gate in gates)
        tracks = [(number, track) for number, own in enumerate(decided) for track in own]
        alike = sum(
            bool(decided[number][track]) == bool(first[number].get(track, {"not seen"}))
            for number, track in tracks
        )
        kept = sum(not decided[number][track] for number, track in tracks)
        reasons = ", ".join(f"{count} {gate}" for gate, count in sorted(failed.items()))
        table.add(name, rate / step, len(tracks), kept, alike, reasons or "–")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=16, help="rendered clips")
    parser.add_argument("--video", type=Path, help="a file of constant rate")
    parser.add_argument("--rate", type=float, default=RATE, help="its frames per second")
    parser.add_argument("--size", type=int, default=DatasetSettings().size, help="pixels of its longer side")
    parser.add_argument("--text", default="person", help="phrases for the video, joined by commas")


def run(options: argparse.Namespace, report: Report) -> None:
    table = report.table("Tracks that pass", COLUMNS)
    if options.clips:
        add_rows(table, "rendered clips, exact masks", list(render_clips(options.clips)), RATE)
    if options.video is not None:
        clip = track_video(options.video, options.text.split(","), options.size)
        add_rows(table, "a video, default engine", [clip], options.rate)
