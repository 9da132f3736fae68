"""Our adapter of videos against Meta's own SAM 3.1, with RANDOM weights: what is asked and answered, not quality.

It runs by hand (two minutes and 6 GB), with a checkout of facebookresearch/sam3 before its package on the path.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
# before transformers, which imports torchvision
pytest.importorskip("tests.parity.meta_kernels")

import torch

_found = importlib.util.find_spec("sam3")
_folders = [] if _found is None else _found.submodule_search_locations or []
if not any((Path(folder) / "model" / "sam3_multiplex_tracking.py").is_file() for folder in _folders):
    pytest.skip("SAM 3.1 is in Meta's repository alone, not in its package on PyPI", allow_module_level=True)

from tests.parity.sam3_meta_multiplex import build_multiplex, multiplex_on_cpu
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.protocols import TimedPrompt, TrackPrompts, VideoFrame, VisualPrompt

pytestmark = pytest.mark.filterwarnings("ignore")

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
