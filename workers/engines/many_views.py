"""What an object engine adds that takes several views of one object."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from workers.engines.protocols import Mask, ObjectAsset, Rgb
from workers.geometry.posed import PosedCamera


@runtime_checkable
class ManyViewsEngine(Protocol):
    """An object engine that is given posed cameras."""

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
        """Lift the object that `masks` show from cameras in one world frame; empty masks count as no view.

        The pose is in the camera frame of the first view that shows it. `metric` says that the cameras are
        in metres. Raises RequestRefused: `too_few_views`, `views_disagree`.
        """
        ...
