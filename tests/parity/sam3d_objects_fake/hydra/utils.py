"""FAKE hydra.utils: makes the fake pipeline, whatever the configuration names."""

from typing import Any


def instantiate(settings: Any) -> Any:
    from sam3d_objects import FakePipeline

    assert settings.rendering_engine == "pytorch3d" and settings.compile_model is False
    return FakePipeline(vars(settings))
