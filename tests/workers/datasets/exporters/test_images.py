"""COCO, YouTube-VIS / SA-Co, WebDataset and Hugging Face Parquet, each read by its own reader."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
from pycocotools import mask as rle
from pycocotools.coco import COCO
from webdataset.autodecode import IMAGE_EXTENSIONS

from tests.support.export_datasets import all_close, load_export_dataset
from workers.datasets.exporters.coco import Coco
from workers.datasets.exporters.hugging_face import HuggingFace
from workers.datasets.exporters.shared.categories import get_category_name
from workers.datasets.exporters.webdataset import WebDataset
from workers.datasets.exporters.ytvis import YouTubeVis
from workers.datasets.images import pack_depth
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip

# WebDataset leaves it to the garbage collector to close its shards
pytestmark = pytest.mark.filterwarnings(r"ignore:unclosed file .*\.tar:ResourceWarning")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.mark.slow
def test_coco_masks_boxes_and_images_are_read_back(data: Dataset, tmp_path: Path) -> None:
    Coco().write(data, tmp_path)
    seen = 0
    for split in ("train", "val"):
        coco = COCO(tmp_path / f"{split}.json")
        images = {(image["clip"], image["frame_id"]): image for image in coco.loadImgs(coco.getImgIds())}
        for clip in data.clips(split):
            tracks = {track.track: track for track in clip.tracks}
            for frame in range(len(clip)):
                image = images[clip.id, frame]
                stored = (tmp_path / image["file_name"]).read_bytes()
                assert stored == clip.frames[frame].jpeg
                actual = {a["track_id"]: a for a in coco.loadAnns(coco.getAnnIds(image["id"]))}
                assert set(actual) == {row.track for row in clip.frame_observations(frame)}
                for row in clip.frame_observations(frame):
                    annotation = actual[row.track]
                    mask = coco.annToMask(annotation).astype(bool)
                    assert np.array_equal(mask, clip.mask(row)) and mask.sum() == annotation["area"]
                    x, y, w, h = annotation["bbox"]
                    assert all_close([x, y, x + w, y + h], [row.x0, row.y0, row.x1, row.y1])
                    name = coco.loadCats(annotation["category_id"])[0]["name"]
                    assert name == get_category_name(tracks[row.track])
                    seen += 1
        licences = {item["id"]: item["name"] for item in coco.dataset["licenses"]}
        for clip in data.clips(split):
            stated = images[clip.id, 0]["license"]
            assert (None if stated is None else licences[stated]) == clip.source.licence
    assert seen == sum(len(clip.observations) for clip in data.clips())
    names = {category["name"] for category in coco.dataset["categories"]}
    assert "unicorn" in names


def test_ytvis_keeps_masklets_and_negatives(data: Dataset, tmp_path: Path) -> None:
    YouTubeVis().write(data, tmp_path)
    left_out = json.loads((tmp_path / "maquette.json").read_text())["left_out"]
    rejected = {(item["clip"], item["phrase"]) for item in left_out}
    assert rejected
    for split in ("train", "val"):
        content = json.loads((tmp_path / f"{split}.json").read_text())
        names = {category["id"]: category["name"] for category in content["categories"]}
        for video in content["videos"]:
            clip = data.clip(video["video_name"])
            assert video["length"] == len(video["file_names"]) == len(clip)
            images = [(tmp_path / "JPEGImages" / name).read_bytes() for name in video["file_names"]]
            assert images == [row.jpeg for row in clip.frames]
            masklets = [a for a in content["annotations"] if a["video_id"] == video["id"]]
            assert [a["track_id"] for a in masklets] == [track.track for track in clip.tracks]
            for masklet in masklets:
                rows = {row.frame: row for row in clip.track_observations(masklet["track_id"])}
                for frame, coded in enumerate(masklet["segmentations"]):
                    assert (coded is None) == (frame not in rows) == (masklet["bboxes"][frame] is None)
                    if coded is not None:
                        mask = rle.decode(coded).astype(bool)
                        assert np.array_equal(mask, clip.mask(rows[frame]))
                        assert masklet["areas"][frame] == mask.sum()
                assert names[masklet["category_id"]] == masklet["noun_phrase"]
            pairs = {
                pair["noun_phrase"]: pair["num_masklets"]
                for pair in content["video_np_pairs"]
                if pair["video_id"] == video["id"]
            }
            assert pairs["unicorn"] == 0
            for concept in clip.concepts:
                if concept.kept < concept.found:
                    assert concept.phrase not in pairs
                    assert (clip.id, concept.phrase) in rejected
                else:
                    assert pairs[concept.phrase] == concept.found
            counted = {name: sum(m["noun_phrase"] == name for m in masklets) for name in pairs}
            assert counted == pairs


def test_webdataset_gives_complete_clips(data: Dataset, tmp_path: Path) -> None:
    # so small that every clip begins a shard
    WebDataset().write(data, tmp_path, largest=1)
    for split in ("train", "val"):
        clips = {clip.id: clip for clip in data.clips(split)}
        shards = sorted(str(path) for path in tmp_path.glob(f"{split}-*.tar"))
        assert len(shards) == len(clips)
        samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
        assert {sample["__key__"] for sample in samples} == set(clips)
        for sample in samples:
            clip = clips[sample["__key__"]]
            stated = sample["json"]
            for frame in range(len(clip)):
                assert np.array_equal(sample[f"{frame:05d}.jpg"], clip.image(frame))
                depth = clip.depth(frame)
                assert (depth is None) == (f"{frame:05d}.depth.npy" not in sample)
            for row, actual in zip(clip.observations, stated["observations"], strict=True):
                size = [actual["mask_height"], actual["mask_width"]]
                mask = rle.decode({"size": size, "counts": actual["mask_counts"]}).astype(bool)
                assert np.array_equal(mask, clip.mask(row))
                assert actual["center_cam"] == (None if row.center_cam is None else list(row.center_cam))
            for camera, actual in zip(clip.cameras, stated["cameras"], strict=True):
                pose = camera.world_from_cam
                assert actual["world_from_cam"] == (None if pose is None else list(pose))
            assert [row["values"] for row in stated["actions"]] == [list(row.values) for row in clip.actions]
            assert stated["source"]["licence"] == clip.source.licence


# every way in which `decode` of the library is asked for images, and None for `decode()`; those called torch
# need torch and are in test_train_through.py
DECODERS = (None, "l8", "rgb8", "rgba8", "l", "rgb", "rgba", "pill", "pil", "pilrgb", "pilrgba")


@pytest.fixture(scope="module")
def shards(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("webdataset")
    WebDataset().write(data, out)
    return sorted(map(str, out.rglob("*.tar")))


@pytest.mark.slow
@pytest.mark.parametrize("decoder", DECODERS)
def test_webdataset_arrays_are_exact_in_every_decoder(
    data: Dataset, shards: list[str], decoder: str | None
) -> None:
    exact = 0
    for shard in shards:
        for sample in webdataset.WebDataset(shard, shardshuffle=False).decode(*filter(None, [decoder])):
            clip = data.clip(sample["__key__"])
            for frame in range(0, len(clip), 5):
                ids = sample[f"{frame:05d}.segmentation.npy"]
                assert np.array_equal(ids, clip.segmentation(frame))
                depth = clip.depth(frame)
                if depth is not None:
                    stored = sample[f"{frame:05d}.depth.npy"]
                    assert stored.dtype == np.float32 and np.array_equal(stored, depth, equal_nan=True)
                    exact += 1
            assert sample["json"]["clip"]["clip"] == clip.id
            # what an image decoder would take for eight bits is the frames alone
            images = {key for key in sample if key.rpartition(".")[2] in IMAGE_EXTENSIONS}
            assert images == {f"{frame:05d}.jpg" for frame in range(len(clip))}
    assert exact > 5


def test_webdataset_depth_is_nan_where_nobody_measured_it(data: Dataset, tmp_path: Path) -> None:
    clip = next(clip for clip in data.clips() if clip.depth(3) is not None)
    depth = np.asarray(clip.depth(3)).copy()
    depth[:, : depth.shape[1] // 3] = np.nan
    levels, unit = pack_depth(depth)
    frames = [replace(row, depth_png=levels, depth_unit=unit) for row in clip.frames]
    tables = {"frames": frames, "cameras": clip.cameras, "tracks": clip.all_tracks}
    publish_clips([SceneClip.from_tables(clip.row, clip.source, tables)], tmp_path / "made", "test")
    WebDataset().write(Dataset(tmp_path / "made"), tmp_path / "out")
    [shard] = (tmp_path / "out").glob("*.tar")
    [sample] = webdataset.WebDataset(str(shard), shardshuffle=False).decode()
    assert np.allclose(sample["00003.depth.npy"], depth, atol=unit, equal_nan=True)


def test_webdataset_ids_have_one_type_that_holds_all(data: Dataset, tmp_path: Path) -> None:
    clip = next(clip for clip in data.clips() if clip.observations)
    last = clip.tracks[-1].track
    renamed = {
        name: [replace(row, track=70000) if row.track == last else row for row in rows]
        for name, rows in (("tracks", clip.all_tracks), ("observations", clip.observations))
    }
    tables = {"frames": clip.frames, "cameras": clip.cameras, **renamed}
    publish_clips([SceneClip.from_tables(clip.row, clip.source, tables)], tmp_path / "made", "test")
    many = Dataset(tmp_path / "made")
    for dataset, kind in ((data, np.uint8), (many, np.int32)):
        out = tmp_path / np.dtype(kind).name
        WebDataset().write(dataset, out)
        for shard in sorted(str(path) for path in out.glob("*.tar")):
            for sample in webdataset.WebDataset(shard, shardshuffle=False).decode():
                ids = sample["00003.segmentation.npy"]
                assert ids.dtype == kind
                assert np.array_equal(ids, dataset.clip(sample["__key__"]).segmentation(3))
    assert 70000 in ids


def test_parquet_rows_hold_the_frames(data: Dataset, tmp_path: Path) -> None:
    HuggingFace().write(data, tmp_path, rows_a_file=24)
    for split in ("train", "val"):
        files = sorted((tmp_path / "data").glob(f"{split}-*.parquet"))
        rows = [row for file in files for row in pq.read_table(file).to_pylist()]
        clips = list(data.clips(split))
        assert len(files) == len(clips) / 2 and files[-1].name.endswith(f"of-{len(files):05d}.parquet")
        assert [row["clip"] for row in rows] == [clip.id for clip in clips for _ in range(len(clip))]
        for row in rows:
            clip, frame = data.clip(row["clip"]), row["frame"]
            assert row["image"]["bytes"] == clip.frames[frame].jpeg
            seen = clip.frame_observations(frame)
            assert row["tracks"] == [item.track for item in seen]
            assert row["masks"] == [item.mask_counts for item in seen]
            assert row["boxes"] == [[item.x0, item.y0, item.x1, item.y1] for item in seen]
            for name, value in (("centers", "center_cam"), ("rotations", "rotation_cam"), ("sizes", "size")):
                assert row[name] == [
                    None if getattr(item, value) is None else list(getattr(item, value)) for item in seen
                ]
            pose = clip.cameras[frame].world_from_cam
            assert row["world_from_cam"] == (None if pose is None else list(pose))
            assert row["licence"] == clip.source.licence
        features = json.loads(pq.read_schema(files[0]).metadata[b"huggingface"])["info"]["features"]
        assert features["image"] == {"_type": "Image"} and set(features) == set(rows[0])
    card = (tmp_path / "README.md").read_text()
    assert "path: data/train-*.parquet" in card and "CC0-1.0" in card and "unknown" in card
