"""Videos with depth, as users of the SDK and the command line bring them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import skimage.data
from maquette import AsyncMaquette, Maquette
from maquette.errors import ApiError, JobFailed
from numpy.typing import NDArray
from PIL import Image

from service.embedded import Stack
from tests.acceptance.test_dataset import run
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify

MOTORCYCLE = Path(skimage.data.__file__).parent / "motorcycle_left.png"
FRAMES, SIZE = 12, (160, 240)
OPTIONS: dict[str, Any] = {"clip_seconds": 0.6, "size": 200}
# a wall before which everything stands, and which comes nearer
DEPTH = np.stack([np.full(SIZE, 4.0 - 0.1 * frame) for frame in range(FRAMES)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, its depth as numbered pictures in millimetres, and what tells that they belong together."""
    made = tmp_path_factory.mktemp("videos")
    picture = np.asarray(Image.open(MOTORCYCLE).convert("RGB").resize(SIZE[::-1]))
    with av.open(str(made / "roll.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for shift in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * shift, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    pictures(made / "roll-depth", DEPTH)
    (made / "told.json").write_text(json.dumps({"roll.mp4": {"licence": "CC0-1.0", "depth": "roll-depth/"}}))
    return made


def pictures(folder: Path, maps: NDArray[np.float64]) -> Path:
    folder.mkdir()
    for index, depth in enumerate(maps):
        Image.fromarray(np.round(1000 * depth).astype(np.uint16)).save(folder / f"{index}.png")
    return folder


def check(out: Path) -> list[Any]:
    """Every box is where the depth says; gives the observations."""
    assert verify(out) == []
    found = []
    for clip in Dataset(out).clips():
        assert [track.label for track in clip.tracks] == ["motorcycle"]
        for row in clip.observations:
            assert row.box3d_source == "depth" and row.scale_source == "metric"
            assert row.depth == pytest.approx(4.0 - 0.1 * clip.frames[row.frame].source_frame, abs=0.001)
            found.append(row)
    assert len(found) == FRAMES
    return found


def test_folders_files_and_arrays_say_the_same(
    mq: Maquette, stack: Stack, folder: Path, tmp_path: Path
) -> None:
    words = ("--text", "motorcycle", "--clip-seconds", "0.6", "--size", "200")
    # the depth lies beside its video, and is no video
    run(stack, str(folder), *words, "--sources", str(folder / "told.json"), "--out", str(tmp_path / "a"))
    alone = (str(folder / "roll.mp4"), "--depth", str(folder / "roll-depth"))
    run(stack, *alone, *words, "--out", str(tmp_path / "b"))
    depth = DEPTH.astype(np.float32)
    job = mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": depth}], **OPTIONS)
    job.wait().save(tmp_path / "c")
    np.savez_compressed(tmp_path / "depth.npz", depth)

    async def later() -> None:
        feet = {"media": tmp_path / "depth.npz", "metres_per_unit": 1}
        async with AsyncMaquette(stack.url, api_key=stack.api_key) as client:
            job = await client.dataset(
                [folder / "roll.mp4"], "motorcycle", sources=[{"depth": feet}], **OPTIONS
            )
            await (await job.wait()).save(tmp_path / "d")

    asyncio.run(later())
    boxes = [[row.center_cam for row in check(tmp_path / name)] for name in "abcd"]
    assert all(np.allclose(boxes[0], other, atol=0.002) for other in boxes[1:])
    assert [row.licence for row in Dataset(tmp_path / "a").sources.values()] == ["CC0-1.0"]


@pytest.mark.parametrize(
    ("maps", "code"),
    [
        (DEPTH[:6], "depth_mismatch"),
        (DEPTH[:, :-2], "depth_mismatch"),
    ],
    ids=["too few", "too small"],
)
def test_what_does_not_fit_is_told_at_once(
    mq: Maquette, folder: Path, maps: NDArray[np.float64], code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        mq.dataset([folder / "roll.mp4"], "motorcycle", sources=[{"depth": maps}], **OPTIONS)
    assert caught.value.code == code


def test_other_uploads_are_no_depth(mq: Maquette, folder: Path, tmp_path: Path) -> None:
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


def test_pictures_of_eight_bits_never_leave_the_client(mq: Maquette, folder: Path, tmp_path: Path) -> None:
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
