"""Reconstruction from many views of known shapes by known cameras."""

import numpy as np
import pytest
import trimesh

from bench.objects.geometry_scores import f_score
from tests.support.synthetic_objects import cameras_around, make_object
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.multi_view.registration import register
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import MultiViewEngine, RequestRefused
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import estimate_up, measure_arc
from workers.geometry.poses import Similarity

pytestmark = pytest.mark.slow

ENGINE = DefaultObjects(splats=500, refine_steps=0)


def reconstruct(kind, views, corrupt=None, **options):
    synthetic = make_object(kind)
    images, masks = zip(*(synthetic.photograph(view) for view in views), strict=True)
    masks = [mask.copy() for mask in masks]
    if corrupt:
        corrupt(masks)
    return ENGINE.reconstruct_views(list(images), masks, views, **options)


def in_world(asset, views):
    placed = views[asset.views.reference].cam_from_world.inverse().compose(asset.pose)
    return placed, placed.apply(asset.mesh.vertices)


def score_surface(kind, points, faces):
    samples = sample_surface(points, faces, 4000, 0).interpolate(points, faces)
    return f_score(samples, make_object(kind).points(), 0.05)


@pytest.fixture(scope="module")
def full_circle():
    views = cameras_around(16, 360)
    return views, reconstruct("tee", views, metric=True)


def test_a_full_circle_gives_the_shape_where_it_stands(full_circle):
    views, asset = full_circle
    placed, points = in_world(asset, views)
    assert score_surface("tee", points, asset.mesh.faces) >= 0.9
    assert points[:, 1].min() == pytest.approx(-0.5, abs=0.03)
    assert placed.scale == pytest.approx(1.0, abs=0.06)
    up = placed.rotation_matrix() @ [0, 1, 0]
    np.testing.assert_allclose(up, [0, 1, 0], atol=1e-6)
    solid = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=False)
    assert solid.is_watertight and solid.volume > 0
    assert asset.scale_source == "metric" and "scale_not_metric" not in asset.flags


def test_the_report_states_arc_and_views(full_circle):
    _, asset = full_circle
    report = asset.views
    assert report.arc_degrees == 360.0
    assert (report.given, report.used, report.cut, report.reference) == (16, 16, 0, 0)
    assert report.seen_share > 0.8
    assert asset.silhouette_iou >= 0.95 and 0.7 < asset.confidence <= 0.9
    assert not {"narrow_arc", "unseen_side_guessed", "low_iou"} & set(asset.flags)


def test_colours_come_from_where_the_surface_is(full_circle):
    views, asset = full_circle
    _, points = in_world(asset, views)
    expected = np.clip(255 * (points + 0.5), 0, 255)
    # no camera sees the flat bottom
    visible = points[:, 1] > -0.45
    assert np.median(np.abs(asset.mesh.colors.astype(float) - expected)[visible]) <= 12


@pytest.mark.parametrize(("arc", "least"), [(30.0, 0.6), (90.0, 0.75)])
def test_less_of_an_arc_is_flagged_and_still_useful(arc, least):
    views = cameras_around(8, arc)
    asset = reconstruct("block", views)
    _, points = in_world(asset, views)
    assert asset.views.arc_degrees == pytest.approx(arc, abs=4)
    assert ("narrow_arc" in asset.flags) == (arc < 75)
    assert "unseen_side_guessed" in asset.flags and asset.scale_source == "relative"
    assert score_surface("block", points, asset.mesh.faces) >= least


def test_frames_without_the_object_and_cut_ones_are_counted():
    views = cameras_around(12, 360)

    def corrupt(masks):
        masks[0][:] = False
        masks[3][:] = False
        masks[5][-1] = True

    report = reconstruct("block", views, corrupt).views
    assert (report.given, report.used, report.cut, report.reference) == (12, 10, 1, 1)


def test_masks_that_miss_a_part_do_not_take_it_from_the_object():
    views = cameras_around(16, 360)

    def corrupt(masks):
        for number in (2, 7, 12):
            masks[number][: masks[number].shape[0] // 2] = False

    asset = reconstruct("block", views, corrupt)
    assert asset.views.used == 13 and "views_left_out" in asset.flags
    _, points = in_world(asset, views)
    assert score_surface("block", points, asset.mesh.faces) >= 0.9
    assert "views_left_out" not in reconstruct("block", views).flags


def test_in_a_narrow_arc_occluders_do_not_cut_the_object_to_pieces():
    views, whole = cameras_around(8, 10), []

    def corrupt(masks):
        whole.extend(mask.copy() for mask in masks)
        for number, mask in enumerate(masks[1:]):
            rows = np.flatnonzero(mask.any(axis=1))
            first = rows[0] + number * len(rows) // 8
            # someone passes: each frame misses another part
            mask[first : first + len(rows) // 4] = False

    asset = reconstruct("block", views, corrupt)
    assert {"narrow_arc", "from_one_view", "unseen_side_guessed"} <= set(asset.flags)
    _, points = in_world(asset, views)
    for view, mask in zip(views, whole, strict=True):
        outline = silhouette(view.cam_from_world.apply(points), asset.mesh.faces, view.camera)
        assert mask_iou(outline, mask) > 0.85
    assert asset.confidence <= 0.5


def test_parts_that_few_frames_show_do_not_grow_towers():
    views = cameras_around(12, 360, distance=1.6)
    asset = reconstruct("block", views)
    _, points = in_world(asset, views)
    assert np.abs(points).max() < 0.7


def test_views_that_cannot_be_used_are_refused_with_a_code():
    views = cameras_around(6, 360)
    shown = make_object("block")
    images, masks = zip(*(shown.photograph(view) for view in views), strict=True)
    with pytest.raises(RequestRefused) as few:
        ENGINE.reconstruct_views(images[:2], masks[:2], views[:2])
    assert few.value.problem.code == "too_few_views"
    wrong = [np.zeros_like(mask) for mask in masks]
    for number, mask in enumerate(wrong):
        mask[5:25, 5:25] = number % 2 == 0
        mask[-25:-5, -25:-5] = number % 2 == 1
    with pytest.raises(RequestRefused) as apart:
        ENGINE.reconstruct_views(images, wrong, views)
    assert apart.value.problem.code == "views_disagree"
    with pytest.raises(ValueError, match="as many"):
        ENGINE.reconstruct_views(images, masks[:-1], views)
    with pytest.raises(ValueError, match="one size"):
        ENGINE.reconstruct_views(images, [mask[:-1] for mask in masks], views)


def test_up_and_arc_of_cameras_are_estimated():
    turn = Similarity.from_parts(
        trimesh.transformations.rotation_matrix(0.7, [1, 2, 3])[:3, :3], [3.0, -2.0, 5.0]
    )
    for arc in (20.0, 120.0, 360.0):
        views = cameras_around(12, arc)
        moved = [type(view)(view.camera, view.cam_from_world.compose(turn.inverse())) for view in views]
        up = estimate_up(moved)
        np.testing.assert_allclose(up, turn.rotation_matrix() @ [0, 1, 0], atol=1e-6)
        centres = np.stack([view.centre() for view in moved])
        actual = measure_arc(centres, np.asarray(turn.translation), up)
        assert actual == pytest.approx(arc, abs=1e-6)


def test_it_is_a_multi_view_engine():
    assert isinstance(ENGINE, MultiViewEngine) and "many_views" in ENGINE.info.capabilities


def test_frames_without_features_are_refused():
    pytest.importorskip("pycolmap", reason="the extra 'cameras' is not installed")
    flat = [np.full((64, 64, 3), 40 * k, np.uint8) for k in range(4)]
    with pytest.raises(RequestRefused) as lost:
        register(flat, None)
    assert lost.value.problem.code == "cameras_not_found"
    assert "0 of 4" in lost.value.problem.detail
