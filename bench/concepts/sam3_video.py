"""SAM 3 video on RANDOM weights: memory of the bounded tracker against transformers' session, by frame."""

import argparse
from typing import Any

import psutil
import torch
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

from bench.concepts.sam3_random_weights import add_model_options, peak_mb, random_engine
from bench.report import Report
from bench.timing import Stopwatch
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.snapshot import count_tensor_bytes
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel
from workers.engines.concepts.sam3.transformers_backend.pruning import max_object_bytes
from workers.engines.concepts.sam3.transformers_backend.sessions import save_session
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.protocols import TrackPrompts, VideoFrame, VisualPrompt

# every detection starts a track and none counts as a duplicate, so that the number of objects stays the same
CONSTANT_OBJECTS = {
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
MARKS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 18_000)


def measure_bounded(engine: Sam3Concepts, frames: int, size: tuple[int, int]) -> dict[str, Any]:
    """Megabytes of state and of the process at some frames, the speed, and the number of tracked objects.

    One object comes from a box, the others from a phrase.
    """
    box = (0.1 * size[1], 0.2 * size[0], 0.5 * size[1], 0.8 * size[0])
    tracker = engine.tracker(TrackPrompts.from_visual_prompts([VisualPrompt(box=box)], ("thing",)))
    assert isinstance(tracker, Sam3Tracker)
    images = [draw_image(number, size) for number in range(40)]
    process, held, resident = psutil.Process(), {}, {}
    watch = Stopwatch()
    for number in range(frames):
        tracker.step(VideoFrame(number, number, images[number % 40]))
        if number + 1 in MARKS or number + 1 == frames:
            held[number + 1] = round(tracker.state_bytes() / 1e6, 3)
            resident[number + 1] = round(process.memory_info().rss / 1e6, 1)
    per_frame = watch.lap() / frames
    assert tracker._phrase_tracker is not None
    loaded = engine._loaded
    ceiling = max_object_bytes(loaded.model.config, engine._settings.pointer_history, loaded.dtype)
    return {
        "objects": len(tracker._phrase_tracker.session.obj_ids) + 1,
        "state_mb_at_frame": held,
        "resident_mb_at_frame": resident,
        "snapshot_mb": round(len(tracker.snapshot()) / 1e6, 3),
        "ceiling_mb_per_object": round(ceiling / 1e6, 3),
        "wall_s_per_frame": round(per_frame.wall, 4),
        "cpu_s_per_frame": round(per_frame.cpu, 4),
    }


def measure_unbounded(loaded: LoadedModel, frames: int, size: tuple[int, int]) -> dict[str, Any]:
    """The same with transformers alone: a session that keeps its frames and outputs."""
    model, device = loaded.model, loaded.device
    session = Sam3VideoInferenceSession(
        video=torch.zeros(0, 3, loaded.side, loaded.side),
        video_height=size[0],
        video_width=size[1],
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
    watch, held = Stopwatch(), {}
    for index in range(frames):
        pixels = to_pixels(draw_image(index % 40, size), loaded.side, device=device, dtype=loaded.dtype)
        session.processed_frames[index] = pixels[0]
        model(inference_session=session, frame_idx=index)
        if index + 1 in MARKS or index + 1 == frames:
            held[index + 1] = round(count_tensor_bytes(save_session(session)) / 1e6, 3)
    per_frame = watch.lap() / frames
    return {
        "objects": len(session.obj_ids),
        "state_mb_at_frame": held,
        "wall_s_per_frame": round(per_frame.wall, 4),
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model_options(parser)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--side", type=int, default=360, help="height of the frames in pixels; they are 16:9")
    parser.add_argument("--unbounded", action="store_true", help="also transformers' own session")


def run(options: argparse.Namespace, report: Report) -> None:
    size = options.side, options.side * 16 // 9
    engine = random_engine(options, seed=7, objects=options.objects, **CONSTANT_OBJECTS)
    report.add({"device": engine.info.device, "image": size})
    bounded = measure_bounded(engine, options.frames, size)
    report.add({"bounded": bounded, "peak_mb": peak_mb()})
    if options.unbounded:
        unbounded = measure_unbounded(engine._loaded, options.frames, size)
        last = [each["state_mb_at_frame"][options.frames] for each in (unbounded, bounded)]
        report.add({"unbounded": unbounded, "unbounded / bounded": round(last[0] / last[1], 1)})
