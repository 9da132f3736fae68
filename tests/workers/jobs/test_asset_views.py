"""Previews and turntables show every asset in full, in its own colours, from every direction."""

import io
from itertools import pairwise

import av
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from workers.engines.protocols import ObjectAsset
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity
from workers.jobs.asset_views import AssetViews
from workers.jobs.objects.turntable import render_turntable
from workers.jobs.previews import render_asset_preview

SIDE = 64
SHAPES = {
    "cube": trimesh.creation.box((1, 1, 1)),
    "pole": trimesh.creation.cylinder(0.04, 1.0),
    "plate": trimesh.creation.box((1, 0.02, 1)),
    "off_centre": trimesh.creation.icosphere(2, 0.5).apply_translation((0.7, -0.4, 0.2)),
    "large": trimesh.creation.box((30, 10, 20)),
}
ANGLES = np.linspace(0, 2 * np.pi, 12, endpoint=False)
COLORS = {"pale": (240, 232, 215), "dark": (25, 30, 45), "red": (220, 60, 40)}


def make_asset(shape: str, color: tuple[int, int, int]) -> ObjectAsset:
    """An asset of one colour, whose splat is 1500 discs on the mesh."""
    solid = SHAPES[shape]
    points, _ = trimesh.sample.sample_surface(solid, 1500, seed=1)
    count, size = len(points), 0.03 * float(np.ptp(solid.vertices, axis=0).max())
    colors = np.tile(np.array(color), (len(solid.vertices), 1)).astype(np.uint8)
    return ObjectAsset(
        mesh=Mesh(np.asarray(solid.vertices), np.asarray(solid.faces), colors),
        splat=Gaussians(
            points.astype(np.float32),
            np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
            np.full((count, 3), size, np.float32),
            np.full(count, 0.95, np.float32),
            np.tile(np.array(color, np.float32) / 255, (count, 1)),
        ),
        pose=Similarity(),
        camera=Camera(SIDE, SIDE, 80.0, 80.0, 32.0, 32.0),
        scale_source="relative",
        confidence=1.0,
        silhouette_iou=None,
    )


def find_covered_pixels(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((image < 200).any(axis=2))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_view_has_a_margin_and_the_same_scale(shape: str) -> None:
    views = AssetViews(make_asset(shape, COLORS["dark"]), SIDE)
    longest = []
    for angle in ANGLES:
        for image in views.render((float(np.sin(angle)), 0.4, float(np.cos(angle)))):
            mask = find_covered_pixels(image)
            assert mask.any()
            assert not mask[[0, 1, -2, -1]].any() and not mask[:, [0, 1, -2, -1]].any()
        rows, columns = np.nonzero(mask)
        longest.append(max(np.ptp(rows), np.ptp(columns)))
    assert max(longest) > 0.5 * SIDE
    assert all(abs(a - b) < 0.35 * SIDE for a, b in pairwise(longest))


@pytest.mark.parametrize("color", COLORS)
def test_colours_stay_those_of_the_asset(color: str) -> None:
    for image in AssetViews(make_asset("cube", COLORS[color]), SIDE).render((1.0, 0.6, 1.0)):
        inside = image[20:44, 20:44].reshape(-1, 3).astype(float)
        assert np.abs(inside.mean(axis=0) - COLORS[color]).max() < 10
        assert np.quantile(np.abs(inside - COLORS[color]), 0.95) < 25


def test_shading_still_shows_edges() -> None:
    surface, _ = AssetViews(make_asset("cube", COLORS["pale"]), SIDE).render((1.0, 0.6, 0.4))
    assert np.ptp(surface[20:44, 20:44, 0].astype(int)) >= 6


def test_the_preview_is_four_views_of_the_mesh_above_four_of_the_splat() -> None:
    preview = render_asset_preview(make_asset("cube", COLORS["dark"]))
    assert preview.shape == (640, 1280, 3)
    for row in (0, 320):
        for column in range(0, 1280, 320):
            mask = find_covered_pixels(preview[row : row + 320, column : column + 320])
            assert mask[150:170, 150:170].all()
            assert not mask[:8].any() and not mask[-8:].any()
            assert not mask[:, :8].any() and not mask[:, -8:].any()


@pytest.mark.parametrize(("side", "seconds", "frames"), [(64, 0.5, 12), (96, 1.0, 24)])
def test_a_turntable_has_the_requested_size_and_length(side: int, seconds: float, frames: int) -> None:
    video = render_turntable(make_asset("cube", COLORS["pale"]), side=side, seconds=seconds)
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert float(stream.duration * stream.time_base) == pytest.approx(seconds, abs=0.01)
    assert len(images) == frames and images[0].shape == (side, 2 * side, 3)
    middle = side // 2
    for image in images:
        for column in (middle, side + middle):
            assert np.abs(image[middle, column].astype(int) - COLORS["pale"]).max() < 25
            assert image[:3, column - 4 : column + 4].min() > 240
