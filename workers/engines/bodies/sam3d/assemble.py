"""From upstream's answer to a body estimate: pitfalls corrected, rig built, agreement measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.mhr.layout import CAMERA_FROM_MHR, reset_pose, to_6d
from workers.engines.bodies.mhr.model import MhrModel, MhrPose
from workers.engines.bodies.mhr.rig import build_rig
from workers.engines.bodies.rotations import quaternions
from workers.engines.bodies.sam3d.camera import place, upstream_pixels
from workers.engines.bodies.sam3d.contract import UpstreamPerson
from workers.engines.bodies.sam3d.errors import Sam3dBodyContract
from workers.engines.bodies.sam3d.keypoints import MHR_70, RIGHT_HAND
from workers.engines.bodies.sam3d.recorded import KEYPOINTS
from workers.engines.bodies.sam3d.settings import Mode
from workers.engines.protocols import BodyEstimate, Box
from workers.geometry.cameras import Camera
from workers.geometry.overlap import box_area, box_cover, box_iou

Floats = NDArray[np.float64]
# Joints that the mode "full" rotates after it reports their rotations: all below the elbows.
STALE_IN_FULL = np.r_[41:69, 77:105]
# Float32 and another order of sums: joints of one model agree to far less.
SAME_JOINT_METRES, SAME_TURN_RADIANS, SAME_PIXELS = 2e-3, 0.02, 1.0
# Share of the smaller of the body's box and the requested one that lies under the other, below which the
# body is somebody else's or nobody's: by half they agree more than not.
MIN_BOX_COVER = 0.5
# IoU of these boxes below which one says nothing of the other: a head, all that a wall may leave of a person,
# is an eighth as high as somebody who stands and a third as wide. Neither limit was calibrated on images.
MIN_BOX_IOU = 0.04
# Area of the requested box, as a share of the body's in the image, below which much of the body is hidden.
MOSTLY_SEEN = 0.6
TRUNCATED_KEYPOINTS = 2
RELIABLE_FOCAL = 1e-3


@dataclass(frozen=True, slots=True)
class Assembler:
    """Builds bodies of one mode with one model, at LOD 1."""

    model: MhrModel
    mode: Mode
    uses_camera_centre: bool

    def body(self, person: UpstreamPerson, box: Box, camera: Camera) -> BodyEstimate | None:
        """The body of a person; None when its numbers are wild or lie elsewhere than the box.

        Raises Sam3dBodyContract when upstream ignored the camera or uses another rig than ours.
        """
        if not person.is_finite():
            return None
        if abs(float(person.focal) - camera.fx) > RELIABLE_FOCAL * camera.fx:
            raise Sam3dBodyContract(f"upstream used a focal length of {person.focal}, not {camera.fx}")
        chosen = RIGHT_HAND if self.mode == "hands" else slice(0, KEYPOINTS)
        points = person.keypoints_3d[chosen]
        placement = place(points, person.translation, camera, self.uses_camera_centre)
        if ((points[:, 2] + placement.translation[2]) <= 0).any():
            return None
        posed = self._posed(person)
        seen = points + placement.translation
        pixels = camera.project(seen)
        surface = seen if self.mode == "hands" else person.vertices + placement.translation
        found, asked = clip_boxes(camera.project(surface), box, camera)
        agreement = box_iou(found, asked)
        if not (agreement >= MIN_BOX_IOU and box_cover(found, asked) >= MIN_BOX_COVER):
            return None
        rest = self.model.pose(reset_pose(person.parameters))
        rig = build_rig(
            self.model.joint_names,
            self.model.parents,
            self.model.mesh,
            posed,
            rest,
            person.vertices @ CAMERA_FROM_MHR,
            placement.translation,
        )
        inside = _inside(placement.pixels, camera)
        return BodyEstimate(
            rig=rig,
            vertices=person.vertices + placement.translation,
            joints=posed.joints @ CAMERA_FROM_MHR + placement.translation,
            keypoint_names=MHR_70[chosen],
            keypoints_2d=placement.pixels,
            keypoints_3d=seen,
            keypoint_visibility=inside.astype(np.float64),
            parameters=_parameters(person, posed, placement.translation),
            camera=camera,
            box=box,
            scale_source="prior",
            confidence=agreement,
            reprojection_error=float(np.sqrt(((pixels - placement.pixels) ** 2).sum(axis=1).mean())),
            flags=self._flags(
                person,
                points,
                posed,
                camera,
                inside,
                placement.moved,
                chosen,
                is_hidden=box_area(asked) < MOSTLY_SEEN * box_area(found),
            ),
        )

    def _posed(self, person: UpstreamPerson) -> MhrPose:
        """All joints from the 204 parameters; upstream's own positions prove that the rig is the same."""
        posed = self.model.pose(person.parameters)
        off = float(np.abs(posed.joints @ CAMERA_FROM_MHR - person.joints).max())
        if not off <= SAME_JOINT_METRES:
            raise Sam3dBodyContract(f"the MHR model here puts joints {off * 1000:.1f} mm from upstream's")
        return posed

    def _flags(
        self,
        person: UpstreamPerson,
        points: Floats,
        posed: MhrPose,
        camera: Camera,
        inside: NDArray[np.bool_],
        moved: bool,
        chosen: slice,
        *,
        is_hidden: bool,
    ) -> tuple[str, ...]:
        expected = upstream_pixels(points, person.translation, camera, self.mode)
        fresh = np.ones(len(posed.rotations), dtype=np.bool_)
        if self.mode == "full":
            fresh[STALE_IN_FULL] = False
        flags = {
            "scale_not_metric": True,
            "camera_assumed": camera.source == "assumed",
            "camera_estimated": camera.source == "estimated",
            "truncated": int((~inside).sum()) >= TRUNCATED_KEYPOINTS,
            "occluded": is_hidden,
            "hands_not_refined": self.mode == "body",
            "hand_only": self.mode == "hands",
            "camera_centre_mended": moved,
            "upstream_pixels_differ": bool(
                np.abs(expected - person.keypoints_2d[chosen]).max() > SAME_PIXELS
            ),
            "upstream_rotations_differ": bool(
                measure_angles(posed.rotations[fresh], person.rotations[fresh]).max() > SAME_TURN_RADIANS
            ),
        }
        return tuple(name for name, holds in flags.items() if holds)


def clip_boxes(pixels: Floats, box: Box, camera: Camera) -> tuple[Box, Box]:
    """The box of pixels (N, 2) and another one, xyxy, both cut off at the image."""
    corners = np.concatenate([pixels.min(axis=0), pixels.max(axis=0), np.asarray(box)]).reshape(4, 2)
    x0, y0, x1, y1, *other = np.clip(corners, 0, [camera.width, camera.height]).ravel().tolist()
    return (x0, y0, x1, y1), (other[0], other[1], other[2], other[3])


def measure_angles(a: Floats, b: Floats) -> Floats:
    """Angles (N,) in radians between rotations (N, 3, 3)."""
    trace = np.einsum("nij,nij->n", a, b)
    # the arc cosine loses half of its digits near zero, where all of these lie
    sine = np.linalg.norm(a - b, axis=(1, 2)) / np.sqrt(8)
    wide = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    return np.asarray(np.where(trace > 1, 2 * np.arcsin(np.clip(sine, 0, 1)), wide), dtype=np.float64)


def _inside(pixels: Floats, camera: Camera) -> NDArray[np.bool_]:
    return np.asarray(((pixels >= 0) & (pixels < [camera.width, camera.height])).all(axis=1))


def _parameters(person: UpstreamPerson, posed: MhrPose, translation: Floats) -> dict[str, list[float]]:
    root = CAMERA_FROM_MHR @ posed.rotations[1]
    return {
        "mhr_model_parameters": person.parameters.tolist(),
        "shape": person.shape.tolist(),
        "scale": person.scales.tolist(),
        "hand": person.hands.tolist(),
        "expression": person.expression.tolist(),
        "translation": translation.tolist(),
        "root_rotation_wxyz": quaternions(root).tolist(),
        "root_rotation_6d": to_6d(root).tolist(),
    }
