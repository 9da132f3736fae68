"""Everyday poses by rule, where recorded motions lack them: standing, walking, sitting, reaching, carrying.

Angles are those of `workers.engines.bodies.skeleton`: twist, hinge and side in a joint's own frame. They are
written in degrees for the left side; the right side mirrors them. A hinge is positive forwards for the spine,
the arms and the knees' bend, and negative where a thigh is lifted forwards.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.skeleton import Skeleton

Floats = NDArray[np.float64]
Rng = np.random.Generator
Angles = dict[str, list[float]]
SIDES = ("L", "R")
# Deviation of every joint from its rule as a share of the joint's spread.
LOOSENESS = 0.15


def draw_pose(
    skeleton: Skeleton, rng: Rng, kind: str | None = None, *, looseness: float = LOOSENESS
) -> Floats:
    """Angles (M, 3) in radians in the joints' frames; row 0 tilts the whole body about rest axes.

    `kind` is a key of KINDS; by default one is drawn by how often people are seen so. `looseness` is the
    deviation of every joint from its rule as a share of the joint's spread.
    """
    names = list(KINDS)
    shares = np.array([KINDS[name][1] for name in names])
    chosen = kind if kind is not None else names[int(rng.choice(len(names), p=shares / shares.sum()))]
    angles: Angles = {}
    _hang_arms(angles, rng)
    _carry_trunk(angles, rng)
    KINDS[chosen][0](angles, rng)
    return _to_array(skeleton, angles, rng, looseness)


def _to_array(skeleton: Skeleton, angles: Angles, rng: Rng, looseness: float) -> Floats:
    names = [skeleton.model.joint_names[j] for j in skeleton.joints]
    out = np.zeros((len(names), 3))
    for m, name in enumerate(names):
        triple = np.array(angles.get(name, (0.0, 0.0, 0.0)))
        out[m] = np.radians(triple) * (np.array([-1.0, 1.0, -1.0]) if name.endswith("_R") else 1.0)
    noise = looseness * rng.normal(size=out[1:].shape) * skeleton.spread[1:]
    out[1:] = np.clip(out[1:] + noise, skeleton.low[1:], skeleton.high[1:])
    return out


def _hang_arms(angles: Angles, rng: Rng) -> None:
    for side in SIDES:
        angles[f"upperarm01_{side}"] = [rng.normal(0, 15), rng.normal(3, 10), rng.normal(26, 7)]
        angles[f"lowerarm01_{side}"] = [0, rng.normal(0, 14), 0]
        angles[f"lowerarm02_{side}"] = [rng.normal(0, 20), 0, 0]


def _carry_trunk(angles: Angles, rng: Rng) -> None:
    bend, twist, lean = rng.normal(2, 4), rng.normal(0, 4), rng.normal(0, 3)
    for name in ("spine04", "spine03", "spine02"):
        angles[name] = [twist, bend, lean]
    turn, nod = rng.normal(0, 14), rng.normal(2, 8)
    angles["neck01"], angles["head"] = [turn, nod, rng.normal(0, 4)], [turn, nod, rng.normal(0, 4)]
    angles["root"] = [rng.normal(2, 4), 0, rng.normal(0, 3)]


def _step(angles: Angles, side: str, thigh: float, knee: float, spread: float = 3.0) -> None:
    """One leg; the foot is level with the floor as far as its ankle allows."""
    angles[f"upperleg01_{side}"] = [0, -thigh, spread]
    angles[f"lowerleg01_{side}"] = [0, knee, 0]
    angles[f"foot_{side}"] = [0, float(np.clip(thigh - knee, -30, 35)), 0]


def _stand(angles: Angles, rng: Rng) -> None:
    width, bend = rng.normal(3, 4), abs(rng.normal(2, 4))
    loose = rng.random()
    for k, side in enumerate(SIDES):
        knee = bend + (rng.uniform(5, 35) if loose < 0.3 and k == 0 else 0.0)
        _step(angles, side, knee / 2 + rng.normal(0, 3), knee, width)
        angles[f"upperleg01_{side}"][0] = rng.normal(8, 8)


def _walk(angles: Angles, rng: Rng) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(12, 32)
    run = rng.random() < 0.25
    for k, side in enumerate(SIDES):
        swing = np.sin(phase + np.pi * k)
        lifted = max(0.0, np.cos(phase + np.pi * k))
        _step(angles, side, stride * (1.4 if run else 1) * swing + 4, 6 + (85 if run else 48) * lifted, 1.0)
        angles[f"upperarm01_{side}"][1] = -stride * 0.9 * swing + 4
        angles[f"lowerarm01_{side}"][1] = rng.normal(60 if run else 14, 8)
    angles["root"] = [rng.normal(8 if run else 3, 3), 0, 0]


def _sit(angles: Angles, rng: Rng) -> None:
    thigh, spread = rng.normal(82, 10), rng.normal(10, 8)
    for side in SIDES:
        knee = float(np.clip(rng.normal(85, 14), 30, 120))
        _step(angles, side, thigh + rng.normal(0, 5), knee, spread)
    tilt = rng.normal(-4, 10)
    angles["root"] = [tilt, 0, 0]
    _rest_hands(angles, rng)


def _rest_hands(angles: Angles, rng: Rng) -> None:
    """Hands on the thighs, on a table, or hanging."""
    if rng.random() < 0.25:
        return
    lift = rng.uniform(15, 45)
    for side in SIDES:
        angles[f"upperarm01_{side}"] = [rng.normal(-20, 15), lift + rng.normal(0, 8), rng.normal(20, 8)]
        angles[f"lowerarm01_{side}"] = [0, rng.uniform(20, 75), 0]


def _reach(angles: Angles, rng: Rng) -> None:
    _stand(angles, rng)
    for side in [SIDES[int(rng.integers(2))]] if rng.random() < 0.6 else SIDES:
        angles[f"upperarm01_{side}"] = [rng.normal(0, 20), rng.uniform(30, 120), rng.uniform(-40, 25)]
        angles[f"lowerarm01_{side}"] = [0, rng.uniform(-10, 60), 0]


def _carry(angles: Angles, rng: Rng) -> None:
    (_walk if rng.random() < 0.4 else _stand)(angles, rng)
    lift, bend = rng.uniform(0, 35), rng.uniform(50, 100)
    for side in SIDES:
        angles[f"upperarm01_{side}"] = [rng.normal(-25, 12), lift + rng.normal(0, 5), rng.normal(22, 6)]
        angles[f"lowerarm01_{side}"] = [0, bend + rng.normal(0, 6), 0]


def _gesture(angles: Angles, rng: Rng) -> None:
    """One or both hands at the face, on the hips, in the air or folded."""
    _stand(angles, rng)
    for side in SIDES if rng.random() < 0.5 else SIDES[:1]:
        choice = rng.integers(4)
        twist, hinge, out, elbow = (
            (rng.normal(-30, 15), rng.uniform(25, 60), rng.uniform(0, 22), rng.uniform(80, 104)),
            (rng.normal(45, 12), rng.normal(-25, 8), rng.uniform(-12, 8), rng.uniform(55, 90)),
            (rng.normal(0, 20), rng.uniform(-20, 40), rng.uniform(-110, -30), rng.uniform(-20, 60)),
            (rng.normal(-50, 10), rng.uniform(15, 35), rng.uniform(15, 26), rng.uniform(70, 100)),
        )[int(choice)]
        angles[f"upperarm01_{side}"] = [twist, hinge, out]
        angles[f"lowerarm01_{side}"] = [0, elbow, 0]


def _bend(angles: Angles, rng: Rng) -> None:
    """Bending, crouching or kneeling towards something low."""
    depth, knees = rng.uniform(15, 75), rng.uniform(5, 120)
    for side in SIDES:
        _step(angles, side, depth * 0.6 + knees * 0.7 + rng.normal(0, 5), knees, rng.normal(8, 6))
        angles[f"upperarm01_{side}"] = [rng.normal(0, 15), rng.uniform(20, 80), rng.normal(20, 10)]
        angles[f"lowerarm01_{side}"] = [0, rng.uniform(-10, 50), 0]
    angles["root"] = [depth * 0.6 + 5, 0, rng.normal(0, 4)]
    for name in ("spine04", "spine03", "spine02"):
        angles[name][1] += depth * 0.15


KINDS: dict[str, tuple[Callable[[Angles, Rng], None], float]] = {
    "stand": (_stand, 0.28),
    "walk": (_walk, 0.20),
    "sit": (_sit, 0.14),
    "reach": (_reach, 0.12),
    "carry": (_carry, 0.08),
    "gesture": (_gesture, 0.10),
    "bend": (_bend, 0.08),
}
