"""Actions between stored frames: composed by type at any rate, and exactly zero for a still camera."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maquette.contract.datasets import SourceInfo

from tests.support.synthetic_datasets import RATE, make_dataset, make_source, render_balls
from workers.datasets.action_composition import compose_actions, find_action_types
from workers.datasets.errors import DatasetError
from workers.datasets.reader import Dataset
from workers.datasets.schema import ActionRow, CameraRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth
from workers.datasets.stages.actions import measure_ego_motion

FRAMES = 24
THIRD = DatasetSettings(phrases=("ball",), clip_seconds=2.0, frame_rate=RATE / 3, crops=0)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


def record(folder: Path, settings: DatasetSettings = THIRD, **facts: object) -> Dataset:
    """A dataset of one video of balls; `facts` say what was recorded with it."""
    images, masks = render_balls(3, FRAMES, 2)
    truth = GroundTruth(lambda frame: masks[frame], dict.fromkeys((1, 2), "ball"))
    source = make_source(images, info=SourceInfo(**facts), truth=truth)  # type: ignore[arg-type]
    return make_dataset(folder, [source], settings)


def recorded(data: Dataset) -> list[ActionRow]:
    [clip] = data.clips()
    return [row for row in clip.actions if row.kind == "recorded"]


def test_actions_between_stored_frames_are_composed_by_type(tmp_path: Path) -> None:
    # 0 1 2 | 3 4 5 | ... : deltas add up to 3, 12, 21, states are 2, 5, 8, and the button is down in frame 4
    rows = [[float(t), float(t), float(t == 4)] for t in range(FRAMES - 1)]
    types = ["delta", "state", "button"]
    data = record(tmp_path, actions=rows, action_names=["a", "b", "c"], action_types=types)
    actual = recorded(data)
    assert [row.values for row in actual[:3]] == [(3.0, 2.0, 0.0), (12.0, 5.0, 1.0), (21.0, 8.0, 0.0)]
    assert actual[0].types == tuple(types) and actual[0].composed_steps == 3
    assert [row.frame for row in actual] == list(range(7))


@given(
    rows=st.lists(st.tuples(numbers, numbers, st.booleans()), min_size=2, max_size=60),
    step=st.integers(1, 12),
)
def test_composition_at_any_rate_equals_replaying_all(
    rows: list[tuple[float, float, bool]], step: int
) -> None:
    full = [tuple(map(float, row)) for row in rows]
    kept = list(range(0, len(full) + 1, step))
    stored = [compose_actions(full[a:b], ("delta", "state", "button")) for a, b in pairwise(kept)]
    for number, row in enumerate(stored, 1):
        played = full[: kept[number]]
        scale = sum(abs(item[0]) for item in played) + 1
        moved = sum(item[0] for item in stored[:number])
        assert moved == pytest.approx(sum(item[0] for item in played), abs=1e-9 * scale)
        assert row[1] == played[-1][1]
        assert row[2] == float(any(item[2] for item in full[kept[number - 1] : kept[number]]))


def test_types_follow_from_names_that_say_them(tmp_path: Path) -> None:
    names = ["mouse.dx", "mouse.x", "key.w", "button.0", "dyaw", "hotbar", "wheel_delta", "arm.target_z"]
    info = SourceInfo(actions=[[0.0] * len(names)], action_names=names)
    expected = ("delta", "state", "button", "button", "delta", "state", "delta", "state")
    assert find_action_types(info) == expected
    data = record(tmp_path, actions=[[5.0]] * (FRAMES - 1), action_names=["dx"])
    assert {row.values for row in recorded(data)} == {(15.0,)}


def test_unknown_types_are_refused_where_frames_are_left_out(tmp_path: Path) -> None:
    facts = {"actions": [[1.0, 2.0]] * FRAMES, "action_names": ["go", "dx"]}
    with pytest.raises(DatasetError, match="the actions go add up") as caught:
        record(tmp_path / "thin", **facts)
    assert caught.value.code == "action_types_unknown"
    # with every frame there is nothing to compose
    actual = recorded(record(tmp_path / "all", replace(THIRD, frame_rate=None), **facts))
    assert len(actual) == FRAMES - 1 and actual[0].values == (1.0, 2.0) and actual[0].types is None


def test_too_few_actions_for_the_last_interval_are_refused(tmp_path: Path) -> None:
    # the last of 8 stored frames is frame 21, so actions 0 to 20 are needed
    record(tmp_path / "enough", actions=[[0.0]] * 21, action_types=["delta"])
    with pytest.raises(DatasetError) as caught:
        record(tmp_path / "few", actions=[[0.0]] * 20, action_types=["delta"])
    assert caught.value.code == "actions_mismatch"


def test_a_still_camera_has_no_motion_and_an_unknown_one_no_rows(tmp_path: Path) -> None:
    [clip] = record(tmp_path).clips()
    assert clip.row.camera_source == "static" and clip.row.action_kinds == ("ego_motion",)
    assert [row.values for row in clip.actions] == [(0.0,) * 6] * (len(clip) - 1)


def make_cameras(poses: Sequence[np.ndarray | None], source: str) -> list[CameraRow]:
    return [
        CameraRow(
            clip="c", frame=frame, fx=1, fy=1, cx=1, cy=1, intrinsics_source="given", confidence=None,
            source=source, world_from_cam=None if pose is None else tuple(pose.ravel().tolist()),
        )
        for frame, pose in enumerate(poses)
    ]  # fmt: skip


def test_given_poses_that_repeat_have_exactly_no_motion() -> None:
    pose = np.eye(4)
    pose[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    pose[:3, :3] *= np.linalg.det(pose[:3, :3])
    pose[:3, 3] = 0.1, 0.2, 0.3
    moved = pose.copy()
    moved[:3, 3] += pose[:3, 0] * 2
    plan = type("Plan", (), {"id": "c"})()
    first, second = measure_ego_motion(plan, make_cameras([pose, pose, moved], "given"))
    assert first.values == (0.0,) * 6
    assert second.values == pytest.approx((2.0, 0, 0, 0, 0, 0))
    assert measure_ego_motion(plan, make_cameras([None, None], "unknown")) == []
