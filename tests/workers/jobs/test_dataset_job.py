"""The dataset job with a tracker of the test's own, interrupted wherever it can be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import DatasetResult, Manifest

from tests.support.dataset_worlds import FRAMES, Heartbeat, Killed, World, version
from workers.datasets.reader import Dataset
from workers.datasets.stages import survey
from workers.datasets.verification import verify
from workers.errors import JobProblem
from workers.jobs.dataset import workspace


@pytest.fixture(scope="module")
def undisturbed(world: World) -> tuple[Manifest, Heartbeat]:
    heartbeat = Heartbeat()
    return world.go(world.job(), heartbeat), heartbeat


def test_a_job_makes_a_sound_dataset(
    world: World, undisturbed: tuple[Manifest, Heartbeat], tmp_path: Path
) -> None:
    manifest, heartbeat = undisturbed
    folder = world.save(manifest, tmp_path / "data")
    assert verify(folder) == []
    result = manifest.result
    assert isinstance(result, DatasetResult)
    assert (result.clips, result.tracks, result.frames) == (5, 5, FRAMES * 2 - 24)
    assert {"README.md", "croissant.json", "contact.png", "report.html", "takedown.json"} <= {
        artefact.name for artefact in manifest.artefacts
    }
    assert sum(result.splits.values()) == result.clips
    steps = {(step.unit, step.stage): (step.given, step.kept) for step in result.funnel}
    assert steps["clips", "duration"] == (5, 5) and steps["tracks", "flicker"] == (5, 5)
    stages = [progress["stage"] for progress in heartbeat.reports]
    assert list(dict.fromkeys(stages)) == ["survey", "clips", "write"]


def test_a_killed_job_makes_the_same_version(world: World, undisturbed: tuple[Manifest, Heartbeat]) -> None:
    manifest, heartbeat = undisturbed
    last = len(heartbeat.reports)
    points = sorted({0, FRAMES, last // 2, last - 1})
    for point in points:
        job = world.job()
        with pytest.raises(Killed):
            world.go(job, Heartbeat(point))
        again = world.go(job, Heartbeat())
        assert version(again) == version(manifest), point
        assert again.artefacts == manifest.artefacts, point


def test_a_job_killed_repeatedly_ends_and_repeats_no_work(
    world: World, undisturbed: tuple[Manifest, Heartbeat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "MOST_RECENT", 2)
    monkeypatch.setattr(survey, "PIECE", 20)
    job, before, deaths = world.job(), world.engine.frames, 0
    while True:
        try:
            again = world.go(job, Heartbeat(50))
            break
        except Killed:
            deaths += 1
            assert deaths < 12
    # pieces of the survey are in its key, and not in what it finds
    assert deaths >= 3 and version(again) == version(undisturbed[0])
    # a clip that was cut short is worked on again; one that was done is not
    assert world.engine.frames - before < (FRAMES * 2 - 24) + deaths * 24


def test_a_key_signs_and_only_it_verifies(
    world: World, undisturbed: tuple[Manifest, Heartbeat], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAQUETTE_DATASET_KEY", "secret")
    manifest = world.go(world.job(), Heartbeat())
    assert isinstance(manifest.result, DatasetResult)
    assert manifest.result.signed and version(manifest) == version(undisturbed[0])
    folder = world.save(manifest, tmp_path / "data")
    assert verify(folder, key="secret") == []
    assert [item.code for item in verify(folder, key="other")] == ["unsigned"]


def test_licences_sessions_cameras_and_actions_reach_the_rows(world: World, tmp_path: Path) -> None:
    still = np.eye(4).tolist()
    stated = {
        "name": "first",
        "licence": "CC-BY-4.0",
        "session": "s1",
        "camera": {"fx": 300, "fy": 300, "cx": 160, "cy": 120},
        "world_from_cam": [still] * FRAMES,
        "actions": [[float(index), 1.0] for index in range(FRAMES - 1)],
        "action_names": ["go", "turn"],
    }
    manifest = world.go(world.job(sources=[stated, {}], size=160), Heartbeat())
    data = Dataset(world.save(manifest, tmp_path / "data"))
    assert verify(data.folder) == []
    first = next(clip for clip in data.clips() if clip.source.name == "first")
    assert (first.source.licence, first.source.session) == ("CC-BY-4.0", "s1")
    assert first.row.camera_source == "given" and first.row.intrinsics_source == "given"
    # 320 pixels became 160: the camera is that of the stored frames
    assert first.cameras[0].fx == 150 and first.cameras[0].cy == 60
    recorded = [row for row in first.actions if row.kind == "recorded"]
    assert [row.values for row in recorded[:2]] == [(0.0, 1.0), (1.0, 1.0)]
    assert recorded[0].names == ("go", "turn") and len(recorded) == first.row.frames - 1
    other = next(clip for clip in data.clips() if clip.source.name is None)
    assert other.source.licence is None and not [r for r in other.actions if r.kind == "recorded"]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"world_from_cam": [np.eye(4).tolist()] * 10}, "cameras_mismatch"),
        ({"actions": [[0.0]] * 10}, "actions_mismatch"),
        ({"camera": {"fx": 0.01, "fy": 0.01, "cx": 1, "cy": 1}}, "camera_implausible"),
    ],
)
def test_what_does_not_fit_its_video_is_refused(world: World, source: dict[str, Any], code: str) -> None:
    with pytest.raises(JobProblem) as caught:
        world.go(world.job(sources=[source, {}]), Heartbeat())
    assert caught.value.problem.code == code


def test_a_probe_processes_few_clips_and_reports_where_the_time_went(world: World, tmp_path: Path) -> None:
    manifest = world.go(world.job(max_clips=2), Heartbeat())
    folder = world.save(manifest, tmp_path / "data")
    assert verify(folder) == []
    assert isinstance(manifest.result, DatasetResult)
    assert manifest.result.clips == 2 and manifest.result.rejected == {"budget": 3}
    timing = json.loads((folder / "timing.json").read_text())
    assert timing["video_seconds"] == pytest.approx(5.0, rel=0.05)
    assert timing["done_seconds"] == pytest.approx(2.0, rel=0.05)
    assert timing["passed_seconds"] == pytest.approx(5.0, rel=0.05)
    assert {"survey", "decode", "engine"} <= set(timing["stages"])
    assert timing["prices"] == {"cpu_hour": None, "gpu_hour": None} and timing["gpu_stages"] == {}
