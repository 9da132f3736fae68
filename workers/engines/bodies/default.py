"""The default bodies engine: the Anny body model fitted to BlazePose landmarks, on a CPU."""

from collections.abc import Sequence

import numpy as np

from workers.engines.bodies.blazepose import DETECTION_SCORE, BlazePose
from workers.engines.bodies.crops import grey_out_others
from workers.engines.bodies.estimates import estimate_body, rate_fit
from workers.engines.bodies.fit import BodyFitter, FitPrior
from workers.engines.bodies.group.depth_order import order_by_masks
from workers.engines.bodies.group.place import place_people
from workers.engines.bodies.group.solve import GroupSolver
from workers.engines.bodies.hands import HandReader, list_curls, place_hands
from workers.engines.bodies.hypotheses import Resolution, resolve_depth
from workers.engines.bodies.input_checks import check_people
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import observe_pose
from workers.engines.bodies.people import PersonObservation, is_same_person
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate, Box, EngineInfo, Mask, Rgb, SceneHints
from workers.engines.weights import load_manifest
from workers.geometry.cameras import Camera

FILES = (
    "anny_compact.npz",
    "blazepose_detector.onnx",
    "blazepose_landmark_full.onnx",
    "hand_landmark_full.onnx",
    "pose_prior.npz",
)
# Error of a failed fit as a share of the body's height in the image; chosen, not measured.
WILD_ERROR = 0.10
# Cost per unit of landmark weight from which a fit is not worth resolving: its confidence is under the limit
# below, whatever else (`estimates.CONTRADICTION`). Bodies imagined in a crop of a head cost 2.9 and more; of
# 15 drawn people over 2.4, the three whose confidence is high enough are right or nearly so.
WILD_MISFIT = 3.0
# Confidence below which no body is returned; chosen, not measured.
MIN_CONFIDENCE = 0.3
# Least width and height of a box in pixels, and the least of the larger of them: in less a limb is two pixels
# wide, and there are no landmarks to read. Chosen, not measured.
MIN_BOX_SIDE, MIN_BOX_LENGTH = 16, 32
# Weight of the size that BlazePose's world points suggest: they come from a mean body. Chosen, not measured.
WORLD_SCALE_WEIGHT = 0.3


class DefaultBodies:
    """BlazePose landmarks to an Anny body. Deterministic."""

    def __init__(self, threads: int = 2) -> None:
        self._poses = BlazePose(threads)
        self._hands = HandReader(threads)
        kinematics = Kinematics(load_skeleton())
        self._fitter = BodyFitter(kinematics)
        self._skinner = Skinner(kinematics)
        self._group = GroupSolver(self._fitter, self._skinner)
        manifest = load_manifest()
        self.info = EngineInfo(
            name="default",
            kind="bodies",
            version="blazepose-full/anny-0.6.2/floor-6/pose-prior-1/hands-2",
            device="cpu",
            licence="Apache-2.0; MakeHuman data CC0-1.0",
            capabilities=("image", "multi_person", "rig", "masks"),
            limits=(
                "metres come from a prior on body height",
                "thumbs and face stay at rest",
                "shape is height, girth, sex and youth as far as landmarks and outline tell them",
            ),
            weights={name: manifest[name].sha256 for name in FILES},
        )

    def recover(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        """One body per box, in order; None where none is trustworthy or an earlier box has the same person.

        Raises ValueError when masks or camera do not match the boxes or the image.
        """
        return self.recover_group(image, boxes, masks, camera=camera, scene=SceneHints(), seed=seed)

    def recover_group(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
        scene: SceneHints,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        """As `recover`, with known gravity and heights; a body whose height is known has it exactly."""
        check_people(image, boxes, masks, camera)
        height, width = image.shape[:2]
        used_camera = camera if camera is not None else Camera.assumed(width, height)
        people = [self._observe(image, index, boxes, masks, used_camera) for index in range(len(boxes))]
        return self.recover_observed(people, scene)

    def recover_observed(
        self, people: Sequence[PersonObservation | None], scene: SceneHints | None = None
    ) -> list[BodyEstimate | None]:
        """The bodies of all people of one picture, in order; None where `recover` would give none."""
        found = self._fit_people(people)
        kept = [index for index, fit in enumerate(found) if fit is not None]
        observed = [person for person, fit in zip(people, found, strict=True) if person and fit]
        alone = [resolution for resolution in found if resolution is not None]
        hints = scene or SceneHints()
        heights = [hints.heights[index] if hints.heights else None for index in kept]
        group = self._group.solve(
            observed,
            [resolution.fit for resolution in alone],
            heights=heights,
            gravity=None if hints.gravity is None else np.array(hints.gravity.direction),
        )
        estimates = [
            estimate_body(person, member.fit, self._skinner, resolution, turned=member.turned)
            for person, member, resolution in zip(observed, group.people, alone, strict=True)
        ]
        bodies: list[BodyEstimate | None] = [None] * len(people)
        placed = place_people(estimates, group, heights, hints.gravity)
        placed = order_by_masks(placed, [person.mask for person in observed])
        for index, body in zip(kept, placed, strict=True):
            bodies[index] = body if body.confidence >= MIN_CONFIDENCE else None
        return bodies

    def _fit_people(self, people: Sequence[PersonObservation | None]) -> list[Resolution | None]:
        """The fit of each person to landmarks alone; None where it is wild or somebody's who was there."""
        fits: list[Resolution | None] = []
        for person in people:
            fit = self._fit(person) if person is not None and person.lies_in_box() else None
            if person is not None and fit is not None:
                reach = 1.7 * person.landmarks.pixels_per_metre(fit.fit.posed.landmarks[:, 2])
                is_known = any(
                    is_same_person(person.landmarks, other.landmarks, reach)
                    for other, found in zip(people, fits, strict=False)
                    if other is not None and found is not None
                )
                fit = None if is_known or rate_fit(person, fit.fit, fit) < MIN_CONFIDENCE else fit
            fits.append(fit)
        return fits

    def _observe(
        self,
        image: Rgb,
        index: int,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None,
        camera: Camera,
    ) -> PersonObservation | None:
        """The landmarks of the person in one box; None where there is nobody."""
        box = boxes[index]
        x0, y0, x1, y1 = box
        sides = (x1 - x0, y1 - y0)
        if not np.isfinite(box).all() or min(sides) < MIN_BOX_SIDE or max(sides) < MIN_BOX_LENGTH:
            return None
        alone = grey_out_others(image, index, boxes, masks)
        pose = self._poses.estimate_pose(alone, box, foreground=masks is None)
        if pose.score < DETECTION_SCORE:
            return None
        hands = self._hands.read_hands(alone, pose)
        pose = place_hands(pose, hands)
        mask = masks[index] if masks is not None else pose.mask(camera.height, camera.width)
        return PersonObservation(
            landmarks=observe_pose(pose, camera),
            box=box,
            mask=mask,
            score=pose.score,
            crowded=pose.crowded,
            curls=list_curls(hands),
        )

    def _fit(self, person: PersonObservation) -> Resolution | None:
        """The fit of one person to landmarks, its depth resolved; None when it is wild."""
        observed = person.landmarks
        prior = FitPrior(size=self._fitter.height(observed, WORLD_SCALE_WEIGHT))
        fit = self._fitter.solve(observed, prior=prior)
        is_wild = fit.error >= WILD_ERROR or fit.misfit >= WILD_MISFIT or not np.isfinite(fit.cost)
        return None if is_wild else resolve_depth(self._fitter, fit, observed, prior)
