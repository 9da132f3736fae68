"""Gaussians PLY: the exact bytes, by a parser written here, and what happens to bad values."""

import numpy as np
import pytest

from workers.formats.ply_header import PlyError
from workers.formats.splat_ply import FIELDS, read_splat_fields, read_splat_ply, write_splat_fields
from workers.formats.splat_ply import write_splat_ply as write
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.poses import Similarity

NAMES = [*"xyz", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"]
NAMES += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


def random_splat(count=50, seed=0):
    rng = np.random.default_rng(seed)
    rotations = rng.normal(size=(count, 4))
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    return Gaussians(
        means=rng.normal(size=(count, 3)).astype(np.float32),
        rotations=rotations.astype(np.float32),
        scales=np.exp(rng.uniform(-6, -2, (count, 3))).astype(np.float32),
        opacities=rng.uniform(0.01, 0.99, count).astype(np.float32),
        colors=rng.random((count, 3)).astype(np.float32),
    )


def parse(data):
    head, body = data.split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count = int(lines[2].removeprefix("element vertex "))
    names = [line.removeprefix("property float ") for line in lines[3:]]
    assert len(body) == count * 17 * 4
    return names, np.frombuffer(body, "<f4").reshape(count, len(names))


def test_layout_is_the_3dgs_one():
    splat = random_splat()
    names, table = parse(write(splat))
    assert names == NAMES
    np.testing.assert_array_equal(table[:, :3], splat.means)
    np.testing.assert_array_equal(table[:, 3:6], 0)
    np.testing.assert_allclose(0.5 + 0.28209479 * table[:, 6:9], splat.colors, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-table[:, 9])), splat.opacities, atol=1e-6)
    np.testing.assert_allclose(np.exp(table[:, 10:13]), splat.scales, rtol=1e-6)
    np.testing.assert_array_equal(table[:, 13:17], splat.rotations)


def test_encoded_values_round_trip_bit_for_bit():
    fields = np.random.default_rng(1).normal(size=(100, 17)).astype(np.float32)
    fields[0, 9], fields[1, 10] = np.inf, np.nan
    data = write_splat_fields(fields)
    assert read_splat_fields(data).tobytes() == fields.tobytes()
    assert write_splat_fields(read_splat_fields(data)) == data
    assert tuple(NAMES) == FIELDS


def test_plain_values_round_trip():
    splat = random_splat(seed=2)
    again = read_splat_ply(write(splat))
    np.testing.assert_array_equal(again.means, splat.means)
    np.testing.assert_array_equal(again.rotations, splat.rotations)
    np.testing.assert_allclose(again.scales, splat.scales, rtol=1e-6)
    np.testing.assert_allclose(again.opacities, splat.opacities, rtol=1e-6)
    np.testing.assert_allclose(again.colors, splat.colors, atol=1e-6)


def test_raw_model_output_is_sanitised():
    fields = parse(write(random_splat(6)))[1].copy()
    fields[0, 9] = np.inf
    fields[1, 13:17] = (0, 3, 0, 4)
    fields[2, 0] = np.nan
    fields[3, 13:17] = 0
    fields[4, 10] = np.inf
    splat = read_splat_ply(write_splat_fields(fields))
    assert len(splat) == 3
    assert 0.999 < splat.opacities[0] < 1
    np.testing.assert_allclose(splat.rotations[1], [0, 0.6, 0, 0.8], atol=1e-7)
    assert all(np.isfinite(parse(write(splat))[1]).ravel())


def test_other_properties_and_doubles_are_read():
    splat = random_splat(4, seed=3)
    _, table = parse(write(splat))
    kinds = [("f_rest_0", "<f4"), *((name, "<f8") for name in reversed(NAMES))]
    records = np.zeros(4, dtype=kinds)
    for column, name in enumerate(NAMES):
        records[name] = table[:, column]
    lines = ["ply", "format binary_little_endian 1.0", "comment made here", "element vertex 4"]
    lines += [f"property {'float' if kind == '<f4' else 'double'} {name}" for name, kind in kinds]
    data = "\n".join([*lines, "end_header\n"]).encode() + records.tobytes()
    np.testing.assert_array_equal(read_splat_fields(data), table)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "header"),
        (b"solid cube", "header"),
        (write(random_splat(3))[:-1], "ends before"),
        (write(random_splat(3)).replace(b"binary_little_endian", b"binary_middle_endian"), "little"),
        (write(random_splat(3)).replace(b"opacity", b"opaqity"), "opacity"),
        (write(random_splat(3)).replace(b"vertex 3", b"vertex -3"), "count"),
        (write(random_splat(3)).replace(b"vertex 3", b"vertex 99999999999"), "ends before"),
        (
            write(random_splat(3)).replace(b"property float rot_3", b"property list int rot_3"),
            "unknown property",
        ),
    ],
)
def test_broken_files_are_refused(data, words):
    with pytest.raises(PlyError, match=words):
        read_splat_ply(data)


def test_a_transform_moves_means_axes_and_scales_together():
    splat = random_splat(20, seed=4)
    pose = Similarity((0.5, 0.5, -0.5, 0.5), (1, 2, 3), 2.5)
    moved = transform(splat, pose)

    def tips(s):
        w, x, y, z = s.rotations.astype(np.float64).T
        axis = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)], axis=1)
        return s.means + axis * s.scales[:, :1]

    np.testing.assert_allclose(tips(moved), pose.apply(tips(splat)), atol=1e-5)
