"""Video object segmentation: frames as JPEG, and annotations as PNG whose pixels are object ids.

DAVIS 2017: `JPEGImages/480p/VIDEO/*.jpg`, `Annotations/480p/VIDEO/*.png`, `ImageSets/2017/val.txt`.
MOSE: `SPLIT/JPEGImages/VIDEO/*.jpg`, `SPLIT/Annotations/VIDEO/*.png`; its validation set is published with
first annotations alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.datasets.files import read_labels, require_file, require_folder
from workers.evaluation.datasets.video_frames import list_frames
from workers.evaluation.errors import LayoutError

# pixels of DAVIS that belong to nothing that is judged
VOID = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatedVideo:
    """The frames of a video, and the annotation of each frame that has one, by the frame's index."""

    name: str
    frames: tuple[Path, ...]
    annotations: dict[int, Path]


def read_davis(folder: Path, split: str) -> list[AnnotatedVideo]:
    """DAVIS 2017 at 480p, of a split such as `val`; raises LayoutError."""
    names = require_file(folder / "ImageSets" / "2017" / f"{split}.txt", "the list of videos").read_text()
    videos = [line.strip() for line in names.splitlines() if line.strip()]
    return [
        read_video(name, folder / "JPEGImages" / "480p" / name, folder / "Annotations" / "480p" / name)
        for name in videos
    ]


def read_mose(folder: Path, split: str) -> list[AnnotatedVideo]:
    """MOSE of a split such as `valid` or `train`; raises LayoutError."""
    root = require_folder(folder / split, f"the split {split}")
    videos = sorted(path.name for path in require_folder(root / "JPEGImages", "the frames").iterdir())
    return [read_video(name, root / "JPEGImages" / name, root / "Annotations" / name) for name in videos]


def read_video(name: str, frames: Path, annotations: Path) -> AnnotatedVideo:
    """One video; raises LayoutError for annotations without a frame, and when there are none."""
    files = list_frames(frames)
    index = {path.stem: number for number, path in enumerate(files)}
    masks = sorted(require_folder(annotations, "a folder of annotations").glob("*.png"))
    stray = [path.name for path in masks if path.stem not in index]
    if stray or not masks:
        wrong = f"{stray[0]} has no frame in {frames}" if stray else f"{annotations} holds no .png"
        raise LayoutError(f"the annotations of {name} are broken: {wrong}")
    return AnnotatedVideo(
        name=name, frames=tuple(files), annotations={index[path.stem]: path for path in masks}
    )


def find_first_masks(video: AnnotatedVideo, *, later: bool) -> dict[int, tuple[int, NDArray[np.bool_]]]:
    """Each object's first frame and its mask there (H, W); without `later`, those of the first frame."""
    found: dict[int, tuple[int, NDArray[np.bool_]]] = {}
    for frame, path in sorted(video.annotations.items()):
        labels = read_labels(path)
        for value in np.unique(labels):
            if value not in (0, VOID) and int(value) not in found:
                found[int(value)] = (frame, labels == value)
        if not later:
            break
    if not found:
        raise LayoutError(f"the first annotation of {video.name} shows no object")
    return dict(sorted(found.items()))
