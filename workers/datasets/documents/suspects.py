"""The frames around each moment at which an id may have gone on with another object, merged or broken off."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from workers.datasets.documents.track_images import (
    ClipOpener,
    draw_tracks,
    find_window,
    fit_height,
)
from workers.datasets.gates.track_scores import BREAK_AT, MERGE_AT, MERGED_AT, SWITCH_AT
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ScoreRow
from workers.datasets.version import DatasetVersion

# moments of a report: more would make a page that nobody loads
MOST_SUSPECTS = 24
# seconds from the moment to the frames that are shown
OFFSETS = (-0.5, -0.2, 0.0, 0.2, 0.5)
# pixels
HEIGHT, GAP, LINE = 150, 3, 14
JPEG_QUALITY = 80
NAMES = {SWITCH_AT: "switch", MERGE_AT: "merge", MERGED_AT: "two under one mask", BREAK_AT: "break"}


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspected switch, merge, mask over two objects or break: what a caption says, and frames as JPEG."""

    caption: str
    jpeg: bytes


def count_suspects(version: DatasetVersion) -> int:
    """The suspected moments of the kept clips."""
    return len(_list_scores(version))


def render_suspects(version: DatasetVersion, opener: ClipOpener) -> Iterator[Suspect]:
    """The first suspected switches and merges of kept clips, then breaks, in the order of clips."""
    # what may be wrong in a track comes before what may be missing from it
    scores = sorted(_list_scores(version), key=lambda row: row.name == BREAK_AT)[:MOST_SUSPECTS]
    by_clip: dict[str, list[ScoreRow]] = {}
    for row in scores:
        by_clip.setdefault(row.clip, []).append(row)
    opener.gather(by_clip)
    for clip_row in version.rows["clips"]:
        if clip_row.clip not in by_clip:
            continue
        clip = opener.open(clip_row)
        for row in by_clip[clip_row.clip]:
            yield Suspect(_describe(clip, row), _render(clip, row))


def _list_scores(version: DatasetVersion) -> list[ScoreRow]:
    """One row per moment: those of a track that lie within a strip of another are in its picture."""
    kept = {row.clip for row in version.rows["clips"] if row.kept}
    last: dict[tuple[str, int | None, str], float] = {}
    rows = []
    for row in version.rows["scores"]:
        key, moment = (row.clip, row.track, row.name), row.value or 0.0
        if row.name in NAMES and row.clip in kept and moment - last.get(key, -math.inf) > OFFSETS[-1]:
            last[key] = moment
            rows.append(row)
    return rows


def _describe(clip: SceneClip, row: ScoreRow) -> str:
    track = next(item for item in clip.all_tracks if item.track == row.track)
    state = "kept" if track.kept else f"rejected by {', '.join(track.failed)}"
    label = track.label or track.concept or "track"
    return f"{clip.id[:8]} {label} {row.track}: {NAMES[row.name]} at {row.value or 0:.2f} s, {state}"


def _render(clip: SceneClip, row: ScoreRow) -> bytes:
    """A strip of frames, each cut to where the track is around the moment, with its time above it."""
    seconds = clip.timestamps() - clip.timestamps()[0]
    moment = row.value or 0.0
    frames = sorted({int(np.abs(seconds - (moment + offset)).argmin()) for offset in OFFSETS})
    own = [item for item in (*clip.observations, *clip.rejected_observations) if item.track == row.track]
    near = [item for item in own if frames[0] <= item.frame <= frames[-1]] or own
    x0, y0, x1, y1 = find_window(near, clip.size)
    names = {track.track: str(track.track) for track in clip.all_tracks}
    images = [fit_height(draw_tracks(clip, frame, names)[y0:y1, x0:x1], HEIGHT) for frame in frames]
    sheet = Image.new("RGB", (sum(image.width + GAP for image in images), HEIGHT + LINE), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for frame, image in zip(frames, images, strict=True):
        draw.text((left + 2, 1), f"{seconds[frame]:.2f} s", fill=(60, 60, 60))
        sheet.paste(image, (left, LINE))
        left += image.width + GAP
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
