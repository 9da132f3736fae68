"""Run lengths as a GPU computes them, here on a CPU: against pycocotools, which counts them on its own."""

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_tiny import IMAGE, tiny_engine
from workers.engines.concepts.sam3 import upsample
from workers.engines.concepts.sam3.run_lengths import read_masks
from workers.engines.protocols import SegmentedInstance
from workers.formats import rle
from workers.jobs.segment.instances import InstanceMask, PromptRef


def make_masks(size: tuple[int, int]) -> np.ndarray:
    """Noise of several densities, empty, full, single pixels at corners, stripes and a chess board."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices(size)
    corners = np.zeros((2, *size), np.bool_)
    corners[0, 0, 0] = corners[1, -1, -1] = True
    noise = [rng.random(size) < density for density in (0.02, 0.5, 0.98)]
    patterns = [rows % 2 == 0, columns % 2 == 0, (rows + columns) % 2 == 1]
    return np.stack([*noise, *patterns, *corners, np.zeros(size, np.bool_), np.ones(size, np.bool_)])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (7, 5), (31, 64), (65, 33), (240, 7)])
def test_they_are_those_of_pycocotools_in_order(size: tuple[int, int]) -> None:
    masks = make_masks(size)
    found = list(read_masks(torch.from_numpy(masks)))
    assert len(found) == len(masks)
    for mask, (decoded, runs) in zip(masks, found, strict=True):
        np.testing.assert_array_equal(decoded, mask)
        assert decoded.flags.c_contiguous and decoded.dtype == np.bool_
        expected = coco.encode(np.asfortranarray(mask.view(np.uint8)))
        encoded = rle.encode_runs(runs, size)
        assert encoded["counts"].encode() == expected["counts"] and encoded["size"] == expected["size"]
        read = coco.decode({"size": encoded["size"], "counts": encoded["counts"].encode()})
        np.testing.assert_array_equal(read, mask)


def test_no_mask_has_no_runs() -> None:
    logits = torch.zeros((0, 4, 4))
    assert list(upsample.upsample_with_runs(logits, (9, 9), 4, probabilities=True)) == []


def ground(monkeypatch: pytest.MonkeyPatch, *, on_gpu: bool) -> list[SegmentedInstance]:
    monkeypatch.setattr(upsample, "_is_on_gpu", lambda _logits: on_gpu)
    engine = tiny_engine(mask_chunk=3)
    return engine.ground(engine.embed(IMAGE, "a"), ["red disc", "green disc"])


def test_instances_of_the_gpus_path_are_those_of_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    # a window of a small mask may round otherwise than the complete image
    monkeypatch.setattr(upsample, "CROP_SHARE", 0.0)
    expected, found = ground(monkeypatch, on_gpu=False), ground(monkeypatch, on_gpu=True)
    assert len(found) == len(expected) > 4
    assert all(one.runs is None for one in expected) and all(one.runs is not None for one in found)
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        np.testing.assert_array_equal(other.mask, one.mask)
        assert (other.score, other.box, other.flags) == (one.score, one.box, one.flags)
        assert to_wire(other, index) == to_wire(one, index)


def test_masks_that_do_not_fit_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ground(monkeypatch, on_gpu=True)
    interpolate = upsample._interpolate

    def fail_for_several(field: Any, *arguments: Any) -> Any:
        if len(field) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory (test)")
        return interpolate(field, *arguments)

    monkeypatch.setattr(upsample, "_interpolate", fail_for_several)
    found = ground(monkeypatch, on_gpu=True)
    assert [one.mask.tolist() for one in found] == [one.mask.tolist() for one in expected]


def to_wire(item: SegmentedInstance, index: int) -> dict[str, Any]:
    instance = InstanceMask(
        mask=item.mask,
        box=item.box,
        score=item.score,
        label=item.label,
        prompt=PromptRef(kind="text", index=item.prompt),
        runs=item.runs,
    )
    return instance.to_wire(index).model_dump()
