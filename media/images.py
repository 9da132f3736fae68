"""Still images and animations through Pillow; runs inside the sandbox."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps, ImageSequence

from media.errors import MediaError
from media.limits import MediaLimits

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
BROKEN = (OSError, SyntaxError, ValueError, EOFError)
# MPO files open as JPEG
OPENABLE = [name for name in MEDIA_TYPES if name != "MPO"]


def probe(path: str, limits: MediaLimits) -> dict[str, Any] | None:
    """Read an image's header; None when the bytes are no image Pillow knows."""
    try:
        image = Image.open(path, formats=OPENABLE)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    with image:
        _check(image, limits)
        width, height = _oriented_size(image)
        _verify(image, path, limits)
        frames = int(getattr(image, "n_frames", 1)) if image.format != "MPO" else 1
        return {
            "kind": "image",
            "media_type": MEDIA_TYPES[str(image.format)],
            "width": width,
            "height": height,
            "frames": frames,
            "codec": str(image.format).lower(),
        }


def decode(path: str, limits: MediaLimits) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Decode the first frame to upright sRGB (H, W, 3); also gives the EXIF focal length (35 mm film)."""
    try:
        with Image.open(path, formats=OPENABLE) as image:
            _check(image, limits)
            focal = _focal_35mm(image)
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _rgb(upright), {"focal_35mm": focal}
    except BROKEN as error:
        raise _broken(error) from error


def animation(path: str, limits: MediaLimits, start: int = 0) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Frames of an animated image with their time in milliseconds, from frame `start` on."""
    time_ms = 0
    try:
        with Image.open(path, formats=OPENABLE) as image:
            _check(image, limits)
            for count, frame in enumerate(ImageSequence.Iterator(image)):
                if count >= start:
                    yield time_ms, _rgb(frame.copy())
                time_ms += max(1, int(frame.info.get("duration", 100) or 100))
    except BROKEN as error:
        raise MediaError("video_broken", f"the animation cannot be decoded: {error}") from error


def _verify(image: Image.Image, path: str, limits: MediaLimits) -> None:
    small = image.width * image.height <= limits.verify_pixels
    if not small or Path(path).stat().st_size > limits.verify_bytes:
        return
    try:
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


def _oriented_size(image: Image.Image) -> tuple[int, int]:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, ValueError):
        orientation = 1
    return (image.height, image.width) if orientation in (5, 6, 7, 8) else (image.width, image.height)


def _focal_35mm(image: Image.Image) -> float | None:
    try:
        value = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
        return float(value) if value and 5 <= float(value) <= 2000 else None
    except (OSError, SyntaxError, ValueError, TypeError):
        return None


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    image = _to_srgb(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64)
        grey = np.clip((wide + 128) // 257, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = 1.0 if values.max(initial=0) <= 1.0 else 255.0
        grey = np.clip(np.rint(values / top * 255), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), dtype=np.uint8))


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted if converted is not None else image
