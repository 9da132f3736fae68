"""SA-Co: media paired with phrases, and masks of every instance of a phrase, none where it is absent.

Gold: `annotations/gold_SUBSET_merged_{a,b,c}_release_test.json`, by three annotators; images below
`images/metaclip` and `images/sa1b`. VEval: `annotation/saco_veval_SPLIT.json`, frames below
`media/saco_{sav,yt1b,sg}/JPEGImages_*fps`. Of YT-Temporal-1B the `_updated` file is read where there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.evaluation.datasets.files import read_json, require_fields
from workers.evaluation.errors import LayoutError

Row = dict[str, Any]
GOLD_SUBSETS = (
    "metaclip_nps",
    "sa1b_nps",
    "crowded",
    "fg_food",
    "fg_sports_equipment",
    "attributes",
    "wiki_common",
)
# subsets whose files have other names
GOLD_FILES = {"metaclip_nps": "metaclip", "sa1b_nps": "sa1b"}
ANNOTATORS = ("a", "b", "c")
MEDIA = {
    "sav": "saco_sav/JPEGImages_24fps",
    "yt1b": "saco_yt1b/JPEGImages_6fps",
    "smartglasses": "saco_sg/JPEGImages_6fps",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldSubset:
    """Pairs of image and phrase that are judged, by ids, and what each annotator drew for them."""

    name: str
    files: tuple[Path, ...]
    images: Path
    pairs: Mapping[int, Row]
    annotations: tuple[Mapping[int, list[Row]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VevalSplit:
    """Videos by ids, pairs of video and category with their phrases, and the masklets of each pair."""

    file: Path
    media: Path
    videos: Mapping[int, Row]
    phrases: Mapping[tuple[int, int], str]
    masklets: Mapping[tuple[int, int], list[Row]]


def read_gold_subset(folder: Path, name: str) -> GoldSubset:
    """One subset of SA-Co/Gold; raises LayoutError."""
    stem = GOLD_FILES.get(name, name)
    files = tuple(
        folder / "annotations" / f"gold_{stem}_merged_{letter}_release_test.json" for letter in ANNOTATORS
    )
    data = [read_json(file, f"annotations of {name}", ("images", "annotations")) for file in files]
    for file, one in zip(files, data, strict=True):
        for row in one["images"]:
            fields = ("id", "file_name", "text_input", "width", "height", "is_instance_exhaustive")
            require_fields(row, fields, f"an image of {file}")
        for row in one["annotations"]:
            require_fields(row, ("image_id", "bbox", "segmentation"), f"annotation {row.get('id')} of {file}")
    exhaustive = [{row["id"] for row in one["images"] if row["is_instance_exhaustive"]} for one in data]
    known = [{row["id"] for row in one["images"]} for one in data]
    judged = list(zip(exhaustive, known, strict=True))
    # what another annotator has not seen is judged by the others alone
    pairs = {
        row["id"]: row
        for row in data[0]["images"]
        if all(row["id"] in full or row["id"] not in seen for full, seen in judged)
    }
    return GoldSubset(
        name=name,
        files=files,
        images=folder / "images" / ("sa1b" if name == "sa1b_nps" else "metaclip"),
        pairs=pairs,
        annotations=tuple(_group(one["annotations"], "image_id") for one in data),
    )


def read_veval_split(folder: Path, split: str) -> VevalSplit:
    """A split of SA-Co/VEval such as `sav_test`; raises LayoutError."""
    domain = split.rpartition("_")[0]
    if domain not in MEDIA:
        raise LayoutError(
            f"SA-Co/VEval has no split {split!r}: it is one of {', '.join(MEDIA)}, _val or _test"
        )
    file = folder / "annotation" / f"saco_veval_{split}.json"
    updated = file.with_stem(f"{file.stem}_updated")
    file = updated if updated.is_file() else file
    return parse_veval(file, folder / "media" / MEDIA[domain])


def parse_veval(file: Path, media: Path) -> VevalSplit:
    """One file of SA-Co/VEval's annotations; raises LayoutError."""
    data = read_json(file, "the annotations", ("videos", "annotations", "video_np_pairs"))
    videos = {}
    for row in data["videos"]:
        require_fields(row, ("id", "file_names", "height", "width"), f"a video of {file}")
        videos[row["id"]] = row
    phrases = {}
    for row in data["video_np_pairs"]:
        require_fields(row, ("video_id", "category_id", "noun_phrase"), f"a pair of {file}")
        phrases[row["video_id"], row["category_id"]] = row["noun_phrase"]
    masklets: dict[tuple[int, int], list[Row]] = {}
    for row in data["annotations"]:
        place = f"annotation {row.get('id')} of {file}"
        require_fields(row, ("video_id", "category_id", "segmentations", "bboxes"), place)
        pair = row["video_id"], row["category_id"]
        if pair not in phrases or row["video_id"] not in videos:
            raise LayoutError(f"{place} belongs to no pair of video and phrase")
        if len(row["segmentations"]) != len(videos[row["video_id"]]["file_names"]):
            raise LayoutError(f"{place} has not one segmentation per frame")
        masklets.setdefault(pair, []).append(row)
    return VevalSplit(file=file, media=media, videos=videos, phrases=phrases, masklets=masklets)


def _group(rows: list[Row], field: str) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[field], []).append(row)
    return groups
