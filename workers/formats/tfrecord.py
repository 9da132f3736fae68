"""Writing TFRecord files of tf.train.Example messages, without TensorFlow.

A record is its length (u64, little endian), the masked CRC-32C of the length, the data, and the masked
CRC-32C of the data (tensorflow/core/lib/io/record_writer.h). An Example is one protobuf message: a map of
names to lists of bytes, floats or integers (tensorflow/core/example/example.proto and feature.proto).
"""

import struct
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Feature = list[bytes] | NDArray[Any]

# The reversed polynomial of CRC-32C, and the constant that TFRecord adds to a rotated checksum.
CASTAGNOLI = 0x82F63B78
MASK_DELTA = 0xA282EAD8
# Long data is cut into pieces of this many bytes, whose checksums are computed side by side.
PIECE = 2048
_BYTES, _FLOATS, _INTS = 1, 2, 3


def write_records(file: BinaryIO, examples: Iterable[bytes]) -> int:
    """Append records to a file; returns the total size of their data, as TFDS counts it."""
    total = 0
    for data in examples:
        length = struct.pack("<Q", len(data))
        file.write(length + masked_crc(length) + data + masked_crc(data))
        total += len(data)
    return total


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """A tf.train.Example of lists of bytes and flattened arrays of floats or integers, by name.

    The same features give the same bytes. Raises ValueError for arrays of other types.
    """
    entries = []
    for name in sorted(features):
        entry = _field(1, name.encode()) + _field(2, _encode_feature(name, features[name]))
        entries.append(_field(1, entry))
    return _field(1, b"".join(entries))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli; RFC 3720, appendix B.4) of some bytes.

    Pieces are computed side by side and combined with the effect that a piece of zeros has on a checksum.
    """
    if len(data) < 2 * PIECE:
        table, crc = _byte_table().tolist(), 0xFFFFFFFF
        for byte in data:
            crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
        return int(crc ^ 0xFFFFFFFF)
    # Leading zeros do not change a checksum that starts at 0; starting at all ones equals inverting the first
    # four bytes.
    padded = np.zeros(-(-len(data) // PIECE) * PIECE, np.uint8)
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    start = len(padded) - len(data)
    padded[start : start + 4] ^= 255
    pieces = _checksum_columns(np.ascontiguousarray(padded.reshape(-1, PIECE).T))
    shift, crc = _piece_table().tolist(), 0
    for piece in pieces.tolist():
        a, b, c, d = crc & 255, crc >> 8 & 255, crc >> 16 & 255, crc >> 24
        crc = shift[0][a] ^ shift[1][b] ^ shift[2][c] ^ shift[3][d] ^ piece
    return int(crc ^ 0xFFFFFFFF)


def masked_crc(data: bytes) -> bytes:
    """The checksum of some bytes as TFRecord stores it."""
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF)


@cache
def _byte_table() -> Words:
    """The effect of one byte on a checksum, uint32 (256,)."""
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = np.where(value & 1, (value >> 1) ^ np.uint32(CASTAGNOLI), value >> 1).astype(np.uint32)
    return value


@cache
def _piece_table() -> Words:
    """The effect of PIECE zeros on a checksum with one byte set, uint32 (4, 256): its position and value."""
    initial = np.arange(256, dtype=np.uint32)[None] << np.array([0, 8, 16, 24], np.uint32)[:, None]
    return _checksum_columns(np.zeros((PIECE, 1), np.uint8), initial.ravel()).reshape(4, 256)


def _checksum_columns(columns: NDArray[np.uint8], initial: Words | None = None) -> Words:
    """The checksums (n,) of the columns of (bytes, n), each from its own initial value, 0 by default."""
    table = _byte_table()
    crc = np.zeros(columns.shape[1], np.uint32) if initial is None else initial
    for row in columns:
        crc = table[(crc ^ row) & 255] ^ (crc >> 8)
    return crc


def _encode_feature(name: str, value: Feature) -> bytes:
    if isinstance(value, list):
        return _field(_BYTES, b"".join(_field(1, item) for item in value))
    flat = np.asarray(value).ravel()
    if flat.dtype.kind == "f":
        return _field(_FLOATS, _field(1, flat.astype("<f4").tobytes()))
    if flat.dtype.kind in "iu":
        return _field(_INTS, _field(1, b"".join(_encode_varint(number) for number in flat.tolist())))
    raise ValueError(f"{name} is {flat.dtype}; an Example holds bytes, floats and integers")


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field: bytes or a message."""
    return _encode_varint(number << 3 | 2) + _encode_varint(len(data)) + data


def _encode_varint(number: int) -> bytes:
    """An integer in seven bits per byte; negative ones as 64 bits."""
    rest, out = number & (1 << 64) - 1, bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)
