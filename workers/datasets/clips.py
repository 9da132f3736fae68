"""One clip: frames scaled down, objects tracked, each track judged by gates."""

import io
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from maquette.contract import DatasetJob
from numpy.typing import NDArray
from PIL import Image

from media.sandbox import DecodedFrame
from workers.engines.protocols import ConceptEngine, FrameResult, TrackPrompts, VideoFrame
from workers.formats import rle

# the smallest track that shows an object moving, and the smallest mask that shows what it is
MIN_FRAMES = 4
MIN_AREA = 64.0
JPEG_QUALITY = 92


@dataclass(slots=True)
class ClipRows:
    """Rows of one clip for each table."""

    clip: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    observations: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


class ClipBuilder:
    """Takes the frames of one clip in order; `finish` judges the tracks."""

    def __init__(
        self, engine: ConceptEngine, request: DatasetJob, number: int, source: str, base: tuple[int, int]
    ) -> None:
        self._size = request.size
        self._number = number
        self._source = source
        self._base = base
        self._first: DecodedFrame | None = None
        self._frames: list[dict[str, Any]] = []
        self._seen: dict[int, list[dict[str, Any]]] = {}
        self._labels: dict[int, str | None] = {}
        self._tracker = engine.tracker(TrackPrompts(phrases=tuple(request.text), threshold=request.threshold))
        self._shape = (0, 0)

    def add(self, frame: DecodedFrame) -> None:
        """Take the next frame; boxes and masks are in pixels of the scaled frame."""
        if self._first is None:
            self._first = frame
        small = scaled(frame.pixels, self._size)
        self._shape = (small.shape[0], small.shape[1])
        local = len(self._frames)
        self._frames.append(
            {
                "clip": self._number,
                "frame": local,
                "source_frame": frame.index,
                "pts": frame.pts,
                "jpeg": _jpeg(small),
            }
        )
        self._note(self._tracker.step(VideoFrame(local, frame.pts, small)))

    def finish(self) -> ClipRows:
        """Judge every track; the rows of rejected tracks stay out of the observations."""
        self._note(self._tracker.finish())
        first = self._first
        assert first is not None
        height, width = self._shape
        rows = ClipRows(
            {
                "clip": self._number,
                "source": self._source,
                "first_frame": first.index,
                "frames": len(self._frames),
                "start_seconds": first.pts * self._base[0] / self._base[1],
                "width": width,
                "height": height,
                "source_width": int(first.pixels.shape[1]),
                "source_height": int(first.pixels.shape[0]),
                "time_base_numerator": self._base[0],
                "time_base_denominator": self._base[1],
            },
            self._frames,
        )
        for track, seen in sorted(self._seen.items()):
            self._judge(rows, track, seen)
        rows.observations.sort(key=lambda row: (row["frame"], row["track"]))
        return rows

    def _note(self, results: Any) -> None:
        result: FrameResult
        for result in results:
            for item in result.objects:
                self._labels[item.id] = item.label
                encoded = rle.encode_mask(item.mask)
                x0, y0, x1, y1 = item.box
                self._seen.setdefault(item.id, []).append(
                    {
                        "clip": self._number,
                        "frame": result.index,
                        "track": item.id,
                        "x0": x0,
                        "y0": y0,
                        "x1": x1,
                        "y1": y1,
                        "score": item.score,
                        "mask_height": encoded["size"][0],
                        "mask_width": encoded["size"][1],
                        "mask_counts": encoded["counts"],
                        "flags": list(item.flags),
                        "area": int(item.mask.sum()),
                    }
                )

    def _judge(self, rows: ClipRows, track: int, seen: list[dict[str, Any]]) -> None:
        area = float(np.mean([row["area"] for row in seen]))
        verdicts = [("length", float(len(seen)), float(MIN_FRAMES)), ("area", area, MIN_AREA)]
        for gate, score, threshold in verdicts:
            rows.decisions.append(
                {
                    "clip": self._number,
                    "track": track,
                    "gate": gate,
                    "score": score,
                    "threshold": threshold,
                    "passed": score >= threshold,
                }
            )
        kept = all(score >= threshold for _, score, threshold in verdicts)
        rows.tracks.append(
            {
                "clip": self._number,
                "track": track,
                "label": self._labels[track],
                "first_frame": seen[0]["frame"],
                "last_frame": seen[-1]["frame"],
                "frames": len(seen),
                "mean_score": float(np.mean([row["score"] for row in seen])),
                "mean_area": area,
                "kept": kept,
            }
        )
        if kept:
            rows.observations.extend(seen)


def scaled(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """An RGB image (H, W, 3) scaled down so that its longest side is at most `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
