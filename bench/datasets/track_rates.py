"""Whether a dataset decides alike about what a video shows when it is tracked anew at lower frame rates.

    python -m bench run datasets.track_rates --video FILE [--text person] [--rates 30,15,6] [--keep FOLDER]

Each track of a lower rate is compared with the track of the video's own rate that most of its boxes lie over
(IoU of 0.5); the others show something else, and are left out. `datasets.gate_rates` compares the same masks.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av

from bench.datasets.dataset_tracks import VideoPart, track_part
from bench.datasets.truth_boxes import SAME_OBJECT, TrackBoxes
from bench.report import Report
from workers.geometry.overlap import box_iou

# frames around that of a box within which the other track's nearest one is compared: chosen for 6 of 25
NEAR = 2
COLUMNS = {"frames per second": ".1f", "tracks": "d", "kept": "d", "over a track of the highest rate": "d"}
COLUMNS |= {"decided alike": "d", "decided otherwise by": ""}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--video", type=Path, required=True, help="a file of constant rate")
    parser.add_argument("--text", default="person", help="phrases, joined by commas")
    parser.add_argument("--rates", default="30,15,6", help="frames per second, joined by commas")
    parser.add_argument("--keep", type=Path, help="folder that keeps tracks, from which a later run goes on")


def run(options: argparse.Namespace, report: Report) -> None:
    own = _read_rate(options.video)
    part = VideoPart(path=options.video, rate=own, phrases=tuple(options.text.split(",")))
    rates = sorted({min(float(text), own) for text in options.rates.split(",")}, reverse=True)
    table = report.table("Tracks of a dataset by frame rate", COLUMNS)
    highest = track_part(part, own, options.keep)
    for rate in rates:
        tracks = highest if rate == own else track_part(part, rate, options.keep)
        pairs = [(track, other) for track in tracks if (other := _find_same(track, highest)) is not None]
        alike = [(one, two) for one, two in pairs if bool(one.failed) == bool(two.failed)]
        gates = Counter(
            gate
            for one, two in pairs
            if bool(one.failed) != bool(two.failed)
            for gate in one.failed + two.failed
        )
        kept = sum(not track.failed for track in tracks)
        words = ", ".join(f"{gate} {count}" for gate, count in sorted(gates.items()))
        table.add(rate, len(tracks), kept, len(pairs), len(alike), words or "none")


def _read_rate(path: Path) -> float:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    if rate is None:
        raise SystemExit(f"{path} has no frame rate")
    return float(rate)


def _find_same(track: TrackBoxes, others: Sequence[TrackBoxes]) -> TrackBoxes | None:
    """The track that most boxes of another one lie over, None where there is none."""
    counts = [sum(_lies_over(other, frame, box) for frame, box in track.boxes.items()) for other in others]
    best = max(range(len(others)), key=counts.__getitem__, default=None)
    return others[best] if best is not None and counts[best] > len(track.boxes) / 2 else None


def _lies_over(other: TrackBoxes, frame: int, box: tuple[float, float, float, float]) -> bool:
    near = [number for number in range(frame - NEAR, frame + NEAR + 1) if number in other.boxes]
    if not near:
        return False
    nearest = min(near, key=lambda number: abs(number - frame))
    return box_iou(box, other.boxes[nearest]) >= SAME_OBJECT
