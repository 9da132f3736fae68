"""SAM 3 on RANDOM weights: a phrase on a kept image against the first one, and many against plain calls.

Speed only: random weights say nothing of quality. Run: python -m bench run concepts.sam3_phrases
[--size tiny|full] [--device cpu|cuda] [--dtype float32|bfloat16] [--phrases 8] [--repeat 5] [--json FILE]
"""

from typing import Any

import torch

from bench.concepts.sam3_random_weights import engine, parser, peak_mb, report, took
from tests.parity.sam3_tiny import picture
from workers.engines.concepts.sam3.engine import Sam3Concepts
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.protocols import VisualPrompt

SIZE = 480, 640
BOX = (100.0, 120.0, 300.0, 400.0)


def phrases(made: Sam3Concepts, words: list[str], repeat: int, device: str) -> dict[str, Any]:
    """Seconds for an image, for phrases and clicks on it, and for the same phrases by plain calls."""
    loaded, image = made._loaded, picture(0, SIZE)
    handle = made.embed(image, "kept")

    def first(number: int) -> None:
        made.ground(made.embed(image, f"first-{number}"), [f"cat {number}"])

    def plain(_: int) -> None:
        for word in words:
            ids, mask = loaded.tokenizer.encode(word)
            with torch.inference_mode():
                loaded.model.detector_model(
                    pixel_values=to_pixels(image, loaded.side, device=loaded.device, dtype=loaded.dtype),
                    input_ids=torch.tensor([ids], device=loaded.device),
                    attention_mask=torch.tensor([mask], device=loaded.device),
                )

    clocks = {
        "embed": lambda n: made.embed(image, f"new-{n}"),
        "first_phrase": first,
        "further_phrase": lambda n: made.ground(handle, [f"dog {n}"]),
        "known_phrase": lambda _: made.ground(handle, ["dog 0"]),
        "exemplar": lambda _: made.ground_exemplars(handle, [BOX], [1]),
        "further_click": lambda _: made.segment(handle, [VisualPrompt(box=BOX)]),
        "phrases_on_one_image": lambda _: made.ground(handle, words),
        "plain_calls_for_the_same": plain,
    }
    found = {name: took(work, repeat, device) for name, work in clocks.items()}
    # a CPU is shared with whatever else runs there, and its seconds of work are not
    cost = {name: each.cpu if device == "cpu" else each.wall for name, each in found.items()}
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
        "calls": {name: each.told() for name, each in found.items()},
        "kept_image_mb": round(handle.nbytes / 1e6, 1),
        "ratios": ratios,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--phrases", type=int, default=8)
    arguments = options.parse_args()
    made = engine(arguments)
    words = [f"thing number {index}" for index in range(arguments.phrases)]
    figures = phrases(made, words, arguments.repeat, arguments.device)
    report(arguments, {"device": made.info.device, **figures, "peak_mb": peak_mb()})


if __name__ == "__main__":
    main()
