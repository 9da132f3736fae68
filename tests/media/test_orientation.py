"""One upright image from every reader: formats × orientations × still, animation, frames, depth and video."""

from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from maquette.sources.avi import pack_frames
from maquette.sources.folders import find_videos
from numpy.typing import NDArray
from PIL import Image, ImageOps

from media.orientation import apply_orientation, matrix_orientation
from media.sandbox import Sandbox
from tests.support.media_files import make_gradient, set_display_matrix, write_frames

pillow_heif.register_heif_opener()

CODES = range(1, 9)
# how a stored image is made from the upright one, so that its code turns it back
STORE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
STILLS: dict[str, tuple[str, dict[str, object], int]] = {
    "jpeg": ("JPEG", {"quality": 95, "subsampling": 0}, 8),
    "png": ("PNG", {}, 0),
    "webp": ("WEBP", {"lossless": True}, 0),
    "tiff": ("TIFF", {}, 0),
    "tiff-deflate": ("TIFF", {"compression": "tiff_deflate"}, 0),
    "avif": ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 8),
}
ANIMATIONS: dict[str, tuple[str, dict[str, object]]] = {
    "png": ("PNG", {"duration": 100}),
    "webp": ("WEBP", {"lossless": True, "duration": 100}),
    "tiff": ("TIFF", {}),
    "tiff-deflate": ("TIFF", {"compression": "tiff_deflate"}),
}


def upright(index: int = 0) -> NDArray[np.uint8]:
    """An image (40, 64, 3) whose corners differ; frames differ by their brightness."""
    return np.clip(make_gradient(40, 64).astype(int) + 10 * index, 0, 255).astype(np.uint8)


def store_rotated(pixels: NDArray[np.generic], code: int) -> Image.Image:
    image = Image.fromarray(pixels)
    return image.transpose(STORE[code]) if code in STORE else image


def exif(code: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = code
    return tags


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", STILLS)
def test_stills_are_upright(name: str, code: int, tmp_path: Path, sandbox: Sandbox) -> None:
    format, options, tolerance = STILLS[name]
    path = tmp_path / "image"
    store_rotated(upright(), code).save(path, format, exif=exif(code), **options)
    info = sandbox.probe(path)
    pixels = sandbox.image(path).pixels
    assert (info["width"], info["height"]) == (64, 40)
    assert pixels.shape == (40, 64, 3)
    assert np.abs(pixels.astype(int) - upright()).max() <= tolerance
    with Image.open(path) as image:
        reference = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), int)
    assert np.abs(pixels - reference).max() <= tolerance


@pytest.mark.parametrize("code", CODES)
def test_heif_is_turned_by_its_container_alone(code: int, tmp_path: Path, sandbox: Sandbox) -> None:
    """ISO/IEC 23008-12 ignores the EXIF code: `irot` and `imir`, which the decoder applies, are normative."""
    path = tmp_path / "image.heic"
    Image.fromarray(upright()).save(path, "HEIF", exif=exif(code), quality=95, chroma=444)
    assert np.abs(sandbox.image(path).pixels.astype(int) - upright()).max() <= 8


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_deflate"}], ids=["raw", "deflate"])
def test_grey_tiffs_are_upright(options: dict[str, str], code: int, tmp_path: Path, sandbox: Sandbox) -> None:
    grey = upright()[..., 0]
    path = tmp_path / "grey.tif"
    store_rotated(grey, code).save(path, "TIFF", exif=exif(code), **options)
    assert np.array_equal(sandbox.image(path).pixels[..., 0], grey)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", ANIMATIONS)
def test_animations_are_upright(name: str, code: int, tmp_path: Path, sandbox: Sandbox) -> None:
    format, options = ANIMATIONS[name]
    path = tmp_path / "animation"
    first, *others = [store_rotated(upright(index), code) for index in range(3)]
    for image in (first, *others):
        image.getexif()[0x0112] = code
    first.save(path, format, save_all=True, append_images=others, exif=exif(code), **options)
    assert (sandbox.probe(path)["width"], sandbox.probe(path)["height"]) == (64, 40)
    forward = [frame.pixels for frame in sandbox.frames(path, animated=True).frames]
    backward = [frame.pixels for frame in sandbox.frames(path, animated=True, backward=True).frames]
    assert len(forward) == 3
    for index, pixels in enumerate(forward):
        assert np.array_equal(pixels, upright(index))
        assert np.array_equal(pixels, backward[2 - index])
    assert np.array_equal(sandbox.image(path).pixels, forward[0])


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_numbered_frames_are_upright(format: str, code: int, tmp_path: Path, sandbox: Sandbox) -> None:
    suffix, options = ("jpg", {"quality": 95, "subsampling": 0}) if format == "JPEG" else ("png", {})
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        file = folder / f"frame{index:03}.{suffix}"
        store_rotated(upright(index), code).save(file, format, exif=exif(code), **options)
    [frames] = find_videos(folder)
    video = pack_frames(frames, 25, tmp_path / "packed.avi")
    assert (sandbox.probe(video)["width"], sandbox.probe(video)["height"]) == (64, 40)
    for index, frame in enumerate(sandbox.frames(video).frames):
        assert frame.pixels.shape == (40, 64, 3)
        assert np.abs(frame.pixels.astype(int) - upright(index)).max() <= 12


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("format", "dtype", "options"),
    [
        ("PNG", np.uint16, {}),
        ("TIFF", np.uint16, {}),
        ("TIFF", np.uint16, {"compression": "tiff_deflate"}),
        ("TIFF", np.float32, {}),
    ],
    ids=["png", "tiff", "tiff-deflate", "tiff-float"],
)
def test_depth_maps_are_upright(
    format: str, dtype: type, options: dict[str, str], code: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    depth = np.arange(40 * 64).reshape(40, 64).astype(dtype)
    path = tmp_path / "depth"
    store_rotated(depth, code).save(path, format, exif=exif(code), **options)
    assert np.array_equal(sandbox.depth(path)[0], depth)


# how the code of a stored image shows it: mirrored left to right or not, then so many quarter turns clockwise
SHOWN = {1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 3), 6: (False, 1), 7: (True, 1)}
SHOWN[8] = (False, 3)
MIRROR, QUARTER_TURN = np.diag([-1, 1]), np.array([[0, 1], [-1, 0]])


def display_matrix(code: int) -> tuple[int, int, int, int]:
    """The matrix (a b; c d) of ISO/IEC 14496-12 for a code: m = a p + c q, n = b p + d q."""
    mirrored, turns = SHOWN[code]
    matrix = np.linalg.matrix_power(QUARTER_TURN, turns)
    a, b, c, d = (MIRROR @ matrix if mirrored else matrix).ravel().tolist()
    return a, b, c, d


def native_matrix(a: float, b: float, c: float, d: float) -> bytes:
    """A display matrix as FFmpeg hands it out: 16.16 fixed point in native byte order."""
    one = 1 << 16
    return np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30]).astype(np.int32).tobytes()


@pytest.mark.parametrize("code", CODES)
def test_videos_are_upright(code: int, tmp_path: Path, sandbox: Sandbox) -> None:
    """The matrix of the track header is overwritten in the file, as a phone's camera writes it."""
    path = tmp_path / "clip.mp4"
    frames = [np.ascontiguousarray(store_rotated(upright(index), code)) for index in range(4)]
    write_frames(path, frames)
    set_display_matrix(path, display_matrix(code))
    assert (sandbox.probe(path)["width"], sandbox.probe(path)["height"]) == (64, 40)
    decoded = list(sandbox.frames(path).frames)
    backward = list(sandbox.frames(path, backward=True).frames)
    assert len(decoded) == 4
    for index, frame in enumerate(decoded):
        assert frame.pixels.shape == (40, 64, 3)
        assert np.abs(frame.pixels.astype(int) - upright(index)).mean() < 6
        assert np.array_equal(frame.pixels, backward[3 - index].pixels)


@pytest.mark.parametrize("code", CODES)
def test_display_matrices_move_pixels_as_the_standard_says(code: int) -> None:
    stored_pixels = np.arange(6).reshape(2, 3)
    a, b, c, d = display_matrix(code)
    places = {(a * p + c * q, b * p + d * q): stored_pixels[q, p] for q in range(2) for p in range(3)}
    columns, rows = sorted({x for x, _ in places}), sorted({y for _, y in places})
    shown = np.array([[places[x, y] for x in columns] for y in rows])
    code_read = matrix_orientation(native_matrix(a, b, c, d))
    assert np.array_equal(apply_orientation(stored_pixels, code_read), shown)


def test_a_matrix_of_another_angle_takes_the_nearest_quarter_turn() -> None:
    turn = np.deg2rad(80)
    cosine, sine = np.cos(turn), np.sin(turn)
    assert matrix_orientation(native_matrix(cosine, sine, -sine, cosine)) == 6
    assert matrix_orientation(native_matrix(0, 0, 0, 0)) == 1
    assert matrix_orientation(b"") == 1
