"""From a folder of phone videos to three training sets, as the how-to says it, and steps through each."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-train")

import webdataset  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from tests.support import small_models as models  # noqa: E402
from tests.support.documentation import PHONE_VIDEOS, list_blocks  # noqa: E402

# warnings are those of the loaders and of torch itself
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow, pytest.mark.train]

WORKERS, SIDE, SMALL = 2, 32, 16
# a folder that `python -m tests.support.phone_sets` has filled
SETS = "MAQUETTE_PHONE_SETS"


@pytest.fixture
def sets() -> Iterator[dict[str, Any]]:
    """What the Python of the how-to makes, by name, in the folder of the datasets."""
    if not os.environ.get(SETS):
        pytest.skip(f"{SETS} names no folder that tests.support.phone_sets has filled: make test-train")
    pytest.importorskip("lerobot.datasets.lerobot_dataset")
    names: dict[str, Any] = {}
    with contextlib.chdir(Path(os.environ[SETS])):
        for block in list_blocks(PHONE_VIDEOS, "python"):
            exec(block, names)  # noqa: S102
        yield names


def test_lerobot_trains_act(sets: dict[str, Any]) -> None:
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    read = sets["policy"]
    assert read.meta.fps == 10
    config = models.make_act_config(read.meta, chunk=4)
    policy = ACTPolicy(config)
    prepare, _ = make_pre_post_processors(config, dataset_stats=read.meta.stats)
    loader = DataLoader(read, batch_size=8, shuffle=True, num_workers=WORKERS, drop_last=True)

    def losses(batch: Any) -> tuple[Any, Any]:
        # images as small as a test without a GPU can take
        batch["observation.images.main"] = models.shrink(batch["observation.images.main"], 64)
        ready = prepare(batch)
        loss, _ = policy.forward(ready)
        return loss, ready["action"][~ready["action_is_pad"]].abs().mean()

    policy.train()
    outcome = models.train(policy.parameters(), lambda: loader, losses, steps=120, rate=3e-4)
    models.record(
        "lerobot, phone videos", "LeRobotDataset, ACT", (WORKERS, 8), "the subject's box, L1", outcome
    )


def test_webdataset_trains_masks(sets: dict[str, Any]) -> None:
    def split_frames(samples: Iterator[dict[str, Any]]) -> Iterator[Any]:
        for sample in samples:
            for key in sorted(key for key in sample if key.endswith(".jpg")):
                ids = torch.from_numpy(sample[key.replace(".jpg", ".segmentation.npy")].copy())
                # clips are of several shapes
                yield models.shrink(sample[key][None], SIDE)[0], models.shrink(ids[None, None] > 0, SIDE)[0]

    pipeline = sets["shards"].compose(split_frames)
    loader = webdataset.WebLoader(pipeline, batch_size=8, num_workers=WORKERS, drop_last=True)
    net = models.make_pixel_net(1)

    def losses(batch: Any) -> tuple[Any, Any]:
        return models.segmentation_losses(net, *batch)

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=80)
    models.record("webdataset, phone videos", "webdataset, `torchrgb`", (WORKERS, 8), "masks", outcome)


def test_neural_assets_train_target_images(sets: dict[str, Any]) -> None:
    pairs = sets["pairs"]
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
        "neural-assets, phone videos", "`maquette.data.Pairs`", (WORKERS, 8), "target image, 16 x 16", outcome
    )
