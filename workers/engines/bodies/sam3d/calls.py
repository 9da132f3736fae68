"""What the child is asked: the people of one image, or those of several images that share a forward."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.sam3d.prompting import NO_PROMPT
from workers.engines.protocols import Box, Rgb
from workers.geometry.cameras import Camera

# people of several images in one forward. Chosen, not measured: no GPU has run it
MAX_PEOPLE = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BodyCall:
    """The people of one image as the child takes them.

    `usable` are the rows of `boxes` that are sent, as `requested` (N, 4); `masks` are theirs as bits,
    `prompts` the arrays of their prompts and `fields` what else is asked. `camera` is None where the child
    has to find it.
    """

    image: Rgb
    boxes: tuple[Box, ...]
    usable: tuple[int, ...]
    requested: NDArray[np.float32]
    camera: Camera | None
    masks: NDArray[np.uint8] | None
    prompts: Mapping[str, NDArray[Any]]
    fields: Mapping[str, Any]

    @property
    def key(self) -> Hashable:
        """Calls with equal keys may share a forward; a camera still to be found is each image's own."""
        if self.camera is None:
            return id(self)
        kind = self.masks is None, bool(self.prompts), tuple(self.fields["refined"])
        camera = tuple(self.camera.matrix().ravel().tolist())
        return self.image.shape, camera, kind, self.fields["max_wrist_angle"]


def group_calls(calls: Sequence[BodyCall]) -> list[list[BodyCall]]:
    """Calls that share a forward, at most MAX_PEOPLE or one call; those without people are left out.

    Groups, and calls in them, keep their order.
    """
    open_groups: dict[Hashable, list[BodyCall]] = {}
    groups: list[list[BodyCall]] = []
    for call in calls:
        if not call.usable:
            continue
        group = open_groups.get(call.key)
        if group is None or sum(len(each.usable) for each in group) + len(call.usable) > MAX_PEOPLE:
            group = open_groups[call.key] = []
            groups.append(group)
        group.append(call)
    return groups


def encode_calls(calls: Sequence[BodyCall]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The fields and arrays of one request for calls of one key."""
    first = calls[0]
    fields = dict(first.fields)
    arrays: dict[str, NDArray[Any]] = {"boxes": np.concatenate([call.requested for call in calls])}
    if len(calls) == 1:
        arrays["image"] = np.ascontiguousarray(first.image)
    else:
        arrays["image"] = np.stack([call.image for call in calls])
        fields["counts"] = [len(call.usable) for call in calls]
    if first.camera is not None:
        arrays["intrinsics"] = first.camera.matrix()
    if first.masks is not None:
        arrays["masks"] = np.concatenate([call.masks for call in calls if call.masks is not None])
    if first.prompts:
        arrays["points"] = _join_points([call.prompts["points"] for call in calls])
        arrays["hands"] = np.concatenate([call.prompts["hands"] for call in calls])
    return fields, arrays


def _join_points(points: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Prompts (N, K, 3) of several images, filled up to the most key points of a person."""
    most = max(each.shape[1] for each in points)
    blank = np.array([0, 0, NO_PROMPT], np.float32)
    return np.concatenate(
        [
            np.concatenate([each, np.broadcast_to(blank, (len(each), most - each.shape[1], 3))], axis=1)
            for each in points
        ]
    )
