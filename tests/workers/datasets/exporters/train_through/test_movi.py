"""MOVi, by TensorFlow Datasets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-train")

from tests.support import small_models as models  # noqa: E402
from workers.datasets.exporters import load_exporter  # noqa: E402
from workers.datasets.reader import Dataset  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.filterwarnings("default")]

SIDE, READERS = 32, 2


def test_movi_trains_masks(data: Dataset, tmp_path: Path) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    load_exporter("movi-tfds").write(data, tmp_path, examples=2)
    [version] = tmp_path.glob("*/1.0.0")
    builder = tfds.builder_from_directory(str(version))
    config = tfds.ReadConfig(interleave_cycle_length=READERS, num_parallel_calls_for_interleave_files=READERS)
    net = models.make_pixel_net(1)

    def losses(example: Any) -> tuple[Any, Any]:
        clip = data.clip(example["metadata"]["video_name"].decode())
        assert np.array_equal(example["video"][7], clip.image(7))
        assert np.array_equal(example["segmentations"][7, ..., 0] > 0, clip.segmentation(7) > 0)
        images = torch.from_numpy(example["video"][::2].copy()).permute(0, 3, 1, 2)
        masks = torch.from_numpy(example["segmentations"][::2].copy()).permute(0, 3, 1, 2) > 0
        return models.segmentation_losses(net, models.shrink(images, SIDE) / 255, models.shrink(masks, SIDE))

    read = builder.as_dataset(split="train", shuffle_files=True, read_config=config).shuffle(8, seed=0)
    outcome = models.train(net.parameters(), lambda: tfds.as_numpy(read), losses, steps=60)
    models.record("movi-tfds", "tensorflow-datasets", (READERS, 12), "masks", outcome)
