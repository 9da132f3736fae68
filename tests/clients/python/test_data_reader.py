"""`maquette.data`: windows and pairs against the record itself, in order and out of it."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from maquette.data import DataError, Pairs, ShardedIterable, Windows
from maquette.data.clips import SCHEMA_VERSION as READ_VERSION
from maquette.data.masks import paint
from maquette.data.tables import PackedStrings
from maquette.rle import encode

from tests.support.export_datasets import NAMES, all_close, load_export_dataset, make_actions
from workers.datasets.exporters.neural_assets.exporter import NeuralAssets
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import SCHEMA_VERSION

pytestmark = pytest.mark.slow

SIZE = (120, 160)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


def windows(data: Dataset, **options: Any) -> Windows:
    return Windows(data.folder, as_tensors=False, **{"size": SIZE, **options})


def rooms(data: Dataset) -> set[str]:
    return {clip.id for clip in data.clips() if clip.source.name == "room"}


def whole(data: Dataset, **options: Any) -> Windows:
    """The windows of the rooms of the split val: frames as they are."""
    return Windows(data.folder, split="val", as_tensors=False, **options)


def test_every_window_is_within_one_clip(data: Dataset) -> None:
    samples = windows(data, length=4, stride=2, step=3)
    begins: dict[str, list[int]] = {}
    for index in range(len(samples)):
        sample = samples[index]
        begins.setdefault(sample["clip"], []).append(sample["frame"])
    # 12 frames, windows that span 7: they begin at 0 to 5
    assert begins == {clip.id: [0, 3] for clip in data.clips()}


def test_a_window_is_what_the_record_says(data: Dataset) -> None:
    samples = whole(
        data, length=3, stride=2, fields=("pixels", "masks", "boxes", "boxes_3d", "cameras", "depth")
    )
    for index in (len(samples) - 1, 0, len(samples) // 2):
        sample = samples[index]
        clip = data.clip(sample["clip"])
        frames = [sample["frame"] + 2 * k for k in range(3)]
        for time, frame in enumerate(frames):
            assert np.array_equal(sample["pixels"][time].transpose(1, 2, 0), clip.image(frame))
            assert all_close(sample["intrinsics"][time], clip.intrinsics(frame))
            assert all_close(sample["world_from_cam"][time], clip.world_from_cam(frame))  # type: ignore[arg-type]
            assert np.array_equal(sample["depth"][time], clip.depth(frame), equal_nan=True)  # type: ignore[arg-type]
            rows = {row.track: row for row in clip.frame_observations(frame)}
            for slot, track in enumerate(sample["tracks"].tolist()):
                row = rows.get(track)
                assert sample["seen"][time, slot] == (row is not None)
                if row is None:
                    assert not sample["masks"][time, slot].any() and not sample["boxes"][time, slot].any()
                    assert np.isnan(sample["boxes_3d"][time, slot]).all()
                    continue
                assert np.array_equal(sample["masks"][time, slot], clip.mask(row))
                assert all_close(sample["boxes"][time, slot], [row.x0, row.y0, row.x1, row.y1])
                stated = [*(row.center_cam or ()), *(row.rotation_cam or ()), *(row.size or ())]
                assert all_close(sample["boxes_3d"][time, slot], stated, 1e-5)


def test_slots_are_the_tracks_of_the_first_frame_and_stay(data: Dataset) -> None:
    samples = windows(data, length=4, slots=6)
    slots: dict[str, dict[int, int]] = {}
    orders = set()
    for index in range(len(samples)):
        sample = samples[index]
        clip = data.clip(sample["clip"])
        tracks = [track for track in sample["tracks"].tolist() if track]
        assert sorted(tracks) == [row.track for row in clip.frame_observations(sample["frame"])]
        assert sample["seen"][0].sum() == len(tracks)
        orders.add(tracks == sorted(tracks))
        # the order of two tracks is the same in every window of a clip
        for before, after in pairwise(tracks):
            assert slots.setdefault(sample["clip"], {}).get(after) != before
            slots[sample["clip"]][before] = after
    assert orders == {True, False}


def test_too_few_slots_keep_the_largest(data: Dataset) -> None:
    for index, sample in enumerate(windows(data, length=2, slots=1)):
        clip = data.clip(sample["clip"])
        frame = sample["frame"]
        areas = {
            row.track: sum(
                (r.x1 - r.x0) * (r.y1 - r.y0)
                for number in (frame, frame + 1)
                for r in clip.frame_observations(number)
                if r.track == row.track
            )
            for row in clip.frame_observations(frame)
        }
        if areas:
            assert areas[int(sample["tracks"][0])] == max(areas.values())
        if index == 20:
            break


def test_resizing_scales_all_parts_together(data: Dataset) -> None:
    samples = Windows(data.folder, split="val", length=2, size=(64, 128), as_tensors=False)
    plain = whole(data, length=2)
    for index in (0, len(samples) - 1):
        small, large = samples[index], plain[index]
        assert small["pixels"].shape == (2, 3, 64, 128)
        assert all_close(small["boxes"], large["boxes"] * [0.5, 0.25, 0.5, 0.25])
        assert all_close(small["intrinsics"][:, 0], large["intrinsics"][:, 0] * 0.5)
        assert all_close(small["intrinsics"][:, 1], large["intrinsics"][:, 1] * 0.25)
        # a pixel of the small mask is the large one's under its centre
        assert np.array_equal(small["masks"], large["masks"][:, :, 2::4, 1::2])
        means = large["pixels"].reshape(2, 3, 64, 4, 128, 2).mean(axis=(3, 5))
        assert np.abs(small["pixels"] - means).mean() < 1


def test_actions_come_by_name_and_are_unknown_elsewhere(data: Dataset) -> None:
    samples = windows(data, length=3, actions=(NAMES[1], NAMES[0], "nobody"))
    names = set()
    for index in range(len(samples)):
        sample = samples[index]
        clip: SceneClip = data.clip(sample["clip"])
        names.add(clip.source.name)
        for time in range(3):
            frame = sample["frame"] + time
            values = sample["actions"][time]
            assert np.isnan(values[2])
            if clip.source.name == "game" and frame < len(clip) - 1:
                dx, key, _ = make_actions(24)[clip.frames[frame].source_frame]
                assert all_close(values[:2], [key, dx])
            else:
                assert np.isnan(values).all()
    assert "game" in names


def test_order_and_cache_change_nothing(data: Dataset) -> None:
    kept, fresh = (
        windows(data, cached_clips=1, cached_pictures=1),
        windows(data, cached_clips=0, cached_pictures=0),
    )
    rng = np.random.default_rng(0)
    for index in rng.integers(0, len(kept), 30).tolist():
        one, other = kept[index], fresh[index]
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key], equal_nan=key in _FLOATS) for key in one)
    assert np.array_equal(kept[-1]["pixels"], kept[len(kept) - 1]["pixels"])
    with pytest.raises(IndexError):
        kept[len(kept)]


_FLOATS = {"boxes", "boxes_3d", "intrinsics", "world_from_cam"}


def test_both_parquet_readers_give_the_same(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from maquette.data import tables

    first = windows(data)[5]
    tables._load_reader.cache_clear()
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    second = windows(data)[5]
    tables._load_reader.cache_clear()
    assert all(np.array_equal(first[key], second[key], equal_nan=key in _FLOATS) for key in first)


@pytest.fixture(scope="module")
def assets(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs")
    NeuralAssets().write(data, out, pairs=4)
    return out


def test_pairs_have_the_arrays_of_the_paper(data: Dataset, assets: Path) -> None:
    actual = Pairs(assets, as_tensors=False)
    assert len(actual) == sum(
        entry["edit"] is None for entry in json.loads((assets / "index.json").read_text())["pairs"]
    )
    for index, entry in enumerate(actual.entries):
        sample = actual[index]
        clip = data.clip(entry["clip"])
        for name, frame in (("src_image", entry["source"]), ("tgt_image", entry["target"])):
            assert sample[name].dtype == np.float32
            assert all_close(sample[name] * 255, clip.image(frame), 1e-4)
        inside = np.zeros((256, 256), bool)
        for entry_object in entry["objects"]:
            row = next(
                r for r in clip.frame_observations(entry["source"]) if r.track == entry_object["track"]
            )
            inside[int(row.y0) : int(row.y1), int(row.x0) : int(row.x1)] = True
        background = sample["src_bg_image"]
        assert (background[inside] == 0.5).all()
        assert np.array_equal(background[~inside], sample["src_image"][~inside])
        assert sample["src_bboxes_padding"].sum() == len(entry["objects"]) + 1


def test_edits_are_asked_for(data: Dataset, assets: Path) -> None:
    edits = Pairs(assets, edits="only", as_tensors=False)
    assert all("tgt_image" not in edits[index] for index in range(len(edits)))
    for index, entry in enumerate(edits.entries):
        clip = data.clip(entry["clip"])
        hidden = edits[index]["src_bg_image"]
        # whatever the edit does, no object shows in the background
        for row in clip.frame_observations(entry["source"]):
            if row.track in {entry_object["track"] for entry_object in entry["objects"]}:
                assert (hidden[int(row.y0) : int(row.y1), int(row.x0) : int(row.x1)] == 0.5).all()
    assert len(Pairs(assets, edits="with")) == len(edits) + len(Pairs(assets))
    with pytest.raises(DataError, match="dataset_empty"):
        Pairs(assets, split="test")


def test_a_stream_has_every_window_once_among_ranks(data: Dataset) -> None:
    samples = windows(data, fields=("boxes",))
    seen: list[tuple[str, int]] = []
    for rank in range(3):
        stream = ShardedIterable(samples, shuffle=True, seed=5, rank=rank, ranks=3)
        mine = [(sample["clip"], sample["frame"]) for sample in stream]
        assert len(mine) == len(stream)
        seen += mine
    plain = [(samples[index]["clip"], samples[index]["frame"]) for index in range(len(samples))]
    assert sorted(seen) == sorted(plain) and seen != plain


def test_epochs_differ_and_can_be_repeated(data: Dataset) -> None:
    stream = ShardedIterable(windows(data, fields=()), shuffle=True)
    orders = [[(sample["clip"], sample["frame"]) for sample in stream] for _ in range(2)]
    assert orders[0] != orders[1]
    stream.set_epoch(0)
    assert [(sample["clip"], sample["frame"]) for sample in stream] == orders[0]


@settings(max_examples=60)
@given(arrays(np.bool_, st.tuples(st.integers(1, 60), st.integers(1, 60))))
def test_masks_are_painted_as_they_were(mask: Any) -> None:
    out = np.zeros_like(mask)
    paint([out, (again := np.zeros_like(mask))], PackedStrings.pack(["0", encode(mask).counts]), [1, 1])
    assert np.array_equal(out, mask) and np.array_equal(again, mask)


@pytest.mark.parametrize("counts", ["", "0", "a" * 5, "P", "~~", "044"])
def test_broken_masks_are_refused(counts: str) -> None:
    with pytest.raises(DataError) as caught:
        paint(np.zeros((2, 4, 4), np.bool_), PackedStrings.pack(["`0", counts]), [0, 1])
    assert caught.value.code == "dataset_broken"


def test_broken_datasets_say_what_is_wrong(data: Dataset, tmp_path: Path) -> None:
    def code(folder: Path, **options: Any) -> str:
        with pytest.raises(DataError) as caught:
            list(Windows(folder, **options))
        return str(caught.value.code)

    assert code(tmp_path) == "dataset_missing"
    assert code(data.folder) == "sizes_differ"
    assert code(data.folder, length=100) == "dataset_empty"
    copy = tmp_path / "copy"
    shutil.copytree(data.folder, copy)
    manifest = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**manifest, "schema_version": 1}))
    assert code(copy) == "dataset_incompatible"
    (copy / "dataset.json").write_text(json.dumps(manifest))
    frames = next(copy.glob("frames-*.parquet"))
    frames.write_bytes(b"PAR1")
    assert code(copy, size=SIZE) == "dataset_broken"
    frames.unlink()
    assert code(copy, size=SIZE) == "dataset_missing"
    with pytest.raises(ValueError, match="no field smell"):
        Windows(data.folder, fields=("smell",))


def test_it_reads_the_version_that_is_written() -> None:
    assert READ_VERSION == SCHEMA_VERSION


def test_the_old_spelling_of_an_iterable_warns() -> None:
    import maquette.data

    with pytest.warns(DeprecationWarning, match="ShardedIterable"):
        assert maquette.data.Stream is ShardedIterable


def test_importing_it_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfor name in ('torch', 'pyarrow', 'arro3', 'numpy', 'PIL'): sys.modules[name] = None\n"
        "import maquette.data as d\nprint(d.DataError.__name__)\n"
        "try: d.Windows\nexcept d.DataError as error: print(error.code, 'maquette[data]' in str(error))"
    )
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert completed.stdout.split() == ["DataError", "extra_missing", "True"]


def test_samples_are_tensors_where_torch_is(data: Dataset, assets: Path) -> None:
    torch = pytest.importorskip("torch")
    samples = Windows(data.folder, size=SIZE)
    plain = windows(data)
    sample, same = samples[3], plain[3]
    for key in ("pixels", "masks", "boxes_3d", "tracks"):
        assert isinstance(sample[key], torch.Tensor)
        assert np.array_equal(sample[key].numpy(), same[key], equal_nan=key in _FLOATS)
    pairs = Pairs(assets)
    loader = torch.utils.data.DataLoader(pairs, batch_size=2)
    assert next(iter(loader))["tgt_bboxes_3d"].shape == (2, 11, 12)
    stream = torch.utils.data.DataLoader(ShardedIterable(samples, shuffle=True), batch_size=3, num_workers=2)
    seen = [(c, int(f)) for batch in stream for c, f in zip(batch["clip"], batch["frame"], strict=True)]
    assert len(seen) == len(set(seen)) == len(samples)
    assert next(iter(stream))["masks"].shape == (3, 4, 8, *SIZE)
