"""3D assets of kept tracks: the best view lifted by the objects engine, as many as the budget allows."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from workers.datasets.manifest import FileEntry
from workers.datasets.protocols import Workspace
from workers.datasets.schema import AssetRow, TrackRow
from workers.engines.objects.export import asset_glb, asset_splat_ply
from workers.engines.protocols import ObjectEngine
from workers.formats.rle import Rle, decode_mask
from workers.geometry.cameras import Camera

KINDS = (("mesh", "glb", "model/gltf-binary"), ("splat", "ply", "application/x-ply"))


@dataclass(frozen=True, slots=True)
class AssetView:
    """A track on a frame: the stored picture, and the mask there as RLE."""

    track: TrackRow
    frame: int
    jpeg: bytes
    mask: Rle


@dataclass(frozen=True, slots=True)
class AssetResult:
    """What the stage made; `failed` counts objects the engine could not lift."""

    rows: tuple[AssetRow, ...]
    files: tuple[FileEntry, ...]
    failed: int


def reconstruct_assets(
    workspace: Workspace,
    engine: ObjectEngine,
    views: Sequence[AssetView],
    camera: Camera,
    seed: int,
) -> AssetResult:
    """A mesh and a splat for each track, from one view of it."""
    rows: list[AssetRow] = []
    files: list[FileEntry] = []
    failed = 0
    for view in views:
        track = view.track
        with Image.open(io.BytesIO(view.jpeg)) as picture:
            image = np.asarray(picture.convert("RGB"))
        try:
            asset = engine.reconstruct(
                image,
                decode_mask(view.mask),
                # assumed intrinsics are the engine's to assume, and to flag
                camera=None if camera.source == "assumed" else camera,
                label=track.label,
                seed=seed,
            )
        except ValueError:
            failed += 1
            continue
        written = {"glb": asset_glb(asset, track.label or "object"), "ply": asset_splat_ply(asset)}
        for kind, ending, media_type in KINDS:
            data = written[ending]
            name, digest = _stored(workspace, ending, kind, media_type, data)
            files.append(FileEntry(name=name, sha256=digest, bytes=len(data), media_type=media_type))
            rows.append(
                AssetRow(
                    clip=track.clip,
                    track=track.track,
                    frame=view.frame,
                    kind=kind,
                    file=name,
                    sha256=digest,
                    media_type=media_type,
                    bytes=len(data),
                    rotation=tuple(asset.pose.rotation),
                    translation=tuple(asset.pose.translation),
                    scale=asset.pose.scale,
                    scale_source=asset.scale_source,
                    confidence=asset.confidence,
                    silhouette_iou=asset.silhouette_iou,
                    engine=f"{engine.info.name}/{engine.info.version}",
                    flags=tuple(asset.flags),
                )
            )
    return AssetResult(tuple(rows), tuple(files), failed)


def _stored(workspace: Workspace, ending: str, role: str, media_type: str, data: bytes) -> tuple[str, str]:
    digest = hashlib.sha256(data).hexdigest()
    name = f"asset-{digest}.{ending}"
    return name, workspace.store(name, role, media_type, data)
