"""Clicks on an image on RANDOM weights: shared modules, and agreement with the click tracker."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_tiny import BOX, IMAGE, NO_POINTS, SIZE, tiny_engine, tiny_model
from workers.engines.concepts.sam3.preprocess import to_pixels, to_point_tokens
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.prompt_decoder import build_image_tracker
from workers.engines.concepts.sam3.transformers_backend.sessions import compute_features
from workers.engines.protocols import TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box


@pytest.fixture(scope="module")
def engine() -> Sam3Concepts:
    return tiny_engine()


def test_clicks_share_the_modules_and_are_bit_equal_to_their_own_model() -> None:
    model = tiny_model(1)
    shell = build_image_tracker(model)
    assert all(not value.is_meta for value in shell.parameters())
    mine = {value.data_ptr() for value in model.parameters()}
    assert {value.data_ptr() for value in shell.parameters()} <= mine, "no weight of its own"
    shell_class, config = type(shell), shell.config
    alone = shell_class(config).eval()
    alone.load_state_dict(shell.state_dict())
    points, labels = to_point_tokens(BOX, *NO_POINTS, SIZE, 112)
    pixels = to_pixels(IMAGE, 112, device="cpu", dtype=torch.float32)
    options = {"pixel_values": pixels, "input_points": points, "input_labels": labels}
    with torch.inference_mode():
        one, other = shell(**options), alone(**options)
    assert torch.equal(one.pred_masks, other.pred_masks)
    assert torch.equal(one.iou_scores, other.iou_scores)


def test_clicks_read_the_features_of_the_click_trackers_first_frame() -> None:
    """transformers' image model adds its learned "no memory" to a map that it then drops; ours keeps it."""
    engine = tiny_engine(1)
    loaded, handle = engine._loaded, engine.embed(IMAGE, "image")
    maps = engine._decoder.decoder_maps(handle, engine._grounding.vision_output([handle]))
    pixels = to_pixels(IMAGE, loaded.side, device="cpu", dtype=torch.float32)
    seen = compute_features(loaded.model, pixels)
    with torch.inference_mode():
        first = loaded.model.tracker_model._prepare_memory_conditioned_features(
            inference_session=None,
            frame_idx=0,
            obj_idx=0,
            is_initial_conditioning_frame=True,
            current_vision_features=seen["vision_feats"][-1],
            current_vision_positional_embeddings=seen["vision_pos_embeds"][-1],
            num_total_frames=1,
        )
        stock = engine._decoder._model.get_image_embeddings(pixels)
    assert torch.equal(maps[-1], first)
    assert loaded.model.tracker_model.no_memory_embedding.abs().max() > 0
    for ours, theirs in zip(maps[:-1], stock[:-1], strict=True):
        assert torch.equal(ours, theirs)


def test_clicks_on_a_cached_image_are_the_first_frame_of_the_click_tracker() -> None:
    engine = tiny_engine(1)
    handle = engine.embed(IMAGE, "image")
    clicks = [VisualPrompt(box=BOX), VisualPrompt(points=np.array([[20.0, 40.0]]))]
    (result,) = engine.tracker(TrackPrompts.from_visual_prompts(clicks)).step(VideoFrame(0, 0, IMAGE))
    shown = {item.prompt: item.mask for item in result.objects}
    assert shown, "at least one click must find something for this test to say anything"
    for item in engine.segment(handle, clicks):
        if item.prompt in shown:
            assert np.array_equal(shown[item.prompt], item.mask)


def test_a_box_is_its_corners_as_points(engine: Sam3Concepts) -> None:
    model, side = engine._decoder._model, engine._loaded.side
    handle = engine.embed(IMAGE, "image")
    maps = engine._decoder.decoder_maps(handle, engine._grounding.vision_output([handle]))
    points, labels = to_point_tokens(BOX, *NO_POINTS, SIZE, side)
    scale = torch.tensor([side / SIZE[1], side / SIZE[0]] * 2)
    with torch.inference_mode():
        corners = model(
            image_embeddings=maps, input_points=points, input_labels=labels, multimask_output=False
        )
        box = model(
            image_embeddings=maps, input_boxes=(torch.tensor(BOX) * scale)[None, None], multimask_output=False
        )
    assert torch.allclose(corners.pred_masks, box.pred_masks, atol=1e-4)


def test_every_click_gives_exactly_one_instance(engine: Sam3Concepts) -> None:
    mask = np.zeros(SIZE, np.bool_)
    mask[30:60, 90:130] = True
    clicks = [
        VisualPrompt(box=BOX),
        VisualPrompt(points=np.array([[20.0, 40.0]]), labels=np.array([1])),
        VisualPrompt(points=np.array([[20.0, 40.0], [100.0, 80.0]]), labels=np.array([1, 0])),
        VisualPrompt(box=BOX, points=np.array([[20.0, 40.0]])),
        VisualPrompt(mask=mask),
        VisualPrompt(box=BOX, mask=mask, points=np.array([[20.0, 40.0]]), labels=np.array([0])),
    ]
    instances = engine.segment(engine.embed(IMAGE, "image"), clicks)
    assert [item.prompt for item in instances] == list(range(len(clicks)))
    for item in instances:
        assert item.mask.any() and item.mask.shape == SIZE and item.label is None
        assert item.box == bounding_box(item.mask) and 0 <= item.score <= 1
    assert not np.array_equal(instances[4].mask, instances[0].mask)


def test_a_lone_point_takes_the_best_of_three_masks(engine: Sam3Concepts) -> None:
    handle = engine.embed(IMAGE, "image")
    maps = engine._decoder.decoder_maps(handle, engine._grounding.vision_output([handle]))
    points, labels = to_point_tokens(None, np.array([[20.0, 40.0]]), np.array([1]), SIZE, engine._loaded.side)
    with torch.inference_mode():
        out = engine._decoder._model(
            image_embeddings=maps, input_points=points, input_labels=labels, multimask_output=True
        )
    assert out.iou_scores.shape[-1] == 3
    (instances,) = engine.segment(handle, [VisualPrompt(points=np.array([[20.0, 40.0]]))])
    assert instances.score in (0.0, pytest.approx(float(out.iou_scores.max().clamp(0, 1))))


@pytest.mark.parametrize(
    "click",
    [
        VisualPrompt(),
        VisualPrompt(points=np.array([[500.0, 5.0]])),
        VisualPrompt(points=np.array([[5.0, 5.0]]), labels=np.array([0])),
        VisualPrompt(points=np.array([[5.0, 5.0]]), labels=np.array([1, 0])),
        VisualPrompt(box=(200.0, 0.0, 300.0, 10.0)),
        VisualPrompt(mask=np.zeros(SIZE, np.bool_)),
        VisualPrompt(mask=np.ones((3, 3), np.bool_)),
    ],
)
def test_a_click_that_says_nothing_is_refused(engine: Sam3Concepts, click: VisualPrompt) -> None:
    with pytest.raises(ValueError, match=r"click|point|box|mask"):
        engine.segment(engine.embed(IMAGE, "image"), [click])
