"""A drawn SA-Co/VEval set with predictions of every kind, in the files that Meta's evaluator reads."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.evaluation_sets import describe_mask, write_json
from tests.support.oracle_engines import draw_box

SIZE, FRAMES = (48, 64), 6
# one per pair of video and phrase: instances as (x, y, width, height), moved by 3 pixels a frame
PAIRS: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {
    (1, 1): [(2, 2, 16, 14), (30, 24, 12, 12)],
    (1, 2): [],
    (1, 3): [(10, 30, 20, 10)],
    (2, 1): [(4, 4, 10, 10), (20, 4, 10, 10), (4, 30, 10, 10)],
    (2, 2): [],
    (2, 3): [(8, 8, 24, 20)],
}


def draw_files(folder: Path) -> tuple[Path, Path]:
    """`gt.json` and `pred.json` in a folder: good, shifted, cut, late, invented, weak and missing tracks."""
    rng = np.random.default_rng(5)
    annotations, predictions = [], []
    for (video, category), instances in PAIRS.items():
        for number, (x, y, width, height) in enumerate(instances):
            frames = [draw_box(SIZE, x + 3 * frame, y, width, height) for frame in range(FRAMES)]
            # the second instance of a pair leaves after four frames
            track = [None if number == 1 and frame > 3 else mask for frame, mask in enumerate(frames)]
            annotations.append(_describe(video, category, track, id=len(annotations) + 1, iscrowd=0))
            if (video, category) == (1, 3):
                continue
            moved = [
                None if mask is None else np.roll(mask, int(rng.integers(-3, 4)), axis=1) for mask in track
            ]
            score = float(np.round(rng.uniform(0.5, 1.0), 3))
            if number == 1:
                # a track that changes its identity in the middle
                cut = [mask if frame < 2 else None for frame, mask in enumerate(moved)]
                rest = [mask if frame >= 2 else None for frame, mask in enumerate(moved)]
                predictions += [
                    _describe(video, category, cut, score=score),
                    _describe(video, category, rest, score=score - 0.01),
                ]
            else:
                late = [None if number == 2 and frame < 2 else mask for frame, mask in enumerate(moved)]
                predictions.append(_describe(video, category, late, score=score))
    invented = [draw_box(SIZE, 40, 4, 12, 12)] * FRAMES
    predictions.append(_describe(1, 2, invented, score=0.8))
    # too weak to be counted
    predictions.append(_describe(2, 2, invented, score=0.3))
    content = {"info": {}, "annotations": annotations, **_list_media()}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "gt.json", content)
    write_json(folder / "pred.json", predictions)
    return folder / "gt.json", folder / "pred.json"


def _list_media() -> dict[str, Any]:
    """Videos, categories, and pairs of a video and a phrase."""
    names = {1: "cat", 2: "dog", 3: "truck"}
    return {
        "videos": [
            {
                "id": video,
                "video_name": f"sav_{video}",
                "file_names": [f"sav_{video}/{frame:05}.jpg" for frame in range(FRAMES)],
                "height": SIZE[0],
                "width": SIZE[1],
                "length": FRAMES,
            }
            for video in (1, 2)
        ],
        "categories": [{"id": number, "name": name} for number, name in names.items()],
        "video_np_pairs": [
            {
                "id": number,
                "video_id": video,
                "category_id": category,
                "noun_phrase": names[category],
                "num_masklets": len(instances),
            }
            for number, ((video, category), instances) in enumerate(PAIRS.items(), start=1)
        ],
    }


def _describe(video: int, category: int, track: list[Any], **more: Any) -> dict[str, Any]:
    rows = [None if mask is None else describe_mask(mask) for mask in track]
    # predictions have boxes of no size where annotations have none
    empty = [0.0, 0.0, 0.0, 0.0] if "score" in more else None
    return {
        "video_id": video,
        "category_id": category,
        "noun_phrase": "",
        "segmentations": [row and row["segmentation"] for row in rows],
        "bboxes": [empty if row is None else row["bbox"] for row in rows],
        "areas": [(0 if "score" in more else None) if row is None else row["area"] for row in rows],
        "height": SIZE[0],
        "width": SIZE[1],
        **more,
    }
