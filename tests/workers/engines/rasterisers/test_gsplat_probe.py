"""gsplat is used only after it has rendered: without nvcc its wheel imports and fails at a picture."""

import logging
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.splats import random_splat
from workers.engines.rasterisers import choice
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.protocol import RasteriserBroken, RasteriserMissing
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity


class FakeTensor:
    """As much of a tensor as the adapter touches."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, np.float32)
        self.grad: Any = None

    def __getitem__(self, index: Any) -> "FakeTensor":
        return FakeTensor(self.values[index])

    def __truediv__(self, other: "FakeTensor") -> "FakeTensor":
        return FakeTensor(self.values / other.values)

    def norm(self, dim: int, keepdim: bool) -> "FakeTensor":
        return FakeTensor(np.linalg.norm(self.values, axis=dim, keepdims=keepdim))

    def detach(self) -> "FakeTensor":
        return self

    cpu = detach

    def numpy(self) -> Any:
        return self.values


class FakeTorch(SimpleNamespace):
    """A torch that sees a GPU; `backward` gives every tensor a gradient."""

    def __init__(self) -> None:
        super().__init__(
            cuda=SimpleNamespace(is_available=lambda: True), float32="float32", Tensor=FakeTensor
        )
        self.made: list[FakeTensor] = []
        self.autograd = SimpleNamespace(backward=self._backward)

    def tensor(self, values: Any, **_: Any) -> FakeTensor:
        self.made.append(FakeTensor(values))
        return self.made[-1]

    as_tensor = tensor

    def _backward(self, _outputs: Any, _gradients: Any) -> None:
        for tensor in self.made:
            tensor.grad = FakeTensor(np.zeros_like(tensor.values))


def install(monkeypatch: pytest.MonkeyPatch, rasterization: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch", FakeTorch())
    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))


def without_kernels(*_: Any, **__: Any) -> Any:
    # gsplat's compiled part is None where there is no nvcc
    none: Any = None
    return none.projection_ewa_3dgs_fused_fwd()


def black(*_: Any, **__: Any) -> Any:
    return FakeTensor(np.zeros((1, 1, 1, 3))), FakeTensor(np.zeros((1, 1, 1, 1))), {}


def white(*_: Any, **__: Any) -> Any:
    return FakeTensor(np.full((1, 1, 1, 3), 0.9)), FakeTensor(np.full((1, 1, 1, 1), 0.9)), {}


@pytest.mark.parametrize("rasterization", [without_kernels, black])
def test_a_gsplat_that_cannot_render_is_missing_and_numba_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rasterization: Any
) -> None:
    install(monkeypatch, rasterization)
    with pytest.raises(RasteriserMissing, match="nvcc"):
        GsplatRasteriser()
    monkeypatch.setattr(choice, "NumbaRasteriser", lambda: SimpleNamespace(name="numba"))
    with caplog.at_level(logging.WARNING):
        assert choice.choose_rasteriser().name == "numba"
    assert "another rasteriser is used: gsplat is installed" in caplog.text


def test_a_gsplat_that_compiles_when_it_is_imported_and_cannot_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Versions after 1.5.3 do; without ninja or nvcc their import is no ImportError."""
    install(monkeypatch, white)
    monkeypatch.delitem(sys.modules, "gsplat")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "gsplat.py").write_text("raise RuntimeError('Ninja is required to load C++ extensions')")
    with pytest.raises(RasteriserBroken, match="Ninja"):
        GsplatRasteriser()
    monkeypatch.setattr(choice, "NumbaRasteriser", lambda: SimpleNamespace(name="numba"))
    assert choice.choose_rasteriser().name == "numba"
    # without a GPU it is not even imported: that may compile for minutes
    monkeypatch.setattr(sys.modules["torch"].cuda, "is_available", lambda: False)
    with pytest.raises(RasteriserMissing, match="no GPU"):
        GsplatRasteriser()


def test_gsplat_is_given_the_coefficients_of_all_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []

    def record(*tensors: Any, sh_degree: int | None = None, **_: Any) -> Any:
        asked.append((tensors[4].values.shape, sh_degree))
        return white()

    install(monkeypatch, record)
    torch: Any = sys.modules["torch"]
    monkeypatch.setattr(torch, "no_grad", nullcontext, raising=False)
    splat = replace(random_splat(5), harmonics=np.zeros((5, 8, 3), np.float32))
    view = PosedCamera(Camera(1, 1, 1.0, 1.0, 0.5, 0.5), Similarity())
    GsplatRasteriser().render(splat, view)
    assert asked == [((1, 3), None), ((5, 9, 3), 2)]


def test_a_gsplat_that_renders_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, white)
    assert choice.choose_rasteriser().name == "gsplat"
