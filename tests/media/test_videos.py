"""Videos come out frame by frame, upright, with their own times, in constant memory."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from media.errors import MediaError
from media.limits import MediaLimits
from media.sandbox import Sandbox
from tests.support.media_files import frame_color, rotate_mp4, write_video

pytestmark = pytest.mark.slow


def test_every_frame_in_order(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", frames=12)
    with Sandbox() as sandbox:
        probe = sandbox.probe(file)
        opened = sandbox.frames(file)
        base, frames = opened.time_base, opened.frames
        actual = list(frames)
    assert (probe["kind"], probe["width"], probe["height"], probe["frames"]) == ("video", 64, 48, 12)
    assert [frame.index for frame in actual] == list(range(12))
    times = [frame.pts * base[0] / base[1] for frame in actual]
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)
    for frame in actual:
        assert np.abs(frame.pixels[40, 60].astype(int) - frame_color(frame.index)).max() < 12


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    pts = [0, 40, 200, 210, 500, 1500]
    file = write_video(tmp_path / "vfr.mkv", frames=6, pts=pts)
    with Sandbox() as sandbox:
        opened = sandbox.frames(file)
        base, frames = opened.time_base, opened.frames
        times = [1000 * frame.pts * base[0] / base[1] for frame in frames]
    np.testing.assert_allclose(times, pts, atol=1.5)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotated_video_is_upright(tmp_path: Path, turns: int) -> None:
    file = write_video(tmp_path / "turned.mp4", frames=3)
    rotate_mp4(file, turns)
    with Sandbox() as sandbox:
        probe = sandbox.probe(file)
        frames = sandbox.frames(file).frames
        first = next(frames).pixels
    assert first.shape[:2] == (probe["height"], probe["width"]) == ((64, 48) if turns % 2 else (48, 64))
    # the white corner starts at the left top and is turned clockwise by the display matrix
    corner = {1: first[2, -3], 2: first[-3, -3], 3: first[-3, 2]}[turns]
    assert (corner > 220).all()


def test_stopping_early_frees_the_sandbox(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", frames=50)
    with Sandbox() as sandbox:
        frames = sandbox.frames(file).frames
        next(frames)
        frames.close()  # type: ignore[attr-defined]
        assert sandbox.probe(file)["frames"] == 50


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    file = write_video(tmp_path / "long.mp4", frames=200, size=(640, 480))
    with Sandbox() as sandbox:
        frames = sandbox.frames(file).frames
        sizes = []
        for frame in frames:
            if frame.index in (50, 190):
                assert sandbox._child is not None
                sizes.append(psutil.Process(sandbox._child.pid).memory_info().rss)
    assert sizes[1] - sizes[0] < 20 << 20


def test_a_broken_video_says_so(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", frames=30).read_bytes()
    file = tmp_path / "half.mp4"
    file.write_bytes(whole[: len(whole) // 3])
    with Sandbox() as sandbox, pytest.raises(MediaError) as caught:
        sandbox.probe(file)
    assert caught.value.code in ("unsupported_media", "video_broken", "video_empty")


def test_a_video_without_frames_is_empty(tmp_path: Path) -> None:
    import av

    file = tmp_path / "sound.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    with Sandbox() as sandbox, pytest.raises(MediaError) as caught:
        sandbox.probe(file)
    assert caught.value.code == "video_empty"


def test_limits_on_pixels_and_frames(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", frames=30)
    with Sandbox(MediaLimits(video_pixels=1000)) as sandbox, pytest.raises(MediaError) as caught:
        sandbox.probe(file)
    assert (caught.value.code, caught.value.status) == ("video_too_large", 413)
    with Sandbox(MediaLimits(video_frames=10)) as sandbox, pytest.raises(MediaError) as caught:
        sandbox.probe(file)
    assert caught.value.code == "video_too_long"


def test_a_video_that_is_never_read_leaves_the_decoder_free(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4")
    with Sandbox() as sandbox:
        frames = sandbox.frames(file).frames
        frames.close()
        frames = sandbox.frames(file).frames
        assert next(frames).index == 0
        frames.close()
        assert sandbox.probe(file)["kind"] == "video"
