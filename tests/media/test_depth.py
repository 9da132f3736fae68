"""Depth maps through the sandbox: what comes in comes out as numbers, everything else is refused."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from maquette.sources.depth_frames import write_depth_file
from PIL import Image

from media.errors import MediaError
from media.sandbox import Sandbox
from tests.support.media_files import write_video

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


def test_16_bit_float_and_point_depth_is_read_exactly(sandbox: Sandbox, tmp_path: Path) -> None:
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
        values, probe = sandbox.depth(path)
        assert values.dtype == np.float32 and np.array_equal(values, truth.astype(np.float32))
        assert probe is whole
    probe = sandbox.probe(points)
    assert (probe["kind"], probe["width"], probe["height"]) == ("array", 16, 12)
    assert sandbox.probe(png)["kind"] == "image"


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("axes", ["hw", "hw1", "1hw", "fortran"])
def test_a_map_may_keep_the_axes_of_batch_and_channel(
    axes: str, suffix: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    depth = np.arange(1, 43, dtype=np.float64).reshape(6, 7)
    shaped = {"hw": depth, "hw1": depth[..., None], "1hw": depth[None], "fortran": np.asfortranarray(depth)}
    path = tmp_path / f"depth{suffix}"
    if suffix == ".npz":
        np.savez_compressed(path, depth=shaped[axes], other=np.zeros(3))
    else:
        np.save(path, shaped[axes])
    probe = sandbox.probe(path)
    assert (probe["kind"], probe["width"], probe["height"]) == ("array", 7, 6)
    values, integers = sandbox.depth(path)
    assert not integers
    assert np.array_equal(values, depth)


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


def test_a_truncated_file_and_a_colour_image_are_refused_when_read(sandbox: Sandbox, tmp_path: Path) -> None:
    cut, colours = tmp_path / "cut.npy", tmp_path / "photo.png"
    cut.write_bytes(npy(METRES)[:-40])
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(colours)
    for path in (cut, colours):
        with pytest.raises(MediaError) as refused:
            sandbox.depth(path)
        assert refused.value.code == "depth_unreadable"


def maps(sandbox: Sandbox, path: Path, start: int = 0, limit: int | None = None) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [item.values for item in sandbox.depths(path, start=start, limit=limit)]


FRAMES = np.stack([WHOLE + 7 * index for index in range(6)])


def write_numbered(folder: Path, name: str, suffix: str, frames: np.ndarray) -> Path:  # type: ignore[type-arg]
    """Numbered images, packed as the client packs them."""
    inside = folder / name
    inside.mkdir()
    for index, image in enumerate(frames):
        Image.fromarray(image).save(inside / f"{index:04d}{suffix}")
    return write_depth_file(inside, folder).rename(folder / f"{name}.avi")


def test_depth_of_a_video_comes_one_map_after_the_other_from_any_frame(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    array, packed = tmp_path / "z.npy", tmp_path / "z.npz"
    array.write_bytes(npy(FRAMES))
    np.savez_compressed(packed, depth=FRAMES.astype(np.float32) / 1000, other=np.zeros(3))
    for path, scale, whole in ((array, 1, True), (packed, 1000, False)):
        probe = sandbox.probe(path)
        assert (probe["kind"], probe["frames"], probe["width"], probe["height"]) == ("array", 6, 16, 12)
        assert [item.integers for item in sandbox.depths(path)] == [whole] * 6
        assert np.allclose(maps(sandbox, path), FRAMES / scale)
        assert np.allclose(maps(sandbox, path, 4), FRAMES[4:] / scale)
        assert np.allclose(maps(sandbox, path, 1, 2), FRAMES[1:3] / scale)
        assert maps(sandbox, path, 6) == []


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_numbered_16_bit_images_are_read_exactly(sandbox: Sandbox, tmp_path: Path, suffix: str) -> None:
    path = write_numbered(tmp_path, "z", suffix, FRAMES)
    probe = sandbox.probe(path)
    assert (probe["kind"], probe["frames"], probe["width"], probe["height"]) == ("video", 6, 16, 12)
    assert np.array_equal(maps(sandbox, path), FRAMES)
    assert np.array_equal(maps(sandbox, path, 5), FRAMES[5:])
    assert maps(sandbox, path, 6) == []


def test_8_bit_and_broken_images_are_refused_as_depth(sandbox: Sandbox, tmp_path: Path) -> None:
    path = write_numbered(tmp_path, "fine", ".png", FRAMES)
    data = bytearray(path.read_bytes())
    third = data.find(b"IDAT", data.find(b"IDAT", data.find(b"IDAT") + 4) + 4)
    data[third + 8 : third + 40] = b"\0" * 32
    broken, eight = tmp_path / "broken.avi", tmp_path / "eight.avi"
    broken.write_bytes(data)
    write_video(eight, 6)
    cut = tmp_path / "cut.npz"
    np.savez_compressed(cut, depth=np.random.default_rng(0).random((6, 12, 16)))
    cut.write_bytes(cut.read_bytes().replace(b"depth.npy", b"DEPTH.npy", 1))
    for bad in (broken, eight, cut):
        with pytest.raises(MediaError) as refused:
            maps(sandbox, bad)
        assert refused.value.code == "depth_unreadable", bad
    first = tmp_path / "first.avi"
    data[data.find(b"IDAT") + 8 : data.find(b"IDAT") + 40] = b"\0" * 32
    first.write_bytes(data)
    with pytest.raises(MediaError) as refused:
        sandbox.probe(first)
    assert refused.value.code == "video_broken"
    # what came before the broken one is there
    assert np.array_equal(maps(sandbox, broken, 0, 2), FRAMES[:2])


def test_a_stack_that_is_cut_or_is_no_stack_is_refused_on_arrival(sandbox: Sandbox, tmp_path: Path) -> None:
    cut, several = tmp_path / "cut.npy", tmp_path / "several.npz"
    cut.write_bytes(npy(FRAMES)[:-40])
    np.savez(several, a=FRAMES, b=FRAMES)
    for path in (cut, several):
        with pytest.raises(MediaError) as refused:
            sandbox.probe(path)
        assert refused.value.code == "depth_unreadable"
    turned = tmp_path / "turned.npy"
    turned.write_bytes(npy(np.asfortranarray(FRAMES)))
    with pytest.raises(MediaError, match="Fortran"):
        maps(sandbox, turned)


def test_depth_is_read_beside_the_video_it_belongs_to(sandbox: Sandbox, tmp_path: Path) -> None:
    video, depth = write_video(tmp_path / "v.mp4", 6), write_numbered(tmp_path, "z", ".png", FRAMES)
    aside = sandbox.second.depths(depth)
    pairs = list(zip(sandbox.frames(video).frames, aside, strict=True))
    assert [frame.index for frame, _ in pairs] == list(range(6))
    assert all(np.array_equal(item.values, FRAMES[frame.index]) for frame, item in pairs)


def test_grey_16_bit_video_is_read_exactly(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "z.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 12, "gray16le"
        for image in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray16le")))
        container.mux(stream.encode())
    assert np.array_equal(maps(sandbox, path), FRAMES)
    assert np.array_equal(maps(sandbox, path, 4, 1), FRAMES[4:5])
    assert maps(sandbox, path, 6) == []


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.bool_])
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3), (4, 6, 8)])
def test_8_bit_arrays_are_refused_as_depth(
    sandbox: Sandbox, tmp_path: Path, kind: Any, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "z.npy"
    path.write_bytes(npy(np.ones(shape, kind)))
    with pytest.raises(MediaError, match="8 bits are too few") as refused:
        sandbox.probe(path)
    assert refused.value.code == "depth_unreadable"
