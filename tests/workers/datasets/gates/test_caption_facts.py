"""Captions with a synthetic fault of place, count or camera motion are refused, and true ones are not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.support.scenes import draw_ball, make_wall
from tests.support.synthetic_datasets import SETTINGS, make_dataset, make_source, movi_source, rendered_clip
from workers.datasets.captions import facts
from workers.datasets.captions.camera_facts import check_camera_motion
from workers.datasets.captions.scoring import score_captions
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import CameraRow
from workers.datasets.source import GroundTruth, Source

SWAPS = {"on the left": "on the right", "on the right": "on the left", "in the middle": "on the left"}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    sources = [movi_source(rendered_clip(seed, 24, seed == 0), name=str(seed)) for seed in (0, 3)]
    settings = replace(SETTINGS, clip_seconds=2.0)
    return make_dataset(tmp_path_factory.mktemp("facts"), [*sources, three()], settings)


def three() -> Source:
    """Two balls that stand in their corners, and one that swings in the middle for half of the time."""
    frames, masks = [], []
    for index in range(24):
        image = make_wall(3, (120, 160))
        seen = {
            1: draw_ball(image, (30, 30), 18, (220, 40, 40)),
            2: draw_ball(image, (90, 130), 18, (40, 60, 220)),
        }
        if index < 12:
            seen[3] = draw_ball(image, (60, 74 + index), 12, (60, 180, 70))
        masks.append(seen)
        frames.append(image)
    return make_source(
        frames, truth=GroundTruth(lambda frame: masks[frame], dict.fromkeys((1, 2, 3), "ball"))
    )


def of_balls(rooms: Dataset) -> SceneClip:
    return next(clip for clip in rooms.clips() if clip.source.name is None)


def seen(clip: SceneClip, track: int) -> list:  # type: ignore[type-arg]
    class Box:
        def __init__(self, row) -> None:  # type: ignore[no-untyped-def]
            self.frame, self.box = row.frame, (row.x0, row.y0, row.x1, row.y1)

    return [Box(row) for row in clip.track_observations(track)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "track", "holds"),
    [
        ("a red ball on the left", 1, True),
        ("a red ball in the upper left corner", 1, True),
        ("a red ball on the left of the picture", 1, True),
        ("a red ball on the right", 1, False),
        ("a red ball in the lower left corner", 1, False),
        ("a red ball at the bottom", 1, False),
        ("a ball in the middle", 2, False),
        ("a ball on the right, at the bottom", 2, True),
        ("a ball in the center of the image", 3, True),
        ("a ball on the left of a cup, moving to the right", 1, None),
        ("a ball in the middle of a field", 1, None),
        ("a ball at the top of a hill", 2, None),
    ],
)
def test_a_place_is_where_the_boxes_are(rooms: Dataset, text: str, track: int, holds: bool | None) -> None:
    clip = of_balls(rooms)
    [row] = [row for row in clip.all_tracks if row.track == track]
    assert facts.check_place(text, clip.row, row, seen(clip, track)) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("three balls on a wall", True),
        ("two balls", False),
        ("3 striped rubber balls", True),
        ("one ball", False),
        ("no balls", False),
        ("seven small balls", False),
        ("balls on a wall", True),
        ("a ball on a wall", None),
        ("one wall with things on it", None),
    ],
)
def test_a_count_fits_the_tracks(rooms: Dataset, text: str, holds: bool | None) -> None:
    clip = of_balls(rooms)
    shown = [len(clip.frame_observations(frame)) for frame in range(len(clip))]
    assert facts.check_count(text, ["ball"], clip.all_tracks, shown) is holds


def test_who_may_be_one_or_two_is_counted_as_either(rooms: Dataset) -> None:
    clip = of_balls(rooms)
    # three tracks, of which two at most are seen at once: somebody may have been lost and found again
    for text, holds in (("one ball", False), ("two balls", True), ("three balls", True), ("4 balls", False)):
        assert facts.check_count(text, ["ball"], clip.all_tracks, [2, 1, 2]) is holds
    people = [replace(track, label="person") for track in clip.all_tracks]
    assert facts.check_count("people on a street", ["person", "people"], people[:1], [1]) is False
    assert facts.check_count("people on a street", ["person", "people"], people, [3]) is True


def cameras(step: np.ndarray, count: int = 16) -> list[CameraRow]:  # type: ignore[type-arg]
    poses = [np.eye(4)]
    for _ in range(count - 1):
        poses.append(poses[-1] @ step)
    return [
        CameraRow(
            clip="c",
            frame=k,
            fx=300,
            fy=300,
            cx=128,
            cy=128,
            world_from_cam=tuple(pose.ravel()),
            source="given",
            intrinsics_source="given",
            confidence=None,
        )
        for k, pose in enumerate(poses)
    ]


def make_step(x: float = 0, y: float = 0, z: float = 0, *, yaw: float = 0, pitch: float = 0) -> np.ndarray:  # type: ignore[type-arg]
    """A step of the camera in its own axes; positive yaw looks to the right, positive pitch up."""
    out = np.eye(4)
    out[:3, :3] = Rotation.from_euler("yx", [yaw, pitch], degrees=True).as_matrix()
    out[:3, 3] = x, y, z
    return out


@pytest.mark.parametrize(
    ("text", "step", "holds"),
    [
        ("the camera stands still.", make_step(), True),
        ("a static shot of a room", make_step(), True),
        ("the camera moves.", make_step(), False),
        ("the camera stands still.", make_step(z=0.1), False),
        ("the camera is static", make_step(yaw=1.5), False),
        ("the camera moves.", make_step(z=0.1), True),
        ("the camera moves forward", make_step(z=0.1), True),
        ("the camera moves forward", make_step(z=-0.1), False),
        ("the camera is slowly pulling away", make_step(z=-0.1), True),
        ("the camera moves left, past a cup on the right", make_step(x=-0.1), True),
        ("the camera tracks to the left", make_step(x=0.1), False),
        ("the camera pans right", make_step(yaw=1.5), True),
        ("the camera is panning left", make_step(yaw=1.5), False),
        ("the camera tilts up", make_step(pitch=1.5), True),
        ("the camera tilts down", make_step(pitch=1.5), False),
        ("the camera's path is known.", make_step(z=0.1), None),
        ("a camera on a table", make_step(), None),
    ],
)
def test_camera_statements_are_checked(text: str, step: np.ndarray, holds: bool | None) -> None:  # type: ignore[type-arg]
    assert check_camera_motion(text, cameras(step), "metric") is holds
    unknown = [replace(row, world_from_cam=None) for row in cameras(step)]
    assert check_camera_motion(text, unknown, "metric") is None


def test_composed_captions_hold_and_exchanged_places_do_not(rooms: Dataset) -> None:
    right, wrong = [], []
    for clip in rooms.clips():
        for row in clip.all_captions:
            assert row.score == 1.0 or row.track is not None
            if row.track is None:
                continue
            [track] = [track for track in clip.tracks if track.track == row.track]
            boxes = seen(clip, row.track)
            right.append(facts.check_place(row.text.lower(), clip.row, track, boxes))
            if "stays in its place" in row.text:
                place = next(place for place in SWAPS if place in row.text)
                text = row.text.lower().replace(place, SWAPS[place])
                wrong.append(facts.check_place(text, clip.row, track, boxes))
    assert len(right) >= 8 and right.count(False) == 0
    assert len(wrong) >= 2 and not any(wrong)


def test_a_clip_of_another_count_and_camera_is_refused(rooms: Dataset) -> None:

    clip = of_balls(rooms)
    of_clip = [row for row in clip.all_captions if row.track is None]
    assert [row.text.partition(" shows ")[2] for row in of_clip] == ["three balls; the camera stands still."]
    stated = {track.track: seen(clip, track.track) for track in clip.tracks}
    for track, boxes in stated.items():
        for box, row in zip(boxes, clip.track_observations(track), strict=True):
            box.score, box.area = row.score, row.area
    for text, score in (
        (of_clip[0].text, 1.0),
        ("Two balls; the camera moves to the left.", 1 / 3),
        ("Three balls; the camera moves to the left.", 2 / 3),
        ("Nothing.", 0.0),
    ):
        [row] = score_captions(
            [replace(of_clip[0], text=text)], clip.row, clip.all_tracks, stated, {}, clip.cameras
        )
        assert row.score == pytest.approx(score)
