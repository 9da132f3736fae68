"""Depth of a video's frames as users have it, as one file to send."""

from pathlib import Path
from typing import Any

from maquette import datasets

PICTURES = frozenset({".png", ".tif", ".tiff"})
# the file has to tell a rate, and nobody asks for it: maps are counted
RATE = 10.0


def folder_of(path: Path) -> datasets.FrameFolder:
    """The numbered 16-bit PNG or TIFF files of a folder, one for each decoded frame.

    Raises ValueError for pictures of other bits or of colours, FileNotFoundError where there are none.
    """
    files = datasets.numbered(path.iterdir(), PICTURES)
    if not files:
        raise FileNotFoundError(f"{path} holds no numbered PNG or TIFF files: one for each frame is needed")
    for file in files:
        if not datasets.header(file).grey16:
            raise ValueError(
                f"{file} is no depth: one channel of 16 bits is needed; floats go into a NumPy file (T, H, W)"
            )
    return datasets.FrameFolder(path, tuple(files))


def written(source: Any, scratch: Path) -> Path:
    """The file to send for a folder, a file, or an array (T, H, W); what has to be made lies in `scratch`.

    Raises FileNotFoundError, ValueError.
    """
    if hasattr(source, "dtype"):
        import numpy as np

        if source.ndim != 3:
            raise ValueError(f"the depth of a video is an array (T, H, W); this one is {source.shape}")
        made = scratch / "depth.npy"
        np.save(made, np.ascontiguousarray(source), allow_pickle=False)
        return made
    path = Path(source)
    if path.is_dir():
        return datasets.pack(folder_of(path), RATE, scratch / "depth.avi")
    if not path.is_file():
        raise FileNotFoundError(f"no such file or folder: {path}")
    return path
