"""Readers of datasets count what they leave out, with reasons, and warn where nobody asked for it."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from maquette.data import DataError, LeftOutWarning, Pairs, Windows

EDIT = {"kind": "removal"}


def write_index(folder: Path, *, known: int, unknown: int, edits: int) -> Path:
    """An index of pairs in the split train; those of edits have known cameras."""
    states = [(True, None)] * known + [(False, None)] * unknown + [(True, EDIT)] * edits
    pairs = [{"split": "train", "edit": edit, "background_known": is_known} for is_known, edit in states]
    (folder / "index.json").write_text(json.dumps({"pairs": pairs}))
    return folder


def test_pairs_of_unknown_cameras_are_counted_with_a_warning(tmp_path: Path) -> None:
    folder = write_index(tmp_path, known=6, unknown=100, edits=20)
    expected = r"^6 of 126 pairs .*100 whose camera motion is unknown \(unknown_cameras=True"
    with pytest.warns(LeftOutWarning, match=expected) as caught:
        pairs = Pairs(folder)
    assert len(caught) == 1 and "20 edits (edits='with' keeps them)" in str(caught[0].message)
    assert len(pairs) == 6 and sorted(pairs.left_out.values()) == [20, 100]
    assert "left out: 100 whose camera motion is unknown" in repr(pairs)


def test_what_the_caller_chose_is_counted_without_a_warning(tmp_path: Path) -> None:
    folder = write_index(tmp_path, known=6, unknown=100, edits=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Pairs(folder, edits="with", unknown_cameras=True).left_out == {}
        assert Pairs(folder, unknown_cameras=True).left_out == {"edits (edits='with' keeps them)": 20}
        assert Pairs(folder, edits="only").left_out == {"that are no edits": 106}
    with pytest.raises(DataError, match=r"none of the 126 pairs .* left out: 126 not in the split test"):
        Pairs(folder, split="test")


def test_clips_that_are_too_short_for_windows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    entries: list[Any] = [
        SimpleNamespace(clip=str(frames), frames=frames, split="train", height=8, width=8)
        for frames in (1, 3, 5, 9)
    ]
    monkeypatch.setattr("maquette.data.windows.DatasetFolder", lambda _: SimpleNamespace(clips=entries))
    with pytest.warns(LeftOutWarning, match=r"2 of 4 clips .* left out: 2 clips with fewer than 4 frames"):
        windows = Windows("folder", length=4)
    assert windows.left_out == {"clips with fewer than 4 frames": 2}
    assert repr(windows) == "<Windows 8 of 4 frames, 2 clips, left out: 2 clips with fewer than 4 frames>"
    assert Windows("folder", length=1).left_out == {}
