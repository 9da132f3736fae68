"""A standing person in MHR's layout, made of the shipped Anny body: what a fake upstream finds in tall boxes.

Nothing of it is MHR's own. 127 joints, of which those below the elbows are at MHR's numbers, and 18439
vertices of a mesh without gaps: Anny's, with its largest faces divided.
"""

from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from workers.engines.bodies.anny import load_anny
from workers.engines.bodies.mhr.arrays import (
    EXPRESSION,
    IDENTITY,
    METRES,
    PER_JOINT,
    MhrArrays,
    compute_chain,
)
from workers.engines.bodies.mhr.derivatives import MhrPoints, MhrState
from workers.engines.bodies.mhr.layout import JOINTS, PARAMETERS, POSE, SCALES, VERTICES, from_euler, to_euler
from workers.engines.bodies.mhr.model import Floats, Ints, MhrPose, SkinnedMesh, keep_strongest
from workers.engines.bodies.sam3d.keypoints import MHR_70

FACES = 36874
FIRST_HAND, SECOND_HAND = range(41, 69), range(77, 105)
# Anny's joint for each of MHR's key points, by its name without the side
JOINT_OF = {
    "eye": "eye",
    "ear": "head",
    "shoulder": "upperarm01",
    "elbow": "lowerarm01",
    "hip": "upperleg01",
    "knee": "lowerleg01",
    "ankle": "foot",
    "big_toe_tip": "toe1_2",
    "small_toe_tip": "toe5_3",
    "heel": "foot",
    "wrist": "wrist",
    "olecranon": "lowerarm01",
    "cubital_fossa": "lowerarm01",
    "acromion": "upperarm01",
}
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
# angles in radians by which people differ from the body at rest, and by which they turn
POSE_SPREAD, TURN = 0.06, 0.5
# radians by which the arms hang lower than those of Anny at rest
ARMS_DOWN = 0.5


class StandingMhr:
    """Fulfils `MhrModel`, and also gives posed vertices and key points."""

    def __init__(self) -> None:
        anny = load_anny()
        slots = _assign_slots(anny.joint_names)
        self._slots = slots
        parents = np.full(JOINTS, 1, dtype=np.int64)
        parents[:2] = -1, 0
        for hand, wrist in ((FIRST_HAND, "wrist_R"), (SECOND_HAND, "wrist_L")):
            parents[list(hand)] = slots[wrist]
        places = np.zeros((JOINTS, 3))
        for joint, name in enumerate(anny.joint_names):
            parents[slots[name]] = 1 if joint == 0 else slots[anny.joint_names[anny.parents[joint]]]
            places[slots[name]] = anny.base.joints[joint]
        parents[1] = 0
        lift = -float(anny.base.vertices[:, 1].min())
        spare = sorted(set(range(2, JOINTS)) - set(slots.values()))
        places[spare] = places[parents[spare]]
        places[1:, 1] += lift
        self.parents: Ints = parents
        self.joint_names = tuple(_name_slots(slots))
        number = np.array([slots[name] for name in anny.joint_names])
        vertices, faces, joints, weights = _divide_faces(
            anny.base.vertices + np.array([0, lift, 0]),
            anny.faces,
            number[anny.skin_joints],
            anny.skin_weights,
        )
        self.mesh = SkinnedMesh(faces, joints, weights)
        self.arrays = _make_arrays(self, places / METRES, vertices / METRES)

    def pose(self, parameters: Floats) -> MhrPose:
        chain = compute_chain(self.arrays, parameters)
        sizes = np.cbrt(np.linalg.det(chain.linear))
        return MhrPose(chain.linear / sizes[:, None, None], METRES * chain.places)

    def vertices(self, parameters: Floats, shape: Floats) -> Floats:
        """Posed vertices (V, 3) in MHR's frame."""
        return self._points.place(MhrState(parameters, shape, np.zeros(EXPRESSION)))

    def keypoints(self, parameters: Floats, shape: Floats) -> Floats:
        """The 70 key points (70, 3) in MHR's frame; `shape` moves none of them."""
        joints = self.pose(parameters).joints
        return np.stack([joints[places].mean(axis=0) for places in self._places_of_keypoints])

    def stand(self, seed: int) -> Floats:
        """Somebody (204,) who stands at the origin with the arms down, turned a little from the camera."""
        random = np.random.default_rng(seed)
        out = np.zeros(PARAMETERS)
        out[4] = random.uniform(-TURN, TURN)
        out[POSE] = random.normal(0, POSE_SPREAD, POSE.stop - POSE.start)
        rows = self.arrays.transform.reshape(JOINTS, PER_JOINT, PARAMETERS)
        for name, angle in (("upperarm01_L", -ARMS_DOWN), ("upperarm01_R", ARMS_DOWN)):
            joint = self._slots[name]
            # the turn about the world's z in the axes of the joint, whose bind is the inverse of its rotation
            bind = self.arrays.bind_linear[joint]
            turn = from_euler(np.array([0.0, 0.0, angle]))
            out += to_euler(bind @ turn @ bind.T) @ rows[joint, 3:6]
        return out

    def relax_hands(self, parameters: Floats) -> Floats:
        """The same person (204,) whose joints below the elbows are as at rest."""
        out = parameters.copy()
        rows = self.arrays.transform.reshape(JOINTS, PER_JOINT, PARAMETERS)
        out[np.abs(rows[[*FIRST_HAND, *SECOND_HAND]]).sum(axis=(0, 1)) > 0] = 0
        return out

    @cached_property
    def _points(self) -> MhrPoints:
        return MhrPoints(self.arrays, np.arange(VERTICES))

    @cached_property
    def _places_of_keypoints(self) -> list[list[int]]:
        return [[self._slots[name] for name in _list_joints(keypoint)] for keypoint in MHR_70]


def _list_joints(keypoint: str) -> list[str]:
    """Anny's joints in whose middle a key point lies."""
    if keypoint in ("nose", "neck"):
        return {"nose": ["eye_L", "eye_R"], "neck": ["neck01"]}[keypoint]
    side, _, part = keypoint.partition("_")
    suffix = "_" + side[0].upper()
    if part in JOINT_OF:
        name = JOINT_OF[part]
        return [name if name == "head" else name + suffix]
    finger, _, joint = part.partition("_")
    link = {"tip": 3, "first_joint": 3, "second_joint": 2, "third_joint": 1}[joint]
    return [f"finger{FINGERS.index(finger) + 1}_{link}{suffix}"]


def _assign_slots(names: tuple[str, ...]) -> dict[str, int]:
    """MHR's number of each of Anny's joints: parents before children, hands where MHR has them."""
    hands: dict[str, list[str]] = {"L": [], "R": []}
    body: list[str] = []
    for name in names:
        if name.startswith(("lowerarm02", "wrist", "finger", "metacarpal")):
            hands[name[-1]].append(name)
        else:
            body.append(name)
    legs = [name for name in body if name.startswith(("pelvis", "upperleg", "lowerleg", "foot", "toe"))]
    ordered = [name for name in body if name not in legs] + legs
    others = [j for j in range(1, JOINTS) if j not in FIRST_HAND and j not in SECOND_HAND]
    slots = dict(zip(ordered, others, strict=False))
    slots |= dict(zip(hands["R"], FIRST_HAND, strict=False))
    return slots | dict(zip(hands["L"], SECOND_HAND, strict=False))


def _name_slots(slots: dict[str, int]) -> list[str]:
    names = {slot: name for name, slot in slots.items()}
    return ["body_world", *(names.get(j, f"spare_{j}") for j in range(1, JOINTS))]


def _divide_faces(
    vertices: Floats, faces: Ints, joints: Ints, weights: Floats
) -> tuple[Floats, Ints, Ints, Floats]:
    """Vertices, faces and skin with a vertex in the middle of as many large faces as MHR has more."""
    corners = vertices[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = np.argsort(-areas, kind="stable")[: VERTICES - len(vertices)]
    middle = len(vertices) + np.arange(len(chosen))
    a, b, c = faces[chosen].T
    parts = [np.stack(corner, axis=1) for corner in ((a, b, middle), (b, c, middle), (c, a, middle))]
    divided = np.concatenate([np.delete(faces, chosen, axis=0), *parts])
    dense = np.zeros((len(vertices), JOINTS))
    for k in range(joints.shape[1]):
        np.add.at(dense, (np.arange(len(vertices)), joints[:, k]), weights[:, k])
    skin = keep_strongest(np.concatenate([dense, dense[faces[chosen]].mean(axis=1)]))
    # a few are there twice, so that there are as many as MHR has
    closed = np.concatenate([divided, divided[: FACES - len(divided)]])
    return np.concatenate([vertices, corners[chosen].mean(axis=1)]), closed, *skin


def _make_arrays(model: StandingMhr, places: Floats, vertices: Floats) -> MhrArrays:
    """MHR's tables of a body at rest, in centimetres; each joint has a rotation of its own, as in MHR."""
    parents, mesh = model.parents, model.mesh
    world = Rotation.random(JOINTS, random_state=3).as_matrix()
    world[:2] = np.eye(3)
    above = np.concatenate([np.eye(3)[None], world[parents[1:]]])
    steps = places - np.vstack([np.zeros(3), places[parents[1:]]])
    return MhrArrays(
        joint_names=model.joint_names,
        parents=parents,
        offsets=np.einsum("jba,jb->ja", above, steps),
        before=np.einsum("jba,jbc->jac", above, world),
        transform=_make_transform(mesh),
        bind_linear=np.transpose(world, (0, 2, 1)),
        bind_translation=-np.einsum("jba,jb->ja", world, places),
        skin_joints=mesh.skin_joints,
        skin_weights=mesh.skin_weights,
        base=vertices,
        directions=np.zeros((IDENTITY + EXPRESSION, VERTICES, 3)),
        faces=mesh.faces,
        corrective_hidden=np.zeros((6 * (JOINTS - 2), 1)),
        corrective_output=csr_array((1, 3 * VERTICES)),
    )


def _make_transform(mesh: SkinnedMesh) -> Floats:
    """Angles for the joints that carry most, and a size for each of the first 68."""
    transform = np.zeros((JOINTS, PER_JOINT, PARAMETERS))
    transform[1, :3, :3] = 10 * np.eye(3)
    transform[1, 3:6, 3:6] = np.eye(3)
    carried = np.bincount(mesh.skin_joints.ravel(), minlength=JOINTS)
    carried[:2] = 0
    turning = np.sort(np.argsort(-carried, kind="stable")[: (POSE.stop - POSE.start) // 3])
    for row, joint in enumerate(turning):
        transform[joint, 3:6, POSE.start + 3 * row : POSE.start + 3 * row + 3] = np.eye(3)
    for row, joint in enumerate(range(2, 2 + SCALES.stop - SCALES.start)):
        transform[joint, 6, SCALES.start + row] = 1
    return transform.reshape(JOINTS * PER_JOINT, PARAMETERS)
