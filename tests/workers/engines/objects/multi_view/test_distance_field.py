"""Distance fields: a ball comes out of the grid closed, of the right volume, and cut where it stands."""

import numpy as np
import pytest
import trimesh

from workers.engines.objects.multi_view.distance_field import DistanceField, EmptyHullError, Grid

AXES = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
GRID = Grid(np.full(3, -1.2), 2.4 / 47, 48, AXES)


def ball(radius):
    points = np.stack([GRID.layer(k) for k in range(GRID.side)]).reshape(GRID.side, GRID.side, GRID.side, 3)
    return DistanceField(GRID, (radius - np.linalg.norm(points, axis=-1)).astype(np.float32))


def mesh(field):
    vertices, faces = field.extract_mesh()
    solid = trimesh.Trimesh(vertices, faces, process=False)
    assert solid.is_watertight and solid.volume > 0
    return solid


def test_a_ball_keeps_its_volume_and_its_centre():
    solid = mesh(ball(0.9))
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.02)
    np.testing.assert_allclose(solid.centroid, 0, atol=0.01)


def test_what_lies_below_the_support_plane_is_cut_off():
    solid = mesh(ball(0.9).clip_below(0.0))
    assert solid.volume == pytest.approx(2 / 3 * np.pi * 0.9**3, rel=0.05)
    assert solid.vertices[:, 1].min() == pytest.approx(0, abs=GRID.step)


def test_indices_and_world_points_are_inverse():
    indices = np.array([[0.0, 0.0, 0.0], [3.0, 10.0, 47.0]])
    np.testing.assert_allclose(GRID.to_indices(GRID.to_world(indices)), indices, atol=1e-9)
    np.testing.assert_allclose(GRID.layer(3)[10 * GRID.side + 47], GRID.to_world(indices)[1])


def test_an_empty_field_has_no_surface():
    empty = ball(-1.0)
    assert empty.is_empty() and not ball(0.5).is_empty()
    with pytest.raises(EmptyHullError):
        empty.extract_mesh()
