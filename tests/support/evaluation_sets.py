"""Small drawn datasets in the layouts of published benchmarks, each with the answers that are right."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.oracle_engines import Answers, Mask, draw_box
from workers.formats.rle import encode_mask

SIZE = (60, 80)


def draw_image(path: Path, mark: int, size: tuple[int, int] = SIZE) -> Path:
    """A grey image whose level is its mark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), mark, np.uint8)).save(path, quality=95)
    return path


def write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def describe_mask(mask: Mask) -> dict[str, Any]:
    """Segmentation, box and area of a mask as COCO's annotations have them."""
    y, x = np.nonzero(mask)
    box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
    return {"segmentation": encode_mask(mask), "bbox": box, "area": int(mask.sum()), "iscrowd": 0}


def draw_coco(folder: Path) -> dict[int, Answers]:
    """Two images with a cat each, the second also with two dogs."""
    answers: dict[int, Answers] = {
        10: {"cat": [(0.9, draw_box(SIZE, 10, 10, 20, 10))], "dog": []},
        20: {
            "cat": [(0.8, draw_box(SIZE, 40, 20, 20, 20))],
            "dog": [(0.9, draw_box(SIZE, 0, 0, 10, 10)), (0.7, draw_box(SIZE, 20, 40, 10, 10))],
        },
    }
    write_json(folder / "annotations" / "instances_val2017.json", list_instances(folder, answers, "val2017"))
    return answers


def list_instances(folder: Path, answers: dict[int, Answers], images: str) -> dict[str, Any]:
    """COCO's annotations of some answers, whose images are drawn."""
    names = sorted({phrase for known in answers.values() for phrase in known})
    rows, annotations = [], []
    for mark, known in answers.items():
        path = draw_image(folder / images / f"{mark:012}.jpg", mark)
        rows.append({"id": mark, "file_name": path.name, "height": SIZE[0], "width": SIZE[1]})
        for phrase, instances in known.items():
            for _, mask in instances:
                place = {"image_id": mark, "category_id": names.index(phrase) + 1}
                annotations.append({"id": len(annotations) + 1, **place, **describe_mask(mask)})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    return {"images": rows, "categories": categories, "annotations": annotations}


def draw_lvis(folder: Path) -> dict[int, Answers]:
    """COCO's images; the first was not searched for dogs, in the second not all cats are known."""
    answers = draw_coco(folder)
    data = list_instances(folder, answers, "val2017")
    for row in data["images"]:
        first = row["id"] == 10
        row["coco_url"] = f"http://images.cocodataset.org/val2017/{row['file_name']}"
        row["neg_category_ids"], row["not_exhaustive_category_ids"] = [], [] if first else [1]
    for row, letter in zip(data["categories"], "fr", strict=True):
        row["frequency"], row["synonyms"] = letter, [row["name"]]
    write_json(folder / "lvis_v1_val.json", data)
    return answers


def draw_davis(folder: Path, frames: int = 5) -> dict[int, Answers]:
    """One video in which a square moves to the right by 5 pixels a frame, and another one stands."""
    answers: dict[int, Answers] = {}
    for index in range(frames):
        moving, standing = draw_box(SIZE, 10 + 5 * index, 10, 20, 20), draw_box(SIZE, 50, 40, 10, 10)
        answers[10 * (index + 1)] = {"objects": [(1.0, moving), (1.0, standing)]}
    draw_video(folder / "JPEGImages" / "480p" / "walk", folder / "Annotations" / "480p" / "walk", answers)
    (folder / "ImageSets" / "2017").mkdir(parents=True)
    (folder / "ImageSets" / "2017" / "val.txt").write_text("walk\n")
    return answers


def draw_video(frames: Path, annotations: Path | None, answers: dict[int, Answers]) -> list[Path]:
    """A JPEG per answer, and a PNG with a palette whose pixels are the numbers of the objects."""
    paths = []
    for index, (mark, known) in enumerate(answers.items()):
        paths.append(draw_image(frames / f"{index:05}.jpg", mark))
        if annotations is not None:
            write_labels(annotations / f"{index:05}.png", [mask for _, mask in known["objects"]])
    return paths


def write_labels(path: Path, masks: Sequence[Mask]) -> None:
    labels = np.zeros(masks[0].shape, np.uint8)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def draw_gold(folder: Path, subset: str = "crowded") -> dict[int, Answers]:
    """Two images, each with a cat and a phrase that is absent, annotated three times alike."""
    answers: dict[int, Answers] = {
        10: {"cat": [(0.9, draw_box(SIZE, 10, 10, 20, 10))], "dog": []},
        20: {"cat": [(0.8, draw_box(SIZE, 40, 20, 20, 20))], "red bird": []},
    }
    for letter in "abc":
        write_gold(folder, letter, answers, subset)
    return answers


def write_gold(
    folder: Path,
    letter: str,
    answers: dict[int, Answers],
    subset: str = "crowded",
    size: tuple[int, int] = SIZE,
) -> None:
    """What one annotator drew; ids of pairs count from 1 in the order of images and phrases."""
    images, annotations = [], []
    for mark, known in answers.items():
        path = draw_image(folder / "images" / "metaclip" / "1" / f"{mark}.jpg", mark, size)
        for phrase, instances in known.items():
            shape = {"height": size[0], "width": size[1], "is_instance_exhaustive": 1}
            images.append(
                {"id": len(images) + 1, "file_name": f"1/{path.name}", "text_input": phrase, **shape}
            )
            for _, mask in instances:
                row = describe_mask(mask)
                row["bbox"] = np.divide(row["bbox"], (*size[::-1], *size[::-1])).tolist()
                annotations.append({"id": len(annotations), "image_id": len(images), "category_id": 1, **row})
    name = f"gold_{subset}_merged_{letter}_release_test.json"
    write_json(folder / "annotations" / name, {"images": images, "annotations": annotations})


def draw_veval(folder: Path, split: str = "sav_test") -> dict[int, Answers]:
    """A video of four frames with two cats, one of which leaves after two, and no dog."""
    answers: dict[int, Answers] = {}
    for index in range(4):
        cats = [(0.9, draw_box(SIZE, 5 * index, 10, 20, 20)), (0.8, draw_box(SIZE, 40, 40, 20, 10))]
        answers[10 * (index + 1)] = {"cat": cats if index < 2 else cats[:1], "dog": []}
    frames = folder / "media" / "saco_sav" / "JPEGImages_24fps"
    names = [f"sav_1/{path.name}" for path in draw_video(frames / "sav_1", None, answers)]
    annotations = []
    for number in range(2):
        rows = [
            describe_mask(known["cat"][number][1]) if number < len(known["cat"]) else None
            for known in answers.values()
        ]
        annotations.append(
            {
                "id": number + 1, "video_id": 7, "category_id": 3, "noun_phrase": "cat", "iscrowd": 0,
                "segmentations": [row and row["segmentation"] for row in rows],
                "bboxes": [row and row["bbox"] for row in rows],
                "areas": [row and row["area"] for row in rows],
            }
        )  # fmt: skip
    pairs = [
        {"id": 1, "video_id": 7, "category_id": 3, "noun_phrase": "cat", "num_masklets": 2},
        {"id": 2, "video_id": 7, "category_id": 4, "noun_phrase": "dog", "num_masklets": 0},
    ]
    video = {"id": 7, "video_name": "sav_1", "file_names": names, "height": SIZE[0], "width": SIZE[1]}
    data = {
        "info": {}, "videos": [video], "annotations": annotations, "video_np_pairs": pairs,
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
    }  # fmt: skip
    write_json(folder / "annotation" / f"saco_veval_{split}.json", data)
    return answers
