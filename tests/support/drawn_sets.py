"""Drawn datasets that another environment has made: `python -m tests.support.drawn_sets FOLDER`.

Drawing needs pybullet, which has no wheel for the Python of the trainers and takes a long time to compile.
`MAQUETTE_DRAWN_SETS` names the folder.
"""

import os
import shutil
import sys
from pathlib import Path

from workers.datasets.reader import Dataset

DRAWN_SETS = "MAQUETTE_DRAWN_SETS"
TRAINING, EXPORTS, EDITS = "training", "exports", "edits"


def find_drawn_set(name: str) -> Dataset | None:
    """A dataset that was drawn before; None where no folder is named, so that it has to be drawn."""
    folder = os.environ.get(DRAWN_SETS)
    return Dataset(Path(folder) / name) if folder else None


def load_edits(folder: Path) -> Dataset:
    """Rendered pairs with one difference each, drawn to `folder` unless they were before."""
    if (drawn := find_drawn_set(EDITS)) is not None:
        return drawn
    from scripts.draw_scenes import edits

    edits(folder, pairs=5, seed=1, side=80, frames=12)
    return Dataset(folder)


def main(folder: Path) -> None:
    """Draw all of them."""
    from tests.support.export_datasets import load_export_dataset
    from tests.support.training_datasets import load_training_dataset

    shutil.copytree(load_training_dataset().folder, folder / TRAINING)
    shutil.copytree(load_export_dataset().folder, folder / EXPORTS)
    load_edits(folder / EDITS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
