"""Still images and animations through Pillow; runs inside the sandbox."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageSequence

from media.color import to_srgb
from media.containers import is_begun_image, is_truncated, read_color_codes
from media.errors import MediaError
from media.limits import MediaLimits
from media.orientation import apply_orientation, read_orientation, swaps_sides
from media.transfers import flag_colors

Image.init()
pillow_heif.register_heif_opener()
# our own limit is checked on the header, before Pillow would decode anything
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}
# What is believed of a camera: millimetres of 35 mm film, and degrees of the optical axis above the horizon.
FOCALS_MM, ELEVATIONS_DEG = (5.0, 2000.0), (-90.0, 90.0)
# What Pillow's readers raise for broken bytes; a cut GIF, for example, ends in an IndexError.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    struct.error,
)
# MPO files open as JPEG
OPENABLE = [name for name in MEDIA_TYPES if name != "MPO"]


def probe(path: str, limits: MediaLimits) -> dict[str, Any] | None:
    """Read an image's header; None when the bytes are no image that Pillow knows. Raises MediaError."""
    with Path(path).open("rb") as file:
        try:
            image = Image.open(file, formats=OPENABLE)
        except (*BROKEN, Image.DecompressionBombError) as error:
            if is_begun_image(path):
                detail = "the header of the image is cut, damaged or of a kind that is not supported"
                raise MediaError("image_broken", detail) from error
            return None
        with image:
            _check(image, limits)
            width, height = _upright_size(image)
            _verify(image, path, limits)
            return {
                "kind": "image",
                "media_type": MEDIA_TYPES[str(image.format)],
                "width": width,
                "height": height,
                "frames": _count_frames(image),
                "codec": str(image.format).lower(),
                "flags": _list_flags(path),
            }


def decode(path: str, limits: MediaLimits) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Decode the first frame to upright sRGB (H, W, 3); also what EXIF says of the camera, and flags.

    `focal_35mm` in millimetres of 35 mm film, `elevation_deg` above the horizon. Raises MediaError.
    """
    with open_image(path, limits) as image:
        camera = {
            "focal_35mm": _read_exif_number(image, ExifTags.Base.FocalLengthIn35mmFilm, FOCALS_MM),
            "elevation_deg": _read_exif_number(image, ExifTags.Base.CameraElevationAngle, ELEVATIONS_DEG),
        }
        code = read_orientation(image)
        image.load()
        pixels, flags = to_srgb(image, _read_transfer(path))
        return apply_orientation(pixels, code), {**camera, "flags": [*_list_flags(path), *flags]}


@contextmanager
def open_image(path: str, limits: MediaLimits) -> Iterator[Image.Image]:
    """An image within the limits; whatever its decoder raises becomes a MediaError."""
    try:
        # from a file object, Pillow maps no memory: a mapped TIFF would not be turned
        with Path(path).open("rb") as file, Image.open(file, formats=OPENABLE) as image:
            _check(image, limits)
            yield image
    except BROKEN as error:
        raise _broken(error) from error


def decode_animation(
    path: str, limits: MediaLimits, start: int = 0, flags: set[str] | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Upright sRGB frames of an animated image with their time in milliseconds, from frame `start` on.

    `flags` receives those of the colours. Of a file that ends early, the frames that are there are returned,
    and `flags` receives `file_truncated` and `frames_missing`. Raises MediaError, `video_too_large` beyond
    the limit of a video's frames, `video_size_changes` for pages of several sizes.
    """
    time_ms = 0
    shape: tuple[int, ...] | None = None
    flags = set() if flags is None else flags
    try:
        with open_image(path, limits) as image:
            code, transfer = read_orientation(image), _read_transfer(path)
            for count, frame in _load_frames(image, path, limits, start, flags):
                if shape is None:
                    shape = frame.size
                if frame.size != shape:
                    raise MediaError(
                        "video_size_changes", "the pages of the file have several sizes: split it"
                    )
                if count >= start:
                    pixels, color_flags = to_srgb(frame, transfer)
                    flags.update(color_flags)
                    yield time_ms, apply_orientation(pixels, code)
                time_ms += max(1, int(frame.info.get("duration", 100) or 100))
    except MediaError as error:
        if error.code != "image_broken":
            raise
        raise MediaError("video_broken", f"the animation cannot be decoded: {error.detail}") from error


def _load_frames(
    image: Image.Image, path: str, limits: MediaLimits, start: int, flags: set[str]
) -> Iterator[tuple[int, Image.Image]]:
    """The frames with their numbers, decoded from `start` on, up to where a file is cut."""
    truncated = is_truncated(path)
    promised = _count_frames(image) if truncated else 0
    count = 0
    try:
        for frame in ImageSequence.Iterator(image):
            _check_frame(frame, limits)
            if count >= start:
                frame.load()
            yield count, frame
            count += 1
    except MediaError:
        raise
    except BROKEN:
        if not count or not truncated:
            raise
    if truncated:
        flags.add("file_truncated")
    if count < promised:
        flags.add("frames_missing")


def _count_frames(image: Image.Image) -> int:
    # the further images of an MPO are other views and previews, not frames
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def _read_transfer(path: str) -> int | None:
    codes = read_color_codes(path)
    return None if codes is None else codes[1]


def _list_flags(path: str) -> list[str]:
    codes = read_color_codes(path)
    flags = [] if codes is None else flag_colors(codes[1], codes[0], bits=8)
    return [*flags, "file_truncated"] if is_truncated(path) else flags


def _verify(image: Image.Image, path: str, limits: MediaLimits) -> None:
    """Decode a small image when it arrives, so that a broken one is refused at once."""
    try:
        _count_frames(image)
        small = image.width * image.height <= limits.verify_pixels
        if small and Path(path).stat().st_size <= limits.verify_bytes:
            image.load()
    except BROKEN as error:
        raise _broken(error) from error


def _broken(error: Exception) -> MediaError:
    return MediaError("image_broken", f"the image cannot be decoded: {error}; send the file again")


def _check(image: Image.Image, limits: MediaLimits) -> None:
    pixels = image.width * image.height
    if pixels > limits.image_pixels:
        raise MediaError(
            "image_too_large",
            f"the image has {image.width} x {image.height} pixels; at most "
            f"{limits.image_pixels:,} are accepted: scale it down",
            413,
        )
    if pixels == 0:
        raise MediaError("image_broken", "the image has no pixels")


def _check_frame(frame: Image.Image, limits: MediaLimits) -> None:
    """Hold the frames of animations, which need more memory than a still image, to the limit of videos."""
    _check(frame, limits)
    if frame.width * frame.height > limits.video_pixels:
        raise MediaError(
            "video_too_large",
            f"a frame has {frame.width} x {frame.height} pixels; "
            f"at most {limits.video_pixels:,} are accepted",
            413,
        )


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height once the image is shown upright; Pillow reports those of TIFF files so already."""
    swapped = swaps_sides(read_orientation(image))
    return (image.height, image.width) if swapped else (image.width, image.height)


def _read_exif_number(image: Image.Image, tag: int, bounds: tuple[float, float]) -> float | None:
    """A number of the EXIF block; None where there is none or it is out of bounds."""
    try:
        value = image.getexif().get_ifd(ExifTags.IFD.Exif).get(tag)
        return float(value) if value is not None and bounds[0] <= float(value) <= bounds[1] else None
    except (OSError, SyntaxError, ValueError, TypeError, ZeroDivisionError):
        return None
