"""Structure from motion by COLMAP, where pycolmap is installed (the extra `cameras`).

Axes are OpenCV's, pixel centres lie at +0.5; the world's scale and origin are arbitrary.
"""

import importlib
import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera

SEED = 0
# glog levels: 2 hides information and warnings
ERRORS_ONLY = 2
# residuals below which COLMAP's bundle adjustment keeps to one thread: no problem here has as many
NEVER_MULTITHREADED = 1 << 30


class ColmapMissingError(ImportError):
    """pycolmap is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColmapOptions:
    """How images are matched and mapped.

    `sequential` matches each image with its neighbours by name, else all pairs are matched. With one thread
    the result is the same on every run: more threads add floating-point numbers in any order.
    """

    sequential: bool
    threads: int
    refine_focal_length: bool


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The cameras that were registered together, by image name, and how well they fit.

    `cam_from_world` is 4x4 float64, `reprojection_error` the mean in pixels, `observations` the mean number
    of 3D points that a registered image sees.
    """

    cameras: Mapping[str, Camera]
    cam_from_world: Mapping[str, NDArray[np.float64]]
    reprojection_error: float
    observations: float


def is_installed() -> bool:
    """Whether `reconstruct` can run here."""
    return importlib.util.find_spec("pycolmap") is not None


def reconstruct(
    images: Mapping[str, bytes],
    camera: Camera | None,
    options: ColmapOptions,
    masks: Mapping[str, bytes] | None = None,
) -> Reconstruction | None:
    """Register encoded images, all taken by one pinhole camera; None when no two can be registered.

    `images` maps file names to PNG or JPEG files. `camera` has the intrinsics, or a first guess of them with
    `refine_focal_length`; without it they are estimated with square pixels. `masks` maps names of images to
    PNG files; features are not looked for where these are zero. Raises ColmapMissingError.
    """
    colmap = _import_colmap()
    with tempfile.TemporaryDirectory(prefix="maquette-") as name:
        folder = Path(name)
        _write_files(folder / "images", images)
        if masks is not None:
            _write_files(folder / "masks", {f"{image}.png": data for image, data in masks.items()})
        _find_matches(colmap, folder, camera, options, masked=masks is not None)
        models = colmap.incremental_mapping(
            folder / "database.db", folder / "images", folder / "models", _mapping_options(colmap, options)
        )
    best = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    return None if best is None else _read_model(best)


def _import_colmap() -> Any:
    try:
        colmap = importlib.import_module("pycolmap")
    except ImportError as error:
        raise ColmapMissingError(
            "pycolmap is not installed: pip install 'maquette-server[cameras]'"
        ) from error
    colmap.logging.minloglevel = ERRORS_ONLY
    colmap.set_random_seed(SEED)
    return colmap


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _find_matches(
    colmap: Any, folder: Path, camera: Camera | None, options: ColmapOptions, *, masked: bool
) -> None:
    reader = colmap.ImageReaderOptions()
    reader.camera_model = "SIMPLE_PINHOLE" if camera is None else "PINHOLE"
    if camera is not None:
        reader.camera_params = f"{camera.fx},{camera.fy},{camera.cx},{camera.cy}"
    if masked:
        reader.mask_path = folder / "masks"
    extraction = colmap.FeatureExtractionOptions()
    extraction.num_threads = options.threads
    database, device = folder / "database.db", colmap.Device.cpu
    colmap.extract_features(
        database,
        folder / "images",
        camera_mode=colmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
        device=device,
    )
    matching = colmap.FeatureMatchingOptions()
    matching.num_threads = options.threads
    verification = colmap.TwoViewGeometryOptions()
    if options.threads == 1:
        verification.ransac.num_threads = 1
        verification.ransac.random_seed = SEED
    match = colmap.match_sequential if options.sequential else colmap.match_exhaustive
    match(database, matching_options=matching, verification_options=verification, device=device)


def _mapping_options(colmap: Any, options: ColmapOptions) -> Any:
    mapping = colmap.IncrementalPipelineOptions()
    mapping.num_threads = options.threads
    mapping.ba_refine_focal_length = options.refine_focal_length
    mapping.ba_refine_principal_point = False
    mapping.ba_refine_extra_params = False
    if options.threads == 1:
        mapping.mapper.num_threads = 1
        mapping.mapper.random_seed = mapping.triangulation.random_seed = mapping.random_seed = SEED
        mapping.ba_min_num_residuals_for_cpu_multi_threading = NEVER_MULTITHREADED
    return mapping


def _read_model(model: Any) -> Reconstruction:
    cameras, poses = {}, {}
    for image in model.images.values():
        if not image.has_pose:
            continue
        pose = np.eye(4)
        pose[:3] = image.cam_from_world().matrix()
        poses[image.name] = pose
        taken_by = model.cameras[image.camera_id]
        k = taken_by.calibration_matrix()
        cameras[image.name] = Camera(
            taken_by.width, taken_by.height, k[0, 0], k[1, 1], k[0, 2], k[1, 2], source="estimated"
        )
    return Reconstruction(
        cameras,
        poses,
        model.compute_mean_reprojection_error(),
        model.compute_mean_observations_per_reg_image(),
    )
