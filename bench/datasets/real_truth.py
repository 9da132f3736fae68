"""Tracks and gates of a dataset of real videos against hand-checked truth, at 30, 15 and 6 frames per second.

    python -m bench run datasets.real_truth --videos FOLDER [--names bedroom,vtest] [--rates 30,15,6]

`yield` is the share of objects that a good track shows: nothing but this object, in most of its boxes.
The truth is in `bench/datasets/truth`: boxes and ids on every tenth frame; each file says how it was made.
The videos are not part of the project. `FOLDER` has those that you have: `vtest.avi` (PETS 2009, in Debian's
package opencv-doc), `bedroom.mp4` and the folder `video_0001` of numbered JPEG files (both from the examples
of SAM 2 and SAM 3). A video of fewer frames per second than are asked for is taken at its own rate.
"""

import argparse
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from bench.datasets.truth_boxes import (
    FOLDER,
    TrackBoxes,
    TruthVideo,
    compare,
    count_false_rejections,
    decide_objects,
    read_truth,
)
from bench.datasets.video_sources import open_source
from bench.report import Report, Table
from media.sandbox import Sandbox
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.track_sources import EngineTracks
from workers.engines.registry import load_engines

# pixels of stored frames: people of the crowd would be less than ten pixels wide at the usual 256
SIZE = 512
# by object, the gates that its good track failed
Decided = Mapping[tuple[str, int], frozenset[str]]
COLUMNS = {"video": "", "frames per second": ".0f", "tracks": "", "objects": "d", "shown": "d"}
COLUMNS |= {
    "found": "d",
    "good": "d",
    "yield": ".2f",
    "IDF1": ".3f",
    "switches": "d",
    "merges": "d",
    "good ones rejected by": "",
}
ALIKE = {"video": "", "frames per second": ".0f", "objects with good tracks": "d"}
ALIKE |= {"decided alike": "d", "decided otherwise by": ""}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="folder of the videos")
    names = ",".join(sorted(path.stem for path in FOLDER.glob("*.json")))
    parser.add_argument("--names", default=names, help="videos, joined by commas")
    parser.add_argument("--rates", default="30,15,6", help="frames per second, joined by commas")
    parser.add_argument("--keep", type=Path, help="folder that keeps tracks, from which a later run goes on")


def run(options: argparse.Namespace, report: Report) -> None:
    table = report.table("Tracks against hand-checked truth", COLUMNS)
    decided: dict[str, dict[float, Decided]] = {}
    for name, truth, path, rates in find_videos(options, report):
        for rate in rates:
            tracks = _track(truth, path, rate, options.keep)
            decided.setdefault(name, {})[rate] = decide_objects(truth, tracks)
            _add_rows(table, name, rate, truth, tracks)
    alike = report.table("Good tracks that gates decide as at the highest rate", ALIKE)
    for name, by_rate in decided.items():
        _add_decisions(alike, name, by_rate)


def find_videos(
    options: argparse.Namespace, report: Report
) -> Iterator[tuple[str, TruthVideo, Path, list[float]]]:
    """The chosen videos that are there: name, truth, path, and the rates that they have, highest first."""
    for name in options.names.split(","):
        truth = read_truth(name)
        path = options.videos / truth.video
        if not path.exists():
            report.note(f"{truth.video} is not in {options.videos}")
            continue
        if truth.sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != truth.sha256:
            raise SystemExit(f"{path} is another file than the one that was annotated")
        rates = {min(float(text), truth.rate) for text in options.rates.split(",")}
        yield name, truth, path, sorted(rates, reverse=True)


def _add_rows(table: Table, name: str, rate: float, truth: TruthVideo, tracks: Sequence[TrackBoxes]) -> None:
    kept = [track for track in tracks if not track.failed]
    rejections = count_false_rejections(truth, [track for track in tracks if track.failed])
    reasons = ", ".join(f"{gate} {count}" for gate, count in sorted(rejections.items()))
    for kind, chosen, words in (("all", tracks, ""), ("kept", kept, reasons or "none")):
        scores = compare(truth, chosen)
        table.add(
            name,
            rate,
            kind,
            scores.objects,
            scores.found,
            scores.tracks,
            scores.good,
            len(decide_objects(truth, chosen)) / scores.objects,
            scores.idf1,
            scores.switches,
            scores.merges,
            words,
        )


def _add_decisions(table: Table, name: str, decided: Mapping[float, Decided]) -> None:
    """A row per lower rate, of the objects that have good tracks at both."""
    highest, *lower = decided
    for rate in lower:
        common = decided[highest].keys() & decided[rate].keys()
        pairs = [(decided[highest][thing], decided[rate][thing]) for thing in common]
        gates = Counter(gate for old, new in pairs for gate in old ^ new)
        words = ", ".join(f"{gate} {count}" for gate, count in sorted(gates.items()))
        table.add(name, rate, len(pairs), sum(not old ^ new for old, new in pairs), words or "none")


def _track(truth: TruthVideo, path: Path, rate: float, keep: Path | None) -> list[TrackBoxes]:
    """The tracks of a dataset of one video, in pixels and frames of the video."""
    saved = None if keep is None else keep / f"{path.stem}-{truth.first}-{rate:g}.json"
    if saved is not None and saved.is_file():
        return [_parse(item) for item in json.loads(saved.read_text())]
    tracks = _build_tracks(truth, path, rate)
    if saved is not None:
        saved.parent.mkdir(parents=True, exist_ok=True)
        content = [{"label": item.label, "failed": item.failed, "boxes": item.boxes} for item in tracks]
        saved.write_text(json.dumps(content))
    return tracks


def _parse(item: dict[str, Any]) -> TrackBoxes:
    boxes = {int(frame): tuple(box) for frame, box in item["boxes"].items()}
    return TrackBoxes(label=item["label"], boxes=boxes, failed=tuple(item["failed"]))


def _build_tracks(truth: TruthVideo, path: Path, rate: float) -> list[TrackBoxes]:
    settings = DatasetSettings(
        phrases=truth.labels,
        clip_seconds=60.0,
        min_clip_seconds=0.5,
        trim_seconds=0.0,
        size=SIZE,
        frame_rate=None if rate >= truth.rate else rate,
    )
    engine = load_engines("default").concepts()
    with tempfile.TemporaryDirectory() as scratch, Sandbox() as sandbox, _open_video(truth, path) as video:
        source = replace(open_source(sandbox, video), frame_rate=truth.rate)
        folder = Path(scratch)
        build_dataset(
            [source], Components(EngineTracks(engine, settings)), settings, folder / "work", folder / "data"
        )
        return list(_read_tracks(Dataset(folder / "data"), truth.first))


def _read_tracks(data: Dataset, first: int) -> Iterator[TrackBoxes]:
    for clip in data.clips():
        scale = clip.source.width / clip.row.width
        numbers = [first + row.source_frame for row in clip.frames]
        rows = [*clip.observations, *clip.rejected_observations]
        for track in clip.all_tracks:
            boxes = {
                numbers[row.frame]: (row.x0 * scale, row.y0 * scale, row.x1 * scale, row.y1 * scale)
                for row in rows
                if row.track == track.track
            }
            yield TrackBoxes(label=track.concept or "", boxes=boxes, failed=track.failed)


@contextmanager
def _open_video(truth: TruthVideo, path: Path) -> Iterator[Path]:
    """The annotated part of a video as a file: lossless, for folders of images and long videos."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "part.mkv"
        with av.open(str(out), "w") as container:
            stream: Any = None
            for index, pixels in enumerate(read_frames(path)):
                if index > max(truth.frames) + 1:
                    break
                if index < truth.first:
                    continue
                if stream is None:
                    stream = container.add_stream("ffv1", rate=Fraction(truth.rate))
                    stream.height, stream.width = pixels.shape[:2]
                    stream.pix_fmt = "yuv444p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
            container.mux(stream.encode())
        yield out


def read_frames(path: Path) -> Iterator[np.ndarray[Any, Any]]:
    """The frames of a video or of a folder of numbered JPEG files, RGB u8 (H, W, 3)."""
    if path.is_dir():
        for file in sorted(path.glob("*.jpg"), key=lambda file: int(file.stem)):
            with Image.open(file) as image:
                yield np.asarray(image.convert("RGB"))
        return
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
