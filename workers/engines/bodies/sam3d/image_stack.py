"""Several images of one size and camera where upstream takes one image; the child imports this module.

Upstream's network has a batch of people, and cuts each of them out of its one image in `prepare_batch`,
first the bodies and then the hands. All else that it knows of the image are its size and camera. So people of
several images share a forward when these are equal, and `prepare_batch` cuts each out of the image that is
theirs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

# the modules of upstream that call `prepare_batch` by a name of their own
CALLERS = ("sam_3d_body.sam_3d_body_estimator", "sam_3d_body.models.meta_arch.sam3d_body")
# what `prepare_batch` lays out as (1, people, ...)
PER_PERSON = frozenset(
    {
        "img",
        "img_size",
        "ori_img_size",
        "bbox_center",
        "bbox_scale",
        "bbox",
        "affine_trans",
        "mask",
        "mask_score",
        "person_valid",
    }
)
# what all people share
SHARED = frozenset({"cam_int", "img_ori"})
MIRRORED = (slice(None), slice(None, None, -1))


@dataclass(frozen=True, slots=True, eq=False)
class ImageStack:
    """Images (B, H, W, 3), and the image of each person (N,), in ascending order."""

    images: NDArray[np.uint8]
    owners: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (H, W, 3) of each image."""
        return self.images.shape[1:]

    def __getitem__(self, key: Any) -> "ImageStack":
        """All images mirrored from left to right, which is all that upstream asks for."""
        if key != MIRRORED:
            raise TypeError(f"a stack of images can be mirrored alone, not indexed by {key!r}")
        return ImageStack(self.images[:, :, ::-1], self.owners)

    def select(self, people: slice) -> "ImageStack":
        """The stack for some of the people."""
        return ImageStack(self.images, self.owners[people])


@contextmanager
def sharing_forwards(torch: Any, image: Any) -> Iterator[None]:
    """Let upstream take a stack for an image; nothing changes for a plain image."""
    if not isinstance(image, ImageStack):
        yield
        return
    modules: list[Any] = [import_module(name) for name in CALLERS]
    originals = [module.prepare_batch for module in modules]

    def prepare_batch(img: Any, transform: Any, boxes: Any, *rest: Any, **named: Any) -> Any:
        if not isinstance(img, ImageStack):
            return originals[0](img, transform, boxes, *rest, **named)
        return _join(torch, list(_prepare_each(originals[0], img, transform, boxes, *rest, **named)))

    for module in modules:
        module.prepare_batch = prepare_batch
    try:
        yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            module.prepare_batch = original


def _prepare_each(
    prepare_batch: Any,
    stack: ImageStack,
    transform: Any,
    boxes: Any,
    masks: Any = None,
    masks_score: Any = None,
    cam_int: Any = None,
) -> Iterator[dict[str, Any]]:
    """Upstream's batch of the people of each image."""
    for number in np.unique(stack.owners):
        own = stack.owners == number
        yield prepare_batch(
            np.ascontiguousarray(stack.images[number]),
            transform,
            boxes[own],
            None if masks is None else masks[own],
            None if masks_score is None else masks_score[own],
            cam_int,
        )


def _join(torch: Any, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batches of several images as one of all their people, in order."""
    joined: dict[str, Any] = {}
    for name, first in batches[0].items():
        values = [batch[name] for batch in batches]
        if name in SHARED:
            joined[name] = first
        elif isinstance(first, list):
            joined[name] = [item for value in values for item in value]
        else:
            joined[name] = torch.cat(values, dim=1 if name in PER_PERSON else 0)
    return joined
