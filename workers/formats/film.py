"""Frames to an H.264 MP4 that browsers play, at the times of the source."""

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

CRF = "23"
# Rate that the encoder plans with where the source tells none; frames keep their own times.
NOMINAL_RATE = 30


class Film:
    """Takes RGB frames of one size with rising pts, in a `with` block; `finish` gives the file's bytes."""

    def __init__(self, width: int, height: int, time_base: tuple[int, int]) -> None:
        """Frames are `width` x `height`, cut to even sides; `time_base` is of the pts, in seconds."""
        # FFmpeg opens the file again to move its index to the front, so memory will not do.
        self._folder = tempfile.TemporaryDirectory(prefix="maquette-film-")
        self._path = Path(self._folder.name) / "film.mp4"
        self._container = av.open(str(self._path), "w", format="mp4", options={"movflags": "faststart"})
        self._base = Fraction(*time_base)
        # One thread: the same frames give the same bytes.
        self._stream = self._container.add_stream(
            "libx264", rate=NOMINAL_RATE, options={"crf": CRF, "preset": "veryfast", "threads": "1"}
        )
        self._stream.width, self._stream.height = width - width % 2, height - height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._base
        self._first: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        self._folder.cleanup()

    def add(self, pixels: NDArray[np.uint8], pts: int) -> None:
        """One frame (H, W, 3)."""
        if self._first is None:
            self._first = pts
        cut = np.ascontiguousarray(pixels[: self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
        frame.pts, frame.time_base = pts - self._first, self._base
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def finish(self) -> bytes:
        """The whole file."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        return self._path.read_bytes()


def fitted(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3), made smaller until its longest side is at most `longest`."""
    height, width = pixels.shape[:2]
    size = fitted_size(width, height, longest)
    if size == (width, height):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def fitted_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """The width and height that `fitted` gives."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))
