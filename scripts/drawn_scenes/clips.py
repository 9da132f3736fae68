"""Seeded clips after MOVi (Kubric, Greff et al. 2022): solids that move in a room, with ground truth.

PyBullet's TinyRenderer renders on the CPU, some 20 to 40 ms per frame of 256 x 256. Paths are scripted:
objects hide behind each other, leave and come back in every clip; the same arguments give the same bytes.

    clip = render_clip(7, moving_camera=True)
    clip.ids == 2  # where object 2 is seen
    clip.label(2)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import trimesh
from numpy.typing import NDArray

from scripts.drawn_scenes.motion import VIEW_HALF_ANGLE, plan_cameras, plan_paths
from scripts.drawn_scenes.solids import SOLIDS, make_floor, make_solid, make_walls
from scripts.drawn_scenes.stage import Stage
from scripts.drawn_scenes.textures import paint_ground, paint_skin

Floats = NDArray[np.float64]
Rgb = NDArray[np.uint8]

SMOOTH = ("ball", "torus", "capsule")
# far behind the wall
OUT_OF_SIGHT = np.array([[1, 0, 0, 0], [0, 1, 0, 1000], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)
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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClipScript:
    """All that is to be rendered: T frames, N objects.

    `repaints` has, by object, another texture and the frame from which it has it; `hidden` bool (T, N) says
    where objects are not there.
    """

    room: tuple[tuple[trimesh.Trimesh, Rgb], ...]
    shapes: tuple[tuple[str, trimesh.Trimesh], ...]
    skins: tuple[Rgb, ...]
    poses: Floats
    cameras: Floats
    intrinsics: Floats
    size: tuple[int, int]
    light: tuple[float, float, float]
    hidden: NDArray[np.bool_]
    repaints: Mapping[int, tuple[int, Rgb]] = field(default_factory=dict)


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
    return render_script(
        plan_clip(
            seed, frames=frames, size=size, objects=objects, moving_camera=moving_camera, standing=standing
        )
    )


def plan_clip(
    seed: int,
    *,
    frames: int = 48,
    size: tuple[int, int] = (256, 256),
    objects: int | None = None,
    moving_camera: float = False,
    standing: bool = False,
) -> ClipScript:
    """What `render_clip` renders."""
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
    room = ((make_floor(), paint_ground(rng)), (make_walls(), paint_ground(rng)))
    return ClipScript(
        room=room,
        shapes=tuple(shapes),
        skins=tuple(skins),
        poses=poses,
        cameras=cameras,
        intrinsics=intrinsics,
        size=size,
        light=(float(rng.uniform(-2, 2)), -3.0, 5.0),
        hidden=np.zeros((frames, count), bool),
    )


def render_script(script: ClipScript) -> RenderedClip:
    """Images, ids and depth of all frames: the room, and the shapes in their poses."""
    with Stage() as stage:
        for mesh, texture in script.room:
            stage.add(mesh, texture, smooth=False)
        bodies = [
            stage.add(mesh, skin, smooth=label in SMOOTH)
            for (label, mesh), skin in zip(script.shapes, script.skins, strict=True)
        ]
        shots = []
        for frame, camera in enumerate(script.cameras):
            for index, body in enumerate(bodies):
                is_hidden = script.hidden[frame, index]
                stage.place(body, OUT_OF_SIGHT if is_hidden else script.poses[frame, index])
                if index in script.repaints and script.repaints[index][0] == frame:
                    stage.paint(body, script.repaints[index][1])
            shots.append(stage.shoot(camera, script.intrinsics, script.size, list(script.light)))
    number = np.zeros(max(bodies) + 2, np.int32)
    number[bodies] = np.arange(1, len(script.shapes) + 1)
    images, actual, depth = (np.stack(each) for each in zip(*shots, strict=True))
    return RenderedClip(
        images,
        number[actual],
        depth,
        script.intrinsics,
        script.cameras,
        script.poses,
        np.array([mesh.extents for _, mesh in script.shapes], np.float64),
        tuple(label for label, _ in script.shapes),
    )
