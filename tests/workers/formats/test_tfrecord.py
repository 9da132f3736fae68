"""TFRecord: checksums against published values, messages against a reader of the wire format."""

import base64
import io
import struct

import numpy as np
import pytest

from tests.support.tfrecords import read_examples, read_records
from workers.formats import tfrecord, tfrecord_reader
from workers.formats.tfrecord import PIECE, crc32c, encode_example, write_records


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        # RFC 3720, appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_are_those_of_the_standard(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@pytest.mark.parametrize("length", [PIECE * 2 - 1, PIECE * 2, PIECE * 3 + 1, PIECE * 5 - 3, PIECE * 7 + 3])
def test_checksums_in_pieces_equal_those_byte_by_byte(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    pieces = crc32c(data)
    monkeypatch.setattr(tfrecord, "PIECE", length)
    assert pieces == crc32c(data)
    assert pieces != crc32c(data[:-1] + bytes([data[-1] ^ 1]))


def test_records_round_trip_and_damage_is_detected() -> None:
    file = io.BytesIO()
    payloads = [b"", b"short", bytes(range(256)) * 40]
    assert write_records(file, payloads) == sum(map(len, payloads))
    assert read_records(file.getvalue()) == payloads
    assert struct.unpack("<Q", file.getvalue()[:8]) == (0,)
    broken = bytearray(file.getvalue())
    broken[-100] ^= 4
    with pytest.raises(ValueError, match="checksum"):
        read_records(bytes(broken))


def test_examples_hold_bytes_floats_and_integers() -> None:
    features = {
        "a/text": [b"one", b""],
        "b/floats": np.array([[1.5, -2.0], [np.nan, 3e8]], np.float64),
        "c/numbers": np.array([0, 127, 128, 65535, -1, 2**40]),
        "d/none": np.zeros(0, np.float32),
        "a/\u00e9": np.array([7], np.uint16),
    }
    file = io.BytesIO()
    write_records(file, [encode_example(features), encode_example(dict(reversed(features.items())))])
    first, second = read_examples(file.getvalue())
    assert list(first) == sorted(features)
    assert first["a/text"] == [b"one", b""]
    assert np.array_equal(first["b/floats"], np.array([1.5, -2, np.nan, 3e8], np.float32), equal_nan=True)
    assert list(first["c/numbers"]) == [0, 127, 128, 65535, -1, 2**40]
    assert list(first["d/none"]) == [] and list(first["a/\u00e9"]) == [7]
    assert first.keys() == second.keys(), "the order in which features are given says nothing"


def test_unsupported_types_are_refused() -> None:
    with pytest.raises(ValueError, match="flag is bool"):
        encode_example({"flag": np.array([True])})


# two records of TensorFlow 2.21.0's TFRecordWriter: an Example, and nothing
GOLDEN = (
    "VQAAAAAAAADX3w/BClMKFgoGZmxvYXRzEgwSCgoIAADAPwAAAMAKCAoEbm9uZRIAChwKB251bWJlcnMSERoPCg0ArAL/////"
    "//////8BChEKBHRleHQSCQoHCgNvbmUKACE49/oAAAAAAAAAACkDmAfY6oKi"
)


def test_files_of_tensorflow_are_read_and_written_identically() -> None:
    data = base64.b64decode(GOLDEN)
    first, second = tfrecord_reader.read_records(io.BytesIO(data))
    assert second == b""
    parsed = tfrecord_reader.parse_example(first)
    assert set(parsed) == {"text", "floats", "numbers"}
    assert parsed["text"] == [b"one", b""]
    assert list(parsed["floats"]) == [1.5, -2.0] and list(parsed["numbers"]) == [0, 300, -1]
    file = io.BytesIO()
    write_records(file, [first, second])
    assert file.getvalue() == data


def test_the_reader_follows_the_wire_format() -> None:
    features = {"a": [b"x" * 300], "b": np.array([1.5, np.nan]), "c": np.array([2**40, -5]), "d": np.zeros(0)}
    file = io.BytesIO()
    write_records(file, [encode_example(features)])
    [ours], [theirs] = (
        tfrecord_reader.read_records(io.BytesIO(file.getvalue())),
        read_examples(file.getvalue()),
    )
    parsed = tfrecord_reader.parse_example(ours)
    assert parsed["a"] == theirs["a"]
    for name in "bcd":
        assert np.array_equal(np.asarray(parsed[name]), theirs[name], equal_nan=True)


@pytest.mark.parametrize("place", [3, 9, 20, -2])
def test_damaged_records_are_refused(place: int) -> None:
    data = bytearray(base64.b64decode(GOLDEN))
    data[place] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        list(tfrecord_reader.read_records(io.BytesIO(bytes(data))))


@pytest.mark.parametrize("length", [5, 12, 40, 100, 103])
def test_truncated_files_are_refused(length: int) -> None:
    data = base64.b64decode(GOLDEN)[:length]
    with pytest.raises(ValueError, match="damaged"):
        list(tfrecord_reader.read_records(io.BytesIO(data)))


@pytest.mark.parametrize("record", [b"\x0a", b"\x0a\x09\x0a", b"\x0b\x00", b"\x0a" + b"\xff" * 12])
def test_bytes_that_are_not_an_example_are_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|wire type"):
        tfrecord_reader.parse_example(record)
