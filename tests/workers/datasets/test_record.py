"""The canonical record: schema, Parquet, manifest, signature, reader, publishing."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from maquette.data import Windows

from tests.support.paths import REPOSITORY
from tests.support.synthetic_datasets import balls_source, make_dataset
from workers.datasets import manifest, parquet
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry
from workers.datasets.publishing.folders import publish_folder
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES, CameraRow, ScoreRow, list_columns
from workers.datasets.schema_doc import render_page
from workers.datasets.verification import verify


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("dataset"))


def test_the_page_about_the_schema_is_current() -> None:
    assert (REPOSITORY / "docs/reference/schema.md").read_text() == render_page(), (
        "run: python -m workers.datasets.schema_doc docs/reference/schema.md"
    )


def test_rows_come_back_exactly_and_unknown_stays_null() -> None:
    rows = [
        CameraRow(
            clip="c",
            frame=0,
            fx=1.5,
            fy=2.5,
            cx=3.0,
            cy=4.0,
            world_from_cam=tuple(np.eye(4).ravel().tolist()),
            source="given",
            intrinsics_source="given",
            confidence=None,
        ),
        CameraRow(
            clip="c",
            frame=1,
            fx=0.1 + 0.2,
            fy=2.5,
            cx=3.0,
            cy=4.0,
            world_from_cam=None,
            source="unknown",
            intrinsics_source="assumed",
            confidence=0.25,
        ),
    ]
    assert parquet.read(CameraRow, parquet.write(CameraRow, rows)) == rows
    assert parquet.read(CameraRow, parquet.write(CameraRow, [])) == []


def test_equal_rows_are_equal_bytes() -> None:
    rows = [
        ScoreRow(clip="c", track=index, stage="s", name="n", value=index / 3, unit="u") for index in range(50)
    ]
    assert len({parquet.write(ScoreRow, rows) for _ in range(20)}) == 1


@pytest.mark.slow
def test_a_shard_is_one_row_group_and_pyarrow_reads_it(dataset: Dataset) -> None:
    for name, table in TABLES.items():
        for file in dataset.manifest.tables[name]:
            stored = pq.ParquetFile(dataset.folder / file.name)
            if table.per_clip:
                assert stored.metadata.num_row_groups == 1
            read = stored.read()
            assert read.num_rows == file.rows
            assert read.column_names == [column.name for column in list_columns(table.row)]
            for column in list_columns(table.row):
                if not column.nullable:
                    assert read[column.name].null_count == 0


def test_a_missing_column_is_reported(tmp_path: Path) -> None:
    wrong = parquet.write(ScoreRow, [ScoreRow(clip="c", track=1, stage="s", name="n", value=1.0, unit="u")])
    with pytest.raises(DatasetError) as caught:
        parquet.read(CameraRow, wrong)
    assert caught.value.code == "dataset_broken" and "frame" in caught.value.detail
    with pytest.raises(DatasetError):
        parquet.read(CameraRow, b"PAR1 nonsense")


def test_the_version_is_the_hash_of_the_manifest_and_sees_every_change(dataset: Dataset) -> None:
    data = (dataset.folder / manifest.MANIFEST).read_bytes()
    actual = manifest.decode(data)
    assert actual.encode() == data and actual.version == dataset.version
    other = replace(actual, parameters={**actual.parameters, "size": 128})
    assert other.version != actual.version


def test_only_the_key_that_signed_verifies() -> None:
    data = DatasetManifest(
        {"clips": (FileEntry(name="clips.parquet", sha256="0" * 64, bytes=1, rows=0),)}
    ).encode()
    signature = manifest.sign(data, "right")
    manifest.check_signature(data, signature, "right")
    assert b"right" not in signature
    for changed, key in ((data, "wrong"), (data + b" ", "right")):
        with pytest.raises(DatasetError) as caught:
            manifest.check_signature(changed, signature, key)
        assert caught.value.code == "dataset_unsigned"
    document = json.loads(signature) | {"algorithm": "none"}
    with pytest.raises(DatasetError):
        manifest.check_signature(data, json.dumps(document).encode(), "right")


def test_a_folder_that_is_no_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        Dataset(tmp_path)
    assert caught.value.code == "dataset_missing"
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError) as caught:
        Dataset(tmp_path)
    assert caught.value.code == "dataset_broken"
    newer = {"schema": "maquette.dataset", "schema_version": 99}
    (tmp_path / "dataset.json").write_text(json.dumps(newer))
    with pytest.raises(DatasetError) as caught:
        Dataset(tmp_path)
    assert caught.value.code == "dataset_incompatible"


def test_a_dataset_of_the_version_before_is_still_read(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "new", [balls_source(3)])
    content = json.loads((data.folder / manifest.MANIFEST).read_bytes())
    content["schema_version"] = 2
    for name, files in content["tables"].items():
        # columns that came later have a default
        added = [item.name for item in fields(TABLES[name].row) if item.default is not MISSING]
        for file in files:
            path = data.folder / file["name"]
            table = pq.ParquetFile(path).read()
            pq.write_table(table.drop_columns(added), path)
            stored = path.read_bytes()
            file |= {"bytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}
    (data.folder / manifest.MANIFEST).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    old = Dataset(data.folder)
    assert verify(old.folder) == [] and old.manifest.version == old.version
    assert [(clip.row.action_kinds, len(clip)) for clip in old.clips()] == [(None, 12)] * 2
    assert len(Windows(old.folder, length=4)) == 18


def test_clips_read_as_arrays(dataset: Dataset) -> None:
    clip = next(dataset.clips())
    assert len(clip.frames) == len(clip.cameras) == len(clip) == clip.row.frames
    assert clip.image(0).shape == (*clip.size, 3)
    observation = clip.frame_observations(3)[0]
    mask = clip.mask(observation)
    assert mask.shape == clip.size and mask.sum() == observation.area
    assert set(np.unique(clip.segmentation(3))) <= {0, *(track.track for track in clip.tracks)}
    depth = clip.depth(0)
    assert depth is not None and depth.dtype == np.float32
    corners = clip.corners(observation, world=True)
    assert corners is not None and corners.shape == (8, 3)
    assert {row.split for row in dataset.clip_rows} >= {clip.row.split}
    assert all(row.row.split == "train" for row in dataset.clips("train"))


def test_negatives_are_kept(dataset: Dataset) -> None:
    options = {row.phrase: row.found for row in dataset.rows("concepts", dataset.clip_rows[-1].clip)}
    assert options["ball"] > 0 and options["cone"] == 0


def test_the_first_to_publish_wins_and_readers_never_see_half(tmp_path: Path) -> None:
    first = DatasetManifest({}, parameters={"who": 1})
    second = DatasetManifest({}, parameters={"who": 2})
    target = tmp_path / "data"
    assert publish_folder(target, first, [("a.bin", b"1")], key="k")
    assert not publish_folder(target, second, [("a.bin", b"2")])
    assert (target / "a.bin").read_bytes() == b"1" and Dataset(target).version == first.version
    assert [path.name for path in tmp_path.iterdir()] == ["data"]

    class Broken(Exception):
        pass

    def explode() -> Iterator[tuple[str, bytes]]:
        yield "a.bin", b"1"
        raise Broken

    with pytest.raises(Broken):
        publish_folder(tmp_path / "other", first, explode())
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_same_sources_give_the_same_version_in_any_place(tmp_path: Path) -> None:
    versions = set()
    for name in ("one", "two"):
        versions.add(make_dataset(tmp_path / name, [balls_source(3)]).version)
    assert len(versions) == 1


def test_depth_is_stored_to_a_fraction_of_a_millimetre(dataset: Dataset) -> None:
    clip = next(dataset.clips())
    unit = clip.frames[0].depth_unit
    assert unit is not None and unit < 1e-3
    assert clip.frames[0].depth_png is not None
    assert io.BytesIO(clip.frames[0].depth_png).read(8) == b"\x89PNG\r\n\x1a\n"
