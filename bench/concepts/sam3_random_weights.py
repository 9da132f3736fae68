"""What the SAM 3 benches share: models of RANDOM weights, a clock, and options."""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Sam3VideoConfig

from tests.parity.sam3_tiny import tiny_loaded, tiny_model
from workers.engines.concepts.sam3.engine import Sam3Concepts
from workers.engines.concepts.sam3.loading import DTYPES
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.video_model import AlignedSam3Video


@dataclass(frozen=True, slots=True)
class Took:
    """Medians of one call, in seconds: on the wall, and of the CPU on all threads."""

    wall: float
    cpu: float

    def told(self) -> dict[str, float]:
        """As JSON, to a tenth of a millisecond."""
        return {"wall_s": round(self.wall, 4), "cpu_s": round(self.cpu, 4)}


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that all have: --size, --device, --dtype, --repeat, --json."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("--size", choices=["tiny", "full"], default="tiny")
    made.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    made.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    made.add_argument("--repeat", type=int, default=5)
    made.add_argument("--json", type=Path, help="also write the figures here")
    return made


def engine(arguments: argparse.Namespace, *, seed: int = 0, objects: int = 128, **model: Any) -> Sam3Concepts:
    """An engine on random weights of the tiny or of the published size; `model` changes its configuration."""
    torch.manual_seed(seed)
    dtype = DTYPES[arguments.dtype]
    if arguments.size == "tiny":
        made: Any = tiny_model(seed, **model)
    else:
        # made in its precision: in float32 first it would take twice the memory
        torch.set_default_dtype(dtype)
        made = AlignedSam3Video(Sam3VideoConfig(**model))
        torch.set_default_dtype(torch.float32)
    settings = Sam3Settings(source="random", cache_bytes=8 * 2**30, max_objects=objects)
    return Sam3Concepts(settings, loaded=tiny_loaded(made.to(arguments.device, dtype), settings))


def took(work: Callable[[int], object], repeat: int, device: str) -> Took:
    """What one call takes, after one that is not counted."""
    walls, cpus = [], []
    for number in range(repeat + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        work(number)
        if device == "cuda":
            torch.cuda.synchronize()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Took(statistics.median(walls[1:]), statistics.median(cpus[1:]))


def peak_mb() -> float:
    """The most memory that this process has had so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def report(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Print the figures, and write them where asked."""
    told = json.dumps({"weights": "random", "size": arguments.size, **figures}, indent=2)
    print(told)
    if arguments.json:
        arguments.json.write_text(told, encoding="utf-8")
