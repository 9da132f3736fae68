"""FAKE sam3d_objects: one lopsided block at a known place, in upstream's frames and with its traps."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import trimesh
from scipy.spatial.transform import Rotation

# the block's corners in the splat's frame (z up), and where it stands in PyTorch3D's camera (x left, y up)
SIZE = np.array([1.0, 0.5, 0.25])
QUATERNION = np.array([0.9, 0.1, 0.3, -0.2])
TRANSLATION, SCALE = np.array([0.2, -0.1, 3.0]), 0.8
# that of the camera which took the picture, and the one that MoGe finds for it, 15% off
FOCAL, MOGE_FOCAL = 400.0, 460.0
DISTANCE = 3.0


def block() -> trimesh.Trimesh:
    built = trimesh.creation.box(SIZE).subdivide().subdivide().subdivide()
    built.vertices[built.vertices[:, 2] > 0.1] += [0.0, 0.1, 0.0]
    return built


class FakeGaussian:
    def __init__(self, wrong: dict[str, Any]) -> None:
        self.wrong = wrong

    def save_ply(self, path: str) -> None:
        points = trimesh.sample.sample_surface(block(), 4000, seed=1)[0]
        table = np.zeros((len(points), 17), np.float32)
        table[:, :3] = points
        table[:, 6:9] = (np.array([0.8, 0.3, 0.1]) - 0.5) / 0.28209479
        table[:, 9], table[:, 10:13] = 4.0, np.log([0.05, 0.01, 0.01])
        # upstream's quaternions are not of unit length, and some opacities are infinite
        table[:, 13:17] = 2.0 * np.array([np.cos(0.3), 0.0, 0.0, np.sin(0.3)])
        table[::100, 9] = np.inf
        if self.wrong.get("nan"):
            table[::2, 0] = np.nan
        names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
        head = "\n".join(f"property float {name}" for name in names.split())
        header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{head}\nend_header\n"
        Path(path).write_bytes(header.encode() + table.tobytes())


class FakeMoGe:
    """A wall, whose depth depends on the field of view as MoGe's does."""

    device = "cuda"

    def __init__(self) -> None:
        self.model = self

    def infer(self, image: Any, fov_x: float, force_projection: bool) -> dict[str, Any]:
        channels, height, width = image.shape
        assert channels == 3 and image.array.max() <= 1 and force_projection is False
        focal = width / 2 / np.tan(np.radians(fov_x) / 2)
        return {"depth": torch.Tensor(np.full((height, width), DISTANCE * focal / FOCAL, np.float32))}


class FakePipeline:
    layout_post_optimization_method = None
    clip_pointmap_beyond_scale: float | None = 5.0
    dtype = "bfloat16"
    ss_cfg_strength, slat_cfg_strength = 7, 5

    def __init__(self, config: dict[str, Any]) -> None:
        # upstream wishes for it on some cards just before it imports the modules that read the wish
        os.environ["ATTN_BACKEND"] = os.environ["SPARSE_ATTN_BACKEND"] = "flash_attn"
        from sam3d_objects.model.backbone.tdfy_dit.modules import attention, sparse

        self.attention = [attention.BACKEND, sparse.ATTN]
        self.wrong = config.get("wrong", {})
        self.note = config.get("note")
        self.downsample_ss_dist = 0
        self.ss_preprocessor = "ss"
        self.calls: list[dict[str, Any]] = []
        self.pointmaps = 0
        self.depth_model = FakeMoGe()
        if self.wrong.get("optimises"):
            self.layout_post_optimization_method = self._optimise

    def compute_pointmap(self, image: np.ndarray, pointmap: Any = None) -> dict[str, Any]:
        assert image.shape[2] == 4 and image.dtype == np.uint8
        self.pointmaps += 1
        if pointmap is not None:
            return {
                "pointmap": torch.Tensor(np.asarray(pointmap).transpose(2, 0, 1)),
                "intrinsics": np.eye(3),
            }
        assert self.clip_pointmap_beyond_scale is None, "it would clip by the median of the whole picture"
        height, width = image.shape[:2]
        u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        z = np.full_like(u, DISTANCE)
        points = np.stack([-u / MOGE_FOCAL * z, -v / MOGE_FOCAL * z, z]).astype(np.float32)
        return {"pointmap": torch.Tensor(points), "intrinsics": np.eye(3)}

    def preprocess_image(self, image: np.ndarray, preprocessor: Any, pointmap: Any = None) -> dict[str, Any]:
        assert preprocessor == self.ss_preprocessor
        return {"rgb_image_mask": image[..., 3]}

    def run_post_optimization(self, mesh: Any, intrinsics: Any, pose: Any, shown: Any) -> dict[str, Any]:
        if self.wrong["optimises"] == "fails":
            # upstream fails in many ways here
            raise ZeroDivisionError("no surface was hit")
        off = 0.0 if self.wrong["optimises"] == "well" else 0.4
        return {
            "rotation": torch.Tensor(QUATERNION[None]),
            "translation": torch.Tensor((TRANSLATION + np.array([off, 0, 0]))[None]),
            "scale": torch.Tensor(np.full((1, 3), SCALE)),
        }

    def _optimise(self) -> None:
        """Only that there is one matters."""

    @staticmethod
    def _down_sample_img(image: Any) -> Any:
        """Upstream halves an image from 1200 pixels on; these are smaller."""
        assert len(np.asarray(image)) == 3
        return image

    def run(self, image: np.ndarray, mask: Any, seed: int, pointmap: Any = None, **options: Any) -> Any:
        alpha = set(np.unique(image[..., 3]).tolist())
        assert mask is None and alpha <= {0, 255} and 255 in alpha
        points = np.asarray(pointmap)
        if options.pop("estimate_plane", False):
            return {"glb": _fit_quad(points[image[..., 3] > 0], image[..., 3] > 0)}
        assert self.clip_pointmap_beyond_scale == 5.0
        place = _place_among(points)
        self.calls.append(
            {
                "seed": seed,
                "attention": self.attention,
                "pointmaps": self.pointmaps,
                "infinite": int(np.isinf(points).sum()),
                "depth": float(np.nanmedian(points[..., 2])),
                "left": float(np.nanmean(points[:, 0, 0])),
                "voxels": self.downsample_ss_dist,
                "guidance": [self.ss_cfg_strength, self.slat_cfg_strength],
                **{key: value for key, value in options.items() if key != "pointmap"},
            }
        )
        if self.note:
            Path(self.note).write_text(json.dumps(self.calls))
        if self.wrong.get("crash"):
            os._exit(139)
        needed = {"whole": 1, "splat_only": 2, "fewer_voxels": 3, "never": 4}[self.wrong.get("fits", "whole")]
        if len(self.calls) < needed:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (fake)")
        whole = options["decode_formats"] is None
        torch.memory.compute(9 if whole else 4)
        solid = block()
        flipped = solid.vertices[:, [0, 2, 1]] * [1, 1, -1]
        glb = trimesh.Trimesh(
            flipped, solid.faces, vertex_colors=np.tile([204, 77, 26, 255], (len(flipped), 1)), process=False
        )
        shift = np.array([0.4, 0, 0]) if self.wrong.get("optimises") == "well" else np.zeros(3)
        scale = np.array([SCALE, SCALE, 2 * SCALE]) if self.wrong.get("uneven") else np.full(3, SCALE)
        if options["stage1_only"]:
            return {
                "rotation": torch.Tensor(QUATERNION[None].astype(np.float32)),
                "translation": torch.Tensor(place[None].astype(np.float32)),
                "scale": torch.Tensor(scale[None].astype(np.float32)),
                "coords": torch.Tensor(_list_voxels()),
                "pointmap": torch.Tensor(points),
            }
        return {
            "rotation": torch.Tensor(QUATERNION[None].astype(np.float32)),
            "translation": torch.Tensor((place + shift)[None].astype(np.float32)),
            "scale": torch.Tensor(scale[None].astype(np.float32)),
            "coords": torch.Tensor(np.zeros((240, 4), np.int32)),
            "gs": FakeGaussian(self.wrong),
            "glb": glb if whole else None,
            "gaussian": [SimpleNamespace()],
            "pointmap": torch.Tensor(points),
        }


def _fit_quad(points: np.ndarray, floor: np.ndarray) -> trimesh.Trimesh | None:
    """A quad along the floor, at the middle of the points' bounding box and turned as upstream turns it."""
    rows, columns = np.nonzero(floor)
    assert not np.isinf(points).any()
    points = points[np.linalg.norm(points, axis=1) > 1e-6].astype(np.float64)
    if (np.ptp(rows) + 1) * (np.ptp(columns) + 1) <= 0.25 * floor.size or len(points) < 100:
        return None
    for _ in range(10):
        axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
        away = np.abs((points - np.median(points, axis=0)) @ axes[2])
        points = points[away <= max(0.02, 3 * np.median(away))]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    corners = np.array([middle + a * axes[0] + b * axes[1] for a in (-1, 1) for b in (-1, 1)])
    turned = np.stack([corners[:, 0], corners[:, 2], -corners[:, 1]], axis=1)
    return trimesh.Trimesh(turned, [[0, 1, 3], [0, 3, 2]], process=False)


def _list_voxels() -> np.ndarray:
    """The block's voxels as upstream's first stage has them: batch, x, y, z in a grid of 64 over the cube."""
    points = trimesh.sample.sample_surface(block(), 40_000, seed=1)[0]
    voxels = np.unique(np.floor((np.clip(points, -0.4999, 0.4999) + 0.5) * 64).astype(np.int32), axis=0)
    return np.hstack([np.zeros((len(voxels), 1), np.int32), voxels])


def _place_among(points: np.ndarray) -> np.ndarray:
    """The block's translation among points: upstream places what it sees at a pixel on that pixel's ray."""
    height, width = points.shape[:2]
    u, v = FOCAL * -TRANSLATION[:2] / TRANSLATION[2] + [width / 2, height / 2]
    seen = points[int(v), int(u)].astype(np.float64)
    # on that ray, not at the pixel's centre
    seen[:2] += (
        (np.array([int(u), int(v)]) + 0.5 - [u, v]) / (points.shape[1] - 1) * np.ptp(points[int(v), :, 0])
    )
    return seen if np.isfinite(seen).all() else TRANSLATION


def truth() -> tuple[np.ndarray, np.ndarray]:
    """The block's vertices (V, 3) in OpenCV's camera, by upstream's own convention, and its faces."""
    solid = block()
    turn = Rotation.from_quat([*QUATERNION[1:], QUATERNION[0]]).as_matrix()
    placed = SCALE * (solid.vertices @ turn) + TRANSLATION
    return placed * [-1, -1, 1], solid.faces
