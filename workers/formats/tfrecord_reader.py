"""Reading TFRecord files of tf.train.Example messages, without TensorFlow; see `tfrecord` for the layout."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from workers.formats.tfrecord import masked_crc

Feature = list[bytes] | NDArray[np.float32] | NDArray[np.int64]
_PREFIX_BYTES = 12
# Wire types of protobuf: an integer, 8 bytes, a length and that many bytes, 4 bytes.
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def read_records(file: BinaryIO) -> Iterator[bytes]:
    """The records of a file; raises ValueError for one that is truncated or whose checksum is wrong."""
    while head := file.read(_PREFIX_BYTES):
        if len(head) < _PREFIX_BYTES or masked_crc(head[:8]) != head[8:]:
            raise ValueError("a record's length is damaged")
        (length,) = struct.unpack("<Q", head[:8])
        body, crc = file.read(length), file.read(4)
        if len(body) < length or masked_crc(body) != crc:
            raise ValueError("a record is damaged or truncated")
        yield body


def parse_example(record: bytes) -> dict[str, Feature]:
    """The features of an Example by name: lists of bytes, float32 (n,) or int64 (n,), without empty ones.

    Raises ValueError for bytes that are not an Example.
    """
    parsed: dict[str, Feature] = {}
    for features in _submessages(record, 1):
        for entry in _submessages(features, 1):
            [name] = _submessages(entry, 1)
            for feature in _submessages(entry, 2):
                for kind, values in _fields(feature):
                    parsed[name.decode()] = _parse_values(kind, values)
    return parsed


def _parse_values(kind: int, data: bytes | int) -> Feature:
    if not isinstance(data, bytes):
        raise ValueError("a feature is not a list")
    items = [item for number, item in _fields(data) if number == 1]
    if kind == 1:
        return [item for item in items if isinstance(item, bytes)]
    if kind == 2:
        # Packed and repeated fields are both allowed.
        return np.frombuffer(b"".join(item for item in items if isinstance(item, bytes)), "<f4")
    if kind == 3:
        numbers: list[int] = []
        for item in items:
            numbers += [item] if isinstance(item, int) else _parse_packed(item)
        return np.array([number - (number >> 63 << 64) for number in numbers], np.int64)
    raise ValueError(f"a feature of kind {kind} is not bytes, floats or integers")


def _submessages(data: bytes, number: int) -> list[bytes]:
    """The length-delimited fields of a message that have this number."""
    return [item for field, item in _fields(data) if field == number and isinstance(item, bytes)]


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: their numbers, and bytes or integers."""
    at = 0
    while at < len(data):
        tag, at = _parse_varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _parse_varint(data, at)
            yield tag >> 3, value
            continue
        if wire == _LENGTH_DELIMITED:
            length, at = _parse_varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"a field has the unknown wire type {wire}")
        if at + length > len(data):
            raise ValueError("a field is truncated")
        yield tag >> 3, data[at : at + length]
        at += length


def _parse_packed(data: bytes) -> list[int]:
    """The integers of a packed field."""
    numbers, at = [], 0
    while at < len(data):
        number, at = _parse_varint(data, at)
        numbers.append(number)
    return numbers


def _parse_varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at an offset, and the offset after it."""
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
    raise ValueError("an integer is truncated")
