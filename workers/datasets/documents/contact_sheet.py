"""The contact sheet: frames of the kept clips with their tracks, kept and rejected."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from workers.datasets.documents.track_images import ClipOpener, draw_tracks, name_tracks
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ClipRow
from workers.datasets.version import DatasetVersion

MOST_CLIPS = 16
# where the first and the last of the shown frames lie, as shares of a clip's length
FIRST_PLACE, LAST_PLACE = 0.05, 0.95
# pixels: the width of the sheet (four wide frames), the longer side of a frame, the gap after it, and the
# line of text above it
WIDTH = 920
CELL = 224
GAP = 4
TEXT_HEIGHT = 22
MARGIN = 8
# of the name of a video
MOST_LETTERS = 40
BACKGROUND, TEXT = (250, 250, 248), (30, 30, 30)


def render_contact_sheet(version: DatasetVersion, opener: ClipOpener) -> bytes:
    """A PNG with one line per kept clip: a caption, and as many frames with masks as fill the line.

    Rejected tracks are outlined in red, with the gate that decided. Of more than 16 clips, 16 are chosen at
    even distances.
    """
    clips = _choose_clips(version.rows["clips"])
    opener.gather(row.clip for row in clips)
    heights = [TEXT_HEIGHT + _fit_frame(row)[1] + GAP for row in clips]
    sheet = Image.new("RGB", (WIDTH, (sum(heights) or TEXT_HEIGHT) + MARGIN), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    if not clips:
        draw.text((MARGIN, MARGIN), "no clip was kept", fill=TEXT)
    top = GAP
    for row, height in zip(clips, heights, strict=True):
        clip = opener.open(row)
        draw.text((GAP + 2, top + GAP), _describe_clip(clip), fill=TEXT)
        for column, frame in enumerate(_render_frames(clip)):
            sheet.paste(frame, (GAP + column * (frame.width + GAP), top + TEXT_HEIGHT))
        top += height
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=False)
    return out.getvalue()


def _choose_clips(clips: Sequence[ClipRow]) -> list[ClipRow]:
    """The kept ones, or as many as there is space for, at even distances."""
    count = sum(row.kept for row in clips)
    most = min(count, MOST_CLIPS)
    places = {index * count // most for index in range(most)}
    return [row for place, row in enumerate(row for row in clips if row.kept) if place in places]


def _fit_frame(clip: ClipRow) -> tuple[int, int]:
    """Return the width and height at which frames of a clip are shown."""
    scale = CELL / max(clip.width, clip.height)
    return max(1, round(clip.width * scale)), max(1, round(clip.height * scale))


def _choose_frames(clip: SceneClip) -> list[int]:
    """Return the frames that fill a line, at even distances; upright ones are narrower, so that more fit."""
    count = min(len(clip), max(1, (WIDTH - GAP) // (_fit_frame(clip.row)[0] + GAP)))
    places = np.linspace(FIRST_PLACE, LAST_PLACE, count)
    return [min(len(clip) - 1, int(place * len(clip))) for place in places]


def _describe_clip(scene: SceneClip) -> str:
    clip, tracks = scene.row, [row.kept for row in scene.all_tracks]
    count = tracks.count(True)
    kept = f"{count} {'track' if count == 1 else 'tracks'}"
    rejected = f", {tracks.count(False)} rejected" if False in tracks else ""
    # the font knows no other letters
    name = (scene.source.name or "").encode("ascii", "replace").decode()[:MOST_LETTERS]
    return (
        f"{clip.clip[:8]}  {name}  {clip.split}  {clip.start_seconds:.1f}-{clip.end_seconds:.1f} s  "
        f"{clip.frames} frames  {kept}{rejected}  camera {clip.camera_source}"
    )


def _render_frames(clip: SceneClip) -> list[Image.Image]:
    names = name_tracks(clip)
    return [
        Image.fromarray(draw_tracks(clip, frame, names)).resize(_fit_frame(clip.row))
        for frame in _choose_frames(clip)
    ]
