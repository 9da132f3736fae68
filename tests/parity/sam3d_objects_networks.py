"""STAND-INS for the networks of SAM 3D Objects, in upstream's own pipeline: they know what is in the picture.

A ball of a known size is seen at the middle of its mask. The first stage answers as the real one does, in the
frame of the point map that upstream has normalised, so that a wrong point map gives a wrong pose.
"""

from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
import trimesh

WIDTH, HEIGHT, FOCAL, DISTANCE = 320, 240, 400.0, 3.0
# MoGe's own focal length, 15% off
MOGE_FOCAL = 1.15 * FOCAL
BALL = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
POINTS = trimesh.creation.icosphere(subdivisions=5, radius=0.5).vertices
# the ball's width in metres
SIZE = 0.4
COLOR = (0.8, 0.3, 0.1)
TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


class MoGe:
    """A wall as MoGe sees it: under its own focal length, and farther away the longer the one it is given."""

    def __init__(self) -> None:
        self.far: float | None = None

    def to(self, _: Any) -> "MoGe":
        return self

    def eval(self) -> "MoGe":
        return self

    def infer(self, image: Any, fov_x: float | None = None, force_projection: bool = True) -> Any:
        _, height, width = image.shape
        focal = MOGE_FOCAL if fov_x is None else width / 2 / np.tan(np.radians(fov_x) / 2)
        u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        depth = np.full_like(u, DISTANCE * (1 if fov_x is None else focal / FOCAL))
        if self.far is not None:
            depth[: height // 4] = self.far
        rays = np.stack([u / MOGE_FOCAL, v / MOGE_FOCAL, np.ones_like(u)], axis=-1)
        points = torch.from_numpy((rays * depth[..., None]).astype(np.float32))
        return {"points": points, "depth": torch.from_numpy(depth.astype(np.float32))}


class FirstStage(torch.nn.Module):
    """`ss_generator`: the pose in the normalised point map; records how upstream has set it up."""

    def __init__(self, statistics: ModuleType) -> None:
        super().__init__()
        self._statistics = statistics
        self.no_shortcut, self.inference_steps = True, 25
        backbone = SimpleNamespace(latent_mapping={}, condition_embedder=SimpleNamespace())
        self.reverse_fn = SimpleNamespace(backbone=backbone)
        self.asked: list[dict[str, Any]] = []

    def forward(self, _shape: Any, _device: Any, seen: Any, points: Any, /, **given: Any) -> dict[str, Any]:
        self.asked.append(
            {
                "steps": self.inference_steps,
                "strength": self.reverse_fn.strength,
                "shortcut": not self.no_shortcut,
                "known": float(points.isfinite().float().mean()),
            }
        )
        rows, columns = torch.nonzero(seen[0, 0] > 0.5, as_tuple=True)
        middle = points[0, :, int(rows.float().mean().round()), int(columns.float().mean().round())]
        rotation = torch.tensor(TURN[:, :2].T.reshape(1, 1, 6), dtype=torch.float32)
        scale = np.log(SIZE / given["pointmap_scale"].numpy().reshape(-1)[:3])
        return {
            "shape": torch.zeros(1, 4096, 8),
            "6drotation_normalized": (rotation - self._statistics.ROTATION_6D_MEAN)
            / self._statistics.ROTATION_6D_STD,
            "translation": middle.reshape(1, 1, 3),
            "scale": torch.tensor(scale, dtype=torch.float32).reshape(1, 1, 3),
            "translation_scale": torch.zeros(1, 1, 1),
        }


class Voxels(torch.nn.Module):
    """`ss_decoder`: the voxels of the ball's surface; above 42,000 upstream halves the grid."""

    def forward(self, _: Any) -> Any:
        axis = (torch.arange(64) + 0.5) / 64 - 0.5
        x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
        return (0.02 - (0.48 - (x * x + y * y + z * z).sqrt()).abs())[None, None]


class SecondStage(torch.nn.Module):
    """`slat_generator`: a latent of zeros for every voxel."""

    def __init__(self) -> None:
        super().__init__()
        self.no_shortcut, self.inference_steps = True, 25
        self.reverse_fn = SimpleNamespace()
        self.asked: list[dict[str, Any]] = []

    def forward(self, shape: Any, _device: Any, *_: Any, **__: Any) -> Any:
        self.asked.append(
            {
                "steps": self.inference_steps,
                "strength": self.reverse_fn.strength,
                "shortcut": not self.no_shortcut,
            }
        )
        return torch.zeros(shape)


class MeshDecoder(torch.nn.Module):
    """`slat_decoder_mesh`: the ball in upstream's frame, z up."""

    fits = True

    def forward(self, _: Any) -> Any:
        if not self.fits:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (test)")
        vertices = torch.tensor(BALL.vertices, dtype=torch.float32)
        colors = torch.tensor(COLOR).expand(len(vertices), 3)
        return [SimpleNamespace(vertices=vertices, faces=torch.tensor(BALL.faces), vertex_attrs=colors)]


class SplatDecoder(torch.nn.Module):
    """`slat_decoder_gs`: Gaussians of upstream's own class on the ball."""

    def __init__(self, gaussian: Any) -> None:
        super().__init__()
        self._gaussian = gaussian

    def forward(self, _: Any) -> Any:
        built = self._gaussian(aabb=[-0.5, -0.5, -0.5, 1.0, 1.0, 1.0], scaling_bias=0.02, device="cpu")
        count = len(POINTS)
        built._xyz = torch.tensor(POINTS, dtype=torch.float32) + 0.5
        built._features_dc = ((torch.tensor(COLOR) - 0.5) / 0.28209479).expand(count, 1, 3)
        built._scaling, built._rotation = torch.zeros(count, 3), torch.zeros(count, 4)
        built._opacity = torch.full((count, 1), 6.0)
        return [built]


def build_pipeline(upstream: ModuleType) -> Any:
    """Upstream's pipeline with these networks; its constructor alone, which loads weights, is left out."""
    base = import_module("sam3d_objects.pipeline.inference_pipeline")
    statistics = import_module("sam3d_objects.pipeline.inference_utils")
    depth = import_module("sam3d_objects.pipeline.depth_models.moge")
    splats = import_module("sam3d_objects.model.backbone.tdfy_dit.representations")
    preprocessor = base.preprocess_utils.get_default_preprocessor()
    preprocessor.normalize_pointmap = True
    preprocessor.pointmap_transform = preprocessor.mask_transform
    built = upstream.InferencePipelinePointMap.__new__(upstream.InferencePipelinePointMap)
    built.__dict__.update(
        depth_model=depth.MoGe(MoGe(), device="cpu"),
        layout_post_optimization_method=None,
        layout_post_optimization_method_GS=None,
        clip_pointmap_beyond_scale=5.0,
        rendering_engine="pytorch3d",
        device=torch.device("cpu"),
        decode_formats=["gaussian", "mesh"],
        downsample_ss_dist=0,
        ss_condition_input_mapping=["rgb_image_mask", "rgb_pointmap"],
        slat_condition_input_mapping=["image"],
        ss_cfg_strength=7,
        ss_cfg_strength_pm=0.0,
        slat_cfg_strength=5,
        dtype=torch.bfloat16,
        shape_model_dtype=torch.bfloat16,
        pose_decoder=statistics.get_pose_decoder("ScaleShiftInvariant"),
        ss_preprocessor=preprocessor,
        slat_preprocessor=base.preprocess_utils.get_default_preprocessor(),
        condition_embedders={"ss_condition_embedder": None, "slat_condition_embedder": None},
        slat_mean=torch.zeros(8),
        slat_std=torch.ones(8),
        models=torch.nn.ModuleDict(
            {
                "ss_generator": FirstStage(statistics),
                "ss_decoder": Voxels(),
                "slat_generator": SecondStage(),
                "slat_decoder_mesh": MeshDecoder(),
                "slat_decoder_gs": SplatDecoder(splats.Gaussian),
            }
        ),
    )
    built.override_ss_generator_cfg_config(built.models["ss_generator"])
    built.override_slat_generator_cfg_config(built.models["slat_generator"])
    return built
