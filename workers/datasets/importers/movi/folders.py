"""Folders of MOVi examples as a dataset."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.errors import DatasetError
from workers.datasets.exporters.export_writer import SPLITS
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.importers.movi import tfds
from workers.datasets.importers.movi.clips import import_example


def import_folder(folder: Path, out: Path) -> Path:
    """Write the MOVi clips of a folder as a dataset to `out`.

    The folder is one that the exporter `movi` wrote (`<split>/<clip>/`), or it has TFDS datasets anywhere
    below it: MOVi's own, or those of the exporter `movi-tfds`.

    Raises DatasetError `dataset_missing` when there is no example, `dataset_broken` for one that cannot be
    read, and `dataset_conflict` when `out` is not empty.
    """
    clips = [
        import_example(example, split=split)
        for dataset in tfds.find_datasets(folder)
        for split, example in tfds.read_examples(dataset)
    ]
    for split in SPLITS if not clips else ():
        for path in sorted(item for item in (folder / split).glob("*") if item.is_dir()):
            clips.append(import_example(read_example(path), split=split))
    if not clips:
        raise DatasetError(
            "dataset_missing", f"{folder} has neither MOVi arrays (<split>/<clip>/) nor a TFDS dataset"
        )
    publish_clips(clips, out, "movi")
    return out


def read_example(folder: Path) -> dict[str, Any]:
    """The arrays of the folder of one example, named as TFDS names them; raises DatasetError."""
    try:
        example: dict[str, Any] = {"metadata": json.loads((folder / "metadata.json").read_text())}
        for name in ("video", "segmentations", "depth"):
            path = folder / f"{name}.npz"
            if path.is_file():
                example |= _load_arrays(path)
        for name in ("instances", "camera"):
            example[name] = _load_arrays(folder / f"{name}.npz")
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError("dataset_broken", f"{folder.name} cannot be read: {error}") from error
    return example


def _load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
