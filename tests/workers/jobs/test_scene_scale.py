"""Objects of a scene take their scale from the people in it, and stand where the ground is."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tests.support.synthetic_bodies import make_body
from workers.engines.objects.default import DefaultObjects
from workers.engines.protocols import BodyEstimate, FloorPlane
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import silhouette
from workers.jobs.scene.scene_scale import estimate_ground, place_on_ground

CAMERA = Camera(640, 480, 600.0, 600.0, 320.0, 200.0)
HEIGHT, FEET = 1.5, 4.0


def standing(*, flags: tuple[str, ...] = ()) -> BodyEstimate:
    """A person whose feet are HEIGHT below the camera and FEET ahead."""
    built = make_body()
    move = np.array([0.0, HEIGHT - built.vertices[:, 1].max(), FEET - built.joints[0][2]])
    return replace(built, vertices=built.vertices + move, joints=built.joints + move, flags=flags)


def ball(radius: float, ahead: float, lift: float = 0.0) -> NDArray[np.bool_]:
    """The silhouette of a ball that stands on the ground, or `lift` metres above it."""
    solid = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    centre = np.array([0.4, HEIGHT - radius - lift, ahead])
    return silhouette(np.asarray(solid.vertices) + centre, np.asarray(solid.faces), CAMERA)


@pytest.mark.parametrize(("radius", "ahead"), [(0.3, 5.0), (0.15, 3.6), (0.5, 8.0)])
def test_a_ball_on_the_ground_has_its_true_size_and_distance(radius: float, ahead: float) -> None:
    mask = ball(radius, ahead)
    image = np.full((480, 640, 3), 128, np.uint8)
    alone = DefaultObjects().reconstruct(image, mask, camera=CAMERA)
    ground = estimate_ground([standing()])
    assert ground is not None
    assert ground.offset == pytest.approx(HEIGHT) and ground.people_z == pytest.approx(FEET)
    placed = place_on_ground(alone, mask, CAMERA, ground, contact=True)
    points = placed.pose.apply(placed.mesh.vertices)
    assert np.median(points[:, 2]) == pytest.approx(ahead, rel=0.08)
    assert np.ptp(points[:, 0]) / 2 == pytest.approx(radius, rel=0.08)
    assert points[:, 1].max() == pytest.approx(HEIGHT, abs=0.06)
    assert {"scale_from_body", "on_ground"} <= set(placed.flags) and placed.scale_source == "prior"
    np.testing.assert_array_equal(
        silhouette(points, placed.mesh.faces, CAMERA),
        silhouette(alone.pose.apply(alone.mesh.vertices), alone.mesh.faces, CAMERA),
    )


@pytest.mark.parametrize("why", ["high", "cut", "no_contact", "no_feet"])
def test_without_contact_objects_are_as_far_away_as_the_people(why: str) -> None:
    mask = ball(0.3, 5.0, lift=2.0 if why == "high" else 0.0)
    if why == "cut":
        mask = np.roll(mask, 479 - int(np.nonzero(mask)[0].max()), axis=0)
    alone = DefaultObjects().reconstruct(np.full((480, 640, 3), 128, np.uint8), mask, camera=CAMERA)
    ground = estimate_ground([standing(flags=("truncated",) if why == "no_feet" else ())])
    assert ground is not None
    placed = place_on_ground(alone, mask, CAMERA, ground, contact=why != "no_contact")
    assert np.median(placed.pose.apply(placed.mesh.vertices)[:, 2]) == pytest.approx(FEET, rel=1e-6)
    assert "distance_guessed" in placed.flags


def test_a_metric_object_stays_where_it_is() -> None:
    mask = ball(0.3, 5.0)
    alone = DefaultObjects().reconstruct(np.full((480, 640, 3), 128, np.uint8), mask, camera=CAMERA)
    known = replace(alone, scale_source="metric")
    ground = estimate_ground([standing()])
    assert ground is not None and place_on_ground(known, mask, CAMERA, ground, contact=True) is known
    assert estimate_ground([]) is None


def test_the_floor_of_the_bodies_is_the_ground_of_the_scene() -> None:
    """A camera that looks 20 degrees down, and a ball on the floor that the people stand on."""
    s, c = np.sin(np.radians(20.0)), np.cos(np.radians(20.0))
    floor = FloorPlane(normal=(0.0, -c, -s), offset=HEIGHT, feet=2, people=1)
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    solid = trimesh.creation.icosphere(subdivisions=4, radius=0.3)
    centre = tilt @ np.array([0.2, HEIGHT - 0.3, 4.0])
    mask = silhouette(np.asarray(solid.vertices) + centre, np.asarray(solid.faces), CAMERA)
    alone = DefaultObjects().reconstruct(np.full((480, 640, 3), 128, np.uint8), mask, camera=CAMERA)
    ground = estimate_ground([replace(standing(), floor=floor)])
    assert ground is not None and ground.normal == floor.normal and ground.offset == HEIGHT
    placed = place_on_ground(alone, mask, CAMERA, ground, contact=True)
    points = placed.pose.apply(placed.mesh.vertices)
    assert np.median(points[:, 2]) == pytest.approx(centre[2], rel=0.1) and "on_ground" in placed.flags
