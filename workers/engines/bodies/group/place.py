"""From a solved group to the estimates of its people: sizes, floor, gravity and flags."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.estimates import measure_height, scale_about_camera
from workers.engines.bodies.group.cues import find_sole_vertices
from workers.engines.bodies.group.floor_report import ASSUMED_GRAVITY
from workers.engines.bodies.group.solve import GroupedPerson, GroupSolution
from workers.engines.bodies.observations import HIPS, SHOULDERS
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate, FloorPlane, Gravity

Floats = NDArray[np.float64]
# Metres above the floor up to which a foot counts as touching it.
TOUCH_METRES = 0.03
# Lean of a trunk in degrees from which a person is not upright: who bends to the floor or sits leans less.
# Chosen, not measured.
UPRIGHT_DEGREES = 75.0
# Heights in metres of a child of eight years (WHO: 1.27) and of a short adult (NCD-RisC: the 10th percentile
# of women worldwide): a range that holds both says neither.
CHILD_METRES, ADULT_METRES = 1.27, 1.55


def place_people(
    bodies: Sequence[BodyEstimate],
    group: GroupSolution,
    heights: Sequence[float | None],
    gravity: Gravity | None,
) -> list[BodyEstimate]:
    """The bodies at their sizes, with the floor and gravity of their image.

    Where a height (m) is known the body has it exactly, and the others on the floor take their scale from it.
    """
    x, y, z = (float(value) for value in group.up)
    is_given = gravity is not None
    if gravity is None and bodies:
        gravity = Gravity(direction=(-x, -y, -z), source="people")
    placed = [
        scale_about_camera(body, member.scale if known is None else known / measure_height(body.rig))
        for body, member, known in zip(bodies, group.people, heights, strict=True)
    ]
    has_scale = any(
        known is not None and member.grounded for known, member in zip(heights, group.people, strict=True)
    )
    upright = [is_upright(body, group.up) for body in placed]
    if not any(upright) and not is_given and gravity is not None:
        # heads that are not up tell nothing of gravity: a camera on its side, or people who lie
        return [_leave_ungrounded(body) for body in placed]
    floor = _find_plane(placed, group)
    return [
        replace(
            body,
            floor=floor,
            gravity=gravity,
            grounded=None if _is_uncertain(member) else member.grounded,
            height_range=member.height_range,
            scale_source="metric" if has_scale and member.grounded else body.scale_source,
            flags=_list_flags(body, member, stands, in_scale=has_scale, is_contradicted=group.contradicted),
        )
        for body, member, stands in zip(placed, group.people, upright, strict=True)
    ]


def is_upright(body: BodyEstimate, up: Floats) -> bool:
    """Whether the line from hips to shoulders is within UPRIGHT_DEGREES of `up` (3,), a unit vector."""
    shoulders, hips = body.keypoints_3d[list(SHOULDERS)], body.keypoints_3d[list(HIPS)]
    trunk = shoulders.mean(axis=0) - hips.mean(axis=0)
    return bool(trunk @ up > np.cos(np.radians(UPRIGHT_DEGREES)) * np.linalg.norm(trunk))


def _leave_ungrounded(body: BodyEstimate) -> BodyEstimate:
    """A body of an image in which nobody is upright: gravity is assumed, and no floor is known."""
    return replace(body, gravity=ASSUMED_GRAVITY, flags=(*body.flags, "not_upright"))


def _is_uncertain(member: GroupedPerson) -> bool:
    """Whether a person whose feet fit the floor may as well be above it."""
    return bool(member.grounded) and member.hangs


def _find_plane(bodies: Sequence[BodyEstimate], group: GroupSolution) -> FloorPlane | None:
    """The plane that people stand on; None where nobody does so for certain."""
    standing = [
        body
        for body, member in zip(bodies, group.people, strict=True)
        if member.grounded and not member.hangs
    ]
    if group.offset is None or not standing:
        return None
    x, y, z = (float(value) for value in group.up)
    plane = FloorPlane(normal=(x, y, z), offset=group.offset, feet=None, people=0)
    feet = [
        float(plane.height(body.vertices[chosen]).min()) < TOUCH_METRES
        for body in standing
        for chosen in find_sole_vertices(load_skeleton())
    ]
    return replace(plane, feet=int(np.sum(feet)), people=len(standing))


def is_age_uncertain(heights: tuple[float, float]) -> bool:
    """Whether a range of heights in metres holds those of children and those of adults."""
    return heights[0] < CHILD_METRES and heights[1] > ADULT_METRES


def _list_flags(
    body: BodyEstimate, member: GroupedPerson, stands: bool, *, in_scale: bool, is_contradicted: bool
) -> tuple[str, ...]:
    flags = list(body.flags)
    if is_age_uncertain(member.height_range):
        flags.append("age_uncertain")
    if is_contradicted:
        flags.append("gravity_disagrees")
    if in_scale and member.grounded:
        flags = [flag for flag in flags if flag != "scale_not_metric"] + ["scale_from_group"]
    if member.grounded is False:
        flags.append("not_grounded")
    if _is_uncertain(member):
        flags.append("ground_uncertain")
    if not stands:
        flags.append("not_upright")
    return tuple(flags)
