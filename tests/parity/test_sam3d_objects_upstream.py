"""The splat as upstream's own class writes it, read by the adapter; needs upstream's code: make test-sam3."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="upstream needs torch")

from workers.engines.objects.sam3d import plyfile  # noqa: E402
from workers.engines.objects.sam3d.child import _to_ply_bytes  # noqa: E402
from workers.formats.splat_ply import read_splat_ply  # noqa: E402

GAUSSIANS = "sam3d_objects/model/backbone/tdfy_dit/representations/gaussian"
COUNT = 50


@pytest.fixture
def gaussian_class(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Upstream's `Gaussian`, from its own file: the package around it imports kernels for CUDA."""
    folder = next((Path(at) / GAUSSIANS for at in sys.path if (Path(at) / GAUSSIANS).is_dir()), None)
    if folder is None:
        pytest.skip("upstream's code is not on the path: make test-sam3")
    package = ModuleType("upstream_gaussian")
    package.__path__ = [str(folder)]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    # the adapter's child does the same where plyfile is not installed
    monkeypatch.setitem(sys.modules, "plyfile", plyfile)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda tensor: tensor)
    spec = importlib.util.find_spec("upstream_gaussian.gaussian_model")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Gaussian


@pytest.mark.parametrize("activation", ["exp", "softplus"])
def test_a_splat_comes_back_as_upstream_renders_it(gaussian_class: Any, activation: str) -> None:
    gaussian = gaussian_class(
        aabb=[-0.5, -0.5, -0.5, 1.0, 1.0, 1.0],
        mininum_kernel_size=9e-4,
        scaling_bias=4e-3,
        scaling_activation=activation,
        device="cpu",
    )
    draw = torch.Generator().manual_seed(3)
    gaussian._xyz = torch.rand(COUNT, 3, generator=draw)
    gaussian._features_dc = torch.randn(COUNT, 1, 3, generator=draw)
    gaussian._scaling = 0.3 * torch.randn(COUNT, 3, generator=draw)
    gaussian._rotation = torch.randn(COUNT, 4, generator=draw)
    gaussian._opacity = torch.randn(COUNT, 1, generator=draw)
    read = read_splat_ply(_to_ply_bytes(gaussian).tobytes())
    assert len(read) == COUNT
    np.testing.assert_allclose(read.means, gaussian.get_xyz, atol=1e-6)
    np.testing.assert_allclose(read.scales, gaussian.get_scaling, rtol=1e-5)
    np.testing.assert_allclose(read.opacities, gaussian.get_opacity[:, 0], atol=1e-6)
    # w first, as upstream's rotation of no turn is (1, 0, 0, 0)
    turns = gaussian.get_rotation.numpy()
    same = np.abs((read.rotations * turns).sum(axis=1))
    np.testing.assert_allclose(same, 1, atol=1e-5)
    # degree 0 of spherical harmonics
    shown = np.clip(0.5 + 0.28209479177387814 * gaussian._features_dc[:, 0].numpy(), 0, 1)
    np.testing.assert_allclose(read.colors, shown, atol=1e-5)


def read_upstream(name: str) -> ast.Module:
    """A file of upstream's pipeline, whose imports need a GPU."""
    found = (Path(at) / "sam3d_objects/pipeline" / name for at in sys.path)
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        pytest.skip("upstream's pipeline is not on the path")
    return ast.parse(path.read_text())


def find_function(tree: ast.Module, name: str) -> ast.FunctionDef:
    return next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)


def test_upstream_takes_the_controls_that_the_child_gives() -> None:
    run = find_function(read_upstream("inference_pipeline_pointmap.py"), "run")
    taken = {argument.arg for argument in run.args.args}
    assert {"stage1_only", "stage1_inference_steps", "stage2_inference_steps", "pointmap"} <= taken
    assert {"use_stage1_distillation", "use_stage2_distillation", "decode_formats"} <= taken
    assert find_function(read_upstream("inference_pipeline_pointmap.py"), "_down_sample_img")
    for name, guidance in (
        ("sample_sparse_structure", "ss_cfg_strength"),
        ("sample_slat", "slat_cfg_strength"),
    ):
        sampling = find_function(read_upstream("inference_pipeline.py"), name)
        # read at every run, so that the child may set it for one
        assert any(isinstance(node, ast.Attribute) and node.attr == guidance for node in ast.walk(sampling))
