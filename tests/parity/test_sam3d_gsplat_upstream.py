"""gsplat's own package where its kernels cannot be compiled: the adapter refuses it: make test-sam3."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="gsplat needs torch")

from workers.engines.rasterisers import choice  # noqa: E402
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser  # noqa: E402
from workers.engines.rasterisers.protocol import RasteriserBroken  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def with_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU as far as torch says; what is put on it stays in the machine's memory."""
    make, convert = torch.tensor, torch.as_tensor

    def stay(function: Any) -> Any:
        return lambda values, device=None, **more: function(values, **more)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "tensor", stay(make))
    monkeypatch.setattr(torch, "as_tensor", stay(convert))


@pytest.mark.usefixtures("with_a_card")
def test_the_wheel_without_nvcc_imports_and_is_refused_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    # gsplat looks for nvcc when it is imported
    monkeypatch.setenv("PATH", "")
    gsplat = pytest.importorskip("gsplat", reason="gsplat is not on the path: make test-sam3")
    assert callable(gsplat.rasterization)
    with pytest.raises(RasteriserBroken, match="nvcc"):
        GsplatRasteriser()
    monkeypatch.setattr(choice, "NumbaRasteriser", lambda: "numba")
    assert choice.choose_rasteriser() == "numba"
