"""Seeded clips after MOVi (Kubric, Greff et al. 2022): solids that move in a room, with ground truth.

PyBullet's TinyRenderer renders on the CPU, some 20 to 40 ms per frame of 256 x 256. Paths are scripted:
objects hide behind each other, leave and come back in every clip; the same arguments give the same bytes.

    clip = render_clip(7, moving_camera=True)
    clip.ids == 2  # where object 2 is seen
    clip.label(2)
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Rgb = NDArray[np.uint8]

NEAR, FAR = 0.1, 30.0
# objects move along parallel lanes and never touch: a lane holds the widest of them
LANE, WIDEST = 0.88, 0.85
FRONT, SIDE_WALL, AWAY = -1.6, 5.0, 5.0
VIEW_HALF_ANGLE = np.radians(24.0)
SMOOTH = ("ball", "torus", "capsule")
ROLLS = ("ball", "cylinder")
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
    drawn = int(rng.integers(3, 7))
    count = drawn if objects is None else objects
    if not 3 <= count <= 6 or frames < 8:
        raise ValueError("a clip has 3 to 6 objects and at least 8 frames")
    height, width = size
    focal = width / (2 * np.tan(VIEW_HALF_ANGLE))
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    kinds = [str(kind) for kind in rng.choice(list(SOLIDS), count)]
    kinds[1] = str(rng.choice(BULKY))
    shapes = [_solid(kind, rng, 0.75 if index == 2 else 1.0) for index, kind in enumerate(kinds)]
    times = np.linspace(0, 1, frames)
    cameras = _cameras(rng, times, moving_camera)
    poses = _paths(rng, times, shapes)
    if standing:
        poses[:] = poses[0]
    hues = (rng.random() + (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count) % 1
    skins = [_skin(rng, hue) for hue in rng.permutation(hues)]
    room = [(_floor(), _ground(rng)), (_walls(), _ground(rng))]
    light = [float(rng.uniform(-2, 2)), -3.0, 5.0]
    images, ids, depth = _shoot(room, shapes, skins, poses, cameras, intrinsics, size, light)
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


def _shoot(
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
    with _Stage() as stage:
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
    images, found, depth = (np.stack(each) for each in zip(*shots, strict=True))
    return images, number[found], depth


class _Stage:
    """One PyBullet world without a window."""

    def __enter__(self) -> "_Stage":
        import pybullet

        self._bullet: Any = pybullet
        self._client = pybullet.connect(pybullet.DIRECT)
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_: object) -> None:
        self._bullet.disconnect(physicsClientId=self._client)
        self._folder.cleanup()

    def add(self, mesh: trimesh.Trimesh, texture: Rgb, *, smooth: bool) -> int:
        """A body with a texture on each face along its main axis."""
        corners = mesh.vertices[mesh.faces].reshape(-1, 3)
        flat = np.repeat(mesh.face_normals, 3, axis=0)
        normals = mesh.vertex_normals[mesh.faces].reshape(-1, 3) if smooth else flat
        axis = np.abs(flat).argmax(axis=1)
        across = np.where(axis == 0, corners[:, 1], corners[:, 0])
        along = np.where(axis == 2, corners[:, 1], corners[:, 2])
        places = np.stack([across, along], axis=1)
        places -= places.min(axis=0)
        file = Path(self._folder.name) / f"{len(list(Path(self._folder.name).iterdir()))}.png"
        cv2.imwrite(str(file), texture[..., ::-1])
        shape = self._bullet.createVisualShape(
            self._bullet.GEOM_MESH,
            vertices=corners.tolist(),
            indices=list(range(len(corners))),
            normals=normals.tolist(),
            uvs=(0.01 + 0.98 * places / places.max()).tolist(),
            rgbaColor=[1, 1, 1, 1],
            specularColor=[0, 0, 0],
            physicsClientId=self._client,
        )
        body = self._bullet.createMultiBody(0, -1, shape, physicsClientId=self._client)
        skin = self._bullet.loadTexture(str(file), physicsClientId=self._client)
        self._bullet.changeVisualShape(body, -1, textureUniqueId=skin, physicsClientId=self._client)
        return int(body)

    def place(self, body: int, pose: Floats) -> None:
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        self._bullet.resetBasePositionAndOrientation(
            body, pose[:3, 3].tolist(), turn, physicsClientId=self._client
        )

    def shoot(
        self, world_from_cam: Floats, intrinsics: Floats, size: tuple[int, int], light: list[float]
    ) -> tuple[Rgb, NDArray[np.int64], NDArray[np.float32]]:
        """RGB, body (-1 for nothing) and z-depth of each pixel."""
        height, width = size
        view = np.diag([1.0, -1, -1, 1]) @ np.linalg.inv(world_from_cam)
        # TinyRenderer looks through the lower left corner of a pixel, we through its middle
        x, y = intrinsics[0, 2] - 0.5, intrinsics[1, 2] + 0.5
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = 2 * intrinsics[0, 0] / width, 2 * intrinsics[1, 1] / height
        lens[0, 2], lens[1, 2] = 1 - 2 * x / width, 2 * y / height - 1
        lens[2, 2:] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        lens[3, 2] = -1
        _, _, rgba, buffer, bodies = self._bullet.getCameraImage(
            width,
            height,
            view.T.ravel().tolist(),
            lens.T.ravel().tolist(),
            renderer=self._bullet.ER_TINY_RENDERER,
            shadow=1,
            lightDirection=light,
            physicsClientId=self._client,
        )
        buffer = np.asarray(buffer, np.float64).reshape(size)
        depth = FAR * NEAR / (FAR - (FAR - NEAR) * buffer)
        picture = np.asarray(rgba, np.uint8).reshape(height, width, 4)[..., :3]
        return picture.copy(), np.asarray(bodies).reshape(size), depth.astype(np.float32)


def _wedge(a: float, b: float, c: float) -> trimesh.Trimesh:
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    corners = corners[~((corners[:, 0] > 0) & (corners[:, 2] > 0))]
    return trimesh.convex.convex_hull(corners * (a, b, c))


SOLIDS: dict[str, Callable[[float, float, float], trimesh.Trimesh]] = {
    "box": lambda a, b, c: trimesh.creation.box((a, b, c)),
    "ball": lambda a, b, c: trimesh.creation.icosphere(subdivisions=3, radius=a / 2),
    "cylinder": lambda a, b, c: trimesh.creation.cylinder(radius=b / 2, height=c, sections=36),
    "cone": lambda a, b, c: trimesh.creation.cone(radius=a / 2, height=c, sections=36),
    "torus": lambda a, b, c: trimesh.creation.torus(a / 2 - b / 8, b / 8, 36, 14),
    "capsule": lambda a, b, c: trimesh.creation.capsule(height=c / 2, radius=b / 2, count=[18, 18]),
    "wedge": _wedge,
}


def _solid(label: str, rng: np.random.Generator, scale: float) -> tuple[str, trimesh.Trimesh]:
    """A shape at most WIDEST across, scaled, its box centred on the origin; a torus stands upright."""
    a, b, c = np.sort(rng.uniform(0.55, 0.95, 3))[::-1]
    mesh = SOLIDS[label](float(a), float(b), float(c))
    if label == "torus":
        mesh.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    mesh.apply_translation(-mesh.bounds.mean(axis=0))
    wide = float(np.hypot(mesh.extents[0], mesh.extents[1]))
    mesh.apply_scale(scale * min(1.0, WIDEST / wide))
    return label, mesh


def _cameras(rng: np.random.Generator, times: Floats, moving: float) -> Floats:
    """World from camera (T, 4, 4): before the room at the height of a child's eyes, still or swaying."""
    height, sway, phase = rng.uniform(1.1, 1.8), rng.uniform(0.25, 0.5), rng.uniform(0, 2 * np.pi)
    amount = float(moving)
    at = np.stack(
        [
            amount * sway * np.sin(2 * np.pi * times + phase),
            -AWAY + amount * 0.3 * np.cos(2 * np.pi * times + phase),
            height + amount * 0.15 * np.sin(4 * np.pi * times + phase),
        ],
        axis=1,
    )
    target = np.stack([0.6 * at[:, 0], np.zeros_like(times), np.full_like(times, 0.45)], axis=1)
    ahead = target - at
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    out = np.tile(np.eye(4), (len(times), 1, 1))
    out[:, :3, :3] = np.stack([right, np.cross(ahead, right), ahead], axis=2)
    out[:, :3, 3] = at
    return out


def _paths(rng: np.random.Generator, times: Floats, shapes: list[tuple[str, trimesh.Trimesh]]) -> Floats:
    """World from object (T, N, 4, 4): each in a lane of its own, on the floor, some hopping."""
    count = len(shapes)
    before = int(rng.integers(count - 1))
    others = rng.permutation([lane for lane in range(count) if lane not in (before, before + 1)])
    y = FRONT + LANE * np.array([others[0], before, before + 1, *others[1:]])
    reach = (AWAY + y) * np.tan(VIEW_HALF_ANGLE)
    slots = rng.permutation(np.linspace(-0.75, 0.75, count))
    out = np.tile(np.eye(4), (len(times), count, 1, 1))
    for index, (label, mesh) in enumerate(shapes):
        start = slots[index] * reach[index]
        if index == 0:
            x = _leaving(rng, times, start, reach[index] + 0.8)
        elif index == 2:
            x = start + 0.15 * np.sin(2 * np.pi * times)
        elif index == 1:
            # across the line of sight to object 3, which stays about where it is
            behind = slots[2] * reach[1]
            end = np.clip(2 * behind - start, -0.9 * reach[1], 0.9 * reach[1])
            x = _smooth(times, [0, 0.45, 1], [start, behind, end])
        else:
            stops = rng.uniform(-0.85, 0.85, 2) * reach[index]
            x = _smooth(times, [0, rng.uniform(0.4, 0.6), 1], [start, *stops])
        hops = rng.integers(2, 5) if rng.random() < 0.3 and index not in (1, 2) else 0
        lift = 0.35 * np.abs(np.sin(np.pi * hops * times))
        turn = Rotation.from_euler("z", (rng.uniform(0, 2 * np.pi) + rng.uniform(-2.5, 2.5) * times)[:, None])
        if label in ROLLS:
            turn = _rolling(label, x - x[0], mesh)
        out[:, index, :3, :3] = turn.as_matrix()
        rest = mesh.extents[0] / 2 if label in ROLLS else mesh.extents[2] / 2
        out[:, index, :3, 3] = np.stack([x, np.full_like(times, y[index]), rest + lift], axis=1)
    return out


def _leaving(rng: np.random.Generator, times: Floats, start: float, outside: float) -> Floats:
    """Out on the nearer side before the middle of the clip, back in some frames later."""
    side = np.sign(start) or 1.0
    back = rng.uniform(-0.5, 0.8) * start
    return _smooth(
        times, [0, 0.12, 0.42, 0.58, 0.9, 1], [start, start, side * outside, side * outside, back, back]
    )


def _smooth(times: Floats, knots: list[float], values: list[float]) -> Floats:
    return np.asarray(PchipInterpolator(knots, values)(times), np.float64)


def _rolling(label: str, travelled: Floats, mesh: trimesh.Trimesh) -> Rotation:
    angle = travelled / (mesh.extents[0] / 2)
    roll = Rotation.from_euler("y", angle[:, None])
    # a rolling cylinder lies on its side
    return roll * Rotation.from_euler("x", 90, degrees=True) if label == "cylinder" else roll


def _floor() -> trimesh.Trimesh:
    corners = [(-SIDE_WALL, -4.9, 0), (SIDE_WALL, -4.9, 0), (SIDE_WALL, 5, 0), (-SIDE_WALL, 5, 0)]
    return trimesh.Trimesh(corners, [(0, 1, 2), (0, 2, 3)], process=False)


def _walls() -> trimesh.Trimesh:
    line = [(-SIDE_WALL, -4.9), (-SIDE_WALL, 5.0), (SIDE_WALL, 5.0), (SIDE_WALL, -4.9)]
    corners = [(x, y, z) for x, y in line for z in (0.0, 5.5)]
    faces = [face for k in (0, 2, 4) for face in ((k, k + 2, k + 1), (k + 1, k + 2, k + 3))]
    return trimesh.Trimesh(corners, faces, process=False)


def _noise(rng: np.random.Generator, cells: int, side: int = 256) -> Floats:
    raw = rng.random((cells, cells))
    return np.asarray(cv2.resize(raw, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1))


def _ground(rng: np.random.Generator) -> Rgb:
    """A dull texture of low contrast, with planks in half of the cases."""
    tint = 130 + 70 * rng.random(3) * rng.uniform(0.3, 1) - 20
    value = 0.8 + 0.25 * _noise(rng, 12) + 0.15 * _noise(rng, 60)
    if rng.random() < 0.5:
        value *= 0.9 + 0.1 * (np.arange(256) // 11 % 2)[:, None]
    return np.asarray((tint * value[..., None]).clip(0, 255), np.uint8)


def _skin(rng: np.random.Generator, hue: float) -> Rgb:
    """A strong colour with one of five patterns."""
    hsv = np.array([[[hue * 179, rng.uniform(120, 230), rng.uniform(150, 240)]]], np.uint8)
    tint = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)
    rows, columns = np.mgrid[:256, :256] // int(rng.integers(24, 44))
    patterns = (
        np.ones((256, 256)),
        0.55 + 0.45 * (rows % 2),
        0.55 + 0.45 * ((rows + columns) % 2),
        0.5 + 0.6 * _noise(rng, int(rng.integers(5, 12))),
        1.0 - 0.45 * (_noise(rng, 9) > 0.6),
    )
    value = patterns[int(rng.integers(len(patterns)))]
    return np.asarray((tint * value[..., None]).clip(0, 255), np.uint8)
