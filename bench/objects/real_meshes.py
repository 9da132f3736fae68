"""Real objects as `scripts.training.lay_out_meshes` lays them out, and views of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bench.objects.geometry_scores import orbit
from workers.engines.objects.splats.surfels import sample_surface
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
# Things up to this size are handled or stand on tables; larger ones are furniture.
HANDHELD_CM = 60.0
# Fields of view and pitches in degrees, shares of the image's side that the object spans, and how far its
# centre lies from the image's, as a share of the side, in views that look aside.
FIELDS_OF_VIEW, PITCHES, SPANS, ASIDE = (25.0, 60.0), (5.0, 50.0), (0.4, 0.75), 0.22
# Pixels that stay free between an object and the image's border.
BORDER = 2
# Directions from which the outer surface is looked for, and the depth within which a point counts as seen.
DIRECTIONS = tuple((a, e) for e in (-60.0, -15.0, 30.0, 75.0) for a in range(0, 360, 72))
SEEN_DEPTH, SEEN_SIDE, SEEN_DISTANCE = 0.01, 192, 8.0


@dataclass(frozen=True)
class RealMesh:
    """Vertices (V, 3), y up, longest side 1 about the origin; faces (F, 3); sRGB (V, 3)."""

    name: str
    longest_cm: float
    vertices: Array
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8]

    @property
    def kind(self) -> str:
        """Whether the object is a small thing or furniture."""
        return "handheld" if self.longest_cm <= HANDHELD_CM else "furniture"

    def sample_outer_surface(self, count: int) -> Array:
        """Points (N, 3), about `count`, of the surface that can be seen from outside."""
        samples = sample_surface(self.vertices, self.faces, 3 * count, 0)
        points = samples.interpolate(self.vertices, self.faces)
        camera = Camera.with_field_of_view(SEEN_SIDE, SEEN_SIDE, 14)
        seen = np.zeros(len(points), dtype=np.bool_)
        for azimuth, elevation in DIRECTIONS:
            pose = orbit(azimuth, elevation, SEEN_DISTANCE)
            depth = rasterize(pose.apply(self.vertices), self.faces, camera).depth
            placed = pose.apply(points)
            column, row = np.clip(camera.project(placed), 0, SEEN_SIDE - 1).astype(np.int64).T
            seen |= placed[:, 2] <= depth[row, column] + SEEN_DEPTH
        # samples lie in the order of faces
        return np.random.default_rng(0).permutation(points[seen])[:count]


@dataclass(frozen=True)
class RealView:
    """One view of a mesh: the camera and its pose, `cam_from_world`."""

    camera: Camera
    pose: Similarity

    @cached_property
    def distance(self) -> float:
        """The distance of the camera from the object's centre."""
        return float(np.linalg.norm(self.pose.translation))


def load_meshes(folder: Path, *, held: bool) -> Iterator[RealMesh]:
    """The meshes that are held out, or those that training may use, in the order of the index."""
    for record in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        if record["held"] == held:
            with np.load(folder / f"{record['name']}.npz", allow_pickle=False) as arrays:
                yield RealMesh(
                    record["name"],
                    record["longest_cm"],
                    arrays["vertices"].astype(np.float64),
                    arrays["faces"].astype(np.int64),
                    arrays["colors"],
                )


def draw_view(mesh: RealMesh, rng: np.random.Generator, side: int, *, aside: bool = False) -> RealView:
    """A view at a random pitch, field of view and distance; the object is complete in the image.

    With `aside` the camera is turned so that the object stands away from the image's centre.
    """
    camera = Camera.with_field_of_view(side, side, float(rng.uniform(*FIELDS_OF_VIEW)))
    azimuth, pitch = float(rng.uniform(-180, 180)), float(rng.uniform(*PITCHES))
    span, angle = float(rng.uniform(*SPANS)), float(rng.uniform(0, 2 * np.pi))
    pose = orbit(azimuth, pitch, 4.0)
    for _ in range(4):
        pixels = camera.project(pose.apply(mesh.vertices))
        current = float(np.ptp(pixels, axis=0).max()) / side
        pose = orbit(azimuth, pitch, max(float(np.linalg.norm(pose.translation)) * current / span, 0.9))
    if aside:
        pose = _turn_aside(mesh, RealView(camera, pose), np.array([np.cos(angle), np.sin(angle)]))
    return RealView(camera, pose)


def _turn_aside(mesh: RealMesh, view: RealView, direction: Array) -> Similarity:
    """The pose of a view turned towards a direction (2,) of its image, as far as it stays complete."""
    side = view.camera.width
    for share in np.linspace(1, 0, 12):
        ray = view.camera.unproject(side * (0.5 + share * ASIDE * direction), np.ones(()))
        turn, _ = Rotation.align_vectors(ray[None] / np.linalg.norm(ray), [[0.0, 0.0, 1.0]])
        pose = Similarity.from_parts(turn.as_matrix(), (0, 0, 0)).compose(view.pose)
        pixels = view.camera.project(pose.apply(mesh.vertices))
        if pixels.min() >= BORDER and pixels.max() <= side - BORDER:
            break
    return pose
