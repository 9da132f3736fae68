"""Images by SAM 3.1: Meta's own image model, tiny and RANDOM, its weights named as in the multiplex file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
# before transformers, which imports torchvision
pytest.importorskip("tests.parity.meta_kernels")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_meta_detector import build
from tests.parity.sam3_meta_tiny import SIDE, meta_image_model, meta_predictor, same_weights, without_cuda
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.settings import MetaSettings
from workers.engines.protocols import VisualPrompt
from workers.engines.weights import WeightsCorrupt

# Meta's code warns of CUDA and of what PyTorch retires
pytestmark = pytest.mark.filterwarnings("ignore")

IMAGE = draw_image()
# the names of the published file, read in upstream's modules; the coarsest level of its necks does not exist
NAMES = [
    (r"^inst_interactive_predictor\.model\.sam_(prompt_encoder|mask_decoder)\.", r"T.interactive_sam_\1."),
    (r"^inst_interactive_predictor\.model\.no_mem_embed$", "T.interactivity_no_mem_embed"),
    (
        r"^backbone\.vision_backbone\.sam2_convs\.([0-2])\.",
        r"D.backbone.vision_backbone.interactive_convs.\1.",
    ),
    (r"^(?!inst_interactive_predictor|backbone\.vision_backbone\.(sam2_convs|convs\.3))", "D."),
]


def write_multiplex(model: Any, path: Path, *left_out: str) -> Path:
    """The image model's weights as `sam3.1_multiplex.pt` names them, beside those of propagation."""
    state = {}
    for key, value in model.state_dict().items():
        for pattern, name in NAMES:
            renamed, count = re.subn(pattern, name, key)
            if count:
                renamed = re.sub("^T", "tracker.model", re.sub("^D", "detector", renamed))
                state[renamed] = value
                break
    for key in list(state):
        if "interactive_convs" in key:
            state[key.replace("interactive", "propagation")] = torch.full_like(state[key], torch.nan)
    state["tracker.model.sam_mask_decoder.iou_token.weight"] = torch.full((16, 32), torch.nan)
    for key in left_out:
        del state[key]
    torch.save(state, path)
    return path


def spoil(model: Any) -> Any:
    """The model without any usable weight."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    return model


@pytest.fixture(scope="module")
def original() -> Iterator[Any]:
    with without_cuda():
        yield meta_image_model(same_weights(7))


def load(path: Path, seed: int = 8) -> MetaModels:
    """Models of our loader, with Meta's builder at tiny size."""
    loaded = MetaModels(MetaSettings(images="sam3.1", multiplex=str(path)), "cpu", autocast=False)
    with pytest.MonkeyPatch.context() as patch:
        built = spoil(meta_image_model(same_weights(seed)))
        # it takes what upstream's own takes
        builder = create_autospec(build.build_sam3_image_model, return_value=built)
        patch.setattr(build, "build_sam3_image_model", builder)
        assert loaded.image is built
    assert builder.call_args.kwargs["device"] == "cpu" and builder.call_args.kwargs["compile"] is False
    return loaded


def complete(loaded: MetaModels) -> MetaConcepts:
    processor = pytest.importorskip("sam3.model.sam3_image_processor").Sam3Processor
    loaded.__dict__["processor"] = processor(loaded.image, resolution=SIDE, device="cpu")
    loaded.__dict__["predictor"] = None
    return MetaConcepts(models=loaded)


def test_images_have_the_weights_of_the_multiplex_file(original: Any, tmp_path: Path) -> None:
    path = write_multiplex(original, tmp_path / "sam3.1_multiplex.pt")
    mine = complete(load(path))
    assert mine.info.version.startswith("meta 3.1 with images ")
    head = original.inst_interactive_predictor.model.sam_mask_decoder.iou_prediction_head
    assert head.sigmoid_output, "SAM 3 predicts a logit"
    head.sigmoid_output = False
    loaded = MetaModels(MetaSettings(), "cpu", autocast=False)
    loaded.__dict__["image"] = original
    theirs = complete(loaded)
    for phrase in ("cat", "a yellow school bus"):
        (one,) = mine._grounding.ground([(mine.embed(IMAGE, "image"), phrase)])
        (other,) = theirs._grounding.ground([(theirs.embed(IMAGE, "image"), phrase)])
        assert torch.equal(one.scores, other.scores) and torch.equal(one.masks, other.masks)
        assert torch.equal(one.semantic, other.semantic) and one.masks.abs().max() > 1
    clicks = [VisualPrompt(box=(5.0, 20.0, 40.0, 60.0)), VisualPrompt(points=np.array([[20.0, 40.0]]))]
    answers = zip(
        mine.segment(mine.embed(IMAGE, "image"), clicks),
        theirs.segment(theirs.embed(IMAGE, "image"), clicks),
        strict=True,
    )
    for ours, expected in answers:
        assert ours.score == expected.score and np.array_equal(ours.mask, expected.mask) and ours.mask.any()


@pytest.mark.parametrize(
    "lost",
    [
        "detector.backbone.vision_backbone.convs.2.conv_1x1.weight",
        "detector.backbone.vision_backbone.interactive_convs.0.conv_3x3.bias",
        "tracker.model.interactive_sam_mask_decoder.iou_token.weight",
        "tracker.model.interactivity_no_mem_embed",
    ],
)
def test_a_multiplex_file_that_lacks_what_images_read_is_refused(
    original: Any, tmp_path: Path, lost: str
) -> None:
    path = write_multiplex(original, tmp_path / "sam3.1_multiplex.pt", lost)
    with pytest.raises(WeightsCorrupt, match="lacks 1 tensors"):
        load(path)


def test_videos_are_compiled_by_upstreams_own_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The predictor of SAM 3 passes no `compile` to its model, which then compiles nothing."""
    predictors = pytest.importorskip("sam3.model.sam3_video_predictor")
    compiled: list[Any] = []

    def note(function: Any, **_: Any) -> Any:
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", note)
    monkeypatch.setattr(build, "build_sam3_video_predictor", predictors.Sam3VideoPredictor)
    for wanted in (False, True):
        with without_cuda():
            video = meta_predictor(same_weights(7)).model
            monkeypatch.setattr(build, "build_sam3_video_model", lambda video=video, **_: video)
            loaded = MetaModels(MetaSettings(checkpoint="sam3.pt", compile=wanted), "cpu")
            assert loaded.predictor.model is video
            video._compile_model()
        assert bool(compiled) is wanted
