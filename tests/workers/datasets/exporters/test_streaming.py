"""Exports of many clips: in constant memory, by several threads, and resumed after they were stopped."""

import gc
import hashlib
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.export_datasets import load_export_dataset
from tests.support.media_files import decode_video
from workers.datasets.errors import DatasetError
from workers.datasets.exporters import EXPORTERS, load_exporter
from workers.datasets.exporters.export_writer import SCRATCH, ExportWriter
from workers.datasets.exporters.part_store import FOLDER, PartStore
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip

pytestmark = pytest.mark.slow

# Lance adds names and times of its own
SAME = sorted(EXPORTERS.keys() - {"stable-worldmodel-lance"})
OPTIONS: dict[str, dict[str, Any]] = {
    "lerobot": {"side": 64},
    "stable-worldmodel": {"side": 64},
    "stable-worldmodel-lance": {"side": 64},
    "neural-assets": {"side": 64, "pairs": 2},
    "cjepa": {"side": 64},
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Clips with boxes, depth and actions, and without."""
    return load_export_dataset()


def export(name: str, data: Dataset, out: Path, **options: Any) -> dict[str, str]:
    """Write a format; return the hash of each file by its path.

    Videos count by their frames: x264 gives other bytes for the same frames, once in a while.
    """
    load_exporter(name).write(data, out, **OPTIONS.get(name, {}), **options)
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(_read(path)).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def _read(path: Path) -> bytes:
    if path.suffix != ".mp4":
        return path.read_bytes()
    return str([(seconds, pixels.shape) for seconds, pixels in decode_video(path)]).encode()


class Stopped(Exception):
    """As if somebody had pressed Ctrl-C."""


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int | None) -> list[str]:
    """Let so many parts be built, or all; return the list of clips whose part was built."""
    built: list[str] = []
    original = ExportWriter._build_part

    def build_part(self: ExportWriter, build: Any, clip: SceneClip) -> Any:
        def counting(clip: SceneClip) -> Any:
            if count is not None and len(built) >= count:
                raise Stopped
            built.append(clip.id)
            return build(clip)

        return original(self, counting, clip)

    monkeypatch.setattr(ExportWriter, "_build_part", build_part)
    return built


@dataclass(frozen=True)
class Whole:
    """An export without a stop: its files, the clips whose part was built, and how clips were read.

    `held` is the largest number of clips whose frames were read and that somebody still held.
    """

    name: str
    files: dict[str, str]
    built: list[str]
    opened: int
    held: int


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest, data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """One export of a format, which several tests compare with."""
    name: str = request.param
    if name == "stable-worldmodel-lance":
        pytest.importorskip("lance")
    opened: list[weakref.ref[SceneClip]] = []
    most = [0]
    original = Dataset.open_clip

    def open_clip(self: Dataset, row: Any) -> SceneClip:
        clip = original(self, row)
        held = [found for item in opened if (found := item()) is not None and "frames" in vars(found)]
        most[0] = max(most[0], len(held))
        opened.append(weakref.ref(clip))
        return clip

    gc.collect()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Dataset, "open_clip", open_clip)
        built = stop_after(patched, None)
        files = export(name, data, tmp_path_factory.mktemp("whole"))
    return Whole(name, files, built, len(opened), most[0])


@pytest.mark.parametrize("whole", sorted(EXPORTERS), indirect=True)
def test_the_images_of_few_clips_are_in_memory(data: Dataset, whole: Whole) -> None:
    assert whole.opened >= len(data)
    assert whole.held <= 2


@pytest.mark.parametrize("whole", SAME, indirect=True)
def test_an_export_that_was_killed_goes_on_to_the_same_bytes(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    name, out, workers = whole.name, tmp_path / "out", 1 if whole.name == "webdataset" else 2
    with monkeypatch.context() as patched:
        first = stop_after(patched, 1)
        with pytest.raises(Stopped):
            export(name, data, out, resume=True, workers=workers)
    assert PartStore.is_unfinished(out) and not (out / "maquette.json").exists()
    # what nothing removes when a process is killed
    (out / FOLDER / SCRATCH).mkdir(exist_ok=True)
    for left in (out / FOLDER / SCRATCH / "slots.npy", out / FOLDER / "half.tmp"):
        left.write_bytes(b"half a file")
    with monkeypatch.context() as patched:
        second = stop_after(patched, None)
        assert export(name, data, out, resume=True, workers=workers) == whole.files
    assert len(first) == 1 and sorted(first + second) == sorted(whole.built)
    assert not (out / FOLDER).exists()


def test_parts_of_another_export_are_refused(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        stop_after(patched, 1)
        with pytest.raises(Stopped):
            export("webdataset", data, tmp_path, resume=True)
    for name, options in (("vpt", {}), ("webdataset", {"largest": 1})):
        with pytest.raises(DatasetError) as error:
            export(name, data, tmp_path, resume=True, **options)
        assert error.value.code == "dataset_conflict"
