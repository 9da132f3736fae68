"""TFRecord files of tf.train.Example messages, without TensorFlow.

A record is its length (u64, little endian), the masked CRC-32C of that, the data, and the masked CRC-32C of
the data (tensorflow/core/lib/io/record_writer.h). An Example is one protobuf message: a map of names to lists
of bytes, floats or whole numbers (tensorflow/core/example/example.proto and feature.proto).
"""

import struct
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Value = list[bytes] | NDArray[Any]

CASTAGNOLI = 0x82F63B78
MASK = 0xA282EAD8
# bytes of each piece that is summed beside the others
PIECE = 2048
_BYTES, _FLOATS, _INTS = 1, 2, 3


def write(file: BinaryIO, examples: Iterable[bytes]) -> int:
    """Append records to a file and give their number of bytes without the frames, as TFDS counts them."""
    total = 0
    for data in examples:
        length = struct.pack("<Q", len(data))
        file.write(length + masked(length) + data + masked(data))
        total += len(data)
    return total


def example(features: Mapping[str, Value]) -> bytes:
    """A tf.train.Example of lists of bytes, and arrays of floats or whole numbers (written flat), by name.

    Raises ValueError for arrays of anything else. The same features give the same bytes.
    """
    entries = []
    for name in sorted(features):
        entry = _field(1, name.encode()) + _field(2, _feature(name, features[name]))
        entries.append(_field(1, entry))
    return _field(1, b"".join(entries))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli; RFC 3720, appendix B.4) of some bytes.

    Pieces are summed side by side, and joined by what a piece of zeros does to a sum before it.
    """
    if len(data) < 2 * PIECE:
        table, crc = _table().tolist(), 0xFFFFFFFF
        for byte in data:
            crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
        return int(crc ^ 0xFFFFFFFF)
    # zeros in front change no sum that begins with 0; to begin with ones is to turn the first four bytes
    flat = np.zeros(-(-len(data) // PIECE) * PIECE, np.uint8)
    flat[-len(data) :] = np.frombuffer(data, np.uint8)
    start = len(flat) - len(data)
    flat[start : start + 4] ^= 255
    sums = _summed(np.ascontiguousarray(flat.reshape(-1, PIECE).T))
    shift, crc = _shift().tolist(), 0
    for mine in sums.tolist():
        a, b, c, d = crc & 255, crc >> 8 & 255, crc >> 16 & 255, crc >> 24
        crc = shift[0][a] ^ shift[1][b] ^ shift[2][c] ^ shift[3][d] ^ mine
    return int(crc ^ 0xFFFFFFFF)


def masked(data: bytes) -> bytes:
    """The checksum of some bytes as it stands in a file."""
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF)


@cache
def _table() -> Words:
    """What a byte does to a sum, u32 (256,)."""
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = np.where(value & 1, (value >> 1) ^ np.uint32(CASTAGNOLI), value >> 1).astype(np.uint32)
    return value


@cache
def _shift() -> Words:
    """What PIECE zeros make of a sum with one byte set, u32 (4, 256): place of the byte, its value."""
    begun = np.arange(256, dtype=np.uint32)[None] << np.array([0, 8, 16, 24], np.uint32)[:, None]
    return _summed(np.zeros((PIECE, 1), np.uint8), begun.ravel()).reshape(4, 256)


def _summed(columns: NDArray[np.uint8], begun: Words | None = None) -> Words:
    """The sums of the columns of (bytes, n), each begun with its own word."""
    table = _table()
    crc = np.zeros(columns.shape[1], np.uint32) if begun is None else begun
    for row in columns:
        crc = table[(crc ^ row) & 255] ^ (crc >> 8)
    return crc


def _feature(name: str, value: Value) -> bytes:
    if isinstance(value, list):
        return _field(_BYTES, b"".join(_field(1, item) for item in value))
    flat = np.asarray(value).ravel()
    if flat.dtype.kind == "f":
        return _field(_FLOATS, _field(1, flat.astype("<f4").tobytes()))
    if flat.dtype.kind in "iu":
        return _field(_INTS, _field(1, b"".join(_varint(number) for number in flat.tolist())))
    raise ValueError(f"{name} is {flat.dtype}; an Example holds bytes, floats and whole numbers")


def _field(number: int, data: bytes) -> bytes:
    """A field of bytes or of a message."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """A whole number, seven bits a byte; negative ones as 64 bits."""
    left, out = number & (1 << 64) - 1, bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)
