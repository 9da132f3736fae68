"""SpatialVID (Wang et al. 2025): videos with cameras, object masks, captions and motion instructions."""

import csv
import io
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from workers.datasets.exporters.base import Exporter, ExportWriter, get_category_name, to_json
from workers.datasets.exporters.image_transform import write_mp4
from workers.datasets.scene_clip import SceneClip
from workers.formats import exr

Floats = NDArray[np.float64]
GROUP = "group_0001"
MOVED = 0.01
TURNED = np.radians(1.0)
# axis of the motion in camera axes: words for less and for more
WALKS = (("Truck Left", "Truck Right"), ("Pedestal Up", "Pedestal Down"), ("Dolly Out", "Dolly In"))
TURNS = (("Pan Right", "Pan Left"), ("Tilt Up", "Tilt Down"), ("Roll CW", "Roll CCW"))


@dataclass(frozen=True)
class SpatialVid(Exporter):
    """`annotations/group_0001/<clip>/`, `videos/group_0001/<clip>.mp4` and `data/train/metadata.csv`.

    Cameras are sampled every `interval` seconds: `indexes.txt` tells the frames, `poses.npy` f64 (n, 7) is
    cam_from_world in OpenCV axes as t and q (xyzw), `intrinsics.npy` f64 (n, 4) is fx/W fy/H cx/W cy/H.
    `dyn_masks.npz` holds the union of the tracked objects as CSR matrices. `instructions.json` says in words
    how the camera moves between two samples. `depths/group_0001/<clip>.zip` has an EXR a sample where depth
    is known: half floats of 1 / z, NaN where a pixel's is not, as its own `utils/read_depth.py` reads them.
    """

    interval: float = 0.2

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
            if any(clip.world_from_cam(frame) is None for frame in range(len(clip))):
                writer.leave_out(clip, "the camera's pose is unknown")
                continue
            frames = sample_frames(clip, self.interval)
            folder = ("annotations", GROUP, clip.id)
            poses = stack_poses(clip, frames)
            writer.write(_npy(poses), *folder, "poses.npy")
            writer.write(_npy(_intrinsics(clip, frames)), *folder, "intrinsics.npy")
            lines = "".join(f"{number} {frame}\n" for number, frame in enumerate(frames))
            writer.write(lines, *folder, "indexes.txt")
            writer.write(_masks(clip, frames), *folder, "dyn_masks.npz")
            writer.write(to_json(_caption(clip)), *folder, "caption.json")
            writer.write(to_json(describe_motion(poses)), *folder, "instructions.json")
            depths = _depths(clip, frames)
            if depths is not None:
                writer.write(depths, "depths", GROUP, f"{clip.id}.zip")
            video = writer.path("videos", GROUP, f"{clip.id}.mp4")
            write_mp4(video, (clip.image(frame) for frame in range(len(clip))), clip.row.frame_rate or 1.0)
            table.append(_listed(clip))
        writer.write(_csv(table), "data", "train", "metadata.csv")


def sample_frames(clip: SceneClip, interval: float) -> list[int]:
    """The frames nearest to every `interval` seconds, the first one included."""
    step = max(1, round(interval * (clip.row.frame_rate or 1.0)))
    return list(range(0, len(clip), step))


def stack_poses(clip: SceneClip, frames: list[int]) -> Floats:
    """cam_from_world f64 (n, 7): t, then q xyzw, in OpenCV axes."""
    found = []
    for frame in frames:
        pose = clip.world_from_cam(frame)
        assert pose is not None
        back = np.linalg.inv(pose)
        found.append(np.concatenate([back[:3, 3], Rotation.from_matrix(back[:3, :3]).as_quat()]))
    return np.array(found)


def describe_motion(poses: Floats) -> dict[str, list[str]]:
    """Words of the camera's motion by "first->last" sample; equal neighbours are joined."""
    told: list[list[str]] = []
    for before, after in pairwise(poses):
        turn, next_turn = Rotation.from_quat(before[3:]), Rotation.from_quat(after[3:])
        walk = turn.apply(turn.inv().apply(before[:3]) - next_turn.inv().apply(after[:3]))
        angles = (next_turn * turn.inv()).as_euler("yxz")
        words = [w[int(x > 0)] for w, x in zip(WALKS, walk, strict=True) if abs(x) > MOVED]
        words += [w[int(x > 0)] for w, x in zip(TURNS, angles, strict=True) if abs(x) > TURNED]
        told.append(words or ["Stay"])
    joined: dict[str, list[str]] = {}
    start = 0
    for number, words in enumerate(told):
        if number + 1 == len(told) or told[number + 1] != words:
            joined[f"{start}->{number + 1}"] = words
            start = number + 1
    return joined


def _intrinsics(clip: SceneClip, frames: list[int]) -> Floats:
    width, height = clip.row.width, clip.row.height
    rows = [clip.cameras[frame] for frame in frames]
    return np.array([(c.fx / width, c.fy / height, c.cx / width, c.cy / height) for c in rows])


def _masks(clip: SceneClip, frames: list[int]) -> bytes:
    arrays: dict[str, Any] = {"shape": np.array(clip.size)}
    for number, frame in enumerate(frames):
        union = csr_matrix(clip.segmentation(frame) > 0)
        arrays[f"f_{number}_data"] = union.data
        arrays[f"f_{number}_indices"] = union.indices
        arrays[f"f_{number}_indptr"] = union.indptr
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def _depths(clip: SceneClip, frames: list[int]) -> bytes | None:
    """A zip of EXRs, or None when a frame has no depth; the same clip gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for number, frame in enumerate(frames):
            depth = clip.depth(frame)
            if depth is None:
                return None
            # half floats end at 65504
            inverse = np.minimum(1 / np.maximum(depth.astype(np.float64), 1e-4), 6e4)
            entry = zipfile.ZipInfo(f"{number:05d}.exr", (1980, 1, 1, 0, 0, 0))
            file.writestr(entry, exr.write_exr(inverse.astype(np.float16)), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _caption(clip: SceneClip) -> dict[str, Any]:
    return {
        "SceneDescription": next((row.text for row in clip.captions if row.track is None), None),
        "Objects": {str(row.track): row.text for row in clip.captions if row.track is not None},
        "Tags": sorted({get_category_name(track) for track in clip.tracks}),
    }


def _listed(clip: SceneClip) -> dict[str, Any]:
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


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def _npy(array: Floats) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()
