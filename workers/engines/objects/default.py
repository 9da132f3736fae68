"""The default object engine: no learned weights.

From several views: the visual hull. From one: a box or a solid of revolution where one explains the outline,
else silhouette inflation in ray space, where the mesh's outline is the mask's by construction, the thickness
is a guess (or measured, given depth), and the unseen side mirrors the front.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.reconstruction import MultiViewOptions, reconstruct_views
from workers.engines.objects.single_view.coarse_mask import attainable
from workers.engines.objects.single_view.depth_alignment import from_depth, scale_by_depth
from workers.engines.objects.single_view.inflation import Thickness, inflate, spread_evenly
from workers.engines.objects.single_view.label_prior import expected_shape, thickness_factor
from workers.engines.objects.single_view.outline import Lattice, clean_mask, fit_lattice
from workers.engines.objects.single_view.selection import find_shapes
from workers.engines.objects.single_view.solid import Solid, close_sheet, symmetric_depths
from workers.engines.objects.single_view.surface import Surface, of_shape, of_solid
from workers.engines.objects.single_view.texture import complete
from workers.engines.objects.single_view.triangulation import Sheet, triangulate
from workers.engines.objects.splats.refinement import CPU_STEPS
from workers.engines.protocols import EngineInfo, Mask, ObjectAsset, Rgb
from workers.geometry.borders import touches_border
from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera

VERSION = "5"
TINY_PIXELS = 64
SPLATS = 15_000
LOW_IOU = 0.97
FITTED_IOU = 0.96
LABELLED_IOU = 0.93
MEASURED_SIDE = 512
CONFIDENCE_GUESSED = 0.5
CONFIDENCE_DEPTH = 0.7


class DefaultObjects:
    """Lifts a masked object to a closed mesh, a splat and a pose on the CPU, in about 0.1 s."""

    def __init__(
        self,
        splats: int = SPLATS,
        refine_steps: int = CPU_STEPS,
        *,
        carve: bool = True,
    ) -> None:
        """`carve` = False leaves the hull of several views as the outlines make it."""
        self._splats = splats
        self._multi_view = MultiViewOptions(splat_size=splats, refine_steps=refine_steps, carve=carve)
        self.info = EngineInfo(
            name="default",
            kind="objects",
            version=VERSION,
            device="cpu",
            licence="Apache-2.0",
            capabilities=("single_view", "many_views", "depth", "mesh", "splat"),
            limits=(
                "the unseen side is guessed by mirroring what is seen",
                "without depth the scale is relative: every object stands at distance 1 from the camera",
                "hollow shapes come out filled, unless several views tell otherwise by their colours",
            ),
        )

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
        """Lift one masked object; see `ObjectEngine.reconstruct`.

        The canonical frame has the camera's up as +y and faces the camera with +z; its origin is the centre
        of the bounding box, and the longest side of the box is 1. Without depth the rim of the object stands
        at z = 1 in camera units. A `label` whose usual thickness is known thins the shape.
        Raises EmptyMask for an empty mask and ValueError for wrong shapes.
        """
        _check(image, mask, camera, depth)
        cleaned, parts = clean_mask(mask)
        height, width = mask.shape
        view = camera or Camera.assumed(width, height)
        truncated = touches_border(mask)
        texture = complete(image, cleaned)
        surface, kind = None, None
        metric = False
        if parts == 1 and not truncated:
            surface, kind = _fitted(cleaned, mask, view, label)
        if surface is not None and depth is not None:
            ratio = scale_by_depth(surface, depth, cleaned)
            metric = ratio is not None
            surface, kind = (surface.scaled(ratio), kind) if ratio is not None else (None, None)
        factor = thickness_factor(label) if kind is None else None
        if surface is None:
            solid, thickness, metric = _lift(fit_lattice(cleaned), cleaned, view, depth, factor or 1.0)
            surface = of_solid(solid, thickness)
        mesh, pose = surface.canonical(texture)
        iou = _silhouette_iou(pose.apply(mesh.vertices), mesh.faces, mask, view)
        tiny = int(mask.sum()) < TINY_PIXELS
        return ObjectAsset(
            mesh=mesh,
            splat=surface.splat(mesh, texture, self._splats, seed),
            pose=pose,
            camera=view,
            scale_source="metric" if metric else "relative",
            confidence=_confidence(iou, parts, metric=metric, truncated=truncated, tiny=tiny),
            silhouette_iou=iou,
            flags=_flags(
                iou,
                parts,
                metric=metric,
                truncated=truncated,
                tiny=tiny,
                assumed=view.source == "assumed",
                unused_depth=depth is not None and not metric,
                prior=factor is not None,
                kind=kind,
            ),
        )

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
        """Lift an object that several posed cameras see; see `MultiViewEngine.reconstruct_views`.

        The canonical frame has the world's up as +y, guessed from the cameras, and +z towards the first one.
        """

        def single_view(image: Rgb, mask: Mask, view: PosedCamera) -> ObjectAsset:
            return self.reconstruct(image, mask, camera=view.camera, label=label, seed=seed)

        return reconstruct_views(
            frames, masks, cameras, single_view, self._multi_view, seed=seed, metric=metric
        )


def _check(image: Rgb, mask: Mask, camera: Camera | None, depth: NDArray[np.float32] | None) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"the image must be uint8 of shape (H, W, 3), got {image.dtype} {image.shape}")
    size = image.shape[:2]
    if mask.dtype != np.bool_ or mask.shape != size:
        raise ValueError(
            f"the mask must be bool of shape {size} like the image, got {mask.dtype} {mask.shape}"
        )
    if depth is not None and depth.shape != size:
        raise ValueError(f"the depth map must have shape {size} like the image, got {depth.shape}")
    if camera is not None:
        if (camera.height, camera.width) != size:
            raise ValueError(f"the camera is for {camera.height} x {camera.width}, the image is {size}")
        if not (np.isfinite(camera.matrix()).all() and camera.fx > 0 and camera.fy > 0):
            raise ValueError("the camera's intrinsics must be finite, with positive focal lengths")


def _lift(
    lattice: Lattice, mask: Mask, camera: Camera, depth: NDArray[np.float32] | None, factor: float
) -> tuple[Solid, Thickness, bool]:
    """The solid, its thickness, and whether its depth was measured."""
    sheet = triangulate(lattice)
    thickness = inflate(lattice, sheet, factor)
    sheet = spread_evenly(sheet, thickness)
    measured = None if depth is None else from_depth(depth, mask, sheet, thickness, camera)
    if measured is not None:
        return close_sheet(sheet, camera, measured.front, measured.back, measured.rim), thickness, True
    half = thickness.at(sheet.points[: sheet.inner])
    front, back = symmetric_depths(half, float(np.sqrt(camera.fx * camera.fy)))
    return close_sheet(sheet, camera, front, back, _ones(sheet)), thickness, False


def _ones(sheet: Sheet) -> NDArray[np.float64]:
    return np.ones(len(sheet.points) - sheet.inner)


def _fitted(
    cleaned: Mask, mask: Mask, camera: Camera, label: str | None
) -> tuple[Surface, str] | tuple[None, None]:
    """A simple solid that draws the mask from the camera, and its kind; nothing where none is good enough."""
    for shape in find_shapes(cleaned, camera, label):
        expected = expected_shape(label) == shape.kind
        wanted = LABELLED_IOU if expected else min(FITTED_IOU, attainable(cleaned))
        if _silhouette_iou(shape.vertices, shape.faces, mask, camera) >= wanted:
            return of_shape(shape.vertices, shape.faces, shape.axes, cleaned, camera), shape.kind
    return None, None


def _silhouette_iou(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], mask: Mask, camera: Camera
) -> float:
    """IoU of the mesh's outline with the mask, over the window that holds both.

    Objects longer than `MEASURED_SIDE` pixels are compared at every n-th pixel centre.
    """
    pixels = camera.project(vertices)
    left, top, right, bottom = mask_extent(mask)
    low = np.minimum(pixels.min(axis=0), [left, top])
    high = np.maximum(pixels.max(axis=0), [right, bottom])
    x0, y0 = (int(v) for v in np.maximum(np.floor(low), 0))
    x1, y1 = (int(v) for v in np.minimum(np.ceil(high), [camera.width, camera.height]))
    stride = max(1, int(np.ceil(max(x1 - x0, y1 - y0) / MEASURED_SIDE)))
    truth = mask[y0:y1:stride, x0:x1:stride]
    # Pixel k of the thinned window has its centre at x0 + k * stride + 0.5.
    shift = 0.5 / stride - 0.5
    thinned = Camera(
        truth.shape[1],
        truth.shape[0],
        camera.fx / stride,
        camera.fy / stride,
        (camera.cx - x0) / stride - shift,
        (camera.cy - y0) / stride - shift,
    )
    drawn = silhouette(vertices, faces, thinned)
    return mask_iou(drawn, truth)


def _confidence(iou: float, parts: int, *, metric: bool, truncated: bool, tiny: bool) -> float:
    """How far to trust the shape, in [0, 1]: half at best, since the unseen half is a guess."""
    out = (CONFIDENCE_DEPTH if metric else CONFIDENCE_GUESSED) * iou
    out *= 0.5 if truncated else 1.0
    out *= 0.5 if tiny else 1.0
    out *= 0.8 if parts > 1 else 1.0
    return round(out, 4)


def _flags(
    iou: float,
    parts: int,
    *,
    metric: bool,
    truncated: bool,
    tiny: bool,
    assumed: bool,
    unused_depth: bool,
    prior: bool,
    kind: str | None,
) -> tuple[str, ...]:
    known = {
        "default_engine": True,
        "unseen_side_guessed": True,
        "scale_not_metric": not metric,
        "camera_assumed": assumed,
        "truncated": truncated,
        "multiple_components": parts > 1,
        "tiny_mask": tiny,
        "low_iou": iou < LOW_IOU,
        "depth_unusable": unused_depth,
        "shape_prior": prior,
        f"shape_{kind}": kind is not None,
    }
    return tuple(name for name, present in known.items() if present)
