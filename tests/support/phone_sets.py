"""Three training sets from a folder of phone videos, by the commands of the how-to, as a new user gives them.

    python -m tests.support.phone_sets FOLDER

`FOLDER/phone` has the videos, and the datasets are where the how-to puts them. It runs in the environment
of the service; what trains on them has one of its own (`make test-train`).
"""

import contextlib
import shlex
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.cli import run_cli
from tests.support.documentation import PHONE_VIDEOS, list_blocks
from tests.support.phone_videos import Rgb, write_phone_videos
from tests.support.stacks import running_stack

SIZE = (320, 180)
# frames of a film; more for the one that is cut off
FRAMES, LONG = 120, 200
# an exit status that says that some videos were skipped: one of the folder is beyond repair
SOME_SKIPPED = 3
COMMAND = "maquette dataset phone/ "


def list_commands() -> list[str]:
    """The commands of the how-to that make datasets."""
    lines = [line for block in list_blocks(PHONE_VIDEOS, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(COMMAND)]


def load_person() -> NDArray[np.uint8]:
    """A photo of a person that scikit-image carries, (226, 400, 3)."""
    import skimage.data

    return np.asarray(Image.fromarray(skimage.data.astronaut()[:289]).resize((400, 226)))


def pan(seed: int, frames: int) -> list[Rgb]:
    """A window that goes to and fro over a photo, as a hand-held camera would."""
    photo = load_person()
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
    root.mkdir(parents=True, exist_ok=True)
    write_phone_videos(root / "phone", [pan(seed, LONG if seed == 3 else FRAMES) for seed in range(5)])
    with running_stack((root / "stack").absolute()) as stack, contextlib.chdir(root):
        for command in list_commands():
            outcome = run_cli(stack, *shlex.split(command)[1:], check=False)
            if outcome.status != SOME_SKIPPED or "IMG_0005.MOV: video_broken" not in outcome.stderr:
                raise RuntimeError(f"{command}\n{outcome.stderr}{outcome.stdout}")


if __name__ == "__main__":
    make_sets(Path(sys.argv[1]))
