"""Colours and ranges: modes × depths × profiles, as sRGB over white."""

import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from media.errors import MediaError
from media.sandbox import Sandbox
from media.transfers import flag_colors
from tests.support.icc_profiles import linear_grey, swapped_primaries
from tests.support.media_files import flat_frames, write_frames
from tests.support.tiff_files import FLOAT, SIGNED, write_grey_tiff

RAMP = np.arange(256)
RAMP_12 = np.rint(RAMP / 255 * 4095).astype(int)


def pack_12_bits(values: np.ndarray) -> bytes:
    pairs = values.reshape(-1, 2)
    return b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in pairs.tolist())


GREYS: dict[str, tuple[bytes, int, int]] = {
    "8": (RAMP.astype("u1").tobytes(), 8, 1),
    "12": (pack_12_bits(RAMP_12), 12, 1),
    "16": ((RAMP * 257).astype("<u2").tobytes(), 16, 1),
    "32": ((RAMP.astype(np.uint64) * 16843009).astype("<u4").tobytes(), 32, 1),
    "float": ((RAMP / 255).astype("<f4").tobytes(), 32, FLOAT),
}


@pytest.mark.parametrize("white_is_zero", [False, True], ids=["black-is-zero", "white-is-zero"])
@pytest.mark.parametrize("name", GREYS)
def test_greys_of_every_depth_span_black_to_white(
    name: str, white_is_zero: bool, tmp_path: Path, sandbox: Sandbox
) -> None:
    data, bits, kind = GREYS[name]
    path = write_grey_tiff(
        tmp_path / "grey.tif",
        data,
        width=256,
        height=1,
        bits=bits,
        sample_format=kind,
        white_is_zero=white_is_zero,
    )
    if white_is_zero and name in ("12", "32"):
        # Pillow reads no such files: a refusal, not a wrong image
        with pytest.raises(MediaError) as error:
            sandbox.probe(path)
        assert error.value.code == "image_broken"
        return
    row = sandbox.image(path).pixels[0]
    expected = 255 - RAMP if white_is_zero else RAMP
    assert np.abs(row.astype(int) - expected[:, None]).max() <= 1


def test_floats_take_their_stated_range(tmp_path: Path, sandbox: Sandbox) -> None:
    data = (RAMP * 257).astype("<f4").tobytes()
    options = {"width": 256, "height": 1, "bits": 32, "sample_format": FLOAT}
    path = write_grey_tiff(tmp_path / "stated.tif", data, sample_range=(0, 65535), **options)
    assert np.abs(sandbox.image(path).pixels[0, :, 0].astype(int) - RAMP).max() <= 1
    unstated = write_grey_tiff(tmp_path / "unstated.tif", data, **options)
    with pytest.raises(MediaError) as error:
        sandbox.image(unstated)
    assert error.value.code == "image_range_unknown"
    assert "65535" in error.value.detail


def test_signed_numbers_are_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    data = (RAMP - 128).astype("<i2").tobytes()
    path = write_grey_tiff(tmp_path / "signed.tif", data, width=256, height=1, bits=16, sample_format=SIGNED)
    with pytest.raises(MediaError) as error:
        sandbox.image(path)
    assert error.value.code == "image_range_unknown"


def test_sixteen_bits_of_png(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray((RAMP[None] * 257).astype(np.uint16)).save(path)
    assert np.array_equal(sandbox.image(path).pixels[0, :, 0], RAMP)


def in_mode(mode: str) -> Image.Image:
    """A flat image of (200, 80, 60), half transparent where the mode has an alpha channel."""
    image = Image.new("RGBA", (8, 8), (200, 80, 60, 128))
    if mode == "RGB":
        return image.convert("RGB")
    if mode == "P":
        return image.convert("RGB").quantize(4)
    return image


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_profiles_are_converted_in_every_mode(
    mode: str, format: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    if (mode, format) == ("P", "WEBP"):
        pytest.skip("WebP has no palettes")
    options = {"lossless": True} if format == "WEBP" else {}
    path = tmp_path / "image"
    in_mode(mode).save(path, format, icc_profile=swapped_primaries(), **options)
    decoded = sandbox.image(path)
    expected = np.array([80, 200, 60])
    if mode == "RGBA":
        expected = np.rint(expected * 128 / 255 + 255 * 127 / 255)
    assert np.abs(decoded.pixels[4, 4] - expected).max() <= 2
    assert decoded.flags == ()


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_profiles_are_converted(mode: str, tmp_path: Path, sandbox: Sandbox) -> None:
    value = 128
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), value * 257, np.uint16))
    else:
        image = Image.new(mode, (8, 8), value if mode == "L" else (value, 255))
    path = tmp_path / "grey.png"
    image.save(path, icc_profile=linear_grey())
    linear = value / 255
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(sandbox.image(path).pixels[4, 4] - expected).max() <= 2


def test_cmyk_and_lab(tmp_path: Path, sandbox: Sandbox) -> None:
    cmyk = tmp_path / "cmyk.tif"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(cmyk)
    assert sandbox.image(cmyk).pixels[4, 4].tolist() == [255, 0, 0]
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = tmp_path / "lab.tif"
    ImageCms.applyTransform(Image.new("RGB", (8, 8), (200, 80, 60)), to_lab).save(lab)
    assert np.abs(sandbox.image(lab).pixels[4, 4].astype(int) - (200, 80, 60)).max() <= 3


@pytest.mark.parametrize("profile", [b"no profile at all", linear_grey()], ids=["broken", "of-another-space"])
def test_a_profile_that_does_not_fit_is_flagged(profile: bytes, tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "image.tif"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path, icc_profile=profile)
    decoded = sandbox.image(path)
    assert decoded.flags == ("icc_profile_ignored",)
    assert decoded.pixels[4, 4].tolist() == [255, 0, 0]


def with_cicp(data: bytes, primaries: int, transfer: int) -> bytes:
    """A PNG with a cICP chunk before its pixels (PNG 3rd edition, 11.3.2.6)."""
    body = b"cICP" + bytes([primaries, transfer, 0, 1])
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


def with_chunk(data: bytes, name: bytes, *values: int) -> bytes:
    """A PNG with a chunk of 32-bit integers before its pixels."""
    body = name + struct.pack(f">{len(values)}I", *values)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
@pytest.mark.parametrize(
    ("gamma", "expected"), [(100_000, 186), (45_455, 128), (45_000, 128), (55_556, 145), (0, 128)]
)
def test_the_gamma_of_a_png_is_applied(
    gamma: int, expected: int, mode: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "image.png"
    Image.new("RGBA" if mode == "RGBA" else "RGB", (8, 8), (128, 128, 128)).convert(
        mode, palette=Image.Palette.ADAPTIVE
    ).save(path)
    path.write_bytes(with_chunk(path.read_bytes(), b"gAMA", gamma))
    decoded = sandbox.image(path)
    # 255 (128 / 255) ** (1 / 2.2 / gamma): PNG, 13.13
    assert decoded.pixels[4, 4].tolist() == pytest.approx([expected] * 3, abs=1)


def test_srgb_takes_precedence_over_gamma(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (8, 8), (128, 128, 128)).save(path)
    data = with_chunk(path.read_bytes(), b"gAMA", 100_000)
    body = b"sRGB\0"
    path.write_bytes(
        data[:33] + struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    )
    assert sandbox.image(path).pixels[4, 4].tolist() == [128, 128, 128]


@pytest.mark.parametrize(
    ("red", "flags"), [((64_000, 33_000), ()), ((68_000, 32_000), ("wide_gamut_not_converted",))]
)
def test_primaries_of_a_png_are_flagged(
    red: tuple[int, int], flags: tuple[str, ...], tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "image.png"
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    rest = (30_000, 60_000, 15_000, 6_000)
    path.write_bytes(with_chunk(path.read_bytes(), b"cHRM", 31_270, 32_900, *red, *rest))
    assert sandbox.image(path).flags == flags
    video = sandbox.frames(path, animated=True)
    assert len(list(video.frames)) == 2
    assert tuple(video.flags) == flags


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
    path = write_frames(
        tmp_path / "clip.mp4", flat_frames(4), codec="libx265", pix_fmt="yuv420p10le", color=codes
    )
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
