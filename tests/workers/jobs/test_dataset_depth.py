"""Dataset jobs whose videos come with depth: drawn clips with exact depth, through a worker's whole way."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from maquette.contract import Manifest, MediaRef
from maquette.contract.datasets import BucketInput, SourceInfo
from maquette.sources.depth_frames import write_depth_file
from numpy.typing import NDArray
from PIL import Image

from bench.datasets.ground_truth_scores import Judged
from storage.ledger import fleet
from tests.support.dataset_worlds import Heartbeat, Killed, World, version
from tests.support.media_files import write_video
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
from workers.engines.protocols import EngineInfo, FrameResult, TrackedInstance, VideoFrame
from workers.engines.registry import EngineSet
from workers.errors import JobProblem
from workers.geometry.boxes import bounding_box

SEED, FRAMES, RATE = 0, 24, 12
CLIP = rendered_clip(SEED, FRAMES)
SOURCE = movi_source(CLIP)
LABELS = tuple(dict.fromkeys(CLIP.labels))
TICKS = 1024


class Drawn:
    """Knows what was drawn in each frame of the clip."""

    info = EngineInfo("drawn", "concepts", "1", "cpu", "Apache-2.0", (), ())

    def __init__(self) -> None:
        self.frames = 0

    def check(self, phrases: Sequence[str]) -> None:
        return

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> "Drawn":
        return self

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        self.frames += 1
        ids = CLIP.ids[frame.pts // TICKS]
        found = [
            TrackedInstance(
                ids == n,
                bounding_box(ids == n),
                0.9,
                LABELS.index(CLIP.labels[n - 1]),
                CLIP.labels[n - 1],
                id=n,
            )
            for n in range(1, len(CLIP.labels) + 1)
            if (ids == n).any()
        ]
        return [FrameResult(frame.index, frame.pts, tuple(found))]

    def finish(self) -> Sequence[FrameResult]:
        return []


def film(path: Path, frames: NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        for picture in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    made.engine = Drawn()  # type: ignore[assignment]
    made.engines = EngineSet("default", {"concepts": made.engine})
    made.videos = [made.put(film(made.folder / "drawn.mp4", CLIP.frames))]
    yield made
    made.sandbox.close()
    made.db.close()


def asked(world: World, depth: Any, *, camera: bool = True, **options: Any) -> str:
    """A job of the drawn clip; `depth` as a request has it, or None."""
    known = SOURCE.info.model_dump() if camera else {}
    told = {"text": list(LABELS), "clip_seconds": 1.0, "sources": [{**known, "depth": depth}]}
    return world.job(**{**told, **options})


def made(world: World, depth: Any, folder: Path, **options: Any) -> Dataset:
    return Dataset(world.save(world.go(asked(world, depth, **options), Heartbeat()), folder))


def stored(world: World, name: str, maps: NDArray[Any]) -> dict[str, Any]:
    path = world.folder / name
    np.save(path, maps)
    return {"id": world.put(path).id}


@pytest.fixture(scope="module")
def exact(world: World) -> dict[str, Any]:
    return {"media": stored(world, "exact.npy", CLIP.depth)}


@pytest.fixture(scope="module")
def undisturbed(world: World, exact: dict[str, Any]) -> Manifest:
    return world.go(asked(world, exact), Heartbeat())


def judged(data: Dataset) -> Judged:
    found = Judged()
    for clip in data.clips():
        found.add(clip, CLIP)
    return found


def read_rows(data: Dataset) -> list[Any]:
    return [row for clip in data.clips() for row in clip.observations]


def test_with_depth_a_job_knows_places_and_without_it_does_not(
    world: World, undisturbed: Manifest, tmp_path: Path
) -> None:
    data = Dataset(world.save(undisturbed, tmp_path / "with"))
    assert verify(data.folder) == []
    known = judged(data)
    assert known.matched > 60 and set(known.sources) <= {"depth", "none"}
    # as with `Truth.depth`: see "Accuracy" of docs/benchmarks/datasets.md
    assert np.median(known.ious) > 0.45 and np.median(known.diagonals) < 0.1
    # things of the second clip are where they are, not where those of the first were
    assert np.percentile(known.diagonals, 90) < 0.5
    blind = judged(made(world, None, tmp_path / "without"))
    assert blind.matched > 60 and blind.sources["depth"] == 0
    assert not blind.ious or np.median(blind.ious) < 0.2


def test_a_job_makes_the_tables_that_python_makes(
    world: World, undisturbed: Manifest, tmp_path: Path
) -> None:
    path = world.folder / "drawn.mp4"

    def opened(first: int, count: int | None) -> SourceFrames:
        found = world.sandbox.frames(path, start=first, limit=count)
        return SourceFrames(found.time_base, found.frames)

    settings = DatasetSettings.from_request(world.request(text=list(LABELS)), Prices())
    components = Components(EngineTracks(world.engine, settings), solver=load_solver())  # type: ignore[arg-type]
    truth = GroundTruth(depth=lambda frame: CLIP.depth[frame])
    source = replace(SOURCE, sha256=str(world.videos[0].id), open=opened, truth=truth)
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
            found = clip.depth(frame)
            assert found is not None
            assert np.nanmax(np.abs(found - CLIP.depth[row.source_frame])) < 0.001


def test_fewer_frames_keep_the_depth_that_is_theirs(world: World, tmp_path: Path) -> None:
    depth = {"media": pictures(world, ".tiff")}
    told = {"frame_rate": RATE / 3, "gates": {"motion": {}, "near_duplicate": {}, "length": {}}}
    clips = list(made(world, depth, tmp_path / "data", **told).clips())
    assert [[row.source_frame for row in clip.frames] for clip in clips] == [[0, 3, 6, 9], [12, 15, 18, 21]]
    for clip in clips:
        for frame, row in enumerate(clip.frames):
            found = clip.depth(frame)
            assert found is not None and np.abs(found - CLIP.depth[row.source_frame]).max() < 0.002


def rays() -> NDArray[np.float64]:
    """The length of each pixel's ray up to z = 1."""
    k = CLIP.intrinsics
    y, x = np.indices(CLIP.depth.shape[1:]) + 0.5
    return np.asarray(np.sqrt(1 + ((x - k[0, 2]) / k[0, 0]) ** 2 + ((y - k[1, 2]) / k[1, 1]) ** 2))


def pictures(world: World, suffix: str) -> dict[str, Any]:
    folder = world.folder / f"depth{suffix}"
    folder.mkdir()
    for index, depth in enumerate(CLIP.depth):
        Image.fromarray(np.round(depth * 1000).astype(np.uint16)).save(folder / f"{index}{suffix}")
    return {"id": world.put(write_depth_file(folder, folder)).id}


@pytest.mark.parametrize("form", [".png", ".tif", "distance", "unit"])
def test_every_form_says_the_same(world: World, undisturbed: Manifest, form: str, tmp_path: Path) -> None:
    depth: dict[str, Any]
    if form == "distance":
        path = world.folder / "distance.npz"
        np.savez_compressed(path, depth=CLIP.depth * rays())
        depth = {"media": {"id": world.put(path).id}, "measures": "distance"}
    elif form == "unit":
        depth = {"media": stored(world, "feet.npy", CLIP.depth / 0.3048), "metres_per_unit": 0.3048}
    else:
        depth = {"media": pictures(world, form)}
    truth = read_rows(Dataset(world.save(undisturbed, tmp_path / "exact")))
    found = read_rows(made(world, depth, tmp_path / "other"))
    assert len(found) == len(truth)
    for row, other in zip(found, truth, strict=True):
        assert row.box3d_source == other.box3d_source
        if row.center_cam is not None:
            assert np.allclose(row.center_cam, other.center_cam, atol=0.02)


def test_what_is_unknown_stays_unknown(world: World, tmp_path: Path) -> None:
    maps = CLIP.depth.copy()
    holes = {(10, 20): 0.0, (30, 40): np.nan, (50, 60): np.inf, (70, 80): -3.0, (90, 100): 1e9}
    for (low, high), value in holes.items():
        maps[:, low:high] = value
    data = made(world, {"media": stored(world, "holes.npy", maps)}, tmp_path / "data")
    for clip in data.clips():
        for frame, row in enumerate(clip.frames):
            found = clip.depth(frame)
            assert found is not None
            unknown = np.zeros(found.shape, bool)
            for low, high in holes:
                unknown[low:high] = True
            assert np.array_equal(np.isnan(found), unknown)
            assert np.allclose(found[~unknown], CLIP.depth[row.source_frame][~unknown], atol=0.001)


def test_a_still_camera_with_depth_has_a_world_in_metres(world: World, tmp_path: Path) -> None:
    still = rendered_clip(SEED, FRAMES, moving=False)
    video = world.put(film(world.folder / "still.mp4", np.repeat(still.frames[:1], FRAMES, axis=0)))
    depth = {"media": stored(world, "still.npy", np.repeat(still.depth[:1], FRAMES, axis=0))}
    told = {"camera": SOURCE.info.camera.model_dump(), "depth": depth}  # type: ignore[union-attr]
    gates: dict[str, Any] = {"motion": {}, "near_duplicate": {}}
    job = world.job(videos=[video], text=list(LABELS), clip_seconds=1.0, sources=[told], gates=gates)
    data = Dataset(world.save(world.go(job, Heartbeat()), tmp_path / "data"))
    assert {clip.row.scale_source for clip in data.clips()} == {"metric"}


def test_killed_or_shared_it_is_the_same_version(
    world: World, undisturbed: Manifest, exact: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = Heartbeat()
    assert version(world.go(asked(world, exact), heartbeat)) == version(undisturbed)
    for point in (0, FRAMES + 3, len(heartbeat.told) - 3):
        job = asked(world, exact)
        with pytest.raises(Killed):
            world.go(job, Heartbeat(point))
        assert version(world.go(job, Heartbeat())) == version(undisturbed)
    # one worker follows on a GPU, another reads the depth
    monkeypatch.setattr(world.engine, "info", replace(Drawn.info, device="cuda"))
    fleet.announce(world.db, "cpu", "default", [])
    try:
        assert version(world.go(asked(world, exact), Heartbeat())) == version(undisturbed)
    finally:
        fleet.leave(world.db, "cpu")


def test_other_depth_is_another_version(world: World, undisturbed: Manifest, tmp_path: Path) -> None:
    nearer = {"media": stored(world, "nearer.npy", CLIP.depth * np.float32(0.9))}
    other = world.go(asked(world, nearer), Heartbeat())
    assert version(other) != version(undisturbed)
    first, second = (
        {
            (row.clip, row.stage): row.key
            for row in Dataset(world.save(manifest, tmp_path / name)).rows("lineage")
        }
        for name, manifest in (("a", undisturbed), ("b", other))
    )
    assert first.keys() == second.keys() and all(first[name] != second[name] for name in first)


def noisy(path: Path) -> Path:
    """A packed folder whose first picture is broken."""
    folder = path.parent / "noisy"
    folder.mkdir()
    for index, depth in enumerate(CLIP.depth):
        Image.fromarray(np.round(depth * 1000).astype(np.uint16)).save(folder / f"{index}.png")
    data = bytearray(write_depth_file(folder, folder).read_bytes())
    place = data.rfind(b"IDAT")
    data[place + 8 : place + 60] = b"\0" * 52
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fewer.npy", "depth_mismatch"),
        ("more.npy", "depth_mismatch"),
        ("small.npy", "depth_mismatch"),
        ("eight.mp4", "depth_unreadable"),
        ("broken.avi", "depth_unreadable"),
        ("picture.png", "not_a_depth_map"),
        ("one.npy", "not_a_depth_map"),
    ],
)
def test_depth_that_does_not_fit_fails_the_job_before_an_engine_works(
    world: World, name: str, code: str
) -> None:
    path = world.folder / name
    arrays = {
        "fewer.npy": CLIP.depth[:-1],
        "more.npy": CLIP.depth[[*range(FRAMES), 0]],
        "small.npy": CLIP.depth[:, ::2, ::2],
        "one.npy": CLIP.depth[0],
    }
    if name in arrays:
        np.save(path, arrays[name])
    elif name == "eight.mp4":
        write_video(path, FRAMES, size=(256, 256))
    elif name == "picture.png":
        Image.fromarray(np.round(CLIP.depth[0] * 1000).astype(np.uint16)).save(path)
    else:
        noisy(path)
    before = world.engine.frames
    with pytest.raises(JobProblem) as caught:
        world.go(asked(world, {"media": {"id": world.put(path).id}}), Heartbeat())
    assert caught.value.problem.code == code
    assert world.engine.frames == before


def test_depth_has_to_be_an_upload_and_is_of_one_video() -> None:
    with pytest.raises(ValueError, match="uploaded"):
        SourceInfo.model_validate({"depth": {"media": MediaRef(url="https://example.com/z.npy")}})
    depth = {"media": {"id": "0" * 64}}
    with pytest.raises(ValueError, match="bucket"):
        BucketInput.model_validate({"address": "s3://videos/walks", "source": {"depth": depth}})


def test_depth_that_breaks_on_the_way_costs_its_clip_alone(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, depth in enumerate(CLIP.depth):
        Image.fromarray(np.round(depth * 1000).astype(np.uint16)).save(folder / f"{index}.png")
    path = write_depth_file(folder, tmp_path)
    data = bytearray(path.read_bytes())
    place = data.find(b"IDAT", len(data) // 4)
    data[place + 8 : place + 60] = b"\0" * 52
    path.write_bytes(data)
    manifest = world.go(asked(world, {"media": {"id": world.put(path).id}}), Heartbeat())
    assert "clips_failed" in manifest.flags
    made = Dataset(world.save(manifest, tmp_path / "data"))
    lost, kept = sorted(made.clip_rows, key=lambda row: row.first_frame)
    assert (lost.kept, kept.kept) == (False, True)
    assert {row.reason for row in made.rows("decisions") if row.clip == lost.clip} == {
        None,
        "depth_unreadable",
    }
