"""Key points and hand boxes as upstream's own model takes them; the network is a STAND-IN."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="upstream needs torch")
pytest.importorskip("tests.parity.meta_kernels")
pytest.importorskip("sam_3d_body", reason="upstream's code is not on the path: make test-sam3")

from tests.parity.test_sam3d_body_upstream import BOXES, IMAGE, INTRINSICS, PADDING, Network, cpu, load  # noqa: E402
from workers.engines.bodies.sam3d.prompt_arrays import encode_prompts  # noqa: E402
from workers.engines.bodies.sam3d.prompting import Prompts, prompting  # noqa: E402
from workers.engines.protocols import BodyControls, PersonHints  # noqa: E402

__all__ = ["cpu"]
pytestmark = pytest.mark.filterwarnings("ignore")


class Decoding(Network):
    """Upstream's `run_keypoint_prompt` around a decoder that notes the prompts."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[Any] = []

    def forward_step(self, batch: dict[str, Any], decoder_type: str = "body") -> dict[str, Any]:
        output = super().forward_step(batch, decoder_type)
        output["mhr"]["hand_box"] = torch.zeros(len(batch["bbox"][0]), 2, 4)
        return {**output, "image_embeddings": None, "condition_info": None}

    def forward_decoder(self, *_: Any, keypoints: Any, batch: Any, **__: Any) -> Any:
        self.prompts.append(keypoints)
        decoded = super().forward_step(batch)["mhr"]
        return None, [decoded]


def ask(network: Decoding, cpu: pytest.MonkeyPatch, *people: PersonHints) -> dict[str, np.ndarray]:
    arrays = {"image": IMAGE, "boxes": BOXES, "intrinsics": INTRINSICS}
    arrays |= encode_prompts(BodyControls(people=people), [0, 1])
    return load(cpu, network, "body").answer({"refined": [True, True]}, arrays)[1]


def test_key_points_reach_the_prompt_encoder_in_the_crop(cpu: pytest.MonkeyPatch) -> None:
    network = Decoding()
    # the middle of the first box, and a quarter of the crop above and left of it
    points = (("left_wrist", 40.0, 60.0), ("nose", 40.0 - PADDING * 25, 60.0 - PADDING * 25))
    reply = ask(network, cpu, PersonHints(keypoints=points), PersonHints())
    (shown,) = network.prompts
    np.testing.assert_allclose(shown[0], [[0.5, 0.5, 62], [0.25, 0.25, 0]], atol=0.02)
    assert shown[1].tolist() == [[0, 0, -2], [0, 0, -2]]
    assert reply["outside"].tolist() == [False, False]
    assert not {"forward_step", "run_keypoint_prompt", "_get_hand_box"} & set(vars(network))


def test_a_point_outside_the_crop_is_left_out_and_said(cpu: pytest.MonkeyPatch) -> None:
    network = Decoding()
    reply = ask(network, cpu, PersonHints(), PersonHints(keypoints=(("nose", 3.0, 3.0),)))
    assert network.prompts[0].tolist() == [[[0, 0, -2]], [[0, 0, -2]]]
    assert reply["outside"].tolist() == [False, True]


def test_the_users_wrist_takes_the_place_of_the_hand_decoders() -> None:
    network = Decoding()
    points = np.array([[[40, 60, 41], [0, 0, -2]]], np.float32)
    batch = {"img": torch.zeros(1, 1, 3, 64, 64), "bbox": torch.zeros(1, 1, 4)}
    batch |= {"affine_trans": torch.eye(3)[None, None, :2], "img_size": torch.full((1, 1, 2), 80.0)}
    batch["cam_int"] = torch.eye(3)[None]
    network._batch_size, network._max_num_person = 1, 1
    own = torch.tensor([[[0.1, 0.2, 41], [0.3, 0.4, 62]]])
    prompts = Prompts(points, np.full((1, 2, 4), np.nan, np.float32), (True, True))
    with prompting(torch, network, prompts):
        output = network.forward_step(batch)
        # the hands are detected before the prompt, and read after it
        assert output["mhr"]["hand_box"].shape == (1, 2, 4)
        network.run_keypoint_prompt(batch, output, own)
    expected = [[0, 0, -2], [0.3, 0.4, 62], [0.5, 0.75, 41], [0, 0, -2]]
    np.testing.assert_allclose(network.prompts[-1][0], expected, atol=1e-6)


def test_hands_are_where_the_user_says_and_the_other_is_too_small_to_be_refined() -> None:
    network = Decoding()
    network.cfg = type("Settings", (), {"MODEL": type("Model", (), {"IMAGE_SIZE": (64, 64)})})
    output = {"mhr": {"hand_box": torch.tensor([[[0.5, 0.5, 0.2, 0.2], [0.25, 0.25, 0.2, 0.2]]])}}
    batch = {"affine_trans": torch.eye(3)[None, None, :2]}
    hands = np.full((1, 2, 4), np.nan, np.float32)
    hands[0, 0] = (10, 20, 90, 100)
    prompts = Prompts(np.array([[[0, 0, -2]]], np.float32), hands, (True, False))
    with prompting(torch, network, prompts):
        left, right = network._get_hand_box(output, batch)
    np.testing.assert_allclose(left, [[10, 20, 90, 100]])
    np.testing.assert_allclose(right, [[15, 15, 17, 17]])
