"""The CUDA rasteriser: gsplat (Apache-2.0), imported only when one is made."""

import importlib
from typing import Any

import numpy as np

from workers.engines.rasterisers.protocol import (
    PLAIN,
    GaussianGradients,
    RasteriserBroken,
    RasteriserMissing,
    Rendering,
    RenderOptions,
    hide_unseen,
)
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Array, Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.geometry.spherical_harmonics import SH_C0


class GsplatRasteriser:
    """Checks for CUDA first: gsplat 1.5 cannot render without it, and its own error does not say so."""

    name = "gsplat"

    def __init__(self) -> None:
        """Import torch and gsplat, and render once.

        Raises RasteriserMissing without them or without a GPU, RasteriserBroken where gsplat cannot render.
        """
        try:
            self._torch: Any = importlib.import_module("torch")
            if not self._torch.cuda.is_available():
                raise RasteriserMissing("gsplat renders only on CUDA, and torch finds no GPU")
            # versions after 1.5 compile their kernels here, older ones at the first picture
            self._rasterize = importlib.import_module("gsplat").rasterization
            self._probe()
        except RasteriserMissing:
            raise
        except ImportError as error:
            raise RasteriserMissing(f"the CUDA rasteriser needs torch and gsplat: {error}") from error
        # whatever it is, this rasteriser cannot be used: a wheel without kernels fails in many ways
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise RasteriserBroken(
                f"gsplat is installed, and cannot render on this GPU ({reason}): its wheel compiles kernels "
                "when it is used first, which needs nvcc"
            ) from error

    def _probe(self) -> None:
        """Render one Gaussian and its gradients: gsplat finds its kernels only then."""
        one = np.ones((1, 1), np.float32)
        gaussian = Gaussians(
            np.array([[0, 0, 2]], np.float32),
            np.array([[1, 0, 0, 0]], np.float32),
            np.full((1, 3), 0.5, np.float32),
            np.full(1, 0.9, np.float32),
            np.ones((1, 3), np.float32),
        )
        view = PosedCamera(Camera(1, 1, 1.0, 1.0, 0.5, 0.5), Similarity())
        rendering, gradients = self.backward(gaussian, view, np.ones((1, 1, 3), np.float32), one)
        if not rendering.alpha[0, 0] > 0.5 or not np.isfinite(gradients.opacities).all():
            raise RuntimeError(f"one opaque Gaussian was rendered with alpha {float(rendering.alpha[0, 0])}")

    def render(self, gaussians: Gaussians, view: PosedCamera, options: RenderOptions = PLAIN) -> Rendering:
        """See `Rasteriser.render`."""
        with self._torch.no_grad():
            channels, alpha = self._forward(
                self._to_tensors(gaussians, grad=False), view, options, gaussians.degree
            )
        channels, alpha = channels.cpu().numpy(), alpha.cpu().numpy()
        depth = hide_unseen(channels[..., 3], alpha) if options.depth else None
        return Rendering(channels[..., :3], alpha, depth)

    def backward(
        self, gaussians: Gaussians, view: PosedCamera, by_color: Array, by_alpha: Array
    ) -> tuple[Rendering, GaussianGradients]:
        """See `Rasteriser.backward`."""
        tensors = self._to_tensors(gaussians, grad=True)
        color, alpha = self._forward(tensors, view, degree=gaussians.degree)
        loss_gradients = [
            self._torch.as_tensor(np.ascontiguousarray(values), device="cuda")
            for values in (by_color, by_alpha)
        ]
        self._torch.autograd.backward([color, alpha], loss_gradients)
        means, rotations, scales, opacities, by_colors = (tensor.grad.cpu().numpy() for tensor in tensors)
        by_harmonics = None
        if gaussians.harmonics is not None:
            # the coefficient of degree 0 is the colour over its constant
            by_colors, by_harmonics = by_colors[:, 0] / SH_C0, by_colors[:, 1:]
        gradients = GaussianGradients(means, rotations, scales, opacities, by_colors, by_harmonics)
        return Rendering(color.detach().cpu().numpy(), alpha.detach().cpu().numpy()), gradients

    def _to_tensors(self, gaussians: Gaussians, *, grad: bool) -> list[Any]:
        arrays = gaussians.arrays()
        harmonics = arrays.pop("harmonics", None)
        if harmonics is not None:
            # gsplat takes the coefficients of all degrees in place of colours
            base = ((arrays["colors"] - 0.5) / SH_C0).astype(np.float32)[:, None]
            arrays["colors"] = np.concatenate([base, harmonics], axis=1)
        return [self._torch.tensor(values, device="cuda", requires_grad=grad) for values in arrays.values()]

    def _forward(
        self, tensors: list[Any], view: PosedCamera, options: RenderOptions = PLAIN, degree: int = 0
    ) -> tuple[Any, Any]:
        """Colours, with the expected depth as a fourth channel where it is asked for, and alpha."""
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
            render_mode="RGB+ED" if options.depth else "RGB",
            rasterize_mode="antialiased" if options.anti_aliased else "classic",
            **({"sh_degree": degree} if degree else {}),
        )
        return color[0], alpha[0, ..., 0]
