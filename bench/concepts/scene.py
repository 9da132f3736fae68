"""Mean IoU of the default engine's masks on a folder with an `image.png` and object masks `0.png`, `1.png`, …

    python -m bench run concepts.scene FOLDER [--no-mirror]

Each mask is the alpha channel of its file (or its grey value). Prompts come from the masks: the tight box,
the box and a point, a point.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.report import Report
from bench.timing import Stopwatch
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import Mask, VisualPrompt
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou


def load(folder: Path) -> tuple[np.ndarray, list[Mask]]:
    """The RGB image (H, W, 3) and its masks (H, W), in the order of their numbers."""
    image = np.array(Image.open(folder / "image.png").convert("RGB"))
    files = sorted(
        (path for path in folder.glob("*.png") if path.stem.isdigit()), key=lambda path: int(path.stem)
    )
    masks = []
    for path in files:
        with Image.open(path) as opened:
            channel = opened.getchannel("A") if "A" in opened.getbands() else opened.convert("L")
            masks.append(np.array(channel) > 127)
    return image, masks


def deepest_point(mask: Mask) -> np.ndarray:
    """The pixel centre (1, 2) farthest from the mask's edge."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([[x + 0.5, y + 0.5]])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--no-mirror", action="store_true", help="segment the image alone, not its mirror image too"
    )


def run(options: argparse.Namespace, report: Report) -> None:
    image, masks = load(options.folder)
    engine = DefaultConcepts(mirror=not options.no_mirror)
    watch = Stopwatch()
    handle = engine.embed(image, "scene")
    figures: dict[str, float] = {"embed_s": watch.lap().wall}
    one = np.ones(1, np.int64)
    prompts = {
        "box": [VisualPrompt(box=bounding_box(mask)) for mask in masks],
        "box_point": [VisualPrompt(box=bounding_box(m), points=deepest_point(m), labels=one) for m in masks],
        "point": [VisualPrompt(points=deepest_point(mask), labels=one) for mask in masks],
    }
    table = report.table("Masks", {"prompt": "", "mask": "", "IoU": ".3f", "score": ".3f", "flags": ""})
    for name, clicks in prompts.items():
        watch = Stopwatch()
        results = engine.segment(handle, clicks)
        figures[f"{name}_s_per_mask"] = watch.lap().wall / len(masks)
        overlaps = [mask_iou(instance.mask, truth) for instance, truth in zip(results, masks, strict=True)]
        figures[f"{name}_miou"] = float(np.mean(overlaps))
        for index, (instance, overlap) in enumerate(zip(results, overlaps, strict=True)):
            table.add(name, index, overlap, instance.score, " ".join(instance.flags))
    report.add(figures)
