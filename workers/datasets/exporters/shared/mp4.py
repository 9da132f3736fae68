"""MP4 files of frames."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from numpy.typing import NDArray

# one thread: x264 writes other bytes for another number of threads
X264_OPTIONS = {"crf": "17", "preset": "medium", "threads": "1"}


def encode_mp4(frames: Iterable[NDArray[np.uint8]], rate: float, key_frame_interval: int = 12) -> bytes:
    """The bytes of the file that `write_mp4` writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_mp4(path, frames, rate, key_frame_interval)
        return path.read_bytes()


def write_mp4(
    path: Path, frames: Iterable[NDArray[np.uint8]], rate: float, key_frame_interval: int = 12
) -> int:
    """Write RGB frames (H, W, 3) as H.264 at `rate` frames per second; return how many.

    Frame k has the time k / rate. H.264 with 4:2:0 chroma needs even sides: an odd last row or column is
    dropped. A decoder can start at every `key_frame_interval`-th frame.
    """
    exact_rate = Fraction(rate).limit_denominator(1001)
    count = 0
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        options = {**X264_OPTIONS, "g": str(key_frame_interval)}
        stream = container.add_stream("libx264", rate=exact_rate, options=options)
        stream.pix_fmt = "yuv420p"
        for count, image in enumerate(frames, 1):
            height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
            if count == 1:
                stream.height, stream.width = height, width
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = count - 1, 1 / exact_rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return count
