"""Twins of the MOVi-like clips: the same scene with one thing done to one object.

Edits hold for the complete clip: move, turn, resize, replace, remove. Surprises begin at a frame, before
which both twins are equal: teleport, recolour, remove (the object vanishes).
"""

from dataclasses import replace

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scripts.drawn_scenes.clips import ClipScript
from scripts.drawn_scenes.motion import VIEW_HALF_ANGLE
from scripts.drawn_scenes.solids import make_solid
from scripts.drawn_scenes.textures import paint_skin

EDITS = ("move", "turn", "resize", "replace", "remove")
SURPRISES = ("teleport", "recolour", "remove")
# metres: an edit moves an object by less than a surprise, which nobody may take for a step
MOVE, TELEPORT = 0.5, 1.3
TURN = np.radians(45.0)
# smaller, for what is larger might touch its neighbour
RESIZE = 0.7
# of the half width of the view that a moved object keeps to
MARGIN = 0.85
# solids that lie on their base however they are turned
UPRIGHT = ("box", "cone", "wedge", "capsule")


def make_twin(
    script: ClipScript, operation: str, index: int, rng: np.random.Generator, start: int = 0
) -> ClipScript:
    """The script with one of `EDITS` or `SURPRISES` done to the object `index`, from frame `start` on."""
    if operation in ("move", "teleport"):
        return _move(script, index, MOVE if operation == "move" else TELEPORT, start)
    if operation == "turn":
        poses = script.poses.copy()
        poses[start:, index, :3, :3] = (
            Rotation.from_euler("z", TURN).as_matrix() @ poses[start:, index, :3, :3]
        )
        return replace(script, poses=poses)
    if operation == "resize":
        return _resize(script, index)
    if operation == "replace":
        return _replace(script, index, rng)
    if operation == "recolour":
        skin = 255 - script.skins[index]
        return replace(script, repaints={index: (start, skin)})
    if operation == "remove":
        hidden = script.hidden.copy()
        hidden[start:, index] = True
        return replace(script, hidden=hidden)
    raise ValueError(f"there is no operation {operation!r}")


def _move(script: ClipScript, index: int, metres: float, start: int) -> ClipScript:
    """Along its lane, towards the middle of the view, where it is at the moment of the move."""
    poses = script.poses.copy()
    x, y = poses[start, index, 0, 3], poses[start, index, 1, 3]
    camera = script.cameras[start, :3, 3]
    reach = MARGIN * float(y - camera[1]) * np.tan(VIEW_HALF_ANGLE)
    step = -np.sign(x - camera[0] or 1.0) * metres
    step = float(np.clip(x + step, camera[0] - reach, camera[0] + reach) - x)
    poses[start:, index, 0, 3] += step
    return replace(script, poses=poses)


def _resize(script: ClipScript, index: int) -> ClipScript:
    label, mesh = script.shapes[index]
    smaller = mesh.copy()
    smaller.apply_scale(RESIZE)
    poses = script.poses.copy()
    # it stays on the floor
    poses[:, index, 2, 3] += (RESIZE - 1) * script.poses[0, index, 2, 3]
    return replace(script, shapes=_put(script.shapes, index, (label, smaller)), poses=poses)


def _replace(script: ClipScript, index: int, rng: np.random.Generator) -> ClipScript:
    old = script.shapes[index][0]
    kind = str(rng.choice([kind for kind in UPRIGHT if kind != old]))
    shape = make_solid(kind, rng, 1.0)
    poses = script.poses.copy()
    heights = poses[:, index, 2, 3]
    poses[:, index, 2, 3] = heights - heights[0] + shape[1].extents[2] / 2
    poses[:, index, :3, :3] = np.eye(3)
    skins = list(script.skins)
    skins[index] = paint_skin(rng, float(rng.random()))
    return replace(script, shapes=_put(script.shapes, index, shape), skins=tuple(skins), poses=poses)


def _put(
    shapes: tuple[tuple[str, trimesh.Trimesh], ...], index: int, shape: tuple[str, trimesh.Trimesh]
) -> tuple[tuple[str, trimesh.Trimesh], ...]:
    return (*shapes[:index], shape, *shapes[index + 1 :])


def find_moments(ids: NDArray[np.int32], least: int, places: range) -> list[tuple[int, int]]:
    """Frames and objects (from 0) that are seen in full, as far as one sees: ids (T, H, W).

    Each has at least `least` pixels in the frame and those beside it, none at the border, and does not touch
    another object. Frames are among `places`; the objects with most pixels come first.
    """
    found = []
    for frame in places:
        for number in range(1, int(ids.max()) + 1):
            masks = ids[frame - 1 : frame + 2] == number
            areas = masks.sum(axis=(1, 2))
            edges = masks[:, [0, -1]].any() or masks[:, :, [0, -1]].any()
            if areas.min() >= least and not edges and not _touches(ids[frame], number):
                found.append((-int(areas[1]), frame, number - 1))
    return [(frame, index) for _, frame, index in sorted(found)]


def _touches(ids: NDArray[np.int32], number: int) -> bool:
    """Whether the mask of an object has a neighbouring pixel of another one."""
    mask = ids == number
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return bool((ids[grown] > 0).sum() > mask.sum())
