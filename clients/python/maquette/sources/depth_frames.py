"""Depth of a video's frames as users have it, as one file to upload."""

from pathlib import Path
from typing import Any

from maquette.sources.avi import pack_frames
from maquette.sources.folders import FrameFolder, select_numbered
from maquette.sources.image_headers import read_image_header

DEPTH_SUFFIXES = frozenset({".png", ".tif", ".tiff"})
# an AVI file needs a frame rate, but depth maps are matched with frames by their index
ANY_FRAME_RATE = 10.0


def open_depth_folder(path: Path) -> FrameFolder:
    """Return the numbered 16-bit PNG or TIFF files of a folder, one per decoded frame.

    Raises ValueError for images that are not 16-bit grey, FileNotFoundError where there are none.
    """
    files = select_numbered(path.iterdir(), DEPTH_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{path} holds no numbered PNG or TIFF files: one per frame is needed")
    for file in files:
        if not read_image_header(file).is_grey16:
            raise ValueError(
                f"{file} is not a depth map: one channel of 16 bits is needed; "
                "store floats in a NumPy file (T, H, W)"
            )
    return FrameFolder(path, tuple(files))


def write_depth_file(source: Any, scratch: Path) -> Path:
    """Return the file to upload for a folder, a file, or an array (T, H, W); new files go to `scratch`.

    Raises FileNotFoundError, ValueError.
    """
    if hasattr(source, "dtype"):
        import numpy as np

        if source.ndim != 3:
            raise ValueError(f"the depth of a video is an array (T, H, W); this one is {source.shape}")
        target = scratch / "depth.npy"
        np.save(target, np.ascontiguousarray(source), allow_pickle=False)
        return target
    path = Path(source)
    if path.is_dir():
        return pack_frames(open_depth_folder(path), ANY_FRAME_RATE, scratch / "depth.avi")
    if not path.is_file():
        raise FileNotFoundError(f"no such file or folder: {path}")
    return path
