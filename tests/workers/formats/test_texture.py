"""BakedAsset textures: read back by trimesh, against colours that are known on all of a rendered shape."""

import io
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tests.support.gltf_validator import assert_valid
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.export import TEXTURED_FACES, bake_asset, write_asset_textured_glb
from workers.formats.texture import bake_texture
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]


def paint(points: Array) -> Array:
    return np.asarray(0.5 + 0.45 * np.sin(6 * points + np.array([0, 1, 2])))


def shape(kind: str) -> tuple[Mesh, Gaussians]:
    """A ball or a torus of longest side 1, with painted Gaussians spread over it."""
    baked: Any = (
        trimesh.creation.icosphere(subdivisions=3, radius=0.5)
        if kind == "ball"
        else trimesh.creation.torus(0.35, 0.15, major_sections=48, minor_sections=24)
    )
    means = np.asarray(trimesh.sample.sample_surface_even(baked, 12_000, seed=3)[0])
    count = len(means)
    turned = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    splat = Gaussians(
        means.astype(np.float32),
        turned,
        np.full((count, 3), 0.006, np.float32),
        np.full(count, 0.9, np.float32),
        paint(means).astype(np.float32),
    )
    return Mesh(np.asarray(baked.vertices, np.float64), np.asarray(baked.faces, np.int64)), splat


@pytest.mark.parametrize("kind", ["ball", "torus"])
def test_each_point_of_the_surface_has_the_colour_of_its_gaussians(kind: str) -> None:
    mesh, splat = shape(kind)
    baked = bake_texture(mesh, splat, 512)
    vertices = mesh.vertices[baked.source]
    assert np.array_equal(baked.source[baked.faces], mesh.faces), "faces keep their corners and their winding"
    assert baked.uvs.min() >= 0 and baked.uvs.max() <= 1
    cut = trimesh.Trimesh(vertices, baked.faces, process=False)
    points, on = trimesh.sample.sample_surface(cut, 4000, seed=1)
    weights = trimesh.triangles.points_to_barycentric(cut.triangles[on], points)
    uv = (baked.uvs[baked.faces[on]] * weights[..., None]).sum(axis=1)
    columns, rows = np.clip((uv * 512).astype(int), 0, 511).T
    off = np.abs(baked.pixels[rows, columns] / 255 - paint(points))
    assert off.mean() < 0.015 and np.quantile(off, 0.99) < 0.06


def test_no_two_faces_share_a_texel() -> None:
    mesh, splat = shape("torus")
    baked = bake_texture(mesh, splat, 512)
    corners = 512 * baked.uvs[baked.faces]
    (ax, ay), (bx, by) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    area = 0.5 * np.abs(ax * by - ay * bx).sum()
    assert baked.covered.sum() == pytest.approx(area, rel=0.02)
    assert baked.covered.mean() > 0.3


def test_trimesh_reads_the_file_with_the_assets_shape() -> None:
    y, x = np.mgrid[:120, :160]
    image = np.zeros((120, 160, 3), np.uint8)
    image[..., 0], image[..., 1] = 40 + x, 200 - y
    asset = DefaultObjects().reconstruct(image, (x - 80) ** 2 + (y - 60) ** 2 < 40**2)
    data = write_asset_textured_glb(asset, "ball", bake_asset(asset))
    read: Any = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    assert len(read.faces) <= TEXTURED_FACES < len(asset.mesh.faces)
    whole = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=False)
    dense = trimesh.sample.sample_surface(whole, 200_000, seed=2)[0]
    off = cKDTree(np.concatenate([dense, asset.mesh.vertices])).query(read.vertices)[0]
    assert off.max() < 0.01
    texture = np.asarray(read.visual.material.baseColorTexture.convert("RGB"))
    assert texture.shape == (1024, 1024, 3) and texture[..., 0].std() > 5
    assert read.visual.material.baseColorFactor is None
    assert_valid(data)


def test_an_empty_splat_makes_no_texture() -> None:
    mesh, splat = shape("ball")
    empty = Gaussians(
        *(part[:0] for part in (splat.means, splat.rotations, splat.scales, splat.opacities)),
        splat.colors[:0],
    )
    with pytest.raises(ValueError, match="Gaussians"):
        bake_texture(mesh, empty)
