"""`maquette.data`: labels, captions, crops and vectors of windows, masks of what is known, and batches."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.data import DataError, Windows, collate
from maquette.data.images import decode_jpeg
from PIL import Image

from tests.support.export_datasets import NAMES, load_export_dataset
from workers.datasets.exporters.hugging_face import build_rows
from workers.datasets.exporters.shared.categories import get_category_name
from workers.datasets.importers.clip_publishing import CLIP_ATTRIBUTES, publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES

pytestmark = pytest.mark.slow

SIZE = (60, 80)
WORDS = ("labels", "captions", "crops", "vectors")


def _with_vectors(clip: SceneClip) -> SceneClip:
    """The clip with a vector of its first track, and a rejected caption before the others."""
    rows = [row for row in clip.features if row.track == clip.tracks[0].track and row.kind == "crop"]
    vectors = [
        replace(row, kind="vector", encoder="test 1", jpeg=None, vector=(row.rank, row.track, 0.5))
        for row in rows
    ]
    rejected = [replace(row, text="a lie", kept=False) for row in clip.captions]
    tables: dict[str, Any] = {
        name: getattr(clip, CLIP_ATTRIBUTES.get(name, name))
        for name in TABLES
        if name not in ("sources", "clips")
    }
    tables |= {"features": [*vectors[::-1], *clip.features], "captions": [*rejected, *clip.captions]}
    return SceneClip.from_tables(clip.row, clip.source, tables)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    publish_clips([_with_vectors(clip) for clip in load_export_dataset().clips()], folder, "test")
    return Dataset(folder)


def test_slots_have_names_captions_crops_and_vectors(data: Dataset) -> None:
    windows = Windows(data.folder, size=SIZE, fields=WORDS, crop_size=32, as_tensors=False)
    assert windows.labels == sorted({get_category_name(t) for clip in data.clips() for t in clip.tracks})
    vectors = 0
    for index in range(0, len(windows), 5):
        sample = windows[index]
        clip = data.clip(sample["clip"])
        assert sample["caption"] == clip.caption != "a lie"
        for slot, track in enumerate(sample["tracks"].tolist()):
            row = next((row for row in clip.tracks if row.track == track), None)
            name = "" if row is None else get_category_name(row)
            assert sample["labels"][slot] == name
            assert sample["label_ids"][slot] == (windows.labels.index(name) if name else -1)
            captions = [caption.text for caption in clip.captions if caption.track == track]
            assert sample["track_captions"][slot] == (captions[0] if captions else "")
            best = min(
                (row for row in clip.features if row.track == track and row.kind == "crop"),
                key=lambda row: row.rank,
                default=None,
            )
            assert sample["crops_known"][slot] == (best is not None)
            if best is not None:
                expected = np.zeros((3, 32, 32), np.uint8)
                assert best.jpeg is not None
                decode_jpeg(best.jpeg, expected)
                assert np.array_equal(sample["crops"][slot], expected)
            has_vector = row is not None and track == clip.tracks[0].track and best is not None
            assert sample["vectors_known"][slot] == has_vector
            if has_vector:
                assert sample["vectors"][slot].tolist() == [0, track, 0.5]
                vectors += 1
            else:
                assert np.isnan(sample["vectors"][slot]).all()
    assert vectors > 5


def test_a_dataset_without_vectors_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        Windows(load_export_dataset().folder, size=SIZE, fields=("vectors",))
    assert error.value.code == "dataset_empty" and "encoder" in error.value.detail


def test_masks_say_what_is_known_and_nan_can_be_replaced(data: Dataset) -> None:
    options: dict[str, Any] = {"size": SIZE, "actions": NAMES, "as_tensors": False}
    options["fields"] = ("boxes_3d", "cameras", "depth", "vectors")
    plain, filled = Windows(data.folder, **options), Windows(data.folder, unknown=0.0, **options)
    unknown = dict.fromkeys(("boxes_3d", "world_from_cam", "actions", "vectors"), 0)
    for index in range(0, len(plain), 5):
        sample, zeros = plain[index], filled[index]
        for name in unknown:
            known = sample[f"{name}_known"]
            assert np.array_equal(known, zeros[f"{name}_known"])
            assert (
                np.isfinite(sample[name][known]).all() and np.isnan(sample[name][~known]).any() != known.all()
            )
            assert np.array_equal(zeros[name][known], sample[name][known]) and not zeros[name][~known].any()
            unknown[name] += int((~known).sum())
        assert all(np.isfinite(value).all() for value in zeros.values() if isinstance(value, np.ndarray))
    assert all(unknown.values())


def _load_rows(data: Dataset, *names: str) -> list[dict[str, Any]]:
    """Rows of `hf-datasets`, as that library gives them."""
    rows = []
    for name in names:
        clip = next(clip for clip in data.clips() if clip.source.name == name)
        row = build_rows(clip)[3]
        rows.append({**row, "image": Image.open(io.BytesIO(row["image"]["bytes"])).resize((64, 48))})
    return rows


def test_rows_with_unknown_poses_make_a_batch(data: Dataset) -> None:
    rows = _load_rows(data, "room", "balls", "still room")
    batch = collate(rows, as_tensors=False)
    assert batch["image"].shape == (3, 3, 48, 64) and batch["image"].dtype == np.uint8
    assert np.array_equal(batch["image"][1].transpose(1, 2, 0), np.asarray(rows[1]["image"]))
    assert batch["known"]["world_from_cam"].tolist() == [True, False, True]
    assert not batch["world_from_cam"][1].any()
    assert np.allclose(batch["world_from_cam"][0], rows[0]["world_from_cam"])
    assert batch["caption"] == [row["caption"] for row in rows] and batch["labels"][2] == rows[2]["labels"]
    longest = max(len(row["boxes"]) for row in rows)
    assert batch["boxes"].shape == (3, longest, 4) and batch["tracks"].dtype == np.int64
    for place, row in enumerate(rows):
        count = len(row["boxes"])
        assert batch["known"]["boxes"][place].tolist() == [True] * count + [False] * (longest - count)
        assert np.allclose(batch["boxes"][place, :count], row["boxes"])
        known = [center is not None for center in row["centers"]]
        assert batch["known"]["centers"][place, :count].tolist() == known
        assert np.isfinite(batch["centers"]).all()


def test_a_batch_of_unknown_values_keeps_its_shape(data: Dataset) -> None:
    batch = collate(_load_rows(data, "balls", "balls"), as_tensors=False)
    assert batch["world_from_cam"].shape == (2, 16) and not batch["known"]["world_from_cam"].any()
    assert batch["centers"].shape == (*batch["boxes"].shape[:2], 3) and not batch["known"]["centers"].any()
    empty = collate([{"boxes": [], "tracks": []}, {"boxes": [], "tracks": []}], as_tensors=False)
    assert empty["boxes"].shape == (2, 0, 4) and empty["tracks"].shape == (2, 0)


@pytest.mark.parametrize(
    ("values", "expected", "known"),
    [
        ([1, 2], [1, 2], [True, True]),
        ([None, 2.5], [0, 2.5], [False, True]),
        ([[1.0, float("nan")], [3.0, 4.0]], [[1, 0], [3, 4]], [False, True]),
        ([None, [3.0, 4.0]], [[0, 0], [3, 4]], [False, True]),
        ([True, False], [True, False], [True, True]),
    ],
)
def test_values_of_one_shape_are_stacked(values: list[Any], expected: list[Any], known: list[bool]) -> None:
    batch = collate([{"x": value} for value in values], as_tensors=False)
    assert batch["x"].tolist() == expected and batch["known"]["x"].tolist() == known


@pytest.mark.parametrize(
    "values", [["a", None], [[1, 2], [3]], [["a"], []], [{"a": 1}, {"a": 2}], [None, None]]
)
def test_values_that_do_not_fit_stay_lists(values: list[Any]) -> None:
    batch = collate([{"x": value} for value in values], as_tensors=False)
    assert batch == {"x": values, "known": {}}


def test_windows_make_batches_too(data: Dataset) -> None:
    windows = Windows(data.folder, size=SIZE, as_tensors=False, fields=("pixels", "cameras", "labels"))
    batch = collate([windows[0], windows[len(windows) - 1]], as_tensors=False)
    assert batch["pixels"].shape == (2, 4, 3, *SIZE) and np.isfinite(batch["world_from_cam"]).all()
    assert batch["labels"] == [windows[0]["labels"], windows[len(windows) - 1]["labels"]]
