"""Mean IoU of box prompts on a folder as of `concepts.scene`, through the SDK and HTTP.

Starts an embedded stack, or uses the one that MAQUETTE_URL names.
Run: python -m bench run concepts.scene_over_http FOLDER
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from maquette import Maquette
from PIL import Image

from bench.concepts.scene import load
from service.embedded import Stack, free_port
from workers.engines.concepts.masks import box_of, mask_iou


def measure(mq: Maquette, folder: Path) -> float:
    """Send the image and the boxes of the masks; compare what comes back."""
    image, masks = load(folder)
    boxes = [box_of(mask) for mask in masks]
    result = mq.segment(Image.fromarray(image), boxes=boxes).wait()
    overlaps = [mask_iou(found.mask, truth) for found, truth in zip(result.instances, masks, strict=True)]
    return float(np.mean(overlaps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if "MAQUETTE_URL" in os.environ:
        with Maquette() as mq:
            print(f"box mIoU through the service: {measure(mq, folder):.4f}")
        return
    with tempfile.TemporaryDirectory() as data:
        stack = Stack(Path(data), free_port())
        try:
            stack.start()
            with Maquette(stack.url, api_key=stack.api_key) as mq:
                print(f"box mIoU through the service: {measure(mq, folder):.4f}")
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
