"""Rows that are read batch by batch are those that were written, and broken files say so."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from workers.datasets import parquet
from workers.datasets.errors import DatasetError
from workers.datasets.schema import ClipRow, ScoreRow

SCORE = ScoreRow(clip="a", track=None, stage="survey", name="motion", value=None, unit="0..255")


@pytest.mark.parametrize("count", [0, 1, parquet.READ_BATCH, 2 * parquet.READ_BATCH + 1])
def test_batches_join_without_loss(tmp_path: Path, count: int) -> None:
    rows = [replace(SCORE, track=number) for number in range(count)]
    path = tmp_path / "scores.parquet"
    path.write_bytes(parquet.write(ScoreRow, rows))
    assert list(parquet.iterate(ScoreRow, path)) == rows == parquet.read(ScoreRow, path.read_bytes())


def test_a_file_of_another_table_is_broken_even_without_rows() -> None:
    for rows in ([], [SCORE]):
        with pytest.raises(DatasetError, match="no column") as refused:
            parquet.read(ClipRow, parquet.write(ScoreRow, rows))
        assert refused.value.code == "dataset_broken"


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_cut_file_is_broken(cut: int) -> None:
    with pytest.raises(DatasetError) as refused:
        parquet.read(ScoreRow, parquet.write(ScoreRow, [SCORE])[:cut])
    assert refused.value.code == "dataset_broken"


def test_damaged_values_are_broken_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(parquet.write(ScoreRow, [replace(SCORE, stage=f"{number}") for number in range(5000)]))
    content = bytearray(path.read_bytes())
    chunk = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(0)
    for place in range(chunk.dictionary_page_offset, chunk.dictionary_page_offset + 24):
        content[place] ^= 0xFF
    with pytest.raises(DatasetError) as refused:
        list(parquet.iterate(ScoreRow, bytes(content)))
    assert refused.value.code == "dataset_broken"
