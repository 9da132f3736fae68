"""The contact sheet is full of frames, whatever the shape of the clips."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from workers.datasets.documents import contact_sheet

RED = (200, 30, 30)


class FakeClip:
    """A clip of red frames without objects."""

    def __init__(self, row: Any) -> None:
        self.row, self.id, self.size = row, row.clip, (row.height, row.width)

    def __len__(self) -> int:
        return int(self.row.frames)

    def image(self, frame: int) -> np.ndarray[Any, Any]:
        assert 0 <= frame < len(self)
        return np.full((*self.size, 3), RED, np.uint8)

    source = SimpleNamespace(name="Пляж 2026.MOV")
    all_tracks: tuple[Any, ...] = ()
    rejected_observations: tuple[Any, ...] = ()

    def frame_observations(self, _frame: int) -> list[Any]:
        return []


def clip_row(number: int, size: tuple[int, int], frames: int = 40) -> SimpleNamespace:
    facts = {"split": "train", "start_seconds": 0.0, "end_seconds": 2.0, "camera_source": "unknown"}
    width, height = size
    return SimpleNamespace(
        clip=f"{number:020x}", width=width, height=height, frames=frames, kept=True, **facts
    )


def draw(monkeypatch: pytest.MonkeyPatch, rows: list[SimpleNamespace]) -> np.ndarray[Any, Any]:
    opener: Any = SimpleNamespace(open=FakeClip, gather=list)
    version: Any = SimpleNamespace(rows={"clips": rows, "tracks": []})
    content = contact_sheet.render_contact_sheet(version, opener)
    return np.asarray(Image.open(io.BytesIO(content)))


WIDE, UPRIGHT, SQUARE, BAND = (256, 144), (144, 256), (256, 256), (256, 64)


@pytest.mark.parametrize(
    "sizes",
    [[WIDE], [UPRIGHT], [SQUARE], [BAND], [WIDE, UPRIGHT], [UPRIGHT, WIDE, WIDE, WIDE], [SQUARE, BAND] * 8],
    ids=str,
)
def test_frames_take_most_of_the_bytes(monkeypatch: pytest.MonkeyPatch, sizes: list[tuple[int, int]]) -> None:
    sheet = draw(monkeypatch, [clip_row(number, size) for number, size in enumerate(sizes)])
    red = np.abs(sheet.astype(int) - RED).max(axis=2) < 8
    # what is left is captions and gaps; a band is as high as two captions
    assert red.mean() > (0.6 if BAND in sizes else 0.75)
    # every line reaches the right border, or lacks less than one frame
    lines = red[red.any(axis=1)]
    assert all(np.flatnonzero(line)[-1] > 0.8 * sheet.shape[1] for line in lines)


def test_a_short_clip_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw(monkeypatch, [clip_row(0, UPRIGHT, frames=2)]).shape[2] == 3
    assert draw(monkeypatch, []).shape[2] == 3
