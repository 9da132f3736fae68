"""The default object engine: shapes from masks, on the CPU, with a small learned prior."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.inputs import check_inputs
from workers.engines.objects.multi_view.reconstruction import MultiViewOptions, reconstruct_views
from workers.engines.objects.single_view.reconstruction import reconstruct_view
from workers.engines.objects.splats.refinement import CPU_STEPS
from workers.engines.protocols import EngineInfo, Mask, ObjectAsset, Rgb
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera

VERSION = "13"
# Gaussians per object, about 1 MB as PLY. Chosen, not measured.
SPLAT_SIZE = 15_000


class DefaultObjects:
    """Reconstructs a masked object as a closed mesh, a splat and a pose, in about 0.1 s per view.

    From one view: a box or a solid of revolution where one explains the outline, else a surface whose
    outline is the mask's and whose front and back a small network predicts. From several: the visual hull,
    carved by colour.
    """

    def __init__(
        self, splats: int = SPLAT_SIZE, refine_steps: int = CPU_STEPS, *, carve: bool = True
    ) -> None:
        """`carve` = False keeps the hull of several views as the outlines make it."""
        self._splat_size = splats
        self._multi_view = MultiViewOptions(splat_size=splats, refine_steps=refine_steps, carve=carve)
        self.info = EngineInfo(
            name="default",
            kind="objects",
            version=VERSION,
            device="cpu",
            licence="Apache-2.0",
            capabilities=("single_view", "many_views", "depth", "mesh", "splat"),
            limits=(
                "the unseen side is guessed",
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
        """Reconstruct one masked object; see `ObjectEngine.reconstruct`.

        The object frame has +y up and faces the camera with +z; its origin is the centre of the bounding
        box, and the longest side of the box is 1. A surface of any outline has the camera's axes; boxes and
        solids of revolution stand upright. Without depth the object is at about z = 1 in camera units. A
        `label` whose shape or thickness is known decides between hypotheses. Raises EmptyMaskError for an
        empty mask and ValueError for wrong shapes.
        """
        check_inputs(image, mask, camera, depth)
        return reconstruct_view(image, mask, camera, depth, label, splat_size=self._splat_size, seed=seed)

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
        """Reconstruct an object that several posed cameras see; see `MultiViewEngine.reconstruct_views`.

        The object frame has the world's up as +y, guessed from the cameras, and +z towards the first one.
        """
        single_view = partial(self.reconstruct, label=label, seed=seed)
        return reconstruct_views(
            frames, masks, cameras, single_view, self._multi_view, seed=seed, metric=metric
        )
