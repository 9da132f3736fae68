"""Dataset jobs whose videos come with depth: rendered clips with exact depth, through a worker."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import Manifest
from numpy.typing import NDArray

from bench.datasets.ground_truth_scores import GroundTruthScores
from storage.ledger import fleet
from tests.support.dataset_worlds import Heartbeat, Killed, World, version
from tests.support.depth_jobs import (
    FRAMES,
    RATE,
    SEED,
    Drawn,
    create_job,
    list_labels,
    load_clip,
    open_world,
    store_images,
    store_maps,
    write_clip,
)
from tests.support.synthetic_datasets import movi_source, rendered_clip
from workers.datasets.budget_limits import Prices
from workers.datasets.cameras.colmap_solver import load_solver
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth, SourceFrames
from workers.datasets.track_sources import EngineTracks
from workers.datasets.verification import verify


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from open_world(tmp_path_factory.mktemp("world"))


def build(world: World, depth: Any, folder: Path, **options: Any) -> Dataset:
    return Dataset(world.save(world.go(create_job(world, depth, **options), Heartbeat()), folder))


@pytest.fixture(scope="module")
def exact(world: World) -> dict[str, Any]:
    return {"media": store_maps(world, "exact.npy", load_clip().depth)}


@pytest.fixture(scope="module")
def undisturbed(world: World, exact: dict[str, Any]) -> Manifest:
    return world.go(create_job(world, exact), Heartbeat())


def score(data: Dataset) -> GroundTruthScores:
    scores = GroundTruthScores()
    for clip in data.clips():
        scores.add(clip, load_clip())
    return scores


def read_rows(data: Dataset) -> list[Any]:
    return [row for clip in data.clips() for row in clip.observations]


def test_with_depth_a_job_knows_places_and_without_it_does_not(
    world: World, undisturbed: Manifest, tmp_path: Path
) -> None:
    data = Dataset(world.save(undisturbed, tmp_path / "with"))
    assert verify(data.folder) == []
    assert [row.flags for row in data.sources.values()] == [("depth_unit_assumed",)]
    known = score(data)
    assert known.matched > 60 and set(known.sources) <= {"depth", "none"}
    # as with `Truth.depth`: see "Accuracy" of docs/benchmarks/datasets.md
    assert np.median(known.ious) > 0.45 and np.median(known.center_diagonals) < 0.1
    # things of the second clip are where they are, not where those of the first were
    assert np.percentile(known.center_diagonals, 90) < 0.5
    blind = score(build(world, None, tmp_path / "without"))
    assert blind.matched > 60 and blind.sources["depth"] == 0
    assert not blind.ious or np.median(blind.ious) < 0.2


def test_a_job_makes_the_tables_that_python_makes(
    world: World, undisturbed: Manifest, tmp_path: Path
) -> None:
    path = world.folder / "drawn.mp4"

    def opened(first: int, count: int | None) -> SourceFrames:
        actual = world.sandbox.frames(path, start=first, limit=count)
        return SourceFrames(actual.time_base, actual.frames)

    settings = DatasetSettings.from_request(world.request(text=list(list_labels())), Prices())
    components = Components(EngineTracks(world.engine, settings), solver=load_solver())  # type: ignore[arg-type]
    truth = GroundTruth(depth=lambda frame: load_clip().depth[frame])
    source = replace(movi_source(load_clip()), sha256=str(world.videos[0].id), open=opened, truth=truth)
    built = build_dataset([source], components, settings, tmp_path / "work", tmp_path / "out").manifest
    shards = {
        artefact.name: artefact.sha256
        for artefact in undisturbed.artefacts
        if artefact.name.startswith(("frames-", "observations-", "cameras-", "tracks.", "scores."))
    }
    assert len(shards) == 8
    assert shards == {file.name: file.sha256 for file in built.all_files() if file.name in shards}


def test_stored_depth_is_what_came(world: World, undisturbed: Manifest, tmp_path: Path) -> None:
    for clip in Dataset(world.save(undisturbed, tmp_path / "data")).clips():
        for frame, row in enumerate(clip.frames):
            actual = clip.depth(frame)
            assert actual is not None
            assert np.nanmax(np.abs(actual - load_clip().depth[row.source_frame])) < 0.001


def test_fewer_frames_keep_the_depth_that_is_theirs(world: World, tmp_path: Path) -> None:
    depth = {"media": store_images(world, ".tiff")}
    stated = {"frame_rate": RATE / 3, "gates": {"motion": {}, "near_duplicate": {}, "length": {}}}
    clips = list(build(world, depth, tmp_path / "data", **stated).clips())
    assert [[row.source_frame for row in clip.frames] for clip in clips] == [[0, 3, 6, 9], [12, 15, 18, 21]]
    for clip in clips:
        for frame, row in enumerate(clip.frames):
            actual = clip.depth(frame)
            assert actual is not None and np.abs(actual - load_clip().depth[row.source_frame]).max() < 0.002


def measure_rays() -> NDArray[np.float64]:
    """The length of each pixel's ray up to z = 1."""
    k = load_clip().intrinsics
    y, x = np.indices(load_clip().depth.shape[1:]) + 0.5
    return np.asarray(np.sqrt(1 + ((x - k[0, 2]) / k[0, 0]) ** 2 + ((y - k[1, 2]) / k[1, 1]) ** 2))


@pytest.mark.parametrize("form", [".png", ".tif", "distance", "unit"])
def test_every_form_of_depth_gives_the_same_dataset(
    world: World, undisturbed: Manifest, form: str, tmp_path: Path
) -> None:
    depth: dict[str, Any]
    if form == "distance":
        path = world.folder / "distance.npz"
        np.savez_compressed(path, depth=load_clip().depth * measure_rays())
        depth = {"media": {"id": world.put(path).id}, "measures": "distance"}
    elif form == "unit":
        depth = {
            "media": store_maps(world, "feet.npy", load_clip().depth / 0.3048),
            "metres_per_unit": 0.3048,
        }
    else:
        depth = {"media": store_images(world, form)}
    truth = read_rows(Dataset(world.save(undisturbed, tmp_path / "exact")))
    actual = read_rows(build(world, depth, tmp_path / "other"))
    assert len(actual) == len(truth)
    for row, other in zip(actual, truth, strict=True):
        assert row.box3d_source == other.box3d_source
        if row.center_cam is not None:
            assert np.allclose(row.center_cam, other.center_cam, atol=0.02)


def test_what_is_unknown_stays_unknown(world: World, tmp_path: Path) -> None:
    maps = load_clip().depth.copy()
    holes = {(10, 20): 0.0, (30, 40): np.nan, (50, 60): np.inf, (70, 80): -3.0, (90, 100): 1e9}
    for (low, high), value in holes.items():
        maps[:, low:high] = value
    data = build(world, {"media": store_maps(world, "holes.npy", maps)}, tmp_path / "data")
    for clip in data.clips():
        for frame, row in enumerate(clip.frames):
            actual = clip.depth(frame)
            assert actual is not None
            unknown = np.zeros(actual.shape, bool)
            for low, high in holes:
                unknown[low:high] = True
            assert np.array_equal(np.isnan(actual), unknown)
            assert np.allclose(actual[~unknown], load_clip().depth[row.source_frame][~unknown], atol=0.001)


def test_a_still_camera_with_depth_has_a_world_in_metres(world: World, tmp_path: Path) -> None:
    still = rendered_clip(SEED, FRAMES, moving=False)
    video = world.put(write_clip(world.folder / "still.mp4", np.repeat(still.frames[:1], FRAMES, axis=0)))
    depth = {"media": store_maps(world, "still.npy", np.repeat(still.depth[:1], FRAMES, axis=0))}
    stated = {"camera": movi_source(load_clip()).info.camera.model_dump(), "depth": depth}  # type: ignore[union-attr]
    gates: dict[str, Any] = {"motion": {}, "near_duplicate": {}}
    job = world.job(videos=[video], text=list(list_labels()), clip_seconds=1.0, sources=[stated], gates=gates)
    data = Dataset(world.save(world.go(job, Heartbeat()), tmp_path / "data"))
    assert {clip.row.scale_source for clip in data.clips()} == {"metric"}


def test_killed_or_shared_jobs_make_the_same_version(
    world: World, undisturbed: Manifest, exact: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = Heartbeat()
    assert version(world.go(create_job(world, exact), heartbeat)) == version(undisturbed)
    for point in (FRAMES + 3, len(heartbeat.reports) - 3):
        job = create_job(world, exact)
        with pytest.raises(Killed):
            world.go(job, Heartbeat(point))
        assert version(world.go(job, Heartbeat())) == version(undisturbed)
    # one worker follows on a GPU, another reads the depth
    monkeypatch.setattr(world.engine, "info", replace(Drawn.info, device="cuda"))
    fleet.announce(world.db, "cpu", "default", [])
    try:
        assert version(world.go(create_job(world, exact), Heartbeat())) == version(undisturbed)
    finally:
        fleet.leave(world.db, "cpu")


def test_other_depth_is_another_version(world: World, undisturbed: Manifest, tmp_path: Path) -> None:
    nearer = {"media": store_maps(world, "nearer.npy", load_clip().depth * np.float32(0.9))}
    other = world.go(create_job(world, nearer), Heartbeat())
    assert version(other) != version(undisturbed)
    first, second = (
        {
            (row.clip, row.stage): row.key
            for row in Dataset(world.save(manifest, tmp_path / name)).rows("lineage")
        }
        for name, manifest in (("a", undisturbed), ("b", other))
    )
    assert first.keys() == second.keys() and all(first[name] != second[name] for name in first)
