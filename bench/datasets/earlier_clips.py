"""What looking clips up in an earlier version costs, by how many it has.

    python -m bench run datasets.earlier_clips [--clips 600,6000]

The version has copies of one rendered clip with their tracks, scores, decisions and cameras, without frames;
files are held without a store, and nothing is decoded or tracked. CPU seconds, of opening the version, and of
taking all of its clips over.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from maquette.contract import Artefact, DatasetResult

from bench.datasets.exports import rename_clip
from bench.report import Report
from storage.ledger.stage_results import StageResult
from tests.support.synthetic_datasets import RATE, SETTINGS, make_dataset, movi_source, rendered_clip
from workers.datasets import manifest, parquet
from workers.datasets.importers.clip_publishing import SHARED_TABLES, publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, LineageRow
from workers.datasets.stages.keys import StageKey
from workers.jobs.dataset.earlier_clips import LOOKED_UP, EarlierClips

FRAMES = 24
OWNER = "earlier"


class Recorded:
    """A stage whose keys are those that a version recorded."""

    def __init__(self, name: str, rows: Iterable[LineageRow]) -> None:
        self.name = name
        self._rows = {row.clip: row for row in rows if row.stage == name}

    def key(self, task: Any) -> StageKey:
        row = self._rows[task.plan.id]
        found: Any = SimpleNamespace(digest=lambda: row.key, lineage=lambda *_: row)
        return found  # type: ignore[no-any-return]


class Context:
    """The folder of a version as the only result of a tenant's jobs."""

    def __init__(self, folder: Path, lookups: dict[str, str]) -> None:
        self._lookups, self._contents = lookups, {}
        artefacts = []
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            self._contents[sha256] = data
            kind = parquet.MEDIA_TYPE if path.suffix == ".parquet" else "application/json"
            artefacts.append(
                Artefact(name=path.name, role="table", sha256=sha256, media_type=kind, bytes=len(data))
            )
        self._manifest = SimpleNamespace(artefacts=artefacts, result=DatasetResult.model_construct())

    def find_results(self, keys: Iterable[str]) -> list[StageResult]:
        return [StageResult(key, OWNER, self._lookups[key]) for key in keys]

    def load_manifest(self, _: str) -> Any:
        return self._manifest

    def hold(self, _: Artefact) -> bool:
        return True

    def get(self, sha256: str) -> bytes:
        return self._contents[sha256]


def build(folder: Path, clips: int) -> Dataset:
    """A version of so many copies of one clip."""
    settings = replace(SETTINGS, clip_seconds=FRAMES / RATE, trim_seconds=0.0)
    made = make_dataset(folder / "one", [movi_source(rendered_clip(0, FRAMES))], settings)
    publish_clips(list(_copy(next(made.clips()), clips)), folder / "many", "bench")
    return Dataset(folder / "many")


def _copy(clip: SceneClip, count: int) -> Iterator[SceneClip]:
    names = [name for name, table in TABLES.items() if not table.per_clip and name not in SHARED_TABLES]
    for number in range(count):
        copy = rename_clip(clip, number, (*names, "cameras"))
        copy.lineage = [replace(row, key=f"{row.key}-{number}") for row in copy.lineage]
        yield copy


def measure(folder: Path, clips: int) -> tuple[float, float]:
    """The CPU seconds of opening a version, and of taking over all of its clips."""
    data = build(folder, clips)
    lineage = data.rows("lineage")
    stages: Any = [Recorded(name, lineage) for name in sorted({row.stage for row in lineage} - {"assets"})]
    context: Any = Context(
        data.folder, {row.key: manifest.MANIFEST for row in lineage if row.stage == LOOKED_UP}
    )
    tasks: Any = [
        SimpleNamespace(plan=SimpleNamespace(id=row.clip), inputs=(row.source,), row=row)
        for row in data.clip_rows
    ]
    workspace: Any = None
    with EarlierClips(context, workspace, stages, SETTINGS, data.manifest.code_version) as earlier:
        start = time.process_time()
        earlier.open(tasks)
        opened = time.process_time()
        assert all(earlier.find(task) is not None for task in tasks)
        return opened - start, time.process_time() - opened


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", default="600,6000")


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {"clips": "d", "opening": ".1f", "taking over": ".1f", "ms per clip": ".2f"}
    table = report.table("Clips of an earlier version, CPU seconds", columns)
    for clips in map(int, options.clips.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            opening, taking = measure(Path(folder), clips)
        table.add(clips, opening, taking, 1000 * taking / clips)
