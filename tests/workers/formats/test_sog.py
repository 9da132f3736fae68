"""SOG: images and tables by a decoder written here, quantisation, order along the curve, hostile files."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.support.splats import largest_rotation, make_signpost, random_splat, sort_by_color
from workers.formats.codebook import codebook, nearest
from workers.formats.sog import SogError, write_sog
from workers.formats.sog_reader import read_sog
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.morton import morton_order


def parse(data):
    """One Gaussian at a time, from the format's description."""
    bundle = zipfile.ZipFile(io.BytesIO(data))
    meta = json.loads(bundle.read("meta.json"))
    assert meta["version"] == 2

    def pixels(part, index, mode):
        image = Image.open(io.BytesIO(bundle.read(meta[part]["files"][index])))
        assert image.format == "WEBP"
        width = image.width
        grid = np.asarray(image.convert(mode)).astype(int)
        return [grid[i // width, i % width].tolist() for i in range(meta["count"])]

    lower, upper = pixels("means", 0, "RGB"), pixels("means", 1, "RGB")
    scales, quats, sh0 = pixels("scales", 0, "RGB"), pixels("quats", 0, "RGBA"), pixels("sh0", 0, "RGBA")
    rows = []
    for i in range(meta["count"]):
        mean = []
        for axis in range(3):
            low, high = meta["means"]["mins"][axis], meta["means"]["maxs"][axis]
            n = low + (high - low) * (upper[i][axis] * 256 + lower[i][axis]) / 65535
            mean.append(np.sign(n) * (np.exp(abs(n)) - 1))
        missing = quats[i][3] - 252
        quat = [(value / 255 - 0.5) * 2 / 2**0.5 for value in quats[i][:3]]
        quat.insert(missing, (1 - sum(value**2 for value in quat)) ** 0.5)
        scale = [np.exp(meta["scales"]["codebook"][index]) for index in scales[i]]
        rgb = [0.5 + 0.28209479 * meta["sh0"]["codebook"][index] for index in sh0[i][:3]]
        rows.append((mean, quat, scale, sh0[i][3] / 255, rgb))
    return Gaussians(*(np.array(column) for column in zip(*rows, strict=True)))


def order_by_position(splat):
    clean = sanitize(splat)
    return clean.select(morton_order(clean.means.astype(np.float64)))


def assert_close(actual: Gaussians, expected: Gaussians):
    np.testing.assert_allclose(actual.means, expected.means, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.log(actual.scales), np.log(expected.scales), rtol=0, atol=0.03)
    np.testing.assert_allclose(actual.opacities, expected.opacities, rtol=0, atol=1 / 510 + 1e-6)
    np.testing.assert_allclose(actual.colors, expected.colors, rtol=0, atol=0.004)
    assert largest_rotation(actual, expected) < 1.0


def test_layout_by_an_independent_parser():
    splat = random_splat(700)
    assert_close(parse(write_sog(splat)), order_by_position(splat))


def test_round_trip():
    splat = random_splat(5000, seed=1)
    assert_close(read_sog(write_sog(splat)), order_by_position(splat))


def test_values_keep_the_canonical_axes():
    again = sort_by_color(parse(write_sog(make_signpost())))
    np.testing.assert_allclose(again.means, np.diag([0.5, 0.4, 0.3]), atol=1e-5)
    assert largest_rotation(again, make_signpost()) < 1.0


def test_colours_of_transparent_gaussians_survive():
    splat = random_splat(400, seed=2)
    clear = Gaussians(splat.means, splat.rotations, splat.scales, splat.opacities * 0, splat.colors)
    again = read_sog(write_sog(clear))
    assert again.opacities.max() < 1e-5
    np.testing.assert_allclose(again.colors, order_by_position(clear).colors, atol=0.004)


def test_the_same_splat_gives_the_same_bytes():
    assert write_sog(random_splat(300)) == write_sog(random_splat(300))


def test_up_to_256_values_are_kept_exactly():
    values = np.random.default_rng(0).choice(np.linspace(-9, 2, 200), 5000)
    table = codebook(values)
    np.testing.assert_array_equal(table[nearest(table, values)], values.astype(np.float32))


def test_codebook_beats_even_steps_and_keeps_extremes():
    values = np.concatenate([np.random.default_rng(1).normal(size=20_000), [40.0]])
    table = codebook(values)
    error = np.abs(table[nearest(table, values)] - values)
    even = np.linspace(values.min(), values.max(), 256)
    assert np.mean(error**2) < np.mean(np.abs(values[:, None] - even).min(axis=1) ** 2) / 10
    assert error[-1] < 0.2
    assert (np.diff(table) >= 0).all()


def test_the_curve_visits_octants_one_after_another():
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=float)
    shuffled = np.random.default_rng(2).permutation(8)
    np.testing.assert_array_equal(corners[shuffled][morton_order(corners[shuffled])], corners)
    points = np.random.default_rng(3).random((4000, 3))
    walk = np.linalg.norm(np.diff(points[morton_order(points)], axis=0), axis=1).mean()
    assert walk < np.linalg.norm(np.diff(points, axis=0), axis=1).mean() / 5


def rebuild(splat=None, *, meta=None, drop=(), images=None):
    """A bundle with a changed text, fewer files or other images."""
    source = zipfile.ZipFile(io.BytesIO(write_sog(splat or random_splat(30))))
    files = {name: source.read(name) for name in source.namelist() if name not in drop} | (images or {})
    if meta is not None:
        text = json.loads(files["meta.json"])
        meta(text)
        files["meta.json"] = json.dumps(text).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
    return out.getvalue()


def blank(side):
    out = io.BytesIO()
    Image.new("RGBA", (side, side)).save(out, "WEBP", lossless=True)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a readable SOG"),
        (b"PK\x03\x04" + bytes(100), "not a readable SOG"),
        (rebuild(drop=("meta.json",)), "no meta.json"),
        (rebuild(drop=("quats.webp",)), "no quats"),
        (rebuild(images={"meta.json": b"[" * 200_000}), "meta.json"),
        (rebuild(images={"meta.json": b" " * (1 << 21)}), "more than its Gaussians need"),
        (rebuild(images={"meta.json": b"[1]"}), "not an object"),
        (rebuild(images={"sh0.webp": b"RIFF"}), "cannot be decoded"),
        (rebuild(images={"sh0.webp": blank(4)}), "16 pixels"),
        (rebuild(images={"sh0.webp": blank(2000)}), "4000000 pixels"),
        (rebuild(images={"quats.webp": blank(8)}), "left out"),
        (rebuild(meta=lambda m: m.update(version=1)), "version 1"),
        (rebuild(meta=lambda m: m.update(count=10**9)), "1000000000 Gaussians"),
        (rebuild(meta=lambda m: m.update(count="30")), "30 Gaussians"),
        (rebuild(meta=lambda m: m.update(count=31_000)), "pixels"),
        (rebuild(meta=lambda m: m.update(count=4_000_000)), "cannot hold"),
        (rebuild(meta=lambda m: m["means"].update(mins=[0, 0])), "must list 3"),
        (rebuild(meta=lambda m: m["means"].update(mins=[0, 0, float("nan")])), "finite"),
        (rebuild(meta=lambda m: m["means"].update(mins=[10**400, 0, 0])), "finite"),
        (rebuild(meta=lambda m: m["scales"].update(codebook=[0])), "must list 256"),
        (rebuild(meta=lambda m: m["sh0"].update(files=[3])), "names"),
        (rebuild(meta=lambda m: m.pop("quats")), "quats.files"),
    ],
)
def test_broken_files_are_refused(data, words):
    with pytest.raises(SogError, match=words):
        read_sog(data)


def test_deflated_bundles_are_read_too():
    splat = random_splat(30)
    np.testing.assert_array_equal(read_sog(rebuild(splat)).means, read_sog(write_sog(splat)).means)


def test_truncations_are_refused():
    data = write_sog(random_splat(20))
    for end in range(0, len(data), 7):
        with pytest.raises(SogError):
            read_sog(data[:end])


def test_flipped_bytes_never_crash():
    data = bytearray(write_sog(random_splat(20)))
    for at in range(0, len(data), 5):
        broken = bytes(data[:at]) + bytes([data[at] ^ 0x55]) + bytes(data[at + 1 :])
        try:
            read_sog(broken)
        except SogError:
            continue


def test_an_empty_splat_is_refused():
    with pytest.raises(SogError, match="at least one"):
        write_sog(random_splat(0))
