"""Our adapter of videos against Meta's own SAM 3.1, with RANDOM weights: what is asked and answered.

It runs by hand (five minutes), with a checkout of facebookresearch/sam3 before Meta's package on the path.
"""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
# before transformers, which imports torchvision
pytest.importorskip("tests.parity.meta_kernels")

pytest.importorskip("tests.parity.sam3_meta_detector")
pytest.importorskip("sam3.model.multiplex_utils", reason="Meta's package on PyPI has no SAM 3.1")

import torch

from tests.parity.sam3_meta_multiplex import build_multiplex, multiplex_on_cpu
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.protocols import TimedPrompt, TrackPrompts, VideoFrame, VisualPrompt

# the network has nearly its real size
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1800)]

FRAMES = 3


def test_a_phrase_a_box_and_a_point_go_through_a_session_of_the_object_multiplex(tmp_path: Path) -> None:
    box = VisualPrompt(box=(5.0, 20.0, 40.0, 60.0))
    point = VisualPrompt(points=np.array([[110.0, 60.0]]), labels=np.array([1]))
    prompts = TrackPrompts(
        ("cat",), objects=2, visual_prompts=(TimedPrompt(0, 1, box), TimedPrompt(1, 2, point))
    )
    with multiplex_on_cpu(), torch.autocast("cpu", dtype=torch.bfloat16):
        meta = MetaConcepts(models=build_multiplex(tmp_path))
        tracker = meta.tracker(prompts)
        for number in range(FRAMES):
            tracker.step(VideoFrame(number, number, draw_image(number)))
        results = list(tracker.finish())
    assert [each.index for each in results] == list(range(FRAMES))
    height, width = draw_image().shape[:2]
    seen: dict[int, list[int]] = {1: [], 2: []}
    for result in results:
        for item in result.objects:
            assert item.mask.shape == (height, width)
            if item.id in seen:
                seen[item.id].append(result.index)
    assert seen[1][0] == 0 and seen[2][0] == 1
    assert not meta._models.predictor._all_inference_states
