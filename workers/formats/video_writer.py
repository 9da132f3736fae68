"""Frames to an H.264 MP4 that browsers play, with the timestamps of the source."""

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

# Constant rate factor; the default of x264.
CRF = "23"
# The rate that the encoder plans with where the source has none; frames keep their own timestamps.
NOMINAL_RATE = 30


class VideoWriter:
    """Takes RGB frames of one size with rising pts, in a `with` block; `finish` returns the file."""

    def __init__(self, width: int, height: int, time_base: tuple[int, int]) -> None:
        """Frames are `width` x `height` pixels, cropped to even sides; pts count `time_base` seconds."""
        # FFmpeg reopens the file to move its index to the front, so it cannot be written to memory.
        self._folder = tempfile.TemporaryDirectory(prefix="maquette-video-")
        self._path = Path(self._folder.name) / "video.mp4"
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

    def add(self, image: NDArray[np.uint8], pts: int) -> None:
        """Encode one frame (H, W, 3); the video starts at the pts of the first one."""
        if self._first is None:
            self._first = pts
        even = np.ascontiguousarray(image[: self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts, frame.time_base = pts - self._first, self._base
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def finish(self) -> bytes:
        """Close the video and return the bytes of its file."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        return self._path.read_bytes()
