"""The formats that a dataset can be exported to; the module of a format is imported when it is first used."""

from importlib import import_module

from workers.datasets.errors import DatasetError
from workers.datasets.exporters.base import Exporter

_HERE = __name__
# name of the format -> "module:class"
EXPORTERS: dict[str, str] = {
    "bop": f"{_HERE}.bop:Bop",
    "cjepa": f"{_HERE}.cjepa.video:CJepa",
    "cjepa-slots": f"{_HERE}.cjepa.measured_slots:CJepaSlots",
    "coco": f"{_HERE}.coco:Coco",
    "hf-datasets": f"{_HERE}.hugging_face:HuggingFace",
    "lerobot": f"{_HERE}.lerobot.exporter:LeRobot",
    "movi": f"{_HERE}.movi.arrays:Movi",
    "movi-tfds": f"{_HERE}.movi.tfds:MoviTfds",
    "neural-assets": f"{_HERE}.neural_assets.exporter:NeuralAssets",
    "spatialvid": f"{_HERE}.spatialvid.exporter:SpatialVid",
    "stable-worldmodel": f"{_HERE}.stable_worldmodel:StableWorldModel",
    "stable-worldmodel-lance": f"{_HERE}.stable_worldmodel_lance:StableWorldModelLance",
    "tinyworlds": f"{_HERE}.tinyworlds:TinyWorlds",
    "vpt": f"{_HERE}.vpt:Vpt",
    "webdataset": f"{_HERE}.webdataset:WebDataset",
    "ytvis": f"{_HERE}.ytvis:YouTubeVis",
}


def load_exporter_class(name: str) -> type[Exporter]:
    """The class of a format; raises DatasetError `format_unknown`."""
    if name not in EXPORTERS:
        known = ", ".join(sorted(EXPORTERS))
        raise DatasetError("format_unknown", f"there is no format {name!r}; known: {known}")
    module, class_name = EXPORTERS[name].split(":")
    loaded: type[Exporter] = getattr(import_module(module), class_name)
    return loaded


def load_exporter(name: str) -> Exporter:
    """The exporter of a format with its default options; raises DatasetError `format_unknown`."""
    return load_exporter_class(name)()
