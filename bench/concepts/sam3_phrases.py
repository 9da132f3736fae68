"""SAM 3 on RANDOM weights: a phrase on a cached image against the first one, and many against plain calls.

Speed only: random weights say nothing about quality.
"""

import argparse
from typing import Any

import torch

from bench.concepts.sam3_random_weights import add_model_options, peak_mb, random_engine, time_model
from bench.report import Report
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.protocols import VisualPrompt

SIZE = 480, 640
BOX = (100.0, 120.0, 300.0, 400.0)


def measure_phrases(engine: Sam3Concepts, words: list[str], repeat: int, device: str) -> dict[str, Any]:
    """Seconds for an image, for phrases and clicks on it, and for the same phrases by plain calls."""
    loaded, image = engine._loaded, draw_image(0, SIZE)
    handle = engine.embed(image, "cached")

    def first(number: int) -> None:
        engine.ground(engine.embed(image, f"first-{number}"), [f"cat {number}"])

    def plain(_: int) -> None:
        for word in words:
            ids, mask = loaded.tokenizer.encode(word)
            pixels = to_pixels(image, loaded.side, device=loaded.device, dtype=loaded.dtype)
            with torch.inference_mode(), loaded.computing():
                loaded.model.detector_model(
                    # the empty geometry token is added where features are given
                    vision_embeds=loaded.model.detector_model.get_vision_features(pixel_values=pixels),
                    input_ids=torch.tensor([ids], device=loaded.device),
                    attention_mask=torch.tensor([mask], device=loaded.device),
                )

    calls = {
        "embed": lambda n: engine.embed(image, f"new-{n}"),
        "first_phrase": first,
        "further_phrase": lambda n: engine.ground(handle, [f"dog {n}"]),
        "known_phrase": lambda _: engine.ground(handle, ["dog 0"]),
        "exemplar": lambda _: engine.ground_exemplars(handle, [BOX], [1]),
        "further_click": lambda _: engine.segment(handle, [VisualPrompt(box=BOX)]),
        "phrases_on_one_image": lambda _: engine.ground(handle, words),
        "plain_calls_for_the_same": plain,
    }
    timings = {name: time_model(work, repeat, device) for name, work in calls.items()}
    # other programs lengthen the time on the wall, not the seconds of CPU
    cost = {name: each.cpu if device == "cpu" else each.wall for name, each in timings.items()}
    ratios = {
        f"{one} / {other}": round(cost[one] / cost[other], 4)
        for one, other in (
            ("further_phrase", "first_phrase"),
            ("known_phrase", "first_phrase"),
            ("phrases_on_one_image", "plain_calls_for_the_same"),
        )
    }
    return {
        "phrases": len(words),
        "image": SIZE,
        "calls": {
            name: {"wall_s": round(each.wall, 4), "cpu_s": round(each.cpu, 4)}
            for name, each in timings.items()
        },
        "cached_image_mb": round(handle.nbytes / 1e6, 1),
        "ratios": ratios,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model_options(parser)
    parser.add_argument("--phrases", type=int, default=8)


def run(options: argparse.Namespace, report: Report) -> None:
    engine = random_engine(options)
    words = [f"thing number {index}" for index in range(options.phrases)]
    report.add({"device": engine.info.device})
    report.add(measure_phrases(engine, words, options.repeat, options.device))
    report.add({"peak_mb": peak_mb()})
