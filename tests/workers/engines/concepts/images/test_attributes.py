"""Colours and extremes are measured from the pixels."""

import colorsys

import numpy as np
import pytest
import skimage.data
from maquette.contract.vocabulary import COLORS, parse_phrase

from tests.support.scenes import draw_ball, make_wall
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.concepts.images.attributes import filter_by_attributes
from workers.engines.concepts.images.color_names import color_names, color_share
from workers.engines.concepts.images.config import AttributeConfig
from workers.engines.protocols import Rgb, SegmentedInstance, TrackPrompts, VideoFrame
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

# everyday colours by their CSS values
CSS = {
    "red": [(255, 0, 0), (178, 34, 34), (220, 20, 60)],
    "orange": [(255, 165, 0), (255, 140, 0)],
    "yellow": [(255, 255, 0), (255, 215, 0)],
    "green": [(0, 128, 0), (50, 205, 50), (34, 139, 34)],
    "blue": [(0, 0, 255), (30, 144, 255), (0, 0, 128)],
    "purple": [(128, 0, 128), (138, 43, 226)],
    "pink": [(255, 192, 203), (255, 105, 180)],
    "brown": [(139, 69, 19), (101, 67, 33)],
    "black": [(0, 0, 0), (25, 25, 25)],
    "white": [(255, 255, 255), (245, 245, 245)],
    "grey": [(128, 128, 128), (169, 169, 169)],
}


@pytest.fixture(scope="module")
def engine() -> DefaultConcepts:
    return DefaultConcepts()


@pytest.mark.parametrize(("name", "rgb"), [(name, rgb) for name, values in CSS.items() for rgb in values])
def test_everyday_colours_have_their_names(name: str, rgb: tuple[int, int, int]) -> None:
    patch = np.full((8, 8, 3), rgb, np.uint8)
    assert color_share(color_names(patch), np.ones((8, 8), np.bool_), name) == 1.0


def test_every_pixel_has_exactly_one_colour() -> None:
    hues = [colorsys.hsv_to_rgb(h / 64, s / 7, v / 7) for h in range(64) for s in range(8) for v in range(8)]
    image = (np.array(hues).reshape(64, 64, 3) * 255).astype(np.uint8)
    names = color_names(image)
    assert names.max() < len(COLORS)
    shares = [color_share(names, np.ones((64, 64), np.bool_), name) for name in COLORS]
    assert sum(shares) > 0.9


def instance(columns: slice, rows: slice = slice(10, 50)) -> SegmentedInstance:
    mask = np.zeros((60, 100), np.bool_)
    mask[rows, columns] = True
    return SegmentedInstance(mask, bounding_box(mask), 0.9, 0, "car")


def choose(image: Rgb, instances: list[SegmentedInstance], phrase: str) -> list[SegmentedInstance]:
    return filter_by_attributes(image, instances, parse_phrase(phrase), AttributeConfig())


def test_instances_are_filtered_by_colour_then_by_extreme() -> None:
    image = np.full((60, 100, 3), 128, np.uint8)
    image[:, :40] = (200, 20, 20)
    image[:, 60:] = (20, 20, 200)
    red, small_red, blue = instance(slice(2, 30)), instance(slice(32, 38)), instance(slice(62, 98))
    everything = [red, small_red, blue]
    assert choose(image, everything, "red car") == [red, small_red]
    assert choose(image, everything, "smallest red car") == [small_red]
    assert choose(image, everything, "largest car") == [blue]
    assert choose(image, everything, "leftmost car") == [red]
    assert choose(image, everything, "rightmost car") == [blue]
    assert choose(image, everything, "green car") == []


def test_a_colour_of_a_part_is_flagged_as_weak() -> None:
    image = np.full((60, 100, 3), 255, np.uint8)
    image[:, :36] = (200, 20, 20)
    [actual] = choose(image, [instance(slice(2, 98))], "red car")
    assert actual.flags == ("color_weak",)


def test_concepts_are_found_on_a_photo(engine: DefaultConcepts) -> None:
    handle = engine.embed(skimage.data.astronaut(), "astronaut")
    instances = engine.ground(handle, ["orange person", "green person", "largest person"])
    assert [item.prompt for item in instances] == [0, 2]


def test_in_a_video_only_the_requested_colour_is_tracked(engine: DefaultConcepts) -> None:
    person = skimage.data.astronaut()[:, 10:370]
    bluish = person[..., ::-1]
    frames = []
    for index in range(4):
        image = make_wall(size=(520, 800))
        image[4:516, 20 + 2 * index : 380 + 2 * index] = person
        image[4:516, 420:780] = bluish
        frames.append(VideoFrame(index, index, image))
    tracker = engine.tracker(TrackPrompts(phrases=("person", "blue person", "leftmost person")))
    last = [tracker.step(frame)[0] for frame in frames][-1]
    boxes = {prompt: [o.box for o in last.objects if o.prompt == prompt] for prompt in range(3)}
    assert len(boxes[0]) == 2
    [blue] = boxes[1]
    [left] = boxes[2]
    assert blue[0] > 400 and left[2] < 420


def test_everything_finds_each_object_once_and_names_some(engine: DefaultConcepts) -> None:
    handle = engine.embed(skimage.data.coffee(), "coffee")
    instances = engine.ground(handle, ["everything", "cup"])
    things = [item for item in instances if item.prompt == 0]
    assert {"cup", "dining table"} <= {item.label for item in things}
    spoon = [item for item in things if item.mask[290, 367] and item.mask.sum() < 20_000]
    assert len(spoon) == 1
    for index, item in enumerate(things):
        for other in things[index + 1 :]:
            assert mask_iou(item.mask, other.mask) < 0.7
    assert [item.label for item in instances if item.prompt == 1] == ["cup"]


def test_everything_takes_attributes_too(engine: DefaultConcepts) -> None:
    image = make_wall(size=(240, 320))
    red = draw_ball(image, (120, 90), 45, (230, 30, 20))
    draw_ball(image, (120, 230), 45, (30, 60, 230))
    instances = engine.ground(engine.embed(image, "balls"), ["red things"])
    assert any(mask_iou(item.mask, red) > 0.85 for item in instances)
    assert all(mask_iou(item.mask, red) > 0.1 for item in instances)


def test_an_exemplar_of_one_coin_finds_all_coins(engine: DefaultConcepts) -> None:
    image = np.repeat(skimage.data.coins()[..., None], 3, axis=2)
    instances = engine.ground_exemplars(engine.embed(image, "coins"), [(23, 32, 68, 76)], [1])
    assert 22 <= len(instances) <= 25
    assert all(400 < item.mask.sum() < 4500 for item in instances)
    total = np.sum([item.mask for item in instances], axis=0)
    assert (total > 1).mean() < 0.01


def test_exemplars_need_a_positive_one(engine: DefaultConcepts) -> None:
    handle = engine.embed(skimage.data.coffee(), "coffee")
    with pytest.raises(ValueError, match="at least one 1"):
        engine.ground_exemplars(handle, [(5.0, 5.0, 50.0, 50.0)], [0])
