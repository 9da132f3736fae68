"""Memory of a job that collects its clips and writes its version: how it grows with clips.

    python -m bench run datasets.finishing [--clips 600,6000,36000] [--frames 24]

The clips are one rendered clip under many ids, as if other workers had processed them: nothing is decoded
or tracked. Each run is a process of its own. Memory is the peak of its resident set, less what it was before:
after planning, when the records of all clips have been collected, when the tables and the manifest are
written, and when report, contact sheet and the other documents are.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import Any

from bench.datasets.planning import VIDEO_SECONDS
from bench.report import Report
from workers.datasets.local_executor import LocalExecutor
from workers.datasets.records import ClipRecord
from workers.datasets.tasks import ClipTask

CLIP_SECONDS = 10.0
# collects, writes and renders in a process whose peak is its own
CHILD = """
import json, sys
from bench.datasets.finishing import finish
print(json.dumps(finish(*map(int, sys.argv[2:]), sys.argv[1])))
"""


class Replay(LocalExecutor):
    """Gives every clip the record of one, as if it had been processed elsewhere."""

    template: ClipRecord

    def _run_clip(self, task: ClipTask, *_: Any) -> ClipRecord:
        text = self.template.encode().decode().replace(self.template.clip, task.plan.id)
        record = ClipRecord.decode(text.encode())
        rows = {**record.rows, "clips": [replace(record.rows["clips"][0], source=task.row.source)]}
        return replace(record, rows=rows)


def finish(clips: int, frames: int, folder: str) -> dict[str, float]:
    """Run a job of so many clips; the growth of the peak in MB after each of its steps."""
    # imported where the peak is measured
    import re
    import time
    from pathlib import Path

    from bench.datasets.planning import make_sources, make_surveys
    from tests.support.synthetic_datasets import RATE, SETTINGS, movi_source, rendered_clip
    from workers.datasets.components import Components
    from workers.datasets.documents import render_documents
    from workers.datasets.local import FolderWorkspace, build_local_pipeline
    from workers.datasets.pipeline import Pipeline
    from workers.datasets.track_sources import OracleTracks
    from workers.datasets.version import write_version

    def read_peak() -> float:
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]

    workspace = FolderWorkspace(Path(folder))
    components = Components(OracleTracks(SETTINGS.phrases))
    one = replace(SETTINGS, clip_seconds=frames / RATE, trim_seconds=0.0)
    made = build_local_pipeline(workspace, components, one).run([movi_source(rendered_clip(0, frames))])
    # what is loaded once is loaded
    render_documents(write_version(workspace, made, one, (), "bench"), workspace.load)
    settings = replace(SETTINGS, clip_seconds=CLIP_SECONDS, max_clips=clips)
    executor = Replay(workspace, components, settings)
    executor.template = made.records[0]
    videos = max(1, round(clips * CLIP_SECONDS / VIDEO_SECONDS * 1.05))
    before, start = read_peak(), time.process_time()
    peaks: dict[str, float] = {}

    def note(step: str) -> None:
        peaks[step] = read_peak() - before

    sources = make_sources(videos)
    executor.run_surveys = lambda _: make_surveys("30", videos)  # type: ignore[method-assign]
    result = Pipeline(executor, settings, lambda _: note("planned")).run(sources)
    note("collected")
    version = write_version(workspace, result, settings, (), "bench")
    note("written")
    render_documents(version, workspace.load)
    note("documents")
    return {**peaks, "clips": len(result.records), "seconds": time.process_time() - start}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", default="600,6000,36000")
    parser.add_argument("--frames", type=int, default=24, help="of the clip whose record all have")


def run(options: argparse.Namespace, report: Report) -> None:
    steps = ("planned", "collected", "written", "documents")
    columns = {"clips": "d", **{f"{step} MB": ".0f" for step in steps}, "CPU seconds": ".0f"}
    table = report.table("A job from the records of its clips to its version", columns)
    for clips in map(int, options.clips.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-c", CHILD, folder, str(clips), str(options.frames)]
            ran = subprocess.run(words, check=True, capture_output=True, text=True)
        measured = json.loads(ran.stdout.splitlines()[-1])
        table.add(int(measured["clips"]), *(measured[step] for step in steps), measured["seconds"])
