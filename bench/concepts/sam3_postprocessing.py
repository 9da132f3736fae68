"""Our post-processing of SAM 3's 200 queries against transformers' own: masks alone, and with their RLE.

The queries are discs of 4 to 20% of the side of the model's square, of which a tenth or all pass the
threshold.
"""

import argparse
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from bench.concepts.sam3_random_weights import add_model_options, peak_mb, time_model
from bench.report import Report
from tests.parity.stock import stock_functions
from workers.engines.concepts.sam3.postprocess import RawDetections, compute_scores, select_detections
from workers.engines.concepts.sam3.settings import PostprocessConfig
from workers.engines.concepts.sam3.upsample import upsample_masks
from workers.formats import rle

SIZE = 1080, 1920
QUERIES, SIDE = 200, 288


def disc_outputs(device: str) -> Any:
    """Outputs of a detector that sees 200 discs."""
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    centres, radii = torch.rand(QUERIES, 2) * SIDE, 6 + 23 * torch.rand(QUERIES)
    away = torch.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None])
    return SimpleNamespace(
        pred_logits=torch.linspace(-4, 4, QUERIES, device=device)[None],
        presence_logits=torch.full((1, 1), 9.0, device=device),
        pred_boxes=torch.rand(1, QUERIES, 4, device=device),
        pred_masks=(radii[:, None, None] - away)[None].to(device),
    )


def compare(repeat: int, device: str) -> dict[str, Any]:
    """Milliseconds of both for both thresholds, peak memory after each, and the ratios."""
    stock: Any = stock_functions(
        "sam3/image_processing_sam3", "post_process_instance_segmentation", "_scale_boxes"
    )
    stock.post_process_instance_segmentation.__func__.__globals__["_scale_boxes"] = stock._scale_boxes
    out = disc_outputs(device)
    scores = compute_scores(out.pred_logits, out.presence_logits)[0]

    def ours(threshold: float, nms: float | None) -> list[Any]:
        config = PostprocessConfig(threshold=threshold, nms_iou=nms, fill_area=0, mask_chunk=8)
        _, logits = select_detections(RawDetections(scores, out.pred_masks[0]), config)
        return list(upsample_masks(logits, SIZE, config.mask_chunk, probabilities=True))

    def theirs(threshold: float) -> Any:
        return stock.post_process_instance_segmentation(out, threshold=threshold, target_sizes=[SIZE])[0][
            "masks"
        ]

    def seconds(make: Callable[[], Any], *, coded: bool) -> float:
        def work(_: int) -> None:
            for mask in make():
                if coded:
                    rle.encode_mask(mask if not torch.is_tensor(mask) else mask.cpu().numpy() == 1)

        return time_model(work, repeat, device).wall

    figures: dict[str, Any] = {}
    # ours first, because peak memory only ever grows
    for name, threshold in (("tenth", float(scores[QUERIES * 9 // 10 - 1])), ("all", 0.0)):
        makers: dict[str, Callable[[], Any]] = {
            "ours": lambda least=threshold: ours(least, None),
            "ours_with_nms": lambda least=threshold: ours(least, 0.7),
            "stock": lambda least=threshold: theirs(least),
        }
        rows: dict[str, Any] = {}
        for who, make in makers.items():
            masks, coded = seconds(make, coded=False), seconds(make, coded=True)
            rows[who] = {
                "masks_ms": round(1000 * masks, 1),
                "with_rle_ms": round(1000 * coded, 1),
                "peak_mb": peak_mb(),
            }
        rows["stock / ours"] = {
            kind: round(rows["stock"][kind] / rows["ours"][kind], 2) for kind in ("masks_ms", "with_rle_ms")
        }
        figures[name] = rows
    return figures


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model_options(parser)


def run(options: argparse.Namespace, report: Report) -> None:
    report.add({"image": SIZE, "queries": QUERIES, **compare(options.repeat, options.device)})
