"""Mean IoU of box prompts through the SDK and HTTP, on a folder as for `concepts.scene`.

    python -m bench run concepts.scene_over_http FOLDER [--url http://127.0.0.1:8700]

Without --url it starts an embedded stack.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from maquette import Maquette
from PIL import Image

from bench.concepts.scene import load
from bench.report import Report
from tests.support.stacks import running_stack
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou


def mean_iou(mq: Maquette, folder: Path) -> float:
    """Send the image and the boxes of the masks, and compare the masks that come back."""
    image, masks = load(folder)
    boxes = [bounding_box(mask) for mask in masks]
    result = mq.segment(Image.fromarray(image), boxes=boxes).wait()
    overlaps = [
        mask_iou(instance.mask, truth) for instance, truth in zip(result.instances, masks, strict=True)
    ]
    return float(np.mean(overlaps))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", help="a service that runs already; its key is read from MAQUETTE_API_KEY")


def run(options: argparse.Namespace, report: Report) -> None:
    if options.url:
        with Maquette(options.url) as mq:
            report.add({"box_miou": mean_iou(mq, options.folder)})
        return
    with (
        tempfile.TemporaryDirectory() as data,
        running_stack(Path(data)) as stack,
        Maquette(stack.url, api_key=stack.api_key) as mq,
    ):
        report.add({"box_miou": mean_iou(mq, options.folder)})
