"""Memory and time of planning a dataset: how they grow with hours of video.

    python -m bench run datasets.planning [--hours 10,100] [--clip-seconds 10]

Nothing is decoded: the surveys are random numbers of the kind that videos of ten minutes give, at a constant
rate of 30 per second, at 29.97 in milliseconds, and at the variable rate of a phone. Each run is a process of
its own. Memory is the peak of its resident set, less what it was before; messages are what workers are sent.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from bench.report import Report
from tests.support.synthetic_datasets import make_source
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source

# seconds of each video
VIDEO_SECONDS = 600
RATE = Fraction(30)
# plans in a process whose peak is its own
CHILD = """
import json, re, sys, time
from pathlib import Path
from bench.datasets.planning import make_sources, make_surveys
from workers.datasets.planning import plan_dataset
from workers.datasets.settings import DatasetSettings

def read_peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

kind, videos, clip_seconds, frame_rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
settings = DatasetSettings(phrases=("person",), clip_seconds=clip_seconds, frame_rate=frame_rate or None)
# one video before, so that what is loaded once is loaded
plan_dataset(make_sources(1), make_surveys(kind, 1), settings)
before, start = read_peak(), time.process_time()
planned = plan_dataset(make_sources(videos), make_surveys(kind, videos), settings)
seconds, after = time.process_time() - start, read_peak()
message = sum(len(json.dumps(plan.as_json())) for plan in planned.plans)
print(json.dumps({
    "clips": len(planned.plans), "frames": sum(len(plan.frames) for plan in planned.plans),
    "mb": (after - before) / 1024, "seconds": seconds, "message_mb": message / 1e6,
}))
"""


def make_sources(count: int) -> list[Source]:
    """Videos that are never decoded."""
    return [make_source([np.zeros((8, 8, 3), np.uint8)], name=str(number)) for number in range(count)]


def make_surveys(kind: str, count: int) -> Iterator[Survey]:
    """Surveys of such videos, one after the other."""
    for number in range(count):
        yield _make_survey(kind, np.random.default_rng(number))


def _make_survey(kind: str, rng: np.random.Generator) -> Survey:
    frames = int(VIDEO_SECONDS * RATE)
    times, base = {
        "30": (np.arange(frames) * 3000, 90_000),
        "29.97": (np.rint(np.arange(frames) * 1001 / 30), 1000),
        "variable": (np.cumsum(np.rint(rng.normal(3000, 30, frames))), 90_000),
    }[kind]
    series = rng.uniform(0, 8, (5, frames))
    return Survey(
        pts=times.astype(np.int64),
        content=series[0],
        luminance=100 + series[1],
        sharpness=500 + series[2],
        motion=series[3],
        hashes=rng.integers(0, 2**64, frames, dtype=np.uint64),
        text=np.where(np.arange(frames) % 32, np.nan, 0.0),
        dissolves=np.zeros(frames, np.uint8),
        time_base=np.array([1, base]),
    )


def measure(kind: str, hours: float, clip_seconds: float, frame_rate: float) -> dict[str, float]:
    """What planning so many hours of video took."""
    videos = max(1, round(hours * 3600 / VIDEO_SECONDS))
    words = [sys.executable, "-c", CHILD, kind, str(videos), str(clip_seconds), str(frame_rate)]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", default="10,100")
    parser.add_argument("--rates", default="30,29.97,variable")
    parser.add_argument("--clip-seconds", type=float, default=10.0)
    parser.add_argument("--frame-rate", type=float, default=0.0, help="of the dataset; 0 keeps all frames")


def run(options: argparse.Namespace, report: Report) -> None:
    counts = {"rate": "", "hours": "g", "clips": "d", "frames": "d"}
    costs = {"memory MB": ".0f", "messages MB": ".1f", "CPU seconds": ".0f"}
    table = report.table("Planning", {**counts, **costs})
    for kind in options.rates.split(","):
        for hours in map(float, options.hours.split(",")):
            measured = measure(kind, hours, options.clip_seconds, options.frame_rate)
            own = (measured[name] for name in ("clips", "frames", "mb", "message_mb", "seconds"))
            table.add(kind, hours, *own)
