"""Which cards a build of torch runs on, and what a worker says where it runs on none."""

from types import SimpleNamespace
from typing import Any

import pytest

from workers.engines.gpu_support import GpuUnusable, check_gpu
from workers.engines.host.child import ChildError
from workers.engines.host.upstream import require_gpu

# as torch 2.5.1 and 2.13 of PyPI list them
TORCH_25 = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]
TORCH_213 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


def fake_torch(
    capability: tuple[int, int], built: list[str], *, count: int = 1, available: bool = True
) -> Any:
    def init() -> None:
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040).\nPlease update"
        )

    cuda = SimpleNamespace(
        is_available=lambda: available,
        init=init,
        device_count=lambda: count,
        get_device_capability=lambda index: capability,
        get_device_name=lambda index: "a card",
        get_arch_list=lambda: built,
    )
    return SimpleNamespace(__version__="2.5.1", cuda=cuda, version=SimpleNamespace(cuda="12.4"))


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((8, 0), TORCH_25, True),
        ((8, 9), TORCH_25, True),
        ((9, 0), TORCH_25, True),
        ((10, 0), TORCH_25, False),
        ((12, 0), TORCH_25, False),
        ((12, 0), TORCH_213, True),
        ((10, 3), TORCH_213, True),
        ((7, 0), TORCH_213, False),
        ((12, 0), ["sm_90", "compute_90"], True),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_90a"], False),
    ],
)
def test_a_card_is_supported_when_some_kernel_runs_on_it(
    capability: tuple[int, int], built: list[str], runs: bool
) -> None:
    if runs:
        check_gpu(fake_torch(capability, built))
        return
    with pytest.raises(GpuUnusable, match="compute capability") as caught:
        check_gpu(fake_torch(capability, built))
    assert caught.value.code == "gpu_unsupported"
    with pytest.raises(ChildError) as refused:
        require_gpu(fake_torch(capability, built))
    assert refused.value.code == "gpu_unsupported"


def test_an_old_driver_is_named() -> None:
    with pytest.raises(GpuUnusable, match="driver on your system is too old") as caught:
        check_gpu(fake_torch((9, 0), TORCH_25, available=False))
    assert caught.value.code == "no_gpu" and "Please update" not in str(caught.value)


def test_the_card_that_is_named_has_to_be_there() -> None:
    check_gpu(fake_torch((9, 0), TORCH_25, count=2), "cuda:1")
    with pytest.raises(GpuUnusable, match="there is no cuda:2: torch sees 2 GPUs"):
        check_gpu(fake_torch((9, 0), TORCH_25, count=2), "cuda:2")
