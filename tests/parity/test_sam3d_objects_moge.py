"""The points of a known camera by MoGe's own code on random weights; needs `moge` and `torch`."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
moge = pytest.importorskip("moge.model.v1")

from workers.engines.objects.sam3d.coordinates import fit_camera  # noqa: E402
from workers.engines.objects.sam3d.pointmaps import PointmapFinder  # noqa: E402
from workers.geometry.cameras import Camera  # noqa: E402

# upstream switches to float32 and to CUDA, which a CPU answers with warnings
pytestmark = [
    pytest.mark.filterwarnings("ignore:In CPU autocast"),
    pytest.mark.filterwarnings("ignore:.*CUDA is not available"),
]
WIDTH, HEIGHT = 112, 84
IMAGE = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """As much of upstream's pipeline as finds points: `InferencePipelinePointMap.depth_model`."""
    torch.manual_seed(0)
    model = moge.MoGeModel(
        encoder="dinov2_vits14",
        intermediate_layers=1,
        dim_proj=16,
        dim_upsample=[32],
        num_tokens_range=[40, 60],
        remap_output="exp",
        mask_threshold=-1e9,
    ).eval()
    asked = []

    class DepthModel:
        device = torch.device("cpu")

        def __init__(self) -> None:
            self.model = SimpleNamespace(infer=self._infer)

        def _infer(self, image: Any, **options: Any) -> Any:
            asked.append(options)
            return model.infer(image, **options, use_fp16=False)

    return SimpleNamespace(depth_model=DepthModel(), dtype=torch.bfloat16, asked=asked)


@pytest.mark.parametrize(
    "camera",
    [
        Camera(WIDTH, HEIGHT, 90.0, 90.0, WIDTH / 2, HEIGHT / 2),
        Camera(WIDTH, HEIGHT, 200.0, 200.0, WIDTH / 2, HEIGHT / 2),
        Camera(WIDTH, HEIGHT, 150.0, 155.0, 50.0, 47.0),
    ],
)
def test_points_lie_on_the_rays_of_the_known_camera(pipeline: Any, camera: Camera) -> None:
    intrinsics = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy")}
    points = PointmapFinder(torch, pipeline).find(IMAGE, intrinsics).numpy()
    known = np.isfinite(points).all(axis=2)
    assert known.mean() > 0.5
    v, u = np.nonzero(known)
    seen = camera.project(points[known].astype(np.float64) * [-1, -1, 1])
    np.testing.assert_allclose(seen, np.stack([u, v], axis=1) + 0.5, atol=0.01)
    asked = pipeline.asked[-1]
    assert np.tan(np.radians(asked["fov_x"]) / 2) == pytest.approx(WIDTH / 2 / camera.fx)


def test_moge_alone_finds_another_camera(pipeline: Any) -> None:
    """Why depth is unprojected: the network's own points have other rays, even for our field of view."""
    camera = Camera(WIDTH, HEIGHT, 90.0, 90.0, WIDTH / 2, HEIGHT / 2)
    pixels = torch.from_numpy(IMAGE.transpose(2, 0, 1).astype(np.float32) / 255)
    fov = float(np.degrees(2 * np.arctan(WIDTH / 2 / camera.fx)))
    points = pipeline.depth_model.model.infer(pixels, fov_x=fov, force_projection=False)["points"]
    own = fit_camera((points.numpy() * [-1, -1, 1]).astype(np.float32), WIDTH, HEIGHT)
    assert own is None or abs(own.fx / camera.fx - 1) > 0.05
