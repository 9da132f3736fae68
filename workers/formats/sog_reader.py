"""Reading SOG bundles of version 2; `sog` describes the layout."""

import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from workers.formats.codebook import SIZE
from workers.formats.color import sh_to_color
from workers.formats.limits import MAX_GAUSSIANS
from workers.formats.losses import Losses, sanitize_read
from workers.formats.smallest_three import LIMIT, restore_largest
from workers.formats.sog import FIRST_TAG, PALETTE, PALETTE_ROW, SogError
from workers.formats.zip_reader import ZipMembers
from workers.geometry.gaussians import Gaussians
from workers.geometry.spherical_harmonics import COUNTS, MAX_DEGREE

MAX_META = 1 << 20
# Pixels of an image beyond one per Gaussian, and bytes of a file beyond eight per Gaussian, that are allowed.
SLACK = 1 << 16
# Far beyond any number of a real file; JSON itself does not bound integers.
LARGEST = 1e30
# Real files need at least eight bytes per Gaussian, but a blank image compresses to almost nothing.
MAX_PER_BYTE = 64
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def read_sog(data: bytes, losses: Losses | None = None) -> Gaussians:
    """Decode and sanitise a SOG bundle with its spherical harmonics.

    At most `MAX_GAUSSIANS` are accepted; the sizes of images and texts are checked before they are decoded.
    Raises SogError for other versions and for broken files.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bundle = ZipMembers(archive)
            meta = _read_meta(bundle)
            count = meta.get("count")
            if type(count) is not int or not 0 < count <= MAX_GAUSSIANS:
                raise SogError(f"{count} Gaussians; 1 to {MAX_GAUSSIANS} are supported")
            if count > MAX_PER_BYTE * len(data):
                raise SogError(f"{len(data)} bytes cannot hold {count} Gaussians")
            return sanitize_read(_decode(bundle, meta, count), losses)
    except (*ZIP_ERRORS, ValueError) as error:
        if isinstance(error, SogError):
            raise
        raise SogError(f"not a readable SOG: {error}") from error


def _decode(bundle: ZipMembers, meta: dict[str, Any], count: int) -> Gaussians:
    low, high = (_read_numbers(meta, "means", key, 3) for key in ("mins", "maxs"))
    low_bytes, high_bytes = (_read_pixels(bundle, meta, "means", index, count, 3) for index in (0, 1))
    steps = (high_bytes.astype(np.uint16) << 8 | low_bytes) / 65535
    logs = low + (high - low) * steps
    scale_table, color_table = (_read_numbers(meta, part, "codebook", SIZE) for part in ("scales", "sh0"))
    scale_index = _read_pixels(bundle, meta, "scales", 0, count, 3)
    color_index = _read_pixels(bundle, meta, "sh0", 0, count, 4)
    quaternions = _read_pixels(bundle, meta, "quats", 0, count, 4)
    if quaternions[:, 3].min() < FIRST_TAG:
        raise SogError("quats: a pixel does not name the component that is left out")
    rest = (quaternions[:, :3] / 127.5 - 1.0) * LIMIT
    with np.errstate(over="ignore"):
        return Gaussians(
            means=(np.sign(logs) * np.expm1(np.abs(logs))).astype(np.float32),
            rotations=restore_largest(quaternions[:, 3].astype(np.int64) - FIRST_TAG, rest).astype(
                np.float32
            ),
            scales=np.exp(scale_table)[scale_index].astype(np.float32),
            opacities=(color_index[:, 3] / 255.0).astype(np.float32),
            colors=sh_to_color(color_table)[color_index[:, :3]].astype(np.float32),
            harmonics=_read_harmonics(bundle, meta, count) if meta.get("shN") else None,
        )


def _read_harmonics(bundle: ZipMembers, meta: dict[str, Any], count: int) -> NDArray[np.float32] | None:
    """The coefficients (N, K, 3) of the palette's entries; None where all are zero."""
    section = meta["shN"]
    entries, bands = (section.get(key) if isinstance(section, dict) else None for key in ("count", "bands"))
    if type(entries) is not int or not 0 < entries <= PALETTE:
        raise SogError(f"meta.json: shN.count must be from 1 to {PALETTE}")
    if type(bands) is not int or not 0 < bands <= MAX_DEGREE:
        raise SogError(f"meta.json: shN.bands must be from 1 to {MAX_DEGREE}")
    table = _read_numbers(meta, "shN", "codebook", SIZE).astype(np.float32)
    width = COUNTS[bands]
    rows = -(-entries // PALETTE_ROW)
    image = _read_image(bundle, meta, "shN", 0, rows * PALETTE_ROW * width, 3)
    if image.shape[0] < rows or image.shape[1] < PALETTE_ROW * width:
        raise SogError(f"shN: a palette of {entries} entries needs {PALETTE_ROW * width} x {rows} pixels")
    pixels = image[:rows, : PALETTE_ROW * width]
    labels = _read_pixels(bundle, meta, "shN", 1, count, 3).astype(np.int64)
    numbers = labels[:, 0] | labels[:, 1] << 8
    if numbers.max() >= entries:
        raise SogError("shN: a Gaussian names an entry that the palette does not have")
    palette = table[pixels.reshape(-1, width, 3)]
    return palette[numbers] if palette.any() else None


def _read_meta(bundle: ZipMembers) -> dict[str, Any]:
    try:
        meta = json.loads(_read_member(bundle, "meta.json", MAX_META))
    except (ValueError, RecursionError) as error:
        raise SogError(f"no readable meta.json: {error}") from error
    if not isinstance(meta, dict):
        raise SogError("meta.json is not an object")
    if meta.get("version") != 2:
        raise SogError(f"SOG version {meta.get('version')} is not supported, only 2")
    return meta


def _read_member(bundle: ZipMembers, name: str, limit: int) -> bytes:
    try:
        entry = bundle.find(name)
    except KeyError as error:
        raise SogError(f"the bundle has no {name}") from error
    if entry.file_size > limit:
        raise SogError(f"{name} is {entry.file_size} bytes, more than its Gaussians need")
    with bundle.open(entry) as file:
        return file.read(limit)


def _field(meta: dict[str, Any], part: str, key: str, count: int) -> list[Any]:
    section = meta.get(part)
    values = section.get(key) if isinstance(section, dict) else None
    if not isinstance(values, list) or len(values) < count:
        raise SogError(f"meta.json: {part}.{key} must list {count}")
    return values[:count]


def _read_numbers(meta: dict[str, Any], part: str, key: str, count: int) -> NDArray[np.float64]:
    values = _field(meta, part, key, count)
    if not all(type(value) in (int, float) and -LARGEST < value < LARGEST for value in values):
        raise SogError(f"meta.json: {part}.{key} must hold finite numbers")
    return np.array(values, dtype=np.float64)


def _read_pixels(
    bundle: ZipMembers, meta: dict[str, Any], part: str, index: int, count: int, channels: int
) -> NDArray[np.uint8]:
    image = _read_image(bundle, meta, part, index, count, channels)
    return image.reshape(-1, channels)[:count]


def _read_image(
    bundle: ZipMembers, meta: dict[str, Any], part: str, index: int, count: int, channels: int
) -> NDArray[np.uint8]:
    """Pixels (H, W, C) of a file, of which at least `count` are needed."""
    name = _field(meta, part, "files", index + 1)[index]
    if not isinstance(name, str):
        raise SogError(f"meta.json: {part}.files must hold names")
    file = io.BytesIO(_read_member(bundle, name, 8 * count + SLACK))
    try:
        with Image.open(file, formats=["WEBP", "PNG"]) as image:
            size = image.width * image.height
            if not count <= size <= 2 * count + SLACK:
                raise SogError(f"{name} has {size} pixels for {count} Gaussians")
            return np.asarray(image.convert("RGBA" if channels == 4 else "RGB"))
    except (UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise SogError(f"{name} cannot be decoded") from error
