"""Decodes and encodes every mask of a SA-Co, YouTube-VIS or COCO JSON file with our RLE, and counts changes.

    python -m bench run formats.rle_roundtrip IN.json OUT.json

Writes the same file with our RLE in place of the original one, for the format's own evaluator.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from bench.report import Report
from workers.formats.rle import decode_mask, encode_mask


class Recoder:
    """Replaces the RLEs of a JSON document; counts masks, and counts and pixels that differ."""

    def __init__(self) -> None:
        self.masks = self.counts = self.pixels = 0

    def recode(self, value: Any) -> Any:
        """The same document with every RLE decoded and encoded by us."""
        if isinstance(value, dict) and set(value) == {"size", "counts"} and isinstance(value["counts"], str):
            mask = decode_mask(value)  # type: ignore[arg-type]
            ours = encode_mask(mask)
            reference = coco.decode({"size": value["size"], "counts": value["counts"].encode()}).astype(bool)
            self.masks += 1
            self.counts += ours["counts"] != value["counts"]
            self.pixels += int(np.count_nonzero(mask != reference))
            return dict(ours)
        if isinstance(value, dict):
            return {key: self.recode(item) for key, item in value.items()}
        return [self.recode(item) for item in value] if isinstance(value, list) else value


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)


def run(options: argparse.Namespace, report: Report) -> None:
    recoder = Recoder()
    document = recoder.recode(json.loads(options.source.read_text(encoding="utf-8")))
    options.target.write_text(json.dumps(document), encoding="utf-8")
    report.add(
        {"masks": recoder.masks, "counts_that_differ": recoder.counts, "pixels_that_differ": recoder.pixels}
    )
