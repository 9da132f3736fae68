"""The assets of one clip, made from its stored shards after its tracks were judged."""

from dataclasses import replace

from workers.datasets import parquet
from workers.datasets.crew import AssetTask
from workers.datasets.ports import Ports
from workers.datasets.records import ClipRecord
from workers.datasets.schema import CameraRow, FrameRow, ObservationRow
from workers.datasets.settings import Settings
from workers.datasets.stages import assets
from workers.datasets.stages.assets import Lifted, View
from workers.datasets.stages.keys import StageKey, digest, rows_digest
from workers.engines.protocols import EngineInfo, ObjectEngine
from workers.formats.rle import Rle
from workers.geometry.cameras import Camera


def stage_key(record: ClipRecord, settings: Settings, info: EngineInfo | None) -> StageKey:
    """What the assets of a clip depend on; without an engine there are none."""
    [clip] = record.rows["clips"]
    return StageKey(
        "assets",
        (clip.source, clip.clip),
        {"seed": settings.seed, "engine": None if info is None else info.name},
        {} if info is None else dict(info.weights),
    )


def key(task: AssetTask, settings: Settings, info: EngineInfo) -> str:
    """The key of what `lift` makes."""
    before = [[row.stage, row.key, row.output] for row in task.record.rows["lineage"]]
    return digest([stage_key(task.record, settings, info).digest(), before, task.count])


def lift(ports: Ports, engine: ObjectEngine, settings: Settings, task: AssetTask) -> ClipRecord:
    """The record with the assets of its first kept tracks."""
    record = task.record
    frames = parquet.read(FrameRow, ports.stored(record.shards["frames"].sha256))
    seen = parquet.read(ObservationRow, ports.stored(record.shards["observations"].sha256))
    [clip] = record.rows["clips"]
    first = parquet.read(CameraRow, ports.stored(record.shards["cameras"].sha256))[0]
    camera = Camera(clip.width, clip.height, first.fx, first.fy, first.cx, first.cy, first.intrinsics_source)
    views = []
    for track in [row for row in record.rows["tracks"] if row.kept][: task.count]:
        mine = [row for row in seen if row.track == track.track]
        best = next((row for row in mine if row.frame == track.reference_frame), mine[0])
        mask: Rle = {"size": [best.mask_height, best.mask_width], "counts": best.mask_counts}
        views.append(View(track, best.frame, frames[best.frame].jpeg, mask))
    return _with(record, assets.lift(ports, engine, views, camera, settings.seed), settings, engine.info)


def _with(record: ClipRecord, made: Lifted, settings: Settings, info: EngineInfo) -> ClipRecord:
    lineage = stage_key(record, settings, info).lineage(record.clip, rows_digest(made.rows))
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
