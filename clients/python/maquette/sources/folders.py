"""Videos and folders of numbered frames on a disk."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

Name = TypeVar("Name", bound=PurePath)

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".ts", ".mpg", ".mpeg", ".ogv", ".flv"}
)
FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
PHOTO_SUFFIXES = FRAME_SUFFIXES | {".heic", ".heif", ".webp", ".dng"}
# a folder with a single numbered image is not a video
MIN_FRAMES = 2


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """A video as a folder of numbered JPEG, PNG or TIFF files, in the order of their numbers."""

    path: Path
    files: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """Their size together."""
        return sum(file.stat().st_size for file in self.files)


def find_videos(path: Path) -> list[Path | FrameFolder]:
    """Return a video file itself, or the videos and frame folders below a folder, in order.

    Raises FileNotFoundError when there are none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no such file or folder: {path}")
    videos = list(_walk(path))
    if not videos:
        raise FileNotFoundError(f"{path} holds no video and no numbered JPEG or PNG frames")
    return videos


def count_photos(path: Path) -> dict[Path, int]:
    """Count the images beside videos, which are no frames of a video, in a folder and those below it."""
    if not path.is_dir():
        return {}
    counts: dict[Path, int] = {}
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    photos = [entry for entry in entries if entry.suffix.lower() in PHOTO_SUFFIXES]
    if photos and split_frames_and_videos(entries)[1]:
        counts[path] = len(photos)
    for entry in entries:
        if entry.is_dir():
            counts |= count_photos(entry)
    return counts


def open_frame_folder(path: Path) -> FrameFolder:
    """Return the numbered JPEG or PNG files of a folder as one video.

    Raises FileNotFoundError where there are fewer than two.
    """
    frames, _ = split_frames_and_videos(path.iterdir())
    if not frames:
        raise FileNotFoundError(f"{path} is a folder without numbered JPEG or PNG frames")
    return FrameFolder(path, tuple(frames))


def select_numbered(paths: Iterable[Name], suffixes: frozenset[str]) -> list[Name]:
    """Return the paths with one of these suffixes whose names end in a number, by number."""
    ordered = sorted(paths, key=_sort_key)
    return [
        path for path in ordered if path.suffix.lower() in suffixes and _trailing_number(path) is not None
    ]


def split_frames_and_videos(paths: Iterable[Name]) -> tuple[list[Name], list[Name]]:
    """Return the videos of one folder or, where it has none, its numbered frames; each in order.

    Numbered images beside videos are the photos of a phone, and names that begin with a dot
    (`._IMG_0001.MOV`) are notes of a file system.
    """
    ordered = sorted((path for path in paths if not path.name.startswith(".")), key=_sort_key)
    videos = [path for path in ordered if path.suffix.lower() in VIDEO_SUFFIXES]
    frames = [] if videos else select_numbered(ordered, FRAME_SUFFIXES)
    return (frames if len(frames) >= MIN_FRAMES else []), videos


def _walk(path: Path) -> Iterator[Path | FrameFolder]:
    entries = sorted(path.iterdir(), key=_sort_key)
    frames, videos = split_frames_and_videos(entries)
    if frames:
        yield FrameFolder(path, tuple(frames))
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _walk(entry)
        elif entry in videos and entry.is_file():
            yield entry


def _sort_key(path: PurePath) -> tuple[int, str]:
    """Sort by number where names end in one, so that 10 comes after 9."""
    number = _trailing_number(path)
    return (-1 if number is None else number, path.name)


def _trailing_number(path: PurePath) -> int | None:
    digits = re.search(r"(\d+)$", path.stem)
    return int(digits.group(1)) if digits else None
