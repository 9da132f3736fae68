"""Drawn scenes of people on a floor, of whom all is known: poses, sizes, gravity, masks and landmarks.

World axes: y up, the floor at y = 0, metres. The camera stands at the origin's height and looks along +z.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.observations import observe
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.rotations import exp_map
from workers.engines.protocols import Box, Mask, Rgb
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import Fragments, rasterize

Floats = NDArray[np.float64]
Rng = np.random.Generator
PoseSource = Callable[[Rng], tuple[Floats, str]]
"""Draws joint angles (M, 3) in the joints' frames, row 0 tilting the body in rest axes, and their origin."""
# People of whom less is seen are left out: share of their own outline, and pixels.
MIN_SEEN, MIN_PIXELS = 0.35, 1500
# Share of children among the people.
CHILDREN = 0.35
# Gap in metres between the places of two people.
MIN_GAP = 0.55
# Share of people in the air; metres by which a surface or a landmark may lie behind what is drawn over it.
JUMPING, OWN_SURFACE, LIMB_RADIUS = 0.03, 0.01, 0.16
LIGHT = np.array([-0.4, -0.5, -0.77])
# What BlazePose shows on dressed drawn people (`python -m bench run bodies.scenes --blazepose` draws them).
# Landmarks err along the limbs: metres by which world points wander in depth per bone, the share of it
# across; in the image, shares of the body's height per metre. Hidden landmarks err by a factor more.
TRUNK_DRIFT, LIMB_DRIFT, TIP_DRIFT, ACROSS = 0.06, 0.09, 0.04, 0.35
IMAGE_SHARE, HIDDEN_FACTOR = 0.10, 2.0
# Share of limbs whose depth is mirrored, and that of hidden landmarks about which it is sure nevertheless.
MIRRORED_LIMBS, SURE_THOUGH_HIDDEN = 0.04, 0.55
# BlazePose sees everybody at the size of one mean adult, metres.
MEAN_STATURE = 1.65
TIPS = (*range(17, 23), *range(29, 33))
# Landmarks and what each hangs on, in the order in which errors spread; -1 is the middle of the hips.
CHAINS = (
    (TRUNK_DRIFT, ((11, -1), (12, -1), (23, -1), (24, -1), *((face, 11) for face in range(11)))),
    (LIMB_DRIFT, ((13, 11), (14, 12), (25, 23), (26, 24), (15, 13), (16, 14), (27, 25), (28, 26))),
    (TIP_DRIFT, tuple((tip, 15 + (tip - 17) % 2 if tip < 23 else 27 + (tip - 29) % 2) for tip in TIPS)),
)
LIMBS = {11: (13, 15, 17, 19, 21), 12: (14, 16, 18, 20, 22), 23: (25, 27, 29, 31), 24: (26, 28, 30, 32)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnPerson:
    """One person of a scene: the truth in the camera frame, and what the picture shows of it."""

    state: BodyState
    vertices: Floats
    landmarks: Floats
    joints: Floats
    stature: float
    mask: Mask
    box: Box
    seen: float
    hidden: NDArray[np.bool_]
    on_floor: bool
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnScene:
    """The people of one picture, in the camera frame.

    `up` (3,) is against gravity, `floor` (3,) a point of the floor; `vertices` and `rest` (N, V, 3) are of
    all drawn bodies, seen or not, and `faces` (F, 3) those of one body.
    """

    camera: Camera
    up: Floats
    floor: Floats
    people: tuple[DrawnPerson, ...]
    fragments: Fragments
    vertices: Floats
    rest: Floats
    faces: NDArray[np.int64]

    def heights(self, points: Floats) -> Floats:
        """Height (N,) of points (N, 3) above the floor in metres."""
        above: Floats = (points - self.floor) @ self.up
        return above


def draw_scene(skinner: Skinner, rng: Rng, poses: PoseSource) -> DrawnScene:
    """One to eight people of all ages; some stand behind others or reach beyond the picture."""
    camera, place = _draw_camera(rng)
    distance = float(rng.uniform(2.6, 7.0))
    count = int(rng.choice(np.arange(1, 9), p=np.array([6, 5, 4, 3, 2, 2, 1, 1]) / 24))
    pitch = float(np.arctan2(place[1] - 0.85, distance) + np.radians(rng.normal(0, 4)))
    turn = _look_down(pitch, np.radians(rng.normal(0, 1.5)))
    grounds = _draw_places(rng, count, distance, camera)
    bodies = [_draw_body(skinner, rng, poses, turn, ground - place) for ground in grounds]
    vertices = np.stack([skinner.vertices(state) for state, *_ in bodies])
    faces = skinner.kinematics.skeleton.model.faces
    every = np.concatenate([faces + k * vertices.shape[1] for k in range(len(bodies))])
    fragments = rasterize(vertices.reshape(-1, 3), every, camera)
    owner = np.where(fragments.face >= 0, fragments.face // len(faces), -1)
    people = [
        _see(skinner, state, vertices[k], owner == k, fragments.depth, camera, on_floor, origin)
        for k, (state, on_floor, origin) in enumerate(bodies)
    ]
    return DrawnScene(
        camera=camera,
        up=turn @ np.array([0.0, 1.0, 0.0]),
        floor=turn @ -place,
        people=tuple(person for person in people if person is not None),
        fragments=fragments,
        vertices=vertices,
        rest=np.stack([skinner.rest(state).vertices for state, *_ in bodies]),
        faces=faces,
    )


def _draw_camera(rng: Rng) -> tuple[Camera, Floats]:
    """A camera and where it stands in the world."""
    width, height = ((960, 720), (720, 960), (1120, 630))[int(rng.integers(3))]
    focal = float(np.hypot(width, height) * rng.uniform(0.75, 1.4))
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    return camera, np.array([0.0, rng.uniform(1.0, 4.0), 0.0])


def _look_down(pitch: float, roll: float) -> Floats:
    """Camera from world (3, 3) for a camera that looks along +z, down by `pitch` radians."""
    s, c = np.sin(pitch), np.cos(pitch)
    turn: Floats = exp_map(np.array([0.0, 0.0, roll])) @ np.array(
        [[-1.0, 0.0, 0.0], [0.0, -c, -s], [0.0, -s, c]]
    )
    return turn


def _draw_places(rng: Rng, count: int, distance: float, camera: Camera) -> list[Floats]:
    places: list[Floats] = []
    reach = 0.5 * camera.width / camera.fx
    for _ in range(200):
        if len(places) == count:
            break
        z = distance * float(rng.uniform(0.8, 1.5))
        x = z * reach * float(rng.uniform(-0.95, 0.95)) * (0.5 if count == 1 else 1.0)
        place = np.array([x, 0.0, z])
        if all(np.linalg.norm(place - other) > MIN_GAP for other in places):
            places.append(place)
    return places


def draw_shape(rng: Rng) -> Floats:
    """Height, girth, sex and youth (4,) of the fit, over all ages."""
    youth = float(rng.uniform(0.4, 1.9)) if rng.random() < CHILDREN else 0.0
    height = float(np.clip(rng.normal(0.2, 0.8), -1.6, 2.0)) * (0.4 if youth else 1.0)
    return np.array([height, 0.5 * rng.normal(), rng.uniform(-1.0, 1.0), youth])


def _draw_body(
    skinner: Skinner, rng: Rng, poses: PoseSource, turn: Floats, ground: Floats
) -> tuple[BodyState, bool, str]:
    """A body in the camera frame, whether it touches the floor, and its pose's origin.

    `ground` (3,) is where it stands, from the camera.
    """
    angles, origin = poses(rng)
    rotations = exp_map(np.einsum("mab,ma->mb", skinner.kinematics.skeleton.frames, angles))
    upright = exp_map(np.array([0.0, rng.uniform(-np.pi, np.pi), 0.0])) @ exp_map(angles[0])
    rotations[0] = upright
    shape = draw_shape(rng)
    low = float(skinner.vertices(BodyState(rotations, np.zeros(3), shape))[:, 1].min())
    jumps = bool(rng.random() < JUMPING)
    at = ground + np.array([0.0, -low + (rng.uniform(0.1, 0.4) if jumps else 0.0), 0.0])
    rotations[0] = turn @ upright
    return BodyState(rotations, turn @ at, shape), not jumps, origin


def _see(
    skinner: Skinner,
    state: BodyState,
    vertices: Floats,
    mask: Mask,
    depth: Floats,
    camera: Camera,
    on_floor: bool,
    origin: str,
) -> DrawnPerson | None:
    """The person as the picture shows it; None when too little of it is in view."""
    if mask.sum() < MIN_PIXELS or vertices[:, 2].min() < 0.3:
        return None
    visible, _ = _look_up(vertices, mask, depth, camera, OWN_SURFACE)
    # A convex body shows half of its own vertices.
    seen = float(visible.mean()) / 0.5
    if seen < MIN_SEEN:
        return None
    posed = skinner.kinematics.pose(state)
    # A landmark lies inside its body, so the surface before it is nearer by the radius of a limb.
    clear, own = _look_up(posed.landmarks, mask, depth, camera, LIMB_RADIUS)
    v, u = np.nonzero(mask)
    return DrawnPerson(
        state=state,
        vertices=vertices,
        landmarks=posed.landmarks,
        joints=posed.joints,
        stature=float(np.ptp(skinner.rest(state).vertices[:, 1])),
        mask=mask,
        box=(float(u.min()), float(v.min()), float(u.max() + 1), float(v.max() + 1)),
        seen=min(seen, 1.0),
        hidden=~(clear & own),
        on_floor=on_floor,
        origin=origin,
    )


def _look_up(
    points: Floats, mask: Mask, depth: Floats, camera: Camera, slack: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of points (N, 3): at most `slack` metres behind what is drawn; and inside the mask or beside it."""
    pixels = camera.project(points)
    at = np.clip(pixels.astype(int), 0, [camera.width - 1, camera.height - 1])
    inside = _inside(pixels, camera)
    clear = inside & (depth[at[:, 1], at[:, 0]] > points[:, 2] - slack)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return clear & near[at[:, 1], at[:, 0]], inside & near[at[:, 1], at[:, 0]]


def _inside(pixels: Floats, camera: Camera) -> NDArray[np.bool_]:
    x, y = pixels[:, 0], pixels[:, 1]
    inside: NDArray[np.bool_] = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    return inside


def observe_person(person: DrawnPerson, camera: Camera, rng: Rng, used: Camera) -> PersonObservation:
    """What BlazePose would say of a person seen by `camera`, for an engine that takes it to be `used`."""
    points, hidden = person.landmarks, person.hidden
    pixels = camera.project(points)
    reach = person.stature * camera.fx / float(np.median(points[:, 2]))
    pixels = pixels + IMAGE_SHARE * reach * _wander(hidden, rng, np.ones(2))
    unsure = np.where(
        rng.random(33) < SURE_THOUGH_HIDDEN, rng.uniform(0.5, 0.99, 33), rng.uniform(0, 0.3, 33)
    )
    confidence = np.where(hidden, unsure, rng.uniform(0.82, 1.0, 33))
    about = (points - points[[23, 24]].mean(axis=0)) * (MEAN_STATURE / person.stature)
    world = about @ observe(pixels, np.ones(33), about, camera).view
    for root, limb in LIMBS.items():
        if rng.random() < MIRRORED_LIMBS:
            world[list(limb), 2] = 2 * world[root, 2] - world[list(limb), 2]
    world += _wander(hidden, rng, np.array([ACROSS, ACROSS, 1.0]))
    return PersonObservation(
        landmarks=observe(pixels, confidence, world, used), box=person.box, mask=person.mask, score=0.95
    )


def _wander(hidden: NDArray[np.bool_], rng: Rng, axes: Floats) -> Floats:
    """Errors (33, D) in metres, scaled by `axes` (D,): a landmark inherits that of the one it hangs on."""
    out = np.zeros((34, len(axes)))
    for drift, links in CHAINS:
        for landmark, parent in links:
            share = axes * drift * (HIDDEN_FACTOR if hidden[landmark] else 1.0)
            error = share * rng.normal(size=len(axes)) * (0.3 if landmark < 11 else 1.0)
            out[landmark] = out[parent] + error
    if len(axes) == 3:
        # World points are centred at the hips.
        out[[23, 24]] *= 0.3
    return out[:33]


def dress(scene: DrawnScene, rng: Rng) -> Rgb:
    """A picture of the scene: people in shirts, trousers and shoes of one colour each, in a plain room."""
    face, camera = scene.fragments.face, scene.camera
    image = np.full((camera.height, camera.width, 3), rng.uniform(120, 220), dtype=np.float64)
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    rays = camera.unproject(np.stack([x, y], axis=-1), np.ones_like(x))
    image[rays @ scene.up < -0.02] = rng.uniform(70, 160, 3)
    corners = scene.vertices[:, scene.faces]
    normals = np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    shade = 0.35 + 0.65 * np.clip(normals @ LIGHT, 0, 1)
    colors = np.stack([_clothe(rest, scene.faces, rng) for rest in scene.rest]) * shade[..., None]
    seen = face >= 0
    image[seen] = colors.reshape(-1, 3)[face[seen]]
    image += rng.normal(0, 3, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8), 0, 255).astype(np.uint8)


def _clothe(rest: Floats, faces: NDArray[np.int64], rng: Rng) -> Floats:
    """A colour per face from where it is on the body at rest."""
    place = rest[faces].mean(axis=1)
    stature = rest[:, 1].max() - rest[:, 1].min()
    y = (place[:, 1] - rest[:, 1].min()) / stature
    skin = np.array([[224, 172, 140], [141, 85, 60], [198, 134, 100]])[int(rng.integers(3))]
    out = np.tile(skin.astype(np.float64), (len(faces), 1))
    shirt, trousers, hair, shoes = (rng.uniform(20, 230, 3) for _ in range(4))
    across = np.abs(place[:, 0]) / stature
    out[(y > 0.56) & (y < 0.83) & (across < (0.30 if rng.random() < 0.6 else 0.20))] = shirt
    out[(y > (0.05 if rng.random() < 0.7 else 0.28)) & (y < 0.58) & (across < 0.2)] = trousers
    out[y < 0.05] = shoes
    out[(y > 0.95) | ((y > 0.89) & (place[:, 2] < np.median(place[y > 0.89, 2])))] = 0.4 * hair
    return out


def draw_scenes(skinner: Skinner, seed: int, count: int, poses: PoseSource) -> Sequence[DrawnScene]:
    """`count` scenes with somebody in them; each has a generator of its own."""
    scenes: list[DrawnScene] = []
    number = 0
    while len(scenes) < count:
        scene = draw_scene(skinner, np.random.default_rng([seed, number]), poses)
        number += 1
        if scene.people:
            scenes.append(scene)
    return scenes
