"""People of several images in one forward of upstream's own code; the network is a STAND-IN."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="upstream needs torch")
pytest.importorskip("tests.parity.meta_kernels")
pytest.importorskip("sam_3d_body", reason="upstream's code is not on the path: make test-sam3")

from sam_3d_body.models.meta_arch import sam3d_body  # noqa: E402

from tests.parity.test_sam3d_body_upstream import (  # noqa: E402
    BOXES,
    HEIGHT,
    INTRINSICS,
    WIDTH,
    Network,
    cpu,
    load,
    pack,
)
from workers.engines.bodies.sam3d.image_stack import ImageStack, sharing_forwards  # noqa: E402
from workers.engines.bodies.sam3d.recorded import SHAPES  # noqa: E402

__all__ = ["cpu"]
pytestmark = pytest.mark.filterwarnings("ignore")
IMAGES = np.random.default_rng(0).integers(0, 255, (2, HEIGHT, WIDTH, 3), np.uint8)
# two people in the first image, one in the second
COUNTS = [2, 1]
ALL_BOXES = np.concatenate([BOXES, BOXES[:1] + 7]).astype(np.float32)


def make_masks() -> list[np.ndarray]:
    return [np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.3 for seed in range(3)]


def ask_together(network: Network, cpu: pytest.MonkeyPatch, **more: Any) -> dict[str, np.ndarray]:
    arrays = {"image": IMAGES, "boxes": ALL_BOXES, "intrinsics": INTRINSICS, **more}
    return load(cpu, network, "body").answer({"counts": COUNTS}, arrays)[1]


def ask_each(network: Network, cpu: pytest.MonkeyPatch, masks: list[np.ndarray] | None) -> list[Any]:
    estimator = load(cpu, network, "body")
    answers = []
    for image, rows in zip(IMAGES, (slice(0, 2), slice(2, 3)), strict=True):
        arrays = {"image": image, "boxes": ALL_BOXES[rows], "intrinsics": INTRINSICS}
        if masks is not None:
            arrays["masks"] = pack(masks[rows])
        answers.append(estimator.answer({}, arrays)[1])
    return answers


@pytest.mark.parametrize("fits", [99, 2, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_everybody_is_cut_from_the_right_image(cpu: pytest.MonkeyPatch, masked: bool, fits: int) -> None:
    masks = make_masks() if masked else None
    single, together = Network(), Network(fits=fits)
    expected = ask_each(single, cpu, masks)
    bits = {} if masks is None else {"masks": np.concatenate([pack(masks[:2]), pack(masks[2:])])}
    found = ask_together(together, cpu, **bits)
    for name in SHAPES:
        np.testing.assert_array_equal(found[name], np.concatenate([each[name] for each in expected]))
    for name in ("img", "mask", "mask_score", "bbox", "affine_trans", "person_valid"):
        wanted = torch.cat([batch[name] for batch in single.batches], dim=1)
        seen = torch.cat([batch[name] for batch in together.batches], dim=1)
        torch.testing.assert_close(seen, wanted, rtol=0, atol=0)
    assert len(together.batches) == {99: 1, 2: 2, 1: 3}[fits]


def test_hands_are_cut_from_the_mirrored_image_of_their_person() -> None:
    from sam_3d_body.data.transforms import Compose, GetBBoxCenterScale, TopdownAffine, VisionTransformWrapper
    from torchvision.transforms import ToTensor

    crop = Compose(
        [
            GetBBoxCenterScale(padding=0.9),
            TopdownAffine(input_size=(64, 64), use_udp=False),
            VisionTransformWrapper(ToTensor()),
        ]
    )
    cut, camera = sam3d_body.prepare_batch, torch.from_numpy(INTRINSICS[None]).float()
    stack = ImageStack(IMAGES, np.array([0, 0, 1]))
    with sharing_forwards(torch, stack):
        together = sam3d_body.prepare_batch(stack[:, ::-1], crop, ALL_BOXES, cam_int=camera)
    assert sam3d_body.prepare_batch is cut
    each = [
        cut(image[:, ::-1], crop, ALL_BOXES[rows], cam_int=camera)
        for image, rows in zip(IMAGES, (slice(0, 2), slice(2, 3)), strict=True)
    ]
    assert together.keys() == each[0].keys()
    for name in ("img", "bbox_center", "bbox_scale", "ori_img_size"):
        torch.testing.assert_close(together[name], torch.cat([one[name] for one in each], 1), rtol=0, atol=0)
    torch.testing.assert_close(together["cam_int"], camera)


def test_a_stack_is_mirrored_alone_and_a_plain_image_changes_nothing() -> None:
    stack, before = ImageStack(IMAGES, np.array([0, 1])), sam3d_body.prepare_batch
    assert stack.shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(TypeError, match="mirrored"):
        stack[0]
    with sharing_forwards(torch, IMAGES[0]):
        assert sam3d_body.prepare_batch is before
