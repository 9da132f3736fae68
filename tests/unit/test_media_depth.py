"""Depth maps through the sandbox: what comes in comes out as numbers, everything else is refused."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.errors import MediaError
from media.sandbox import Sandbox

WHOLE = (np.arange(12 * 16).reshape(12, 16) * 300).astype(np.uint16)
METRES = (WHOLE / 1000).astype(np.float32)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def test_sixteen_bits_floats_and_points_come_out_as_they_are(sandbox: Sandbox, tmp_path: Path) -> None:
    png, tiff, array, points = (tmp_path / name for name in ("z.png", "z.tiff", "z.npy", "p.npy"))
    Image.fromarray(WHOLE).save(png)
    Image.fromarray(METRES).save(tiff)
    array.write_bytes(npy(METRES.astype(np.float64)))
    points.write_bytes(npy(np.stack([METRES] * 3, axis=-1)))
    for path, truth, whole in (
        (png, WHOLE, True),
        (tiff, METRES, False),
        (array, METRES, False),
        (points, np.stack([METRES] * 3, axis=-1), False),
    ):
        values, told = sandbox.depth(path)
        assert values.dtype == np.float32 and np.array_equal(values, truth.astype(np.float32))
        assert told is whole
    told = sandbox.probe(points)
    assert (told["kind"], told["width"], told["height"]) == ("array", 16, 12)
    assert sandbox.probe(png)["kind"] == "image"


@pytest.mark.parametrize(
    "data",
    [
        npy(np.array([{"a": 1}], dtype=object)),
        npy(np.zeros((4, 4, 4, 4), np.float32)),
        npy(np.zeros((4, 4), np.complex64)),
        npy(np.zeros((0, 4), np.float32)),
        npy(METRES)[:20],
    ],
    ids=["pickled", "four axes", "complex", "empty", "cut header"],
)
def test_what_is_no_map_is_refused_on_arrival(sandbox: Sandbox, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(data)
    with pytest.raises(MediaError) as refused:
        sandbox.probe(path)
    assert refused.value.code == "depth_unreadable"


def test_a_cut_file_and_a_picture_of_colours_are_refused_when_read(sandbox: Sandbox, tmp_path: Path) -> None:
    cut, colours = tmp_path / "cut.npy", tmp_path / "photo.png"
    cut.write_bytes(npy(METRES)[:-40])
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(colours)
    for path in (cut, colours):
        with pytest.raises(MediaError) as refused:
            sandbox.depth(path)
        assert refused.value.code == "depth_unreadable"
