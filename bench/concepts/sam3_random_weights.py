"""What the SAM 3 benches share: models of RANDOM weights, timing, and options."""

import argparse
import itertools
import resource
from collections.abc import Callable
from typing import Any

import torch
from transformers import Sam3VideoConfig

from bench.timing import Timing, median, time_calls
from tests.parity.sam3_tiny import tiny_loaded, tiny_model
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.loading import DTYPES
from workers.engines.concepts.sam3.transformers_backend.video_model import AlignedSam3Video


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that all have: --size, --device, --dtype, --repeat."""
    parser.add_argument("--size", choices=["tiny", "full"], default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--repeat", type=int, default=5)


def random_engine(
    options: argparse.Namespace, *, seed: int = 0, objects: int = 128, **model: Any
) -> Sam3Concepts:
    """An engine on random weights, tiny or of the published size; `model` changes its configuration."""
    dtype = DTYPES[options.dtype]
    network = random_network(options.size, dtype, seed=seed, **model)
    settings = Sam3Settings(source="random", cache_bytes=8 * 2**30, max_objects=objects, dtype=options.dtype)
    return Sam3Concepts(settings, loaded=tiny_loaded(network.to(options.device, dtype), settings))


def random_network(size: str, dtype: Any = torch.float32, *, seed: int = 0, **model: Any) -> Any:
    """A network on random weights, `tiny` or of the published size; `model` changes its configuration."""
    torch.manual_seed(seed)
    if size == "tiny":
        return tiny_model(seed, **model)
    # built in its precision: in float32 first it would take twice the memory
    torch.set_default_dtype(dtype)
    network = AlignedSam3Video(Sam3VideoConfig(**model))
    torch.set_default_dtype(torch.float32)
    return network.eval()


def time_model(work: Callable[[int], object], repeat: int, device: str) -> Timing:
    """Median seconds of a call, which gets its number, after one that is not counted."""
    numbers = itertools.count()

    def call() -> None:
        work(next(numbers))
        if device == "cuda":
            torch.cuda.synchronize()

    return median(time_calls(call, repeat))


def peak_mb() -> float:
    """Megabytes of the most memory that this process has had so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
