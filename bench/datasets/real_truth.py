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
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.datasets.dataset_tracks import VideoPart, track_part
from bench.datasets.truth_boxes import (
    FOLDER,
    TrackBoxes,
    TruthVideo,
    compare,
    count_false_rejections,
    decide_objects,
    read_truth,
)
from bench.report import Report, Table

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
            tracks = track_part(_choose_part(truth, path), rate, options.keep)
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


def _choose_part(truth: TruthVideo, path: Path) -> VideoPart:
    """The annotated part of a video."""
    last = max(truth.frames) + 1
    return VideoPart(path=path, rate=truth.rate, phrases=truth.labels, first=truth.first, last=last)
