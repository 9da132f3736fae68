"""Captions against the rendered ground truth: are true ones kept, are wrong ones refused?

    python -m bench run datasets.captions [--clips 24] [--frames 48] [--exact]

Clips of scripts.drawn_scenes.clips, 256 x 256 at 12 frames per second; every second camera moves. First with
exact masks and cameras: the composed captions, and the same with one fault each. Then with the default
engine, which gets nothing but the phrase `ball`: each caption is scored by the record that it was made from,
as in a job, and by the ground truth. `noticed`: the fault lowers the score; `refused`: it lowers it below
the bound of the gate.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract.vocabulary import COLORS

from bench.datasets.ground_truth import GIVEN, limit_input
from bench.report import Report
from scripts.drawn_scenes.clips import SOLIDS, RenderedClip, render_clip
from tests.support.synthetic_datasets import movi_source
from workers.datasets.appearance.crops import Crop
from workers.datasets.captions import scoring
from workers.datasets.captions.facts import NUMBERS
from workers.datasets.components import Components
from workers.datasets.gates.policy import DEFAULT
from workers.datasets.local import build_dataset
from workers.datasets.observations import TrackObservation
from workers.datasets.protocols import TrackSource
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import CameraRow, CaptionRow, TrackRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.track_sources import EngineTracks, OracleTracks
from workers.engines.registry import load_engines
from workers.formats.rle import encode_mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

SETTINGS = DatasetSettings(phrases=tuple(SOLIDS), clip_seconds=5.0, min_clip_seconds=1.0, trim_seconds=0.0)
# the middle comes last: an object in the middle third is least often on a side
PLACES = {"on the left": "on the right", "on the right": "on the left", "in the middle": "on the left"}
OPPOSITE = {"right": "left", "left": "right", "down": "up", "up": "down"}
LEAST = DEFAULT.bounds[scoring.GATE][0] or 0.0
SAME = 0.5


@dataclass(slots=True)
class Record:
    """The facts that captions of a clip are scored by."""

    tracks: Sequence[TrackRow]
    seen: Mapping[int, Sequence[TrackObservation]]
    crops: Mapping[int, Sequence[Crop]]
    cameras: Sequence[CameraRow]
    scale: str | None

    @classmethod
    def of(cls, clip: SceneClip) -> "Record":
        """The record of a clip in the dataset."""
        seen: dict[int, list[TrackObservation]] = {}
        for row in clip.observations:
            assert row.mask_counts is not None
            mask = {"size": [row.mask_height, row.mask_width], "counts": row.mask_counts}
            box = row.x0, row.y0, row.x1, row.y1
            seen.setdefault(row.track, []).append(
                TrackObservation(
                    frame=row.frame,
                    box=box,
                    score=row.score,
                    mask=mask,  # type: ignore[arg-type]
                    area=row.area,
                    depth=None,
                    points=None,
                    flags=row.flags,
                )
            )
        crops: dict[int, list[Crop]] = {}
        for feature in sorted(clip.features, key=lambda row: row.rank):
            assert feature.jpeg is not None
            window = feature.x0, feature.y0, feature.x1, feature.y1
            crops.setdefault(feature.track, []).append(Crop(feature.frame, 1.0, window, feature.jpeg))
        return cls(clip.all_tracks, seen, crops, clip.cameras, clip.row.scale_source)

    @classmethod
    def from_truth(cls, clip: SceneClip, truth: RenderedClip, names: Sequence[str]) -> "Record":
        """What is true of the clip; the tracks of the dataset that cover no rendered object are left out.

        A track's object is viewed over the track's own span. Rendered objects of `names` without a track are
        there too, for what is said of the clip.
        """
        mine = cls.of(clip)
        of_track = {track.track: find_match(clip, track.track, truth) for track in clip.tracks}
        tracks, seen = [], {}
        known = {number: track for track, number in of_track.items() if number is not None}
        for number, name in enumerate(truth.labels):
            if number not in known and name not in names:
                continue
            key = known.get(number, 1000 + number)
            like = next((track for track in clip.tracks if track.track == key), None)
            span = (like.first_frame, like.last_frame) if like else (0, len(clip) - 1)
            shown = [item for item in _observe(clip, truth, number) if span[0] <= item.frame <= span[1]]
            if not shown:
                continue
            tracks.append(_row(clip, key, name, shown, like))
            seen[key] = shown
        poses = [truth.world_from_cam[frame.source_frame].ravel().tolist() for frame in clip.frames]
        cameras = [
            replace(row, world_from_cam=tuple(pose)) for row, pose in zip(clip.cameras, poses, strict=True)
        ]
        return cls(tracks, seen, mine.crops, cameras, "metric")

    def judge(self, clip: SceneClip, row: CaptionRow, text: str | None = None) -> float | None:
        """The score of a caption, or of other words in its place; None without facts to score."""
        caption = replace(row, text=row.text if text is None else text)
        if row.track is not None and all(track.track != row.track for track in self.tracks):
            return 0.0
        row_of_clip = replace(clip.row, scale_source=self.scale)
        [judged] = scoring.score_captions(
            [caption], row_of_clip, self.tracks, self.seen, self.crops, self.cameras
        )
        return judged.score


def _observe(clip: SceneClip, truth: RenderedClip, number: int) -> Iterator[TrackObservation]:
    for frame in clip.frames:
        mask = truth.ids[frame.source_frame] == number + 1
        if mask.any():
            area = int(np.count_nonzero(mask))
            yield TrackObservation(
                frame=frame.frame,
                box=bounding_box(mask),
                score=1.0,
                mask=encode_mask(mask),
                area=area,
                depth=None,
                points=None,
                flags=(),
            )


def _row(
    clip: SceneClip, key: int, name: str, seen: Sequence[TrackObservation], like: TrackRow | None
) -> TrackRow:
    first, last, area = seen[0].frame, seen[-1].frame, float(np.mean([item.area for item in seen]))
    reference = like.reference_frame if like else first
    return TrackRow(
        clip=clip.id,
        track=key,
        concept=name,
        label=name,
        first_frame=first,
        last_frame=last,
        frames=len(seen),
        mean_score=1.0,
        mean_area=area,
        visible_fraction=1.0,
        size=None,
        scale_source=None,
        reference_frame=reference,
        kept=True,
        failed=(),
        flags=(),
    )


def find_match(clip: SceneClip, track: int, truth: RenderedClip) -> int | None:
    """The index of the rendered object that a track's masks cover with a mean IoU of SAME or more."""
    means = [
        np.mean(
            [
                mask_iou(clip.mask(row), truth.ids[clip.frames[row.frame].source_frame] == number + 1)
                for row in clip.track_observations(track)
            ]
        )
        for number in range(len(truth.labels))
    ]
    return int(np.argmax(means)) if max(means) >= SAME else None


def make_faults(clip: SceneClip, row: CaptionRow, moves: bool) -> Iterator[tuple[str, str]]:
    """The kind and the words of each fault that fits a true caption."""
    text = row.text
    if row.track is None:
        for number, word in enumerate(NUMBERS):
            for off in (number - 1, number + 1):
                if 0 < off < len(NUMBERS) and (match := re.search(rf"\b{word} (?=\w+)", text)):
                    yield "count", f"{text[: match.start()]}{NUMBERS[off]} {text[match.end() :]}"
        yield "camera", "The camera stands still." if moves else "The camera moves."
        return
    mine = next(track for track in clip.tracks if track.track == row.track)
    for other in clip.captions:
        described = next((track for track in clip.tracks if track.track == other.track), None)
        if described is not None and described.label != mine.label:
            yield "another object's caption", other.text
            break
    color = next((color for color in COLORS if re.search(rf"\b{color}\b", text)), None)
    if color is not None:
        yield "colour", text.replace(color, COLORS[(COLORS.index(color) + len(COLORS) // 2) % len(COLORS)])
    for size, wrong in (("large ", "small "), ("small ", "large ")):
        if f" {size}" in text:
            yield "size", text.replace(size, wrong)
            break
    place = next((place for place in PLACES if place in text), None)
    if place is not None:
        yield "place", text.replace(place, PLACES[place])
    if "stays in its place" in text:
        yield "motion", text.replace("stays in its place", "moves to the right")
    elif match := re.search(r"moves (?:to the )?(right|left|down|up)", text):
        yield "motion", text[: match.start(1)] + OPPOSITE[match[1]] + text[match.end(1) :]


def build(
    sources: Sequence[Source], track_source: TrackSource, settings: DatasetSettings, folder: Path
) -> Dataset:
    """Build the dataset of some sources."""
    build_dataset(sources, Components(track_source), settings, folder / "work", folder / "dataset")
    return Dataset(folder / "dataset")


def measure_exact(clips: Sequence[RenderedClip], folder: Path) -> dict[str, Any]:
    """Captions of exact tracks, true and with faults."""
    sources = [movi_source(clip, name=str(number)) for number, clip in enumerate(clips)]
    place = {source.sha256: number for number, source in enumerate(sources)}
    data = build(sources, OracleTracks(SETTINGS.phrases), SETTINGS, folder)
    counted: dict[str, list[int]] = {}
    composed = kept = whole = 0
    for clip in data.clips():
        record = Record.of(clip)
        for row in clip.all_captions:
            right = record.judge(clip, row)
            assert right == row.score
            composed, kept, whole = composed + 1, kept + bool(row.kept), whole + (right == 1.0)
            for kind, text in make_faults(clip, row, place[clip.source.source] % 2 == 1):
                wrong = record.judge(clip, row, text)
                tally = counted.setdefault(kind, [0, 0, 0])
                # a fault that stands alone is noticed when its fact does not hold
                known = 1.0 if kind == "camera" else right
                tally[0] += 1
                tally[1] += wrong is not None and known is not None and wrong < known
                tally[2] += wrong is not None and wrong < LEAST
    return {
        "composed": composed,
        "kept": kept,
        "all_facts_hold": whole,
        "faults": {
            kind: {"given": given, "noticed": noticed, "refused": refused}
            for kind, (given, noticed, refused) in sorted(counted.items())
        },
    }


def measure_engine(
    clips: Sequence[RenderedClip], folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Counts of captions of the default engine's tracks, and every caption with both scores."""
    sources = [
        limit_input(movi_source(clip, name=str(number)), GIVEN[2]) for number, clip in enumerate(clips)
    ]
    of_source = {source.sha256: clip for source, clip in zip(sources, clips, strict=True)}
    settings = replace(SETTINGS, phrases=("ball",))
    data = build(sources, EngineTracks(load_engines("default").concepts(), settings), settings, folder)
    counts: dict[str, dict[str, float]] = {}
    captions: list[dict[str, Any]] = []
    for clip in data.clips():
        truth = of_source[clip.source.source]
        record = Record.from_truth(clip, truth, settings.phrases)
        for row in clip.all_captions:
            # a caption of a clip without balls that mentions none has no facts to score
            judged = record.judge(clip, row)
            mine = counts.setdefault("clips" if row.track is None else "tracks", _nothing())
            number = None if row.track is None else find_match(clip, row.track, truth)
            covers = None if number is None else truth.labels[number]
            captions.append(
                {"text": row.text, "score": row.score, "by_ground_truth": judged, "covers": covers}
            )
            mine["composed"] += 1
            mine["kept"] += bool(row.kept)
            mine["not_judged"] += judged is None
            if judged is not None:
                mine["true"] += judged == 1.0
                mine["half_true"] += LEAST <= judged < 1.0
                mine["false"] += judged < LEAST
                mine["false_and_kept"] += judged < LEAST and bool(row.kept)
                mine["share_of_true_facts"] += judged
    for mine in counts.values():
        judged_ones = mine["composed"] - mine["not_judged"]
        mine["share_of_true_facts"] = round(mine["share_of_true_facts"] / max(judged_ones, 1), 3)
    return {"balls_rendered": sum(clip.labels.count("ball") for clip in clips), **counts}, captions


def _nothing() -> dict[str, float]:
    names = ("composed", "kept", "not_judged", "true", "half_true", "false", "false_and_kept")
    return {**dict.fromkeys(names, 0), "share_of_true_facts": 0.0}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--first", type=int, default=300, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--exact", action="store_true", help="only with exact masks: no engine is loaded")


def run(options: argparse.Namespace, report: Report) -> None:
    clips = [
        render_clip(options.first + number, frames=options.frames, moving_camera=float(number % 2))
        for number in range(options.clips)
    ]
    report.add({"objects": sum(len(clip.labels) for clip in clips)})
    with tempfile.TemporaryDirectory() as name:
        report.add({"exact masks": measure_exact(clips, Path(name) / "exact")})
        if not options.exact:
            figures, captions = measure_engine(clips, Path(name) / "engine")
            report.add({"default engine": figures})
            report.figures["captions"] = captions
