"""Three training sets from a folder of phone videos, by one command each, as a new user makes them.

    python -m tests.support.phone_sets FOLDER

`FOLDER/videos` has the videos, `FOLDER/<format>` the dataset that was made for each format. It runs in the
environment of the service; what trains on them has one of its own (`make test-train`).
"""

import sys
from pathlib import Path

import numpy as np

from tests.support.cli import run_cli
from tests.support.phone_videos import Rgb, write_phone_videos
from tests.support.scenes import load_motorcycle
from tests.support.stacks import running_stack

SIZE = (320, 180)
# frames of a film; more for the one that is cut off
FRAMES, LONG = 120, 200
# an exit status that says that some videos were skipped: one of the folder is beyond repair
SOME_SKIPPED = 3
FLAGS = ("--text", "motorcycle", "--frame-rate", "10")
FORMATS = {
    # a policy is trained on these images, without a GPU
    "lerobot": ("--format-option", "lerobot.actions=subject", "--format-option", "lerobot.side=64"),
    "webdataset": (),
    "neural-assets": (),
}


def pan(seed: int, frames: int) -> list[Rgb]:
    """A window that goes to and fro over the photo of a motorcycle, as a hand-held camera would."""
    photo = load_motorcycle((400, 226))
    rng = np.random.default_rng(seed)
    swings, phases = rng.uniform(0.2, 0.6, 2), rng.uniform(0, 6, 2)
    out = []
    for index in range(frames):
        x, y = (0.5 + 0.5 * np.sin(2 * np.pi * swings * index / 30 + phases)) * (80, 46)
        window = photo[round(y) : round(y) + SIZE[1], round(x) : round(x) + SIZE[0]]
        out.append(window[:, ::-1] if seed % 2 else window)
    return out


def make_sets(root: Path) -> None:
    """Write the videos and the datasets; raises RuntimeError with what a command said when it fails."""
    write_phone_videos(root / "videos", [pan(seed, LONG if seed == 3 else FRAMES) for seed in range(5)])
    with running_stack(root / "stack") as stack:
        for name, options in FORMATS.items():
            words = ("--format", name, *options, "--out", str(root / name))
            outcome = run_cli(stack, "dataset", str(root / "videos"), *FLAGS, *words, check=False)
            if outcome.status != SOME_SKIPPED or "IMG_0005.MOV: video_broken" not in outcome.stderr:
                raise RuntimeError(outcome.stderr + outcome.stdout)


if __name__ == "__main__":
    make_sets(Path(sys.argv[1]))
