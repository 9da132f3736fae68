"""Spherical harmonics beyond degree 0 through every format of splats, by parsers written here."""

import gzip
import io
import json
import struct
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.splats import random_splat
from workers.formats.convert import convert_splat, load_asset, write_asset
from workers.formats.losses import Losses
from workers.formats.sog import SogError, write_sog
from workers.formats.sog_reader import read_sog
from workers.formats.splat_glb import read_splat_glb, write_splat_glb
from workers.formats.splat_ply import read_splat_ply, write_splat_ply
from workers.formats.spz import read_spz, write_spz
from workers.formats.zip_writer import write_zip
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.poses import Similarity
from workers.geometry.spherical_harmonics import COUNTS

COUNT = 90


def draw(degree: int = 3, count: int = COUNT) -> Gaussians:
    """A splat whose coefficients SPZ can hold."""
    rng = np.random.default_rng(degree)
    harmonics = rng.uniform(-0.9, 0.9, (count, COUNTS[degree], 3)).astype(np.float32)
    return replace(random_splat(count), harmonics=harmonics)


def with_harmonics(splat: Gaussians) -> Any:
    assert splat.harmonics is not None
    return splat.harmonics


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_ply_has_the_coefficients_of_3dgs_channel_by_channel(degree: int) -> None:
    splat = draw(degree)
    data = write_splat_ply(splat)
    head, body = data.split(b"end_header\n", 1)
    names = [line.split()[-1] for line in head.decode().splitlines() if line.startswith("property")]
    table = np.frombuffer(body, "<f4").reshape(COUNT, len(names))
    width = COUNTS[degree]
    assert names[9:12] == ["f_rest_0", "f_rest_1", "f_rest_2"] and names[9 + 3 * width] == "opacity"
    for channel in range(3):
        for index in range(width):
            column = table[:, names.index(f"f_rest_{channel * width + index}")]
            np.testing.assert_array_equal(column, with_harmonics(splat)[:, index, channel])
    losses = Losses()
    np.testing.assert_array_equal(with_harmonics(read_splat_ply(data, losses)), splat.harmonics)
    assert not +losses
    # as many as no degree has: they are left out, and counted
    cut = data.replace(b"f_rest_8\n", b"strange8\n")
    assert read_splat_ply(cut, losses).harmonics is None and losses["harmonics"] == COUNT


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_spz_has_a_byte_per_coefficient_with_the_channel_inside(degree: int) -> None:
    splat = draw(degree)
    data = write_spz(splat)
    raw = gzip.decompress(data)
    assert raw[12] == degree
    tail = np.frombuffer(raw[-COUNT * 3 * COUNTS[degree] :], np.uint8).reshape(COUNT, COUNTS[degree], 3)
    values = (tail.astype(float) - 128) / 128
    assert np.abs(values[:, :3] - with_harmonics(splat)[:, :3]).max() <= 1 / 32 + 1e-6
    assert np.abs(values - with_harmonics(splat)).max() <= 1 / 16 + 1e-6
    np.testing.assert_allclose(with_harmonics(read_spz(data)), values, atol=1e-6)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_gltf_has_an_attribute_per_coefficient(degree: int) -> None:
    splat = draw(degree)
    data = write_splat_glb(splat)
    (size,) = struct.unpack_from("<I", data, 12)
    document, blob = json.loads(data[20 : 20 + size]), data[28 + size :]
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    index = 0
    for level in range(1, degree + 1):
        for order in range(2 * level + 1):
            name = f"KHR_gaussian_splatting:SH_DEGREE_{level}_COEF_{order}"
            view = document["bufferViews"][document["accessors"][attributes[name]]["bufferView"]]
            values = np.frombuffer(blob, "<f4", 3 * COUNT, view["byteOffset"]).reshape(COUNT, 3)
            np.testing.assert_array_equal(values, with_harmonics(splat)[:, index])
            index += 1
    losses = Losses()
    np.testing.assert_array_equal(with_harmonics(read_splat_glb(data, losses)), splat.harmonics)
    assert not +losses


def read_palette(data: bytes) -> Any:
    """The coefficients of each Gaussian of a SOG, from the format's description."""
    bundle = zipfile.ZipFile(io.BytesIO(data))
    meta = json.loads(bundle.read("meta.json"))
    part, width = meta["shN"], COUNTS[meta["shN"]["bands"]]
    centroids, labels = (
        np.asarray(Image.open(io.BytesIO(bundle.read(name))).convert("RGB")).astype(int)
        for name in part["files"]
    )
    assert centroids.shape[1] == 64 * width
    rows = []
    for number in range(meta["count"]):
        red, green = labels.reshape(-1, 3)[number, :2]
        entry = red + 256 * green
        place = (entry % 64) * width
        rows.append(np.array(part["codebook"])[centroids[entry // 64, place : place + width]])
    return np.array(rows)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_sog_has_a_palette(degree: int) -> None:
    splat = draw(degree)
    data = write_sog(splat)
    again = read_sog(data)
    np.testing.assert_allclose(read_palette(data), with_harmonics(again), atol=1e-6)
    # the file orders Gaussians along a curve
    nearest = np.linalg.norm(again.means[:, None] - splat.means, axis=2).argmin(axis=1)
    assert np.abs(with_harmonics(again) - with_harmonics(splat)[nearest]).max() < 0.02


def test_neighbours_share_an_entry_of_a_full_palette(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.formats.sog.PALETTE", 50)
    data = write_sog(draw(1))
    again = with_harmonics(read_sog(data))
    assert len(np.unique(again, axis=0)) == COUNT // 2
    np.testing.assert_array_equal(again[0], again[1])


def test_a_broken_palette_is_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(write_sog(draw(1)))) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    meta = json.loads(files["meta.json"])
    for change in ({"count": 4}, {"count": 0}, {"bands": 4}, {"codebook": [0.5]}, {"files": ["a", "b"]}):
        files["meta.json"] = json.dumps({**meta, "shN": {**meta["shN"], **change}}).encode()
        with pytest.raises(SogError):
            read_sog(write_zip(files.items()))


def test_entries_of_a_palette_are_found_by_row_and_column() -> None:
    data = write_sog(draw(1))
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    palette = np.asarray(Image.open(io.BytesIO(files["shN_centroids.webp"])).convert("RGB"))
    padded = np.pad(palette, ((0, 3), (0, 10), (0, 0)), constant_values=7)
    narrow = palette.reshape(-1, palette.shape[1] // 2, 3)
    for image, readable in ((padded, True), (narrow, False)):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "WEBP", lossless=True)
        changed = write_zip({**files, "shN_centroids.webp": out.getvalue()}.items())
        if readable:
            np.testing.assert_array_equal(with_harmonics(read_sog(changed)), with_harmonics(read_sog(data)))
            continue
        with pytest.raises(SogError, match="palette of 90 entries"):
            read_sog(changed)


@pytest.mark.parametrize(("target", "lost"), [("khr_glb", 0), ("sog", 0), ("splat", COUNT), ("html", COUNT)])
def test_what_a_format_cannot_hold_is_counted(target: str, lost: int) -> None:
    loaded = load_asset(write_splat_ply(draw(2)))
    assert write_asset(loaded, target).losses["harmonics"] == lost


def test_axes_that_are_turned_turn_the_colours() -> None:
    splat = draw(3)
    turned = read_spz(convert_splat(write_splat_ply(splat), "ply", "spz", y_down=True))
    expected = transform(splat, Similarity(rotation=(0.0, 1.0, 0.0, 0.0)))
    assert np.abs(with_harmonics(turned) - np.clip(with_harmonics(expected), -1, 1)).max() <= 1 / 16 + 1e-3
