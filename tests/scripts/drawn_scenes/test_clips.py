"""The rendered clips are as true as they claim: other tests judge by them."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.drawn_scenes.clips import RenderedClip, render_clip

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def clip(request: pytest.FixtureRequest) -> RenderedClip:
    return render_clip(request.param, frames=32, moving_camera=request.param % 2 == 1)


def back_projected(clip: RenderedClip, frame: int, number: int) -> NDArray[np.float64]:
    """World points (N, 4) of an object's pixels, from depth at pixel centres."""
    rows, columns = np.nonzero(clip.ids[frame] == number)
    z = clip.depth[frame][rows, columns].astype(np.float64)
    rays = np.linalg.inv(clip.intrinsics) @ np.stack([columns + 0.5, rows + 0.5, np.ones(len(z))])
    points = np.vstack([rays * z, np.ones(len(z))])
    return (clip.world_from_cam[frame] @ points).T


def test_the_fields_agree_in_shape(clip: RenderedClip) -> None:
    time, count = len(clip.frames), len(clip.labels)
    assert clip.frames.shape == (time, 256, 256, 3) and clip.frames.dtype == np.uint8
    assert clip.ids.shape == clip.depth.shape == (time, 256, 256)
    assert clip.ids.dtype == np.int32 and clip.depth.dtype == np.float32
    assert clip.world_from_cam.shape == (time, 4, 4)
    assert clip.world_from_object.shape == (time, count, 4, 4) and clip.sizes.shape == (count, 3)
    assert set(np.unique(clip.ids[0])) == set(range(count + 1))


def test_masks_lie_inside_the_projected_boxes(clip: RenderedClip) -> None:
    corners = np.array(list(product((-0.5, 0.5), repeat=3)))
    for frame, number in product(range(len(clip.frames)), range(1, len(clip.labels) + 1)):
        rows, columns = np.nonzero(clip.ids[frame] == number)
        if not rows.size:
            continue
        local = np.c_[corners * clip.sizes[number - 1], np.ones(8)].T
        at = np.linalg.inv(clip.world_from_cam[frame]) @ clip.world_from_object[frame, number - 1] @ local
        pixels = clip.intrinsics @ at[:3]
        x, y = pixels[:2] / pixels[2]
        assert x.min() <= columns.min() + 0.5 and columns.max() + 0.5 <= x.max()
        assert y.min() <= rows.min() + 0.5 and rows.max() + 0.5 <= y.max()


def test_depth_lies_on_the_objects(clip: RenderedClip) -> None:
    for frame, number in product(range(0, len(clip.frames), 5), range(1, len(clip.labels) + 1)):
        world = back_projected(clip, frame, number)
        if not len(world):
            continue
        half = clip.sizes[number - 1] / 2
        local = (np.linalg.inv(clip.world_from_object[frame, number - 1]) @ world.T)[:3].T
        assert (np.abs(local) - half).max() < 0.001
        if clip.label(number) == "ball":
            # a ball is drawn with 1280 flat faces
            assert np.abs(np.linalg.norm(local, axis=1) - half[0]).max() < 0.01
        if clip.label(number) == "box":
            assert np.abs((np.abs(local) - half).max(axis=1)).max() < 0.001


def test_the_room_is_flat(clip: RenderedClip) -> None:
    world = back_projected(clip, 3, 0)[:, :3]
    planes = np.stack([world[:, 2], world[:, 1] - 5.0, np.abs(world[:, 0]) - 5.0])
    assert np.abs(planes).min(axis=0).max() < 0.001


def test_one_leaves_and_comes_back_and_one_is_hidden(clip: RenderedClip) -> None:
    seen = np.array(
        [[(ids == number).sum() for number in range(1, len(clip.labels) + 1)] for ids in clip.ids]
    )
    away = np.flatnonzero(seen[:, 0] == 0)
    assert len(away) >= 4 and seen[0, 0] > 100 and seen[-1, 0] > 100
    assert away[0] > 4 and away[-1] < len(seen) - 4
    assert seen[:, 2].min() < 0.5 * seen[:, 2].max()
    assert (seen[0] >= 40).all()


def test_the_camera_moves_only_when_asked() -> None:
    still, moving = render_clip(4, frames=8), render_clip(4, frames=8, moving_camera=True)
    assert np.ptp(still.world_from_cam, axis=0).max() == 0
    assert np.ptp(moving.world_from_cam[:, :3, 3], axis=0).max() > 0.2


def test_the_same_seed_gives_the_same_clip() -> None:
    one, two, other = render_clip(5, frames=8), render_clip(5, frames=8), render_clip(6, frames=8)
    assert one.labels == two.labels
    for name in ("frames", "ids", "depth", "world_from_cam", "world_from_object", "sizes"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    assert one.frames.tobytes() != other.frames.tobytes()


def test_size_and_number_are_kept() -> None:
    clip = render_clip(8, frames=8, size=(90, 160), objects=4)
    assert clip.frames.shape == (8, 90, 160, 3) and len(clip.labels) == 4
    with pytest.raises(ValueError, match="3 to 6"):
        render_clip(8, objects=2)
