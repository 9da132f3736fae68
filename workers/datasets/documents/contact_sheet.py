"""The contact sheet: what was kept, seen at a glance."""

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from workers.datasets import parquet
from workers.datasets.schema import ClipRow, FrameRow, ObservationRow
from workers.datasets.version import DatasetVersion
from workers.formats.overlay import overlay_masks
from workers.formats.rle import decode_mask

MOST_CLIPS = 16
LOOKS = (0.05, 0.35, 0.65, 0.95)
CELL = 224
HEAD = 22
PAPER, INK = (250, 250, 248), (30, 30, 30)

Picture = NDArray[np.uint8]


def render_contact_sheet(written: DatasetVersion, read: Callable[[str], bytes]) -> bytes:
    """PNG: one line a kept clip, four frames each with masks; evenly chosen when there are more than 16."""
    kept = [row for row in written.rows["clips"] if row.kept]
    chosen = (
        [kept[index * len(kept) // MOST_CLIPS] for index in range(MOST_CLIPS)]
        if len(kept) > MOST_CLIPS
        else kept
    )
    labels = {(row.clip, row.track): row.label or row.concept or "" for row in written.rows["tracks"]}
    tallest = max((round(CELL * row.height / max(row.width, row.height)) for row in chosen), default=CELL)
    line = HEAD + tallest + 6
    sheet = Image.new("RGB", (len(LOOKS) * (CELL + 4) + 8, max(1, len(chosen)) * line + 8), PAPER)
    draw = ImageDraw.Draw(sheet)
    if not chosen:
        draw.text((8, 8), "no clip was kept", fill=INK)
    for index, clip in enumerate(chosen):
        top = 4 + index * line
        tracks = sum(row.kept and row.clip == clip.clip for row in written.rows["tracks"])
        words = (
            f"{clip.clip[:8]}  {clip.split}  {clip.start_seconds:.1f}-{clip.end_seconds:.1f} s  "
            f"{clip.frames} frames  {tracks} tracks  camera {clip.camera_source}"
        )
        draw.text((6, top + 4), words, fill=INK)
        for column, picture in enumerate(_pictures(written, read, clip, labels)):
            sheet.paste(Image.fromarray(picture), (4 + column * (CELL + 4), top + HEAD))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=False)
    return out.getvalue()


def _pictures(
    written: DatasetVersion, read: Callable[[str], bytes], clip: ClipRow, labels: dict[tuple[str, int], str]
) -> Sequence[Picture]:
    frames = _shard(written, read, "frames", FrameRow, clip.clip)
    seen: dict[int, list[ObservationRow]] = defaultdict(list)
    for row in _shard(written, read, "observations", ObservationRow, clip.clip):
        seen[row.frame].append(row)
    found = []
    for place in LOOKS:
        frame = frames[min(len(frames) - 1, int(place * len(frames)))]
        with Image.open(io.BytesIO(frame.jpeg)) as picture:
            image = np.asarray(picture.convert("RGB"))
        mine = seen[frame.frame]
        drawn = overlay_masks(
            image,
            [decode_mask({"size": [r.mask_height, r.mask_width], "counts": r.mask_counts}) for r in mine],
            [labels[clip.clip, row.track] for row in mine],
            [row.track for row in mine],
        )
        scale = CELL / max(clip.width, clip.height)
        size = max(1, round(clip.width * scale)), max(1, round(clip.height * scale))
        found.append(np.asarray(Image.fromarray(drawn).resize(size)))
    return found


def _shard(
    written: DatasetVersion, read: Callable[[str], bytes], table: str, row: type[Any], clip: str
) -> list[Any]:
    for file in written.manifest.tables[table]:
        if file.clip == clip:
            return parquet.read(row, read(file.sha256))
    return []
