"""What made a result: code, engine, settings, dataset and machine."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from workers.engines.protocols import EngineInfo
from workers.evaluation.benchmark import Benchmark

# of which a metric may depend
PACKAGES = ("numpy", "scipy", "pycocotools", "trimesh", "torch", "transformers")
CHECKOUT = Path(__file__).resolve().parents[2]
CHUNK = 1 << 20
# More files than this are counted in a report, not listed.
LISTED_FILES = 50


def describe_dataset(benchmark: Benchmark) -> dict[str, Any]:
    """One sha256 over all files of the ground truth with their paths, and of each when they are few."""
    paths = list(benchmark.annotations())
    root = Path(os.path.commonpath([path.parent for path in paths]))
    files = {path.relative_to(root).as_posix(): _hash_file(path) for path in paths}
    combined = hashlib.sha256("".join(f"{name}\n{files[name]}\n" for name in sorted(files)).encode())
    listed = files if len(files) <= LISTED_FILES else None
    return {"sha256": combined.hexdigest(), "count": len(files), "files": listed}


def describe_engine(info: EngineInfo) -> dict[str, Any]:
    """What decides an engine's answers; its vocabulary and prose are left out."""
    fields = asdict(info) | {"weights": dict(info.weights)}
    return {name: fields[name] for name in ("name", "kind", "version", "device", "weights")}


def describe_code() -> dict[str, Any]:
    """Version and commit of this code (None outside a checkout), and of the packages that it uses."""
    return {
        "maquette_server": _find_version("maquette-server"),
        "commit": _find_commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: found for name in PACKAGES if (found := _find_version(name)) is not None},
    }


def build_context(
    benchmark: Benchmark, dataset: Mapping[str, Any], engine: Mapping[str, Any]
) -> dict[str, Any]:
    """What every answer of a run depends on; the device is left out, so that shards may run on several."""
    return {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "settings": asdict(benchmark.settings),
        "dataset": dataset["sha256"],
        "engine": {name: engine[name] for name in ("name", "kind", "version", "weights")},
    }


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _find_commit() -> str | None:
    def ask(*words: str) -> str:
        command = ["git", "-C", str(CHECKOUT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(ask("rev-parse", "--show-toplevel")).resolve() != CHECKOUT:
            return None
        return ask("rev-parse", "HEAD") + ("-dirty" if ask("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
