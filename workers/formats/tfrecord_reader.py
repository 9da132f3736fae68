"""Reads TFRecord files of tf.train.Example messages, without TensorFlow; `tfrecord` has the layout."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from workers.formats.tfrecord import masked

Read = list[bytes] | NDArray[np.float32] | NDArray[np.int64]
_LENGTH = 12
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def read(file: BinaryIO) -> Iterator[bytes]:
    """The records of a file; raises ValueError for one that is cut off or whose checksum is wrong."""
    while head := file.read(_LENGTH):
        if len(head) < _LENGTH or masked(head[:8]) != head[8:]:
            raise ValueError("a record's length is damaged")
        (length,) = struct.unpack("<Q", head[:8])
        body, crc = file.read(length), file.read(4)
        if len(body) < length or masked(body) != crc:
            raise ValueError("a record is damaged or cut off")
        yield body


def parse(record: bytes) -> dict[str, Read]:
    """The features of an Example by name: lists of bytes, f32 (n,) or i64 (n,); empty ones are left out.

    Raises ValueError for what is no Example.
    """
    found: dict[str, Read] = {}
    for features in _of(record, 1):
        for entry in _of(features, 1):
            [name] = _of(entry, 1)
            for feature in _of(entry, 2):
                for kind, values in _fields(feature):
                    found[name.decode()] = _values(kind, values)
    return found


def _values(kind: int, data: bytes | int) -> Read:
    if not isinstance(data, bytes):
        raise ValueError("a feature is no list")
    items = [item for number, item in _fields(data) if number == 1]
    if kind == 1:
        return [item for item in items if isinstance(item, bytes)]
    if kind == 2:
        # packed or one by one: both are allowed
        return np.frombuffer(b"".join(item for item in items if isinstance(item, bytes)), "<f4")
    if kind == 3:
        numbers: list[int] = []
        for item in items:
            numbers += [item] if isinstance(item, int) else _numbers(item)
        return np.array([number - (number >> 63 << 64) for number in numbers], np.int64)
    raise ValueError(f"a feature of kind {kind} is none of bytes, floats and whole numbers")


def _of(data: bytes, number: int) -> list[bytes]:
    return [item for mine, item in _fields(data) if mine == number and isinstance(item, bytes)]


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: their numbers, and bytes or whole numbers."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FOUR, _EIGHT):
            length = 4 if wire == _FOUR else 8
        else:
            raise ValueError(f"a field of wire type {wire} is none of a message")
        if at + length > len(data):
            raise ValueError("a field is cut off")
        yield tag >> 3, data[at : at + length]
        at += length


def _numbers(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        found.append(number)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
    raise ValueError("a whole number is cut off")
