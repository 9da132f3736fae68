"""SPZ: the bytes by a parser written here, what quantisation may cost, and hostile files."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from tests.support.splats import largest_rotation, make_signpost, random_splat
from workers.formats.spz import SpzError, read_spz, write_spz
from workers.geometry.gaussians import Gaussians, sanitize

# Fields of a packed quaternion, from the top: which of x, y, z, w is left out, then the others.
ORDER = {0: "yzw", 1: "xzw", 2: "xyw", 3: "xyz"}


def parse(data):
    """Gaussian by Gaussian with struct and plain loops, from the format's description."""
    body = gzip.decompress(data)
    magic, version, count, degree, bits, flags, reserved = struct.unpack_from("<4sIIBBBB", body)
    assert (magic, version, degree, flags, reserved) == (b"NGSP", 3, 0, 0, 0)
    assert len(body) == 16 + 20 * count
    at = 16
    out = {"means": [], "alpha": [], "rgb": [], "scales": [], "quats": []}
    for i in range(3 * count):
        low, mid, high = body[at + 3 * i : at + 3 * i + 3]
        value = low + 256 * mid + 65536 * high
        out["means"].append((value - 2**24 if value >= 2**23 else value) / 2**bits)
    at += 9 * count
    out["alpha"] = [value / 255 for value in body[at : at + count]]
    at += count
    # Colour byte to SH coefficient to sRGB.
    out["rgb"] = [0.5 + 0.28209479 * (v / 255 - 0.5) / 0.15 for v in body[at : at + 3 * count]]
    at += 3 * count
    out["scales"] = [np.exp(value / 16 - 10) for value in body[at : at + 3 * count]]
    at += 3 * count
    for (word,) in struct.iter_unpack("<I", body[at:]):
        missing = word >> 30
        parts = {}
        for name, shift in zip(ORDER[missing], (20, 10, 0), strict=True):
            field = word >> shift & 0x3FF
            parts[name] = (-1 if field & 0x200 else 1) * (field & 0x1FF) / 511 * 0.5**0.5
        parts["xyzw"[missing]] = (1 - sum(value**2 for value in parts.values())) ** 0.5
        out["quats"].append([parts[name] for name in "wxyz"])
    return out


def version_two(splat: Gaussians, degree=1):
    """What an older encoder writes: x, y, z of the quaternion in bytes, and harmonics at the end."""
    count = len(splat)
    quats = splat.rotations * np.where(splat.rotations[:, :1] < 0, -1, 1)
    fixed = np.rint(splat.means.astype(np.float64) * 4096).astype(int)
    body = struct.pack("<4sIIBBBB", b"NGSP", 2, count, degree, 12, 0, 0)
    body += b"".join(int(value).to_bytes(3, "little", signed=True) for value in fixed.reshape(-1))
    body += bytes(np.rint(splat.opacities * 255).astype(int).tolist())
    dc = (splat.colors - 0.5) / 0.28209479
    body += bytes(np.rint((dc * 0.15 + 0.5) * 255).astype(int).reshape(-1).tolist())
    body += bytes(np.rint((np.log(splat.scales) + 10) * 16).astype(int).reshape(-1).tolist())
    body += bytes(np.rint(quats[:, 1:] * 127.5 + 127.5).clip(0, 255).astype(int).reshape(-1).tolist())
    return gzip.compress(body + bytes(count * {0: 0, 1: 9}[degree]))


def assert_close(actual: Gaussians, expected: Gaussians):
    np.testing.assert_allclose(actual.means, expected.means, rtol=0, atol=2**-17)
    np.testing.assert_allclose(np.log(actual.scales), np.log(expected.scales), rtol=0, atol=1 / 32 + 1e-5)
    np.testing.assert_allclose(actual.opacities, expected.opacities, rtol=0, atol=1 / 510 + 1e-6)
    np.testing.assert_allclose(actual.colors, expected.colors, rtol=0, atol=0.00371)
    assert largest_rotation(actual, expected) < 0.3


def test_layout_by_an_independent_parser():
    splat = sanitize(random_splat(300))
    parsed = parse(write_spz(splat))
    actual = Gaussians(
        np.array(parsed["means"]).reshape(-1, 3),
        np.array(parsed["quats"]),
        np.array(parsed["scales"]).reshape(-1, 3),
        np.array(parsed["alpha"]),
        np.array(parsed["rgb"]).reshape(-1, 3),
    )
    assert_close(actual, splat)


def test_values_keep_the_canonical_axes():
    parsed = parse(write_spz(make_signpost()))
    np.testing.assert_allclose(np.array(parsed["means"]).reshape(3, 3), np.diag([0.5, 0.4, 0.3]), atol=1e-5)
    quats = np.array(parsed["quats"])
    signs = np.sign((quats * make_signpost().rotations).sum(axis=1))[:, None]
    np.testing.assert_allclose(quats * signs, make_signpost().rotations, atol=2e-3)


def test_round_trip():
    splat = sanitize(random_splat(2000, seed=1))
    assert_close(read_spz(write_spz(splat)), splat)


@pytest.mark.parametrize("side", [1e-3, 30.0, 4000.0])
def test_other_sizes_keep_their_relative_precision(side):
    splat = sanitize(random_splat(500, seed=2, side=side))
    again = read_spz(write_spz(splat))
    assert np.abs(again.means - splat.means).max() <= side * 2**-17 * 1.01


def test_far_from_the_origin_is_coarser_and_too_far_is_refused():
    near = random_splat(50)
    far = Gaussians(near.means + 1e5, near.rotations, near.scales, near.opacities, near.colors)
    assert np.abs(read_spz(write_spz(far)).means - far.means).max() <= 2**-6
    beyond = Gaussians(near.means + 1e8, near.rotations, near.scales, near.opacities, near.colors)
    with pytest.raises(SpzError, match="24 bits"):
        write_spz(beyond)


def test_the_same_bytes_every_time_without_timestamps():
    data = write_spz(random_splat(100))
    assert data == write_spz(random_splat(100))
    assert data[4:8] == bytes(4)


def test_version_two_is_read_and_harmonics_are_left_out():
    splat = sanitize(random_splat(200, seed=3))
    again = read_spz(version_two(splat))
    np.testing.assert_allclose(again.means, splat.means, rtol=0, atol=1 / 8192 + 1e-6)
    np.testing.assert_allclose(again.colors, splat.colors, rtol=0, atol=0.0038)
    # Bytes near a half turn leave little of w.
    assert largest_rotation(again, splat) < 12
    upright = sanitize(Gaussians(*(getattr(splat, f) for f in ("means",)), *_level(splat)))
    assert largest_rotation(read_spz(version_two(upright, 0)), upright) < 1.0


def _level(splat):
    rotations = np.tile(np.array([0.8, 0.36, 0.0, 0.48], dtype=np.float32), (len(splat), 1))
    return rotations, splat.scales, splat.opacities, splat.colors


def pack(version=3, count=2, degree=0, bits=12, flags=0, magic=b"NGSP", body=bytes(40)):
    return gzip.compress(struct.pack("<4sIIBBBB", magic, version, count, degree, bits, flags, 0) + body)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "gzip"),
        (b"NGSP" + bytes(40), "SPZ 4"),
        (b"\x1f\x8b" + bytes(30), "gzip is broken"),
        (gzip.compress(b"NGSP"), "header"),
        (pack(magic=b"PGSN"), "magic"),
        (pack(version=1), "version 1"),
        (pack(degree=9), "degree"),
        (pack(bits=200), "fraction"),
        (pack(flags=2), "extensions"),
        (pack(count=0), "0 Gaussians"),
        (pack(count=2**32 - 1), "4294967295 Gaussians"),
        (pack(count=3), "ends before"),
        (pack(count=4_000_000), "ends before"),
        (pack(count=1), "goes on"),
        (pack()[:-4], "cut off"),
        (pack(body=bytes(range(40)))[:-20], "ends before"),
    ],
)
def test_broken_files_are_refused(data, words):
    with pytest.raises(SpzError, match=words):
        read_spz(data)


def test_every_truncation_is_refused():
    data = write_spz(random_splat(20))
    for end in range(len(data)):
        with pytest.raises(SpzError):
            read_spz(data[:end])


def test_a_false_count_allocates_nothing():
    bomb = pack(count=4_999_999, degree=4, body=bytes(1_000_000))
    tracemalloc.start()
    with pytest.raises(SpzError, match="ends before"):
        read_spz(bomb)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_an_empty_splat_is_refused():
    with pytest.raises(SpzError, match="at least one"):
        write_spz(random_splat(0))
