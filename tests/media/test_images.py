"""Images of every mode come out upright, in sRGB, with the size that the probe reported."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import psutil
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from media.errors import MediaError
from media.limits import MediaLimits
from media.sandbox import Sandbox
from tests.support.media_files import encode_image, encode_png, make_gradient, make_png_bomb

Store = Callable[[bytes], Path]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def keep(tmp_path: Path) -> Store:
    def store(data: bytes) -> Path:
        file = tmp_path / "medium"
        file.write_bytes(data)
        return file

    return store


PLAIN = make_gradient()
GREY = np.repeat(np.asarray(Image.fromarray(PLAIN).convert("L"))[..., None], 3, axis=2)


def test_png_is_exact_and_probed_without_decoding(sandbox: Sandbox, keep: Store) -> None:
    file = keep(encode_png(PLAIN))
    probe = sandbox.probe(file)
    assert (probe["kind"], probe["width"], probe["height"], probe["media_type"]) == (
        "image",
        64,
        48,
        "image/png",
    )
    np.testing.assert_array_equal(sandbox.image(file).pixels, PLAIN)


@pytest.mark.parametrize(
    ("format", "tolerance"), [("JPEG", 6), ("WEBP", 10), ("AVIF", 10), ("BMP", 0), ("TIFF", 0)]
)
def test_common_formats(sandbox: Sandbox, keep: Store, format: str, tolerance: int) -> None:
    file = keep(encode_image(Image.fromarray(PLAIN), format))
    assert sandbox.probe(file)["codec"] == format.lower()
    difference = np.abs(sandbox.image(file).pixels.astype(int) - PLAIN)
    assert difference.mean() <= tolerance


def test_heic(sandbox: Sandbox, keep: Store) -> None:
    pillow_heif.register_heif_opener()
    try:
        data = encode_image(Image.fromarray(make_gradient(64, 64)), "HEIF", quality=95)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        pytest.skip(f"this wheel cannot encode HEIC, so there is nothing to read: {error}")
    file = keep(data)
    assert sandbox.probe(file)["media_type"] == "image/heif"
    assert np.abs(sandbox.image(file).pixels.astype(int) - make_gradient(64, 64)).mean() < 6


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.transpose(1, 0, 2)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: p.transpose(1, 0, 2)[::-1, ::-1]),
        (8, lambda p: np.rot90(p)),
    ],
)
def test_exif_orientation(
    sandbox: Sandbox, keep: Store, orientation: int, upright: Callable[[np.ndarray], np.ndarray]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = keep(encode_image(Image.fromarray(PLAIN), "PNG", exif=exif))
    expected = upright(PLAIN)
    probe = sandbox.probe(file)
    assert (probe["height"], probe["width"]) == expected.shape[:2]
    np.testing.assert_array_equal(sandbox.image(file).pixels, expected)


def test_exif_focal_length_is_reported_or_unknown(sandbox: Sandbox, keep: Store) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28
    assert sandbox.image(keep(encode_image(Image.fromarray(PLAIN), "JPEG", exif=exif))).focal_35mm == 28
    assert sandbox.image(keep(encode_png(PLAIN))).focal_35mm is None


@pytest.mark.parametrize(
    ("stated", "degrees"),
    [(IFDRational(-305, 10), -30.5), (IFDRational(0, 1), 0.0), (IFDRational(1, 0), None)],
)
def test_exif_elevation_is_reported_or_unknown(
    sandbox: Sandbox, keep: Store, stated: IFDRational, degrees: float | None
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9405] = stated
    decoded = sandbox.image(keep(encode_image(Image.fromarray(PLAIN), "JPEG", exif=exif)))
    assert decoded.elevation_deg == (None if degrees is None else pytest.approx(degrees))


def test_grey_and_palette_and_bilevel(sandbox: Sandbox, keep: Store) -> None:
    grey = Image.fromarray(PLAIN).convert("L")
    np.testing.assert_array_equal(sandbox.image(keep(encode_image(grey, "PNG"))).pixels, GREY)
    palette = Image.fromarray(PLAIN).quantize(64)
    np.testing.assert_array_equal(
        sandbox.image(keep(encode_image(palette, "PNG"))).pixels, np.asarray(palette.convert("RGB"))
    )
    bilevel = sandbox.image(keep(encode_image(grey.convert("1"), "PNG"))).pixels
    assert set(np.unique(bilevel)) == {0, 255}


def test_sixteen_bits_keep_their_tones(sandbox: Sandbox, keep: Store) -> None:
    wide = (GREY[..., 0].astype(np.uint16) * 257).astype(np.uint16)
    pixels = sandbox.image(keep(encode_image(Image.fromarray(wide), "PNG"))).pixels
    np.testing.assert_array_equal(pixels, GREY)


def test_alpha_is_laid_over_white(sandbox: Sandbox, keep: Store) -> None:
    rgba = np.dstack([PLAIN, np.full(PLAIN.shape[:2], 255, np.uint8)])
    rgba[:10, :10, 3] = 0
    pixels = sandbox.image(keep(encode_image(Image.fromarray(rgba), "PNG"))).pixels
    assert (pixels[:10, :10] == 255).all()
    np.testing.assert_array_equal(pixels[10:, 10:], PLAIN[10:, 10:])


def test_cmyk_looks_like_its_rgb(sandbox: Sandbox, keep: Store) -> None:
    cmyk = Image.fromarray(PLAIN).convert("CMYK")
    pixels = sandbox.image(keep(encode_image(cmyk, "JPEG", quality=95))).pixels
    assert np.abs(pixels.astype(int) - PLAIN).mean() < 8


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_animation_gives_its_first_frame_and_all_frames_in_time(
    sandbox: Sandbox, keep: Store, format: str
) -> None:
    colors = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]
    images = [Image.new("RGB", (32, 24), color) for color in colors]
    options = {"lossless": True} if format == "WEBP" else {}
    file = keep(
        encode_image(
            images[0], format, save_all=True, append_images=images[1:], duration=[100, 50, 80], **options
        )
    )
    assert sandbox.probe(file)["frames"] == 3
    assert np.abs(sandbox.image(file).pixels[0, 0].astype(int) - colors[0]).max() < 12
    opened = sandbox.frames(file, animated=True)
    base, frames = opened.time_base, opened.frames
    actual = list(frames)
    assert base == (1, 1000)
    assert [frame.pts for frame in actual] == [0, 100, 150]
    for frame, color in zip(actual, colors, strict=True):
        assert np.abs(frame.pixels[5, 5].astype(int) - color).max() < 12


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unsupported_media"),
        (b"hello, I am a text", "unsupported_media"),
        (b"%PDF-1.7 not for us", "unsupported_media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_media"),
    ],
)
def test_what_is_no_medium_is_refused(sandbox: Sandbox, keep: Store, data: bytes, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        sandbox.probe(keep(data))
    assert caught.value.code == code


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_a_truncated_image_is_broken_not_half_decoded(sandbox: Sandbox, keep: Store, format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    data = encode_image(Image.fromarray(noise), format)
    file = keep(data[: len(data) // 2])
    for use in (sandbox.probe, sandbox.image):
        with pytest.raises(MediaError) as caught:
            use(file)
        assert caught.value.code == "image_broken"


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF"])
def test_frames_of_animations_have_the_limit_of_videos(tmp_path: Path, format: str) -> None:
    path = tmp_path / "animation"
    frames = [Image.new("L", (50, 40), value) for value in (0, 200)]
    frames[0].save(path, format, save_all=True, append_images=frames[1:])
    with Sandbox(MediaLimits(image_pixels=2000, video_pixels=1999)) as sandbox:
        assert sandbox.image(path).pixels.shape == (40, 50, 3)
        with pytest.raises(MediaError) as error:
            list(sandbox.frames(path, animated=True).frames)
    assert (error.value.code, error.value.status) == ("video_too_large", 413)


def test_a_bomb_is_refused_by_its_header(sandbox: Sandbox, keep: Store) -> None:
    data = make_png_bomb()
    assert len(data) < 200_000
    with pytest.raises(MediaError) as caught:
        sandbox.probe(keep(data))
    assert (caught.value.code, caught.value.status) == ("image_too_large", 413)


@pytest.mark.slow
def test_the_child_is_bounded_in_memory_and_the_next_request_is_served(keep: Store) -> None:
    limits = MediaLimits(image_pixels=2_000_000_000, memory_bytes=1 << 30)
    with Sandbox(limits) as sandbox:
        with pytest.raises(MediaError) as caught:
            sandbox.image(keep(make_png_bomb()))
        assert caught.value.code in ("media_too_costly", "decoding_crashed")
        np.testing.assert_array_equal(sandbox.image(keep(encode_png(PLAIN))).pixels, PLAIN)


def test_a_child_that_dies_is_replaced(keep: Store) -> None:
    with Sandbox() as sandbox:
        file = keep(encode_png(PLAIN))
        sandbox.probe(file)
        assert sandbox._child is not None
        psutil.Process(sandbox._child.pid).kill()
        while sandbox._child.is_alive():
            time.sleep(0.01)
        assert sandbox.probe(file)["width"] == 64


MEASURE_PEAK = """
import resource, sys
from media import images
from media.limits import MediaLimits
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pixels, _ = images.decode(sys.argv[1], MediaLimits())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / (pixels.shape[0] * pixels.shape[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "format"), [("RGBA", "PNG"), ("P", "GIF"), ("RGBA", "WEBP"), ("CMYK", "TIFF")]
)
def test_decoding_takes_few_bytes_per_pixel(mode: str, format: str, tmp_path: Path) -> None:
    """Flat images pack small: the limit of pixels decides, and docs/media.md states 10 bytes for each."""
    path = tmp_path / "flat"
    Image.new("RGB", (4000, 4000), (200, 80, 60)).convert(mode).save(path, format)
    result = subprocess.run(
        [sys.executable, "-c", MEASURE_PEAK, str(path)], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) < 12


def test_the_last_image_of_a_key_is_decoded_once_and_cannot_be_changed(sandbox: Sandbox, keep: Store) -> None:
    first = sandbox.image(keep(encode_png(PLAIN)), key="a")
    assert sandbox.image(Path("is not read again"), key="a") is first
    with pytest.raises(ValueError, match="read-only"):
        first.pixels[0, 0] = 0
    # another key, or none, is decoded as ever
    other = sandbox.image(keep(encode_png(255 - PLAIN)), key="b")
    np.testing.assert_array_equal(other.pixels, 255 - PLAIN)
    own = sandbox.image(keep(encode_png(PLAIN)))
    own.pixels[:] = 0
    np.testing.assert_array_equal(first.pixels, PLAIN)
