"""COCO's instances and LVIS, whose files extend them: images, categories and masks of instances.

COCO: `annotations/instances_val2017.json` and `val2017/*.jpg`. LVIS v1: `lvis_v1_val.json` (also below
`annotations`), whose images lie where the last two parts of their `coco_url` say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.evaluation.datasets.files import read_json, require_fields, require_folder
from workers.evaluation.errors import LayoutError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSet:
    """Images, categories by their ids, and annotations; `file` is the file they come from."""

    file: Path
    images: Mapping[int, Row]
    paths: Mapping[int, Path]
    categories: Mapping[int, Row]
    annotations: list[Row]


def read_coco(folder: Path, split: str) -> InstanceSet:
    """COCO's instances of a split such as `val2017`; raises LayoutError."""
    file = folder / "annotations" / f"instances_{split}.json"
    images = require_folder(folder / split, f"the images of {split}")
    return _read(file, lambda row: images / str(row["file_name"]), ("file_name",), ())


def read_lvis(folder: Path, split: str) -> InstanceSet:
    """LVIS v1 of a split such as `val`; raises LayoutError."""
    name = f"lvis_v1_{split}.json"
    file = folder / name if (folder / name).is_file() else folder / "annotations" / name
    federated = ("coco_url", "neg_category_ids", "not_exhaustive_category_ids")

    def locate(row: Row) -> Path:
        return folder.joinpath(*str(row["coco_url"]).split("/")[-2:])

    return _read(file, locate, federated, ("synonyms",))


def _read(
    file: Path, locate: Callable[[Row], Path], image_fields: tuple[str, ...], class_fields: tuple[str, ...]
) -> InstanceSet:
    data = read_json(file, "the annotations", ("images", "categories", "annotations"))
    images = _index(data["images"], ("id", "width", "height", *image_fields), f"an image of {file}")
    categories = _index(data["categories"], ("id", "name", *class_fields), f"a category of {file}")
    for row in data["annotations"]:
        place = f"annotation {row.get('id')} of {file}"
        require_fields(row, ("id", "image_id", "category_id", "bbox", "area", "segmentation"), place)
        if row["image_id"] not in images or row["category_id"] not in categories:
            raise LayoutError(f"{place} names an image or a category that is not there")
    return InstanceSet(
        file=file,
        images=images,
        paths={number: locate(row) for number, row in images.items()},
        categories=categories,
        annotations=data["annotations"],
    )


def _index(rows: list[Row], fields: tuple[str, ...], place: str) -> dict[int, Row]:
    for row in rows:
        require_fields(row, fields, place)
    return {row["id"]: row for row in rows}
