"""Decoded images of any mode, depth and profile as sRGB; runs inside the sandbox.

What cannot be converted exactly is flagged, or refused where its range of values is not known.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from media.errors import MediaError

Rgb = NDArray[np.uint8]

HDR = "hdr_not_tone_mapped"
WIDE_GAMUT = "wide_gamut_not_converted"
PROFILE_IGNORED = "icc_profile_ignored"

# ITU-T H.273: transfer characteristics of PQ and HLG, and those of standard dynamic range.
HDR_TRANSFERS = frozenset({16, 18})
SDR_TRANSFERS = frozenset({1, 4, 5, 6, 7, 8, 13, 14, 15})
# Colour primaries of BT.2020, DCI-P3 and Display P3; matrix coefficients of BT.2020.
WIDE_PRIMARIES = frozenset({9, 11, 12})
BT2020_MATRICES = frozenset({9, 10})

# TIFF 6.0 tags.
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT, SAMPLE_MIN, SAMPLE_MAX = 258, 262, 339, 340, 341
WHITE_IS_ZERO = 0
UNSIGNED, SIGNED, FLOAT = 1, 2, 3

COLOR_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "LAB": "LAB"}


def flag_transfer(transfer: int, primaries: int, matrix: int = 2, *, bits: int = 8) -> list[str]:
    """Flags for colours that are taken for sRGB although the file says otherwise (codes of ITU-T H.273).

    BT.2020 with 10 bits or more and no stated transfer counts as HDR: standard dynamic range states its own.
    """
    bt2020 = primaries == 9 or matrix in BT2020_MATRICES
    if transfer in HDR_TRANSFERS or (bt2020 and bits >= 10 and transfer not in SDR_TRANSFERS):
        return [HDR]
    return [WIDE_GAMUT] if primaries in WIDE_PRIMARIES else []


def to_srgb(image: Image.Image) -> tuple[Rgb, list[str]]:
    """A loaded image as sRGB over white, (H, W, 3) uint8, and flags.

    Raises MediaError `image_range_unknown` for signed numbers, and for floats beyond 0…1 that state no range.
    """
    image = _to_common_mode(image)
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    image, flags = _apply_profile(image)
    rgb = image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", rgb.size, (255, 255, 255))
        rgb = Image.composite(rgb, white, alpha)
    return np.ascontiguousarray(np.asarray(rgb, dtype=np.uint8)), flags


def _to_common_mode(image: Image.Image) -> Image.Image:
    """The image as L, RGB, RGBA, CMYK or LAB of 8 bits, still in the colours of its profile."""
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        out = Image.fromarray(_to_8_bits(image))
    elif image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        out = image.convert("RGBA")
    elif image.mode in COLOR_SPACES:
        return image
    else:
        out = image.convert("RGB")
    if profile:
        out.info["icc_profile"] = profile
    return out


def _to_8_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Numbers of more than 8 bits as grey (H, W): whole numbers by the range of their type."""
    tags = getattr(image, "tag_v2", {})
    kind = _first(tags.get(SAMPLE_FORMAT), FLOAT if image.mode == "F" else UNSIGNED)
    if kind == SIGNED:
        raise _range_unknown("signed numbers")
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        low, high = _float_range(values, tags)
    else:
        bits = _first(tags.get(BITS_PER_SAMPLE), 16)
        low, high = 0.0, 2**bits - 1
        if bits == 32:
            # Pillow reads unsigned numbers of 32 bits into signed ones.
            values = np.where(values < 0, values + 2.0**32, values)
    share = np.nan_to_num((values - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    if _first(tags.get(PHOTOMETRIC), 1) == WHITE_IS_ZERO:
        share = 1 - share
    return np.clip(np.rint(share * 255), 0, 255).astype(np.uint8)


def _float_range(values: NDArray[np.float64], tags: dict[int, object]) -> tuple[float, float]:
    low, high = _first(tags.get(SAMPLE_MIN), 0), _first(tags.get(SAMPLE_MAX), 0)
    if high > low:
        return low, high
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


def _apply_profile(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert from the embedded ICC profile; one that does not fit the image or is broken is flagged."""
    data = image.info.get("icc_profile")
    if image.mode == "LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif not data:
        return image, []
    else:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(data))
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image, [PROFILE_IGNORED]
        space = source.profile.xcolor_space.strip()
        if image.mode in ("RGB", "RGBA") and space == "GRAY":
            image = image.convert("L")
        if COLOR_SPACES[image.mode] != space:
            return image, [PROFILE_IGNORED]
    image = image.convert("RGB") if image.mode == "RGBA" else image
    try:
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image, [PROFILE_IGNORED]
    return (image, [PROFILE_IGNORED]) if converted is None else (converted, [])
