"""Readers side by side on the same clips: maquette.data, WebDataset, raw HDF5 and, where installed, Lance.

    python -m bench run datasets.readers [--clips 24] [--reads 100] [--rounds 5]

All give 4 frames of 256 x 256. Random windows: maquette.data reads the dataset folder as it is, HDF5
the rows of `stable-worldmodel`. WebDataset has no random access: it reads whole clips in order, and
frames per second are compared. JPEG decoding is measured alone, to be subtracted. The readers take turns in
one process on one machine, files in the page cache. Time is that of the CPU, all threads together; a random
read counts by its fastest round, because other programs cost CPU time too.

`first_touch`: nothing of the clip is in memory; `known`: its boxes and cameras are, its images are not;
`cached`: all of it.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import webdataset
from maquette.data import Pairs, ShardedIterable, Windows
from PIL import Image

from bench.report import Report
from tests.support.synthetic_datasets import SETTINGS, make_dataset, movi_source, rendered_clip
from workers.datasets.exporters import load_exporter
from workers.datasets.reader import Dataset

LENGTH = 4
Read = Callable[[int], object]


def build(folder: Path, clips: int) -> Dataset:
    """Rendered clips of 48 frames."""
    sources = [movi_source(rendered_clip(number, 48), name=str(number)) for number in range(clips)]
    shares = {"train": 1.0, "val": 0.0, "test": 0.0}
    return make_dataset(folder, sources, replace(SETTINGS, clip_seconds=4.0, shares=shares))


def cpu_milliseconds(read: Read, places: list[int]) -> list[float]:
    """CPU milliseconds of each read."""
    spent = []
    for place in places:
        start = time.process_time()
        read(place)
        spent.append((time.process_time() - start) * 1e3)
    return spent


def open_hdf5(path: Path) -> tuple[Read, int]:
    """Four rows of the HDF5 of stable-worldmodel, within an episode."""
    file = h5py.File(path, "r", swmr=True, rdcc_nbytes=256 << 20)
    lengths, offsets = file["ep_len"][:], file["ep_offset"][:]
    starts = [
        int(offset) + first
        for length, offset in zip(lengths, offsets, strict=True)
        for first in range(int(length) - LENGTH + 1)
    ]
    return lambda place: file["pixels"][starts[place] : starts[place] + LENGTH], len(starts)


def open_lance(path: Path) -> Read:
    """Four rows of a Lance table, decoded."""
    import lance

    table = lance.dataset(str(path))

    def read(place: int) -> object:
        rows = table.take([place + number for number in range(LENGTH)], columns=["pixels"])
        return [np.asarray(Image.open(io.BytesIO(row))) for row in rows["pixels"].to_pylist()]

    return read


def read_in_order(folder: Path, frames: int) -> dict[str, float]:
    """Frames per CPU second of one pass over everything, as windows u8 (4, 3, H, W)."""
    rates: dict[str, float] = {}
    shards = sorted(str(path) for path in (folder / "webdataset").glob("*.tar"))
    start, read = time.process_time(), 0
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        names = sorted(key for key in sample if key.endswith(".jpg"))
        for first in range(0, len(names), LENGTH):
            read += len(stack_images([sample[name] for name in names[first : first + LENGTH]]))
    rates["webdataset"] = read / (time.process_time() - start)
    assert read == frames
    start = time.process_time()
    windows = Windows(folder / "dataset", length=LENGTH, step=LENGTH, fields=("pixels",), as_tensors=False)
    read = sum(len(sample["pixels"]) for sample in ShardedIterable(windows))
    rates["maquette"] = read / (time.process_time() - start)
    start = time.process_time()
    with h5py.File(folder / "hdf5" / "train.h5", "r") as file:
        for first in range(0, frames, LENGTH):
            np.ascontiguousarray(file["pixels"][first : first + LENGTH].transpose(0, 3, 1, 2))
    rates["hdf5"] = frames / (time.process_time() - start)
    return rates


def stack_images(jpegs: list[bytes]) -> np.ndarray:
    """JPEG images as u8 (T, 3, H, W)."""
    images = [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs]
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


class Readers:
    """Random readers by name, each with the number of places that it can read."""

    def __init__(self, data: Dataset, folder: Path) -> None:
        raw, count = open_hdf5(folder / "hdf5" / "train.h5")
        clips, images = len(data), [row.jpeg for clip in data.clips() for row in clip.frames[:LENGTH]]
        pairs = Pairs(folder / "pairs", as_tensors=False)
        self.calls: dict[str, tuple[Read, int]] = {
            "jpeg_decode_4_frames": (lambda place: decode_images(images, place), count),
            "maquette_pixels_known": (_windows(folder, clips, 0, "pixels"), count),
            "maquette_all_first_touch": (_windows(folder, 0, 0), count),
            "maquette_all_known": (_windows(folder, clips, 0), count),
            "maquette_all_cached": (_windows(folder, clips, clips), count),
            "maquette_pair": (pairs.__getitem__, len(pairs)),
            "hdf5_raw_pixels": (raw, count),
        }
        if find_spec("lance") is not None:
            load_exporter("stable-worldmodel-lance").write(data, folder / "lance", side=256)
            self.calls["lance_pixels"] = (open_lance(folder / "lance" / "train.lance"), count)


def _windows(folder: Path, clips: int, images: int, *fields: str) -> Read:
    chosen = {"fields": fields} if fields else {}
    caches = {"cached_clips": clips, "cached_pictures": images}
    return Windows(folder / "dataset", length=LENGTH, as_tensors=False, **chosen, **caches).__getitem__


def decode_images(jpegs: list[bytes], place: int) -> list[np.ndarray]:
    """As many images as a window has, from a place on."""
    chosen = (jpegs[(place + k) % len(jpegs)] for k in range(LENGTH))
    return [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in chosen]


def measure(
    readers: Readers, folder: Path, frames: int, reads: int, rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean CPU milliseconds of the fastest random reads, and median frames per CPU second of one pass."""
    rng = np.random.default_rng(0)
    places = {name: rng.integers(0, size, reads).tolist() for name, (_, size) in readers.calls.items()}
    times: dict[str, list[list[float]]] = {name: [] for name in readers.calls}
    rates: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, (read, _) in readers.calls.items():
            spent = cpu_milliseconds(read, places[name])
            # the first round warms up
            if number:
                times[name].append(spent)
        for name, rate in read_in_order(folder, frames).items():
            if number:
                rates.setdefault(name, []).append(rate)
    random = {name: round(float(np.min(each, axis=0).mean()), 3) for name, each in times.items()}
    return random, {name: round(float(np.median(each)), 1) for name, each in rates.items()}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--reads", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)


def run(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = build(folder, options.clips)
        load_exporter("webdataset").write(data, folder / "webdataset")
        load_exporter("stable-worldmodel").write(data, folder / "hdf5", side=256)
        load_exporter("neural-assets").write(data, folder / "pairs", pairs=4)
        frames = sum(len(clip) for clip in data.clips())
        random, passes = measure(Readers(data, folder), folder, frames, options.reads, options.rounds)
        decode = random["jpeg_decode_4_frames"]
        report.add(
            {
                "frames": frames,
                "random_window_ms": random,
                "besides_jpeg_decode_ms": {
                    name: round(value - decode, 3) for name, value in random.items() if "maquette_all" in name
                },
                "pixels_known_over_hdf5_raw": round(
                    random["maquette_pixels_known"] / random["hdf5_raw_pixels"], 3
                ),
                "one_pass_frames_per_cpu_second": passes,
                "maquette_over_webdataset": round(passes["maquette"] / passes["webdataset"], 3),
                "bytes": {
                    part: sum(path.stat().st_size for path in (folder / part).rglob("*") if path.is_file())
                    for part in ("dataset", "webdataset", "hdf5")
                },
            }
        )
