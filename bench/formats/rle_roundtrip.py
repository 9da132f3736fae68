"""Send every mask of SA-Co, YouTube-VIS or COCO JSON files through our RLE, and count what changes.

    python -m bench run formats.rle_roundtrip IN.json OUT.json

Writes the same file with our RLE in place of the others, for the format's own evaluator, and prints how many
masks there are, how many texts differ, and how many pixels.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from workers.formats.rle import decode_mask, encode_mask


class Counter:
    """What the way through our RLE did."""

    def __init__(self) -> None:
        self.masks = self.texts = self.pixels = 0

    def through(self, told: Any) -> Any:
        """The same JSON with each RLE decoded and encoded by us."""
        if isinstance(told, dict) and set(told) == {"size", "counts"} and isinstance(told["counts"], str):
            mask = decode_mask(told)  # type: ignore[arg-type]
            ours = encode_mask(mask)
            reference = coco.decode({"size": told["size"], "counts": told["counts"].encode()}).astype(bool)
            self.masks += 1
            self.texts += ours["counts"] != told["counts"]
            self.pixels += int(np.count_nonzero(mask != reference))
            return dict(ours)
        if isinstance(told, dict):
            return {key: self.through(value) for key, value in told.items()}
        return [self.through(value) for value in told] if isinstance(told, list) else told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    counter = Counter()
    arguments.target.write_text(json.dumps(counter.through(json.loads(arguments.source.read_text()))))
    print(f"{counter.masks} masks, {counter.texts} other texts, {counter.pixels} other pixels")


if __name__ == "__main__":
    main()
