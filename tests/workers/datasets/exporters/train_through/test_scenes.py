"""Scenes and annotations: COCO, YouTube-VIS, BOP, VPT, SpatialVID and the videos of C-JEPA.

COCO is read by torchvision, C-JEPA's shards by webdataset. The readers of the others are on no index: small
datasets here read their files by the libraries that those use (pycocotools, Pillow, OpenCV, NumPy), and
test_released_readers.py compares the exports with the released readers themselves.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-train")

import cv2  # noqa: E402
import webdataset  # noqa: E402
from PIL import Image  # noqa: E402
from pycocotools import mask as rle  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from tests.support import small_models as models  # noqa: E402
from workers.datasets.exporters import load_exporter  # noqa: E402
from workers.datasets.reader import Dataset  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    # of the loaders and of torch itself
    pytest.mark.filterwarnings("default"),
]

WORKERS, SIDE, SMALL = 2, 32, 12
# samples of a batch, of images with masks
MASKS = 12


class Items(torch.utils.data.Dataset):  # type: ignore[misc,name-defined]
    """A map-style dataset of items that are read when they are asked for."""

    def __init__(self, places: Sequence[Any], read: Any) -> None:
        self._places, self._read = places, read

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Any:
        return self._read(self._places[index])


def load(read: Any, size: int = MASKS) -> DataLoader[Any]:
    return DataLoader(read, batch_size=size, shuffle=True, num_workers=WORKERS, drop_last=True)


def train_masks(name: str, loader: Any, described: str) -> None:
    """Train on batches of images u8 (B, H, W, 3) and masks (B, H, W)."""
    net = models.make_pixel_net(1)

    def losses(batch: Any) -> tuple[Any, Any]:
        images = models.shrink(batch[0].permute(0, 3, 1, 2), SIDE) / 255
        return models.segmentation_losses(net, images, models.shrink(batch[1][:, None] > 0, SIDE))

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=60)
    models.record(name, described, (WORKERS, MASKS), "masks", outcome)


def train_vectors(name: str, loader: Any, described: str, target: str, sizes: tuple[int, int]) -> None:
    """Train on batches of vectors: inputs (B, N) and targets (B, M); the baseline gives their mean."""
    net = models.make_mlp(*sizes)

    def losses(batch: Any) -> tuple[Any, Any]:
        inputs, truth = (part.float() for part in batch)
        mean = truth.mean(dim=0)
        return ((net(inputs) + mean - truth) ** 2).mean(), ((truth - mean) ** 2).mean()

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=120, rate=2e-3)
    models.record(name, described, (WORKERS, int(loader.batch_size)), target, outcome)


def read_video(path: Path) -> list[np.ndarray[Any, Any]]:
    """The frames of a video as small vectors, 0 to 1."""
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        succeeded, image = video.read()
        if not succeeded:
            return frames
        small = cv2.resize(image[..., ::-1], (SMALL, SMALL), interpolation=cv2.INTER_AREA)
        frames.append(small.astype(np.float32).ravel() / 255)


def test_coco_trains_masks_through_torchvision(data: Dataset, tmp_path: Path) -> None:
    detection = pytest.importorskip("torchvision.datasets").CocoDetection
    load_exporter("coco").write(data, tmp_path)

    def merge(image: Any, annotations: Any) -> tuple[Any, Any]:
        pixels = np.asarray(image)
        mask = np.zeros(pixels.shape[:2], np.uint8)
        for item in annotations:
            mask |= rle.decode(item["segmentation"])
        return pixels, mask

    read = detection(str(tmp_path), str(tmp_path / "train.json"), transforms=merge)
    shown = read.coco.loadImgs(read.ids[0])[0]
    clip = data.clip(shown["clip"])
    assert np.array_equal(read[0][1] > 0, clip.segmentation(shown["frame_id"]) > 0)
    train_masks("coco", load(read), "torchvision, CocoDetection")


def test_ytvis_trains_masks(data: Dataset, tmp_path: Path) -> None:
    load_exporter("ytvis").write(data, tmp_path)
    content = json.loads((tmp_path / "train.json").read_text())
    places = [(video, frame) for video in content["videos"] for frame in range(video["length"])]

    def read(place: Any) -> tuple[Any, Any]:
        video, frame = place
        pixels = np.asarray(Image.open(tmp_path / "JPEGImages" / video["file_names"][frame]))
        mask = np.zeros(pixels.shape[:2], np.uint8)
        for item in content["annotations"]:
            if item["video_id"] == video["id"] and item["segmentations"][frame] is not None:
                mask |= rle.decode(item["segmentations"][frame])
        return pixels, mask

    items = Items(places, read)
    clip = data.clip(places[30][0]["video_name"])
    assert np.array_equal(items[30][1] > 0, clip.segmentation(places[30][1]) > 0)
    train_masks("ytvis", load(items), "its JSON, pycocotools")


def test_cjepa_trains_masks_through_webdataset(data: Dataset, tmp_path: Path) -> None:
    # a worker reads complete shards
    load_exporter("cjepa").write(data, tmp_path, side=64, largest=1)
    clips = {clip.id: clip for clip in data.clips()}

    def split_frames(samples: Iterator[dict[str, Any]]) -> Iterator[Any]:
        for sample in samples:
            video, slots = sample["video.npy"], sample["segmentations.npy"]
            assert len(video) == len(clips[sample["__key__"]]) == len(slots)
            for frame in range(0, len(video), 2):
                yield video[frame].copy(), (slots[frame] > 0).any(axis=2).astype(np.uint8)

    shards = sorted(map(str, tmp_path.glob("train-*.tar")))
    pipeline = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=0).decode().compose(split_frames)
    loader = webdataset.WebLoader(pipeline, batch_size=MASKS, num_workers=WORKERS, drop_last=True)
    train_masks("cjepa", loader, "webdataset")


def test_bop_trains_positions(data: Dataset, tmp_path: Path) -> None:
    load_exporter("bop").write(data, tmp_path)
    places = []
    for folder in sorted((tmp_path / "train").iterdir()):
        truth, info, cameras = (
            json.loads((folder / f"{name}.json").read_text())
            for name in ("scene_gt", "scene_gt_info", "scene_camera")
        )
        places += [
            (folder, frame, place, item, info[frame][place], cameras[frame])
            for frame, items in truth.items()
            for place, item in enumerate(items)
            if info[frame][place]["px_count_visib"] > 20
        ]

    def read(place: Any) -> tuple[Any, Any]:
        folder, frame, number, item, info, camera = place
        mask = np.asarray(Image.open(folder / "mask_visib" / f"{int(frame):06d}_{number:06d}.png")) > 0
        assert mask.sum() == info["px_count_visib"]
        depth = np.asarray(Image.open(folder / "depth" / f"{int(frame):06d}.png"))[mask]
        x, y, width, height = info["bbox_visib"]
        k = np.reshape(camera["cam_K"], (3, 3))
        z = float(np.median(depth[depth > 0])) * camera["depth_scale"] / 1000
        middle = (x + width / 2 - k[0, 2]) / k[0, 0], (y + height / 2 - k[1, 2]) / k[1, 1]
        inputs = np.array([*middle, width / k[0, 0], height / k[1, 1], z / 5, middle[0] * z, middle[1] * z])
        return inputs, np.array(item["cam_t_m2c"]) / 1000

    items = Items(places, read)
    assert np.linalg.norm(items[0][1][:2] - items[0][0][5:7]) < 0.5
    train_vectors("bop", load(items, 32), "its JSON and PNG", "positions in metres", (7, 3))


def test_vpt_trains_actions(data: Dataset, tmp_path: Path) -> None:
    load_exporter("vpt").write(data, tmp_path)
    videos = {}
    for path in sorted((tmp_path / "train").glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        frames = read_video(path.with_suffix(".mp4"))
        assert len(frames) == len(data.clip(path.stem)) >= len(lines)
        videos[path.stem] = frames, lines
    places = [
        (name, frame)
        for name, (_, lines) in videos.items()
        for frame, line in enumerate(lines)
        if line["action"] is not None
    ]
    row = next(row for row in data.clip(places[5][0]).actions if row.kind == "recorded" and row.frame == 5)
    assert tuple(videos[places[5][0]][1][5]["action"].values()) == pytest.approx(row.values)

    def read(place: Any) -> tuple[Any, Any]:
        frames, lines = videos[place[0]]
        first, now = frames[0], frames[place[1]]
        return np.concatenate([now - 0.5, now - first]), np.array(list(lines[place[1]]["action"].values()))

    train_vectors(
        "vpt", load(Items(places, read), 32), "OpenCV and JSON lines", "actions", (6 * SMALL * SMALL, 2)
    )


def test_spatialvid_trains_camera_motion(data: Dataset, tmp_path: Path) -> None:
    load_exporter("spatialvid").write(data, tmp_path)
    clips, places = {}, []
    with (tmp_path / "data/train/metadata.csv").open() as file:
        for row in csv.DictReader(file):
            folder = tmp_path / "annotations" / row["annotation path"]
            frames = read_video(tmp_path / "videos" / row["video path"])
            shown = [int(line.split()[1]) for line in (folder / "indexes.txt").read_text().splitlines()]
            poses = np.load(folder / "poses.npy")
            back = data.clip(row["id"]).world_from_cam(shown[3])
            assert back is not None and np.allclose(poses[3, :3], np.linalg.inv(back)[:3, 3], atol=1e-5)
            clips[row["id"]] = frames, shown, poses
            places += [(row["id"], number) for number in range(1, len(shown))]

    def read(place: Any) -> tuple[Any, Any]:
        frames, shown, poses = clips[place[0]]
        first, now = frames[shown[0]], frames[shown[place[1]]]
        return np.concatenate([now - 0.5, now - first]), poses[place[1], :3] - poses[0, :3]

    train_vectors(
        "spatialvid", load(Items(places, read), 16), "OpenCV and NumPy", "steps of the camera",
        (6 * SMALL * SMALL, 3),
    )  # fmt: skip
