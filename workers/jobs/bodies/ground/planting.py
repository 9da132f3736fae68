"""Plants feet that stand: one least squares over the root, both legs and the places of all stands of a span.

Unknowns of a frame are corrections of the smoothed pose: the root's position, and for each leg rotations of
hip and ankle and the bend of the knee. Residuals, each over its own deviation: the corrections and their
accelerations; points that stand, which stay at one place on the floor; knees that would bend the wrong way.
Gauss-Newton with analytic Jacobians; the normal matrix is sparse, so that time grows with the frames.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import exp_map, hat, quaternions
from workers.engines.protocols import Rig
from workers.jobs.bodies.ground.contacts import Contacts, Stand, list_stands
from workers.jobs.bodies.ground.legs import Leg, find_soles
from workers.jobs.bodies.ground.phase_windows import ACROSS, UP
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.ground.sparse_rows import SparseRows

Floats = NDArray[np.float64]
# What smoothing leaves of the errors (bench `bodies.walking`): metres of the root across and along the
# viewing ray, of which the picture shows the first well and the second poorly; radians of hip, knee, ankle.
ACROSS_METRES, ALONG_METRES = 0.01, 0.10
HIP_RADIANS, KNEE_RADIANS, ANKLE_RADIANS = 0.06, 0.08, 0.10
# Accelerations of corrections, m/s² and rad/s²: three and eight times those of a walking pelvis and hip, so
# that a correction ends soon after its stand; with half as much the reprojection is 6% worse.
ROOT_ACCELERATION, TURN_ACCELERATION = 10.0, 120.0
# Beside the noise, how far in metres the middle of where a point was seen may be from its place, across the
# line of sight: errors that last. Without what was seen, smoothing draws the place of a stand that the track
# cuts towards where the foot goes, by 4 cm in a run with 1 degree of noise, and the stand is then dropped.
PLACE_METRES = 0.005
# How exactly a standing point keeps its place, its place the floor, and a knee its limit: metres, radians.
STAND_METRES, FLOOR_METRES, LIMIT_RADIANS = 0.002, 0.001, 0.02
# A foot comes to rest and leaves it with this acceleration, m/s², half the 40 of a walking one: how far it
# may be from its place before and after it stands, for so many seconds. With 40 a stand that is found a frame
# too short slides by 2.4 cm at 30 frames per second.
REST_ACCELERATION, REST_SECONDS = 20.0, 0.05
# How far a planted point may stray from where it was seen, across the line of sight: root mean square over
# its stand in deviations of the noise. Feet that seem to stand as they move, as on skates, are not planted.
MOST_STRAY = 2.0
# How often stands that contradict what was seen are left out, and the rest is solved again.
TRIALS = 3
# Least bend of a knee in radians.
LEAST_BEND = 0.01
# Rounds of Gauss-Newton: corrections are small.
ROUNDS = 4
# Unknowns of a frame: three of the root, then of each leg three of the hip, one of the knee, three of the
# ankle.
ROOT, LEG = 3, 7
WIDTH = ROOT + 2 * LEG


@dataclass(frozen=True, slots=True, eq=False)
class PlantedSpan:
    """A span with planted feet: `rotations` (T, J, 4), `positions` (T, 3) of the root, and which foot stands,
    `contacts` (T, 2), left and right: 1 stands, 0 does not, NaN is unknown."""

    rotations: Floats
    positions: Floats
    contacts: Floats


def plant_feet(
    rig: Rig,
    legs: tuple[Leg, Leg],
    rotations: Floats,
    positions: Floats,
    seconds: Floats,
    *,
    ground: Ground,
    contacts: Contacts,
    rays: Floats,
    seen: Floats,
    visible: NDArray[np.bool_],
) -> PlantedSpan:
    """A smoothed span with its standing feet planted.

    `rotations` (T, J, 4), `positions` (T, 3) and `ground` are in one frame at rest, and the ground's height
    is known. `rays` (T, 3) are unit viewing rays, `seen` (T, 4, 3) are the soles before smoothing, NaN where
    there were none, and `visible` (T, 2) is which feet are seen: others are not planted.
    """
    feet = np.where(visible, contacts.feet, np.nan)
    stands = list_stands(contacts.planted & np.repeat(visible, 2, axis=1))
    for _ in range(TRIALS):
        if not stands:
            break
        system = _PlantingSystem(rig, legs, stands, ground, seen, contacts.noise)
        turned, placed = system.solve(rotations, positions, seconds, rays)
        soles = find_soles(legs, *pose_frames(rig, turned, placed))
        kept = [stand for stand in stands if _agrees(stand, soles - seen, rays, contacts.noise)]
        if len(kept) == len(stands):
            return PlantedSpan(turned, placed, feet)
        for stand in stands:
            if stand not in kept:
                feet[stand.frames, stand.point // 2] = np.nan
        stands = kept
    return PlantedSpan(rotations, positions, np.where(feet == 1, np.nan, feet))


def _agrees(stand: Stand, strays: Floats, rays: Floats, noise: Floats) -> bool:
    """Whether a planted point is where it was seen; `strays` (T, 4, 3) lead from there to where it is now."""
    stray, ray = strays[stand.frames, stand.point], rays[stand.frames]
    across = stray - (stray * ray).sum(axis=1, keepdims=True) * ray
    square = np.nanmean((across**2).sum(axis=1)) if np.isfinite(across).any() else 0.0
    return bool(square <= MOST_STRAY**2 * (noise[ACROSS] ** 2 + noise[UP] ** 2))


@dataclass(frozen=True, slots=True, eq=False)
class _PlantingSystem:
    """The least squares of one span; `goal` is the ground that its stands are on, `seen` (T, 4, 3) are the
    soles before smoothing and `noise` (3,) their deviations."""

    rig: Rig
    legs: tuple[Leg, Leg]
    stands: list[Stand]
    goal: Ground
    seen: Floats
    noise: Floats

    def solve(
        self, rotations: Floats, positions: Floats, seconds: Floats, rays: Floats
    ) -> tuple[Floats, Floats]:
        """The corrected rotations (T, J, 4) and root positions (T, 3)."""
        frames = len(positions)
        prior = self._build_prior(seconds, rays)
        total = np.zeros((frames, WIDTH))
        start = positions
        for _ in range(ROUNDS):
            turned, joints = pose_frames(self.rig, rotations, positions)
            rows = prior.copy()
            self._add_stands(rows, turned, joints, total, seconds)
            self._add_limits(rows, turned, joints, total)
            solution = rows.solve()[: frames * WIDTH].reshape(frames, WIDTH)
            rotations = self._turn(rotations, turned, solution - total)
            total, positions = solution, start + solution[:, :ROOT]
        return rotations, positions

    def _build_prior(self, seconds: Floats, rays: Floats) -> SparseRows:
        frames = len(seconds)
        rows = SparseRows(frames * WIDTH + 3 * len(self.stands))
        first = WIDTH * np.arange(frames)
        along = np.einsum("ta,tb->tab", rays, rays)
        rows.add(first[:, None] + np.arange(ROOT), along / ALONG_METRES + (np.eye(3) - along) / ACROSS_METRES)
        leg = [1 / HIP_RADIANS] * 3 + [1 / KNEE_RADIANS] + [1 / ANKLE_RADIANS] * 3
        turns = np.array(leg * 2)
        rows.add(first[:, None] + np.arange(ROOT, WIDTH), np.repeat(np.diag(turns)[None], frames, axis=0))
        steps = np.diff(seconds)
        if frames > 2:
            before, after = steps[:-1], steps[1:]
            scale = 2 / (before + after)
            terms = np.stack([scale / before, -scale * (1 / before + 1 / after), scale / after], axis=1)
            deviation = np.array([ROOT_ACCELERATION] * ROOT + [TURN_ACCELERATION] * (2 * LEG))
            columns = first[1:-1, None, None] + np.arange(WIDTH)[:, None] + WIDTH * np.arange(-1, 2)
            values = terms[:, None, :] / deviation[:, None]
            rows.add(columns.reshape(-1, 3), values.reshape(-1, 1, 3))
        for number, stand in enumerate(self.stands):
            place = frames * WIDTH + 3 * number + np.arange(3)
            height = np.full((1, 1), self.goal.height)
            rows.add(place[None], self.goal.up[None, None] / FLOOR_METRES, height / FLOOR_METRES)
            self._add_seen_place(rows, place, stand, rays)
        return rows

    def _add_seen_place(self, rows: SparseRows, place: NDArray[np.int64], stand: Stand, rays: Floats) -> None:
        """A stand is where its point was seen, across the line of sight."""
        points = self.seen[stand.frames, stand.point]
        points = points[np.isfinite(points).all(axis=1)]
        aside = np.cross(self.goal.up, rays[stand.frames].mean(axis=0))
        length = float(np.linalg.norm(aside))
        if not len(points) or length < 1e-6:
            return
        aside = aside / length
        deviation = np.hypot(self.noise[ACROSS] / np.sqrt(len(points)), PLACE_METRES)
        middle = np.full((1, 1), float(np.median(points @ aside)))
        rows.add(place[None], aside[None, None] / deviation, middle / deviation)

    def _add_stands(
        self, rows: SparseRows, turned: Floats, joints: Floats, total: Floats, seconds: Floats
    ) -> None:
        """Every standing point is where its stand is, and near it shortly before and after."""
        frames = len(joints)
        soles = find_soles(self.legs, turned, joints)
        for number, stand in enumerate(self.stands):
            side, (inside, deviations) = stand.point // 2, self._find_rest(stand, seconds)
            leg, points = self.legs[side], soles[inside, stand.point]
            lever = {j: points - joints[inside, j] for j in (leg.hip, leg.knee, leg.ankle)}
            jacobian = np.concatenate(
                [
                    np.repeat(np.eye(3)[None], len(inside), axis=0),
                    -hat(lever[leg.hip]),
                    np.cross(leg.find_knee_axis(turned[inside]), lever[leg.knee])[:, :, None],
                    -hat(lever[leg.ankle]),
                ],
                axis=2,
            )
            own = np.concatenate([np.arange(ROOT), ROOT + LEG * side + np.arange(LEG)])
            right = np.einsum("tab,tb->ta", jacobian, total[inside][:, own]) - points
            place = frames * WIDTH + 3 * number + np.arange(3)
            columns = np.concatenate(
                [WIDTH * inside[:, None] + own, np.repeat(place[None], len(inside), axis=0)], axis=1
            )
            values = np.concatenate([jacobian, np.repeat(-np.eye(3)[None], len(inside), axis=0)], axis=2)
            rows.add(columns, values / deviations[:, None, None], right / deviations[:, None])

    def _find_rest(self, stand: Stand, seconds: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The frames of a stand and those close to it, and how far in metres its point may be from it."""
        first, last = seconds[stand.frames.start], seconds[stand.frames.stop - 1]
        away = np.maximum(np.maximum(first - seconds, seconds - last), 0.0)
        near = away <= REST_SECONDS
        for other in self.stands:
            if other.point == stand.point and other != stand:
                near[other.frames] = False
        inside = np.flatnonzero(near)
        return inside, np.hypot(STAND_METRES, 0.5 * REST_ACCELERATION * away[inside] ** 2)

    def _add_limits(self, rows: SparseRows, turned: Floats, joints: Floats, total: Floats) -> None:
        """Knees that bend less than they must."""
        for side, leg in enumerate(self.legs):
            bend = leg.measure_bend(turned, joints)
            over = np.flatnonzero(bend < LEAST_BEND)
            if len(over):
                knee = ROOT + LEG * side + 3
                right = total[over, knee] + LEAST_BEND - bend[over]
                ones = np.full((len(over), 1, 1), 1 / LIMIT_RADIANS)
                rows.add(WIDTH * over[:, None] + knee, ones, right[:, None] / LIMIT_RADIANS)

    def _turn(self, rotations: Floats, turned: Floats, step: Floats) -> Floats:
        """Local rotations (T, J, 4) after steps (T, WIDTH), which are in the axes of the motion's frame."""
        out = rotations.copy()
        for side, leg in enumerate(self.legs):
            own = step[:, ROOT + LEG * side :][:, :LEG]
            knee = own[:, 3:4] * leg.find_knee_axis(turned)
            for joint, vectors in ((leg.hip, own[:, :3]), (leg.knee, knee), (leg.ankle, own[:, 4:])):
                above = turned[:, self.rig.parents[joint]]
                out[:, joint] = quaternions(above.transpose(0, 2, 1) @ exp_map(vectors) @ turned[:, joint])
        return out
