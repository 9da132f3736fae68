"""Object engines: one masked object to a mesh, a splat and a pose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols.shared import EngineInfo, Mask, Rgb, ScaleSource
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, PhotoTexture
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity


@dataclass(frozen=True, slots=True)
class ViewsReport:
    """What several views came to: `used` of `given` show the object, the border cuts `cut` of them.

    `arc_degrees` is how far they go round it, `seen_share` the share of the surface that some view sees, and
    `reference` the view whose camera frame the pose is in. Gains are in dB on held-out views, None where the
    refining did not run and where the carving was not kept.
    """

    arc_degrees: float
    given: int
    used: int
    cut: int
    seen_share: float
    reference: int
    refined_gain_db: float | None = None
    carved_gain_db: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationControls:
    """How a generative engine makes an object; None takes the engine's own value.

    `coarse` stops after the coarse shape. Steps are those of the sampler, guidance is classifier-free; the
    first stage makes the shape and the pose, the second its surface and colours. `pointmap` asks for the
    points of the image, for engines with that capability; the others belong to the capability `generation`.
    """

    coarse: bool = False
    shape_steps: int | None = None
    shape_guidance: float | None = None
    detail_steps: int | None = None
    detail_guidance: float | None = None
    pointmap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPlane:
    """The plane of a floor: points x in the camera frame with normal . x + offset = 0.

    `normal` (3,) is a unit vector towards the side of the camera, and `offset` the camera's distance in the
    unit of the image's points. `inlier_share` of the known points under the floor's mask lie on the plane.
    """

    normal: tuple[float, float, float]
    offset: float
    scale_source: ScaleSource
    inlier_share: float


@dataclass(frozen=True, slots=True)
class ObjectAsset:
    """One object in its canonical frame (y up); mesh, splat and pose describe the same points.

    `pose` maps canonical points into the camera frame: p_cam = scale * R(rotation) @ p + translation.
    `photo` is the texture of `mesh` where it is finer than the colours of the vertices. `pointmap` (h, w, 3)
    float32 has the points of the image in the camera frame, NaN where unknown; h and w may be smaller than
    the image's. None where it was not asked for.
    """

    mesh: Mesh
    splat: Gaussians
    pose: Similarity
    camera: Camera
    scale_source: ScaleSource
    confidence: float
    silhouette_iou: float | None
    flags: tuple[str, ...] = ()
    views: ViewsReport | None = None
    photo: PhotoTexture | None = None
    pointmap: NDArray[np.float32] | None = None


@runtime_checkable
class ObjectEngine(Protocol):
    info: EngineInfo

    def reconstruct(
        self,
        image: Rgb,
        mask: Mask,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        label: str | None = None,
        seed: int = 0,
    ) -> ObjectAsset:
        """Lift one masked object; `depth` is z in metres of shape (H, W), NaN where unknown."""
        ...


@runtime_checkable
class GenerativeEngine(Protocol):
    """What an object engine adds that lists the capabilities `generation` or `pointmap`."""

    info: EngineInfo

    def generate(
        self,
        image: Rgb,
        mask: Mask,
        controls: GenerationControls,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> ObjectAsset:
        """Lift one masked object as the controls say; see `ObjectEngine.reconstruct`."""
        ...


@runtime_checkable
class GroundEngine(Protocol):
    """What an object engine adds that lists the capability `ground_plane`."""

    info: EngineInfo

    def find_ground(
        self,
        image: Rgb,
        mask: Mask,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> GroundPlane:
        """Fit a plane to the points of the floor under `mask` (H, W); see `ObjectEngine.reconstruct`.

        Raises RequestRefused: `ground_not_found`.
        """
        ...


@runtime_checkable
class MultiViewEngine(Protocol):
    """What an object engine adds that reconstructs from several posed cameras."""

    def reconstruct_views(
        self,
        frames: Sequence[Rgb],
        masks: Sequence[Mask],
        cameras: Sequence[PosedCamera],
        *,
        label: str | None = None,
        seed: int = 0,
        metric: bool = False,
    ) -> ObjectAsset:
        """Reconstruct the object that `masks` show from cameras in one world frame; empty masks are skipped.

        The pose is in the camera frame of the first view that shows the object. `metric` states that the
        cameras are in metres. Raises RequestRefused: `too_few_views`, `views_disagree`.
        """
        ...
