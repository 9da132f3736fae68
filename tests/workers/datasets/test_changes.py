"""Change data: what is measured between two frames against scenes whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.export_datasets import without_cameras
from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset, movi_source, rendered_clip
from workers.datasets.changes.choosing import choose_pairs
from workers.datasets.changes.frame_state import ClipStates
from workers.datasets.changes.measuring import SceneEdit, measure_changes
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.regating.versions import regate
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ChangeRow, ObservationRow
from workers.datasets.verification import verify

# rendering and running the pipeline once takes seconds
pytestmark = pytest.mark.slow
PAIRS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    sources = [movi_source(rendered_clip(0), name="room"), balls_source(1, name="balls")]
    return make_dataset(tmp_path_factory.mktemp("changes"), sources, replace(SETTINGS, changes=PAIRS))


@pytest.fixture(scope="module")
def room(data: Dataset) -> SceneClip:
    return next(clip for clip in data.clips() if clip.source.name == "room")


def find(clip: SceneClip, frame: int, track: int | None) -> ObservationRow | None:
    return next((row for row in clip.frame_observations(frame) if row.track == track), None)


@pytest.mark.parametrize(("frames", "count"), [(1, 5), (2, 5), (3, 9), (24, 0), (24, 7), (24, 1000)])
def test_pairs_are_nested_and_differ(frames: int, count: int) -> None:
    pairs = choose_pairs(frames, count)
    assert len(set(pairs)) == len(pairs) <= count
    assert all(0 <= a < b < frames for a, b in pairs)
    assert pairs == choose_pairs(frames, count + 3)[: len(pairs)]
    if frames > 1 and count:
        assert pairs[0] == (0, frames - 1)
    if count >= 1000:
        assert {(frame, frame + 1) for frame in range(frames - 1)} <= set(pairs)


def test_a_dataset_is_sound_and_its_rows_say_how_far_things_went(data: Dataset, room: SceneClip) -> None:
    assert verify(data.folder) == []
    clip = rendered_clip(0)
    moved = 0
    for row in room.changes:
        if row.presence != "both" or row.track is None:
            continue
        poses = [clip.world_from_object[frame, row.track - 1] for frame in (row.frame, row.other_frame)]
        assert row.translation is not None and row.measured_in == "world"
        step = clip.world_from_cam[row.frame][:3, :3] @ np.array(row.translation)
        assert np.allclose(step, poses[1][:3, 3] - poses[0][:3, 3], atol=1e-6)
        turn = poses[1][:3, :3] @ poses[0][:3, :3].T
        expected = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        assert row.degrees == pytest.approx(expected, abs=1e-3) and row.turned == (expected >= 5)
        assert row.factor == pytest.approx(1) and row.resized is False
        moved += bool(row.moved)
        assert bool(row.moved) == (" moves " in row.text)
    assert moved >= 5


def test_every_track_of_a_pair_has_a_row(room: SceneClip) -> None:
    pairs = {(row.frame, row.other_frame) for row in room.changes}
    assert pairs == set(choose_pairs(len(room), PAIRS))
    for a, b in pairs:
        rows = [row for row in room.changes if (row.frame, row.other_frame) == (a, b)]
        assert {row.track for row in rows} - {None} == {row.track for row in room.frame_observations(a)}
        assert {row.other_track for row in rows} - {None} == {row.track for row in room.frame_observations(b)}


def test_what_left_the_image_vanished_and_comes_back(room: SceneClip) -> None:
    # object 1 of rendered rooms leaves and returns
    states = ClipStates.from_clip(room)
    seen = {row.frame for row in room.track_observations(1)}
    middle = next(frame for frame in range(6, 20) if not {frame - 2, frame, frame + 2} & seen)
    [row] = [row for row in measure_changes(states.at(0), states.at(middle)) if row.track == 1]
    assert (row.presence, row.reason, row.other_track) == ("vanished", "left_image", None)
    assert row.moved is None and row.translation is None and "leaves the picture" in row.text
    last = max(seen)
    [row] = [row for row in measure_changes(states.at(middle), states.at(last)) if row.other_track == 1]
    assert (row.presence, row.track) == ("appeared", None) and "comes into the picture" in row.text


def test_what_something_stood_before_is_hidden_and_of_others_no_reason_is_known(room: SceneClip) -> None:
    last = room.observations[-1].track
    place = {"x0": 40.0, "y0": 40.0, "x1": 60.0, "y1": 60.0}
    for flags, reason in ((("occluded",), "hidden"), ((), None)):
        rows = [replace(row, flags=flags, **place) for row in room.track_observations(last) if row.frame < 3]
        states = ClipStates(room.row, room.tracks, rows, room.cameras)
        [row] = measure_changes(states.at(0), states.at(len(room) - 1))
        assert (row.presence, row.reason) == ("vanished", reason)
        assert ("is hidden" in row.text) == (reason == "hidden")


def test_a_gap_of_a_moment_is_uncertain(room: SceneClip) -> None:
    gone = [row for row in room.observations if (row.frame, row.track) != (10, 2)]
    states = replace(ClipStates.from_clip(room), observations=gone)
    [row] = [row for row in measure_changes(states.at(0), states.at(10)) if row.track == 2]
    assert row.presence == "uncertain" and row.moved is None


def test_without_a_camera_motion_is_unknown_and_a_still_one_measures_in_the_image(data: Dataset) -> None:
    balls = next(clip for clip in data.clips() if clip.source.name == "balls")
    assert balls.row.camera_source == "static"
    for row in balls.changes:
        if row.presence != "both":
            continue
        first, last = find(balls, row.frame, row.track), find(balls, row.other_frame, row.track)
        assert first is not None and last is not None and row.translation is not None
        right = (last.x0 + last.x1 - first.x0 - first.x1) / 2 / balls.row.width
        assert row.measured_in == "image" and row.translation[0] == pytest.approx(right)
        assert row.turned is None and row.resized is None and row.factor is None
        # whether it has turned is not known, so it is not said to be as it was
        assert row.moved or row.text.endswith("stays where it is.")
    unknown = ClipStates.from_clip(without_cameras(balls))
    for row in measure_changes(unknown.at(0), unknown.at(len(balls) - 1)):
        assert row.moved is None and row.translation is None and row.measured_in is None
        assert row.text.endswith("is there.")


def test_another_object_in_the_same_place_is_a_replacement(data: Dataset) -> None:
    balls = next(clip for clip in data.clips() if clip.source.name == "balls")
    at = find(balls, 0, 1)
    assert at is not None
    rows = [row for row in balls.observations if row.track != 1]
    rows += [replace(at, frame=frame, track=1 if frame < 6 else 7) for frame in range(len(balls))]
    tracks = [*balls.tracks, replace(balls.tracks[0], track=7, label="cube")]
    states = ClipStates(balls.row, tracks, rows, balls.cameras)
    changes = measure_changes(states.at(0), states.at(len(balls) - 1))
    [row] = [row for row in changes if row.track == 1]
    assert (row.presence, row.other_track, row.text) == ("replaced", 7, "A ball is replaced by a cube.")
    assert all(row.other_track != 7 or row.track == 1 for row in changes)


def test_off_costs_nothing_and_leaves_no_trace(data: Dataset, tmp_path: Path) -> None:
    off = make_dataset(tmp_path, [balls_source(1, name="balls")], SETTINGS)
    assert not off.manifest.tables["changes"] and "changes" not in off.manifest.parameters
    assert all(row.stage != "changes" for row in off.rows("lineage"))
    assert not list(off.folder.glob("changes*")) and list(data.folder.glob("changes-*.parquet"))


def test_regating_compares_the_tracks_that_are_kept_then(data: Dataset, tmp_path: Path) -> None:
    areas = [row.score for row in data.rows("decisions") if row.gate == "area" and row.score is not None]
    regate(data, {"area": (float(np.median(areas)), None)}, tmp_path / "new")
    new = Dataset(tmp_path / "new")
    assert verify(new.folder) == []
    kept = {(row.clip, row.track) for row in new.rows("tracks") if row.kept}
    rows: list[ChangeRow] = new.rows("changes")
    assert rows and all((row.clip, row.track or row.other_track) in kept for row in rows)
    assert len(rows) < len(data.rows("changes"))


def test_arrow_types_do_not_depend_on_what_is_known(data: Dataset) -> None:
    schemas = {pq.read_schema(path).remove_metadata() for path in data.folder.glob("changes-*.parquet")}
    assert len(schemas) == 1
    [schema] = schemas
    assert "double" in str(schema.field("translation").type)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"frame": 99}, "change_contradicted"),
        ({"other_track": 5}, "change_contradicted"),
        ({"presence": "vanished"}, "change_contradicted"),
        ({"other_track": None}, "change_contradicted"),
        ({"translation": (1.0, 2.0, 3.0)}, "change_contradicted"),
        ({"axis": (1.0, 1.0, 1.0)}, "change_contradicted"),
        ({"factor": -1.0}, "change_contradicted"),
        ({"other_clip": "0" * 20}, "reference_broken"),
    ],
)
def test_verify_finds_changes_that_are_not_so(
    room: SceneClip, values: dict[str, object], code: str, tmp_path: Path
) -> None:
    row = next(row for row in room.changes if row.presence == "both" and row.moved and row.axis)
    broken = SceneClip(
        room.row,
        room.source,
        lambda name: [replace(row, **values)] if name == "changes" else room._load(name),  # type: ignore[arg-type]
    )
    publish_clips([broken], tmp_path / "broken", "test")
    assert {item.code for item in verify(tmp_path / "broken")} == {code}


def test_an_edit_of_a_rendered_scene_is_named(room: SceneClip) -> None:
    states = ClipStates.from_clip(room)
    rows = measure_changes(states.at(0), states.at(0), SceneEdit(operation="replace", track=2))
    assert {row.track: row.edit for row in rows}[2] == "replace"
    assert {row.edit for row in rows if row.track != 2} == {"none"}
    assert {row.presence for row in rows if row.track == 2} == {"replaced"}
