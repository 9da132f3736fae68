"""Formats a dataset can be written as; a format's module is imported when it is asked for."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from workers.datasets.errors import DatasetError
from workers.datasets.reader import Dataset


class Exporter(Protocol):
    """Writes a dataset as one format; `loses` says in words what the format cannot hold."""

    @property
    def name(self) -> str:
        """What the format is called on the command line; its folder has this name too."""
        ...

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        ...

    @property
    def loses(self) -> tuple[str, ...]:
        """What the format cannot hold, or what is not put into it."""
        ...

    def write(self, dataset: Dataset, out: Path, **options: Any) -> Sequence[Path]:
        """Write the kept clips under `out` (an empty folder) and give the files; raises DatasetError."""
        ...


_HERE = __name__
# format -> "module:class"
EXPORTERS: dict[str, str] = {
    "bop": f"{_HERE}.bop:Bop",
    "cjepa": f"{_HERE}.cjepa:CJepa",
    "cjepa-slots": f"{_HERE}.cjepa_slots:CJepaSlots",
    "coco": f"{_HERE}.coco:Coco",
    "hf-datasets": f"{_HERE}.hugging_face:HuggingFace",
    "lerobot": f"{_HERE}.lerobot:LeRobot",
    "movi": f"{_HERE}.movi:Movi",
    "movi-tfds": f"{_HERE}.movi_tfds:MoviTfds",
    "neural-assets": f"{_HERE}.neural_assets:NeuralAssets",
    "spatialvid": f"{_HERE}.spatialvid:SpatialVid",
    "stable-worldmodel": f"{_HERE}.flat_hdf5:StableWorldModel",
    "stable-worldmodel-lance": f"{_HERE}.lance_table:StableWorldModelLance",
    "tinyworlds": f"{_HERE}.flat_hdf5:TinyWorlds",
    "vpt": f"{_HERE}.vpt:Vpt",
    "webdataset": f"{_HERE}.webdataset:WebDataset",
    "ytvis": f"{_HERE}.ytvis:YouTubeVis",
}


def exporter(name: str) -> Exporter:
    """The exporter of a format; raises DatasetError `format_unknown`."""
    if name not in EXPORTERS:
        known = ", ".join(sorted(EXPORTERS)) or "none yet"
        raise DatasetError("format_unknown", f"no format is called {name!r}; known: {known}")
    module, made = EXPORTERS[name].split(":")
    found: Exporter = getattr(import_module(module), made)()
    return found
