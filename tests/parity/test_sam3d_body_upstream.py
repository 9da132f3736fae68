"""Our child around upstream's own estimator, transforms, inference and loader; the network is a STAND-IN.

The package `sam3d` of PyPI carries facebookresearch/sam-3d-body at the commit of the Dockerfile. It
is neither ours nor Meta's and serves these tests alone. Calls of CUDA go to the CPU.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="upstream needs torch")
pytest.importorskip("tests.parity.meta_kernels")
upstream = pytest.importorskip("sam_3d_body", reason="upstream's code is not on the path: make test-sam3")

from pytorch_lightning import LightningModule  # noqa: E402
from sam_3d_body import build_models, sam_3d_body_estimator  # noqa: E402
from sam_3d_body.models.meta_arch.sam3d_body import SAM3DBody  # noqa: E402

from workers.engines.bodies.sam3d import checkpoint_pickle, child  # noqa: E402
from workers.engines.bodies.sam3d.recorded import SHAPES  # noqa: E402
from workers.engines.host.child import ChildError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
HEIGHT, WIDTH, SIDE = 120, 160, 64
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
IMAGE[...] = (255, 0, 51)
BOXES = np.array([[20.0, 10.0, 60.0, 110.0], [80.0, 20.0, 150.0, 90.0]], np.float32)
INTRINSICS = np.array([[150.0, 0, 70], [0, 150, 65], [0, 0, 1]])
# upstream's estimator crops wider than the box by this
PADDING = 1.25


class Network(SAM3DBody):  # type: ignore[misc]
    """Upstream's model without its layers: what they give per person is a constant of the person's box."""

    def __init__(self, filled: bool = True, fits: int = 99) -> None:
        LightningModule.__init__(self)
        self.head_pose = torch.nn.Module()
        self.head_pose.register_buffer("faces", torch.full((4, 3), 7 if filled else 0))
        self.fits = fits
        self.batches: list[dict[str, Any]] = []

    def to(self, *_: Any) -> "Network":
        """Stay on the CPU: the loader asks for CUDA."""
        return self

    def forward_step(self, batch: dict[str, Any], decoder_type: str = "body") -> dict[str, Any]:
        boxes = batch["bbox"][0]
        if len(boxes) > self.fits:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (test)")
        self.batches.append(batch)
        names = {
            "global_rot": (3,),
            "body_pose": (133,),
            "pred_pose_raw": (266,),
            "hand": (108,),
            "scale": (28,),
            "shape": (45,),
            "face": (72,),
            "joint_global_rots": (127, 3, 3),
        }
        shapes = {name: tail for name, tail in SHAPES.items() if name not in ("bbox", "focal_length")}
        people = {
            name: boxes.mean(dim=1).reshape(-1, *[1] * len(tail)).expand(-1, *tail).clone()
            for name, tail in (shapes | names).items()
        }
        people["focal_length"] = batch["cam_int"][0, 0, 0].expand(len(boxes))
        if decoder_type == "hand":
            return {"mhr": None, "mhr_hand": people}
        return {"mhr": people, "mhr_hand": None}


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Upstream names CUDA: let it run without."""
    move = sam_3d_body_estimator.recursive_to

    def to_cpu(batch: Any, target: Any) -> Any:
        return move(batch, "cpu" if target == "cuda" else target)

    monkeypatch.setattr(sam_3d_body_estimator, "recursive_to", to_cpu)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "no GPU")
    monkeypatch.setattr(child, "require_gpu", lambda _: None)
    yield monkeypatch


def load(cpu: pytest.MonkeyPatch, network: Network, mode: str) -> child.Estimator:
    model = SimpleNamespace(IMAGE_SIZE=(SIDE, SIDE), BACKBONE=SimpleNamespace(TYPE="none"), DECODER={})
    loaded = network, SimpleNamespace(MODEL=model)
    cpu.setattr(upstream, "load_sam_3d_body", lambda *_, **__: loaded)
    return child.Estimator({"checkpoint": "model.ckpt", "mhr_model": "mhr_model.pt", "mode": mode})


def pack(masks: list[np.ndarray]) -> np.ndarray:
    return np.packbits(np.stack(masks))


@pytest.mark.parametrize("mode", ["body", "hands"])
def test_people_come_back_by_name_and_shape(cpu: pytest.MonkeyPatch, mode: str) -> None:
    fields, arrays = load(cpu, Network(), mode).answer(
        {}, {"image": IMAGE, "boxes": BOXES, "intrinsics": INTRINSICS}
    )
    assert fields == {"people": 2}
    for name, tail in SHAPES.items():
        assert arrays[name].shape == (2, *tail), name
    np.testing.assert_array_equal(arrays["bbox"], BOXES)
    np.testing.assert_array_equal(arrays["focal_length"], [150, 150])
    np.testing.assert_allclose(arrays["pred_vertices"][:, 0, 0], BOXES.mean(axis=1))
    np.testing.assert_array_equal(arrays["intrinsics"], INTRINSICS)


def test_the_network_sees_what_was_sent(cpu: pytest.MonkeyPatch) -> None:
    network = Network()
    estimator = load(cpu, network, "body")
    masks = [np.zeros((HEIGHT, WIDTH), bool) for _ in BOXES]
    masks[0][20:100, 30:50] = True
    arrays = {"image": IMAGE, "boxes": BOXES, "intrinsics": INTRINSICS}
    estimator.answer({}, {**arrays, "masks": pack(masks)})
    estimator.answer({}, arrays)
    shown, bare = network.batches
    np.testing.assert_allclose(shown["cam_int"], INTRINSICS[None])
    # red, green, blue in this order, where the crop is inside the image
    np.testing.assert_allclose(shown["img"][0, 0, :, SIDE // 2, SIDE // 2], [1.0, 0.0, 0.2], atol=0.01)
    np.testing.assert_allclose(shown["bbox_center"][0], [[40, 60], [115, 55]])
    # a square around 3:4, the least that holds the box
    sides = PADDING * np.array([100, 70 / 0.75])
    np.testing.assert_allclose(shown["bbox_scale"][0].amax(dim=1), sides, rtol=0.01)
    assert shown["mask_score"].tolist() == [[1.0, 1.0]] and bare["mask_score"].tolist() == [[0.0, 0.0]]
    crop = shown["mask"][0, :, 0] > 0
    assert crop[0].any() and not crop[1].any() and not bare["mask"].any()
    # the mask's share of the square crop
    assert crop[0].float().mean() == pytest.approx(80 * 20 / (PADDING * 100) ** 2, rel=0.1)


def test_a_crowd_is_halved_until_it_fits(cpu: pytest.MonkeyPatch) -> None:
    arrays = {"image": IMAGE, "boxes": BOXES, "intrinsics": INTRINSICS}
    _, whole = load(cpu, Network(), "body").answer({}, arrays)
    _, halves = load(cpu, Network(fits=1), "body").answer({}, arrays)
    for name in SHAPES:
        np.testing.assert_array_equal(whole[name], halves[name])
    with pytest.raises(ChildError, match="GPU's memory") as refused:
        load(cpu, Network(fits=0), "body").answer({}, arrays)
    assert refused.value.code == "out_of_memory"


def test_nobody_is_no_people(cpu: pytest.MonkeyPatch) -> None:
    empty = np.zeros((0, 4), np.float32)
    fields, arrays = load(cpu, Network(), "body").answer(
        {}, {"image": IMAGE, "boxes": empty, "intrinsics": INTRINSICS}
    )
    assert fields == {"people": 0} and arrays["pred_vertices"].shape == (0, *SHAPES["pred_vertices"])


class Evil:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


@pytest.fixture
def checkpoint(tmp_path: Path, cpu: pytest.MonkeyPatch) -> Any:
    """Writes a checkpoint and loads it through upstream's own loader."""
    model = {"IMAGE_SIZE": [SIDE, SIDE], "BACKBONE": {"TYPE": "none"}, "DECODER": {}, "MHR_HEAD": {}}
    (tmp_path / "model_config.yaml").write_text(json.dumps({"MODEL": model}))
    cpu.setattr(build_models, "SAM3DBody", lambda _: Network(filled=False))

    def through(content: Any) -> child.Estimator:
        path = tmp_path / "model.ckpt"
        if content is not None:
            torch.save(content, path)
        return child.Estimator({"checkpoint": str(path), "mhr_model": "mhr_model.pt", "mode": "body"})

    return through


def test_a_checkpoint_of_a_training_run_loads(checkpoint: Any) -> None:
    from omegaconf import OmegaConf
    from yacs.config import CfgNode

    weights = {"head_pose.faces": torch.full((4, 3), 9)}
    settings = CfgNode({"MODEL": {"IMAGE_SIZE": [64, 64], "NAME": "body"}})
    nested = OmegaConf.create({"lr": 1e-4, "list": [1, 2.5, "a", None, True], "inner": {"deep": "x"}})
    for beside in ({}, {"hyper_parameters": settings}, {"hyper_parameters": nested}):
        run = {"epoch": 3, "global_step": np.int64(12), "loops": defaultdict(list, {"a": [1]}), **beside}
        assert checkpoint({"state_dict": weights, **run}).ready[0]["backbone"] == "none"
    assert checkpoint(weights).ready[0]["uses_camera_centre"] is False


@pytest.mark.parametrize("zipped", [True, False])
def test_every_kind_of_tensor_is_read_as_pytorch_reads_it(tmp_path: Path, zipped: bool) -> None:
    kinds = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]
    saved = {str(kind): torch.arange(6).reshape(2, 3).to(kind) for kind in kinds}
    saved["view"] = saved["torch.float32"].T
    saved["parameter"] = torch.nn.Parameter(torch.ones(3))
    torch.save(saved, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    read = torch.load(tmp_path / "a.ckpt", weights_only=False, pickle_module=checkpoint_pickle)
    assert read.keys() == saved.keys()
    for name, tensor in saved.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name


def test_checkpoints_that_are_missing_empty_or_unsafe_say_so(checkpoint: Any, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for content, code in (
        (None, "checkpoint_missing"),
        ({"state_dict": {}}, "checkpoint_incomplete"),
        ({"state_dict": {}, "hyper_parameters": Evil(ran)}, "checkpoint_unsafe"),
    ):
        with pytest.raises(ChildError) as refused:
            checkpoint(content)
        assert refused.value.code == code
    assert not ran.exists()


@pytest.mark.parametrize(("profile", "half"), [("fast", True), ("exact", False)])
def test_exact_keeps_the_backbone_in_float32(
    cpu: pytest.MonkeyPatch, tmp_path: Path, profile: str, half: bool
) -> None:
    model = {"IMAGE_SIZE": [SIDE, SIDE], "BACKBONE": {"TYPE": "none"}, "DECODER": {}, "MHR_HEAD": {}}
    train = {"USE_FP16": True, "FP16_TYPE": "bfloat16"}
    (tmp_path / "model_config.yaml").write_text(json.dumps({"MODEL": model, "TRAIN": train}))
    torch.save({"head_pose.faces": torch.full((4, 3), 9)}, tmp_path / "model.ckpt")
    built: list[Any] = []

    def build(settings: Any) -> Network:
        built.append(settings.TRAIN.USE_FP16)
        return Network(filled=False)

    cpu.setattr(build_models, "SAM3DBody", build)
    read = build_models.get_config
    child.Estimator(
        {
            "checkpoint": str(tmp_path / "model.ckpt"),
            "mhr_model": "mhr_model.pt",
            "mode": "body",
            "profile": profile,
        }
    )
    assert built == [half] and build_models.get_config is read
