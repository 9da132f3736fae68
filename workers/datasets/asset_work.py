"""The assets of one clip, made from its stored shards after its tracks were judged."""

from dataclasses import replace

from workers.datasets import parquet
from workers.datasets.executor import AssetTask
from workers.datasets.protocols import Workspace
from workers.datasets.records import ClipRecord
from workers.datasets.schema import CameraRow, FrameRow, ObservationRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.stages import assets
from workers.datasets.stages.assets import AssetResult, AssetView
from workers.datasets.stages.keys import StageKey, hash_json, hash_rows
from workers.engines.protocols import EngineInfo, ObjectEngine
from workers.formats.rle import Rle
from workers.geometry.cameras import Camera


def stage_key(record: ClipRecord, settings: DatasetSettings, info: EngineInfo | None) -> StageKey:
    """What the assets of a clip depend on; without an engine there are none."""
    [clip] = record.rows["clips"]
    return StageKey(
        "assets",
        (clip.source, clip.clip),
        {"seed": settings.seed, "engine": None if info is None else info.name},
        {} if info is None else dict(info.weights),
    )


def compute_key(task: AssetTask, settings: DatasetSettings, info: EngineInfo) -> str:
    """The key of what `lift` makes."""
    before = [[row.stage, row.key, row.output] for row in task.record.rows["lineage"]]
    return hash_json([stage_key(task.record, settings, info).digest(), before, task.count])


def add_assets(
    workspace: Workspace, engine: ObjectEngine, settings: DatasetSettings, task: AssetTask
) -> ClipRecord:
    """The record with the assets of its first kept tracks."""
    record = task.record
    frames = parquet.read(FrameRow, workspace.load(record.shards["frames"].sha256))
    seen = parquet.read(ObservationRow, workspace.load(record.shards["observations"].sha256))
    [clip] = record.rows["clips"]
    first = parquet.read(CameraRow, workspace.load(record.shards["cameras"].sha256))[0]
    camera = Camera(clip.width, clip.height, first.fx, first.fy, first.cx, first.cy, first.intrinsics_source)
    views = []
    for track in [row for row in record.rows["tracks"] if row.kept][: task.count]:
        mine = [row for row in seen if row.track == track.track]
        best = next((row for row in mine if row.frame == track.reference_frame), mine[0])
        mask: Rle = {"size": [best.mask_height, best.mask_width], "counts": best.mask_counts}
        views.append(AssetView(track, best.frame, frames[best.frame].jpeg, mask))
    return _with(
        record,
        assets.reconstruct_assets(workspace, engine, views, camera, settings.seed),
        settings,
        engine.info,
    )


def _with(record: ClipRecord, made: AssetResult, settings: DatasetSettings, info: EngineInfo) -> ClipRecord:
    lineage = stage_key(record, settings, info).lineage(record.clip, hash_rows(made.rows))
    [clip] = record.rows["clips"]
    if made.failed:
        clip = replace(clip, flags=(*clip.flags, "assets_failed"))
    rows = {
        **record.rows,
        "assets": list(made.rows),
        "clips": [clip],
        "lineage": [lineage if row.stage == "assets" else row for row in record.rows["lineage"]],
    }
    return replace(record, rows=rows, files=(*record.files, *made.files))
