"""Uncompressed grey TIFF files of any bit depth and number type, written by the TIFF 6.0 specification."""

import struct
from pathlib import Path

UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def write_grey_tiff(
    path: Path,
    data: bytes,
    *,
    width: int,
    height: int,
    bits: int,
    sample_format: int = UNSIGNED,
    white_is_zero: bool = False,
    sample_range: tuple[float, float] | None = None,
) -> Path:
    """Write one strip of little-endian samples; rows of 12 bits are packed, the highest bits first."""
    short, long, real = 3, 4, 11
    entries = [
        (256, long, width),
        (257, long, height),
        (258, short, bits),
        (259, short, 1),
        (262, short, 0 if white_is_zero else 1),
        (273, long, 8),
        (277, short, 1),
        (278, long, height),
        (279, long, len(data)),
        (339, short, sample_format),
    ]
    if sample_range is not None:
        entries += [(340, real, sample_range[0]), (341, real, sample_range[1])]
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        packed = struct.pack("<f", value) if kind == real else struct.pack("<I", int(value))
        directory += struct.pack("<HHI", tag, kind, 1) + packed
    at = 8 + len(data) + len(data) % 2
    path.write_bytes(
        b"II*\0" + struct.pack("<I", at) + data + b"\0" * (len(data) % 2) + directory + b"\0\0\0\0"
    )
    return path
