"""The exporter of SpatialVID."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.option_limits import Range
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.categories import get_category_name
from workers.datasets.exporters.shared.csv_table import encode_csv
from workers.datasets.exporters.shared.encoding import encode_json, encode_npy, encode_npz
from workers.datasets.exporters.shared.mp4 import encode_mp4
from workers.datasets.exporters.spatialvid.motion import describe_motion, stack_poses
from workers.datasets.scene_clip import SceneClip
from workers.formats import exr
from workers.formats.zip_writer import write_zip

GROUP = "group_0001"
# metres; nearer depths are clipped, so that 1 / z is finite
NEAREST_DEPTH = 1e-4
# 1 / metres; half floats end at 65504
LARGEST_INVERSE_DEPTH = 6e4


@dataclass(frozen=True)
class SpatialVid(Exporter):
    """`annotations/group_0001/<clip>/`, `videos/group_0001/<clip>.mp4` and `data/train/metadata.csv`.

    Cameras are sampled every `interval` seconds: `indexes.txt` lists the frames; `poses.npy` f64 (n, 7) is
    cam_from_world in OpenCV axes as t and q (xyzw); `intrinsics.npy` f64 (n, 4) is fx/W fy/H cx/W cy/H.
    `dyn_masks.npz` holds the union of the tracked objects, moving or not, as CSR matrices.
    `instructions.json` says in words how the camera moves between two samples; steps are taken in the axes of
    the camera. `depths/group_0001/<clip>.zip` has one EXR per sample where depth is known in all of them:
    half floats of 1 / z, NaN where a pixel has no depth, as SpatialVID's `utils/read_depth.py` reads them.
    """

    interval: Annotated[float, "seconds between two samples of the camera", Range(0.001, 3600)] = 0.2

    name: ClassVar[str] = "spatialvid"
    summary: ClassVar[str] = "SpatialVID layout: MP4, camera poses, object masks, captions, instructions"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks: masks are one union a frame, of everything tracked, moving or not",
        "frames between two samples, but for the video",
        "boxes and recorded actions",
        "depth finer than a half float of 1 / z; its reader takes all of it into 1 mm to 100 m",
        "pixels, to H.264 (crf 17), and an odd last row or column",
        "the scale of the world: its thresholds of motion are in units of the world",
        "clips without camera poses",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        table = []
        for clip in writer.clips():
            if not clip.has_poses:
                writer.leave_out(clip, "the camera's pose is unknown")
                continue
            table.append(_build_table_row(clip))
        writer.write_parts(partial(_build_files, self.interval))
        writer.write(encode_csv(table), "data", "train", "metadata.csv")


def sample_frames(clip: SceneClip, interval: float) -> list[int]:
    """The frames nearest to every `interval` seconds, from the first one."""
    step = max(1, round(interval * (clip.row.frame_rate or 1.0)))
    return list(range(0, len(clip), step))


def _build_files(interval: float, clip: SceneClip) -> Part:
    """The files of a clip; none for one without poses."""
    if not clip.has_poses:
        return {}
    frames = sample_frames(clip, interval)
    poses = stack_poses(clip, frames)
    lines = "".join(f"{number} {frame}\n" for number, frame in enumerate(frames))
    annotations: dict[str, bytes | str] = {
        "poses.npy": encode_npy(poses),
        "intrinsics.npy": encode_npy(_normalise_intrinsics(clip, frames)),
        "indexes.txt": lines,
        "dyn_masks.npz": _encode_masks(clip, frames),
        "caption.json": encode_json(_describe_clip(clip)),
        "instructions.json": encode_json(describe_motion(poses)),
    }
    files = {
        f"annotations/{GROUP}/{clip.id}/{name}": content.encode() if isinstance(content, str) else content
        for name, content in annotations.items()
    }
    depths = _encode_depths(clip, frames)
    if depths is not None:
        files[f"depths/{GROUP}/{clip.id}.zip"] = depths
    files[f"videos/{GROUP}/{clip.id}.mp4"] = encode_mp4(clip.images(), clip.row.frame_rate or 1.0)
    return files


def _normalise_intrinsics(clip: SceneClip, frames: list[int]) -> NDArray[np.float64]:
    width, height = clip.row.width, clip.row.height
    rows = [clip.cameras[frame] for frame in frames]
    return np.array([(c.fx / width, c.fy / height, c.cx / width, c.cy / height) for c in rows])


def _encode_masks(clip: SceneClip, frames: list[int]) -> bytes:
    arrays: dict[str, Any] = {"shape": np.array(clip.size)}
    for number, frame in enumerate(frames):
        union = csr_matrix(clip.segmentation(frame) > 0)
        arrays[f"f_{number}_data"] = union.data
        arrays[f"f_{number}_indices"] = union.indices
        arrays[f"f_{number}_indptr"] = union.indptr
    return encode_npz(arrays, compressed=True)


def _encode_depths(clip: SceneClip, frames: list[int]) -> bytes | None:
    """A zip of EXR files, or None when a frame has no depth."""
    files = []
    for number, frame in enumerate(frames):
        depth = clip.depth(frame)
        if depth is None:
            return None
        inverse = np.minimum(1 / np.maximum(depth.astype(np.float64), NEAREST_DEPTH), LARGEST_INVERSE_DEPTH)
        files.append((f"{number:05d}.exr", exr.write_exr(inverse.astype(np.float16))))
    return write_zip(files, compressed=True)


def _describe_clip(clip: SceneClip) -> dict[str, Any]:
    """`caption.json`."""
    return {
        "SceneDescription": clip.caption,
        "Objects": {str(row.track): row.text for row in clip.captions if row.track is not None},
        "Tags": sorted({get_category_name(track) for track in clip.tracks}),
    }


def _build_table_row(clip: SceneClip) -> dict[str, Any]:
    """A row of `metadata.csv`."""
    return {
        "id": clip.id,
        "group id": 1,
        "video path": f"{GROUP}/{clip.id}.mp4",
        "annotation path": f"{GROUP}/{clip.id}",
        "num frames": len(clip),
        "fps": clip.row.frame_rate,
        "resolution": f"{clip.row.width}x{clip.row.height}",
        "split": clip.row.split,
        "licence": clip.source.licence,
    }
