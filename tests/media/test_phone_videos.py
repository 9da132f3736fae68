"""What phones leave in a folder is read upright, at its own times, as far as it goes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.errors import MediaError
from media.sandbox import Sandbox
from tests.support.media_files import make_gradient
from tests.support.phone_videos import UNEVEN_STEPS, write_phone_videos

# x265 writes beyond its buffers for pictures that are less than 64 pixels wide or high
FRAMES, SIZE = 12, (96, 128)


def film(seed: int) -> list[NDArray[np.uint8]]:
    """A gradient that becomes brighter; noise in a corner makes frames large enough to be cut off."""
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(FRAMES):
        frame = np.clip(make_gradient(*SIZE).astype(int) + 4 * index, 0, 255).astype(np.uint8)
        frame[-16:, -16:] = rng.integers(0, 255, (16, 16, 3))
        frames.append(frame)
    return frames


@pytest.mark.slow  # five videos are encoded
def test_a_folder_of_phone_videos(tmp_path: Path, sandbox: Sandbox) -> None:
    films = [film(seed) for seed in range(5)]
    paths = write_phone_videos(tmp_path, films)
    for kind, tolerance in (("turned", 12), ("uneven", 12)):
        video = sandbox.frames(paths[kind])
        frames = list(video.frames)
        assert len(frames) == FRAMES
        for frame, drawn in zip(frames, films[list(paths).index(kind)], strict=True):
            error = np.abs(frame.pixels[:30, :40].astype(int) - drawn[:30, :40])
            assert frame.pixels.shape == drawn.shape and error.mean() < tolerance
        times = [float(frame.pts * video.time_base[0] / video.time_base[1]) for frame in frames]
        steps = UNEVEN_STEPS if kind == "uneven" else (1000 / 30,)
        expected = [steps[index % len(steps)] / 1000 for index in range(FRAMES - 1)]
        assert np.allclose(np.diff(times), expected, atol=2e-3)
    info = sandbox.probe(paths["hdr"])
    assert info["codec"] == "hevc" and "hdr_not_tone_mapped" in info["flags"]
    assert len(list(sandbox.frames(paths["hdr"]).frames)) == FRAMES
    cut = sandbox.frames(paths["cut"])
    assert 0 < len(list(cut.frames)) < FRAMES and "file_truncated" in sandbox.probe(paths["cut"])["flags"]
    with pytest.raises(MediaError) as caught:
        sandbox.probe(paths["lost"])
    assert caught.value.code == "video_broken"
