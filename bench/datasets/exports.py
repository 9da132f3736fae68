"""Memory and time of exports: how they grow with the number of clips, and with threads.

    python -m bench run datasets.exports [--clips 20,150,600] [--formats webdataset,lerobot] [--workers 1,2]

The clips are one rendered clip under many ids, of 256 x 256 pixels. Each export runs in a process of its
own; memory is the peak of its resident set, less what it was when the dataset was open and all was imported.
`ratio` is that of most clips to that of fewest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.report import Report
from tests.support.synthetic_datasets import RATE, SETTINGS, make_dataset, movi_source, rendered_clip
from workers.datasets.exporters import EXPORTERS
from workers.datasets.importers.clip_publishing import CLIP_ATTRIBUTES, SHARED_TABLES, publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES

# reads a dataset, imports an exporter, notes the peak, exports, and notes the peak and the seconds
CHILD = """
import json, re, sys, time
from pathlib import Path
from workers.datasets.exporters import load_exporter
from workers.datasets.reader import Dataset

def read_peak():
    # the peak that the resource module reports is inherited from the parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

folder, out, name, workers = sys.argv[1:]
data, exporter = Dataset(folder), load_exporter(name)
data.clip_rows
for library in exporter.libraries:
    __import__(library)
before = read_peak()
start = time.perf_counter()
exporter.write(data, Path(out), workers=int(workers))
seconds = time.perf_counter() - start
after = read_peak()
print(json.dumps({"mb": (after - before) / 1024, "seconds": seconds}))
"""


def build(folder: Path, clips: int, frames: int) -> Path:
    """A dataset with so many copies of one clip."""
    settings = replace(SETTINGS, clip_seconds=frames / RATE, trim_seconds=0.0)
    made = make_dataset(folder / "one", [movi_source(rendered_clip(0, frames))], settings)
    clip = next(made.clips())
    names = [name for name in TABLES if name not in SHARED_TABLES]
    publish_clips([rename_clip(clip, number, names) for number in range(clips)], folder / "many", "bench")
    return folder / "many"


def rename_clip(clip: SceneClip, number: int, names: Iterable[str]) -> SceneClip:
    """The clip under another id, with its rows of the named tables."""
    own = f"{number:020x}"
    tables: dict[str, Any] = {
        name: [replace(row, clip=own) for row in getattr(clip, CLIP_ATTRIBUTES.get(name, name))]
        for name in names
    }
    return SceneClip.from_tables(replace(clip.row, clip=own), clip.source, tables)


def measure(dataset: Path, name: str, workers: int) -> dict[str, float]:
    """Megabytes and seconds of an export."""
    with tempfile.TemporaryDirectory() as out:
        words = [sys.executable, "-c", CHILD, str(dataset), out, name, str(workers)]
        ran = subprocess.run(words, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", default="20,150,600")
    parser.add_argument("--frames", type=int, default=24, help="of each clip")
    parser.add_argument("--formats", default=",".join(sorted(EXPORTERS)))
    parser.add_argument("--workers", default="1")


def run(options: argparse.Namespace, report: Report) -> None:
    counts = [int(count) for count in options.clips.split(",")]
    columns = {"format": "", "threads": "d"} | {f"MB, {count} clips": ".0f" for count in counts}
    table = report.table("Exports", {**columns, "ratio": ".1f", "frames per second": ".0f"})
    with tempfile.TemporaryDirectory() as name:
        datasets = [build(Path(name) / str(count), count, options.frames) for count in counts]
        frames = sum(row.frames for row in Dataset(datasets[-1]).clip_rows)
        for exporter in options.formats.split(","):
            for workers in map(int, options.workers.split(",")):
                measured = [measure(dataset, exporter, workers) for dataset in datasets]
                memory = [each["mb"] for each in measured]
                ratio, speed = memory[-1] / memory[0], frames / measured[-1]["seconds"]
                table.add(exporter, workers, *memory, ratio, speed)
