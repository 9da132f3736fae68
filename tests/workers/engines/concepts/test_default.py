"""The default engine on scenes with known truth and on the photos that scikit-image carries."""

from pathlib import Path

import numpy as np
import pytest
from maquette.contract.vocabulary import UnknownPhrase
from numpy.typing import NDArray
from skimage import data, transform

from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import (
    ConceptEngine,
    Mask,
    MaskCleanup,
    RequestRefused,
    Rgb,
    TrackPrompts,
    VisualPrompt,
)
from workers.engines.settings import MODELS_VARIABLE
from workers.engines.weights import WeightsCorrupt, WeightsMissing, models_dir
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 300, 400


@pytest.fixture(scope="module")
def engine() -> DefaultConcepts:
    return DefaultConcepts()


def _scene() -> tuple[Rgb, Mask, Mask]:
    """A disc and a rectangle, each with its own texture, on gravel."""
    stones = transform.resize(data.gravel(), (HEIGHT, WIDTH), anti_aliasing=True)
    image = np.repeat((stones[..., None] * 160).astype(np.uint8), 3, axis=2)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 120) ** 2 + (y - 150) ** 2 < 70**2
    rectangle = (x >= 240) & (x < 350) & (y >= 90) & (y < 230)
    fur = transform.resize(data.chelsea(), (HEIGHT, WIDTH), anti_aliasing=True)
    image[disc] = (fur * (235, 90, 60))[disc].astype(np.uint8) + 20
    image[rectangle] = (fur * (60, 110, 200))[rectangle].astype(np.uint8) + 50
    return image, disc, rectangle


SCENE = _scene()


def _points(*rows: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(rows, np.float64)


def test_it_is_a_concept_engine_that_describes_itself(engine: DefaultConcepts) -> None:
    assert isinstance(engine, ConceptEngine)
    assert (engine.info.name, engine.info.kind, engine.info.licence) == ("default", "concepts", "Apache-2.0")
    assert engine.info.capabilities == (
        "phrases",
        "boxes",
        "points",
        "masks",
        "video",
        "everything",
        "exemplars",
        "video_masks",
        "cross_image_exemplars",
    )
    assert engine.info.vocabulary is not None and len(engine.info.vocabulary) == 80
    assert set(engine.info.weights) == {
        "mobilesam_encoder.onnx",
        "mobilesam_decoder.onnx",
        "picodet_coco.onnx",
        "pplcnetv2_imagenet.onnx",
    }


def test_boxes_cut_out_exact_shapes_and_stay_inside(engine: DefaultConcepts) -> None:
    image, disc, rectangle = SCENE
    instances = engine.segment(
        engine.embed(image, "scene"),
        [VisualPrompt(box=bounding_box(disc)), VisualPrompt(box=bounding_box(rectangle))],
    )
    assert [item.prompt for item in instances] == [0, 1]
    for item, truth in zip(instances, (disc, rectangle), strict=True):
        assert mask_iou(item.mask, truth) >= 0.95
        assert item.box == bounding_box(item.mask)
        outer, inner = bounding_box(truth), item.box
        assert inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]
        assert item.flags == () and 0.5 < item.score <= 1


def test_points_with_and_without_a_box(engine: DefaultConcepts) -> None:
    image, disc, rectangle = SCENE
    clicks = [
        VisualPrompt(points=_points((120.5, 150.5))),
        VisualPrompt(box=bounding_box(rectangle), points=_points((300.5, 160.5)), labels=np.array([1])),
        VisualPrompt(
            points=_points((300.5, 160.5), (260.5, 110.5), (20.5, 20.5)), labels=np.array([1, 1, 0])
        ),
    ]
    instances = engine.segment(engine.embed(image, "scene"), clicks)
    for item, truth in zip(instances, (disc, rectangle, rectangle), strict=True):
        assert mask_iou(item.mask, truth) >= 0.9


def test_a_rough_mask_is_refined(engine: DefaultConcepts) -> None:
    image, disc, _ = SCENE
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rough = (np.abs(x - 120) < 62) & (np.abs(y - 150) < 62)
    instances = engine.segment(engine.embed(image, "scene"), [VisualPrompt(mask=rough)])
    assert mask_iou(instances[0].mask, disc) > mask_iou(rough, disc) + 0.05


def test_one_answer_per_click_in_order_even_on_nothing(engine: DefaultConcepts) -> None:
    flat = np.full((120, 160, 3), 127, np.uint8)
    clicks = [
        VisualPrompt(points=_points((80.5, 60.5))),
        VisualPrompt(box=(10, 10, 20, 20)),
        VisualPrompt(box=(0, 0, 160, 120)),
    ]
    instances = engine.segment(engine.embed(flat, "flat"), clicks)
    assert [item.prompt for item in instances] == [0, 1, 2]
    assert all(item.mask.any() and item.mask.shape == (120, 160) for item in instances)


@pytest.mark.parametrize(
    "click",
    [
        VisualPrompt(),
        VisualPrompt(points=_points((5.5, 5.5)), labels=np.array([0])),
        VisualPrompt(points=_points((float("nan"), 5.5))),
        VisualPrompt(points=_points((900.5, 5.5))),
        VisualPrompt(points=_points((5.5, 5.5)), labels=np.array([2])),
        VisualPrompt(box=(500, 0, 600, 50)),
        VisualPrompt(mask=np.zeros((HEIGHT, WIDTH), np.bool_)),
        VisualPrompt(mask=np.ones((4, 4), np.bool_)),
    ],
)
def test_clicks_that_say_nothing_are_refused(engine: DefaultConcepts, click: VisualPrompt) -> None:
    with pytest.raises(ValueError, match=r"click|point|box|mask"):
        engine.segment(engine.embed(SCENE[0], "scene"), [click])


def test_phrases_find_the_person_and_the_cat(engine: DefaultConcepts) -> None:
    person = engine.ground(engine.embed(data.astronaut(), "astronaut"), ["people", "kitty"])
    assert [(item.label, item.prompt) for item in person] == [("person", 0)]
    assert person[0].score > 0.9 and "truncated" in person[0].flags
    # the face, the suit and the shuttle behind her
    assert person[0].mask[120, 220] and person[0].mask[400, 200] and not person[0].mask[100, 420]
    cat = engine.ground(engine.embed(data.chelsea(), "chelsea"), ["truck", "kitty"])
    assert [(item.label, item.prompt) for item in cat] == [("cat", 1)]
    assert cat[0].mask[120, 180] and not cat[0].mask[40, 430]


def test_a_person_whom_the_image_cuts_off_is_not_the_wall_behind(engine: DefaultConcepts) -> None:
    photo = (transform.resize(data.astronaut()[:289], (226, 400), anti_aliasing=True) * 255).astype(np.uint8)
    whole = engine.ground(engine.embed(photo, "photo"), ["person"])[0].mask[40:220, 24:344]
    window = np.ascontiguousarray(photo[40:220, 24:344])
    [person, *_] = engine.ground(engine.embed(window, "window"), ["person"])
    assert mask_iou(person.mask, whole) > 0.9


def test_how_masks_are_cleaned_cannot_be_asked_of_it(engine: DefaultConcepts) -> None:
    handle = engine.embed(SCENE[0], "scene")
    for call in (
        lambda cleanup: engine.ground(handle, ["cat"], cleanup=cleanup),
        lambda cleanup: engine.ground_exemplars(handle, [(0, 0, 4, 4)], [1], cleanup=cleanup),
    ):
        with pytest.raises(RequestRefused) as caught:
            call(MaskCleanup(fill_area=4))
        assert (caught.value.problem.code, caught.value.problem.status) == ("mask_cleanup_unsupported", 422)


def test_the_threshold_decides(engine: DefaultConcepts) -> None:
    handle = engine.embed(data.coffee(), "coffee")
    assert [item.label for item in engine.ground(handle, ["mug"])] == ["cup"]
    assert engine.ground(handle, ["mug"], thresholds=[0.999]) == []
    few, many = engine.ground(handle, ["cup"]), engine.ground(handle, ["cup"], thresholds=[0.2])
    assert len(many) >= len(few)
    assert [item.score for item in many] == sorted((item.score for item in many), reverse=True)


def test_the_unknown_is_refused_with_the_vocabulary(engine: DefaultConcepts) -> None:
    engine.check(["cats", "people"])
    with pytest.raises(UnknownPhrase) as caught:
        engine.check(["cats", "gargoyle"])
    assert caught.value.phrase == "gargoyle" and len(caught.value.vocabulary) == 80
    with pytest.raises(UnknownPhrase):
        engine.ground(engine.embed(SCENE[0], "scene"), ["gargoyle"])
    with pytest.raises(UnknownPhrase):
        engine.tracker(TrackPrompts(phrases=("gargoyle",)))


def test_the_same_key_gives_the_same_handle_and_the_same_bytes(engine: DefaultConcepts) -> None:
    image, disc, _ = SCENE
    handle = engine.embed(image, "scene")
    assert engine.embed(image, "scene") is handle and handle.size == (HEIGHT, WIDTH)
    click = [VisualPrompt(box=bounding_box(disc))]
    first, second = engine.segment(handle, click), engine.segment(engine.embed(image, "anew"), click)
    assert first[0].mask.tobytes() == second[0].mask.tobytes() and first[0].score == second[0].score


def test_only_rgb_bytes_are_images(engine: DefaultConcepts) -> None:
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            engine.embed(bad, "bad")


def test_without_weights_a_watershed_answers_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    bare = DefaultConcepts()
    assert bare.info.capabilities == ("boxes", "points") and bare.info.weights == {}
    image, disc, _ = SCENE
    handle = bare.embed(image, "scene")
    instances = bare.segment(
        handle, [VisualPrompt(box=bounding_box(disc)), VisualPrompt(points=_points((120.5, 150.5)))]
    )
    assert all("fallback_watershed" in item.flags and "low_iou" in item.flags for item in instances)
    assert mask_iou(instances[0].mask, disc) >= 0.7
    with pytest.raises(WeightsMissing):
        bare.ground(handle, ["cat"])
    with pytest.raises(WeightsMissing):
        bare.tracker(TrackPrompts(phrases=("cat",)))


def test_boxes_work_without_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in models_dir().iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "picodet_coco.onnx").unlink()
    (tmp_path / "picodet_coco.onnx").write_bytes(b"not the detector")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    partial = DefaultConcepts(mirror=False)
    assert partial.info.capabilities == ("boxes", "points", "masks")
    assert "picodet_coco.onnx" in partial.info.limits[0]
    image, disc, _ = SCENE
    handle = partial.embed(image, "scene")
    assert mask_iou(partial.segment(handle, [VisualPrompt(box=bounding_box(disc))])[0].mask, disc) >= 0.9
    with pytest.raises(WeightsCorrupt):
        partial.ground(handle, ["cat"])


def test_a_sharp_outline_is_stable_and_a_soft_one_is_not(engine: DefaultConcepts) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(x - 200, y - 150)
    sharp = np.where((away < 60)[..., None], (220, 60, 40), (70, 90, 110)).astype(np.uint8)
    soft = (70 + 150 * np.exp(-((away / 60) ** 2)))[..., None].repeat(3, axis=2).astype(np.uint8)
    instances = [
        engine.segment(engine.embed(image, name), [VisualPrompt(points=_points((200.5, 150.5)))])[0]
        for name, image in (("sharp", sharp), ("soft", soft))
    ]
    assert instances[0].stability is not None and instances[1].stability is not None
    assert instances[0].stability > 0.95 and 0 <= instances[1].stability < instances[0].stability
