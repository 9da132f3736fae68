"""Our kernels, ROI pooling and post-processing against independent references; no weights at all."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from scipy import ndimage
from transformers.models.sam3_video import modeling_sam3_video

from tests.parity.stock import stock_functions
from workers.engines.concepts.sam3 import kernels
from workers.engines.concepts.sam3.errors import KernelMissing
from workers.engines.concepts.sam3.kernels import CvUtils
from workers.engines.concepts.sam3.postprocess import RawDetections, compute_scores, select_detections
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.settings import PostprocessConfig
from workers.engines.concepts.sam3.transformers_backend.roi_align import roi_align
from workers.engines.concepts.sam3.upsample import upsample_masks


def slow_nms(ious: Any, scores: Any, threshold: float) -> list[int]:
    """By the definition: the best of what is left stays, and takes its look-alikes out."""
    left, kept = list(range(len(scores))), []
    while left:
        best = max(left, key=lambda index: (scores[index], -index))
        kept.append(best)
        left = [index for index in left if index != best and ious[best, index] <= threshold]
    return kept


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9])
def test_nms_agrees_with_its_definition(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    masks = torch.from_numpy(rng.random((25, 12, 12)) < rng.uniform(0.2, 0.9, (25, 1, 1)))
    ious = kernels.mask_iou(masks, masks)
    # few levels, so that equal scores occur
    scores = torch.from_numpy(rng.integers(0, 8, 25) / 8.0)
    kept = CvUtils.generic_nms(ious, scores, threshold, use_iou_matrix=True)
    assert kept.dtype == torch.int64
    assert kept.tolist() == slow_nms(ious.numpy(), scores.numpy(), threshold)


@pytest.mark.parametrize("seed", range(3))
def test_mask_iou_is_bit_equal_to_the_stock_function(seed: int) -> None:
    path = "sam3_video/modeling_sam3_video"
    stock: Any = stock_functions(path, "mask_iou").mask_iou
    rng = np.random.default_rng(seed)
    left, right = (
        torch.from_numpy(rng.random((count, 288, 288)) < rng.uniform(0, 1, (count, 1, 1))) for count in (7, 5)
    )
    left[0], right[0], right[1] = False, False, True
    assert torch.equal(kernels.mask_iou(left, right), stock(left, right))
    assert kernels.mask_iou(left[:0], right).shape == (0, 5)


def test_nms_of_nothing_is_nothing() -> None:
    assert CvUtils.generic_nms(torch.zeros(0, 0), torch.zeros(0), 0.5).tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_components_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = (rng.random((5, 1, 34, 47)) < 0.45).astype(np.uint8)
    masks[0], masks[1] = 0, 1
    labels, areas = CvUtils.cc_2d(torch.from_numpy(masks), get_counts=True)
    assert labels.dtype == areas.dtype == torch.int32
    for mask, label, area in zip(masks[:, 0], labels[:, 0].numpy(), areas[:, 0].numpy(), strict=True):
        expected, count = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(expected.ravel(), minlength=count + 1)
        sizes[0] = 0
        assert np.array_equal(area, sizes[expected])
        # the same partition, whatever the numbers
        pairs = {(int(a), int(b)) for a, b in zip(label.ravel(), expected.ravel(), strict=True)}
        assert (
            len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == count + 1 - mask.all()
        )


def test_start_up_fails_without_a_kernel_that_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeling_sam3_video, "cv_utils_kernel", False)
    with pytest.raises(KernelMissing, match="not ours"):
        kernels.check()

    class Broken(CvUtils):
        @staticmethod
        def cc_2d(masks: Any, get_counts: bool = True) -> Any:
            raise RuntimeError("transformers swallows this")

    monkeypatch.setattr(modeling_sam3_video, "cv_utils_kernel", Broken())
    with pytest.raises(KernelMissing, match="does not use"):
        kernels.check()
    kernels.install()
    kernels.check()


@pytest.mark.parametrize("sides", [(9, 13), (8, 12)])
def test_holes_and_sprinkles_go_and_shapes_stay(sides: tuple[int, int]) -> None:
    kernels.install()
    mask = np.full(sides, -1.0, np.float32)
    mask[1:7, 1:8] = 1.0
    mask[3, 3] = -1.0
    # one cell too many
    mask[5, 2:7] = -1.0
    mask[0, 11] = 1.0
    tidy = kernels.remove_small_areas(torch.from_numpy(mask)[None], 4)[0].numpy() > 0
    expected = mask > 0
    expected[3, 3], expected[0, 11] = True, False
    assert np.array_equal(tidy, expected)
    untouched = torch.from_numpy(mask)[None]
    assert kernels.remove_small_areas(untouched, 0) is untouched


def slow_roi(plane: Any, box: list[float], size: int) -> Any:
    """One box, sample by sample, as the paper says it and with torchvision's defaults."""
    width, height = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
    across, down = int(np.ceil(width / size)), int(np.ceil(height / size))
    rows, columns = plane.shape[1:]
    out = np.zeros((plane.shape[0], size, size))
    for i in range(size):
        for j in range(size):
            total = np.zeros(plane.shape[0])
            for a in range(down):
                for b in range(across):
                    y = box[1] + (i + (a + 0.5) / down) * height / size
                    x = box[0] + (j + (b + 0.5) / across) * width / size
                    if y < -1 or y > rows or x < -1 or x > columns:
                        continue
                    y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
                    y0, x0 = int(y), int(x)
                    y1, x1 = min(y0 + 1, rows - 1), min(x0 + 1, columns - 1)
                    fy, fx = y - y0, x - x0
                    total += (1 - fy) * ((1 - fx) * plane[:, y0, x0] + fx * plane[:, y0, x1])
                    total += fy * ((1 - fx) * plane[:, y1, x0] + fx * plane[:, y1, x1])
            out[:, i, j] = total / (down * across)
    return out


def test_roi_pooling_agrees_with_its_definition() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((2, 3, 11, 17))
    boxes = np.array(
        [[[1.2, 2.1, 9.7, 8.3], [-3.0, -2.0, 4.0, 30.0], [5, 5, 5.2, 5.1]], [[0, 0, 17, 11]] * 3], np.float64
    )
    pooled = roi_align(torch.from_numpy(features), torch.from_numpy(boxes).unbind(0), 7)
    assert pooled.shape == (6, 3, 7, 7)
    for index, one in enumerate(pooled.numpy()):
        image, box = divmod(index, 3)
        exact = boxes[image, box].astype(np.float32).astype(np.float64)
        assert np.allclose(one, slow_roi(features[image], list(exact), 7), atol=1e-6)


def raw_outputs(seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)

    class Outputs:
        pred_logits = torch.randn(2, 12, generator=generator) * 2
        presence_logits = torch.randn(2, 1, generator=generator) + 2
        pred_masks = torch.nn.functional.interpolate(
            torch.randn(2, 12, 5, 6, generator=generator), size=(24, 30), mode="bilinear"
        )
        pred_boxes = torch.rand(2, 12, 4, generator=generator)

    return Outputs()


def select(
    scores: Any, masks: Any, threshold: float, nms_iou: float | None, fill_area: int = 0
) -> tuple[list[float], Any]:
    config = PostprocessConfig(threshold=threshold, nms_iou=nms_iou, fill_area=fill_area, mask_chunk=8)
    return select_detections(RawDetections(scores, masks), config)


@pytest.mark.parametrize("chunk", [1, 3, 50])
def test_filter_then_upsample_gives_the_masks_of_the_stock_processor(chunk: int) -> None:
    out = raw_outputs(3)
    processor = stock_functions(
        "sam3/image_processing_sam3", "post_process_instance_segmentation", "_scale_boxes"
    )
    processor.post_process_instance_segmentation.__func__.__globals__["_scale_boxes"] = processor._scale_boxes
    size = (77, 131)
    expected = processor.post_process_instance_segmentation(out, threshold=0.5, target_sizes=[size, size])
    scores = compute_scores(out.pred_logits, out.presence_logits)
    for index in range(2):
        actual, logits = select(scores[index], out.pred_masks[index], 0.5, None)
        masks = list(upsample_masks(logits, size, chunk, probabilities=True))
        order = expected[index]["scores"].argsort(descending=True)
        assert len(masks) == len(order) > 0
        assert actual == expected[index]["scores"][order].tolist() == sorted(actual, reverse=True)
        for mask, other in zip(masks, expected[index]["masks"][order].numpy(), strict=True):
            assert mask.dtype == np.bool_
            assert np.array_equal(mask, other == 1)


@pytest.mark.parametrize("size", [(1080, 1920), (77, 131), (288, 288), (500, 33)])
@pytest.mark.parametrize("soft", [True, False])
def test_small_masks_are_interpolated_around_themselves_alone(size: tuple[int, int], soft: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.full((40, 96, 96), -4.0)
    for index in range(39):
        at = torch.randint(0, 80, (2,), generator=generator).tolist()
        logits[index, at[0] : at[0] + 16, at[1] : at[1] + 16] = 3 * torch.randn(16, 16, generator=generator)
    field = logits.sigmoid() if soft else logits
    whole = torch.nn.functional.interpolate(field[:, None], size=size, mode="bilinear")[:, 0]
    masks = np.stack(list(upsample_masks(logits, size, 8, probabilities=soft)))
    assert masks.any(axis=(1, 2)).sum() == 39
    differ = np.argwhere(masks != (whole > (0.5 if soft else 0.0)).numpy())
    # only where the value is the cut itself, up to the last bits of a float
    assert len(differ) <= 2
    assert all(abs(float(whole[tuple(where)]) - (0.5 if soft else 0.0)) < 1e-5 for where in differ)


def test_nms_drops_the_weaker_twin_and_the_order_is_by_score() -> None:
    logits = torch.full((3, 8, 8), -5.0)
    logits[0, :4], logits[1, :4], logits[2, 5:] = 5.0, 5.0, 5.0
    scores = torch.tensor([0.6, 0.9, 0.7])
    assert select(scores, logits, 0.5, 0.7)[0] == pytest.approx([0.9, 0.7])
    assert select(scores, logits, 0.5, None)[0] == pytest.approx([0.9, 0.7, 0.6])
    none, masks = select(scores, logits, 0.95, 0.7, 4)
    assert none == [] and masks.shape == (0, 8, 8)
    assert list(upsample_masks(masks, (9, 9), 4, probabilities=True)) == []


def test_pixels_are_resized_with_antialias_and_scaled_to_one() -> None:
    flat = np.full((50, 70, 3), (0, 128, 255), np.uint8)
    pixels = to_pixels(flat, 28, device="cpu", dtype=torch.float32)
    assert pixels.shape == (1, 3, 28, 28)
    assert torch.allclose(pixels[0, :, 3, 3], torch.tensor([-1.0, 128 / 127.5 - 1, 1.0]), atol=1e-6)
    stripes = np.zeros((280, 280, 3), np.uint8)
    stripes[::2] = 255
    smooth = to_pixels(stripes, 28, device="cpu", dtype=torch.float32)
    assert smooth.abs().max() < 0.05, "without antialias this would be all black or all white"
