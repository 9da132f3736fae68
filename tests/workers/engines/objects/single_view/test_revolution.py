"""Solids of revolution in photos: hollow where one looks into them, closed under a lid, and upright."""

import numpy as np
import pytest
import trimesh

from bench.objects.geometry_scores import orbit
from workers.engines.objects.default import DefaultObjects
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize, render_mesh

CAMERA = Camera.with_field_of_view(256, 256, 40)
PAINT = np.array([205, 150, 160])
# Radii and heights from the middle of the bottom to that of the top, or of the floor inside.
CAN = [(0, -0.5), (0.34, -0.5), (0.34, 0.5), (0, 0.5)]
CUP = [(0, -0.5), (0.3, -0.5), (0.42, 0.5), (0.39, 0.5), (0.27, -0.46), (0, -0.46)]
BOTTLE = [(0, -0.5), (0.18, -0.5), (0.18, 0.1), (0.07, 0.25), (0.07, 0.5), (0, 0.5)]
BOWL = [(0, -0.25), (0.25, -0.25), (0.45, 0), (0.5, 0.25), (0.47, 0.25), (0.42, 0), (0.24, -0.2), (0, -0.2)]


def reconstruct(profile, pitch):
    """The result from a camera that looks down by `pitch` degrees, in the truth's frame (y up)."""
    turned = trimesh.creation.revolve(np.array(profile), sections=64)
    vertices = turned.vertices @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    pose = orbit(30, pitch, 2.6)
    colors = np.tile(PAINT, (len(vertices), 1)).astype(np.uint8)
    image, depth = render_mesh(vertices, np.asarray(turned.faces), colors, CAMERA, pose)
    asset = DefaultObjects(splats=100).reconstruct(image, np.isfinite(depth), camera=CAMERA)
    points = pose.inverse().apply(asset.pose.apply(asset.mesh.vertices) * np.linalg.norm(pose.translation))
    return trimesh.Trimesh(points, asset.mesh.faces, process=False), asset.flags


def measure_cavity(mesh):
    """How far below its top a mesh is met from straight above its middle, as a share of its height."""
    low, high = mesh.bounds
    camera = Camera.with_field_of_view(101, 101, 5)
    placed = orbit(0, 89.9, 20).apply(mesh.vertices - (low + high) / 2)
    depth = rasterize(placed, np.asarray(mesh.faces), camera).depth
    return (depth[50, 50] - np.nanmin(depth[np.isfinite(depth)])) / (high[1] - low[1])


@pytest.mark.parametrize(("profile", "pitch"), [(CUP, 35), (BOWL, 25)])
def test_what_one_looks_into_is_hollow(profile, pitch):
    mesh, flags = reconstruct(profile, pitch)
    assert "shape_turned" in flags
    assert mesh.is_watertight and mesh.volume > 0
    assert measure_cavity(mesh) > 0.6


def test_a_can_stays_closed():
    mesh, flags = reconstruct(CAN, 35)
    assert "shape_turned" in flags
    assert measure_cavity(mesh) < 0.15


@pytest.mark.parametrize("pitch", [8, 20])
def test_a_bottle_stands_upright(pitch):
    mesh, flags = reconstruct(BOTTLE, pitch)
    assert "shape_turned" in flags
    axis = np.linalg.svd(mesh.vertices - mesh.vertices.mean(axis=0), full_matrices=False)[2][0]
    assert np.degrees(np.arccos(abs(axis[1]))) < 8
