"""OpenEXR: read back by the layout of the file, and by OpenEXR's own library where it is installed."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.formats.exr import write_exr


def values() -> NDArray[np.float16]:
    pixels = np.random.default_rng(0).uniform(0, 60_000, (37, 53)).astype(np.float16)
    pixels[3, :4] = np.nan, 0.0, 6e-8, np.inf
    return pixels


def test_scan_lines_lie_where_the_table_says() -> None:
    data = write_exr(values())
    assert struct.unpack_from("<2i", data) == (20000630, 2)
    at, header = 8, {}
    while data[at]:
        name, kind, rest = data[at:].split(b"\0", 2)
        (length,) = struct.unpack_from("<i", rest)
        at += len(name) + len(kind) + 2 + 4
        header[name.decode()] = (kind.decode(), data[at : at + length])
        at += length
    # what every EXR must have
    assert set(header) == {
        "channels",
        "compression",
        "dataWindow",
        "displayWindow",
        "lineOrder",
        "pixelAspectRatio",
        "screenWindowCenter",
        "screenWindowWidth",
    }
    assert header["channels"] == ("chlist", b"Z\0" + struct.pack("<4i", 1, 0, 1, 1) + b"\0")
    assert struct.unpack("<4i", header["dataWindow"][1]) == (0, 0, 52, 36)
    offsets = struct.unpack_from("<37Q", data, at + 1)
    assert offsets[0] == at + 1 + 37 * 8 and len(data) == offsets[-1] + 8 + 53 * 2
    for row, offset in enumerate(offsets):
        assert struct.unpack_from("<2i", data, offset) == (row, 106)
        line = np.frombuffer(data, "<f2", 53, offset + 8)
        assert np.array_equal(line, values()[row], equal_nan=True)


def test_openexr_reads_half_floats_as_they_are(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    path = tmp_path / "one.exr"
    path.write_bytes(write_exr(values()))
    file = exr.InputFile(str(path))
    window = file.header()["dataWindow"]
    assert (window.max.x, window.max.y) == (52, 36)
    read_back = np.frombuffer(file.channel("Z"), np.float16).reshape(37, 53)
    assert np.array_equal(read_back, values(), equal_nan=True)
