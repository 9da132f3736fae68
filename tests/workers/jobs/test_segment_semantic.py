"""The output `semantic` of a segment job: one map per phrase, by engines that have it."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import SegmentJob
from PIL import Image
from pydantic import ValidationError

from workers.engines.protocols import EngineInfo
from workers.jobs.segment.job import run

MAPS = [np.linspace(0, 1, 80, dtype=np.float32).reshape(8, 10), np.zeros((8, 10), np.float32)]


class Engine:
    """Knows two maps and no instance."""

    def __init__(self, *capabilities: str) -> None:
        self.info = EngineInfo("fake", "concepts", "1", "cpu", "none", capabilities, ())

    def check(self, _phrases: Any) -> None:
        """Every phrase is known."""

    def embed(self, _image: Any, _key: str) -> None:
        return None

    def ground(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def map_semantics(self, _handle: Any, phrases: Any) -> list[Any]:
        return MAPS[: len(phrases)]


def segment(engine: Engine, **options: Any) -> tuple[Any, dict[str, bytes]]:
    saved: dict[str, bytes] = {}

    def save(name: str, _role: str, _media_type: str, data: bytes) -> Any:
        saved[name] = data
        return SimpleNamespace(name=name)

    image = SimpleNamespace(width=10, height=8, pixels=np.zeros((8, 10, 3), np.uint8), key="a")
    context: Any = SimpleNamespace(
        engines=SimpleNamespace(concepts=lambda: engine),
        media=SimpleNamespace(load_image=lambda *_, **__: image),
        record_engine=lambda _info: None,
        progress=lambda *_, **__: None,
        save=save,
        build_manifest=lambda result, **_: result,
    )
    fields = {"image": {"url": "https://example.org/i"}, "outputs": ["semantic"], "overlay": False} | options
    return run(context, SegmentJob(**fields)), saved


def test_there_is_a_map_for_each_phrase() -> None:
    result, saved = segment(Engine("semantic_map"), text=["cat", "dog"])
    assert result.semantic == ["semantic-000.png", "semantic-001.png"]
    for name, expected in zip(result.semantic, MAPS, strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(saved[name])))
        np.testing.assert_array_equal(pixels, np.round(255 * expected))


def test_a_map_needs_a_phrase() -> None:
    with pytest.raises(ValidationError, match="semantic"):
        segment(Engine("semantic_map"), points=[[{"x": 1, "y": 1}]])
