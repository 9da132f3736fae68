"""Reads TFRecord files and tf.train.Example messages by the wire format alone."""

import struct
from typing import Any

import numpy as np

from workers.formats.tfrecord import crc32c


def read_records(data: bytes) -> list[bytes]:
    """The records of a file; raises ValueError where a checksum is wrong."""
    actual, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        body = data[at + 12 : at + 12 + length]
        for part, place in ((data[at : at + 8], at + 8), (body, at + 12 + length)):
            crc = crc32c(part)
            masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
            if struct.unpack_from("<I", data, place) != (masked,):
                raise ValueError("a checksum is wrong")
        actual.append(body)
        at += 16 + length
    return actual


def read_examples(data: bytes) -> list[dict[str, Any]]:
    """The examples of a file: lists of bytes, or arrays, by name."""
    return [_example(record) for record in read_records(data)]


def _example(record: bytes) -> dict[str, Any]:
    collected = {}
    for _, features in _fields(record):
        for _, entry in _fields(features):
            (_, name), (_, feature) = _fields(entry)
            [(kind, values)] = _fields(feature)
            if kind == 1:
                collected[name.decode()] = [item for _, item in _fields(values)]
            else:
                packed = b"".join(item for _, item in _fields(values))
                collected[name.decode()] = np.frombuffer(packed, "<f4") if kind == 2 else _varints(packed)
    return collected


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    actual, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        assert tag & 7 == 2
        length, at = _varint(data, at)
        actual.append((tag >> 3, data[at : at + length]))
        at += length
    return actual


def _varints(data: bytes) -> Any:
    actual, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        actual.append(number - (1 << 64) if number >> 63 else number)
    return np.array(actual, np.int64)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number, shift, at = number | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return number, at
