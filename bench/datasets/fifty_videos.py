"""A dataset of fifty rendered videos with the default engine, counted against the ground truth.

    python -m bench run datasets.fifty_videos [--clips 50] [--frames 24] [--text ball] [--keep FOLDER]

Clips of scripts.drawn_scenes.clips in H.264 files of 256 x 256 at 12 frames per second; every second camera
moves. The pipeline gets nothing but the phrases, and reads the files through the sandboxed decoder. With
--keep the dataset stays: look at its contact.png and report.html.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.video_sources import open_source
from bench.report import Report
from media.sandbox import Sandbox
from scripts.drawn_scenes.clips import RenderedClip, render_clip
from tests.support.media_files import write_clip
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.track_sources import EngineTracks
from workers.engines.registry import load_engines
from workers.geometry.overlap import mask_iou

RATE = 12
# the least mean mask IoU at which a track covers a solid
SAME = 0.5


def find_covered(clip: SceneClip, track: int, rendered: RenderedClip) -> str | None:
    """The label of the solid that a track's masks cover best, or None below a mean IoU of SAME."""
    sums = np.zeros(len(rendered.labels))
    observations = list(clip.track_observations(track))
    for row in observations:
        ids = rendered.ids[clip.frames[row.frame].source_frame]
        sums += [mask_iou(clip.mask(row), ids == number + 1) for number in range(len(sums))]
    means = sums / max(len(observations), 1)
    return rendered.labels[int(means.argmax())] if means.max() >= SAME else None


def count(
    data: Dataset, clips: Sequence[RenderedClip], sources: Sequence[Source], moving: int
) -> dict[str, Any]:
    """What the dataset holds, beside what was rendered; every `moving`-th camera moves."""
    number_by_hash = {source.sha256: number for number, source in enumerate(sources)}
    labels: Counter[str] = Counter()
    solids: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    still = {"still_of_still": 0, "still_of_moving": 0}
    kept = boxes = 0
    for clip in data.clips():
        number = number_by_hash[clip.source.source]
        moves = number % moving == moving - 1
        still["still_of_moving" if moves else "still_of_still"] += clip.row.camera_source == "static"
        labels.update(track.label or "" for track in clip.all_tracks)
        failed.update(row.gate for row in clip.decisions if row.track is not None and not row.passed)
        kept += len(clip.tracks)
        boxes += sum(row.center_cam is not None for row in clip.observations)
        solids.update(find_covered(clip, track.track, clips[number]) or "nothing" for track in clip.tracks)
    rendered = Counter(label for clip in clips for label in clip.labels)
    return {
        "clips_rendered": len(clips),
        "frames_rendered": sum(len(clip.frames) for clip in clips),
        "clips_kept": len(data),
        "failed_clip_gates": dict(
            Counter(row.gate for row in data.rows("decisions") if row.track is None and not row.passed)
        ),
        "cameras_that_stand_still": len(clips) - len(clips) // moving,
        **still,
        "tracks": dict(labels),
        "tracks_kept": kept,
        "kept_tracks_cover": dict(solids.most_common()),
        "rendered": dict(rendered.most_common()),
        "failed_track_gates": dict(failed),
        "observations_with_3d_box": boxes,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--first", type=int, default=100, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--text", action="append", help="phrases; default: ball")
    parser.add_argument("--keep", type=Path, help="keep the dataset in this folder")


def run(options: argparse.Namespace, report: Report) -> None:
    clips = [
        render_clip(options.first + number, frames=options.frames, moving_camera=float(number % 2))
        for number in range(options.clips)
    ]
    settings = DatasetSettings(
        phrases=tuple(options.text or ["ball"]),
        clip_seconds=options.frames / RATE,
        min_clip_seconds=1.0,
        trim_seconds=0.0,
    )
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        sources = []
        for number, clip in enumerate(clips):
            video = write_clip(folder / f"{number}.mp4", clip.frames, rate=RATE, crf=18)
            # a number in place of the hash, so that the report of the dataset shows the seed
            sources.append(replace(open_source(sandbox, video), sha256=f"{number + 1:064x}"))
        out = options.keep or folder / "dataset"
        track_source = EngineTracks(load_engines("default").concepts(), settings)
        build_dataset(sources, Components(track_source), settings, folder / "work", out)
        report.add(count(Dataset(out), clips, sources, 2))
