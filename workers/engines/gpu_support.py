"""Whether torch can compute on this machine's GPU, and why not; imported by children of engine hosts too."""

from typing import Any


class GpuUnusable(RuntimeError):
    """No kernel would run on the GPU; `code` is stable, the message says why and what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def check_gpu(torch: Any, device: str = "cuda") -> None:
    """Raise GpuUnusable (`no_gpu`, `gpu_unsupported`) unless torch can run kernels on that CUDA device.

    `torch` is the caller's own: a child's environment has another than the worker's.
    """
    if not torch.cuda.is_available():
        raise GpuUnusable("no_gpu", f"torch {torch.__version__} sees no GPU: {_explain(torch)}")
    index = int(device.partition(":")[2] or 0)
    count = torch.cuda.device_count()
    if index >= count:
        raise GpuUnusable("no_gpu", f"there is no {device}: torch sees {count} GPU{'s' * (count != 1)}")
    own = tuple(torch.cuda.get_device_capability(index))
    built = list(torch.cuda.get_arch_list())
    if built and not any(_runs(name, own) for name in built):
        raise GpuUnusable(
            "gpu_unsupported",
            f"{torch.cuda.get_device_name(index)} has compute capability {own[0]}.{own[1]}, and torch "
            f"{torch.__version__} has kernels for {', '.join(built)} alone: use another image or card",
        )


def _runs(name: str, own: tuple[int, int]) -> bool:
    """Whether code of an architecture (`sm_90`, `compute_90`) runs on a card of that compute capability.

    Machine code runs within its major version; intermediate code is compiled for every later card.
    """
    kind, _, number = name.partition("_")
    digits = "".join(filter(str.isdigit, number))
    if len(digits) < 2:
        return False
    built = int(digits[:-1]), int(digits[-1])
    # the suffix a is for that one card, f for its family
    if number.endswith("a"):
        return built == own
    return built <= own if kind == "compute" else built[0] == own[0] and built[1] <= own[1]


def _explain(torch: Any) -> str:
    """Why torch sees no GPU, in its own words where it has any."""
    if torch.version.cuda is None:
        return "it was built without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "the driver shows none to this process"
