"""Camera poses by structure from motion, where pycolmap is installed (the extra `cameras`)."""

import importlib
import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation, Slerp

from workers.datasets.stages.cameras import CameraPoses, MovingMask, PoseSolver
from workers.geometry.cameras import Camera

# poses of the frames between are interpolated: more pictures cost time and add little
MOST_FRAMES = 32
LEAST_REGISTERED = 0.8
# wrong solutions were seen from 0.8 pixels on, right ones at 0.2
MOST_PIXELS = 0.6
LEAST_OBSERVATIONS = 60
SEED = 0


def load_solver() -> PoseSolver | None:
    """The solver, or None where pycolmap is not installed."""
    return ColmapSolver() if importlib.util.find_spec("pycolmap") is not None else None


class ColmapSolver:
    """Incremental mapping over whole frames with one shared pinhole camera; scale is relative."""

    name = "pycolmap"

    def __call__(self, frames: Sequence[bytes], camera: Camera, hidden: MovingMask) -> CameraPoses | None:
        """World poses of all frames; None when too few can be placed, or not well enough to be believed."""
        pycolmap = importlib.import_module("pycolmap")
        count = len(frames)
        chosen = sorted({round(k * (count - 1) / (MOST_FRAMES - 1)) for k in range(MOST_FRAMES)})
        if len(chosen) < 3:
            return None
        with tempfile.TemporaryDirectory() as folder:
            for name in ("images", "masks"):
                (Path(folder) / name).mkdir()
            for frame in chosen:
                name = f"{frame:06d}.jpg"
                (Path(folder) / "images" / name).write_bytes(frames[frame])
                # things that move on their own would be taken for the world
                kept = Image.fromarray(np.where(hidden(frame), 0, 255).astype(np.uint8))
                kept.save(Path(folder) / "masks" / f"{name}.png")
            best = _map(pycolmap, Path(folder), camera)
        if best is None or best.num_reg_images() < LEAST_REGISTERED * len(chosen):
            return None
        error = best.compute_mean_reprojection_error()
        if error > MOST_PIXELS or best.compute_mean_observations_per_reg_image() < LEAST_OBSERVATIONS:
            return None
        share = best.num_reg_images() / len(chosen)
        return _poses(best, count, share * (1 - error / (2 * MOST_PIXELS)), camera)


def _map(pycolmap: Any, folder: Path, camera: Camera) -> Any:
    database, images = folder / "database.db", folder / "images"
    reader = pycolmap.ImageReaderOptions()
    reader.mask_path = folder / "masks"
    reader.camera_model = "PINHOLE"
    reader.camera_params = f"{camera.fx},{camera.fy},{camera.cx},{camera.cy}"
    pycolmap.set_random_seed(SEED)
    # more threads add up in any order, and a resumed job would not find the same poses
    extracting, matching = pycolmap.FeatureExtractionOptions(), pycolmap.FeatureMatchingOptions()
    verifying, single = pycolmap.TwoViewGeometryOptions(), pycolmap.CameraMode.SINGLE
    extracting.num_threads = matching.num_threads = verifying.ransac.num_threads = 1
    verifying.ransac.random_seed = SEED
    pycolmap.extract_features(
        database, images, camera_mode=single, reader_options=reader, extraction_options=extracting
    )
    pycolmap.match_sequential(database, matching_options=matching, verification_options=verifying)
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = 1
    options.mapper.num_threads = 1
    options.mapper.random_seed = options.triangulation.random_seed = SEED
    options.ba_min_num_residuals_for_cpu_multi_threading = 1 << 30
    options.random_seed = SEED
    known = camera.source != "assumed"
    options.ba_refine_focal_length = not known
    options.ba_refine_principal_point = False
    options.ba_refine_extra_params = False
    maps = pycolmap.incremental_mapping(database, images, folder / "out", options)
    return max(maps.values(), key=lambda found: found.num_reg_images(), default=None)


def _poses(found: Any, count: int, confidence: float, camera: Camera) -> CameraPoses:
    placed: dict[int, NDArray[np.float64]] = {}
    for image in found.images.values():
        if not image.has_pose:
            continue
        cam_from_world = np.eye(4)
        cam_from_world[:3] = image.cam_from_world().matrix()
        placed[int(Path(image.name).stem)] = np.asarray(np.linalg.inv(cam_from_world), np.float64)
    frames = sorted(placed)
    inside = np.clip(np.arange(count), frames[0], frames[-1])
    turns = Slerp(frames, Rotation.from_matrix(np.stack([placed[frame][:3, :3] for frame in frames])))(inside)
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, :3] = turns.as_matrix()
    for axis in range(3):
        matrices[:, axis, 3] = np.interp(inside, frames, [placed[frame][axis, 3] for frame in frames])
    # frames before the first and after the last placed one have no pose
    matrices[: frames[0]] = np.nan
    matrices[frames[-1] + 1 :] = np.nan
    fx, fy, cx, cy = next(iter(found.cameras.values())).params
    solved = Camera(camera.width, camera.height, fx, fy, cx, cy, source="colmap")
    own = camera if camera.source != "assumed" else solved
    return CameraPoses(matrices, "colmap", "relative", confidence, own)
