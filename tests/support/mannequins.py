"""Pictures of a dressed mannequin, drawn from the default body: whole people that a pose model can find."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.rig import Skinner, skin_rig
from workers.engines.bodies.rotations import exp_map
from workers.engines.bodies.skeleton import load_skeleton
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize

CAMERA = Camera(480, 640, 700.0, 700.0, 240.0, 320.0)
LIGHT = np.array([-0.4, -0.5, -0.77])
SKIN, SHIRT, TROUSERS = (224, 172, 140), (60, 90, 170), (50, 50, 60)


def render_mannequin(seed: int, turn: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A standing person (640, 480, 3) and its mask: posed near rest at random, turned by `turn` radians."""
    kinematics = Kinematics(load_skeleton())
    skeleton, rng = kinematics.skeleton, np.random.default_rng(seed)
    count = len(skeleton.joints)
    angles = np.zeros((count, 3))
    sampled = skeleton.relaxed[1:] + 0.3 * rng.normal(size=(count - 1, 3)) * skeleton.spread[1:]
    angles[1:] = np.clip(sampled, 0.9 * skeleton.low[1:], 0.9 * skeleton.high[1:])
    rotations = exp_map(np.einsum("mab,ma->mb", skeleton.frames, angles))
    rotations[0] = np.diag([1.0, -1.0, -1.0]) @ exp_map(np.array([0.0, turn, 0.0]))
    rig = Skinner(kinematics).rig(BodyState(rotations, np.array([0.0, 0.1, 2.6]), np.zeros(4)))
    vertices, faces = skin_rig(rig), rig.faces
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    shade = 0.25 + 0.75 * np.clip(normals @ LIGHT, 0, 1)
    place = rig.rest_vertices[faces].mean(axis=1)
    colors = np.tile(np.array(SKIN), (len(faces), 1))
    colors[(place[:, 1] > 1.0) & (place[:, 1] < 1.42) & (np.abs(place[:, 0]) < 0.45)] = SHIRT
    colors[(place[:, 1] > 0.09) & (place[:, 1] < 0.98)] = TROUSERS
    image = np.full((CAMERA.height, CAMERA.width, 3), 205.0)
    image[400:] = 170
    face = rasterize(vertices, faces, CAMERA).face
    seen = face >= 0
    image[seen] = colors[face[seen]] * shade[face[seen], None]
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.7), 0, 255).astype(np.uint8), seen
