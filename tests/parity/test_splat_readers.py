"""Splat files read by npm packages that others wrote: where a signpost's Gaussians end up.

Needs Node and a node_modules folder with @playcanvas/splat-transform and three, named by MAQUETTE_NPM.
splat-transform takes a PLY for 3DGS's axes (y down) and turns it by 180 degrees about x for SPZ; it copies
the numbers of a PLY into a SOG, and turns a PLY by 180 degrees about z for a GLB.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.splats import compute_covariances, flip_axes, make_signpost, random_splat, sort_by_color
from workers.formats.convert import convert_splat
from workers.formats.packed_splats import write_ksplat, write_splat
from workers.formats.sog import write_sog
from workers.formats.sog_reader import read_sog
from workers.formats.splat_glb import read_splat_glb, write_splat_glb
from workers.formats.splat_ply import read_splat_ply, write_splat_ply
from workers.formats.spz import read_spz, write_spz
from workers.geometry.gaussians import sanitize

POST = sanitize(make_signpost())


def npm(package: str) -> tuple[str, Path]:
    """Node and the package's folder, or a skip that says what is missing."""
    node, folder = shutil.which("node"), os.environ.get("MAQUETTE_NPM")
    if node is None:
        pytest.skip("Node is not installed")
    if folder is None or not (Path(folder) / package / "package.json").is_file():
        pytest.skip(f"npm {package} not found: set MAQUETTE_NPM to its node_modules folder")
    return node, Path(folder) / package


def splat_transform(data: bytes, name: str, target: str, folder: Path, *options: str) -> bytes:
    """What splat-transform makes of a file."""
    node, package = npm("@playcanvas/splat-transform")
    source, out = folder / name, folder / target
    source.write_bytes(data)
    command = [node, str(package / "bin/cli.mjs"), "-q", "-w", "-g", "cpu", *options, str(source), str(out)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return out.read_bytes()


def assert_placed(splat, means, spread, *, means_to=2e-5, spread_to=2e-3, colors_to=0.005):
    got = sort_by_color(splat)
    np.testing.assert_allclose(got.means, means, rtol=0, atol=means_to)
    np.testing.assert_allclose(compute_covariances(got), spread, rtol=0, atol=spread_to)
    np.testing.assert_allclose(got.colors, POST.colors, rtol=0, atol=colors_to)
    np.testing.assert_allclose(got.opacities, POST.opacities, rtol=0, atol=0.003)


def test_splat_transform_reads_our_spz(tmp_path):
    read = read_splat_ply(splat_transform(write_spz(POST), "post.spz", "out.ply", tmp_path))
    assert_placed(read, *flip_axes(POST, (1, -1, -1)))


def test_splat_transform_reads_our_sog(tmp_path):
    read = read_splat_ply(splat_transform(write_sog(POST), "post.sog", "out.ply", tmp_path))
    assert_placed(read, *flip_axes(POST, (1, 1, 1)))


def test_splat_transform_reads_our_ply(tmp_path):
    read = read_splat_ply(splat_transform(write_splat_ply(POST), "post.ply", "out.ply", tmp_path))
    assert_placed(read, *flip_axes(POST, (1, 1, 1)), means_to=1e-6, spread_to=1e-6)


@pytest.mark.parametrize(("write", "spread_to"), [(write_splat, 1e-3), (write_ksplat, 1e-6)])
def test_splat_transform_reads_the_formats_of_viewers(tmp_path, write, spread_to):
    name = "post." + write.__name__.removeprefix("write_")
    read = read_splat_ply(splat_transform(write(POST), name, "out.ply", tmp_path))
    assert_placed(read, *flip_axes(POST, (1, 1, 1)), means_to=1e-6, spread_to=spread_to)


def test_many_gaussians_come_through_alike(tmp_path):
    splat = sanitize(random_splat(3000, seed=5))
    ours = read_sog(write_sog(splat))
    theirs = read_splat_ply(splat_transform(write_sog(splat), "many.sog", "out.ply", tmp_path))
    np.testing.assert_allclose(theirs.means, ours.means, rtol=0, atol=1e-6)
    np.testing.assert_allclose(compute_covariances(theirs), compute_covariances(ours), rtol=0, atol=1e-6)
    ours = read_spz(write_spz(splat))
    theirs = read_splat_ply(splat_transform(write_spz(splat), "many.spz", "out.ply", tmp_path))
    np.testing.assert_allclose(theirs.means, ours.means * [1, -1, -1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        compute_covariances(theirs), flip_axes(ours, (1, -1, -1))[1], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(theirs.colors, ours.colors, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("target", "read", "axes"),
    [
        ("out.spz", read_spz, (1, -1, -1)),
        ("out.sog", read_sog, (1, 1, 1)),
        ("out.glb", read_splat_glb, (-1, -1, 1)),
    ],
)
def test_we_read_what_splat_transform_writes(tmp_path, target, read, axes):
    options = ("--spz-version", "3") if target.endswith("spz") else ()
    data = splat_transform(write_splat_ply(POST), "post.ply", target, tmp_path, *options)
    # It keeps 12 bits behind the point in SPZ, and merges colours of a SOG even where there are few.
    assert_placed(read(data), *flip_axes(POST, axes), means_to=2e-4, colors_to=0.03)


def test_y_down_does_what_splat_transform_does(tmp_path):
    ply = write_splat_ply(POST)
    theirs = sort_by_color(
        read_spz(splat_transform(ply, "post.ply", "out.spz", tmp_path, "--spz-version", "3"))
    )
    ours = sort_by_color(read_spz(convert_splat(ply, "ply", "spz", y_down=True)))
    np.testing.assert_allclose(ours.means, theirs.means, rtol=0, atol=2e-4)
    np.testing.assert_allclose(compute_covariances(ours), compute_covariances(theirs), rtol=0, atol=1e-4)


def test_three_js_reads_our_glb(tmp_path):
    node, package = npm("three")
    if not (package / "examples/jsm/loaders/GLTFGaussianSplatLoaderExtension.js").is_file():
        pytest.skip("this three.js does not read KHR_gaussian_splatting: 0.187 does")
    file = tmp_path / "post.glb"
    file.write_bytes(write_splat_glb(POST))
    script = Path(__file__).with_name("splat_readers.mjs")
    command = [node, str(script), str(package.parent), str(file)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert completed.returncode == 0, completed.stderr
    document = json.loads(completed.stdout)
    np.testing.assert_allclose(np.reshape(document["position"], (3, 3)), POST.means, rtol=0, atol=1e-7)
    upper = compute_covariances(POST)[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(np.reshape(document["covariance"], (3, 6)), upper, rtol=1e-4, atol=1e-8)
    rgba = np.column_stack([POST.colors, POST.opacities]) * 255
    np.testing.assert_allclose(np.reshape(document["color"], (3, 4)), rgba, rtol=0, atol=0.51)
