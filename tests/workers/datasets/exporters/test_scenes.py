"""MOVi (and its importer), BOP and SpatialVID: geometry survives, in each format's own axes and units."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from tests.support.export_datasets import all_close, load_export_dataset
from workers.datasets import oriented_boxes
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.bop import Bop
from workers.datasets.exporters.movi.arrays import Movi
from workers.datasets.exporters.movi.example import build_example
from workers.datasets.exporters.spatialvid.exporter import SpatialVid
from workers.datasets.importers.movi.clips import import_example
from workers.datasets.importers.movi.folders import import_folder
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.verification import verify


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture(scope="module")
def movi(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("movi")
    Movi().write(data, out)
    return out


def list_posed_clips(data: Dataset) -> list[SceneClip]:
    return [clip for clip in data.clips() if clip.row.camera_source != "unknown"]


def rooms(data: Dataset) -> list[SceneClip]:
    return [clip for clip in data.clips() if clip.row.camera_source == "given"]


def by_kubric(camera: Any, frame: int, points: Any, size: tuple[int, int]) -> Any:
    """World points (N, 3) to pixels and depth as Kubric's own code does: Blender axes, focal over sensor."""
    w, x, y, z = camera["quaternions"][frame]
    world_from_cam = np.eye(4)
    world_from_cam[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
    world_from_cam[:3, 3] = camera["positions"][frame]
    seen = np.c_[points, np.ones(len(points))] @ np.linalg.inv(world_from_cam).T
    f = camera["focal_length"] / camera["sensor_width"]
    k = np.array([[f, 0, -0.5], [0, -f * size[1] / size[0], -0.5], [0, 0, -1]])
    flat = seen[:, :3] @ k.T
    return flat[:, :2] / flat[:, 2:] * [size[1], size[0]], flat[:, 2]


@pytest.mark.slow
def test_movi_corners_project_as_the_record_says(data: Dataset, movi: Path) -> None:
    checked = 0
    for clip in rooms(data):
        folder = movi / clip.row.split / clip.id
        camera, instances = np.load(folder / "camera.npz"), np.load(folder / "instances.npz")
        order = [track.track for track in clip.tracks]
        for row in clip.observations:
            corners = clip.corners(row)
            assert corners is not None
            given = instances["bboxes_3d"][order.index(row.track), row.frame]
            pixels, depth = by_kubric(camera, row.frame, given, clip.size)
            assert all_close(pixels, oriented_boxes.project(corners, clip.intrinsics(row.frame)), 1e-5)
            assert all_close(depth, corners[:, 2])
            checked += 1
    assert checked > 60


def test_movi_depth_is_the_distance_to_the_camera(data: Dataset, movi: Path) -> None:
    clip = rooms(data)[0]
    folder = movi / clip.row.split / clip.id
    low, high = json.loads((folder / "metadata.json").read_text())["depth_range"]
    distance = np.load(folder / "depth.npz")["depth"][3, ..., 0] / 65535 * (high - low) + low
    z = clip.depth(3)
    assert z is not None
    y, x = np.mgrid[:256, :256] + 0.5
    k = clip.intrinsics(3)
    points = np.stack([(x - k[0, 2]) / k[0, 0] * z, (y - k[1, 2]) / k[1, 1] * z, z])
    assert all_close(distance, np.linalg.norm(points, axis=0), (high - low) / 65535)


def test_movi_masks_count_from_one_in_the_order_of_instances(data: Dataset, movi: Path) -> None:
    for clip in rooms(data):
        ids = np.load(movi / clip.row.split / clip.id / "segmentations.npz")["segmentations"]
        assert ids.shape == (len(clip), *clip.size, 1)
        for number, track in enumerate(clip.tracks, 1):
            for frame in range(len(clip)):
                assert np.array_equal(ids[frame, ..., 0] == number, clip.segmentation(frame) == track.track)


def test_a_dataset_comes_back_from_movi(data: Dataset, movi: Path, tmp_path: Path) -> None:
    back = Dataset(import_folder(movi, tmp_path / "back"))
    assert verify(back.folder) == []
    named = {clip.source.name: clip for clip in back.clips()}
    assert len(named) == len(list_posed_clips(data)) == 6
    for clip in list_posed_clips(data):
        same = named[clip.id]
        assert (same.row.split, same.size, len(same)) == (clip.row.split, clip.size, len(clip))
        assert same.row.frame_rate == pytest.approx(clip.row.frame_rate)
        order = {track.track: number for number, track in enumerate(clip.tracks, 1)}
        assert [t.label for t in same.tracks] == [t.concept for t in clip.tracks]
        for frame in range(len(clip)):
            assert all_close(same.intrinsics(frame), clip.intrinsics(frame))
            assert all_close(same.world_from_cam(frame), clip.world_from_cam(frame))  # type: ignore[arg-type]
            before, after = clip.depth(frame), same.depth(frame)
            assert (before is None) == (after is None)
            if before is not None and after is not None:
                assert float(np.nanmax(np.abs(before - after))) < 2e-3
            image = np.abs(same.image(frame).astype(int) - clip.image(frame))
            assert image.mean() < 2
            for row, other in zip(
                clip.frame_observations(frame), same.frame_observations(frame), strict=True
            ):
                assert order[row.track] == other.track
                assert np.array_equal(clip.mask(row), same.mask(other))
                for world in (False, True):
                    corners, actual = clip.corners(row, world=world), same.corners(other, world=world)
                    assert (corners is None) == (actual is None)
                    assert corners is None or all_close(corners, actual)


def test_examples_of_tfds_are_read_without_our_additions(data: Dataset) -> None:
    clip = rooms(data)[0]
    built = build_example(clip)
    own = {
        "num_frames": len(clip),
        "height": 256,
        "width": 256,
        "depth_range": built["metadata"]["depth_range"],
    }
    instances = {name: built["instances"][name] for name in ("bboxes_3d", "quaternions", "positions")}
    given = {name: built[name] for name in ("video", "segmentations", "depth", "camera")}
    stated = {**given, "metadata": {**own, "video_name": b"17"}, "instances": instances}
    back = import_example(stated, split="test")
    assert back.source.name == "17" and back.row.split == "test"
    # MOVi stores no rate; its videos have 12 frames per second
    assert back.row.frame_rate == 12 and back.source.flags == ("time_assumed",)
    for row, other in zip(clip.observations, back.observations, strict=True):
        assert all_close(clip.corners(row), back.corners(other))  # type: ignore[arg-type]
    turned = {**stated, "instances": {**instances, "bboxes_3d": instances["bboxes_3d"][:, :, ::-1]}}
    with pytest.raises(DatasetError, match="another order"):
        import_example(turned)


def test_movi_leaves_out_what_has_no_camera(data: Dataset, movi: Path) -> None:
    note = json.loads((movi / "maquette.json").read_text())
    out = {item["clip"] for item in note["left_out"]}
    assert out == {clip.id for clip in data.clips()} - {clip.id for clip in list_posed_clips(data)}
    assert len(out) == 2


def test_the_importer_refuses_what_it_cannot_read(movi: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as missing:
        import_folder(tmp_path, tmp_path / "out")
    assert missing.value.code == "dataset_missing"
    broken = tmp_path / "train" / "one"
    broken.mkdir(parents=True)
    (broken / "metadata.json").write_text("{}")
    with pytest.raises(DatasetError) as caught:
        import_folder(tmp_path, tmp_path / "out")
    assert caught.value.code == "dataset_broken"
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def bop(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bop")
    Bop().write(data, out)
    return out


def test_bop_poses_put_models_where_the_boxes_are(data: Dataset, bop: Path) -> None:
    models = json.loads((bop / "models" / "models_info.json").read_text())
    scenes = dict.fromkeys(("train", "val"), 0)
    for clip in rooms(data):
        folder = bop / clip.row.split / f"{scenes[clip.row.split]:06d}"
        scenes[clip.row.split] += 1
        truth = json.loads((folder / "scene_gt.json").read_text())
        cameras = json.loads((folder / "scene_camera.json").read_text())
        for frame in range(len(clip)):
            for row, actual in zip(clip.frame_observations(frame), truth[str(frame)], strict=True):
                model = models[str(actual["obj_id"])]
                size = np.array([model[f"size_{axis}"] for axis in "xyz"])
                low = np.array([model[f"min_{axis}"] for axis in "xyz"])
                points = np.array([low + size * corner for corner in np.ndindex(2, 2, 2)])
                turn = np.reshape(actual["cam_R_m2c"], (3, 3))
                there = points @ turn.T + actual["cam_t_m2c"]
                assert all_close(there / 1000, clip.corners(row))  # type: ignore[arg-type]
            camera = cameras[str(frame)]
            back = np.linalg.inv(clip.world_from_cam(frame))  # type: ignore[arg-type]
            assert all_close(np.reshape(camera["cam_R_w2c"], (3, 3)), back[:3, :3])
            assert all_close(np.array(camera["cam_t_w2c"]) / 1000, back[:3, 3])


def test_bop_depth_and_masks_agree_with_pixels_at_whole_numbers(data: Dataset, bop: Path) -> None:
    clip = next(clip for clip in rooms(data) if clip.row.split == "train")
    folder = bop / "train" / "000000"
    camera = json.loads((folder / "scene_camera.json").read_text())["0"]
    depth = np.asarray(Image.open(folder / "depth" / "000000.png")) * camera["depth_scale"] / 1000
    z = clip.depth(0)
    assert z is not None and all_close(depth, z)
    k = np.reshape(camera["cam_K"], (3, 3))
    # BOP's own components put pixel (column, row) on the ray ((column - cx) / fx, (row - cy) / fy)
    mine = (np.arange(256) - k[0, 2]) / k[0, 0]
    ours = (np.arange(256) + 0.5 - clip.intrinsics(0)[0, 2]) / clip.intrinsics(0)[0, 0]
    assert all_close(mine, ours)
    info = json.loads((folder / "scene_gt_info.json").read_text())["0"]
    for place, row in enumerate(clip.frame_observations(0)):
        mask = np.asarray(Image.open(folder / "mask_visib" / f"000000_{place:06d}.png")) > 0
        assert np.array_equal(mask, clip.mask(row))
        x, y, w, h = info[place]["bbox_visib"]
        assert info[place]["px_count_visib"] == mask[y : y + h, x : x + w].sum() == mask.sum()


def test_spatialvid_reads_back_with_its_own_conventions(data: Dataset, tmp_path: Path) -> None:
    SpatialVid().write(data, tmp_path)
    with (tmp_path / "data" / "train" / "metadata.csv").open() as file:
        listed = {row["id"]: row for row in csv.DictReader(file)}
    assert set(listed) == {clip.id for clip in list_posed_clips(data)}
    for clip in list_posed_clips(data):
        folder = tmp_path / "annotations" / listed[clip.id]["annotation path"]
        lines = (folder / "indexes.txt").read_text().splitlines()
        frames = [int(line.split()[1]) for line in lines]
        # 12 frames per second: 0.2 s are two frames
        assert frames == [0, 2, 4, 6, 8, 10]
        poses, k = np.load(folder / "poses.npy"), np.load(folder / "intrinsics.npy")
        for number, frame in enumerate(frames):
            back = np.eye(4)
            back[:3, :3] = Rotation.from_quat(poses[number, 3:]).as_matrix()
            back[:3, 3] = poses[number, :3]
            assert all_close(np.linalg.inv(back), clip.world_from_cam(frame))  # type: ignore[arg-type]
            own = clip.intrinsics(frame)
            height, width = clip.size
            assert all_close(
                k[number] * [width, height, width, height], [own[0, 0], own[1, 1], own[0, 2], own[1, 2]]
            )
        masks = np.load(folder / "dyn_masks.npz")
        parts = [masks[f"f_2_{name}"] for name in ("data", "indices", "indptr")]
        union = csr_matrix(tuple(parts), shape=tuple(masks["shape"])).toarray()
        assert np.array_equal(union, clip.segmentation(frames[2]) > 0)
        caption = json.loads((folder / "caption.json").read_text())
        assert caption["SceneDescription"] == clip.captions[0].text
        with av.open(str(tmp_path / "videos" / listed[clip.id]["video path"])) as video:
            assert sum(1 for _ in video.decode(video=0)) == len(clip)
        depths = tmp_path / "depths" / "group_0001" / f"{clip.id}.zip"
        assert depths.exists() == (clip.depth(0) is not None)
        if depths.exists():
            with zipfile.ZipFile(depths) as file:
                assert sorted(file.namelist()) == [f"{number:05d}.exr" for number in range(len(frames))]
                row = np.frombuffer(file.read("00002.exr")[-2 * clip.size[1] :], np.float16)
            z = clip.depth(frames[2])
            assert z is not None and all_close(1 / row.astype(float), z[-1], 0.002 * float(np.nanmax(z[-1])))


def test_spatialvid_says_how_the_camera_moves() -> None:
    from workers.datasets.exporters.spatialvid.motion import describe_motion

    still = np.tile([0.0, 0, 0, 0, 0, 0, 1], (6, 1))
    assert describe_motion(still) == {"0->5": ["Stay"]}
    # cam_from_world of a camera that goes ahead by 0.1 twice, then right once
    walk = still[:4].copy()
    walk[1:, 2] -= 0.1
    walk[2:, 2] -= 0.1
    walk[3, 0] -= 0.1
    assert describe_motion(walk) == {"0->2": ["Dolly In"], "2->3": ["Truck Right"]}
    turn = still[:2].copy()
    # world from camera turned to the right about y (down): the view pans right
    turn[1, 3:] = Rotation.from_euler("y", 5, degrees=True).inv().as_quat()
    assert describe_motion(turn) == {"0->1": ["Pan Right"]}
