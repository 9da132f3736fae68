"""Reconstructs kept tracks in 3D from their best view, once it is decided which clips have assets."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from workers.datasets import parquet
from workers.datasets.images import decode_image
from workers.datasets.manifest import FileEntry
from workers.datasets.protocols import Workspace
from workers.datasets.records import ClipRecord
from workers.datasets.schema import AssetRow, CameraRow, ClipRow, FrameRow, ObservationRow, TrackRow
from workers.datasets.stages.base import Resources
from workers.datasets.stages.keys import StageKey, build_asset_key, hash_json, hash_rows
from workers.datasets.tasks import AssetTask
from workers.engines.objects.export import write_asset_glb, write_asset_splat_ply
from workers.engines.protocols import EngineInfo, ObjectAsset, ObjectEngine
from workers.formats.rle import Rle, decode_mask
from workers.geometry.cameras import Camera


@dataclass(frozen=True, slots=True)
class AssetView:
    """The frame that shows a track best: the stored image, and the mask in it."""

    track: TrackRow
    frame: int
    jpeg: bytes
    mask: Rle


@dataclass(frozen=True, slots=True)
class AssetFile:
    """An asset as a file of one kind."""

    kind: str
    ending: str
    media_type: str
    data: bytes


class AssetStage:
    """Adds assets to the record of a clip: its row of `clips`, rows of `assets`, their files and lineage.

    `info` describes the object engine; only the worker that runs the stage needs the engine itself.
    """

    name = "assets"
    version = "1"

    def __init__(
        self, workspace: Workspace, seed: int, info: EngineInfo, engine: ObjectEngine | None = None
    ) -> None:
        self._workspace, self._seed, self._info, self._engine = workspace, seed, info, engine
        self.resources: Resources = "gpu" if info.device.startswith("cuda") else "cpu"

    def key(self, task: AssetTask) -> StageKey:
        """What the assets of a clip depend on."""
        clip = _get_clip(task.record)
        return build_asset_key((clip.source, clip.clip), self._seed, self._info)

    def compute_cache_key(self, task: AssetTask) -> str:
        """The cache key of the record with assets: what they depend on, and what the record held before."""
        before = [[row.stage, row.key, row.output] for row in task.record.rows["lineage"]]
        return hash_json([self.key(task).digest(), before, task.count])

    def run(self, batch: AssetTask) -> AssetTask:
        """A mesh and a splat for each of the first kept tracks; those the engine refuses are left out."""
        rows: list[AssetRow] = []
        files: list[FileEntry] = []
        camera = self._load_camera(batch.record)
        views = self._load_views(batch)
        failed = False
        for view in views:
            try:
                asset = self._reconstruct(view, camera)
            except ValueError:
                failed = True
                continue
            for file in _encode(asset, view.track.label or "object"):
                entry = self._store(file)
                files.append(entry)
                rows.append(self._build_row(view, asset, file.kind, entry))
        return replace(batch, record=self._add(batch, rows, files, failed=failed))

    def _reconstruct(self, view: AssetView, camera: Camera) -> ObjectAsset:
        assert self._engine is not None
        return self._engine.reconstruct(
            decode_image(view.jpeg),
            decode_mask(view.mask),
            # the engine assumes intrinsics itself where they are not known, and flags that
            camera=None if camera.source == "assumed" else camera,
            label=view.track.label,
            seed=self._seed,
        )

    def _load_camera(self, record: ClipRecord) -> Camera:
        clip = _get_clip(record)
        first = parquet.read(CameraRow, self._workspace.load(record.shards["cameras"].sha256))[0]
        return Camera(
            clip.width, clip.height, first.fx, first.fy, first.cx, first.cy, first.intrinsics_source
        )

    def _load_views(self, task: AssetTask) -> list[AssetView]:
        shards = task.record.shards
        frames = parquet.read(FrameRow, self._workspace.load(shards["frames"].sha256))
        observations = parquet.read(ObservationRow, self._workspace.load(shards["observations"].sha256))
        views = []
        for track in [row for row in task.record.rows["tracks"] if row.kept][: task.count]:
            own = [row for row in observations if row.track == track.track]
            best = next((row for row in own if row.frame == track.reference_frame), own[0])
            mask: Rle = {"size": [best.mask_height, best.mask_width], "counts": best.mask_counts}
            views.append(AssetView(track, best.frame, frames[best.frame].jpeg, mask))
        return views

    def _store(self, file: AssetFile) -> FileEntry:
        name = f"asset-{hashlib.sha256(file.data).hexdigest()}.{file.ending}"
        sha256 = self._workspace.store(name, file.kind, file.media_type, file.data)
        return FileEntry(name=name, sha256=sha256, bytes=len(file.data), media_type=file.media_type)

    def _build_row(self, view: AssetView, asset: ObjectAsset, kind: str, file: FileEntry) -> AssetRow:
        assert file.media_type is not None
        return AssetRow(
            clip=view.track.clip,
            track=view.track.track,
            frame=view.frame,
            kind=kind,
            file=file.name,
            sha256=file.sha256,
            media_type=file.media_type,
            bytes=file.bytes,
            rotation=tuple(asset.pose.rotation),
            translation=tuple(asset.pose.translation),
            scale=asset.pose.scale,
            scale_source=asset.scale_source,
            confidence=asset.confidence,
            silhouette_iou=asset.silhouette_iou,
            engine=f"{self._info.name}/{self._info.version}",
            flags=tuple(asset.flags),
        )

    def _add(
        self, task: AssetTask, rows: Sequence[AssetRow], files: Sequence[FileEntry], *, failed: bool
    ) -> ClipRecord:
        record, clip = task.record, _get_clip(task.record)
        if failed:
            clip = flag_failed_assets(clip)
        lineage = self.key(task).lineage(record.clip, hash_rows(rows))
        others: dict[str, Sequence[Any]] = {
            "assets": list(rows),
            "clips": [clip],
            "lineage": [lineage if row.stage == self.name else row for row in record.rows["lineage"]],
        }
        return replace(record, rows={**record.rows, **others}, files=(*record.files, *files))


def flag_failed_assets(clip: ClipRow) -> ClipRow:
    """The row of a clip of which some assets could not be made."""
    return replace(clip, flags=(*clip.flags, "assets_failed"))


def _encode(asset: ObjectAsset, name: str) -> list[AssetFile]:
    return [
        AssetFile("mesh", "glb", "model/gltf-binary", write_asset_glb(asset, name)),
        AssetFile("splat", "ply", "application/x-ply", write_asset_splat_ply(asset)),
    ]


def _get_clip(record: ClipRecord) -> ClipRow:
    [clip] = record.rows["clips"]
    row: ClipRow = clip
    return row
