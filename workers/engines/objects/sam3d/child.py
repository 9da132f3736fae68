"""The child process: upstream's pipeline in its own environment. Only this file imports it.

Upstream (facebookresearch/sam-3d-objects, SAM License) is not part of this product: its checkout lies on the
child's PYTHONPATH. Its configuration names code to run, so only names of packages that it needs are
allowed. A mask must be bool: 0 and 255 overflow inside upstream, and soft masks under 1 vanish.
"""

import contextlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.host.arrays import Arrays
from workers.engines.host.child import Answer, ChildError, is_fatal, serve
from workers.engines.host.upstream import report_missing_checkpoint, report_missing_package, require_gpu
from workers.engines.objects.sam3d import plyfile
from workers.engines.objects.sam3d.ground import fit_ground
from workers.engines.objects.sam3d.pointmaps import PointmapFinder

ALLOWED = frozenset({"sam3d_objects", "torch", "torchvision", "moge"})
# What the distilled generators were trained for (upstream).
FAST_STEPS = 4
Tensors = dict[str, NDArray[Any]]


class Pipeline:
    """A loaded pipeline that answers one object at a time; the image's points are computed once."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Load the pipeline of the config; raises ChildError with a code for what is missing."""
        with report_missing_package():
            import torch
            from hydra.utils import instantiate
            from omegaconf import OmegaConf
        require_gpu(torch)
        with report_missing_checkpoint():
            settings = OmegaConf.load(config["config"])
        settings.rendering_engine = "pytorch3d"
        # upstream crashes when it is compiled
        settings.compile_model = False
        settings.workspace_dir = str(Path(config["config"]).parent)
        _check_targets(OmegaConf, Path(config["config"]), settings)
        _choose_attention()
        # before upstream is imported, which imports the package at once
        if importlib.util.find_spec("plyfile") is None:
            sys.modules["plyfile"] = plyfile
        with report_missing_checkpoint((FileNotFoundError, ImportError)):
            self._pipeline = instantiate(settings)
        self._torch = torch
        self._profile = str(config["profile"])
        self._pointmaps = PointmapFinder(torch, self._pipeline)
        self.ready: Answer = ({"device": str(torch.cuda.get_device_name(0))}, {})

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """`image` (H, W, 3) uint8, `mask` (H, W) bool, `seed`, optional `pointmap` (H, W, 3) float32.

        Without points, an optional `camera` (`fx`, `fy`, `cx`, `cy` in pixels) is what they are found under.
        `controls` are the fields of `GenerationControls`. Returns the splat as PLY bytes, the mesh, the pose
        and, where it was optimised, that pose too; of a coarse shape the voxels (N, 3) and the pose.

        With `task` "ground", `mask` is that of the floor, and the answer its `plane` (4,), normal and offset
        in PyTorch3D's camera, and `inlier_share`; neither where upstream finds no plane.
        """
        image, mask = arrays["image"], arrays["mask"]
        rgba = np.concatenate([image, mask[..., None].astype(np.uint8) * 255], axis=-1)
        given = arrays.get("pointmap")
        if given is None:
            pointmap = self._pointmaps.find(image, fields.get("camera"))
        else:
            pointmap = self._torch.from_numpy(given.copy())
        if fields["task"] == "ground":
            found = fit_ground(self._pipeline, rgba, pointmap, int(fields["seed"]))
            return ({}, {}) if found is None else ({"inlier_share": found[1]}, {"plane": found[0]})
        controls = fields["controls"]
        out, step = self._run(rgba, int(fields["seed"]), pointmap, controls)
        reply: Tensors = {
            "rotation": _to_numbers(out["rotation"], 4),
            "translation": _to_numbers(out["translation"], 3),
            "scale": _to_numbers(out["scale"], 3),
            "pointmap": np.asarray(out["pointmap"].cpu(), dtype=np.float32),
        }
        if controls["pointmap"]:
            # before `run` clipped them by the object's distance, in the size that upstream shows points in
            points = type(self._pipeline)._down_sample_img(pointmap.permute(2, 0, 1))
            reply["view_points"] = np.asarray(points.permute(1, 2, 0).cpu(), dtype=np.float32)
        if controls["coarse"]:
            reply["voxels"] = np.asarray(out["coords"].cpu(), dtype=np.int32)[:, 1:].copy()
        else:
            reply["splat"] = _to_ply_bytes(out["gs"])
        if out.get("glb") is not None:
            reply |= _to_arrays(out["glb"])
        if self._profile == "best" and "vertices" in reply:
            reply |= self._optimise_pose(rgba, pointmap, out)
        return {"memory": step, "voxels": int(out["coords"].shape[0])}, reply

    def _run(
        self, rgba: NDArray[np.uint8], seed: int, pointmap: Any, controls: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """Upstream's run and the step that fitted into memory: all, the splat alone, or fewer voxels."""
        # the distilled generators run without guidance: who sets it gets the full ones
        guided = controls["shape_guidance"], controls["detail_guidance"]
        fast = self._profile == "fast"
        distilled = [fast and strength is None for strength in guided]
        steps = [
            controls[f"{stage}_steps"] or (FAST_STEPS if short else None)
            for stage, short in zip(("shape", "detail"), distilled, strict=True)
        ]
        options: dict[str, Any] = {
            "seed": seed,
            "with_mesh_postprocess": False,
            "with_texture_baking": False,
            "with_layout_postprocess": False,
            "use_vertex_color": True,
            "stage1_only": controls["coarse"],
            "use_stage1_distillation": distilled[0],
            "use_stage2_distillation": distilled[1],
            "stage1_inference_steps": steps[0],
            "stage2_inference_steps": steps[1],
            "pointmap": pointmap,
        }
        distance = self._pipeline.downsample_ss_dist
        with _guide(self._pipeline, *guided):
            return self._run_in_memory(rgba, options, distance)

    def _run_in_memory(
        self, rgba: NDArray[np.uint8], options: Mapping[str, Any], distance: int
    ) -> tuple[dict[str, Any], str]:
        try:
            for step, formats in (
                ("whole", None),
                ("splat_only", ["gaussian"]),
                ("fewer_voxels", ["gaussian"]),
            ):
                if step == "fewer_voxels":
                    self._pipeline.downsample_ss_dist = distance + 1
                try:
                    return self._pipeline.run(rgba, None, decode_formats=formats, **options), step
                except self._torch.cuda.OutOfMemoryError:
                    self._torch.cuda.empty_cache()
        finally:
            self._pipeline.downsample_ss_dist = distance
        raise ChildError("out_of_memory", "the object does not fit into the GPU's memory", fatal=True)

    def _optimise_pose(self, rgba: NDArray[np.uint8], pointmap: Any, out: Mapping[str, Any]) -> Tensors:
        """The pose after upstream's layout optimisation, which swallows its errors when `run` calls it."""
        pipeline = self._pipeline
        if pipeline.layout_post_optimization_method is None:
            return {}
        points = pipeline.compute_pointmap(rgba, pointmap)
        inputs = pipeline.preprocess_image(rgba, pipeline.ss_preprocessor, pointmap=points["pointmap"])
        try:
            pose = pipeline.run_post_optimization(out["glb"].copy(), points["intrinsics"], out, inputs)
        # whatever fails there, the object has its pose; but a GPU that no longer answers must not stay in use
        except Exception as error:
            if isinstance(error, self._torch.cuda.OutOfMemoryError):
                self._torch.cuda.empty_cache()
            elif is_fatal(error):
                raise
            return {}
        return {
            "optimised_rotation": _to_numbers(pose["rotation"], 4),
            "optimised_translation": _to_numbers(pose["translation"], 3),
            "optimised_scale": _to_numbers(pose["scale"], 3),
        }


@contextlib.contextmanager
def _guide(pipeline: Any, shape: float | None, detail: float | None) -> Iterator[None]:
    """Upstream reads the guidance of both stages from its pipeline at every run; None keeps its value."""
    before = {name: getattr(pipeline, name) for name in ("ss_cfg_strength", "slat_cfg_strength")}
    try:
        for name, strength in zip(before, (shape, detail), strict=True):
            if strength is not None:
                setattr(pipeline, name, strength)
        yield
    finally:
        for name, strength in before.items():
            setattr(pipeline, name, strength)


def _choose_attention() -> None:
    """Upstream selects FlashAttention on A100, H100 and H200, whether it is installed or not.

    Its modules read the selection once, when they are imported; imported before it is made, they use torch's
    attention.
    """
    if importlib.util.find_spec("flash_attn") is None:
        for name in ("attention", "sparse"):
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(f"sam3d_objects.model.backbone.tdfy_dit.modules.{name}")


def _check_targets(omegaconf: Any, path: Path, settings: Any) -> None:
    """Raise ChildError `config_unsafe` for code outside `ALLOWED` in a configuration or one that it names."""
    content = omegaconf.to_container(settings)
    for target in _list_targets(content):
        if target.split(".", 1)[0] not in ALLOWED:
            raise ChildError("config_unsafe", f"{path.name} would run {target}")
    for name in _list_configs(content):
        inner = path.parent / name
        if inner.is_file():
            _check_targets(omegaconf, inner, omegaconf.load(str(inner)))


def _list_configs(node: Any) -> Iterator[str]:
    """Every file name of a configuration that upstream loads beside the outer one, and instantiates."""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _list_configs(value)
    elif isinstance(node, str) and node.endswith((".yaml", ".yml")):
        yield node


def _list_targets(node: Any) -> Iterator[str]:
    """Every name of code in a configuration."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield str(value)
            yield from _list_targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _list_targets(value)


def _to_ply_bytes(gaussian: Any) -> NDArray[np.uint8]:
    """The splat as PLY; upstream writes files only."""
    with tempfile.TemporaryDirectory(prefix="maquette-sam3d-") as folder:
        path = Path(folder) / "splat.ply"
        gaussian.save_ply(str(path))
        return np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()


def _to_arrays(mesh: Any) -> Tensors:
    out: Tensors = {
        "vertices": np.asarray(mesh.vertices, dtype=np.float64),
        "faces": np.asarray(mesh.faces, dtype=np.int64),
    }
    colors = getattr(mesh.visual, "vertex_colors", None)
    if colors is not None and len(colors) == len(out["vertices"]):
        out["colors"] = np.asarray(colors, dtype=np.uint8)[:, :3].copy()
    return out


def _to_numbers(tensor: Any, count: int) -> NDArray[np.float64]:
    values = np.asarray(tensor.detach().cpu(), dtype=np.float64).reshape(-1)
    if len(values) != count:
        raise ChildError("contract", f"upstream gave {len(values)} numbers where {count} were recorded")
    return values


if __name__ == "__main__":
    serve(Pipeline)
