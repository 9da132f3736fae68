"""The default bodies engine on drawn scenes: one to eight people of all ages on a floor, the truth known.

    python -m bench run bodies.scenes [--count 60] [--seed 900] [--blazepose] [--known-camera]

Cameras stand 1 to 4 m high and look down; people hide each other and are cut by the picture's border.
Without `--blazepose` the engine gets landmarks with the noise that BlazePose shows on such pictures; with it,
pictures of dressed bodies. The camera is assumed as in a job that gives none, unless `--known-camera`. Seeds
of 900 and more are for judging, smaller ones for tuning.

MPJPE and PVE in mm with the roots aligned (of those that a person's fit turns, and of all vertices), PA-MPJPE
after the best similarity; height in cm; trunk: degrees between true and found trunk. Feet: shares of those
that truly stand, within 3 cm of the true floor after the best similarity of the whole scene, and within 3 cm
of the floor that was found (without one: level, at their median). Soles: degrees between floor and sole that
were found, of feet that truly stand flat (within 10 degrees). Gravity: degrees off, mean of all scenes. A
body is wild when its trunk is off by over 25 degrees or its MPJPE is over 250 mm. Heights: how often the
range that is stated (90%) holds the true one, the range as the logarithm of its ends' ratio, and the
share of people taken for a child who are none, or the other way.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.bodies.held_out import draw_held_out_pose
from bench.report import Report
from bench.timing import Stopwatch
from tests.support.drawn_people import DrawnPerson, DrawnScene, draw_scenes, dress, observe_person
from tests.support.random_bodies import mpjpe, pa_mpjpe
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.group.cues import find_sole_vertices
from workers.engines.bodies.rotations import kabsch
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate
from workers.geometry.cameras import Camera
from workers.jobs.bodies.body_height import estimate_height_range

Floats = NDArray[np.float64]
WILD_TRUNK, WILD_MPJPE = 25.0, 250.0
# Flags that say what kind of engine or request it was, and warn of no pose.
NEUTRAL_FLAGS = {"default_engine", "scale_not_metric", "camera_assumed", "height_given", "age_uncertain"}
NEUTRAL_FLAGS |= {"ground_uncertain"}
SHOULDERS, HIPS = [11, 12], [23, 24]
# Metres: a foot whose lowest point is that near to the floor stands on it; how near a found foot shall be.
STANDS, ON_FLOOR = 0.015, 0.03
# Degrees up to which a sole is flat on the floor.
FLAT = 10.0
# Metres below which a person counts as a child: ten years and younger.
CHILD_METRES = 1.40
# Centimetres within which a height counts as found.
NEAR = 15.0
COLUMNS = ("MPJPE mm", "PA-MPJPE mm", "PVE mm", "height cm", "trunk °")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One person: errors in the order of COLUMNS, and what the engine said."""

    errors: tuple[float, ...]
    height: float
    height_range: tuple[float, float]
    true_height: float
    confidence: float
    flags: frozenset[str]
    kinds: frozenset[str]

    @property
    def is_wild(self) -> bool:
        return self.errors[4] > WILD_TRUNK or self.errors[0] > WILD_MPJPE

    @property
    def is_in_range(self) -> bool:
        return self.height_range[0] <= self.true_height <= self.height_range[1]

    @property
    def is_flagged(self) -> bool:
        return bool(self.flags - NEUTRAL_FLAGS)


def trunk(landmarks: Floats) -> Floats:
    """The unit direction (3,) from the middle of the hips to that of the shoulders, of landmarks (33, 3)."""
    up = landmarks[SHOULDERS].mean(axis=0) - landmarks[HIPS].mean(axis=0)
    return np.asarray(up / np.linalg.norm(up))


def compare(person: DrawnPerson, body: BodyEstimate) -> Result:
    """The errors of a body against the truth."""
    joints = body.joints[load_skeleton().joints]
    height = float(np.ptp(body.rig.rest_vertices[:, 1]))
    angle = np.degrees(np.arccos(np.clip(trunk(body.keypoints_3d) @ trunk(person.landmarks), -1, 1)))
    roots = joints[0], person.joints[0]
    pve = np.linalg.norm((body.vertices - roots[0]) - (person.vertices - roots[1]), axis=1).mean() * 1e3
    age = "child" if person.stature < CHILD_METRES else "adult"
    kind = "cut or hidden" if person.hidden[[11, 12, 23, 24, 25, 26, 27, 28]].any() else "whole"
    return Result(
        errors=(
            mpjpe(joints, person.joints),
            pa_mpjpe(joints, person.joints),
            float(pve),
            100 * abs(height - person.stature),
            float(angle),
        ),
        height=height,
        height_range=estimate_height_range(height, body.scale_source, body.height_range) or (height, height),
        true_height=person.stature,
        confidence=body.confidence,
        flags=frozenset(body.flags),
        kinds=frozenset({"all", kind, age, person.origin}),
    )


def find_standing_feet(scene: DrawnScene, found: Sequence[tuple[DrawnPerson, BodyEstimate]]) -> list[bool]:
    """For each foot that truly stands on the floor, whether the found one does after the scene is aligned."""
    joints = load_skeleton().joints
    true = np.concatenate([person.joints for person, _ in found])
    ours = np.concatenate([body.joints[joints] for _, body in found])
    a, b = ours - ours.mean(axis=0), true - true.mean(axis=0)
    turn = kabsch(a, b, np.ones(len(a)))
    scale = float(((a @ turn.T) * b).sum() / (a**2).sum())
    feet = find_sole_vertices(load_skeleton())
    out = []
    for person, body in found:
        placed = scale * (body.vertices - ours.mean(axis=0)) @ turn.T + true.mean(axis=0)
        for chosen in feet:
            if abs(scene.heights(person.vertices[chosen]).min()) < STANDS:
                out.append(bool(abs(scene.heights(placed[chosen]).min()) < ON_FLOOR))
    return out


def find_feet_on_found_floor(
    scene: DrawnScene, found: Sequence[tuple[DrawnPerson, BodyEstimate]]
) -> list[bool]:
    """For each foot that truly stands on the floor, whether the found one is on the floor that was found."""
    lowest = []
    floor = found[0][1].floor
    for person, body in found:
        heights = floor.height(body.vertices) if floor is not None else -body.vertices[:, 1]
        for chosen in find_sole_vertices(load_skeleton()):
            if abs(scene.heights(person.vertices[chosen]).min()) < STANDS:
                lowest.append(float(heights[chosen].min()))
    level = 0.0 if floor is not None or not lowest else float(np.median(lowest))
    return [abs(height - level) < ON_FLOOR for height in lowest]


def find_soles(scene: DrawnScene, found: Sequence[tuple[DrawnPerson, BodyEstimate]]) -> list[float]:
    """For each foot that truly stands flat, degrees between the sole and the floor that were found."""
    floor = found[0][1].floor
    if floor is None:
        return []
    angles = []
    for person, body in found:
        for chosen in find_sole_vertices(load_skeleton()) if body.grounded else ():
            rest, true = body.rig.rest_vertices[chosen], person.vertices[chosen]
            if abs(scene.heights(true).min()) < STANDS and measure_tilt(rest, true, scene.up) < FLAT:
                angles.append(measure_tilt(rest, body.vertices[chosen], np.array(floor.normal)))
    return angles


def measure_tilt(rest: Floats, placed: Floats, up: Floats) -> float:
    """Degrees by which a foot (V, 3) whose sole is level at rest is tilted against `up` (3,)."""
    centred = rest - rest.mean(axis=0), placed - placed.mean(axis=0)
    turn = kabsch(*centred, np.ones(len(rest)))
    return float(np.degrees(np.arccos(np.clip(up @ turn[:, 1], -1, 1))))


def measure_gravity(scene: DrawnScene, body: BodyEstimate) -> float:
    """Degrees between true and found gravity; without one, the image's own down."""
    down = np.array([0.0, 1.0, 0.0]) if body.gravity is None else np.array(body.gravity.direction)
    return float(np.degrees(np.arccos(np.clip(-down @ scene.up, -1, 1))))


def recover(
    engine: DefaultBodies, scene: DrawnScene, options: argparse.Namespace, rng: np.random.Generator
) -> list[BodyEstimate | None]:
    """The engine's bodies for the scene's people, as a job would ask for them."""
    true = scene.camera
    used = true if options.known_camera else Camera.assumed(true.width, true.height)
    if options.blazepose:
        boxes = [person.box for person in scene.people]
        masks = [person.mask for person in scene.people]
        return engine.recover(dress(scene, rng), boxes, masks, camera=used)
    return engine.recover_observed([observe_person(person, true, rng, used) for person in scene.people])


def summarise(
    report: Report, results: Sequence[Result], scenes: dict[str, float | None], missing: int, ms: float
) -> None:
    """Write the tables of all people."""
    table = report.table("Errors, mean / median", {"people": "", "n": "", **dict.fromkeys(COLUMNS, "")})
    for kind in ("all", "whole", "cut or hidden", "drawn", "motion", "adult", "child"):
        rows = np.array([r.errors for r in results if kind in r.kinds])
        if len(rows):
            cells = zip(rows.mean(axis=0), np.median(rows, axis=0), strict=True)
            table.add(kind, len(rows), *(f"{mean:.1f} / {median:.1f}" for mean, median in cells))
    wild = [r for r in results if r.is_wild]
    shares = ("within 15 cm", "range holds the truth", "width", "other age")
    heights = report.table("Heights", {"people": "", "n": "", **dict.fromkeys(shares, ".2f")})
    for kind in ("all", "adult", "child"):
        if rated := [r for r in results if kind in r.kinds]:
            inside = float(np.mean([r.is_in_range for r in rated]))
            width = float(np.mean([np.log(r.height_range[1] / r.height_range[0]) for r in rated]))
            other = [(r.height < CHILD_METRES) != (r.true_height < CHILD_METRES) for r in rated]
            near = float(np.mean([r.errors[3] < NEAR for r in rated]))
            heights.add(kind, len(rated), near, inside, width, float(np.mean(other)))
    report.add(
        {
            **scenes,
            "wild bodies": len(wild),
            "wild bodies without a flag": sum(not r.is_flagged for r in wild),
            "share flagged": float(np.mean([r.is_flagged for r in results])),
            "share refused": missing / (missing + len(results)),
            "CPU ms per person": ms,
        }
    )
    bins = report.table("Confidence", {"confidence": "", "n": "", "median MPJPE mm": ".0f", "wild": ""})
    for low, high in ((0.0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        inside = [r for r in results if low <= r.confidence < high]
        if inside:
            median = float(np.median([r.errors[0] for r in inside]))
            bins.add(
                f"{low:.1f} to {min(high, 1.0):.1f}", len(inside), median, sum(r.is_wild for r in inside)
            )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=60, help="scenes")
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--blazepose", action="store_true", help="read landmarks from pictures")
    parser.add_argument("--known-camera", action="store_true", help="give the engine the true camera")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultBodies(threads=1)
    skinner = engine._skinner
    results: list[Result] = []
    feet: list[bool] = []
    own_feet: list[bool] = []
    soles: list[float] = []
    gravity: list[float] = []
    missing, spent = 0, 0.0
    for number, scene in enumerate(draw_scenes(skinner, options.seed, options.count, draw_held_out_pose)):
        rng = np.random.default_rng([options.seed, number, 1])
        watch = Stopwatch()
        bodies = recover(engine, scene, options, rng)
        spent += watch.lap().cpu
        found = [(p, b) for p, b in zip(scene.people, bodies, strict=True) if b is not None]
        missing += len(scene.people) - len(found)
        results += [compare(person, body) for person, body in found]
        if found:
            feet += find_standing_feet(scene, found)
            own_feet += find_feet_on_found_floor(scene, found)
            soles += find_soles(scene, found)
            gravity.append(measure_gravity(scene, found[0][1]))
    scenes = {
        "feet within 3 cm of the true floor": float(np.mean(feet)) if feet else None,
        "feet within 3 cm of the found floor": float(np.mean(own_feet)) if own_feet else None,
        "soles off by degrees, median": float(np.median(soles)) if soles else None,
        "soles within 10 degrees": float(np.mean(np.array(soles) < FLAT)) if soles else None,
        "soles": float(len(soles)),
        "gravity off by degrees": float(np.mean(gravity)) if gravity else None,
    }
    summarise(report, results, scenes, missing, 1e3 * spent / max(1, missing + len(results)))
