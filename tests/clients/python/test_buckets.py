"""Videos and frames in buckets, without a cloud: fsspec's own memory stands for one."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from maquette.errors import MaquetteError
from maquette.sources import buckets
from PIL import Image

from media.sandbox import Sandbox
from tests.support.media_files import make_gradient, write_video

fsspec = pytest.importorskip("fsspec")
FRAMES = 12


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """Two videos, numbered frames, and a text, under an address of their own."""
    files, root = fsspec.filesystem("memory"), f"/{uuid4().hex}"
    for name in ("a10.mp4", "deep/a9.mp4"):
        files.pipe(f"{root}/videos/{name}", write_video(tmp_path / Path(name).name, 4).read_bytes())
    for number in range(FRAMES):
        image = Image.fromarray(np.roll(make_gradient(48, 64), 3 * number, axis=1))
        image.save(tmp_path / "frame.png")
        files.pipe(f"{root}/videos/walk/{number}.png", (tmp_path / "frame.png").read_bytes())
    files.pipe(f"{root}/videos/notes.txt", b"no video")
    yield f"memory:/{root}"
    files.rm(root, recursive=True)


def test_a_prefix_lists_its_videos_and_frame_folders(bucket: str) -> None:
    actual = buckets.find_bucket_videos(f"{bucket}/videos")
    assert [(item.name, item.is_frame_folder) for item in actual] == [
        ("a10.mp4", False),
        ("a9.mp4", False),
        ("walk", True),
    ]
    assert [Path(name).stem for name in actual[2].objects] == [str(number) for number in range(FRAMES)]
    assert [item.name for item in buckets.find_bucket_videos(f"{bucket}/videos/*.mp4")] == ["a10.mp4"]
    assert [item.name for item in buckets.find_bucket_videos(f"{bucket}/videos/deep/a9.mp4")] == ["a9.mp4"]


def test_fetched_videos_equal_the_stored_ones(bucket: str, tmp_path: Path) -> None:
    video, _, walk = buckets.find_bucket_videos(f"{bucket}/videos")
    (tmp_path / "one").mkdir()
    assert video.fetch(tmp_path / "one", 10).read_bytes() == (tmp_path / "a10.mp4").read_bytes()
    assert video.bytes == (tmp_path / "a10.mp4").stat().st_size
    (tmp_path / "many").mkdir()
    sandbox = Sandbox()
    try:
        probe = sandbox.probe(walk.fetch(tmp_path / "many", 5))
    finally:
        sandbox.close()
    assert (probe["frames"], probe["width"], probe["height"], probe["frame_rate"]) == (FRAMES, 64, 48, 5)


def test_empty_prefixes_and_unknown_schemes_are_errors(bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="holds no video"):
        buckets.find_bucket_videos(f"{bucket}/nowhere")
    with pytest.raises(MaquetteError, match="betamax"):
        buckets.find_bucket_videos("betamax://tape/1")


def test_without_fsspec_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(buckets.ExtraMissing, match=r"maquette\[cloud\]") as caught:
        buckets.find_bucket_videos("s3://bucket/videos")
    assert caught.value.code == "extra_missing"


@pytest.mark.parametrize(
    ("given", "remote"),
    [("s3://b/v", True), ("gs://b", True), ("https://h/v.mp4", False), ("v.mp4", False), ("./a/b", False)],
)
def test_is_bucket_accepts_bucket_addresses_only(given: str, remote: bool) -> None:
    assert buckets.is_bucket(given) is remote
