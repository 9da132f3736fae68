"""Videos with depth, through the SDK and the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette import AsyncMaquette, Maquette
from maquette.errors import ApiError, JobFailed
from numpy.typing import NDArray
from PIL import Image

from service.embedded import Stack
from tests.support.cli import run_dataset
from tests.support.media_files import write_clip
from tests.support.scenes import load_motorcycle
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify

FRAMES, SIZE = 4, (160, 240)
OPTIONS: dict[str, Any] = {"clip_seconds": 0.4, "size": 200}
# a wall behind everything, which approaches
DEPTH = np.stack([np.full(SIZE, 4.0 - 0.1 * frame) for frame in range(FRAMES)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, its depth as numbered images in millimetres, and a file that relates them."""
    videos = tmp_path_factory.mktemp("videos")
    photo = load_motorcycle(SIZE[::-1])
    rolled = [np.roll(photo, 2 * shift, axis=1) for shift in range(FRAMES)]
    write_clip(videos / "roll.mp4", rolled, rate=10, crf=12)
    write_depth(videos / "roll-depth", DEPTH)
    sources = {"roll.mp4": {"licence": "CC0-1.0", "depth": "roll-depth/"}}
    (videos / "sources.json").write_text(json.dumps(sources))
    return videos


def write_depth(folder: Path, maps: NDArray[np.float64]) -> Path:
    folder.mkdir()
    for index, depth in enumerate(maps):
        Image.fromarray(np.round(1000 * depth).astype(np.uint16)).save(folder / f"{index}.png")
    return folder


def check_boxes(out: Path) -> list[Any]:
    """Compare every 3D box with the depth; returns the observations."""
    assert verify(out) == []
    observations = []
    for clip in Dataset(out).clips():
        assert [track.label for track in clip.tracks] == ["motorcycle"]
        for row in clip.observations:
            assert row.box3d_source == "depth" and row.scale_source == "metric"
            assert row.depth == pytest.approx(4.0 - 0.1 * clip.frames[row.frame].source_frame, abs=0.001)
            observations.append(row)
    assert len(observations) == FRAMES
    return observations


def test_folders_files_and_arrays_give_the_same_boxes(
    mq: Maquette, stack: Stack, folder: Path, tmp_path: Path
) -> None:
    words = ("--text", "motorcycle", "--clip-seconds", "0.4", "--size", "200")
    # the depth folder beside the video is not taken for a video
    run_dataset(
        stack, str(folder), *words, "--sources", str(folder / "sources.json"), "--out", str(tmp_path / "a")
    )
    separate = (str(folder / "roll.mp4"), "--depth", str(folder / "roll-depth"))
    run_dataset(stack, *separate, *words, "--out", str(tmp_path / "b"))
    depth = DEPTH.astype(np.float32)
    job = mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": depth}], **OPTIONS)
    job.wait().save(tmp_path / "c")
    np.savez_compressed(tmp_path / "depth.npz", depth)

    async def upload_npz() -> None:
        archive = {"media": tmp_path / "depth.npz", "metres_per_unit": 1}
        async with AsyncMaquette(stack.url, api_key=stack.api_key) as client:
            job = await client.dataset(
                [folder / "roll.mp4"], "motorcycle", sources=[{"depth": archive}], **OPTIONS
            )
            await (await job.wait()).save(tmp_path / "d")

    asyncio.run(upload_npz())
    boxes = [[row.center_cam for row in check_boxes(tmp_path / name)] for name in "abcd"]
    assert all(np.allclose(boxes[0], other, atol=0.002) for other in boxes[1:])
    assert [row.licence for row in Dataset(tmp_path / "a").sources.values()] == ["CC0-1.0"]


@pytest.mark.parametrize(
    ("maps", "code"),
    [
        (DEPTH[:2], "depth_mismatch"),
        (DEPTH[:, :-2], "depth_mismatch"),
    ],
    ids=["too few", "too small"],
)
def test_depth_that_does_not_fit_is_refused_at_once(
    mq: Maquette, folder: Path, maps: NDArray[np.float64], code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": maps}], **OPTIONS)
    assert caught.value.code == code


def test_other_uploads_are_not_depth(mq: Maquette, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", DEPTH[0])
    with pytest.raises(ApiError) as caught:
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": tmp_path / "one.npy"}], **OPTIONS)
    assert caught.value.code == "not_a_depth_map"
    np.save(tmp_path / "all.npy", DEPTH)
    with pytest.raises(ApiError) as caught:
        mq.dataset([tmp_path / "all.npy"], "motorcycle", **OPTIONS)
    assert caught.value.code == "not_a_video"
    unknown = {"media": {"id": "0" * 64}}
    with pytest.raises(ApiError) as caught:
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": unknown}], **OPTIONS)
    assert caught.value.code == "media_unknown"


def test_a_wrong_unit_fails_the_job(mq: Maquette, folder: Path) -> None:
    depth = {"media": DEPTH, "metres_per_unit": 1000}
    job = mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": depth}], **OPTIONS)
    with pytest.raises(JobFailed, match="metres_per_unit"):
        job.wait()


def test_8_bit_images_are_refused_as_depth_by_the_client(mq: Maquette, folder: Path, tmp_path: Path) -> None:
    eight = tmp_path / "eight"
    eight.mkdir()
    for index in range(FRAMES):
        Image.fromarray(np.full(SIZE, 200, np.uint8)).save(eight / f"{index}.png")
    with pytest.raises(ValueError, match="16 bits"):
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": eight}], **OPTIONS)
    with pytest.raises(FileNotFoundError):
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": "nowhere/"}], **OPTIONS)
    with pytest.raises(ValueError, match="T, H, W"):
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": DEPTH[0]}], **OPTIONS)
