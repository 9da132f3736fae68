"""What one view shows of an object: its mask, cleaned and measured, the camera and, where given, depth."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import CoarseMask, attainable_iou, resample_mask
from workers.engines.objects.single_view.depth_edges import find_own_depth
from workers.engines.objects.single_view.depth_noise import estimate_noise
from workers.engines.objects.single_view.depth_prediction import TwoSidedDepth, predict_depths
from workers.engines.objects.single_view.outline import Lattice, clean_mask, fit_lattice
from workers.engines.protocols import Mask, Rgb
from workers.geometry.borders import touches_border
from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou

# Pixels below which a mask's outline is too rough to tell parametric shapes apart. Chosen, not measured.
MIN_PARAMETRIC_PIXELS = 400
# Values of its own depth that an object needs, in pixels and as a share of the mask. Chosen, not measured.
MIN_DEPTH_PIXELS, MIN_DEPTH_SHARE = 16, 0.02
# Longest side, in pixels, at which IoU is measured in full; beyond it every n-th pixel centre is compared.
MEASURED_SIDE = 512


@dataclass(frozen=True)
class MaskView:
    """The evidence that shapes are fitted to.

    `given` (H, W) is the mask as it came, `mask` the same without specks and pinholes, of `parts` connected
    parts. `depth` (H, W) is z in metres, NaN where unknown, or None. `image` (H, W, 3) is None where only the
    outline is known.
    """

    given: Mask
    mask: Mask
    parts: int
    camera: Camera
    depth: NDArray[np.float32] | None
    image: Rgb | None = None

    @classmethod
    def from_mask(
        cls,
        mask: Mask,
        camera: Camera,
        depth: NDArray[np.float32] | None = None,
        image: Rgb | None = None,
    ) -> "MaskView":
        """Clean and count the parts of a non-empty mask (H, W)."""
        cleaned, parts = clean_mask(mask)
        return cls(mask, cleaned, parts, camera, depth, image)

    @cached_property
    def coarse(self) -> CoarseMask:
        """The cleaned mask at the size at which parametric shapes are fitted."""
        return resample_mask(self.mask, self.camera)

    @cached_property
    def lattice(self) -> Lattice:
        """The cleaned mask's outline, on which free-form surfaces are built."""
        return fit_lattice(self.mask)

    @cached_property
    def predicted(self) -> TwoSidedDepth:
        """What the network says of the object; only of a view whose image is known."""
        if self.image is None:
            raise ValueError("the network needs an image")
        return predict_depths(self.image, self.mask, self.camera, self.depth)

    @cached_property
    def is_truncated(self) -> bool:
        """Whether the border of the image cuts the object."""
        return touches_border(self.given)

    @cached_property
    def own_depth(self) -> Mask:
        """Pixels (H, W) of the cleaned mask whose depth is known and the object's own."""
        if self.depth is None:
            return np.zeros(self.mask.shape, dtype=np.bool_)
        return find_own_depth(self.depth, self.mask, self.camera)

    @cached_property
    def measured_size(self) -> float:
        """The longer side of the mask's extent in metres, at the median of the object's own depth."""
        assert self.depth is not None
        x0, y0, x1, y1 = mask_extent(self.mask)
        distance = float(np.median(self.depth[self.own_depth]))
        return max(x1 - x0, y1 - y0) / self.camera.focal_length * distance

    @cached_property
    def has_depth(self) -> bool:
        """Whether the map has enough values of the object to say anything about it."""
        return int(self.own_depth.sum()) >= max(MIN_DEPTH_PIXELS, MIN_DEPTH_SHARE * int(self.mask.sum()))

    @cached_property
    def depth_noise(self) -> float:
        """The standard deviation of single values of the depth in sizes of the object.

        Infinite where the map has too few values of the object, or one value everywhere.
        """
        if self.depth is None or not self.has_depth:
            return np.inf
        return estimate_noise(self.depth, self.own_depth) / self.measured_size

    @property
    def is_parametric(self) -> bool:
        """Whether a parametric shape may explain the mask: one part, not truncated, and large enough."""
        return self.parts == 1 and not self.is_truncated and int(self.mask.sum()) >= MIN_PARAMETRIC_PIXELS

    @property
    def attainable_iou(self) -> float:
        """The IoU that an outline half a pixel off everywhere still has with the mask."""
        return attainable_iou(self.mask)

    def silhouette_iou(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
        """IoU of the silhouette of a mesh (V, 3) in the camera frame with the mask as it was given."""
        camera, mask = self.camera, self.given
        pixels = camera.project(vertices)
        left, top, right, bottom = mask_extent(mask)
        low = np.minimum(pixels.min(axis=0), [left, top])
        high = np.maximum(pixels.max(axis=0), [right, bottom])
        x0, y0 = (int(v) for v in np.maximum(np.floor(low), 0))
        x1, y1 = (int(v) for v in np.minimum(np.ceil(high), [camera.width, camera.height]))
        stride = max(1, int(np.ceil(max(x1 - x0, y1 - y0) / MEASURED_SIDE)))
        thinned = mask[y0:y1:stride, x0:x1:stride]
        # Pixel k of the thinned mask has its centre at x0 + k * stride + 0.5.
        shift = 0.5 / stride - 0.5
        thinned_camera = Camera(
            thinned.shape[1],
            thinned.shape[0],
            camera.fx / stride,
            camera.fy / stride,
            (camera.cx - x0) / stride - shift,
            (camera.cy - y0) / stride - shift,
        )
        return mask_iou(silhouette(vertices, faces, thinned_camera), thinned)
