"""Exports read by the code that was released with the formats: none of it is on an index.

`MAQUETTE_READERS` names a folder of checkouts: `bop_toolkit` (thodan), `Video-Pre-Training` (openai),
`SpatialVID` (NJU-3DV), `neural_assets_jax` (Wenlin-Chen). A test whose checkout or library is missing is
skipped, and says so.
"""

import importlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.export_datasets import all_close, load_export_dataset
from tests.support.synthetic_datasets import SETTINGS, make_dataset, movi_source, rendered_clip
from workers.datasets import oriented_boxes
from workers.datasets.exporters import load_exporter
from workers.datasets.reader import Dataset

READERS = "MAQUETTE_READERS"
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports a module of a checkout; `empty` are imports that the functions under test do not need."""
    before = set(sys.modules)

    def load(checkout: str, module: str, needs: tuple[str, ...] = (), empty: tuple[str, ...] = ()) -> Any:
        folder = Path(os.environ.get(READERS, "")) / checkout
        if not os.environ.get(READERS) or not folder.is_dir():
            pytest.skip(f"{READERS} names no folder with a checkout of {checkout}")
        for library in needs:
            pytest.importorskip(library, reason=f"{checkout} needs {library}, which is not installed")
        for name in empty:
            monkeypatch.setitem(sys.modules, name, _Empty(name))
        monkeypatch.syspath_prepend(str(folder / Path(module).parent))
        return importlib.import_module(Path(module).name)

    yield load
    for name in set(sys.modules) - before:
        if str(os.environ.get(READERS)) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


class _Empty(ModuleType):
    """Has every name, and none does anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def test_bop_toolkit_reads_cameras_poses_masks_and_depth(
    data: Dataset, tmp_path: Path, released: Load
) -> None:
    released("bop_toolkit", "bop_toolkit_lib", ("imageio", "png"))
    inout = importlib.import_module("bop_toolkit_lib.inout")
    scenewise = importlib.import_module("bop_toolkit_lib.dataset.bop_scenewise")
    misc = importlib.import_module("bop_toolkit_lib.misc")
    out = tmp_path / "bop"
    load_exporter("bop").write(data, out)
    models = inout.load_json(out / "models" / "models_info.json", keys_to_int=True)
    read = 0
    for split in ("train", "val"):
        clips = list(data.clips(split))
        for scene in sorted(path for path in (out / split).iterdir() if path.is_dir()):
            clip = clips[int(scene.name)]
            stated = scenewise.read_scene_infos(scene, read_image_ids=True, read_n_objects=True)
            assert stated["has_rgb"] and stated["has_mask_visib"] and stated["has_gt_info"]
            assert stated["image_ids"] == list(range(len(clip)))
            cameras = inout.load_scene_camera(scene / "scene_camera.json")
            truths = inout.load_scene_gt(scene / "scene_gt.json")
            infos = inout.load_json(scene / "scene_gt_info.json", keys_to_int=True)
            for frame in range(0, len(clip), 5):
                assert np.array_equal(inout.load_im(scene / "rgb" / f"{frame:06d}.jpg"), clip.image(frame))
                known = clip.depth(frame)
                depth = scene / "depth" / f"{frame:06d}.png"
                assert depth.exists() == (known is not None)
                if known is not None:
                    millimetres = inout.load_depth(depth) * cameras[frame]["depth_scale"]
                    assert all_close(millimetres / 1000, known, 1e-3)
                rows = [row for row in clip.frame_observations(frame) if row.scale_source == "metric"]
                masks = scenewise.load_masks(scene, frame, "mask_visib", len(rows))
                for place, (row, truth) in enumerate(zip(rows, truths[frame], strict=True)):
                    assert np.array_equal(masks[place] > 0, clip.mask(row))
                    size = models[truth["obj_id"]]
                    half = np.array([size[f"size_{axis}"] for axis in "xyz"]) / 2
                    points = half * [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
                    pixels = misc.project_pts(
                        points, cameras[frame]["cam_K"], truth["cam_R_m2c"], truth["cam_t_m2c"]
                    )
                    corners = clip.corners(row)
                    assert corners is not None
                    # its pixel centres are whole numbers
                    assert all_close(
                        pixels + 0.5, oriented_boxes.project(corners, clip.intrinsics(frame)), 1e-3
                    )
                    assert infos[frame][place]["px_count_visib"] == row.area
                    read += 1
                # what is not known to be hidden is -1, and no target of the toolkit's own choice
                targets = inout.get_im_targets(truths[frame], infos[frame], 0.1, "detection")
                assert sum(target["inst_count"] for target in targets.values()) == len(rows)
    assert read > 15


def test_vpt_loader_gives_frames_with_the_recorded_actions(
    data: Dataset, tmp_path: Path, released: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = ModuleType("agent")
    agent.AGENT_RESOLUTION = (128, 128)  # type: ignore[attr-defined]
    agent.ENV_KWARGS = {}  # type: ignore[attr-defined]
    agent.resize_image = lambda image, size: cv2.resize(image, size)  # type: ignore[attr-defined]
    # the policy needs MineRL and a GPU's libraries; the loader takes a size and a resize from it
    monkeypatch.setitem(sys.modules, "agent", agent)
    loader = released("Video-Pre-Training", "data_loader", empty=("torch", "inverse_dynamics_model"))
    out = tmp_path / "vpt"
    load_exporter("vpt").write(data, out)
    games = [clip for clip in data.clips() if clip.source.name == "game"]
    assert len(games) == 2
    for clip in games:
        tasks: Any = queue.Queue()
        actual: Any = queue.Queue()
        stem = out / clip.row.split / clip.id
        tasks.put((7, str(stem.with_suffix(".mp4")), str(stem.with_suffix(".jsonl"))))
        tasks.put(None)
        loader.data_loader_worker(tasks, actual, threading.Event())
        steps = list(iter(actual.get_nowait, None))
        recorded = [row for row in clip.actions if row.kind == "recorded"]
        # what moves nothing and presses nothing is left out by the loader
        moved = [row for row in recorded if row.values[0] or row.values[1]]
        assert len(steps) == len(moved) > 5
        for (name, frame, action), row in zip(steps, moved, strict=True):
            assert name == 7 and frame.shape == (128, 128, 3)
            expected = cv2.resize(clip.image(row.frame), (128, 128))
            assert np.abs(frame.astype(int) - expected).mean() < 6
            assert action["forward"] == int(row.values[1])
            assert action["camera"][1] == pytest.approx(row.values[0] * 360 / 2400, abs=1)
            assert not any(action[f"hotbar.{number}"] for number in range(1, 10))
    silent = next(clip for clip in data.clips() if clip.source.name == "balls")
    line = json.loads((out / silent.row.split / f"{silent.id}.jsonl").read_text().splitlines()[0])
    with pytest.raises(KeyError):
        loader.json_action_to_env_action(line)


def test_spatialvid_scripts_read_cameras_frames_depth_and_masks(
    data: Dataset, tmp_path: Path, released: Load
) -> None:
    pack = released("SpatialVID", "utils/pack_clip_assets", ("torch", "OpenEXR"), empty=("lietorch",))
    turned = released("SpatialVID", "utils/quat_to_mat", ("einops", "pandas", "tqdm"))
    evaluation = released("SpatialVID", "utils/evaluation")
    out = tmp_path / "spatialvid"
    load_exporter("spatialvid").write(data, out)
    read = 0
    for clip in data.clips():
        folder = out / "annotations" / "group_0001" / clip.id
        if not folder.exists():
            continue
        frames = [int(line.split()[1]) for line in (folder / "indexes.txt").read_text().splitlines()]
        height, width = clip.size
        video = out / "videos" / "group_0001" / f"{clip.id}.mp4"
        images = pack.load_video(str(video), str(folder / "indexes.txt"), height, width)
        cameras = pack.load_intrinsics(str(folder / "intrinsics.npy"), width, height)
        matrices = turned.pose_from_quaternion(np.load(folder / "poses.npy")).numpy()
        _, _, count, masks = evaluation.load_file(
            str(folder / "poses.npy"), str(folder / "dyn_masks.npz"), "cpu"
        )
        assert count == len(frames) == len(images) == len(cameras) == len(matrices) == len(masks)
        for number, frame in enumerate(frames):
            pose = clip.world_from_cam(frame)
            assert pose is not None
            assert all_close(matrices[number], np.linalg.inv(pose)[:3], 1e-5)
            assert all_close(cameras[number], clip.intrinsics(frame), 1e-3)
            assert np.abs(images[number].astype(int) - clip.image(frame)).mean() < 6
            assert np.array_equal(masks[number].numpy() > 0, clip.segmentation(frame) > 0)
        if clip.depth(0) is not None:
            depths = pack.read_depth(str(out / "depths" / "group_0001" / f"{clip.id}.zip"))
            for number, frame in enumerate(frames):
                z = clip.depth(frame)
                assert z is not None and float(np.nanmax(np.abs(depths[number] / z - 1))) < 1e-3
            read += 1
    assert read == 4


def test_spatialvid_words_are_its_own_for_a_camera_that_begins_at_the_origin(released: Load) -> None:
    from scipy.spatial.transform import Rotation

    from workers.datasets.exporters.spatialvid.motion import describe_motion

    theirs = released("SpatialVID", "utils/get_instructions", ("pandas", "tqdm"))
    rng = np.random.default_rng(3)
    seen = set()
    for number in range(40):
        # it takes steps in the world's axes, ours are in the camera's: the same while it has hardly turned
        walks = number % 2
        turns = Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.0005 if walks else 0.03, (9, 3)), axis=0))
        places = np.cumsum(rng.choice([-0.2, 0.0, 0.2], (9, 3)) * walks, axis=0)
        poses = np.c_[-turns.inv().apply(places), turns.inv().as_quat()]
        stated = [set(words) for words in theirs.poses_to_multi_instructions(poses, 0.01, 1.0)]
        ours = {}
        for key, words in describe_motion(poses).items():
            first, last = map(int, key.split("->"))
            ours |= {place: set(words) for place in range(first, last)}
        assert stated == [ours[place] for place in range(len(stated))]
        seen |= set().union(*stated)
    assert len(seen) == 13, "every word must come up"


def test_neural_assets_preprocessing_of_movi_tfds_gives_our_pairs(
    tmp_path: Path, released: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = (
        "tensorflow",
        "tensorflow_datasets",
        "tensorflow_graphics.geometry.transformation",
        "einops",
        "jax",
    )
    preprocessing = released("neural_assets_jax", "preprocessing", needs)
    tfds = importlib.import_module("tensorflow_datasets")
    settings = replace(SETTINGS, phrases=(*SETTINGS.phrases, "wedge"), clip_seconds=2.0, trim_seconds=0.0)
    sources = [movi_source(rendered_clip(seed, 24, seed == 0), name=str(seed)) for seed in (0, 3)]
    data = make_dataset(tmp_path / "made", sources, settings)
    for name in ("movi-tfds", "neural-assets"):
        load_exporter(name).write(data, tmp_path / name)
    index = json.loads((tmp_path / "neural-assets" / "index.json").read_text())
    builder = tfds.builder_from_directory(str(tmp_path / "movi-tfds" / "24x256x256" / "1.0.0"))
    compared = 0
    for split in builder.info.splits:
        for example in builder.as_dataset(split=split):
            clip = data.clip(example["metadata"]["video_name"].numpy().decode())
            for entry in index["pairs"]:
                if entry["clip"] != clip.id or entry["edit"] is not None:
                    continue
                ends = entry["source"], entry["target"]
                monkeypatch.setattr(preprocessing, "sample_idx_within_range", lambda _ends=ends, **_: _ends)
                built = preprocessing.preprocess_gv_movi_example(
                    example, max_instances=10, resolution=256, drop_cond_prob=0.0
                )
                with np.load(tmp_path / "neural-assets" / entry["file"]) as ours:
                    pair = {name: ours[name] for name in ours.files}
                order = [track.track for track in clip.tracks]
                rows = [order.index(track) for track in pair["tracks"]]
                theirs = {name: built[name].numpy() for name in ("src_bboxes", "tgt_bboxes_3d", "tgt_image")}
                assert all_close(theirs["src_bboxes"][rows], pair["src_bboxes"][: len(rows)], 1e-7)
                assert all_close(theirs["tgt_bboxes_3d"][rows], pair["tgt_bboxes_3d"][: len(rows)], 1e-4)
                assert all_close(theirs["tgt_bboxes_3d"][-1], pair["tgt_bboxes_3d"][-1], 1e-5)
                assert all_close(theirs["tgt_image"] * 255, pair["tgt_image"], 1e-3)
                compared += len(rows)
    assert compared > 20
