"""Where the cameras of a video stand, by COLMAP's structure from motion on whole frames."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from maquette.contract import Problem

from workers.engines.protocols import RequestRefused, Rgb
from workers.geometry.cameras import Camera
from workers.geometry.posed import PosedCamera
from workers.geometry.poses import Similarity

LEAST_SHARE = 0.8
SEED = 0
THREADS = 2


def register(frames: Sequence[Rgb], camera: Camera | None) -> list[PosedCamera | None]:
    """A posed camera for each frame (H, W, 3) in one world of unknown scale, None for frames not registered.

    All frames are taken by one camera; `camera` has its intrinsics where they are known, else they are
    estimated. Raises RequestRefused: `extra_missing` without pycolmap, `cameras_not_found` when under 80% of
    the frames can be registered together.
    """
    colmap = _colmap()
    with tempfile.TemporaryDirectory(prefix="maquette-") as folder:
        names = [f"{number:05d}.png" for number in range(len(frames))]
        images, database = Path(folder) / "images", Path(folder) / "database.db"
        images.mkdir()
        for name, frame in zip(names, frames, strict=True):
            cv2.imwrite(str(images / name), frame[..., ::-1])
        found = _solve(colmap, database, images, Path(folder), camera)
    poses: list[PosedCamera | None] = [None] * len(frames)
    for image in found.images.values() if found else ():
        if image.has_pose:
            poses[names.index(image.name)] = _posed(image, found.cameras[image.camera_id])
    registered = sum(pose is not None for pose in poses)
    if registered < LEAST_SHARE * len(frames):
        raise RequestRefused(
            Problem.from_code(
                "cameras_not_found",
                422,
                f"{registered} of {len(frames)} frames could be placed, {LEAST_SHARE:.0%} are needed: move "
                "the camera more slowly around the object, before a background with texture, or give "
                "world_from_cam",
            )
        )
    return poses


def _colmap() -> Any:
    try:
        import pycolmap
    except ImportError:
        raise RequestRefused(
            Problem.from_code(
                "extra_missing",
                422,
                "finding cameras needs pycolmap: pip install 'maquette-server[cameras]', or give "
                "world_from_cam",
            )
        ) from None
    pycolmap.logging.minloglevel = 2
    pycolmap.set_random_seed(SEED)
    return pycolmap


def _solve(colmap: Any, database: Path, images: Path, folder: Path, camera: Camera | None) -> Any:
    """The reconstruction with the most images, None without any."""
    reader = colmap.ImageReaderOptions()
    reader.camera_model = "SIMPLE_PINHOLE" if camera is None else "PINHOLE"
    if camera is not None:
        reader.camera_params = f"{camera.fx},{camera.fy},{camera.cx},{camera.cy}"
    extraction = colmap.FeatureExtractionOptions()
    extraction.num_threads = THREADS
    colmap.extract_features(
        database,
        images,
        camera_mode=colmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
        device=colmap.Device.cpu,
    )
    matching = colmap.FeatureMatchingOptions()
    matching.num_threads = THREADS
    colmap.match_exhaustive(database, matching_options=matching, device=colmap.Device.cpu)
    options = colmap.IncrementalPipelineOptions()
    options.num_threads = THREADS
    if camera is not None:
        options.ba_refine_focal_length = False
    found = colmap.incremental_mapping(database, images, folder, options)
    return max(found.values(), key=lambda one: one.num_reg_images(), default=None)


def _posed(image: Any, camera: Any) -> PosedCamera:
    matrix = np.asarray(image.cam_from_world().matrix(), dtype=np.float64)
    k = camera.calibration_matrix()
    # COLMAP's pixel centres are at +0.5 too
    intrinsics = Camera(
        camera.width,
        camera.height,
        float(k[0, 0]),
        float(k[1, 1]),
        float(k[0, 2]),
        float(k[1, 2]),
        source="estimated",
    )
    return PosedCamera(intrinsics, Similarity.from_parts(matrix[:, :3], matrix[:, 3]))
