"""Dataset jobs whose depth does not fit the video, is not depth or cannot be read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from maquette.contract import MediaRef
from maquette.contract.datasets import BucketInput, SourceInfo
from maquette.sources.depth_frames import write_depth_file
from PIL import Image

from tests.support.dataset_worlds import Heartbeat, World
from tests.support.depth_jobs import FRAMES, create_job, load_clip, open_world, write_images
from tests.support.media_files import write_video
from workers.datasets.reader import Dataset
from workers.errors import JobProblem


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from open_world(tmp_path_factory.mktemp("world"))


def corrupt(path: Path, place: int) -> None:
    """Overwrite the pixels of the PNG whose IDAT chunk begins at `place`."""
    data = bytearray(path.read_bytes())
    data[place + 8 : place + 60] = b"\0" * 52
    path.write_bytes(data)


def write_broken_last(path: Path) -> Path:
    """A packed folder whose last image is broken."""
    folder = write_images(path.parent / "noisy")
    path.write_bytes(write_depth_file(folder, folder).read_bytes())
    corrupt(path, path.read_bytes().rfind(b"IDAT"))
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
        "fewer.npy": load_clip().depth[:-1],
        "more.npy": load_clip().depth[[*range(FRAMES), 0]],
        "small.npy": load_clip().depth[:, ::2, ::2],
        "one.npy": load_clip().depth[0],
    }
    if name in arrays:
        np.save(path, arrays[name])
    elif name == "eight.mp4":
        write_video(path, FRAMES, size=(256, 256))
    elif name == "picture.png":
        Image.fromarray(np.round(load_clip().depth[0] * 1000).astype(np.uint16)).save(path)
    else:
        write_broken_last(path)
    before = world.engine.frames
    with pytest.raises(JobProblem) as caught:
        world.go(create_job(world, {"media": {"id": world.put(path).id}}), Heartbeat())
    assert caught.value.problem.code == code
    assert world.engine.frames == before


def test_depth_has_to_be_an_upload_and_is_of_one_video() -> None:
    with pytest.raises(ValueError, match="uploaded"):
        SourceInfo.model_validate({"depth": {"media": MediaRef(url="https://example.com/z.npy")}})
    depth = {"media": {"id": "0" * 64}}
    with pytest.raises(ValueError, match="bucket"):
        BucketInput.model_validate({"address": "s3://videos/walks", "source": {"depth": depth}})


def test_depth_that_breaks_on_the_way_costs_its_clip_alone(world: World, tmp_path: Path) -> None:
    path = write_depth_file(write_images(tmp_path / "pictures"), tmp_path)
    packed = path.read_bytes()
    corrupt(path, packed.find(b"IDAT", len(packed) // 4))
    manifest = world.go(create_job(world, {"media": {"id": world.put(path).id}}), Heartbeat())
    assert "clips_failed" in manifest.flags
    data = Dataset(world.save(manifest, tmp_path / "data"))
    lost, kept = sorted(data.clip_rows, key=lambda row: row.first_frame)
    assert (lost.kept, kept.kept) == (False, True)
    assert {row.reason for row in data.rows("decisions") if row.clip == lost.clip} == {
        None,
        "depth_unreadable",
    }
