"""LeRobot v3.0, read by pandas, pyarrow and PyAV; `test_format_libraries.py` has the official reader."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from tests.support.export_datasets import all_close, load_export_dataset, make_actions
from tests.support.media_files import decode_video
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.lerobot.exporter import LeRobot
from workers.datasets.exporters.lerobot.layout import CAMERA
from workers.datasets.exporters.lerobot.rates import choose_rate, is_same_rate
from workers.datasets.exporters.lerobot.statistics import ColumnStatistics
from workers.datasets.exporters.shared.image_transform import ImageTransform
from workers.datasets.importers.clip_publishing import CLIP_ATTRIBUTES, publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES

pytestmark = pytest.mark.slow

SIDE = 64


def read_tasks(path: Path) -> Any:
    """A table with the texts as its index; pandas is loaded here, since every process collects this file."""
    import pandas

    return pandas.read_parquet(path)


class Export:
    """The tables of an export."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = json.loads((folder / "meta" / "info.json").read_text())
        self.stats = json.loads((folder / "meta" / "stats.json").read_text())
        self.steps = pq.read_table(folder / "data/chunk-000/file-000.parquet").to_pylist()
        self.episodes = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
        self.tasks = read_tasks(folder / "meta" / "tasks.parquet")

    def steps_by_episode(self) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        return [(e, self.steps[e["dataset_from_index"] : e["dataset_to_index"]]) for e in self.episodes]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture(scope="module")
def export(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("lerobot")
    LeRobot().write(data, folder, side=SIDE)
    return Export(folder)


def _change(clip: SceneClip, row: dict[str, Any], **tables: Any) -> SceneClip:
    known = {
        name: getattr(clip, CLIP_ATTRIBUTES.get(name, name))
        for name in TABLES
        if name not in ("sources", "clips")
    }
    return SceneClip.from_tables(replace(clip.row, **row), clip.source, {**known, **tables})


def test_episodes_lead_to_their_frames(data: Dataset, export: Export) -> None:
    info = export.info
    assert info["codebase_version"] == "v3.0" and info["fps"] == 12
    assert info["total_frames"] == len(export.steps)
    assert info["total_episodes"] == len(export.episodes) == len(data)
    assert [step["index"] for step in export.steps] == list(range(len(export.steps)))
    for split, span in info["splits"].items():
        first, last = (int(part) for part in span.split(":"))
        assert [episode["clip"] for episode in export.episodes[first:last]] == [
            clip.id for clip in data.clips(split)
        ]
    for episode, steps in export.steps_by_episode():
        clip = data.clip(episode["clip"])
        assert len(steps) == episode["length"] == len(clip) - episode["has_actions"]
        assert {step["episode_index"] for step in steps} == {episode["episode_index"]}
        assert all_close([step["timestamp"] for step in steps], np.arange(len(steps)) / 12, 1e-4)
        place = {part: episode[f"videos/{CAMERA}/{part}_index"] for part in ("chunk", "file")}
        video = info["video_path"].format(
            video_key=CAMERA, chunk_index=place["chunk"], file_index=place["file"]
        )
        frames = decode_video(export.folder / video)
        assert len(frames) == len(steps)
        transform = ImageTransform.fit(clip.size, (SIDE, SIDE))
        for step in steps[::5]:
            when = episode[f"videos/{CAMERA}/from_timestamp"] + step["timestamp"]
            time, seen = min(frames, key=lambda item: abs(item[0] - when))
            assert abs(time - when) < 1e-4
            expected = transform.transform_image(clip.image(step["frame_index"]))
            assert np.abs(seen.astype(int) - expected).mean() < 8
        assert export.tasks.iloc[steps[0]["task_index"]].name == clip.captions[0].text


def test_no_number_is_nan_and_masks_say_what_is_known(data: Dataset, export: Export) -> None:
    numbers = [name for name, kind in export.info["features"].items() if kind["dtype"] == "float32"]
    assert numbers == ["observation.state", "action", "timestamp"]
    for step in export.steps:
        assert all(np.isfinite(step[name]).all() for name in numbers)
    assert export.info["features"]["valid.action"] == {"dtype": "bool", "shape": [1], "names": None}
    for episode, steps in export.steps_by_episode():
        clip = data.clip(episode["clip"])
        is_game = clip.source.name == "game"
        # the official policies take every step for a target: an episode with actions has one in each
        assert {step["valid.action"] for step in steps} == {is_game}
        assert episode["has_actions"] == is_game
        first = clip.frames[0].source_frame
        expected = make_actions(24)[first : first + len(steps)] if is_game else np.zeros((len(steps), 3))
        assert all_close([step["action"] for step in steps], expected)


def test_the_state_is_the_camera_from_its_first_frame(data: Dataset, export: Export) -> None:
    known = 0
    for episode, steps in export.steps_by_episode():
        clip = data.clip(episode["clip"])
        origin = clip.world_from_cam(0)
        assert {step["valid.observation.state"] for step in steps} == {origin is not None}
        for step in steps:
            state = np.array(step["observation.state"])
            if origin is None:
                assert not state.any()
                continue
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec(state[3:]).as_matrix(), state[:3]
            assert all_close(origin @ pose, clip.world_from_cam(step["frame_index"]), 1e-5)
            known += 1
    assert known > 40


def test_unknown_actions_inside_a_clip_are_masked_and_the_end_is_cut(data: Dataset, tmp_path: Path) -> None:
    game = next(clip for clip in data.clips() if clip.source.name == "game")
    actions = [row for row in game.actions if row.frame not in (3, 9, 10)]
    clips = [_change(game, {}, actions=actions), next(c for c in data.clips() if c.source.name == "balls")]
    publish_clips(clips, tmp_path / "made", "test")
    LeRobot().write(Dataset(tmp_path / "made"), tmp_path / "out", side=SIDE)
    export = Export(tmp_path / "out")
    steps = next(steps for episode, steps in export.steps_by_episode() if episode["clip"] == game.id)
    assert [step["frame_index"] for step in steps if not step["valid.action"]] == [3]
    assert len(steps) == 9
    # what is not known does not count
    assert export.stats["action"]["count"] == [8]


def test_statistics_of_more_rows_than_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.datasets.exporters.lerobot.statistics.BLOCK", 7)
    monkeypatch.setattr("workers.datasets.exporters.lerobot.statistics.IN_MEMORY", 64)
    rng, statistics = np.random.default_rng(3), ColumnStatistics()
    parts = [rng.normal(size=(count, 3)).astype(np.float32) for count in (5, 0, 20, 13)]
    known = [rng.random(len(part)) < 0.6 for part in parts]
    for part, own in zip(parts, known, strict=True):
        statistics.add("action", part, own)
    values = np.concatenate([part[own] for part, own in zip(parts, known, strict=True)]).astype(np.float64)
    for _ in range(2):
        measured = statistics.to_json()["action"]
        assert measured["count"] == [len(values)]
        for name in ("min", "max", "mean", "std"):
            assert np.allclose(measured[name], getattr(values, name)(axis=0))
        assert np.allclose(measured["q10"], np.quantile(values, 0.1, axis=0))
    statistics.add("action", np.full((1, 3), 99, np.float32))
    assert statistics.to_json()["action"]["max"] == [99.0] * 3


def test_statistics_are_those_of_the_known_values(data: Dataset, export: Export) -> None:
    features = set(export.info["features"])
    names = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}
    assert set(export.stats) == features
    columns = {name for name in export.episodes[0] if name.startswith("stats/")}
    assert columns == {f"stats/{feature}/{name}" for feature in features for name in names}
    for feature in ("action", "observation.state", "timestamp"):
        values = np.array([s[feature] for s in export.steps if s.get(f"valid.{feature}", True)])
        stated = export.stats[feature]
        assert stated["count"] == [len(values)]
        for name in names - {"count"}:
            compute = {
                "std": np.std,
                "mean": np.mean,
                "min": np.min,
                "max": np.max,
                **{f"q{q:02d}": lambda a, axis, q=q: np.quantile(a, q / 100, axis=axis) for q in (1, 10, 50)},
                **{f"q{q:02d}": lambda a, axis, q=q: np.quantile(a, q / 100, axis=axis) for q in (90, 99)},
            }[name]
            assert all_close(np.atleast_1d(compute(values, axis=0)), stated[name])
    for episode, steps in export.steps_by_episode():
        clip = data.clip(episode["clip"])
        transform = ImageTransform.fit(clip.size, (SIDE, SIDE))
        pixels = np.stack([transform.transform_image(clip.image(step["frame_index"])) for step in steps])
        levels = pixels.reshape(-1, 3) / 255
        for name, value in (("mean", levels.mean(axis=0)), ("std", levels.std(axis=0))):
            assert all_close(np.ravel(episode[f"stats/{CAMERA}/{name}"]), value)
        assert all_close(np.ravel(episode[f"stats/{CAMERA}/q50"]), np.median(levels, axis=0), 1 / 255)


@pytest.mark.parametrize(
    ("rates", "chosen", "kept"),
    [
        ([5.99, 6.0, 6.0, 6.01], 6.0, 4),
        ([29.97, 29.97003, 30.0, 29.9], 29.97, 4),
        ([23.976, 24.0, 25.0, 25.0, 24.0], 24.0, 3),
        ([30.0, 15.0, 15.0, 14.985], 15.0, 3),
        ([6.25, 6.0], 6.0, 1),
        ([None, 0.0], None, 0),
    ],
)
def test_rates_that_are_equal_but_for_rounding_are_one(
    rates: list[float | None], chosen: float | None, kept: int
) -> None:
    rate = choose_rate(rates)
    assert rate == chosen
    assert sum(is_same_rate(each, rate) for each in rates) == kept


def test_clips_of_nearly_one_rate_are_all_exported(data: Dataset, tmp_path: Path) -> None:
    rates = (12.0, 11.99, 12.012, 8.0)
    clips = [_change(clip, {"frame_rate": rate}) for clip, rate in zip(data.clips(), rates, strict=False)]
    publish_clips(clips, tmp_path / "made", "test")
    made = Dataset(tmp_path / "made")
    with pytest.raises(DatasetError) as caught:
        LeRobot().write(made, tmp_path / "refused", side=SIDE)
    assert caught.value.code == "rates_mixed" and "--frame-rate" in caught.value.detail
    LeRobot().write(made, tmp_path / "out", side=SIDE, other_rates="leave_out")
    export = Export(tmp_path / "out")
    assert export.info["fps"] == 12
    assert {e["clip"]: e["frame_rate"] for e in export.episodes} == {
        clip.id: rate for clip, rate in zip(clips[:3], rates, strict=False)
    }
    left_out = json.loads((tmp_path / "out" / "maquette.json").read_text())["left_out"]
    assert left_out == [{"clip": clips[3].id, "reason": "its rate is 8.0, not 12.0"}]


def test_a_data_set_without_actions_or_poses_has_neither_feature(data: Dataset, tmp_path: Path) -> None:
    clips = [clip for clip in data.clips() if clip.source.name == "balls"]
    publish_clips(clips, tmp_path / "made", "test")
    LeRobot().write(Dataset(tmp_path / "made"), tmp_path / "out", side=SIDE)
    export = Export(tmp_path / "out")
    assert not {"action", "observation.state", "valid.action"} & set(export.info["features"])
    assert [episode["length"] for episode in export.episodes] == [len(clip) for clip in clips]


def test_the_kind_of_actions_can_be_chosen(data: Dataset, tmp_path: Path) -> None:
    LeRobot().write(data, tmp_path, side=SIDE, actions="ego_motion")
    export = Export(tmp_path)
    assert export.info["features"]["action"]["names"] == ["tx", "ty", "tz", "rx", "ry", "rz"]
    for episode, steps in export.steps_by_episode():
        rows = [row.values for row in data.clip(episode["clip"]).actions if row.kind == "ego_motion"]
        assert episode["has_actions"] == bool(rows)
        if rows:
            assert all_close([step["action"] for step in steps], rows)
    without = {episode["clip"] for episode, _ in export.steps_by_episode() if not episode["has_actions"]}
    # what was asked for by name and is not there is listed
    note = json.loads((tmp_path / "maquette.json").read_text())
    assert {item["clip"] for item in note["left_out"] if item.get("what") == "actions"} == without != set()


def test_any_video_has_a_subject_to_follow(data: Dataset, tmp_path: Path) -> None:
    """Without actions and cameras: where the largest track is, now and in the next frame."""
    LeRobot().write(data, tmp_path, side=SIDE, actions="subject")
    export = Export(tmp_path)
    names = ["x", "y", "width", "height"]
    assert all(export.info["features"][name]["names"] == names for name in ("action", "observation.state"))
    compared = 0
    for episode, steps in export.steps_by_episode():
        clip = data.clip(episode["clip"])
        height, width = clip.size
        areas = {track.track: 0 for track in clip.tracks}
        for row in clip.observations:
            areas[row.track] += row.area
        subject = max(areas, key=lambda track: areas[track]) if areas else None
        rows = {row.frame: row for row in clip.observations if row.track == subject}
        for step in steps:
            for name, frame in (
                ("observation.state", step["frame_index"]),
                ("action", step["frame_index"] + 1),
            ):
                seen = rows.get(frame)
                assert step[f"valid.{name}"] == (seen is not None)
                if seen is None:
                    assert step[name] == [0, 0, 0, 0]
                    continue
                x, y, w, h = np.multiply(step[name], [width, height, width, height])
                actual = x - w / 2, y - h / 2, x + w / 2, y + h / 2
                assert np.allclose(actual, [seen.x0, seen.y0, seen.x1, seen.y1], atol=1e-3)
                compared += 1
    assert compared > 50
