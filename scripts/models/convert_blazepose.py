"""Convert the BlazePose detector and the landmark models of body and hand from TensorFlow Lite to ONNX.

The files lie in the MediaPipe wheel (Apache-2.0). Run with `pip install tflite ai-edge-litert onnx
onnxruntime numpy`:

    pip download --no-deps --python-version 3.11 --only-binary :all: mediapipe==0.10.21
    python scripts/models/convert_blazepose.py --wheel mediapipe-0.10.21-*.whl --out models

The converter reads the flatbuffer by its public schema and emits one ONNX node for each operator; float16
constants stay float16 behind a Cast that ONNX Runtime folds when it loads the model. Activations run in NCHW;
inputs and outputs keep the NHWC layout of the original. The landmark model computes its mask, which takes two
fifths of its time, only where `with_mask` asks for it. `--check` (default) compares both runtimes on seeded
random inputs and fails above a thousandth of an output's range.
"""

import argparse
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import tflite
from manifest import record
from optional_output import make_optional
from tflite_to_onnx import Converter

MODELS = {
    "blazepose_detector.onnx": "mediapipe/modules/pose_detection/pose_detection.tflite",
    "blazepose_landmark_full.onnx": "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "hand_landmark_full.onnx": "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
}
# The same files lie in the wheel of every platform.
SOURCE_SHA256 = {
    "blazepose_detector.onnx": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "blazepose_landmark_full.onnx": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "hand_landmark_full.onnx": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
}
OUTPUTS = {
    "blazepose_detector.onnx": ["boxes", "scores"],
    "blazepose_landmark_full.onnx": ["landmarks", "presence", "mask", "heatmap", "world"],
    "hand_landmark_full.onnx": ["landmarks", "presence", "handedness", "world"],
}
# the output that is computed where the input asks for it
OPTIONAL = {"blazepose_landmark_full.onnx": ("mask", "with_mask")}


def difference(original: bytes, converted: Path, trials: int = 5) -> dict[str, float]:
    """Largest difference of each output between the runtimes, over its largest value (1 at least)."""
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    session = onnxruntime.InferenceSession(str(converted), providers=["CPUExecutionProvider"])
    interpreter = Interpreter(model_content=original, num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_output_details()
    # LiteRT lists outputs by name where the flatbuffer lists them by position.
    details.sort(key=lambda d: d["name"])
    rng = np.random.default_rng(0)
    worst = {o.name: 0.0 for o in session.get_outputs()}
    for trial in range(trials):
        shape = session.get_inputs()[0].shape
        image = rng.random(shape, np.float32)
        if trial % 2:
            # Smooth inputs reach deeper activations than noise does.
            image = np.cumsum(np.cumsum(image - 0.5, 1), 2)
            image = (image - image.min()) / np.ptp(image)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image.astype(np.float32))
        interpreter.invoke()
        expected = [interpreter.get_tensor(d["index"]) for d in details]
        asked = {each.name: np.array([True]) for each in session.get_inputs()[1:]}
        for o, got, want in zip(
            session.get_outputs(),
            session.run(None, {"image": image.astype(np.float32), **asked}),
            expected,
            strict=True,
        ):
            if got.shape != want.shape:
                raise SystemExit(f"{o.name}: shape {got.shape} against {want.shape}")
            worst[o.name] = max(worst[o.name], float(np.abs(got - want).max() / max(1.0, np.abs(want).max())))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--no-check", action="store_true")
    arguments = parser.parse_args()
    for name, inside in MODELS.items():
        raw = zipfile.ZipFile(arguments.wheel).read(inside)
        if hashlib.sha256(raw).hexdigest() != SOURCE_SHA256[name]:
            raise SystemExit(f"{inside} is not the file of mediapipe 0.10.21")
        proto = Converter(tflite.Model.GetRootAsModel(raw, 0)).convert(Path(name).stem, OUTPUTS[name])
        if name in OPTIONAL:
            proto = make_optional(proto, *OPTIONAL[name])
        target = arguments.out / name
        target.write_bytes(proto.SerializeToString(deterministic=True))
        record(
            target,
            source=f"PyPI mediapipe 0.10.21 (wheel), {inside}",
            source_sha256=SOURCE_SHA256[name],
            licence="Apache-2.0",
            script="scripts/models/convert_blazepose.py",
        )
        if not arguments.no_check:
            worst = difference(raw, target)
            print(json.dumps(worst))
            if max(worst.values()) > 1e-3:
                raise SystemExit(f"{name} differs from its original")


if __name__ == "__main__":
    main()
