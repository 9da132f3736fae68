"""The default tracker on drawn clips: quality against exact masks and ids, and speed.

Quality: prompts are the boxes of the first frame; every other clip has a moving camera. HOTA needs
TrackEval (pip install trackeval). Speed, at 640 x 360: the tracker against detection and MobileSAM on every
frame, in turns in one run. The clips for quality are as jerky as MOVi's, 12 frames a second;
the one for speed moves as things do at 30 frames a second.

Run: python -m bench run concepts.tracking [--clips 20] [--first 0] [--skip quality|speed] [--json FILE]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.concepts.tracking_scores import follow, score
from tests.support.movi_clips import draw
from workers.engines.concepts.consensus import prompt_of
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.concepts.mobilesam import MobileSam
from workers.engines.concepts.picodet import PicoDet
from workers.engines.protocols import TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box

# frames of a turn for the tracker, and for the other, whose cost is the same on every frame
TURN, SAMPLE = 12, 3
THREADS = 2


def quality(engine: DefaultConcepts, seeds: range, frames: int) -> dict[str, float]:
    """Print a line a clip and give the means."""
    rows = []
    print("clip  objects  camera  mean IoU   IDF1   MOTA  switches   HOTA")
    for seed in seeds:
        clip = draw(seed, frames=frames, moving_camera=seed % 2 == 1)
        made = score(clip, follow(engine, clip))
        rows.append((made.iou, made.idf1, made.mota, np.nan if made.hota is None else made.hota))
        print(
            f"{seed:4d}  {len(clip.labels):7d}  {'moves' if seed % 2 else 'still':6s}  {made.iou:8.3f}  "
            f"{made.idf1:5.3f}  {made.mota:5.3f}  {made.switches:8d}  {rows[-1][3]:5.3f}",
            flush=True,
        )
    means = dict(zip(("mean_iou", "idf1", "mota", "hota"), np.mean(rows, axis=0).tolist(), strict=True))
    print(
        f"mean{'':19s}  {means['mean_iou']:8.3f}  {means['idf1']:5.3f}  {means['mota']:5.3f}"
        f"  {'':8s}  {means['hota']:5.3f}"
    )
    return means


def speed(engine: DefaultConcepts, seed: int, frames: int, objects: int) -> dict[str, float]:
    """Frames a second of both ways in one clip."""
    clip = draw(seed, frames=frames, size=(360, 640), objects=objects)
    sam, detector = MobileSam(THREADS), PicoDet(THREADS)
    boxes = [bounding_box(clip.ids[0] == number) for number in range(1, objects + 1)]
    # the phrase makes the tracker pay for detection as well
    prompts = TrackPrompts.from_visual_prompts([VisualPrompt(box=box) for box in boxes], ["person"])
    tracker = engine.tracker(prompts)
    nothing = np.zeros((0, 2), np.float64), np.zeros(0, np.int64)
    spent = {"tracker": np.zeros(2), "every frame": np.zeros(2)}
    tracker.step(VideoFrame(0, 0, clip.frames[0]))
    for start in range(1, frames, TURN):
        turn = range(start, start + TURN)
        began = _clocks()
        for index in turn:
            tracker.step(VideoFrame(index, index, clip.frames[index]))
        spent["tracker"] += _clocks() - began
        began = _clocks()
        for index in turn[:SAMPLE]:
            detector.detect(clip.frames[index])
            view = sam.encode(clip.frames[index])
            for box in boxes:
                masks, _ = sam.decode(view, prompt_of(box, *nothing))
                sam.upsample(view, masks[0])
        spent["every frame"] += _clocks() - began
    turns = (frames - 1) // TURN
    tracker, every = turns * TURN / spent["tracker"], turns * SAMPLE / spent["every frame"]
    ratio = tracker / every
    print("                frames/s   frames per CPU second")
    print(f"tracker         {tracker[0]:8.2f}   {tracker[1]:8.2f}")
    print(f"every frame     {every[0]:8.2f}   {every[1]:8.2f}")
    print(f"ratio           {ratio[0]:8.2f}   {ratio[1]:8.2f}")
    return {
        "tracker_fps": float(tracker[0]),
        "every_frame_fps": float(every[0]),
        "ratio": float(ratio[0]),
        "ratio_cpu": float(ratio[1]),
    }


def _clocks() -> NDArray[np.float64]:
    """Seconds on the wall and of the CPU; the second says more on a machine that has other work to do."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument(
        "--objects", type=int, default=3, help="objects in the clip that speed is measured on"
    )
    parser.add_argument("--skip", choices=("quality", "speed"))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    engine = DefaultConcepts(threads=THREADS)
    figures: dict[str, float] = {}
    if arguments.skip != "speed":
        figures |= speed(engine, 50, 10 * TURN + 1, arguments.objects)
    if arguments.skip != "quality":
        seeds = range(arguments.first, arguments.first + arguments.clips)
        figures |= quality(engine, seeds, arguments.frames)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
