"""The learned shape: repeatable, closed, true to the outline and to depth, and strict about its input."""

import numpy as np
import pytest
import trimesh

from bench.objects.analytic_shapes import SHAPES
from bench.objects.geometry_scores import orbit
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.learned import LearnedHypothesis
from workers.engines.objects.single_view.mask_view import MaskView
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh, silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.poses import Similarity

SIDE = 160
CAMERA = Camera.with_field_of_view(SIDE, SIDE, 40)
Y, X = np.mgrid[:SIDE, :SIDE] + 0.5
MASK = (np.hypot(X - 70, Y - 70) < 45) | ((abs(X - 110) < 25) & (abs(Y - 90) < 20))
IMAGE = np.stack([X, Y, X + Y], axis=-1).astype(np.uint8)


def view(mask=MASK, depth=None, image=IMAGE):
    return MaskView.from_mask(mask, CAMERA, depth, image)


def build_surface(**options):
    [fit] = LearnedHypothesis().fit(view(**options), LabelPrior())
    return fit.build_surface()


def test_two_runs_give_the_same_bytes():
    one, again = view().predicted, view().predicted
    assert one.front.tobytes() == again.front.tobytes()
    assert one.back.tobytes() == again.back.tobytes()


def test_the_mirror_image_gives_the_mirror_image():
    one, other = view().predicted, view(MASK[:, ::-1], image=IMAGE[:, ::-1]).predicted
    assert np.abs(other.front[:, ::-1] - one.front).mean() < 0.002
    assert np.abs(other.back[:, ::-1] - one.back).mean() < 0.002


def test_a_finer_photo_gives_the_same_depths():
    one = view().predicted
    fine = [values.repeat(2, axis=0).repeat(2, axis=1) for values in (MASK, IMAGE)]
    camera = Camera.with_field_of_view(2 * SIDE, 2 * SIDE, 40)
    other = MaskView.from_mask(fine[0], camera, None, fine[1]).predicted
    both = one.crop.mask & other.crop.mask
    assert np.abs(one.front - other.front)[both].mean() < 0.001


@pytest.mark.parametrize("mask", [MASK, (X < 2) & (Y < 2), (X // 8 + Y // 8) % 2 == 0, Y < 30])
def test_every_mask_becomes_a_closed_surface_with_its_outline(mask):
    surface = build_surface(mask=mask)
    assert np.isfinite(surface.vertices).all() and surface.vertices[:, 2].min() > 0
    assert trimesh.Trimesh(surface.vertices, surface.faces, process=False).is_watertight
    if mask.sum() > 100:
        assert mask_iou(silhouette(surface.vertices, surface.faces, CAMERA), mask) > 0.95


def test_the_back_lies_behind_the_front():
    predicted = view().predicted
    assert (predicted.back > predicted.front).all()
    assert predicted.expected_error > 0


@pytest.mark.slow
def test_drawn_shapes_are_about_as_deep_as_they_are():
    ratios = []
    for name in ("table", "chair", "dumbbell", "mug"):
        mesh = SHAPES[name][1]()
        faces = np.asarray(mesh.faces, dtype=np.int64)
        size = np.ptp(mesh.vertices, axis=0).max()
        for turn in (30, 160, 290):
            placed = orbit(turn, 25, 2.6).apply((mesh.vertices - mesh.bounds.mean(axis=0)) / size)
            image, depth = render_mesh(placed, faces, None, CAMERA, Similarity())
            surface = build_surface(mask=np.isfinite(depth), image=image)
            ours, truth = (points[:, 2] / points[:, 2].mean() for points in (surface.vertices, placed))
            ratios.append(np.ptp(ours) / np.ptp(truth))
    assert 0.8 < np.median(ratios) < 1.25


def test_the_edge_between_front_and_back_is_not_wavy():
    surface = build_surface()
    solid = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    valleys = np.degrees(solid.face_adjacency_angles[~solid.face_adjacency_convex])
    # a wall whose points lie at various depths has valleys of up to 75 degrees
    assert np.quantile(valleys, 0.99) < 22 and valleys.max() < 60


def test_without_an_image_there_is_no_learned_shape():
    assert not list(LearnedHypothesis().fit(view(image=None), LabelPrior()))


def test_measured_depth_becomes_the_front_in_metres():
    depth = np.where(MASK, 2.0 + 0.002 * X, np.nan).astype(np.float32)
    surface = build_surface(depth=depth)
    assert surface.is_metric
    inner = surface.front & (surface.distance > 3)
    pixels = surface.pixels[inner]
    assert surface.vertices[inner, 2] == pytest.approx(2.0 + 0.002 * pixels[:, 0], abs=0.01)


def test_a_broken_depth_map_changes_nothing_but_is_told():
    nothing = np.full(MASK.shape, np.nan, dtype=np.float32)
    asset = DefaultObjects(splats=50).reconstruct(IMAGE, MASK, camera=CAMERA, depth=nothing)
    assert "depth_unusable" in asset.flags and asset.scale_source == "relative"


@pytest.mark.parametrize(
    "image", [IMAGE[..., 0], IMAGE.astype(np.float32), IMAGE[:100], np.dstack([IMAGE, IMAGE])]
)
def test_images_of_another_kind_are_refused(image):
    with pytest.raises(ValueError, match=r"image|mask"):
        DefaultObjects(splats=50).reconstruct(image, MASK, camera=CAMERA)
