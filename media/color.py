"""Decoded images of any mode, depth and profile as sRGB; runs inside the sandbox.

What cannot be converted exactly is flagged, or refused where its range of values is not known.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from media.errors import MediaError
from media.transfers import STRIP_ROWS, TRANSFERS, WIDE_GAMUT, build_srgb_curve

Rgb = NDArray[np.uint8]

PROFILE_IGNORED = "icc_profile_ignored"

# TIFF 6.0 tags.
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT, SAMPLE_MIN, SAMPLE_MAX = 258, 262, 339, 340, 341
WHITE_IS_ZERO = 0
UNSIGNED, SIGNED, FLOAT = 1, 2, 3

# PNG's gAMA of sRGB; as in libpng, images within 5% of it are left alone. Beyond the bounds it is nonsense.
SRGB_GAMMA, GAMMA_TOLERANCE, GAMMA_BOUNDS = 1 / 2.2, 0.05, (0.05, 20.0)
# x, y of white, red, green and blue in sRGB, and how far PNG's cHRM may be from them
SRGB_CHROMATICITY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
CHROMATICITY_TOLERANCE = 0.01

COLOR_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "LAB": "LAB"}


def to_srgb(image: Image.Image, transfer: int | None = None) -> tuple[Rgb, list[str]]:
    """A loaded image as sRGB over white, (H, W, 3) uint8, and flags.

    `transfer` is the code of ITU-T H.273 that the file states; a profile takes precedence over it.

    Raises MediaError `image_range_unknown` for signed numbers, and for floats beyond 0…1 that state no range.
    """
    to_8_bits = _Quantiser(image) if image.mode in ("I", "F") or image.mode.startswith("I;") else None
    mode = "L" if to_8_bits else _common_mode(image)
    transform, mode, flags = _build_transform(image.info.get("icc_profile"), mode)
    curve = _build_tone_curve(image.info, transfer)
    flags += _flag_chromaticity(image.info)
    out = np.empty((image.height, image.width, 3), np.uint8)
    # strips keep the copies of each step small: Pillow takes four bytes per pixel for each of them
    for top in range(0, image.height, STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        strip = Image.fromarray(to_8_bits(strip)) if to_8_bits else strip
        out[top : top + STRIP_ROWS] = np.asarray(_convert_strip(strip, mode, transform, curve))
    return out, flags


def _convert_strip(
    strip: Image.Image, mode: str, transform: ImageCms.ImageCmsTransform | None, curve: list[int] | None
) -> Image.Image:
    """A strip as RGB, converted by its profile or tone curve and composited over white."""
    strip = strip if strip.mode == mode else strip.convert(mode)
    alpha = strip.getchannel("A") if mode == "RGBA" else None
    if transform is not None:
        rgb = ImageCms.applyTransform(strip.convert(transform.input_mode), transform)
        assert rgb is not None
    else:
        rgb = strip.convert("RGB")
        rgb = rgb.point(3 * curve) if curve else rgb
    if alpha is None:
        return rgb
    over_white = Image.new("RGB", rgb.size, (255, 255, 255))
    over_white.paste(rgb, mask=alpha)
    return over_white


def _build_tone_curve(info: dict[Any, Any], transfer: int | None) -> list[int] | None:
    """What a stated transfer or PNG's gAMA makes of the 256 values of the file; None for those of sRGB."""
    if transfer in TRANSFERS and not info.get("icc_profile"):
        curve = build_srgb_curve(transfer, bits=8)
        return None if curve is None else curve.tolist()
    gamma = info.get("gamma")
    low, high = GAMMA_BOUNDS
    if _states_srgb_or_profile(info) or not isinstance(gamma, float) or not low <= gamma <= high:
        return None
    if abs(gamma / SRGB_GAMMA - 1) <= GAMMA_TOLERANCE:
        return None
    return [round(255 * (value / 255) ** (SRGB_GAMMA / gamma)) for value in range(256)]


def _flag_chromaticity(info: dict[Any, Any]) -> list[str]:
    """A flag where PNG's cHRM names other primaries than sRGB's."""
    stated = info.get("chromaticity")
    if _states_srgb_or_profile(info) or not stated or len(stated) != len(SRGB_CHROMATICITY):
        return []
    differs = any(
        abs(value - expected) > CHROMATICITY_TOLERANCE
        for value, expected in zip(stated, SRGB_CHROMATICITY, strict=True)
    )
    return [WIDE_GAMUT] if differs else []


def _states_srgb_or_profile(info: dict[Any, Any]) -> bool:
    """Whether an sRGB or iCCP chunk takes precedence over gAMA and cHRM, as the PNG specification says."""
    return "srgb" in info or bool(info.get("icc_profile"))


def _common_mode(image: Image.Image) -> str:
    """The mode of 8 bits, still in the colours of its profile, that keeps what an image holds."""
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return "RGBA"
    return image.mode if image.mode in COLOR_SPACES else "RGB"


class _Quantiser:
    """Values of more than 8 bits as grey (H, W) uint8; integers are scaled by the range of their type."""

    def __init__(self, image: Image.Image) -> None:
        tags = getattr(image, "tag_v2", {})
        is_float = image.mode == "F"
        if _first(tags.get(SAMPLE_FORMAT), FLOAT if is_float else UNSIGNED) == SIGNED:
            raise _range_unknown("signed numbers")
        self._bits = _first(tags.get(BITS_PER_SAMPLE), 16)
        self._inverted = _first(tags.get(PHOTOMETRIC), 1) == WHITE_IS_ZERO
        self._low, self._high = _float_range(image, tags) if is_float else (0.0, 2**self._bits - 1)

    def __call__(self, strip: Image.Image) -> NDArray[np.uint8]:
        values = np.asarray(strip).astype(np.float64)
        if strip.mode == "I" and self._bits == 32:
            # Pillow reads unsigned numbers of 32 bits into signed ones
            values = np.where(values < 0, values + 2.0**32, values)
        share = (values - self._low) / (self._high - self._low)
        share = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0)
        share = 1 - share if self._inverted else share
        return np.clip(np.rint(share * 255), 0, 255).astype(np.uint8)


def _float_range(image: Image.Image, tags: dict[int, object]) -> tuple[float, float]:
    low, high = _first(tags.get(SAMPLE_MIN), 0), _first(tags.get(SAMPLE_MAX), 0)
    if high > low:
        return low, high
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    if finite.size and (finite.min() < 0 or finite.max() > 1):
        raise _range_unknown(f"floats from {finite.min():g} to {finite.max():g}")
    return 0.0, 1.0


def _range_unknown(what: str) -> MediaError:
    return MediaError(
        "image_range_unknown",
        f"the image holds {what} and does not say which value is white: scale it to 0…1, "
        "or save it with 8 or 16 bits",
    )


def _first(value: object, default: float) -> float:
    """The first of a TIFF tag's values."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    return float(value) if isinstance(value, int | float) else default


def _build_transform(
    profile: bytes | None, mode: str
) -> tuple[ImageCms.ImageCmsTransform | None, str, list[str]]:
    """The transform from an embedded ICC profile to sRGB, the mode it takes, and flags.

    A profile that is broken or does not fit the image's mode is ignored and flagged.
    """
    space = "LAB"
    if mode == "LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif not profile:
        return None, mode, []
    else:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        except (ImageCms.PyCMSError, OSError, ValueError):
            return None, mode, [PROFILE_IGNORED]
        space = source.profile.xcolor_space.strip()
        # grey images with a palette or saved as RGB keep a grey profile
        mode = "L" if mode == "RGB" and space == "GRAY" else mode
        if space != COLOR_SPACES[mode] and (mode, space) != ("RGBA", "GRAY"):
            return None, mode, [PROFILE_IGNORED]
    # the alpha channel stays aside
    colors = {"RGBA": "L" if space == "GRAY" else "RGB"}.get(mode, mode)
    try:
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, colors, "RGB"), mode, []
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None, mode, [PROFILE_IGNORED]
