"""The contact sheet: frames of the kept clips with their masks."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from workers.datasets import parquet
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, ClipRow
from workers.datasets.version import DatasetVersion
from workers.formats.overlay import overlay_masks

MOST_CLIPS = 16
# which frames of a clip are shown, as shares of its length
PLACES = (0.05, 0.35, 0.65, 0.95)
# pixels: the longer side of a frame, the gap after it, and the line of text above
CELL = 224
GAP = 4
TEXT_HEIGHT = 22
MARGIN = 8
BACKGROUND, TEXT = (250, 250, 248), (30, 30, 30)

ReadContent = Callable[[str], bytes]


def render_contact_sheet(version: DatasetVersion, read: ReadContent) -> bytes:
    """A PNG with one line per kept clip: a caption, and four frames with masks.

    Of more than 16 clips, 16 are chosen at even distances. `read` gives stored content by its hash.
    """
    clips = _choose_clips([row for row in version.rows["clips"] if row.kept])
    tallest = max((round(CELL * row.height / max(row.width, row.height)) for row in clips), default=CELL)
    line_height = TEXT_HEIGHT + tallest + GAP + 2
    size = len(PLACES) * (CELL + GAP) + MARGIN, max(1, len(clips)) * line_height + MARGIN
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    if not clips:
        draw.text((MARGIN, MARGIN), "no clip was kept", fill=TEXT)
    labels = {(row.clip, row.track): row.label or row.concept or "" for row in version.rows["tracks"]}
    for index, row in enumerate(clips):
        top = GAP + index * line_height
        draw.text((GAP + 2, top + GAP), _describe_clip(version, row), fill=TEXT)
        for column, frame in enumerate(_render_frames(_open_clip(version, read, row), labels)):
            sheet.paste(Image.fromarray(frame), (GAP + column * (CELL + GAP), top + TEXT_HEIGHT))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=False)
    return out.getvalue()


def _choose_clips(clips: Sequence[ClipRow]) -> Sequence[ClipRow]:
    if len(clips) <= MOST_CLIPS:
        return clips
    return [clips[index * len(clips) // MOST_CLIPS] for index in range(MOST_CLIPS)]


def _describe_clip(version: DatasetVersion, clip: ClipRow) -> str:
    tracks = sum(row.kept and row.clip == clip.clip for row in version.rows["tracks"])
    return (
        f"{clip.clip[:8]}  {clip.split}  {clip.start_seconds:.1f}-{clip.end_seconds:.1f} s  "
        f"{clip.frames} frames  {tracks} tracks  camera {clip.camera_source}"
    )


def _open_clip(version: DatasetVersion, read: ReadContent, row: ClipRow) -> SceneClip:
    """The clip with those of its tables that have files of their own."""
    source = next(source for source in version.rows["sources"] if source.source == row.source)

    def load(table: str) -> list[Any]:
        for file in version.manifest.tables[table]:
            if file.clip == row.clip:
                return parquet.read(TABLES[table].row, read(file.sha256))
        return []

    return SceneClip(row, source, load)


def _render_frames(clip: SceneClip, labels: Mapping[tuple[str, int], str]) -> list[NDArray[np.uint8]]:
    scale = CELL / max(clip.size)
    size = max(1, round(clip.row.width * scale)), max(1, round(clip.row.height * scale))
    frames = []
    for place in PLACES:
        frame = min(len(clip) - 1, int(place * len(clip)))
        observations = clip.frame_observations(frame)
        overlaid = overlay_masks(
            clip.image(frame),
            [clip.mask(row) for row in observations],
            [labels[clip.id, row.track] for row in observations],
            [row.track for row in observations],
        )
        frames.append(np.asarray(Image.fromarray(overlaid).resize(size)))
    return frames
