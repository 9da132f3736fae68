"""SAM 3 on RANDOM weights: what the caches save on images, and our post-processing against the stock one.

Speed only: random weights say nothing of quality. Run: PYTHONPATH=. python bench/sam3_image.py
[--size tiny|full] [--device cpu|cuda] [--dtype float32|bfloat16] [--phrases 8] [--repeat 5] [--json FILE]
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import Sam3VideoConfig

from tests.parity.sam3_tiny import picture, tiny_loaded, tiny_model
from tests.parity.stock import stock_functions
from workers.engines.concepts.sam3.engine import Sam3Concepts
from workers.engines.concepts.sam3.loading import DTYPES
from workers.engines.concepts.sam3.postprocess import Rules, scores_of, select
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.upsample import upsample
from workers.engines.concepts.sam3.video_model import AlignedSam3Video
from workers.formats import rle

SIZE = 1080, 1920


def build(size: str, device: str, dtype: Any) -> Sam3Concepts:
    """An engine on random weights of the tiny or of the published size."""
    torch.manual_seed(0)
    model: Any = tiny_model() if size == "tiny" else AlignedSam3Video(Sam3VideoConfig())
    settings = Sam3Settings(source="random", cache_bytes=8 * 2**30)
    return Sam3Concepts(settings, loaded=tiny_loaded(model.to(device, dtype), settings))


def seconds(work: Callable[[int], object], repeat: int, device: str) -> float:
    """The median time of one call, after one that is not counted."""
    times = []
    for number in range(repeat + 1):
        start = time.perf_counter()
        work(number)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def caches(engine: Sam3Concepts, words: list[str], repeat: int, device: str) -> dict[str, float]:
    """Seconds for an image, for phrases on it, and for the same by plain calls of the model."""
    loaded = engine._loaded
    image = picture(0, SIZE)
    handle = engine.embed(image, "kept")
    clock = {
        "embed": seconds(lambda n: engine.embed(image, f"new-{n}"), repeat, device),
        "first_phrase": seconds(
            lambda n: engine.ground(engine.embed(image, f"first-{n}"), [f"cat {n}"]), repeat, device
        ),
        "further_phrase": seconds(lambda n: engine.ground(handle, [f"dog {n}"]), repeat, device),
        "known_phrase": seconds(lambda n: engine.ground(handle, ["cat"]), repeat, device),
    }
    clock["phrases_on_one_image"] = seconds(lambda n: engine.ground(handle, words), repeat, device)

    def plain(_: int) -> None:
        for word in words:
            ids, mask = loaded.tokenizer.encode(word)
            with torch.inference_mode():
                loaded.model.detector_model(
                    pixel_values=to_pixels(image, loaded.side, device=loaded.device, dtype=loaded.dtype),
                    input_ids=torch.tensor([ids], device=loaded.device),
                    attention_mask=torch.tensor([mask], device=loaded.device),
                )

    clock["plain_calls_for_the_same_phrases"] = seconds(plain, repeat, device)
    return clock


def post(repeat: int, device: str) -> dict[str, float]:
    """Seconds for 200 queries, discs of 4 to 20% of the side, of which a tenth or all pass, at 1920 x 1080.

    Masks alone, and with the RLE that both need afterwards.
    """
    stock: Any = stock_functions(
        "sam3/image_processing_sam3", "post_process_instance_segmentation", "_scale_boxes"
    )
    stock.post_process_instance_segmentation.__func__.__globals__["_scale_boxes"] = stock._scale_boxes
    torch.manual_seed(0)

    rows, columns = torch.meshgrid(torch.arange(288.0), torch.arange(288.0), indexing="ij")
    centres, radii = torch.rand(200, 2) * 288, 6 + 23 * torch.rand(200)
    away = torch.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None])

    class Outputs:
        pred_logits = torch.linspace(-4, 4, 200, device=device)[None]
        presence_logits = torch.full((1, 1), 9.0, device=device)
        pred_boxes = torch.rand(1, 200, 4, device=device)
        pred_masks = (radii[:, None, None] - away)[None].to(device)

    out = Outputs()
    scores = scores_of(out.pred_logits, out.presence_logits)[0]
    clock: dict[str, float] = {}
    for name, threshold in (("tenth", float(scores[179])), ("all", 0.0)):
        for rule, nms in (("ours", None), ("ours_nms", 0.7)):
            rules = Rules(threshold, nms, 0, 8)

            def ours(_: int, rules: Rules = rules) -> list[Any]:
                _, logits = select(scores, out.pred_masks[0], rules)
                return list(upsample(logits, SIZE, rules.chunk, soft=True))

            clock[f"{rule}_{name}"] = seconds(ours, repeat, device)
            clock[f"{rule}_{name}_rle"] = seconds(
                lambda n, work=ours: [rle.encode_mask(mask) for mask in work(n)], repeat, device
            )
        clock[f"ours_{name}_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        def theirs(_: int, threshold: float = threshold) -> Any:
            done = stock.post_process_instance_segmentation(out, threshold=threshold, target_sizes=[SIZE])
            return done[0]["masks"]

        clock[f"stock_{name}"] = seconds(theirs, repeat, device)
        clock[f"stock_{name}_rle"] = seconds(
            lambda n, work=theirs: [rle.encode_mask(mask.cpu().numpy() == 1) for mask in work(n)],
            repeat,
            device,
        )
        clock[f"stock_{name}_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "full"], default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--phrases", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    words = [f"thing number {index}" for index in range(arguments.phrases)]
    figures: dict[str, Any] = {"weights": "random", "size": arguments.size, "device": arguments.device}
    # first, because peak memory only ever grows
    figures["post_processing_s"] = post(arguments.repeat, arguments.device)
    engine = build(arguments.size, arguments.device, DTYPES[arguments.dtype])
    figures["device"] = engine.info.device
    figures["image_s"] = caches(engine, words, arguments.repeat, arguments.device)
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
