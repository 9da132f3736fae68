"""The further images of a segment job: pairs of image and phrase, many in one pass of the engine."""

import weakref
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import SegmentJob
from pydantic import ValidationError

from tests.support.fake_gpu_engine import Embedded, FakeGpuEngine
from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment.job import run


class Engine(FakeGpuEngine):
    """Takes several images, and has room for `room` at a time."""

    info = replace(FakeGpuEngine.info, capabilities=("phrases", "image_batch"))

    def __init__(self, room: int = 100) -> None:
        super().__init__()
        self.on_batch = lambda operation, items: self._use(len(items), room)

    def _use(self, count: int, room: int) -> None:
        if count > room:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def address(number: int) -> dict[str, str]:
    return {"url": f"https://example.org/{number}"}


def load(ref: Any, **_: Any) -> LoadedImage:
    """Image n is n + 4 pixels wide, and its column n is bright."""
    number = int(str(ref.url).rsplit("/", 1)[1])
    pixels = np.zeros((4, number + 4, 3), np.uint8)
    pixels[:, number] = 200
    return LoadedImage(pixels, str(number), None)


def segment(engine: Any, count: int, **options: Any) -> tuple[Any, list[str]]:
    saved: list[str] = []
    context: Any = SimpleNamespace(
        engines=SimpleNamespace(concepts=lambda: engine),
        media=SimpleNamespace(load_image=load),
        record_engine=lambda _info: None,
        progress=lambda *_, **__: None,
        save=lambda name, *_: saved.append(name),
        build_manifest=lambda result, **_: result,
    )
    images = [{"image": address(number)} for number in range(1, count + 1)]
    fields = {"image": address(0), "text": ["cat"], "images": images} | options
    return run(context, SegmentJob.model_validate(fields)), saved


def test_every_image_is_answered_in_order_and_embedded_once() -> None:
    engine = Engine()
    result, saved = segment(engine, 11)
    assert [(item.index, item.width) for item in result.images] == [(n, n + 5) for n in range(11)]
    for item in result.images:
        [found] = item.instances
        assert (found.box.x0, found.area, found.label, found.prompt.index) == (item.index + 1, 4, "cat", 0)
    assert engine.batches == [
        ("embed", 1),
        ("ground", 1),
        ("embed", 8),
        ("ground", 8),
        ("embed", 3),
        ("ground", 3),
    ]
    assert saved[:2] == ["overlay.png", "image-000-overlay.png"] and len(saved) == 12


def test_an_image_has_its_own_phrases_or_the_job_s() -> None:
    own = {"image": address(1), "text": ["dog, bird"], "thresholds": [0.3, None]}
    result, saved = segment(Engine(), 0, images=[own, {"image": address(2)}], overlay=False, outputs=["png"])
    assert [[item.label for item in image.instances] for image in result.images] == [["dog", "bird"], ["cat"]]
    assert saved == [
        "mask-000.png",
        "image-000-mask-000.png",
        "image-000-mask-001.png",
        "image-001-mask-000.png",
    ]
    job = SegmentJob.model_validate({"image": address(0), "text": ["cat"], "threshold": 0.6, "images": [own]})
    assert job.phrases() == ["cat", "dog", "bird"]
    assert job.pair_phrases(job.images[0]) == (["dog", "bird"], [0.3, 0.6])


def test_what_does_not_fit_into_memory_is_done_in_smaller_passes() -> None:
    engine = Engine(room=3)
    result, _ = segment(engine, 5, overlay=False)
    assert [item.instances[0].box.x0 for item in result.images] == [1, 2, 3, 4, 5]
    assert [count for name, count in engine.batches if name == "embed"] == [1, 5, 2, 3]
    with pytest.raises(OutOfMemoryError):
        segment(Engine(room=0), 2)


class Held(Embedded):
    """An embedding whose end can be seen."""


class LateEngine(Engine):
    """Has room for embeddings of all images, and for the detector on one."""

    def __init__(self) -> None:
        super().__init__()
        self.on_batch = self._watch
        self._held: list[weakref.ref[Held]] = []

    def embed_batch(self, items: Any) -> Any:
        assert not [each for each in self._held if each() is not None]
        handles = [Held(item.image, item.key) for item in super().embed_batch(items)]
        self._held = [weakref.ref(handle) for handle in handles]
        return handles

    def _watch(self, operation: str, items: Any) -> None:
        self._use(len(items), 1 if operation == "ground" else 100)


def test_embeddings_of_a_pass_that_failed_are_freed_before_the_next() -> None:
    result, _ = segment(LateEngine(), 3, overlay=False)
    assert [item.instances[0].box.x0 for item in result.images] == [1, 2, 3]


@pytest.mark.parametrize(
    "fields",
    [
        {"text": [], "boxes": [{"x0": 0, "y0": 0, "x1": 1, "y1": 1}], "images": [{"image": address(1)}]},
        {"outputs": ["semantic"], "images": [{"image": address(1)}]},
        {"images": [{"image": address(1), "text": ["dog"], "thresholds": [0.1, 0.2]}]},
    ],
    ids=["no phrase", "semantic", "thresholds"],
)
def test_a_batch_that_asks_nothing_clear_is_invalid(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SegmentJob.model_validate({"image": address(0), "text": ["cat"]} | fields)
