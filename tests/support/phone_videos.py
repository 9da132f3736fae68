"""A folder of videos as phones leave them: turned, of variable rate, 10 bit, with sound, cut off."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.support.media_files import rotate_mp4, write_frames

Rgb = NDArray[np.uint8]
# codes of ITU-T H.273: BT.2020 with the transfer of hybrid log-gamma
HLG = (9, 18, 9)
# samples of sound per second
SAMPLES = 48_000
# what a phone in low light does: milliseconds between frames
UNEVEN_STEPS = (33, 34, 33, 50, 67, 33, 33, 42)


def write_phone_videos(folder: Path, films: Sequence[Sequence[Rgb]]) -> dict[str, Path]:
    """Write one video per kind from five films of RGB frames (H, W, 3) at 30 per second; paths by kind.

    `turned` is H.265 with sound that the container turns; `uneven` has a variable rate; `hdr` is 10-bit H.265
    in hybrid log-gamma with sound; `cut` ends in the middle of its frames; `lost` was never finished and
    has no index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    turned, uneven, hdr, cut, lost = films
    paths = {
        "turned": folder / "IMG_0001.MOV",
        "uneven": folder / "VID_20260102_101500.mp4",
        "hdr": folder / "IMG_0003.MOV",
        "cut": folder / "VID_20260104_120000.mp4",
        "lost": folder / "IMG_0005.MOV",
    }
    write_with_sound(paths["turned"], [np.rot90(frame) for frame in turned], pix_fmt="yuv420p")
    rotate_mp4(paths["turned"], 1)
    steps = [UNEVEN_STEPS[index % len(UNEVEN_STEPS)] for index in range(len(uneven))]
    write_frames(paths["uneven"], uneven, pts=np.cumsum([0, *steps[:-1]]).tolist())
    write_with_sound(paths["hdr"], hdr, pix_fmt="yuv420p10le", color=HLG)
    write_frames(paths["cut"], cut, container_options={"movflags": "faststart"}, gop=15)
    _cut_off(paths["cut"], 0.6)
    write_frames(paths["lost"], lost)
    _cut_off(paths["lost"], 0.6)
    return paths


def write_with_sound(
    path: Path, frames: Sequence[Rgb], *, pix_fmt: str, color: tuple[int, int, int] | None = None
) -> None:
    """H.265 at 30 frames per second beside a tone in AAC."""
    with av.open(str(path), "w", format="mov") as container:
        video: Any = container.add_stream(
            "libx265", rate=30, options={"x265-params": "log-level=none", "crf": "18"}
        )
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], pix_fmt
        video.codec_context.codec_tag = "hvc1"
        if color is not None:
            context = video.codec_context
            context.color_primaries, context.color_trc, context.colorspace = color
        sound: Any = container.add_stream("aac", rate=SAMPLES)
        sound.codec_context.layout = "mono"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        time = np.arange(round(SAMPLES * len(frames) / 30), dtype=np.float32) / SAMPLES
        tone = np.asarray(0.1 * np.sin(2 * np.pi * 440 * time), np.float32)[None]
        samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        samples.sample_rate, samples.time_base, samples.pts = SAMPLES, Fraction(1, SAMPLES), 0
        container.mux(sound.encode(samples))
        container.mux(sound.encode())


def _cut_off(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
