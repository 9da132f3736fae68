"""Imports upstream's pipeline of SAM 3D Objects on a CPU: what it needs for CUDA or training is stubbed."""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import torch

from workers.engines.objects.sam3d import plyfile

PIPELINE = "sam3d_objects.pipeline.inference_pipeline_pointmap"
# compiled for CUDA, or named by modules of upstream that inference imports and never calls
STUBBED = frozenset(
    {
        "diff_gaussian_rasterization",
        "gsplat",
        "hydra",
        "igraph",
        "kaolin",
        "lightning",
        "matplotlib",
        "moge",
        "nvdiffrast",
        "open3d",
        "pymeshfix",
        "pyvista",
        "utils3d",
        "xatlas",
    }
)


class Stub(ModuleType):
    """A package whose every attribute is an empty class."""

    __path__: Sequence[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class SparseConvTensor:
    """As much of spconv's sparse tensor as upstream's wrapper reads."""

    grid = voxel_num = indice_dict = benchmark = benchmark_record = None
    thrust_allocator = _timer = force_algo = int8_scale = None

    def __init__(self, features: Any, indices: Any, spatial_shape: Any, batch_size: int, *_: Any) -> None:
        self._features, self.indices = features, indices
        self.spatial_shape, self.batch_size = spatial_shape, batch_size

    @property
    def features(self) -> Any:
        return self._features


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stub for what is not installed; asked last, so that what is installed is upstream's own."""

    def find_spec(self, name: str, *_: Any) -> Any:
        if name.split(".")[0] in STUBBED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        return Stub(spec.name)

    def exec_module(self, _: ModuleType) -> None:
        """There is nothing to run."""


@contextmanager
def upstream_on_cpu() -> Iterator[ModuleType]:
    """Upstream's module of its pipeline; skips where its code is not on the path."""
    pytest.importorskip("pytorch3d", reason="upstream's code is not on the path: make test-sam3")
    spconv, parts = Stub("spconv"), Stub("spconv.pytorch")
    parts.__dict__["SparseConvTensor"] = SparseConvTensor
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
        # the adapter's child does the same where plyfile is not installed
        patch.setitem(sys.modules, "plyfile", plyfile)
        patch.setitem(sys.modules, "pytorch3d._C", Stub("pytorch3d._C"))
        patch.setitem(sys.modules, "spconv", spconv)
        patch.setitem(sys.modules, "spconv.pytorch", parts)
        patch.setattr(torch.cuda, "get_device_name", lambda *_: "no GPU")
        patch.setattr(torch.Tensor, "cuda", lambda tensor, *_, **__: tensor)
        patch.setenv("LIDRA_SKIP_INIT", "true")
        try:
            module = _import_with_a_gpu()
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("sam3d_objects"):
                pytest.skip("upstream's pipeline is not on the path: make test-sam3")
            raise
        # by MoGe's code, for the layout alone
        patch.setattr(module, "infer_intrinsics_from_pointmap", lambda *_, **__: {"intrinsics": torch.eye(3)})
        yield module


def _import_with_a_gpu() -> ModuleType:
    """Upstream asks for the card's name while it is imported, and only then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        return importlib.import_module(PIPELINE)
