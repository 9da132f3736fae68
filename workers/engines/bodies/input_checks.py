"""What every body engine demands of its arguments."""

from collections.abc import Sequence

from workers.engines.protocols import Box, Mask, Rgb
from workers.geometry.cameras import Camera


def check_people(
    image: Rgb, boxes: Sequence[Box], masks: Sequence[Mask] | None, camera: Camera | None
) -> None:
    """Raise ValueError when masks or camera do not match the boxes or the image (H, W, 3)."""
    height, width = image.shape[:2]
    if masks is not None:
        if len(masks) != len(boxes):
            raise ValueError(f"{len(masks)} masks for {len(boxes)} boxes")
        if any(mask.shape != (height, width) for mask in masks):
            raise ValueError(f"masks must have the image's shape {(height, width)}")
    if camera is not None and (camera.width, camera.height) != (width, height):
        raise ValueError(f"the camera has {camera.width}x{camera.height}, the image {width}x{height}")
