"""Colours and ranges: modes × depths × profiles, as sRGB over white."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from media.errors import MediaError
from media.sandbox import Sandbox
from tests.support.icc_profiles import linear_grey, swapped_primaries
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
