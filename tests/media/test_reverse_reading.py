"""Videos read from any frame, and from last to first."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media import reverse_reading
from media.errors import MediaError
from media.limits import MediaLimits
from media.sandbox import DecodedFrame, Sandbox
from tests.support.media_files import frame_color, rotate_mp4, write_video

pytestmark = pytest.mark.slow


def read(path: Path, **options: object) -> list[DecodedFrame]:
    with Sandbox() as sandbox:
        return list(sandbox.frames(path, **options).frames)


def same(a: list[DecodedFrame], b: list[DecodedFrame]) -> bool:
    return len(a) == len(b) and all(
        x.index == y.index and x.pts == y.pts and np.array_equal(x.pixels, y.pixels)
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("window", [1, 7, 1000])
@pytest.mark.parametrize("gop", [8, 250])
def test_backwards_is_forwards_reversed(
    tmp_path: Path, gop: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "clip.mp4", 40, gop=gop)
    forward = read(path)
    # the child has its own module: the window is set by driving the reader itself
    monkeypatch.setattr(reverse_reading, "WINDOW_BYTES", window * forward[0].pixels.nbytes)
    first, frames = reverse_reading.decode_backward(
        str(path), MediaLimits(), animated=False, start=None, on_skip=lambda: None
    )
    turned = [DecodedFrame(first - n, pts, pixels) for n, (pts, pixels) in enumerate(frames)]
    assert first == 39
    assert same(turned[::-1], forward)


def test_windows_seek_to_key_frames(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "clip.mp4", 40, gop=8))
    positions = reverse_reading._index_frames(path, MediaLimits(), lambda: None)
    assert sum(position.key for position in positions) > 3
    window = reverse_reading._seek_window(path, MediaLimits(), positions, 19, 23)
    assert window is not None
    assert [pts for pts, _ in window] == [frame.pts for frame in read(Path(path), start=19, limit=4)]


def test_tracking_forwards_and_backwards_from_a_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 30)
    whole = read(path)
    assert same(read(path, start=12), whole[12:])
    assert same(read(path, start=12, limit=3), whole[12:15])
    assert same(read(path, start=12, backward=True), whole[12::-1])
    assert same(read(path, backward=True, limit=4), whole[:-5:-1])
    assert np.abs(whole[12].pixels[20:].mean((0, 1)) - frame_color(12)).max() < 6


def test_a_turned_video_is_upright_backwards_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 6)
    rotate_mp4(path, 1)
    assert same(read(path, backward=True)[::-1], read(path))


def test_an_animation_runs_backwards(tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    images = [Image.new("RGB", (16, 12), (40 * n, 10, 200 - 40 * n)) for n in range(5)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=80)
    whole = read(path, animated=True)
    assert [frame.pts for frame in whole] == [0, 80, 160, 240, 320]
    assert same(read(path, animated=True, backward=True), whole[::-1])
    assert same(read(path, animated=True, start=3), whole[3:])


@pytest.mark.parametrize("backward", [False, True])
def test_a_frame_that_is_not_there(tmp_path: Path, backward: bool) -> None:
    path = write_video(tmp_path / "clip.mp4", 10)
    with pytest.raises(MediaError) as caught:
        read(path, start=10, backward=backward)
    assert caught.value.code == "frame_beyond_end"
    assert len(read(path)) == 10
