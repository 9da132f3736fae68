"""The files that a segment job writes of an image's instances."""

from collections.abc import Sequence

import numpy as np

from workers.formats.images import encode_png
from workers.formats.overlay import overlay_png
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.instances import InstanceMask


def write_overlay(
    context: JobContext, image: LoadedImage, instances: Sequence[InstanceMask], prefix: str = ""
) -> None:
    """Draw the masks over the image; `prefix` is that of the artefact's name."""
    labels = [item.label or f"{item.prompt.kind} {item.prompt.index}" for item in instances]
    overlay = overlay_png(image.pixels, [item.mask for item in instances], labels)
    context.save(f"{prefix}overlay.png", "overlay", "image/png", overlay)


def write_masks(context: JobContext, instances: Sequence[InstanceMask], prefix: str = "") -> None:
    """Write a PNG per mask."""
    for index, item in enumerate(instances):
        data = encode_png(item.mask.astype(np.uint8) * 255)
        context.save(f"{prefix}mask-{index:03d}.png", "mask", "image/png", data)
