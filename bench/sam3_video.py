"""SAM 3 video on RANDOM weights: memory of the bounded tracker against transformers' session, frame by frame.

Run: PYTHONPATH=. python bench/sam3_video.py [--size tiny|full] [--device cpu|cuda]
[--dtype float32|bfloat16] [--frames 500] [--objects 8] [--unbounded] [--json FILE]
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import Sam3VideoConfig
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

from tests.parity.sam3_tiny import picture, tiny_loaded, tiny_model
from workers.engines.concepts.sam3.engine import Sam3Concepts
from workers.engines.concepts.sam3.loading import DTYPES, Loaded
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.sessions import object_ceiling, saved_state
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.snapshot import nbytes
from workers.engines.concepts.sam3.video import Sam3Tracker
from workers.engines.concepts.sam3.video_model import AlignedSam3Video
from workers.engines.protocols import TrackPrompts, VideoFrame

# every detection starts a track and none is taken for a duplicate, so that the number of objects stands still
STILL = {
    "score_threshold_detection": 0.0,
    "new_det_thresh": 0.0,
    "assoc_iou_thresh": 1.1,
    "trk_assoc_iou_thresh": 0.0,
    "det_nms_thresh": 0.0,
    "hotstart_unmatch_thresh": 15,
    "hotstart_dup_thresh": 15,
    "high_conf_thresh": -100.0,
    "high_iou_thresh": 0.0,
    "recondition_every_nth_frame": 16,
}
MARKS = (20, 50, 100, 200, 500, 1000, 2000, 5000)


def build(size: str, device: str, dtype: Any, objects: int) -> tuple[Loaded, Sam3Settings]:
    """A model with random weights that tracks a fixed number of objects."""
    torch.manual_seed(0)
    model: Any = tiny_model(7, **STILL) if size == "tiny" else AlignedSam3Video(Sam3VideoConfig(**STILL))
    settings = Sam3Settings(source="random", max_objects=objects)
    return tiny_loaded(model.to(device, dtype), settings), settings


def bounded(loaded: Loaded, settings: Sam3Settings, frames: int) -> dict[str, Any]:
    """Megabytes of state at some frames, the speed, and how many objects were followed."""
    tracker = Sam3Concepts(settings, loaded=loaded).tracker(TrackPrompts(("thing",)))
    assert isinstance(tracker, Sam3Tracker)
    start, held = time.perf_counter(), {}
    for number in range(frames):
        tracker.step(VideoFrame(number, number, picture(number % 40, (360, 640))))
        if number + 1 in MARKS or number + 1 == frames:
            held[number + 1] = round(tracker.state_bytes() / 1e6, 3)
    elapsed = time.perf_counter() - start
    assert tracker._phrases is not None
    objects = len(tracker._phrases.session.obj_ids)
    ceiling = object_ceiling(loaded.model.config, settings.pointer_history, loaded.dtype)
    return {
        "objects": objects,
        "state_mb_at_frame": held,
        "ceiling_mb_per_object": round(ceiling / 1e6, 3),
        "frames_per_s": round(frames / elapsed, 2),
    }


def unbounded(loaded: Loaded, frames: int) -> dict[str, Any]:
    """The same by transformers alone: a session that keeps its frames and outputs."""
    model, device = loaded.model, loaded.device
    session = Sam3VideoInferenceSession(
        video=torch.zeros(0, 3, loaded.side, loaded.side),
        video_height=360,
        video_width=640,
        inference_device=device,
        inference_state_device=device,
        video_storage_device=device,
        dtype=loaded.dtype,
    )
    number = session.add_prompt("thing")
    ids, mask = loaded.tokenizer.encode("thing")
    session.prompt_input_ids[number] = torch.tensor([ids], device=device)
    session.prompt_attention_masks[number] = torch.tensor([mask], device=device)
    session.obj_with_new_inputs = []
    session.saved = ("output_dict_per_obj", "mask_inputs_per_obj", "processed_frames")
    start, held = time.perf_counter(), {}
    for index in range(frames):
        pixels = to_pixels(picture(index % 40, (360, 640)), loaded.side, device=device, dtype=loaded.dtype)
        session.processed_frames[index] = pixels[0]
        model(inference_session=session, frame_idx=index)
        if index + 1 in MARKS or index + 1 == frames:
            held[index + 1] = round(nbytes(saved_state(session)) / 1e6, 3)
    elapsed = time.perf_counter() - start
    return {
        "objects": len(session.obj_ids),
        "state_mb_at_frame": held,
        "frames_per_s": round(frames / elapsed, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "full"], default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--unbounded", action="store_true", help="also transformers' own session")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    loaded, settings = build(arguments.size, arguments.device, DTYPES[arguments.dtype], arguments.objects)
    figures: dict[str, Any] = {"weights": "random", "size": arguments.size, "device": str(loaded.device)}
    figures["bounded"] = bounded(loaded, settings, arguments.frames)
    if arguments.unbounded:
        figures["unbounded"] = unbounded(loaded, arguments.frames)
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
