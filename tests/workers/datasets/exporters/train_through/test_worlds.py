"""World models: TinyWorlds, C-JEPA and stable-worldmodel."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-train")

from torch.utils.data import DataLoader, Subset  # noqa: E402

from tests.support import small_models as models  # noqa: E402
from workers.datasets.exporters import load_exporter  # noqa: E402
from workers.datasets.exporters.shared.image_transform import ImageTransform  # noqa: E402
from workers.datasets.reader import Dataset  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    # of the loaders and of torch itself
    pytest.mark.filterwarnings("default"),
]

WORKERS, SMALL = 2, 16


def test_tinyworlds_trains_the_next_frame(data: Dataset, tmp_path: Path, checkout: Any) -> None:
    folder = checkout("tinyworlds")
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("tqdm")
    from importlib.util import module_from_spec, spec_from_file_location

    # its package is called `datasets`, as that of Hugging Face
    spec = spec_from_file_location("tinyworlds_datasets", folder / "datasets" / "datasets.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["tinyworlds_datasets"] = module
    load_exporter("tinyworlds").write(data, tmp_path)
    path = tmp_path / "train.h5"
    read = module.VideoHDF5Dataset(video_path="", save_path=str(path), num_frames=2, fps=30)
    span = 2 * read.frame_skip
    with h5py.File(path) as file:
        episodes = list(zip(file["ep_offset"][:].tolist(), file["ep_len"][:].tolist(), strict=True))
    starts = [first + k for first, length in episodes for k in range(length - span + 1)]
    windows: Any = Subset(read, [start for start in starts if start < len(read)])
    clip = next(data.clips("train"))
    transform = ImageTransform.fit_square(clip, 64, "crop")
    frames, _ = windows[1]
    assert np.array_equal(
        (frames[1] * 255).round().permute(1, 2, 0), transform.transform_image(clip.image(1 + read.frame_skip))
    )
    loader = DataLoader(windows, batch_size=16, shuffle=True, num_workers=WORKERS, drop_last=True)
    net = models.make_mlp(3 * SMALL * SMALL, 3 * SMALL * SMALL)

    def losses(batch: Any) -> tuple[Any, Any]:
        frames = models.shrink(batch[0].flatten(0, 1), SMALL).reshape(16, 2, -1)
        truth = frames[:, 1]
        return (
            ((net(frames[:, 0] - 0.5) + frames[:, 0].mean() - truth) ** 2).mean(),
            ((truth - truth.mean()) ** 2).mean(),
        )

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=80, rate=1e-3)
    models.record("tinyworlds", "VideoHDF5Dataset", (WORKERS, 16), "frame after next, 16 x 16", outcome)


def test_cjepa_trains_a_predictor_that_beats_copying(data: Dataset, tmp_path: Path, checkout: Any) -> None:
    checkout(
        "cjepa",
        (
            "stable_worldmodel",
            "stable_worldmodel.data",
            "stable_worldmodel.data.dataset",
            "stable_pretraining",
        ),
    )
    pytest.importorskip("loguru")
    from src.custom_codes.custom_dataset import PushTSlotDataset

    load_exporter("cjepa-slots").write(data, tmp_path, actions=True, slots=6)
    slots = pickle.loads((tmp_path / "slots.pkl").read_bytes())  # noqa: S301
    # PushT's own numbers: windows of (5 + 3) * 3 = 24 frames, all that a clip has
    files = {"action_dir": tmp_path / "actions.pkl", "proprio_dir": tmp_path / "proprio.pkl"}
    assert len(PushTSlotDataset(slots["train"], "train", 5, 3, frameskip=3, **files)) == len(slots["train"])
    splits = {
        split: PushTSlotDataset(slots[split], split, 3, 1, frameskip=3, **files) for split in ("train", "val")
    }
    loaders = {
        split: DataLoader(read, batch_size=16, shuffle=True, num_workers=WORKERS, drop_last=split == "train")
        for split, read in splits.items()
    }
    net = models.make_mlp(3 * 128, 128)

    def losses(batch: Any) -> tuple[Any, Any]:
        embedded = batch["pixels_embed"]
        history, truth = embedded[:, :3].transpose(1, 2).flatten(2), embedded[:, 3]
        assert torch.isfinite(torch.nan_to_num(batch["action"])).all()
        guess = embedded[:, 2] + 0.1 * net(history)
        return ((guess - truth) ** 2).mean(), ((embedded[:, 2] - truth) ** 2).mean()

    outcome = models.train(net.parameters(), lambda: loaders["train"], losses, steps=150, rate=1e-3)
    target = "next slots; the baseline copies"
    models.record("cjepa-slots", "PushTSlotDataset", (WORKERS, 16), target, outcome)
    with torch.no_grad():
        new = np.array([[float(part) for part in losses(batch)] for batch in loaders["val"]]).mean(axis=0)
    assert new[0] < new[1], f"on clips it has not seen {new[0]:.3f}, copying has {new[1]:.3f}"


# last, because a process that has used Lance must not fork workers
@pytest.mark.parametrize("stored", ["hdf5", "lance"])
def test_stable_worldmodel_trains_the_next_frame(data: Dataset, tmp_path: Path, stored: str) -> None:
    swm = pytest.importorskip("stable_worldmodel.data")
    pytest.importorskip("hdf5plugin" if stored == "hdf5" else "lance")
    name = "stable-worldmodel" + ("-lance" if stored == "lance" else "")
    load_exporter(name).write(data, tmp_path, side=64)
    path = str(tmp_path / f"train.{'h5' if stored == 'hdf5' else 'lance'}")
    read = (swm.HDF5Dataset if stored == "hdf5" else swm.LanceDataset)(path=path, num_steps=2)
    # Lance does not survive a fork
    context = "spawn" if stored == "lance" else None
    loader = DataLoader(
        read,
        batch_size=16,
        shuffle=True,
        num_workers=WORKERS,
        drop_last=True,
        multiprocessing_context=context,
        persistent_workers=True,
    )
    clips = list(data.clips("train"))
    first = read[0]
    transform = ImageTransform.fit_square(clips[0], 64, "crop")
    error = np.abs(
        first["pixels"][1].permute(1, 2, 0).numpy().astype(int) - transform.transform_image(clips[0].image(1))
    )
    assert error.mean() == 0 if stored == "hdf5" else error.mean() < 3
    recorded = [row.values for row in clips[0].actions if row.kind == "recorded"]
    assert np.allclose(first["action"][0], recorded[0], atol=1e-6)
    net = models.make_mlp(3 * SMALL * SMALL + 2, 3 * SMALL * SMALL)

    def losses(batch: Any) -> tuple[Any, Any]:
        frames = models.shrink(batch["pixels"].flatten(0, 1), SMALL).reshape(16, 2, -1) / 255
        # as its trainers do it: the last action of an episode is unknown
        actions = torch.nan_to_num(batch["action"][:, 0].float())
        guess = net(torch.cat([frames[:, 0] - 0.5, actions], dim=1)) + frames[:, 0].mean()
        truth = frames[:, 1]
        return ((guess - truth) ** 2).mean(), ((truth - truth.mean()) ** 2).mean()

    outcome = models.train(net.parameters(), lambda: loader, losses, steps=80, rate=1e-3)
    models.record(name, f"stable_worldmodel, {stored}", (WORKERS, 16), "next frame, 16 x 16", outcome)
