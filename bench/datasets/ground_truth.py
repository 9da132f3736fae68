"""How good a dataset is: rendered clips through the whole pipeline, against their ground truth.

    python -m bench run datasets.ground_truth [--clips 4] [--tracks exact]

Clips of scripts.drawn_scenes.clips, 48 frames of 256 x 256 at 12 frames per second; in half of them
everything moves, in the other half everything stands still and the camera moves. They are tracked in three
ways: by the default engine and the one phrase of its vocabulary that fits any object, `ball` (`phrase`);
by the default tracker from the true boxes of the first frame (`boxes`), which leaves the detector out; and
by the exact masks (`exact`). For each, the pipeline is given cameras and depth, cameras alone, or nothing.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract.datasets import SourceInfo

from bench.datasets.ground_truth_scores import GroundTruthScores
from bench.report import Report, Table
from scripts.drawn_scenes.clips import SOLIDS, RenderedClip, render_clip
from tests.support.synthetic_datasets import movi_source
from workers.datasets.cameras import colmap_solver
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.protocols import ClipTracker, TrackSource
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth, Source
from workers.datasets.track_sources import EngineTracks, OracleTracks
from workers.engines.protocols import (
    ConceptEngine,
    FrameResult,
    Rgb,
    Tracker,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)
from workers.engines.registry import load_engines
from workers.geometry.boxes import bounding_box

SETTINGS = DatasetSettings(
    phrases=tuple(SOLIDS), clip_seconds=5.0, shares={"train": 1.0, "val": 0.0, "test": 0.0}
)
ONE_PHRASE = replace(SETTINGS, phrases=("ball",))
GIVEN = ("cameras and depth", "cameras", "nothing")
SCENES = ("moving", "standing")
Row = dict[str, Any]


class BoxTracks:
    """The default tracker, from the exact boxes of a clip's first frame; labels are the true ones."""

    def __init__(self, engine: ConceptEngine) -> None:
        self._engine, self.info = engine, engine.info

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """A tracker for one clip."""
        assert source.truth.objects is not None
        visible = {n: mask for n, mask in source.truth.objects(plan.first).items() if mask.any()}
        labels = [source.truth.labels[number] for number in visible]
        prompts = [VisualPrompt(box=bounding_box(mask)) for mask in visible.values()]
        return _Named(self._engine.tracker(TrackPrompts.from_visual_prompts(prompts)), labels)


class _Named:
    def __init__(self, tracker: Tracker, labels: Sequence[str]) -> None:
        self._tracker, self._labels = tracker, labels

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        return [self._named(result) for result in self._tracker.step(VideoFrame(frame, pts, image))]

    def finish(self) -> Sequence[FrameResult]:
        return [self._named(result) for result in self._tracker.finish()]

    def _named(self, result: FrameResult) -> FrameResult:
        labels = self._labels
        named = [
            replace(item, label=labels[item.id - 1], prompt=SETTINGS.phrases.index(labels[item.id - 1]))
            for item in result.objects
        ]
        return replace(result, objects=tuple(named))


class CachedTracks:
    """The tracks of another source, computed once per clip: they do not depend on what else is given."""

    def __init__(self, track_source: TrackSource) -> None:
        self._track_source, self.info = track_source, track_source.info
        self._cached: dict[str, list[Sequence[FrameResult]]] = {}

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """The cached tracks of a clip, or a tracker whose results are cached."""
        cached = self._cached.get(plan.id)
        if cached is not None:
            return _Replayed(cached)
        return _Recorded(self._track_source.tracker(source, plan), self._cached.setdefault(plan.id, []))


class _Recorded:
    def __init__(self, tracks: ClipTracker, kept: list[Sequence[FrameResult]]) -> None:
        self._tracks, self._kept = tracks, kept

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        self._kept.append(self._tracks.step(source_frame, frame, pts, image))
        return self._kept[-1]

    def finish(self) -> Sequence[FrameResult]:
        self._kept.append(self._tracks.finish())
        return self._kept[-1]


class _Replayed:
    def __init__(self, kept: list[Sequence[FrameResult]]) -> None:
        self._kept = iter(kept)

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        return next(self._kept)

    def finish(self) -> Sequence[FrameResult]:
        return next(self._kept)


@dataclass(frozen=True, slots=True)
class Case:
    """Which clips, where their tracks come from, and what the pipeline is given."""

    scene: str
    tracks: str
    given: str


def limit_input(source: Source, given: str) -> Source:
    """The source with only the given input, and what its tracker needs; boxes are never given."""
    truth = GroundTruth(source.truth.objects, source.truth.labels)
    if given == GIVEN[0]:
        return replace(source, truth=replace(truth, depth=source.truth.depth))
    return replace(source, truth=truth, info=source.info if given == GIVEN[1] else SourceInfo())


def measure_case(case: Case, track_source: TrackSource, clips: Sequence[RenderedClip], folder: Path) -> Row:
    """Build the dataset of one case and compare it with the ground truth."""
    sources = [
        limit_input(movi_source(clip, name=f"{case.scene} {number}"), case.given)
        for number, clip in enumerate(clips)
    ]
    components = Components(track_source, solver=colmap_solver.load_solver())
    build_dataset(
        sources,
        components,
        ONE_PHRASE if case.tracks == "phrase" else SETTINGS,
        folder / "work",
        folder / "dataset",
    )
    data = Dataset(folder / "dataset")
    clip_by_hash = {source.sha256: clip for source, clip in zip(sources, clips, strict=True)}
    scores, gates, tracks = GroundTruthScores(), Counter[str](), 0
    for clip in data.clips():
        scores.add(clip, clip_by_hash[clip.source.source])
        gates.update(row.gate for row in clip.decisions if row.track is not None and not row.passed)
        tracks += len(clip.all_tracks)
    return {
        "scene": case.scene,
        "tracks_from": case.tracks,
        "given": case.given,
        "clips_kept": f"{len(data)} of {len(clips)}",
        "objects_rendered": sum(len(clip.labels) for clip in clips),
        "tracks": tracks,
        "tracks_kept": sum(len(clip.tracks) for clip in data.clips()),
        "failed_gates": dict(sorted(gates.items())),
        "idf1": rounded_mean(scores.idf1),
        "idf1_balls": rounded_mean(scores.idf1_balls),
        "observations": scores.observations,
        "matched": scores.matched,
        "boxes": dict(sorted(scores.sources.items())),
        "cameras": dict(sorted(scores.cameras.items())),
        "iou_3d": rounded_median(scores.ious),
        "iou_3d_aligned": rounded_median(scores.aligned_ious),
        "center_m": rounded_median(scores.center_metres),
        "center_diagonals": rounded_median(scores.center_diagonals),
        "center_diagonals_whole": rounded_median(
            [off for off, whole in zip(scores.center_diagonals, scores.whole, strict=True) if whole]
        ),
        "center_diagonals_aligned": rounded_median(scores.aligned_center_diagonals),
        "scale_factor": rounded_median(scores.factors),
        "turn_degrees": rounded_median(scores.turns),
        "camera_degrees": rounded_median(scores.camera_turns),
        "camera_path": rounded_median(scores.camera_paths),
        "turns_estimated": f"{len(scores.turns)} of {scores.turnable}",
    }


def rounded_mean(values: Sequence[float]) -> float | None:
    """The mean to three places; None without values."""
    return round(float(np.nanmean(values)), 3) if values else None


def rounded_median(values: Sequence[float]) -> float | None:
    """The median to three places; None without values."""
    return round(float(np.median(values)), 3) if values else None


COLUMNS = {
    "scene": "",
    "tracks from": "",
    "given": "",
    "tracks kept": "",
    "IDF1": ".2f",
    "IDF1, balls": ".2f",
    "boxes": "",
    "3D IoU": ".2f",
    "3D IoU, aligned": ".2f",
    "centre, m": ".2f",
    "centre, diagonals": ".2f",
    "centre, aligned": ".2f",
    "rotation °": ".2f",
}


def add_row(table: Table, row: Row) -> None:
    """Add the main figures of a case to a table of COLUMNS."""
    boxed = row["matched"] - row["boxes"].get("none", 0)
    table.add(
        row["scene"],
        row["tracks_from"],
        row["given"],
        f"{row['tracks_kept']} of {row['tracks']}",
        row["idf1"],
        row["idf1_balls"],
        f"{100 * boxed / row['matched']:.0f}%" if row["matched"] else None,
        row["iou_3d"],
        row["iou_3d_aligned"],
        row["center_m"],
        row["center_diagonals"],
        row["center_diagonals_aligned"],
        row["turn_degrees"],
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=4, help="of each scene")
    parser.add_argument("--first", type=int, default=20, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--tracks", choices=("phrase", "boxes", "exact"), help="only these")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = load_engines("default").concepts()
    track_sources: dict[str, TrackSource] = {
        "phrase": CachedTracks(EngineTracks(engine, ONE_PHRASE)),
        "boxes": CachedTracks(BoxTracks(engine)),
        "exact": OracleTracks(SETTINGS.phrases),
    }
    seeds = range(options.first, options.first + options.clips)
    table = report.table("Cases", COLUMNS)
    rows: list[Row] = []
    for scene in SCENES:
        still = scene == "standing"
        clips = [
            render_clip(seed, frames=options.frames, moving_camera=2.0 if still else 1.0, standing=still)
            for seed in seeds
        ]
        for tracks, track_source in track_sources.items():
            if options.tracks not in (None, tracks):
                continue
            for given in GIVEN:
                with tempfile.TemporaryDirectory() as name:
                    rows.append(measure_case(Case(scene, tracks, given), track_source, clips, Path(name)))
                add_row(table, rows[-1])
    report.figures["cases"] = rows
