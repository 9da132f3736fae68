"""The CUDA rasteriser: gsplat (Apache-2.0), imported only when asked for."""

import importlib
from typing import Any

import numpy as np

from workers.engines.rasterisers.protocol import Array, Drawn, Gaussians, RasteriserMissing
from workers.geometry.posed import PosedCamera


class GsplatRasteriser:
    """gsplat 1.5 cannot draw without CUDA and says so badly, so this asks first."""

    name = "gsplat"

    def __init__(self) -> None:
        try:
            self._torch: Any = importlib.import_module("torch")
            gsplat: Any = importlib.import_module("gsplat")
        except ImportError as error:
            raise RasteriserMissing(f"the CUDA rasteriser needs torch and gsplat: {error}") from error
        if not self._torch.cuda.is_available():
            raise RasteriserMissing("gsplat draws on CUDA alone, and torch sees no GPU")
        self._rasterize = gsplat.rasterization

    def draw(self, gaussians: Gaussians, view: PosedCamera) -> Drawn:
        """See `Rasteriser.draw`."""
        with self._torch.no_grad():
            color, alpha = self._run(self._tensors(gaussians, grad=False), view)
        return Drawn(color.cpu().numpy(), alpha.cpu().numpy())

    def gradients(
        self, gaussians: Gaussians, view: PosedCamera, color: Array, alpha: Array
    ) -> tuple[Drawn, Gaussians]:
        """See `Rasteriser.gradients`."""
        tensors = self._tensors(gaussians, grad=True)
        drawn, covered = self._run(tensors, view)
        by = [self._torch.as_tensor(np.ascontiguousarray(part), device="cuda") for part in (color, alpha)]
        self._torch.autograd.backward([drawn, covered], by)
        found = [part.grad.cpu().numpy() for part in tensors]
        return Drawn(drawn.detach().cpu().numpy(), covered.detach().cpu().numpy()), Gaussians(*found)

    def _tensors(self, gaussians: Gaussians, *, grad: bool) -> list[Any]:
        parts = (getattr(gaussians, name) for name in Gaussians.__slots__)
        return [self._torch.tensor(part, device="cuda", requires_grad=grad) for part in parts]

    def _run(self, tensors: list[Any], view: PosedCamera) -> tuple[Any, Any]:
        means, rotations, scales, opacities, colors = tensors
        camera = view.camera
        float32 = {"dtype": self._torch.float32, "device": "cuda"}
        matrix = self._torch.tensor(view.cam_from_world.matrix(), **float32)[None]
        intrinsics = self._torch.tensor(camera.matrix(), **float32)[None]
        color, alpha, _ = self._rasterize(
            means,
            rotations / rotations.norm(dim=1, keepdim=True),
            scales,
            opacities,
            colors,
            matrix,
            intrinsics,
            camera.width,
            camera.height,
            packed=False,
        )
        return color[0], alpha[0, ..., 0]
