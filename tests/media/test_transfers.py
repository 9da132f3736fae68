"""Transfers and primaries that media state: shown as they are, converted to sRGB, or flagged."""

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from media.limits import MediaLimits
from media.sandbox import Sandbox
from media.transfers import flag_colors
from media.video import VideoDecoder, open_video
from tests.support.icc_profiles import linear_grey
from tests.support.media_files import flat_frames, with_cicp, write_frames


@pytest.mark.parametrize(
    ("primaries", "transfer", "flags"),
    [
        (9, 16, ["hdr_not_tone_mapped"]),
        (9, 18, ["hdr_not_tone_mapped"]),
        (12, 13, ["wide_gamut_not_converted"]),
        (1, 13, []),
    ],
    ids=["pq", "hlg", "display-p3", "srgb"],
)
def test_stills_that_declare_other_colours_are_flagged(
    primaries: int, transfer: int, flags: list[str], tmp_path: Path, sandbox: Sandbox
) -> None:
    png = tmp_path / "image.png"
    Image.new("RGB", (8, 8), (200, 80, 60)).save(png)
    png.write_bytes(with_cicp(png.read_bytes(), primaries, transfer))
    avif = tmp_path / "image.avif"
    Image.new("RGB", (64, 64), (200, 80, 60)).save(avif)
    data = bytearray(avif.read_bytes())
    struct.pack_into(">HH", data, data.index(b"colrnclx") + 8, primaries, transfer)
    avif.write_bytes(data)
    for path in (png, avif):
        assert sandbox.probe(path)["flags"] == flags
        assert list(sandbox.image(path).flags) == flags


@pytest.mark.parametrize(
    ("codes", "flags"),
    [
        ((9, 16, 9), ["hdr_not_tone_mapped"]),
        ((9, 18, 9), ["hdr_not_tone_mapped"]),
        ((2, 2, 9), ["hdr_not_tone_mapped"]),
        ((9, 14, 9), ["wide_gamut_not_converted"]),
        ((9, 8, 9), ["wide_gamut_not_converted"]),
        ((10, 17, 2), ["wide_gamut_not_converted"]),
        ((1, 1, 1), []),
    ],
    ids=["pq", "hlg", "bt2020-without-transfer", "bt2020-sdr", "bt2020-linear", "xyz", "bt709"],
)
def test_videos_that_declare_other_colours_are_flagged(
    codes: tuple[int, int, int], flags: list[str], tmp_path: Path, sandbox: Sandbox
) -> None:
    # x265 writes beyond its buffers for pictures that are less than 64 pixels wide or high
    frames = flat_frames(4, (128, 96))
    path = write_frames(tmp_path / "clip.mp4", frames, codec="libx265", pix_fmt="yuv420p10le", color=codes)
    assert sandbox.probe(path)["flags"] == flags


# the code of each transfer of ITU-T H.273, its flags, and the sRGB value of a signal of one half
SHOWN = {
    "unspecified": (2, [], 128),
    "bt709": (1, [], 128),
    "gamma-2.2": (4, [], 128),
    "gamma-2.8": (5, [], 128),
    "smpte-170m": (6, [], 128),
    "smpte-240m": (7, [], 128),
    "linear": (8, [], 188),
    "log": (9, [], 89),
    "log-sqrt": (10, [], 65),
    "xvycc": (11, ["wide_gamut_not_converted"], 128),
    "bt1361": (12, ["wide_gamut_not_converted"], 128),
    "srgb": (13, [], 128),
    "bt2020-10": (14, [], 128),
    "bt2020-12": (15, [], 128),
    "pq": (16, ["hdr_not_tone_mapped"], 128),
    "smpte-428": (17, [], 117),
    "hlg": (18, ["hdr_not_tone_mapped"], 128),
    "of-the-future": (19, [], 128),
}


def flat(value: int) -> np.ndarray:
    return np.full((48, 64, 3), value, np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("libx264", "yuv420p"), ("libx264", "yuv420p10le"), ("ffv1", "gbrp10le")]
)
def test_videos_of_every_transfer_are_converted_or_flagged(
    codec: str, pix_fmt: str, name: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    transfer, flags, expected = SHOWN[name]
    matrix = 2 if pix_fmt.startswith("gbr") else 1
    frames = [flat(128), flat(0), flat(255)]
    path = write_frames(
        tmp_path / "clip.mkv", frames, codec=codec, pix_fmt=pix_fmt, gop=1, color=(1, transfer, matrix)
    )
    assert sandbox.probe(path)["flags"] == flags
    for backward in (False, True):
        decoded = [frame.pixels for frame in sandbox.frames(path, backward=backward).frames]
        grey, black, white = reversed(decoded) if backward else decoded
        assert np.abs(grey.astype(int) - expected).max() <= 2
        assert black.max() <= 1
        assert white.min() >= 252


def test_shadows_of_linear_light_keep_their_steps(tmp_path: Path, sandbox: Sandbox) -> None:
    # 3 of 1023 parts of light is less than one of 255
    pixels = np.tile(np.repeat(np.arange(16, dtype=np.uint16) * 64, 4)[:, None], (48, 1, 3))
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(format="gbrp10le")
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gbrp10le"
        stream.codec_context.color_trc = 8
        container.mux([*stream.encode(frame), *stream.encode()])
    (decoded,) = sandbox.frames(path).frames
    light = np.arange(16) / 1023
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(decoded.pixels[24, 2::4, 1] - expected).max() <= 1


class WithoutColors:
    """A frame as PyAV 15 gives it, which LeRobot 0.6 needs: transfer and primaries are the stream's."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __getattr__(self, name: str) -> Any:
        if name in ("color_trc", "color_primaries"):
            raise AttributeError(name)
        return getattr(self._frame, name)


def test_older_decoders_state_the_transfer_of_the_stream(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "clip.mkv", [flat(128)], codec="ffv1", pix_fmt="gbrp10le", color=(1, 8, 2))
    with open_video(str(path), MediaLimits()) as (container, stream):
        decoder = VideoDecoder(container, stream)
        [(_, frame, code)] = decoder.frames()
        old = decoder.to_rgb(WithoutColors(frame), code)
        assert np.array_equal(old, decoder.to_rgb(frame, code))
    assert np.abs(old.astype(int) - SHOWN["linear"][2]).max() <= 2


@pytest.mark.parametrize("name", ["linear", "log", "log-sqrt", "smpte-428", "xvycc", "bt1361", "srgb"])
def test_stills_of_every_transfer_are_converted_or_flagged(
    name: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    transfer, flags, expected = SHOWN[name]
    png, animation, avif = (tmp_path / name for name in ("image.png", "animation.png", "image.avif"))
    image = Image.new("RGB", (64, 64), (128, 128, 128))
    image.save(png)
    image.save(animation, save_all=True, append_images=[Image.new("RGB", (64, 64))])
    image.save(avif, quality=100)
    for path in (png, animation):
        path.write_bytes(with_cicp(path.read_bytes(), 1, transfer))
    data = bytearray(avif.read_bytes())
    struct.pack_into(">HH", data, data.index(b"colrnclx") + 8, 1, transfer)
    avif.write_bytes(data)
    for path in (png, animation, avif):
        assert sandbox.probe(path)["flags"] == flags
        assert np.abs(sandbox.image(path).pixels[32, 32].astype(int) - expected).max() <= 2
    first = next(iter(sandbox.frames(animation, animated=True).frames))
    assert np.abs(first.pixels[32, 32].astype(int) - expected).max() <= 2


def test_a_profile_takes_precedence_over_a_stated_transfer(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "image.png"
    Image.new("L", (8, 8), 128).save(path, icc_profile=linear_grey())
    path.write_bytes(with_cicp(path.read_bytes(), 1, 8))
    assert np.abs(sandbox.image(path).pixels[4, 4].astype(int) - 188).max() <= 2


def test_eight_bits_of_bt2020_without_transfer_are_only_wide() -> None:
    assert flag_colors(2, 9, 9, bits=8) == ["wide_gamut_not_converted"]
