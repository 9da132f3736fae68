"""The shipped weights: where they are, whether they are intact, and how to open them."""

import hashlib
import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from workers.engines.settings import MODELS_VARIABLE, SharedEngineSettings

_verify_lock = threading.Lock()


class WeightsError(RuntimeError):
    """Weights cannot be used; the message says which file and what to do."""


class WeightsMissing(WeightsError):
    """A weight file, or the manifest that lists it, does not exist."""


class WeightsCorrupt(WeightsError):
    """A weight file exists, but its bytes are not those that the manifest lists."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One entry of `models/manifest.json`: a file with its source, licence and the script that makes it."""

    file: str
    sha256: str
    bytes: int
    source: str
    source_sha256: str
    licence: str
    script: str


def models_dir() -> Path:
    """The folder of the weights: MAQUETTE_MODELS_DIR, by default `models/` beside the code."""
    return SharedEngineSettings().models_dir


def load_manifest() -> dict[str, Weight]:
    """All shipped weights by file name; raises WeightsMissing or WeightsCorrupt for the manifest itself."""
    path = models_dir() / "manifest.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["file"]: Weight(**entry) for entry in entries}
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"{path} does not exist; set {MODELS_VARIABLE} to the folder of the weights"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsCorrupt(f"{path} is not a manifest of weights: {error}") from error


def find_weight(name: str) -> Path:
    """The path of a weight file whose bytes match the manifest.

    The hash is computed once per process for each path, size and modification time. Raises WeightsMissing
    when the file or its entry in the manifest does not exist, WeightsCorrupt when the bytes differ.
    """
    entry = load_manifest().get(name)
    if entry is None:
        raise WeightsMissing(f"{name} is not in {models_dir() / 'manifest.json'}")
    path = models_dir() / name
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path} does not exist; run {entry.script} to make it") from error
    with _verify_lock:
        actual = _sha256(path, stat.st_size, stat.st_mtime_ns)
    if actual != entry.sha256:
        raise WeightsCorrupt(
            f"{path} has sha256 {actual[:12]}…, the manifest says {entry.sha256[:12]}…; "
            f"restore it or run {entry.script} again"
        )
    return path


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_session(name: str, threads: int = 2) -> Any:
    """An ONNX Runtime session on the CPU for a verified weight file, with a fixed thread count.

    Raises the errors of `find_weight`, and WeightsCorrupt when the runtime cannot read the graph.
    """
    import onnxruntime as ort

    path = find_weight(name)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads of ONNX Runtime spin by default, which takes cores from optical flow and post-processing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise WeightsCorrupt(f"{path} cannot be read by ONNX Runtime {ort.__version__}: {error}") from error
