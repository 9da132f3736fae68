"""How exactly each precision computes coordinates and boxes, in transformers' own code on RANDOM weights."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_prompts import EVERYTHING
from tests.parity.sam3_runs import LIVELY, SEED, frame, whole
from tests.parity.sam3_tiny import BOX, IMAGE, draw_image, tiny_loaded, tiny_model
from workers.engines.concepts.sam3.kernels import mask_iou
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.precision import prepare_precision
from workers.engines.protocols import VisualPrompt

# the side of the real model's input, in whose pixels errors are stated
SIDE = 1008


def make_engine(dtype: str, model: Any = None) -> Sam3Concepts:
    settings = Sam3Settings(source="random", threshold=0.0, nms_iou=None, dtype=dtype)
    model = tiny_model() if model is None else model
    if dtype == "bfloat16":
        model = model.to(torch.bfloat16)
    return Sam3Concepts(settings, loaded=tiny_loaded(model, settings))


def test_weights_stay_in_float32_under_autocast_and_matrices_are_multiplied_in_bfloat16() -> None:
    engine = make_engine("autocast")
    model = engine._loaded.model
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert engine.info.device == "cpu:autocast"
    seen: list[Any] = []
    layer = model.detector_model.vision_encoder.neck.fpn_layers[0].proj2
    layer.register_forward_hook(lambda _module, _args, out: seen.append(out.dtype))
    engine.embed(IMAGE, "a")
    assert seen == [torch.bfloat16]


def test_position_encodings_are_those_of_float32() -> None:
    encodings = {}
    for dtype in ("float32", "autocast", "bfloat16"):
        engine = make_engine(dtype)
        engine.embed(IMAGE, "a")
        encodings[dtype] = [value.float() for value in engine._grounding._positions or ()]
    for exact, cast, coarse in zip(*encodings.values(), strict=True):
        torch.testing.assert_close(cast, exact, rtol=0, atol=0)
        assert (coarse - exact).abs().max() > 0.01


def test_coordinates_are_computed_in_float32_under_autocast() -> None:
    """The box head's offsets, the boxes of exemplars, and the positions of memories in a video."""
    engine = make_engine("autocast", tiny_model(SEED, **LIVELY))
    model = engine._loaded.model
    computed: dict[str, set[Any]] = {}

    def watch(name: str, module: Any) -> None:
        module.register_forward_hook(
            lambda _module, _args, out: computed.setdefault(name, set()).add(out.dtype)
        )

    detector, memory = model.detector_model, model.tracker_model.memory_encoder
    watch("offsets", detector.detr_decoder.box_head)
    watch("boxes", detector.geometry_encoder.boxes_direct_project)
    watch("memories", memory.position_encoding)
    handle = engine.embed(IMAGE, "a")
    engine.ground(handle, ["red disc"])
    engine.ground_exemplars(handle, [BOX], [1])
    whole(engine, EVERYTHING, 4)
    assert computed == {name: {torch.float32} for name in ("offsets", "boxes", "memories")}


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32_is_what_the_profile_says(monkeypatch: pytest.MonkeyPatch, tf32: bool) -> None:
    """Of a model on a GPU; PyTorch's switches are those of the process."""
    said: list[str] = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", said.append)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", not tf32)
    profile = Sam3Settings(profile="exact", tf32=tf32).resolve_profile("cuda")
    model = SimpleNamespace(device=torch.device("cuda:1"))
    prepare_precision(model, profile.precision, tf32=profile.tf32)
    assert said == ["high" if tf32 else "highest"] and torch.backends.cudnn.allow_tf32 is tf32


@pytest.mark.parametrize("side", [288])
def test_cells_of_the_real_models_largest_map_stay_apart(side: int) -> None:
    """Above 256 bfloat16 cannot count: neighbouring cells got the same encoding."""
    neck = make_engine("autocast")._loaded.model.detector_model.vision_encoder.neck
    shape = torch.Size((1, 1, side, side))
    rows = neck.position_encoding(shape, torch.device("cpu"), torch.bfloat16)[0, :, :, 0].T
    assert len(torch.unique(rows, dim=0)) == side


def test_points_of_prompts_are_encoded_exactly() -> None:
    points = torch.rand(1, 1, 64, 2)
    encoded = {}
    for dtype in ("float32", "autocast"):
        engine = make_engine(dtype)
        with engine._loaded.computing():
            encoded[dtype] = engine._loaded.model.tracker_model.shared_image_embedding(points)
    torch.testing.assert_close(encoded["autocast"], encoded["float32"], rtol=0, atol=0)


def test_overlaps_are_counted_exactly_under_autocast() -> None:
    masks = torch.from_numpy(np.random.default_rng(0).random((6, 64, 64)) > 0.4)
    exact = mask_iou(masks, masks)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(mask_iou(masks, masks), exact, rtol=0, atol=0)


def test_boxes_differ_less_from_float32_than_those_of_a_model_in_bfloat16() -> None:
    boxes = {}
    for dtype in ("float32", "autocast", "bfloat16"):
        engine = make_engine(dtype)
        found: list[Any] = []
        engine._loaded.model.detector_model.register_forward_hook(
            lambda _module, _args, out, found=found: found.append(out.pred_boxes.float())
        )
        for step in range(3):
            engine.ground(engine.embed(draw_image(step), str(step)), ["red disc"])
        boxes[dtype] = torch.cat(found)
    errors = {
        name: float((boxes[name] - boxes["float32"]).abs().mean() * SIDE) for name in ("autocast", "bfloat16")
    }
    assert 0 < errors["autocast"] < errors["bfloat16"]


def test_everything_runs_under_autocast() -> None:
    engine = make_engine("autocast")
    handle = engine.embed(IMAGE, "a")
    other = engine.embed(draw_image(1), "b")
    assert engine.ground(handle, ["red disc", "green disc"])
    assert engine.ground_exemplars(handle, [BOX], [1])
    assert engine.ground_exemplars(handle, [BOX], [1], shown=[other])
    assert len(engine.segment(handle, [VisualPrompt(box=BOX)])) == 1


def test_a_video_with_every_kind_of_prompt_runs_under_autocast() -> None:
    engine = make_engine("autocast", tiny_model(SEED, **LIVELY))
    results = whole(engine, EVERYTHING, 12)
    assert len(results) == 12 and sum(len(result.objects) for result in results) > 12
    state = engine.tracker(EVERYTHING)
    state.step(frame(0))
    with pytest.raises(ValueError, match="another model"):
        make_engine("float32", tiny_model(SEED, **LIVELY)).tracker(EVERYTHING, state=state.snapshot())
