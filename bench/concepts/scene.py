"""Mean IoU of the default engine's masks on a folder with an `image.png` and object masks `0.png`, `1.png`, …

Each mask is the alpha channel of its file (or its grey value). Prompts come from the masks: the tight box,
the box and a point, a point. Run: python -m bench run concepts.scene FOLDER [--no-mirror] [--json FILE]
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import Mask, VisualPrompt
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou


def load(folder: Path) -> tuple[np.ndarray, list[Mask]]:
    """The RGB image and its masks, in the order of their numbers."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-mirror", action="store_true", help="one look at the image instead of two")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    image, masks = load(arguments.folder)
    engine = DefaultConcepts(mirror=not arguments.no_mirror)
    start = time.perf_counter()
    handle = engine.embed(image, "scene")
    figures: dict[str, float] = {"embed_s": time.perf_counter() - start}
    one = np.ones(1, np.int64)
    prompts = {
        "box": [VisualPrompt(box=bounding_box(mask)) for mask in masks],
        "box_point": [VisualPrompt(box=bounding_box(m), points=deepest_point(m), labels=one) for m in masks],
        "point": [VisualPrompt(points=deepest_point(mask), labels=one) for mask in masks],
    }
    for name, clicks in prompts.items():
        start = time.perf_counter()
        results = engine.segment(handle, clicks)
        figures[f"{name}_s_per_mask"] = (time.perf_counter() - start) / len(masks)
        overlaps = [mask_iou(found.mask, truth) for found, truth in zip(results, masks, strict=True)]
        figures[f"{name}_miou"] = float(np.mean(overlaps))
        for index, (found, overlap) in enumerate(zip(results, overlaps, strict=True)):
            print(f"{name:10s} {index:3d} iou {overlap:.3f} score {found.score:.3f} {' '.join(found.flags)}")
    for name, value in figures.items():
        print(f"{name}: {value:.4f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
