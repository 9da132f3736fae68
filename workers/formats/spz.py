"""SPZ, Niantic's compressed splats: writes version 3, reads versions 2 and 3.

Layout (github.com/nianticlabs/spz, README and load-spz.cc): gzip over a 16-byte header and one attribute
after another: means as 24-bit fixed point, opacities, colours, log scales and quaternions in bytes, spherical
harmonics last.

Axes: SPZ is RUB, x right, y up, z back. Our canonical frame is the same, so values are stored as they are.
Tools that assume RDF for a PLY (3DGS: y down, z forward) rotate it by 180 degrees about x on the way to SPZ
and back; `convert` does so on request.
"""

import gzip
import struct
import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import color_to_sh, sh_to_color
from workers.formats.limits import MAX_GAUSSIANS
from workers.formats.losses import Losses, sanitize_read
from workers.formats.smallest_three import LIMIT, drop_largest, restore_largest
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.spherical_harmonics import COUNTS, MAX_DEGREE

MAGIC = 0x5053474E
HEADER = struct.Struct("<IIIBBBB")
COLOR_SCALE = 0.15
HAS_EXTENSIONS = 0x2
SH_COEFFICIENTS = (0, 3, 8, 15, 24)
# The byte of a coefficient of zero, and how far 1 is from it; the steps that are kept of degree 1 and beyond.
SH_ZERO, SH_STEPS = 128, (8, 16)
FIXED_MAX = 2**23 - 1
# One step of a mean is at most 2^-16 of the extent, where 24 bits allow it.
STEPS_LOG2, MAX_FRACTION = 16, 30
COMPONENT_STEPS = 511


class SpzError(ValueError):
    """The bytes are not an SPZ that can be read, or the splat does not fit one; the message says why."""


def write_spz(splat: Gaussians) -> bytes:
    """Encode a sanitised copy of `splat` as SPZ 3; the same splat gives the same bytes.

    Lossy: means to half of 2^-16 of the longest side (coarser beyond 128 times that side from the origin),
    ln(scale) to 1/32 within [-10, 5.94], opacity to 1/510, colour to 0.0037, quaternion components to 0.0007,
    coefficients of harmonics to 1/16, of degree 1 to 1/32, within [-1, 1).
    Raises SpzError for a splat without Gaussians or with means beyond 2^23 units.
    """
    clean = sanitize(splat)
    count = len(clean)
    if not count:
        raise SpzError("an SPZ holds at least one Gaussian")
    means = clean.means.astype(np.float64)
    bits = _fraction_bits(means)
    fixed = np.rint(means * 2.0**bits).astype("<i4")
    coefficients = color_to_sh(clean.colors)
    body = b"".join(
        (
            HEADER.pack(MAGIC, 3, count, clean.degree, bits, 0, 0),
            fixed.view(np.uint8).reshape(count, 3, 4)[:, :, :3].tobytes(),
            _to_bytes(clean.opacities.astype(np.float64) * 255.0),
            _to_bytes((coefficients * COLOR_SCALE + 0.5) * 255.0),
            _to_bytes((np.log(clean.scales.astype(np.float64)) + 10.0) * 16.0),
            _pack_quaternions(clean.rotations),
            b"" if clean.harmonics is None else _pack_harmonics(clean.harmonics),
        )
    )
    return gzip.compress(body, mtime=0)


def read_spz(data: bytes, losses: Losses | None = None) -> Gaussians:
    """Decode and sanitise an SPZ of version 2 or 3; spherical harmonics beyond degree 3 are left out and
    counted.

    At most `MAX_GAUSSIANS` are accepted. Raises SpzError for other versions, for extensions (which may state
    other axes) and for broken files. Memory grows with what the file actually unpacks to, up to what its
    count needs.
    """
    if data[:4] == b"NGSP":
        raise SpzError("SPZ 4 (zstd) is not supported: write version 3")
    if data[:2] != b"\x1f\x8b":
        raise SpzError("not an SPZ: it does not start as gzip")
    stream = zlib.decompressobj(wbits=31)
    head = _inflate(stream, data, HEADER.size)
    if len(head) < HEADER.size:
        raise SpzError("the file ends within the header")
    magic, version, count, degree, bits, flags, _ = HEADER.unpack(head)
    if magic != MAGIC:
        raise SpzError("not an SPZ: wrong magic inside the gzip")
    if version not in (2, 3):
        raise SpzError(f"SPZ version {version} is not supported, only 2 and 3")
    if degree >= len(SH_COEFFICIENTS) or bits > MAX_FRACTION:
        raise SpzError(f"SH degree {degree} with {bits} fraction bits is not valid SPZ")
    if flags & HAS_EXTENSIONS:
        raise SpzError("SPZ extensions are not supported: they may change the axes")
    if not 0 < count <= MAX_GAUSSIANS:
        raise SpzError(f"{count} Gaussians; 1 to {MAX_GAUSSIANS} are supported")
    widths = (9, 1, 3, 3, 4 if version == 3 else 3, 3 * SH_COEFFICIENTS[degree])
    size = count * sum(widths)
    body = _inflate(stream, stream.unconsumed_tail, size)
    if len(body) < size:
        raise SpzError(f"the header promises {count} Gaussians, the file ends before them")
    if _inflate(stream, stream.unconsumed_tail, 1) or not stream.eof:
        raise SpzError("the file goes on after its last Gaussian, or its checksum is cut off")
    ends = np.cumsum([0, *(count * width for width in widths)])
    raw = np.frombuffer(body, dtype=np.uint8)
    parts = [raw[a:b].reshape(count, -1) for a, b in pairwise(ends)]
    xyzw = _unpack_quaternions(parts[4]) if version == 3 else _unpack_first_three(parts[4])
    kept = 3 * COUNTS[min(degree, MAX_DEGREE)]
    if losses is not None and (parts[5][:, kept:] != SH_ZERO).any():
        losses["harmonics"] += count
    has_harmonics = bool((parts[5][:, :kept] != SH_ZERO).any())
    return sanitize_read(
        Gaussians(
            means=_fixed_point(parts[0], bits).astype(np.float32),
            rotations=xyzw[:, [3, 0, 1, 2]].astype(np.float32),
            scales=np.exp(parts[3] / 16.0 - 10.0).astype(np.float32),
            opacities=(parts[1][:, 0] / 255.0).astype(np.float32),
            colors=sh_to_color((parts[2] / 255.0 - 0.5) / COLOR_SCALE).astype(np.float32),
            harmonics=_unpack_harmonics(parts[5][:, :kept]) if has_harmonics else None,
        ),
        losses,
    )


def _inflate(stream: "zlib._Decompress", data: bytes, limit: int) -> bytes:
    try:
        return stream.decompress(data, limit)
    except zlib.error as error:
        raise SpzError(f"the gzip is broken: {error}") from error


def _to_bytes(values: NDArray[np.float64]) -> bytes:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8).tobytes()


def _fraction_bits(means: NDArray[np.float64]) -> int:
    """How many of the 24 bits come after the point: as many as `STEPS_LOG2` asks for and the means allow."""
    furthest = float(np.abs(means).max())
    side = float(np.ptp(means, axis=0).max())
    fitting = MAX_FRACTION if furthest == 0 else int(np.floor(np.log2(FIXED_MAX / furthest)))
    wanted = MAX_FRACTION if side == 0 else int(np.ceil(STEPS_LOG2 - np.log2(side)))
    if fitting < 0:
        raise SpzError("a mean is too large for 24 bits")
    return int(np.clip(min(fitting, wanted), 0, MAX_FRACTION))


def _fixed_point(triples: NDArray[np.uint8], bits: int) -> NDArray[np.float64]:
    low, middle, high = (triples[:, k::3].astype(np.int32) for k in range(3))
    value = low | middle << 8 | high << 16
    return np.asarray(((value ^ 0x800000) - 0x800000) / 2.0**bits, dtype=np.float64)


def _pack_harmonics(harmonics: NDArray[np.float32]) -> bytes:
    """A byte per coefficient (N, K, 3), rounded to the steps of its degree; the channel varies fastest."""
    steps = np.full(harmonics.shape[1], SH_STEPS[1], np.float32)
    steps[: COUNTS[1]] = SH_STEPS[0]
    # steps are counted from byte 0, of which the byte of zero is a multiple
    return _to_bytes(np.rint((harmonics * SH_ZERO + SH_ZERO) / steps[:, None]) * steps[:, None])


def _unpack_harmonics(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = (raw.reshape(len(raw), -1, 3).astype(np.float64) - SH_ZERO) / SH_ZERO
    return values.astype(np.float32)


def _pack_quaternions(wxyz: NDArray[np.float32]) -> bytes:
    """Two bits for which component of xyzw is left out, then a sign and nine bits for each of the others."""
    largest, rest = drop_largest(wxyz[:, [1, 2, 3, 0]])
    packed = largest.astype(np.uint32)
    magnitude = np.rint(np.abs(rest) / LIMIT * COMPONENT_STEPS).astype(np.uint32)
    for column in range(3):
        sign = (rest[:, column] < 0).astype(np.uint32)
        packed = packed << np.uint32(10) | sign << np.uint32(9) | magnitude[:, column]
    return packed.astype("<u4").tobytes()


def _unpack_quaternions(words: NDArray[np.uint8]) -> NDArray[np.float64]:
    packed = np.ascontiguousarray(words).view("<u4")[:, 0]
    rest = np.empty((len(packed), 3))
    for column, shift in enumerate((20, 10, 0)):
        field = packed >> np.uint32(shift) & np.uint32(0x3FF)
        magnitude = (field & np.uint32(0x1FF)) * (LIMIT / COMPONENT_STEPS)
        rest[:, column] = np.where(field >> np.uint32(9) == 1, -magnitude, magnitude)
    return restore_largest((packed >> np.uint32(30)).astype(np.int64), rest)


def _unpack_first_three(triples: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Version 2 stores x, y and z in a byte each; w follows from unit length and is positive."""
    return restore_largest(np.full(len(triples), 3), triples / 127.5 - 1.0)
