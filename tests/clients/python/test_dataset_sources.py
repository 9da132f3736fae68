"""What the client finds in folders, how it packs frames, and what it plans."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from maquette.contract.datasets import SourceInfo, SplitShares
from maquette.cost_estimate import choose_trial_videos, estimate_cost
from maquette.sources.avi import pack_frames
from maquette.sources.folders import FrameFolder, count_photos, find_videos
from PIL import Image
from pydantic import ValidationError

from media.errors import MediaError
from media.sandbox import Sandbox
from tests.support.media_files import make_gradient, write_video


def frames(folder: Path, count: int, ending: str = "jpg", size: tuple[int, int] = (48, 64)) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        image = np.roll(make_gradient(*size), 3 * number, axis=1)
        Image.fromarray(image).save(folder / f"{number}.{ending}")
    return folder


def test_folders_give_their_videos_and_folders_of_frames_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "b2.mp4", 4)
    write_video(tmp_path / "a10.mp4", 4)
    write_video(tmp_path / "a9.mp4", 4)
    frames(tmp_path / "walk" / "left", 12)
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / ".hidden").mkdir()
    actual = find_videos(tmp_path)
    names = [item.path.name if isinstance(item, FrameFolder) else item.name for item in actual]
    assert names == ["left", "b2.mp4", "a9.mp4", "a10.mp4"]
    left = actual[0]
    assert isinstance(left, FrameFolder)
    assert [file.stem for file in left.files] == [str(number) for number in range(12)]


def test_photos_and_notes_beside_videos_are_no_videos(tmp_path: Path) -> None:
    phone = frames(tmp_path / "phone", 3)
    (phone / "IMG_0001.HEIC").write_bytes(b"a photo")
    (phone / "._IMG_0001.MOV").write_bytes(b"what a file system notes")
    for name in ("IMG_0001.MOV", "IMG_0002.mov"):
        write_video(phone / name, 4)
    assert find_videos(phone) == [phone / "IMG_0001.MOV", phone / "IMG_0002.mov"]
    assert count_photos(tmp_path) == {phone: 4}
    for name in ("IMG_0001.MOV", "IMG_0002.mov"):
        (phone / name).unlink()
    assert count_photos(tmp_path) == {}
    [left] = find_videos(phone)
    assert isinstance(left, FrameFolder) and len(left.files) == 3


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no video"):
        find_videos(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        find_videos(tmp_path / "nowhere")


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_packed_frames_keep_their_bytes_and_are_decoded(tmp_path: Path, ending: str) -> None:
    folder = find_videos(frames(tmp_path / "in", 7, ending))[0]
    assert isinstance(folder, FrameFolder)
    packed = pack_frames(folder, 12.5, tmp_path / "out.avi")
    with av.open(str(packed)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert stored == [file.read_bytes() for file in folder.files]
    with Sandbox() as sandbox:
        probe = sandbox.probe(packed)
        assert (probe["width"], probe["height"], probe["frames"]) == (64, 48, 7)
        assert probe["frame_rate"] == pytest.approx(12.5)
        opened = sandbox.frames(packed)
        decoded = list(opened.frames)
    assert len(decoded) == 7
    for frame, file in zip(decoded, folder.files, strict=True):
        exact = np.asarray(Image.open(file).convert("RGB")).astype(int)
        assert np.abs(frame.pixels.astype(int) - exact).mean() < (3 if ending == "jpg" else 0.01)


def test_frames_of_different_sizes_are_refused(tmp_path: Path) -> None:
    frames(tmp_path / "in", 3)
    Image.fromarray(make_gradient(50, 64)).save(tmp_path / "in" / "3.jpg")
    folder = find_videos(tmp_path / "in")[0]
    assert isinstance(folder, FrameFolder)
    with pytest.raises(ValueError, match=r"3\.jpg differs in size"):
        pack_frames(folder, 10, tmp_path / "out.avi")


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    frames(tmp_path / "in", 3)
    (tmp_path / "in" / "1.jpg").write_bytes(b"\xff\xd8 nonsense")
    folder = find_videos(tmp_path / "in")[0]
    assert isinstance(folder, FrameFolder)
    with pytest.raises(ValueError, match=r"1\.jpg"):
        pack_frames(folder, 10, tmp_path / "out.avi")
    with Sandbox() as sandbox, pytest.raises(MediaError):
        sandbox.probe(tmp_path / "in" / "1.jpg")


def test_an_estimate_scales_the_survey_by_video_and_the_rest_by_clips() -> None:
    timing = {
        "stages": {"survey": 10.0, "engine": 40.0},
        "video_seconds": 100.0,
        "passed_seconds": 80.0,
        "done_seconds": 20.0,
        "done_bytes": 1000,
    }
    estimate = estimate_cost(timing, trial_bytes=5, all_bytes=50)
    assert estimate.video_hours == pytest.approx(1000 / 3600)
    assert estimate.hours_by_stage["survey"] == pytest.approx(100 / 3600)
    # a quarter of the clips was worked on: four times the seconds, ten times the video
    assert estimate.hours_by_stage["engine"] == pytest.approx(1600 / 3600)
    assert estimate.bytes == pytest.approx(40_000)
    assert estimate.wall_hours(2) == pytest.approx(1700 / 3600 / 2) and estimate.cost(3.6) == pytest.approx(
        1.7
    )
    # an unknown price is not a price of zero
    assert estimate.cost() is None and estimate.gpu_hours == 0
    with pytest.raises(ValueError, match="no clip"):
        estimate_cost({**timing, "done_seconds": 0.0}, 5, 50)


@pytest.mark.parametrize(
    ("prices", "gpu", "cost"),
    [
        ({"cpu_hour": 1.8, "gpu_hour": None}, 0.0, 1.0),
        ({"cpu_hour": 1.8, "gpu_hour": 36.0}, 1000.0, 10.5),
        ({"cpu_hour": 1.8, "gpu_hour": 36.0}, 500.0, 5.75),
        ({"cpu_hour": 1.8, "gpu_hour": None}, 1000.0, None),
        ({"cpu_hour": None, "gpu_hour": 36.0}, 0.0, None),
    ],
)
def test_an_estimate_uses_the_operators_price_per_kind_of_worker(
    prices: dict[str, float | None], gpu: float, cost: float | None
) -> None:
    timing = {
        "stages": {"survey": 1000.0, "engine": 1000.0},
        "video_seconds": 100.0,
        "passed_seconds": 80.0,
        "done_seconds": 80.0,
        "done_bytes": 1,
        "prices": prices,
        "gpu_stages": {"engine": gpu},
    }
    actual = estimate_cost(timing, trial_bytes=1, all_bytes=1).cost()
    assert actual == (None if cost is None else pytest.approx(cost))


def test_a_trial_takes_videos_evenly_spread() -> None:
    files = [Path(f"{number}.mp4") for number in range(100)]
    assert [int(file.stem) for file in choose_trial_videos(files)] == [0, 33, 66]
    assert choose_trial_videos(files[:2]) == files[:2]


def test_the_fields_of_a_source_are_validated() -> None:
    with pytest.raises(ValidationError, match="same number"):
        SourceInfo(actions=[[1.0], [1.0, 2.0]])
    with pytest.raises(ValidationError, match="action_names"):
        SourceInfo(actions=[[1.0]], action_names=["a", "b"])
    with pytest.raises(ValidationError, match="action_types"):
        SourceInfo(actions=[[1.0]], action_types=["delta", "button"])
    with pytest.raises(ValidationError, match="delta"):
        SourceInfo(actions=[[1.0]], action_types=["speed"])
    with pytest.raises(ValidationError):
        SourceInfo.model_validate({"license": "MIT"})
    with pytest.raises(ValidationError, match="add up"):
        SplitShares(train=0.9, val=0.3, test=0.1)
    assert json.loads(SourceInfo().model_dump_json(exclude_none=True))["scale"] == "relative"
