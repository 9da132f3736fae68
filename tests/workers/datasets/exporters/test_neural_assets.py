"""Neural Assets pairs: tokens against what the released preprocessing makes of the same clip."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.export_datasets import all_close, load_export_dataset, without_cameras
from workers.datasets.exporters.neural_assets.exporter import NeuralAssets
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip

SIDE = 256
FLIP = np.diag([1.0, -1, -1, 1])


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture(scope="module")
def out(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assets")
    NeuralAssets().write(data, folder, pairs=6)
    return folder


def pairs(out: Path, *, edited: bool) -> list[tuple[dict[str, Any], Any]]:
    index = json.loads((out / "index.json").read_text())["pairs"]
    return [(entry, np.load(out / entry["file"])) for entry in index if (entry["edit"] is not None) == edited]


def decode_corners(tokens: Any, camera: Any) -> Any:
    """Camera-frame points (4, 3) of one row of 12 numbers, in OpenCV axes."""
    u, v, z = tokens.reshape(4, 3).astype(np.float64).T
    x = (u * SIDE - camera[0, 2]) / camera[0, 0] * z
    y = (v * SIDE - camera[1, 2]) / camera[1, 1] * z
    return np.stack([x, y, z], axis=1)


def find_row(clip: SceneClip, frame: int, track: int) -> Any:
    return next(row for row in clip.frame_observations(frame) if row.track == track)


def test_tokens_have_the_shapes_of_the_paper(out: Path) -> None:
    actual = pairs(out, edited=False)
    assert len(actual) >= 12
    for entry, arrays in actual:
        assert arrays["src_image"].shape == arrays["tgt_image"].shape == (SIDE, SIDE, 3)
        assert arrays["src_bboxes"].shape == (11, 4) and arrays["src_bboxes"].dtype == np.float32
        assert arrays["tgt_bboxes_3d"].shape == (11, 12) and arrays["tgt_bboxes_3d"].dtype == np.float32
        count = len(entry["objects"])
        assert not arrays["src_bboxes"][count:-1].any() and not arrays["tgt_bboxes_3d"][count:-1].any()
        assert arrays["src_bboxes"][-1].tolist() == [0, 0, 1, 1]
        assert abs(entry["target"] - entry["source"]) <= 23


def test_poses_are_the_boxes_of_the_target_frame(data: Dataset, out: Path) -> None:
    checked = 0
    for entry, arrays in pairs(out, edited=False):
        clip = data.clip(entry["clip"])
        # these frames are square already: what is stored is what was seen
        if clip.size == (SIDE, SIDE):
            assert np.array_equal(arrays["src_image"], clip.image(entry["source"]))
            assert np.array_equal(arrays["tgt_image"], clip.image(entry["target"]))
        for number, entry_object in enumerate(entry["objects"]):
            row = find_row(clip, entry["target"], entry_object["track"])
            corners = clip.corners(row)
            assert corners is not None
            points = decode_corners(arrays["tgt_bboxes_3d"][number], arrays["camera"])
            # p0, p1, p2, p4 of product(x, y, z): what is left follows from them
            assert all_close(points, corners[[0, 1, 2, 4]], 1e-5 * float(points[:, 2].max()))
            seventh = points[1] + points[2] + points[3] - 2 * points[0]
            assert all_close(seventh, corners[7], 1e-4)
            checked += 1
    assert checked >= 20


def test_appearance_boxes_come_from_source_masks(data: Dataset, out: Path) -> None:
    for entry, arrays in pairs(out, edited=False):
        clip = data.clip(entry["clip"])
        for number, entry_object in enumerate(entry["objects"]):
            mask = clip.mask(find_row(clip, entry["source"], entry_object["track"]))
            y0, x0, y1, x1 = np.rint(arrays["src_bboxes"][number] * SIDE).astype(int)
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
            assert mask[y0].any() and mask[y1 - 1].any() and mask[:, x0].any() and mask[:, x1 - 1].any()


def test_the_background_carries_the_camera_between_frames(data: Dataset, out: Path) -> None:
    moved = 0
    for entry, arrays in pairs(out, edited=False):
        clip = data.clip(entry["clip"])
        poses = [clip.world_from_cam(entry[end]) for end in ("source", "target")]
        assert poses[0] is not None and poses[1] is not None
        # Blender's cameras: world_from_cam of both with the axes flipped first
        source, target = poses[0] @ FLIP, poses[1] @ FLIP
        expected = np.linalg.inv(target) @ source
        tokens = arrays["tgt_bboxes_3d"][-1]
        assert all_close(tokens[:9].reshape(3, 3), expected[:3, :3], 1e-6)
        assert all_close(tokens[9:], expected[:3, 3], 1e-6)
        moved += float(np.linalg.norm(tokens[9:])) > 1e-3
    assert moved


def test_pairs_go_both_ways_and_only_over_posed_boxes(data: Dataset, out: Path) -> None:
    actual = [entry for entry, _ in pairs(out, edited=False)]
    assert {entry["source"] < entry["target"] for entry in actual} == {True, False}
    assert {data.clip(entry["clip"]).source.name for entry in actual} == {"room", "still room"}
    note = json.loads((out / "maquette.json").read_text())
    assert {data.clip(item["clip"]).source.name for item in note["left_out"]} == {"game", "balls"}


def test_edits_change_the_tokens_of_one_object_and_draw_nothing(data: Dataset, out: Path) -> None:
    seen = set()
    for entry, arrays in pairs(out, edited=True):
        assert "tgt_image" not in arrays and entry["source"] == entry["target"]
        clip, edit = data.clip(entry["clip"]), entry["edit"]
        seen.add(edit["operation"])
        place = edit["row"]
        for number, entry_object in enumerate(entry["objects"]):
            corners = clip.corners(find_row(clip, entry["source"], entry_object["track"]))
            assert corners is not None
            points = decode_corners(arrays["tgt_bboxes_3d"][number], arrays["camera"])
            same = all_close(points, corners[[0, 1, 2, 4]], 1e-4)
            assert same == (number != place or edit["operation"] == "replace")
        row = find_row(clip, entry["source"], edit["track"])
        corners = clip.corners(row)
        points = decode_corners(arrays["tgt_bboxes_3d"][place], arrays["camera"])
        assert corners is not None and row.size is not None
        edges = np.linalg.norm(points[[3, 2, 1]] - points[0], axis=1)
        middle = (points[1] + points[2] + points[3] - points[0]) / 2
        if edit["operation"] == "move":
            assert all_close(middle - corners.mean(axis=0), [edit["x"], 0, 0], 1e-4)
            assert all_close(edges, row.size, 1e-4)
        elif edit["operation"] == "resize":
            assert all_close(edges, np.array(row.size) * edit["factor"], 1e-4)
            assert all_close(middle, corners.mean(axis=0), 1e-4)
        elif edit["operation"] == "rotate":
            assert all_close(edges, row.size, 1e-4) and all_close(middle, corners.mean(axis=0), 1e-4)
            axis = [3, 2, 1][int(edit["axis"])]
            # the upright edge stays, the others turn by the angle
            assert all_close(points[axis] - points[0], corners[[0, 1, 2, 4]][axis] - corners[0], 1e-4)
            other = [3, 2, 1][(int(edit["axis"]) + 1) % 3]
            before = corners[[0, 1, 2, 4]][other] - corners[0]
            after = points[other] - points[0]
            cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
            assert np.degrees(np.arccos(cosine)) == pytest.approx(edit["degrees"], abs=0.01)
        else:
            donor = next(
                n
                for n, entry_object in enumerate(entry["objects"])
                if entry_object["track"] == edit["by_track"]
            )
            assert np.array_equal(arrays["src_bboxes"][place], arrays["src_bboxes"][donor])
            assert donor != place
    assert seen == {"move", "rotate", "resize", "replace"}


def test_a_crop_shifts_the_intrinsics(data: Dataset, tmp_path: Path) -> None:
    NeuralAssets().write(data, tmp_path, side=100, pairs=2, edits=False)
    for entry, arrays in pairs(tmp_path, edited=False):
        clip = data.clip(entry["clip"])
        assert arrays["tgt_image"].shape == (100, 100, 3)
        assert all_close(arrays["camera"][:2], clip.intrinsics(entry["target"])[:2] * 100 / 256, 1e-9)


def test_too_many_objects_keep_the_largest(data: Dataset, tmp_path: Path) -> None:
    NeuralAssets().write(data, tmp_path, objects=1, pairs=3, edits=False)
    for entry, arrays in pairs(tmp_path, edited=False):
        assert arrays["src_bboxes"].shape == (2, 4) and len(entry["objects"]) == 1
        clip = data.clip(entry["clip"])
        there = {row.track for row in clip.frame_observations(entry["target"]) if row.center_cam is not None}
        sizes = {
            row.track: row.area for row in clip.frame_observations(entry["source"]) if row.track in there
        }
        assert entry["objects"][0]["track"] == max(sizes, key=lambda track: sizes[track])


def test_the_same_dataset_gives_the_same_bytes(data: Dataset, out: Path, tmp_path: Path) -> None:
    NeuralAssets().write(data, tmp_path, pairs=6)
    mine = sorted(path.relative_to(out) for path in out.rglob("*.*"))
    assert mine == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert all((tmp_path / path).read_bytes() == (out / path).read_bytes() for path in mine)


def test_an_unknown_camera_leaves_the_background_unknown(data: Dataset, tmp_path: Path) -> None:
    clip = next(clip for clip in data.clips() if clip.source.name == "room")
    publish_clips([without_cameras(clip)], tmp_path / "unposed", "test")
    NeuralAssets().write(Dataset(tmp_path / "unposed"), tmp_path / "out", pairs=6)
    actual = pairs(tmp_path / "out", edited=False)
    for entry, arrays in actual:
        same = entry["source"] == entry["target"]
        assert entry["background_known"] == same and entry["camera_source"] == "unknown"
        assert np.isnan(arrays["tgt_bboxes_3d"][-1]).all() != same
        # objects are posed in the camera, and stay known
        assert np.isfinite(arrays["tgt_bboxes_3d"][:-1]).all() and entry["objects"]
    assert any(not entry["background_known"] for entry, _ in actual)
