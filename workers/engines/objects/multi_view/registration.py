"""Where the cameras of a video stand, by COLMAP's structure from motion on complete frames."""

from collections.abc import Sequence

import cv2
from maquette.contract import Problem

from workers.engines.protocols import RequestRefused, Rgb
from workers.geometry import colmap
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

# share of the frames that have to be registered together; chosen, not measured
LEAST_SHARE = 0.8
THREADS = 2


def register(frames: Sequence[Rgb], camera: Camera | None) -> list[PosedCamera | None]:
    """A posed camera for each frame (H, W, 3) in one world of unknown scale, None for frames not registered.

    All frames are taken by one camera; `camera` has its intrinsics where they are known, else they are
    estimated. Raises RequestRefused: `extra_missing` without pycolmap, `cameras_not_found` when under 80% of
    the frames can be registered together.
    """
    names = [f"{number:05d}.png" for number in range(len(frames))]
    images = {name: _encode_png(frame) for name, frame in zip(names, frames, strict=True)}
    options = colmap.ColmapOptions(sequential=False, threads=THREADS, refine_focal_length=camera is None)
    try:
        reconstruction = colmap.reconstruct(images, camera, options)
    except colmap.ColmapMissingError:
        raise RequestRefused(
            Problem.from_code(
                "extra_missing",
                422,
                "finding cameras needs pycolmap: pip install 'maquette-server[cameras]', or give "
                "world_from_cam",
            )
        ) from None
    poses = [None if reconstruction is None else _read_pose(reconstruction, name) for name in names]
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


def _encode_png(frame: Rgb) -> bytes:
    encoded, data = cv2.imencode(".png", frame[..., ::-1])
    assert encoded
    return data.tobytes()


def _read_pose(reconstruction: colmap.Reconstruction, name: str) -> PosedCamera | None:
    pose = reconstruction.cam_from_world.get(name)
    if pose is None:
        return None
    return PosedCamera(reconstruction.cameras[name], Similarity.from_parts(pose[:3, :3], pose[:3, 3]))
