"""From a folder of phone videos to three training sets, by one command each, and a few steps through each."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-train")

import webdataset  # noqa: E402
from maquette.data import Pairs  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from tests.support import small_models as models  # noqa: E402

# warnings are those of the loaders and of torch itself
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow, pytest.mark.train]

WORKERS, SMALL = 2, 16
# a folder that `python -m tests.support.phone_sets` has filled
SETS = "MAQUETTE_PHONE_SETS"


@pytest.fixture
def sets() -> Path:
    """A folder with one dataset per format, each made by one command."""
    if not os.environ.get(SETS):
        pytest.skip(f"{SETS} names no folder that tests.support.phone_sets has filled: make test-train")
    return Path(os.environ[SETS])


@pytest.mark.timeout(1200)
def test_lerobot_trains_act(sets: Path) -> None:
    robots = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    root = sets / "lerobot" / "lerobot"
    meta = robots.LeRobotDatasetMetadata("local/export", root=root)
    assert meta.fps == 10
    config = models.make_act_config(meta, chunk=4)
    read = robots.LeRobotDataset(
        "local/export",
        root=root,
        delta_timestamps={"action": [k / meta.fps for k in range(4)]},
        video_backend="pyav",
    )
    policy = ACTPolicy(config)
    prepare, _ = make_pre_post_processors(config, dataset_stats=meta.stats)
    loader = DataLoader(read, batch_size=8, shuffle=True, num_workers=WORKERS, drop_last=True)

    def losses(batch: Any) -> tuple[Any, Any]:
        ready = prepare(batch)
        loss, _ = policy.forward(ready)
        return loss, ready["action"][~ready["action_is_pad"]].abs().mean()

    policy.train()
    outcome = models.train(policy.parameters(), lambda: loader, losses, steps=120, rate=3e-4)
    models.record("lerobot, phone videos", "LeRobotDataset, ACT", WORKERS, "the subject's box, L1", outcome)


def test_webdataset_trains_masks(sets: Path) -> None:
    def split_frames(samples: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for sample in samples:
            for key in sorted(key for key in sample if key.endswith(".jpg")):
                ids = sample[key.replace(".jpg", ".segmentation.npy")]
                yield {"image": sample[key], "ids": torch.from_numpy(ids.copy())}

    shards = sorted(map(str, (sets / "webdataset" / "webdataset").glob("train*.tar")))
    pipeline = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("torchrgb")
    loader = webdataset.WebLoader(
        pipeline.compose(split_frames).shuffle(64), batch_size=None, num_workers=WORKERS
    )
    net = models.make_pixel_net(1)

    def losses(sample: Any) -> tuple[Any, Any]:
        images = models.shrink(sample["image"][None], 32)
        masks = models.shrink(sample["ids"][None, None] > 0, 32)
        return models.segmentation_losses(net, images, masks)

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=80)
    models.record("webdataset, phone videos", "webdataset, `torchrgb`", WORKERS, "masks", outcome)


def test_neural_assets_train_target_images(sets: Path) -> None:
    pairs = Pairs(sets / "neural-assets" / "neural-assets", split="train", unknown_cameras=True)
    assert len(pairs) >= 16
    loader = DataLoader(pairs, batch_size=8, shuffle=True, num_workers=WORKERS, drop_last=True)
    net = models.make_mlp(3 * SMALL * SMALL + 11 * 12 + 11 * 4, 3 * SMALL * SMALL)

    def losses(batch: Any) -> tuple[Any, Any]:
        assert torch.isfinite(batch["tgt_bboxes_3d"][:, :-1]).all()
        small = {
            name: models.shrink(batch[name].permute(0, 3, 1, 2), SMALL).flatten(1)
            for name in ("src_bg_image", "tgt_image")
        }
        boxes = [torch.nan_to_num(batch["tgt_bboxes_3d"]).flatten(1) / 5, batch["src_bboxes"].flatten(1)]
        guess = net(torch.cat([small["src_bg_image"] - 0.5, *boxes], dim=1)) + small["src_bg_image"].mean()
        truth = small["tgt_image"]
        return ((guess - truth) ** 2).mean(), ((truth - truth.mean()) ** 2).mean()

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=80, rate=1e-3)
    models.record(
        "neural-assets, phone videos", "`maquette.data.Pairs`", WORKERS, "target image, 16 x 16", outcome
    )
