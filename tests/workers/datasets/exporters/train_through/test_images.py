"""Policies, masks and images: LeRobot, WebDataset, Hugging Face, `maquette.data` and Neural Assets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-train")

import webdataset  # noqa: E402
from maquette.data import Pairs, ShardedIterable, Windows, collate  # noqa: E402
from pycocotools import mask as rle  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from tests.support import small_models as models  # noqa: E402
from tests.support.training_datasets import ACTION_NAMES  # noqa: E402
from workers.datasets.exporters import load_exporter  # noqa: E402
from workers.datasets.exporters.shared.image_transform import ImageTransform  # noqa: E402
from workers.datasets.reader import Dataset  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    # of the loaders and of torch itself
    pytest.mark.filterwarnings("default"),
]

WORKERS, SIDE, SMALL = 2, 32, 16


def test_lerobot_trains_act(data: Dataset, tmp_path: Path) -> None:
    robots = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    load_exporter("lerobot").write(data, tmp_path, side=32)
    meta = robots.LeRobotDatasetMetadata("local/export", root=tmp_path)
    chunk, clips = 6, {clip.id: clip for clip in data.clips()}
    config = models.make_act_config(meta, chunk)
    # masks are no inputs and no outputs
    features = {*config.input_features, *config.output_features}
    assert features == {"observation.images.main", "observation.state", "action"}
    read = robots.LeRobotDataset(
        "local/export",
        root=tmp_path,
        delta_timestamps={"action": [k / meta.fps for k in range(chunk)]},
        video_backend="pyav",
    )
    policy = ACTPolicy(config)
    prepare, _ = make_pre_post_processors(config, dataset_stats=meta.stats)
    loader = DataLoader(read, batch_size=8, shuffle=True, num_workers=WORKERS, drop_last=True)

    def losses(batch: Any) -> tuple[Any, Any]:
        for place in range(0, 8, 3):
            clip = clips[meta.episodes[int(batch["episode_index"][place])]["clip"]]
            rows = {row.frame: row.values for row in clip.actions if row.kind == "recorded"}
            first = int(batch["frame_index"][place])
            for step in range(chunk):
                if not batch["action_is_pad"][place, step]:
                    assert np.allclose(batch["action"][place, step], rows[first + step], atol=1e-6)
        assert batch["valid.action"].all()
        ready = prepare(batch)
        loss, _ = policy.forward(ready)
        return loss, ready["action"][~ready["action_is_pad"]].abs().mean()

    policy.train()
    outcome = models.train(policy.parameters(), lambda: loader, losses, steps=160, rate=3e-4)
    models.record("lerobot", "LeRobotDataset, ACT", (WORKERS, 8), "actions in chunks of 6, L1", outcome)


def test_webdataset_trains_masks_and_depth(data: Dataset, tmp_path: Path) -> None:
    # a worker reads complete shards
    load_exporter("webdataset").write(data, tmp_path, largest=1)
    clips = {clip.id: clip for clip in data.clips()}

    def split_frames(samples: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for sample in samples:
            for frame in range(0, len(clips[sample["__key__"]]), 3):
                yield {
                    "key": sample["__key__"],
                    "frame": frame,
                    "image": sample[f"{frame:05d}.jpg"],
                    "ids": torch.from_numpy(sample[f"{frame:05d}.segmentation.npy"].copy()),
                    "depth": torch.from_numpy(sample[f"{frame:05d}.depth.npy"].copy()),
                }

    shards = sorted(map(str, tmp_path.glob("*.tar")))
    pipeline = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=0).decode("torchrgb")
    loader = webdataset.WebLoader(
        pipeline.compose(split_frames), batch_size=12, num_workers=WORKERS, drop_last=True
    )
    net = models.make_pixel_net(2)

    def losses(batch: Any) -> tuple[Any, Any]:
        clip, frame = clips[batch["key"][0]], int(batch["frame"][0])
        assert np.array_equal(batch["ids"][0], clip.segmentation(frame))
        assert np.array_equal(batch["depth"][0], clip.depth(frame), equal_nan=True)
        assert np.array_equal((batch["image"][0] * 255).round().permute(1, 2, 0), clip.image(frame))
        images, masks = models.shrink(batch["image"], SIDE), models.shrink(batch["ids"][:, None] > 0, SIDE)
        depth = batch["depth"][:, None, 1::3, 1::3]
        known = torch.isfinite(depth)
        truth = torch.where(known, depth.log(), 0)
        mean = truth[known].mean()
        loss, constant = models.segmentation_losses(lambda x: net(x)[:, :1], images, masks)
        guess = net(images - 0.5)[:, 1:] + mean
        return (
            loss + ((guess - truth)[known] ** 2).mean(),
            constant + ((truth[known] - mean) ** 2).mean(),
        )

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=60)
    models.record("webdataset", "webdataset, `torchrgb`", (WORKERS, 12), "masks and log depth", outcome)


def test_hugging_face_trains_masks(data: Dataset, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    load_exporter("hf-datasets").write(data, tmp_path)
    loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))["train"]
    loader = DataLoader(
        loaded, batch_size=12, shuffle=True, num_workers=WORKERS, collate_fn=collate, drop_last=True
    )
    clips = {clip.id: clip for clip in data.clips()}
    net = models.make_pixel_net(1)

    def losses(batch: Any) -> tuple[Any, Any]:
        clip, frame = clips[batch["clip"][0]], int(batch["frame"][0])
        rows = clip.frame_observations(frame)
        boxes = batch["boxes"][0][batch["known"]["boxes"][0]]
        assert np.allclose(boxes, [[row.x0, row.y0, row.x1, row.y1] for row in rows])
        assert np.allclose(batch["world_from_cam"][0].reshape(4, 4), clip.world_from_cam(frame), atol=1e-5)
        size = list(batch["image"].shape[2:])
        masks = np.zeros((len(batch["masks"]), 1, *size), np.float32)
        for place, counts in enumerate(batch["masks"]):
            for each in counts:
                masks[place, 0] += rle.decode({"size": size, "counts": each})
        assert np.array_equal(masks[0, 0] > 0, clip.segmentation(frame) > 0)
        images = models.shrink(batch["image"], SIDE) / 255
        return models.segmentation_losses(net, images, models.shrink(torch.from_numpy(masks) > 0, SIDE))

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=60)
    models.record("hf-datasets", "datasets, `maquette.data.collate`", (WORKERS, 12), "masks", outcome)


@pytest.mark.parametrize("kind", ["map", "iterable"])
def test_windows_train_masks_with_the_default_collate(data: Dataset, kind: str) -> None:
    windows = Windows(
        data.folder,
        length=2,
        slots=6,
        split="train",
        size=(64, 64),
        fields=("pixels", "masks", "boxes_3d", "cameras", "labels", "captions", "crops"),
        actions=ACTION_NAMES,
        unknown=0.0,
    )
    source = windows if kind == "map" else ShardedIterable(windows, shuffle=True)
    loader = DataLoader(
        source, batch_size=8, shuffle=True if kind == "map" else None, num_workers=WORKERS, drop_last=True
    )
    clips = {clip.id: clip for clip in data.clips()}
    net = models.make_pixel_net(1)
    centers = models.make_mlp(4, 3)

    def losses(batch: Any) -> tuple[Any, Any]:
        clip, frame = clips[batch["clip"][0]], int(batch["frame"][0])
        row = next(row for row in clip.actions if row.kind == "recorded" and row.frame == frame)
        assert np.allclose(batch["actions"][0, 0], row.values, atol=1e-6)
        named = dict(zip(batch["tracks"][0].tolist(), (labels[0] for labels in batch["labels"]), strict=True))
        assert all(named[track.track] == track.concept for track in clip.tracks if track.track in named)
        assert batch["caption"][0] == (clip.caption or "")
        images = models.shrink(batch["pixels"].flatten(0, 1), SIDE) / 255
        masks = models.shrink(batch["masks"].any(dim=2).flatten(0, 1)[:, None], SIDE)
        loss, constant = models.segmentation_losses(net, images, masks)
        # a value without its mask would be a lie: boxes that are not known are 0
        known = batch["boxes_3d_known"]
        boxes = batch["boxes_3d"][known][:, :3]
        inside = torch.cat([boxes[:, :2] / boxes[:, 2:], boxes[:, 2:], torch.ones(len(boxes), 1)], dim=1)
        mean = boxes.mean(dim=0)
        return (
            loss + ((centers(inside) + mean - boxes) ** 2).mean(),
            constant + ((boxes - mean) ** 2).mean(),
        )

    parameters = [*net.parameters(), *centers.parameters()]
    outcome = models.train(parameters, lambda: loader, losses, steps=60)
    models.record("maquette.data", f"`Windows`, {kind}", (WORKERS, 8), "masks and 3D boxes", outcome)


def test_pairs_train_target_images(data: Dataset, tmp_path: Path) -> None:
    load_exporter("neural-assets").write(data, tmp_path, side=64, edits=False, pairs=12)
    pairs = Pairs(tmp_path, split="train")
    loader = DataLoader(pairs, batch_size=16, shuffle=True, num_workers=WORKERS, drop_last=True)
    tokens = 11 * 12 + 11 * 4
    net = models.make_mlp(3 * SMALL * SMALL + tokens, 3 * SMALL * SMALL)
    index = {entry["file"]: entry for entry in pairs.entries}
    entry = next(iter(index.values()))
    clip = data.clip(entry["clip"])
    transform = ImageTransform.fit_square(clip, 64, "crop")
    seen = (pairs[0]["tgt_image"] * 255).round()
    assert np.array_equal(seen, transform.transform_image(clip.image(entry["target"])))

    def losses(batch: Any) -> tuple[Any, Any]:
        assert torch.isfinite(batch["tgt_bboxes_3d"]).all()
        small = {
            name: models.shrink(batch[name].permute(0, 3, 1, 2), SMALL).flatten(1)
            for name in ("src_bg_image", "tgt_image")
        }
        boxes = [batch["tgt_bboxes_3d"].flatten(1) / 5, batch["src_bboxes"].flatten(1)]
        guess = net(torch.cat([small["src_bg_image"] - 0.5, *boxes], dim=1)) + small["src_bg_image"].mean()
        truth = small["tgt_image"]
        return ((guess - truth) ** 2).mean(), ((truth - truth.mean()) ** 2).mean()

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=80, rate=1e-3)
    models.record("neural-assets", "`maquette.data.Pairs`", (WORKERS, 16), "target image, 16 x 16", outcome)
