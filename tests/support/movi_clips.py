"""Seeded clips after MOVi (Kubric, Greff et al. 2022): solids that move in a room, with ground truth.

PyBullet's TinyRenderer renders on the CPU, some 20 to 40 ms per frame of 256 x 256. Paths are scripted:
objects hide behind each other, leave and come back in every clip; the same arguments give the same bytes.

    clip = render_clip(7, moving_camera=True)
    clip.ids == 2  # where object 2 is seen
    clip.label(2)
"""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from tests.support.movi_motion import VIEW_HALF_ANGLE, plan_cameras, plan_paths
from tests.support.movi_solids import SOLIDS, make_floor, make_solid, make_walls
from tests.support.movi_stage import Stage
from tests.support.movi_textures import paint_ground, paint_skin

Floats = NDArray[np.float64]
Rgb = NDArray[np.uint8]

SMOOTH = ("ball", "torus", "capsule")
# enough of a body to hide another
BULKY = ("box", "ball", "cylinder", "capsule")


@dataclass(frozen=True, slots=True, eq=False)
class RenderedClip:
    """T frames and N objects; object k has the id k, from 1, and the background 0.

    `depth` is z in metres at pixel centres (+0.5); `intrinsics` are in pixels; cameras are OpenCV. An
    object's frame has its origin in the middle of its box, z up at rest, and `sizes` are the full edge
    lengths of that box in metres. Ids are those of the nearest surface, without soft edges.
    """

    frames: Rgb
    ids: NDArray[np.int32]
    depth: NDArray[np.float32]
    intrinsics: Floats
    world_from_cam: Floats
    world_from_object: Floats
    sizes: Floats
    labels: tuple[str, ...]

    def label(self, number: int) -> str:
        """The shape of the object with this id."""
        return self.labels[number - 1]


def render_clip(
    seed: int,
    *,
    frames: int = 48,
    size: tuple[int, int] = (256, 256),
    objects: int | None = None,
    moving_camera: float = False,
    standing: bool = False,
) -> RenderedClip:
    """Render one clip; `size` is (height, width), `objects` 3 to 6, chosen by the seed when None.

    The camera sways by up to half a metre times `moving_camera`. With `standing`, objects stay where they are
    in the first frame.

    All objects are in sight in the first frame. Object 1 leaves the view and comes back, object 2 passes
    in front of object 3; the others cross as they like. Motion is spread over the whole clip: half the frames
    are twice as fast. Raises ValueError for fewer than 8 frames or another number of objects.
    """
    rng = np.random.default_rng([20_220_305, seed])
    usual_count = int(rng.integers(3, 7))
    count = usual_count if objects is None else objects
    if not 3 <= count <= 6 or frames < 8:
        raise ValueError("a clip has 3 to 6 objects and at least 8 frames")
    height, width = size
    focal = width / (2 * np.tan(VIEW_HALF_ANGLE))
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    kinds = [str(kind) for kind in rng.choice(list(SOLIDS), count)]
    kinds[1] = str(rng.choice(BULKY))
    shapes = [make_solid(kind, rng, 0.75 if index == 2 else 1.0) for index, kind in enumerate(kinds)]
    times = np.linspace(0, 1, frames)
    cameras = plan_cameras(rng, times, moving_camera)
    poses = plan_paths(rng, times, shapes)
    if standing:
        poses[:] = poses[0]
    hues = (rng.random() + (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count) % 1
    skins = [paint_skin(rng, hue) for hue in rng.permutation(hues)]
    room = [(make_floor(), paint_ground(rng)), (make_walls(), paint_ground(rng))]
    light = [float(rng.uniform(-2, 2)), -3.0, 5.0]
    images, ids, depth = _render_frames(room, shapes, skins, poses, cameras, intrinsics, size, light)
    return RenderedClip(
        images,
        ids,
        depth,
        intrinsics,
        cameras,
        poses,
        np.array([mesh.extents for _, mesh in shapes], np.float64),
        tuple(label for label, _ in shapes),
    )


def _render_frames(
    room: list[tuple[trimesh.Trimesh, Rgb]],
    shapes: list[tuple[str, trimesh.Trimesh]],
    skins: list[Rgb],
    poses: Floats,
    cameras: Floats,
    intrinsics: Floats,
    size: tuple[int, int],
    light: list[float],
) -> tuple[Rgb, NDArray[np.int32], NDArray[np.float32]]:
    """Images, ids and depth of all frames: the room, and the shapes in their poses."""
    with Stage() as stage:
        for mesh, texture in room:
            stage.add(mesh, texture, smooth=False)
        bodies = [
            stage.add(mesh, skin, smooth=label in SMOOTH)
            for (label, mesh), skin in zip(shapes, skins, strict=True)
        ]
        shots = []
        for frame, camera in enumerate(cameras):
            for body, pose in zip(bodies, poses[frame], strict=True):
                stage.place(body, pose)
            shots.append(stage.shoot(camera, intrinsics, size, light))
    number = np.zeros(max(bodies) + 2, np.int32)
    number[bodies] = np.arange(1, len(shapes) + 1)
    images, actual, depth = (np.stack(each) for each in zip(*shots, strict=True))
    return images, number[actual], depth
