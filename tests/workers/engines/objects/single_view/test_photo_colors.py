"""The colours of an object at the photo's resolution: texture of the GLB, and surfels that follow detail."""

import io

import cv2
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image

from bench.objects.photo_colors import draw_texture, draw_vertex_colors, measure_psnr
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.export import add_asset_node, write_asset_glb
from workers.engines.objects.single_view.photo_splat import split_by_detail
from workers.engines.protocols import ObjectAsset
from workers.formats.glb_builder import GlbBuilder
from workers.geometry.splat_renderer import render_splat

SIZE = (200, 280)
CENTRE, RADIUS = (150, 95), 70


def draw_disc() -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, np.uint8)
    cv2.circle(mask, CENTRE, RADIUS, 1, -1)
    return mask.astype(np.bool_)


def draw_stripes(width: int = 4) -> NDArray[np.uint8]:
    """A photo with slanted lines; those of 4 pixels are finer than the vertices of a mesh."""
    rows, columns = np.indices(SIZE)
    light = ((rows + columns) // width % 2 == 0)[..., None]
    return np.where(light, np.array([230, 200, 60]), np.array([40, 60, 120])).astype(np.uint8)


@pytest.fixture(scope="module")
def asset() -> ObjectAsset:
    return DefaultObjects().reconstruct(draw_stripes(), draw_disc())


def test_the_seen_side_shows_the_photo(asset: ObjectAsset) -> None:
    inner = cv2.erode(draw_disc().astype(np.uint8), np.ones((3, 3))).astype(np.bool_)
    assert measure_psnr(draw_texture(asset), draw_stripes(), inner) > 25
    # what vertex colours can show of such lines
    assert measure_psnr(draw_vertex_colors(asset), draw_stripes(), inner) < 18


def test_the_splat_follows_the_photo() -> None:
    photo = draw_stripes(12)
    asset = DefaultObjects().reconstruct(photo, draw_disc())
    inner = cv2.erode(draw_disc().astype(np.uint8), np.ones((7, 7))).astype(np.bool_)
    assert measure_psnr(render_splat(asset.splat, asset.camera, asset.pose), photo, inner) > 19


def test_the_glb_has_the_photo_as_its_texture_and_no_seam(asset: ObjectAsset) -> None:
    builder = GlbBuilder()
    add_asset_node(builder, "disc", asset)
    for data in (write_asset_glb(asset, "disc"), builder.build()):
        read = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
        assert read.is_watertight and len(read.faces) == len(asset.mesh.faces)
        texture = read.visual.material.baseColorTexture
        # the crop of the photo around the mask
        assert texture.size == (2 * RADIUS + 1, 2 * RADIUS + 1)
        x0, y0 = CENTRE[0] - RADIUS, CENTRE[1] - RADIUS
        crop = draw_stripes()[y0 : y0 + texture.size[1], x0 : x0 + texture.size[0]]
        inside = draw_disc()[y0 : y0 + texture.size[1], x0 : x0 + texture.size[0]]
        assert measure_psnr(np.asarray(texture.convert("RGB")), crop, inside) > 25
        # glTF multiplies textures by vertex colours
        assert b"COLOR_0" not in data


def test_a_photo_larger_than_the_texture_is_shrunk() -> None:
    image = np.full((2400, 40, 3), (200, 30, 60), np.uint8)
    asset = DefaultObjects().reconstruct(image, np.ones(image.shape[:2], np.bool_))
    assert asset.photo is not None and max(asset.photo.pixels.shape) == 2048
    assert np.all(asset.photo.pixels == (200, 30, 60))


def test_leaves_cover_every_pixel_once_and_are_small_at_edges() -> None:
    image = np.full((*SIZE, 3), 90, np.uint8)
    image[:, 140:] = 200
    mask = draw_disc()
    leaves = split_by_detail(image, mask, 1500)
    assert len(leaves.sides) < 1600
    assert (leaves.sides**2).sum() == pytest.approx(mask.sum())
    assert set(np.unique(leaves.colors)) == {90.0, 200.0}
    at_edge = np.abs(leaves.centres[:, 0] - 140) < 2
    assert leaves.sides[at_edge].max() < leaves.sides.max() / 2


def test_one_colour_takes_few_leaves() -> None:
    flat = np.full((*SIZE, 3), 90, np.uint8)
    noisy = flat + np.random.default_rng(0).integers(0, 3, flat.shape, np.uint8)
    whole = np.ones(SIZE, np.bool_)
    count = len(split_by_detail(flat, whole, 30_000).sides)
    assert count == len(split_by_detail(noisy, whole, 30_000).sides) < 1500
    assert len(split_by_detail(draw_stripes(), whole, 30_000).sides) > 10 * count


@pytest.mark.parametrize("side", [1, 2, 3])
def test_masks_of_single_pixels_have_leaves(side: int) -> None:
    image, mask = np.full((side, side, 3), 90, np.uint8), np.ones((side, side), np.bool_)
    leaves = split_by_detail(image, mask, 30_000)
    assert (leaves.sides**2).sum() == pytest.approx(side * side)


def test_the_texture_is_a_jpeg_that_others_read(asset: ObjectAsset) -> None:
    assert asset.photo is not None
    data = write_asset_glb(asset, "disc")
    start = data.index(b"\xff\xd8\xff")
    with Image.open(io.BytesIO(data[start:])) as image:
        assert image.format == "JPEG" and image.size == asset.photo.pixels.shape[1::-1]
