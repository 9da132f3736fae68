"""Clips whose actions are of another kind, or mean something else, than those of an export."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.export_datasets import NAMES, all_close, load_export_dataset
from workers.datasets.exporters.cjepa.measured_slots import CJepaSlots
from workers.datasets.exporters.lerobot.exporter import LeRobot
from workers.datasets.exporters.shared.action_space import fill_unknown
from workers.datasets.exporters.stable_worldmodel import StableWorldModel
from workers.datasets.importers.clip_publishing import CLIP_ATTRIBUTES, publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, ActionRow

# as many values as those of the game, which mean something else
ARM = ("dx", "dy", "gripper")


def _with_actions(clip: SceneClip, kind: str, names: tuple[str, ...]) -> SceneClip:
    rows = [
        ActionRow(clip=clip.id, frame=frame, kind=kind, names=names, values=(7.0, 8.0, 9.0))
        for frame in range(len(clip) - 1)
    ]
    tables = {
        name: getattr(clip, CLIP_ATTRIBUTES.get(name, name))
        for name in TABLES
        if name not in ("sources", "clips")
    }
    row = replace(clip.row, action_kinds=(kind,))
    return SceneClip.from_tables(row, clip.source, {**tables, "actions": rows})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, dict[str, str]]:
    """Games, an arm, a clip of a model's guesses and a room without recordings; why three have none."""
    clips = list(load_export_dataset().clips())
    games = [clip for clip in clips if clip.source.name == "game"]
    arm, guessed = [clip for clip in clips if clip.source.name == "balls"][:2]
    room = next(clip for clip in clips if clip.source.name == "room")
    assert len(games) > 1
    folder = tmp_path_factory.mktemp("mixed")
    changed = [_with_actions(arm, "recorded", ARM), _with_actions(guessed, "inferred", NAMES)]
    publish_clips([*games, *changed, room], folder / "set", "test")
    reasons = {
        arm.id: f"its recorded actions are {', '.join(ARM)}, not {', '.join(NAMES)}",
        guessed.id: "it has no actions of the kind recorded, only inferred",
        room.id: "it has no actions of the kind recorded, only ego_motion",
    }
    return Dataset(folder / "set"), reasons


def read_reasons(folder: Path) -> dict[str, str]:
    """Why clips have no actions, or are left out, by clip."""
    left_out = json.loads((folder / "maquette.json").read_text())["left_out"]
    return {item["clip"]: item["reason"] for item in left_out if "tracks" not in item}


def list_recorded(clip: SceneClip) -> list[tuple[float, ...]]:
    return [row.values for row in clip.actions if row.names == NAMES and row.kind == "recorded"]


def test_a_world_model_does_not_learn_from_them(
    mixed: tuple[Dataset, dict[str, str]], tmp_path: Path
) -> None:
    data, reasons = mixed
    StableWorldModel().write(data, tmp_path, side=64)
    for split in {clip.row.split for clip in data.clips()}:
        with h5py.File(tmp_path / f"{split}.h5") as file:
            for clip, first in zip(data.clips(split), file["ep_offset"], strict=True):
                actions = file["action"][first : first + len(clip) - 1]
                if clip.id in reasons:
                    assert np.isnan(actions).all()
                else:
                    assert all_close(actions, list_recorded(clip))
    assert read_reasons(tmp_path) == reasons


def test_a_policy_does_not_learn_from_them(mixed: tuple[Dataset, dict[str, str]], tmp_path: Path) -> None:
    data, reasons = mixed
    LeRobot().write(data, tmp_path, side=64)
    steps = pq.read_table(tmp_path / "data/chunk-000/file-000.parquet").to_pylist()
    episodes = pq.read_table(tmp_path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    for episode in episodes:
        own = steps[episode["dataset_from_index"] : episode["dataset_to_index"]]
        is_known = episode["clip"] not in reasons
        assert {step["valid.action"] for step in own} == {is_known} == {episode["has_actions"]}
        expected = list_recorded(data.clip(episode["clip"])) if is_known else [(0, 0, 0)] * len(own)
        assert all_close([step["action"] for step in own], expected)
    assert read_reasons(tmp_path) == reasons


def test_slots_with_actions_leave_them_out(mixed: tuple[Dataset, dict[str, str]], tmp_path: Path) -> None:
    data, reasons = mixed
    CJepaSlots().write(data, tmp_path, actions=True)
    document = json.loads((tmp_path / "slots.json").read_text())
    written = {entry["clip"] for entry in document["clips"]}
    assert written and not written & set(reasons)
    assert {clip: read_reasons(tmp_path)[clip] for clip in reasons} == reasons


def test_a_row_with_one_unknown_value_is_unknown() -> None:
    rows = np.array([[1, np.nan], [1, 2], [np.nan, np.nan]], np.float32)
    values, known = fill_unknown(rows)
    assert values.tolist() == [[0, 0], [1, 2], [0, 0]] and known.tolist() == [False, True, False]
