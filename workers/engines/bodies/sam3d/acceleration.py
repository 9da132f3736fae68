"""How exactly and how fast the child computes; it imports this module, so it imports nothing of ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

# by our word for it: CUDA graphs stay out, as the number of people differs from image to image
MODES = {"default": "default", "max-autotune": "max-autotune-no-cudagraphs"}


@contextmanager
def building(config: Mapping[str, Any]) -> Iterator[None]:
    """Let upstream's loader build the network as the profile says.

    Upstream rounds the backbone's weights to the 16 bits of the checkpoint's configuration while it loads
    them; for `exact` they have to stay what they are.
    """
    if config.get("profile") != "exact":
        yield
        return
    module: Any = import_module("sam_3d_body.build_models")
    read = module.get_config

    def get_config(*args: Any, **kwargs: Any) -> Any:
        settings = read(*args, **kwargs)
        settings.defrost()
        settings.TRAIN.USE_FP16 = False
        settings.freeze()
        return settings

    module.get_config = get_config
    try:
        yield
    finally:
        module.get_config = read


def accelerate(torch: Any, model: Any, config: Mapping[str, Any]) -> None:
    """Allow TF32 and compile the backbone, where the config says so."""
    if config.get("tf32"):
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    elif config.get("profile") == "exact":
        # PyTorch allows it for convolutions by default
        torch.backends.cudnn.allow_tf32 = False
    if config.get("compile", "off") != "off":
        model.backbone.compile(mode=MODES[config["compile"]])
