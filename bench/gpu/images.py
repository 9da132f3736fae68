"""Images per second of SAM 3 on random weights: a plain loop, one at a time, and batches of several jobs."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.registry import EngineSet
from workers.pipeline import Batcher, SharedEngines

SIZE = 480, 640
PHRASE = "cat"
IMAGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Images per second, and the most memory of the GPU in MB while they were computed, None on a CPU."""

    per_second: float
    peak_mb: float | None


def make_images() -> list[NDArray[np.uint8]]:
    """Different images (H, W, 3)."""
    return [draw_image(3 * step, SIZE) for step in range(IMAGES)]


def run_plainly(engine: Sam3Concepts, image: NDArray[np.uint8]) -> list[Any]:
    """One phrase on one image by the model alone, post-processed as transformers does."""
    loaded = engine._loaded
    ids, mask = loaded.tokenizer.encode(PHRASE)
    with torch.inference_mode(), loaded.computing():
        pixels = to_pixels(image, loaded.side, device=loaded.device, dtype=loaded.dtype)
        out = loaded.model.detector_model(
            # the empty geometry token is added where features are given
            vision_embeds=loaded.model.detector_model.get_vision_features(pixel_values=pixels),
            input_ids=torch.tensor([ids], device=loaded.device),
            attention_mask=torch.tensor([mask], device=loaded.device),
        )
        scores = out.pred_logits[0].float().sigmoid() * out.presence_logits[0].float().sigmoid()
        masks = out.pred_masks[0][scores > engine._settings.threshold].float().sigmoid()
        if not len(masks):
            return []
        full = torch.nn.functional.interpolate(masks[None], size=image.shape[:2], mode="bilinear")[0]
        return list((full > 0.5).cpu().numpy())


def measure_loop(work: Callable[[int], object], seconds: float, device: str) -> Rate:
    """How often a call can be made one after the other; it gets its number."""
    work(0)
    with peak_memory(device) as peak:
        start, done = time.monotonic(), 0
        while time.monotonic() - start < seconds or done < 2:
            done += 1
            work(done)
        synchronize(device)
        elapsed = time.monotonic() - start
    return Rate(per_second=done / elapsed, peak_mb=peak())


def measure_jobs(engine: Sam3Concepts, batch: int, jobs: int, seconds: float, device: str) -> Rate:
    """Images per second of `jobs` threads that share batches of at most `batch`."""
    images, numbers = make_images(), count()
    batcher = Batcher(batch=batch, wait_seconds=0.01)
    shared, stop = SharedEngines(EngineSet("sam3", {"concepts": engine}), batcher), threading.Event()

    def work() -> int:
        concepts, done = shared.open(lambda: None).concepts(), 0
        with batcher.job():
            while not stop.is_set():
                number = next(numbers)
                key = f"jobs-{batch}-{number}"
                concepts.ground(concepts.embed(images[number % IMAGES], key), [PHRASE])
                done += 1
        return done

    with peak_memory(device) as peak, ThreadPoolExecutor(jobs) as threads:
        start = time.monotonic()
        running = [threads.submit(work) for _ in range(jobs)]
        stop.wait(seconds)
        stop.set()
        done = sum(each.result() for each in running)
        elapsed = time.monotonic() - start
    batcher.close()
    return Rate(per_second=done / elapsed, peak_mb=peak())


@contextmanager
def peak_memory(device: str) -> Iterator[Callable[[], float | None]]:
    """Reads the most memory in MB that was allocated in the block."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    yield lambda: torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else None


def synchronize(device: str) -> None:
    """Wait until the GPU has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
