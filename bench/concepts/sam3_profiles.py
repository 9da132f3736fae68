"""SAM 3 on RANDOM weights: how far each profile and precision lies from float32, and what it costs.

The same weights and images for all; outputs are compared query by query. Random weights put many logits near
zero, where a rounding moves a pixel, so the figures bound what to expect more than they predict it.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from bench.concepts.sam3_random_weights import peak_mb, random_network
from bench.report import Report
from bench.timing import median, time_calls
from tests.parity.sam3_tiny import draw_image, tiny_loaded
from workers.engines.concepts.sam3.kernels import mask_iou
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts

SIZE = 480, 640
PHRASE = "red disc"
# what differs from the first, which is plain float32
VARIANTS: dict[str, dict[str, Any]] = {
    "exact": {"profile": "exact"},
    "exact, TF32": {"profile": "exact", "tf32": True},
    "exact, eager attention": {"profile": "exact", "attention": "eager"},
    "exact, compiled": {"profile": "exact", "compile": "default"},
    "fast": {"profile": "fast", "batch": 1},
    "fast, compiled": {"profile": "fast", "batch": 1, "compile": "default"},
    "fast, CUDA graphs": {"profile": "fast", "batch": 1, "compile": "reduce-overhead"},
    "fast, FlashAttention": {"profile": "fast", "batch": 1, "attention": "flash"},
    "whole model in bfloat16": {"dtype": "bfloat16"},
}
# what changes nothing on a CPU, or does not run there
GPU_ONLY = ("exact, TF32", "fast, CUDA graphs", "fast, FlashAttention")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The detector's outputs for some images: scores (N, Q), boxes (N, Q, 4) in shares, mask logits."""

    scores: Any
    boxes: Any
    masks: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How far outputs lie from others: scores, box corners in pixels of the model's square, IoU of masks."""

    score_max: float
    box_mean: float
    box_max: float
    iou_mean: float
    iou_least: float


def build_engine(options: argparse.Namespace, **settings: Any) -> Sam3Concepts:
    """An engine on random weights that follow from the seed, with settings of its own."""
    chosen = Sam3Settings(source="random", **settings)
    dtype = torch.bfloat16 if chosen.dtype == "bfloat16" else torch.float32
    network = random_network(options.size).to(options.device, dtype)
    return Sam3Concepts(chosen, loaded=tiny_loaded(network, chosen))


def compute_outputs(engine: Sam3Concepts, images: Sequence[Any]) -> Outputs:
    """What the detector says of each image for one phrase."""
    boxes: list[Any] = []
    hook = engine._loaded.model.detector_model.register_forward_hook(
        lambda _module, _args, out: boxes.append(out.pred_boxes.float().cpu())
    )
    raw = []
    for image in images:
        handle = engine.embed(image, f"image-{len(raw)}")
        with engine._loaded.computing():
            raw += engine._grounding.ground([(handle, PHRASE)])
    hook.remove()
    return Outputs(
        scores=torch.stack([each.scores.float().cpu() for each in raw]),
        boxes=torch.cat(boxes),
        masks=torch.cat([each.masks.float().cpu() for each in raw]),
    )


def compare(outputs: Outputs, exact: Outputs, side: int) -> Errors:
    """The errors of outputs; masks that are empty in both are left out."""
    boxes = (outputs.boxes - exact.boxes).abs() * side
    ious = np.array(list(_compute_ious(outputs.masks > 0, exact.masks > 0)))
    return Errors(
        score_max=float((outputs.scores - exact.scores).abs().max()),
        box_mean=float(boxes.mean()),
        box_max=float(boxes.max()),
        iou_mean=float(ious.mean()),
        iou_least=float(ious.min()),
    )


def _compute_ious(masks: Any, exact: Any) -> Iterator[float]:
    for one, other in zip(masks, exact, strict=True):
        if one.any() or other.any():
            yield float(mask_iou(one[None], other[None]))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", choices=["tiny", "full"], default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3, help="timed images of each; 0 for errors alone")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {
        "variant": "",
        "largest error of a score": ".1e",
        "boxes, mean px": ".4f",
        "boxes, largest px": ".3f",
        "mean IoU of masks": ".5f",
        "least IoU": ".4f",
        "s per image": ".4f",
        "CPU s per image": ".4f",
    }
    table = report.table("Against float32, boxes in pixels of the model's square", columns)
    images = [draw_image(9 * step, SIZE) for step in range(options.images)]
    exact: Outputs | None = None
    left_out: list[str] = []
    for name, settings in VARIANTS.items():
        if name not in options.only and exact is not None:
            continue
        if name in GPU_ONLY and options.device == "cpu":
            left_out.append(f"{name} (on a GPU alone)")
            continue
        if settings.get("attention") == "flash" and find_spec("flash_attn") is None:
            left_out.append(f"{name} (flash-attn is not installed)")
            continue
        engine = build_engine(options, **settings)
        outputs = compute_outputs(engine, images)
        exact = exact or outputs
        errors = compare(outputs, exact, engine._loaded.side)
        wall, cpu = _time(engine, images[0], options) if options.repeat else (None, None)
        table.add(
            name,
            errors.score_max,
            errors.box_mean,
            errors.box_max,
            errors.iou_mean,
            errors.iou_least,
            wall,
            cpu,
        )
        # full-size weights are released before the next are made
        del engine
    if left_out:
        report.note(f"Not run: {', '.join(left_out)}.")
    report.add({"peak_mb": peak_mb()})


def _time(engine: Sam3Concepts, image: Any, options: argparse.Namespace) -> tuple[float, float]:
    numbers = iter(range(options.repeat + 2))

    def call() -> None:
        engine.ground(engine.embed(image, f"timed-{next(numbers)}"), [PHRASE])
        if options.device == "cuda":
            torch.cuda.synchronize()

    timing = median(time_calls(call, options.repeat))
    return timing.wall, timing.cpu
