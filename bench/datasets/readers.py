"""Readers side by side on the same clips: maquette.data, WebDataset, raw HDF5 and, where installed, Lance.

    python -m bench run datasets.readers [--clips 24] [--reads 100] [--rounds 5]

All give 4 frames of 256 x 256. Random windows: maquette.data reads the dataset folder as it is, HDF5
the rows of `stable-worldmodel`. WebDataset has no random access: it is asked for whole clips in order, and
frames a second are compared. Decoding of JPEG is measured alone, to be taken off. The readers take turns in
one process on one machine, files in the page cache. Time is that of the CPU, all threads together; a random
read counts by its fastest round, for what else the machine does costs CPU time too.

`first_touch`: nothing of the clip is in memory; `known`: its boxes and cameras are, its pictures are not;
`cached`: all of it.
"""

import argparse
import io
import json
import sys
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

from tests.support.synthetic_datasets import SETTINGS, make_dataset, movi_source, rendered_clip
from workers.datasets.exporters import load_exporter
from workers.datasets.reader import Dataset

LENGTH = 4
Read = Callable[[int], object]


def made(folder: Path, clips: int) -> Dataset:
    """Drawn clips of 48 frames."""
    sources = [movi_source(rendered_clip(number, 48), name=str(number)) for number in range(clips)]
    shares = {"train": 1.0, "val": 0.0, "test": 0.0}
    return make_dataset(folder, sources, replace(SETTINGS, clip_seconds=4.0, shares=shares))


def milliseconds(read: Read, places: list[int]) -> list[float]:
    """CPU time of each read."""
    spent = []
    for place in places:
        begun = time.process_time()
        read(place)
        spent.append((time.process_time() - begun) * 1e3)
    return spent


def raw_windows(path: Path) -> tuple[Read, int]:
    """Four rows of the HDF5 of stable-worldmodel, within an episode."""
    file = h5py.File(path, "r", swmr=True, rdcc_nbytes=256 << 20)
    lengths, offsets = file["ep_len"][:], file["ep_offset"][:]
    starts = [
        int(offset) + first
        for length, offset in zip(lengths, offsets, strict=True)
        for first in range(int(length) - LENGTH + 1)
    ]
    return lambda place: file["pixels"][starts[place] : starts[place] + LENGTH], len(starts)


def lance_windows(path: Path) -> Read:
    """Four rows of a Lance table, decoded."""
    import lance

    table = lance.dataset(str(path))

    def read(place: int) -> object:
        rows = table.take([place + number for number in range(LENGTH)], columns=["pixels"])
        return [np.asarray(Image.open(io.BytesIO(row))) for row in rows["pixels"].to_pylist()]

    return read


def in_order(folder: Path, frames: int) -> dict[str, float]:
    """Frames a CPU second of one pass over everything, as windows u8 (4, 3, H, W)."""
    rates: dict[str, float] = {}
    shards = sorted(str(path) for path in (folder / "webdataset").glob("*.tar"))
    begun, seen = time.process_time(), 0
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        names = sorted(key for key in sample if key.endswith(".jpg"))
        for first in range(0, len(names), LENGTH):
            seen += len(stacked([sample[name] for name in names[first : first + LENGTH]]))
    rates["webdataset"] = seen / (time.process_time() - begun)
    assert seen == frames
    begun = time.process_time()
    windows = Windows(folder / "dataset", length=LENGTH, step=LENGTH, fields=("pixels",), as_tensors=False)
    seen = sum(len(sample["pixels"]) for sample in ShardedIterable(windows))
    rates["maquette"] = seen / (time.process_time() - begun)
    begun = time.process_time()
    with h5py.File(folder / "hdf5" / "train.h5", "r") as file:
        for first in range(0, frames, LENGTH):
            np.ascontiguousarray(file["pixels"][first : first + LENGTH].transpose(0, 3, 1, 2))
    rates["hdf5"] = frames / (time.process_time() - begun)
    return rates


def stacked(jpegs: list[bytes]) -> np.ndarray:
    """Pictures as u8 (T, 3, H, W)."""
    pictures = [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs]
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--reads", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = made(folder, options.clips)
        load_exporter("webdataset").write(data, folder / "webdataset")
        load_exporter("stable-worldmodel").write(data, folder / "hdf5", side=256)
        load_exporter("neural-assets").write(data, folder / "pairs", pairs=4)
        raw, count = raw_windows(folder / "hdf5" / "train.h5")
        pictures = [row.jpeg for clip in data.clips() for row in clip.frames[:LENGTH]]

        def windows(*fields: str, clips: int, pictures: int) -> Windows:
            chosen = {"fields": fields} if fields else {}
            kept = {"cached_clips": clips, "cached_pictures": pictures}
            return Windows(folder / "dataset", length=LENGTH, as_tensors=False, **chosen, **kept)

        many = options.clips
        whole = windows(clips=0, pictures=0)
        pairs = Pairs(folder / "pairs", as_tensors=False)
        assert len(whole) == count
        readers: dict[str, tuple[Read, int]] = {
            "jpeg_decode_4_frames": (
                lambda place: [
                    np.asarray(Image.open(io.BytesIO(pictures[(place + k) % len(pictures)])).convert("RGB"))
                    for k in range(LENGTH)
                ],
                count,
            ),
            "maquette_pixels_known": (windows("pixels", clips=many, pictures=0).__getitem__, count),
            "maquette_all_first_touch": (whole.__getitem__, count),
            "maquette_all_known": (windows(clips=many, pictures=0).__getitem__, count),
            "maquette_all_cached": (windows(clips=many, pictures=many).__getitem__, count),
            "maquette_pair": (pairs.__getitem__, len(pairs)),
            "hdf5_raw_pixels": (raw, count),
        }
        if find_spec("lance") is not None:
            load_exporter("stable-worldmodel-lance").write(data, folder / "lance", side=256)
            readers["lance_pixels"] = (lance_windows(folder / "lance" / "train.lance"), count)
        took: dict[str, list[list[float]]] = {name: [] for name in readers}
        rng = np.random.default_rng(0)
        places = {name: rng.integers(0, size, options.reads).tolist() for name, (_, size) in readers.items()}
        rates: dict[str, list[float]] = {}
        for number in range(options.rounds + 1):
            for name, (read, _) in readers.items():
                spent = milliseconds(read, places[name])
                # the first round warms up
                if number:
                    took[name].append(spent)
            for name, rate in in_order(folder, sum(len(clip) for clip in data.clips())).items():
                if number:
                    rates.setdefault(name, []).append(rate)
        spent_on = {name: round(float(np.min(spent, axis=0).mean()), 3) for name, spent in took.items()}
        decode = spent_on["jpeg_decode_4_frames"]
        passes = {name: round(float(np.median(rate)), 1) for name, rate in rates.items()}
        told = {
            "clips": len(data),
            "frames": sum(len(clip) for clip in data.clips()),
            "random_window_ms": spent_on,
            "besides_jpeg_decode_ms": {
                name: round(value - decode, 3) for name, value in spent_on.items() if "maquette_all" in name
            },
            "pixels_known_over_hdf5_raw": round(
                spent_on["maquette_pixels_known"] / spent_on["hdf5_raw_pixels"], 3
            ),
            "one_pass_frames_per_cpu_second": passes,
            "maquette_over_webdataset": round(passes["maquette"] / passes["webdataset"], 3),
            "bytes": {
                part: sum(path.stat().st_size for path in (folder / part).rglob("*") if path.is_file())
                for part in ("dataset", "webdataset", "hdf5")
            },
        }
    json.dump(told, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
