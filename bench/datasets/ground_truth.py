"""How true a dataset is: drawn clips through the whole pipeline, against what was drawn.

    python -m bench run datasets.ground_truth [--clips 4] [--followed exact] [--json FILE]

Clips of tests.support.movi_clips, 48 frames of 256 x 256 at 12 a second; in half of them everything moves,
in the other
half everything stands still and the camera walks past. They are followed in three ways: by the default engine
and the one phrase of its vocabulary that fits any of it, `ball` (`phrase`); by the default tracker from the
true boxes of the first frame (`boxes`), which takes the detector out of the account; and by the exact masks
(`exact`). Each way the pipeline is told the cameras and depth, the cameras alone, or nothing.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract.datasets import SourceInfo

from bench.datasets.ground_truth_scores import Judged
from tests.support.movi_clips import SOLIDS, RenderedClip, render_clip
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
KNOWN = replace(SETTINGS, phrases=("ball",))
TOLD = ("cameras and depth", "cameras", "nothing")
SCENES = ("moving", "standing")
Row = dict[str, Any]


class BoxTracks:
    """The default tracker, from the exact boxes of a clip's first frame; labels are the drawn ones."""

    def __init__(self, engine: ConceptEngine) -> None:
        self._engine, self.info = engine, engine.info

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """A tracker for one clip."""
        assert source.truth.objects is not None
        seen = {n: mask for n, mask in source.truth.objects(plan.first).items() if mask.any()}
        labels = [source.truth.labels[number] for number in seen]
        clicks = [VisualPrompt(box=bounding_box(mask)) for mask in seen.values()]
        return _Named(self._engine.tracker(TrackPrompts.from_visual_prompts(clicks)), labels)


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


class Remembered:
    """Another track_source, whose engine works on each clip once: what cameras are told changes no track."""

    def __init__(self, track_source: TrackSource) -> None:
        self._track_source, self.info = track_source, track_source.info
        self._known: dict[str, list[Sequence[FrameResult]]] = {}

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """What was found before, or a tracker whose results are kept."""
        known = self._known.get(plan.id)
        if known is not None:
            return _Replayed(known)
        return _Recorded(self._track_source.tracker(source, plan), self._known.setdefault(plan.id, []))


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
    """Which clips, followed by whom, and what the pipeline is told."""

    scene: str
    way: str
    told: str


def told_of(source: Source, told: str) -> Source:
    """The source with only that known beside what its tracker needs; boxes are never told."""
    truth = GroundTruth(source.truth.objects, source.truth.labels)
    if told == TOLD[0]:
        return replace(source, truth=replace(truth, depth=source.truth.depth))
    return replace(source, truth=truth, info=source.info if told == TOLD[1] else SourceInfo())


def run(case: Case, track_source: TrackSource, clips: Sequence[RenderedClip], folder: Path) -> Row:
    """Make the dataset of one case and judge it."""
    sources = [
        told_of(movi_source(clip, name=f"{case.scene} {number}"), case.told)
        for number, clip in enumerate(clips)
    ]
    components = Components(track_source, solver=colmap_solver.load_solver())
    build_dataset(
        sources, components, KNOWN if case.way == "phrase" else SETTINGS, folder / "work", folder / "dataset"
    )
    data = Dataset(folder / "dataset")
    of_source = {source.sha256: clip for source, clip in zip(sources, clips, strict=True)}
    judged, gates, tracks = Judged(), Counter[str](), 0
    for clip in data.clips():
        judged.add(clip, of_source[clip.source.source])
        gates.update(row.gate for row in clip.decisions if row.track is not None and not row.passed)
        tracks += len(clip.all_tracks)
    return {
        "scene": case.scene,
        "followed": case.way,
        "told": case.told,
        "clips_kept": f"{len(data)} of {len(clips)}",
        "objects_drawn": sum(len(clip.labels) for clip in clips),
        "tracks": tracks,
        "tracks_kept": sum(len(clip.tracks) for clip in data.clips()),
        "failed_gates": dict(sorted(gates.items())),
        "idf1": mean(judged.idf1),
        "idf1_balls": mean(judged.idf1_balls),
        "observations": judged.observations,
        "matched": judged.matched,
        "boxes": dict(sorted(judged.sources.items())),
        "cameras": dict(sorted(judged.cameras.items())),
        "iou_3d": middle(judged.ious),
        "iou_3d_aligned": middle(judged.aligned_ious),
        "center_m": middle(judged.metres),
        "center_diagonals": middle(judged.diagonals),
        "center_diagonals_whole": middle(
            [off for off, whole in zip(judged.diagonals, judged.whole, strict=True) if whole]
        ),
        "center_diagonals_aligned": middle(judged.aligned_diagonals),
        "scale_factor": middle(judged.factors),
        "turn_degrees": middle(judged.turns),
        "camera_degrees": middle(judged.camera_turns),
        "camera_path": middle(judged.camera_paths),
        "turns_told": f"{len(judged.turns)} of {judged.turnable}",
    }


def mean(values: Sequence[float]) -> float | None:
    """Rounded; None of nothing."""
    return round(float(np.nanmean(values)), 3) if values else None


def middle(values: Sequence[float]) -> float | None:
    """The rounded median; None of nothing."""
    return round(float(np.median(values)), 3) if values else None


COLUMNS = {
    "scene": "scene",
    "followed": "followed by",
    "told": "told",
    "tracks_kept": "tracks kept",
    "idf1": "IDF1",
    "idf1_balls": "IDF1, balls",
    "share": "boxes",
    "iou_3d": "3D IoU",
    "iou_3d_aligned": "aligned",
    "center_m": "centre, m",
    "center_diagonals": "centre, diagonals",
    "center_diagonals_aligned": "aligned",
    "turn_degrees": "rotation",
}


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [f"| {' | '.join(COLUMNS.values())} |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        boxed = row["matched"] - row["boxes"].get("none", 0)
        share = f"{100 * boxed / row['matched']:.0f}%" if row["matched"] else "–"
        shown = row | {"share": share, "tracks_kept": f"{row['tracks_kept']} of {row['tracks']}"}
        lines.append("| " + " | ".join(_cell(shown[name]) for name in COLUMNS) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=4, help="of each kind")
    parser.add_argument("--first", type=int, default=20, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--followed", choices=("phrase", "boxes", "exact"), help="only this way")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    options = parser.parse_args()
    engine = load_engines("default").concepts()
    makers: dict[str, TrackSource] = {
        "phrase": Remembered(EngineTracks(engine, KNOWN)),
        "boxes": Remembered(BoxTracks(engine)),
        "exact": OracleTracks(SETTINGS.phrases),
    }
    seeds = range(options.first, options.first + options.clips)
    rows = []
    for scene in SCENES:
        still = scene == "standing"
        clips = [
            render_clip(seed, frames=options.frames, moving_camera=2.0 if still else 1.0, standing=still)
            for seed in seeds
        ]
        for way, track_source in makers.items():
            if options.followed not in (None, way):
                continue
            for told in TOLD:
                with tempfile.TemporaryDirectory() as name:
                    rows.append(run(Case(scene, way, told), track_source, clips, Path(name)))
                print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
