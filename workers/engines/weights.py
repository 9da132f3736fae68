"""Default weights: where they lie, whether they are whole, and how they become a session."""

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
    """A weight file, or the manifest that names it, is not there."""


class WeightsCorrupt(WeightsError):
    """A weight file is there, but its bytes are not the ones that the manifest names."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One line of `models/manifest.json`."""

    file: str
    sha256: str
    bytes: int
    source: str
    source_sha256: str
    licence: str
    script: str


def models_dir() -> Path:
    """The folder of the weights: MAQUETTE_MODELS_DIR, else the one beside the code."""
    return SharedEngineSettings().models_dir


def load_manifest() -> dict[str, Weight]:
    """All shipped weights by file name; raises WeightsMissing or WeightsCorrupt for the manifest itself."""
    path = models_dir() / "manifest.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["file"]: Weight(**entry) for entry in entries}
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"{path} is not there; set {MODELS_VARIABLE} to the folder of the weights"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsCorrupt(f"{path} is not a manifest of weights: {error}") from error


def find_weight(name: str) -> Path:
    """The path of a weight file whose bytes match the manifest.

    The hash is computed once a process for each path, size and time of change. Raises WeightsMissing
    when the file or its line in the manifest is not there, WeightsCorrupt when the bytes differ.
    """
    entry = load_manifest().get(name)
    if entry is None:
        raise WeightsMissing(f"{name} is not in {models_dir() / 'manifest.json'}")
    path = models_dir() / name
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path} is not there; run {entry.script} to make it") from error
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
    # idle ORT threads spin by default and steal the cores from flow and post-processing
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise WeightsCorrupt(f"{path} cannot be read by ONNX Runtime {ort.__version__}: {error}") from error
