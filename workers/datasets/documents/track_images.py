"""Frames of clips with their tracks: kept ones tinted, rejected ones outlined in red with their gate."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets import parquet
from workers.datasets.manifest import FileEntry
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, ClipRow, ObservationRow, TrackRow
from workers.datasets.version import DatasetVersion
from workers.formats.overlay import overlay_masks

ReadContent = Callable[[str], bytes]
Rgb = NDArray[np.uint8]
# a window (x0, y0, x1, y1) of a frame in pixels
Window = tuple[int, int, int, int]
REJECTED, RIM = (200, 40, 30), (250, 250, 248)
# clips that stay open: as many as the contact sheet has, some MB each
MOST_OPEN = 16
# around a box, of its longer side
SURROUNDINGS = 0.4


class ClipOpener:
    """Opens clips of a version for its documents, which show the same ones; the last few stay open.

    `read` gives stored content by its hash.
    """

    def __init__(self, version: DatasetVersion, read: ReadContent) -> None:
        self._version, self._read = version, read
        self._open: dict[str, SceneClip] = {}
        # of the clips that were gathered, their tracks and their files by table
        self._tracks: dict[str, list[TrackRow]] = {}
        self._files: dict[str, dict[str, FileEntry]] = {}

    def gather(self, clips: Iterable[str]) -> None:
        """Read the lists of tracks and of files once for several clips that are to be opened."""
        missing = set(clips) - self._tracks.keys()
        if not missing:
            return
        self._tracks |= {clip: [] for clip in missing}
        for row in self._version.rows["tracks"]:
            if row.clip in missing:
                self._tracks[row.clip].append(row)
        self._files |= {clip: {} for clip in missing}
        for table, entries in self._version.manifest.tables.items():
            if TABLES[table].per_clip:
                for file in entries:
                    if file.clip in missing:
                        self._files[file.clip][table] = file

    def open(self, row: ClipRow) -> SceneClip:
        """The clip with its tracks, and those of its tables that have files of their own."""
        clip = self._open.pop(row.clip, None) or self._open_anew(row)
        self._open[row.clip] = clip
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        return clip

    def _open_anew(self, row: ClipRow) -> SceneClip:
        self.gather([row.clip])
        source = next(source for source in self._version.rows["sources"] if source.source == row.source)

        def load(table: str) -> Sequence[Any]:
            if table == "tracks":
                return self._tracks[row.clip]
            if not TABLES[table].per_clip:
                return [item for item in self._version.rows[table] if item.clip == row.clip]
            file = self._files[row.clip].get(table)
            return [] if file is None else parquet.read(TABLES[table].row, self._read(file.sha256))

        return SceneClip(row, source, load)


def name_tracks(clip: SceneClip) -> dict[int, str]:
    """The name of each track; that of a rejected one is the first gate that it failed."""
    return {track.track: _name_track(track) for track in clip.all_tracks}


def _name_track(track: TrackRow) -> str:
    return (track.label or track.concept or "") if track.kept else (track.failed or ("rejected",))[0]


def draw_tracks(clip: SceneClip, frame: int, names: Mapping[int, str]) -> Rgb:
    """A frame (H, W, 3) with all of its tracks."""
    kept = clip.frame_observations(frame)
    rejected = [row for row in clip.rejected_observations if row.frame == frame]
    image = overlay_masks(
        clip.image(frame),
        [clip.mask(row) for row in kept],
        [names[row.track] for row in kept],
        [row.track for row in kept],
    ).copy()
    for row in rejected:
        mask = clip.mask(row).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, contours, -1, REJECTED, max(1, max(image.shape) // 160), cv2.LINE_AA)
        place = int(row.x0) + 2, max(10, int(row.y0) - 3)
        # on a light rim, so that it is read on any ground
        for color, thickness in ((RIM, 3), (REJECTED, 1)):
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(image, names[row.track], place, font, 0.38, color, thickness, cv2.LINE_AA)
    return image


def find_window(rows: Sequence[ObservationRow], size: tuple[int, int]) -> Window:
    """The part of a frame, `size` (height, width), that shows the boxes of some observations."""
    x0, y0 = min(row.x0 for row in rows), min(row.y0 for row in rows)
    x1, y1 = max(row.x1 for row in rows), max(row.y1 for row in rows)
    margin = SURROUNDINGS * max(x1 - x0, y1 - y0)
    return (
        int(max(0, x0 - margin)),
        int(max(0, y0 - margin)),
        int(min(size[1], np.ceil(x1 + margin))),
        int(min(size[0], np.ceil(y1 + margin))),
    )


def fit_height(image: Rgb, height: int) -> Image.Image:
    """The image at a height in pixels."""
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
