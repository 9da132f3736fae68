"""What a second run costs: a version decided again by other bounds, and jobs that take over earlier clips.

    python -m bench run datasets.reuse [--clips 50,200,600] [--job-clips 50,200]

Regating runs over copies of one rendered clip, with all documents of the new version. Jobs run in this
process on one video of a ball, cut into clips of a second, with an engine that costs next to nothing: with
one that takes its time, a second job saves all the more. Memory is the peak of a process of its own, less
what it was when the dataset was open. Seconds are CPU seconds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from maquette.contract import DatasetResult, Manifest
from sqlalchemy import update

from bench.datasets.exports import build
from bench.report import Report
from storage.ledger.tables import jobs as table
from tests.support.dataset_worlds import Heartbeat, World
from tests.support.scenes import write_ball_video

# decides a dataset again, without half of its tracks, and notes the peak and the seconds
CHILD = """
import json, re, statistics, sys, time
from pathlib import Path
from workers.datasets.reader import Dataset
from workers.datasets.regating.versions import regate

def read_peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

folder, out = sys.argv[1:]
data = Dataset(folder)
areas = [row.score for row in data.rows("decisions") if row.gate == "area" and row.score is not None]
before, start, wall = read_peak(), time.process_time(), time.perf_counter()
version, changes = regate(data, {"area": (statistics.median(areas), None)}, Path(out))
print(json.dumps({
    "tracks": len(areas), "removed": len(changes.tracks_removed), "mb": (read_peak() - before) / 1024,
    "cpu": time.process_time() - start, "wall": time.perf_counter() - wall,
}))
"""
# frames per second of the video, and so of a clip
RATE = 25


def measure_regating(folder: Path, clips: int, frames: int) -> dict[str, Any]:
    """What deciding so many clips again took."""
    dataset = build(folder, clips, frames)
    words = [sys.executable, "-c", CHILD, str(dataset), str(folder / "again")]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return measured


class Jobs:
    """Runs dataset jobs over one video."""

    def __init__(self, folder: Path, clips: int) -> None:
        self._world = World(folder)
        write_ball_video(folder / "long.mp4", clips * RATE)
        self._video = self._world.put(folder / "long.mp4")

    def run(self, **options: Any) -> tuple[DatasetResult, int, float]:
        """The result of a job, how many frames the engine saw, and its CPU seconds."""
        world, before = self._world, self._world.engine.frames
        start = time.process_time()
        job_id = world.job(videos=[self._video], **options)
        manifest: Manifest = world.go(job_id, Heartbeat())
        spent = time.process_time() - start
        sha256 = world.store.put(manifest.model_dump_json().encode())
        with world.db.write() as connection:
            ended = update(table).where(table.c.id == job_id)
            connection.execute(ended.values(state="succeeded", manifest_sha256=sha256, lease_until=None))
        assert isinstance(manifest.result, DatasetResult)
        return manifest.result, world.engine.frames - before, spent

    def close(self) -> None:
        """Free the decoder and the ledger."""
        self._world.sandbox.close()
        self._world.db.close()


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", default="50,200,600", help="of datasets that are decided again")
    parser.add_argument("--frames", type=int, default=24, help="of each of these clips")
    parser.add_argument("--job-clips", default="50,200", help="of jobs")


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {"clips": "d", "tracks": "d", "removed": "d", "CPU seconds": ".1f", "MB": ".0f"}
    decided = report.table("Other bounds over a finished dataset", columns)
    for clips in map(int, options.clips.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            measured = measure_regating(Path(folder), clips, options.frames)
        decided.add(clips, *(measured[name] for name in ("tracks", "removed", "cpu", "mb")))
    columns = {"job": "", "clips": "d", "frames tracked": "d", "CPU seconds": ".1f", "the same version": ""}
    made = report.table("Jobs over one video", columns)
    for clips in map(int, options.job_clips.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            runs = Jobs(Path(folder), clips)
            first, frames, spent = runs.run()
            made.add("the first", first.clips, frames, spent, "")
            again, frames, spent = runs.run(reuse=True)
            made.add("identical", again.clips, frames, spent, str(again.version == first.version).lower())
            bounds = {"near_duplicate": {}, "area": {"low": 1e6}}
            other, frames, spent = runs.run(reuse=True, gates=bounds)
            made.add("with another bound", other.clips, frames, spent, "")
            runs.close()
