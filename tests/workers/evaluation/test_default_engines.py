"""The default engines are scored as well: on drawn sets whose pixels show what is annotated."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from skimage import data

from tests.support.evaluation_sets import write_gold, write_json, write_labels
from tests.support.oracle_engines import draw_box
from tests.support.scenes import draw_ball, make_wall
from tests.support.synthetic_objects import cameras_around, make_object
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.objects.default import DefaultObjects
from workers.evaluation.catalog import load_benchmark
from workers.evaluation.orchestration import run_evaluation
from workers.geometry.mesh_renderer import render_mesh

pytestmark = pytest.mark.slow

SIZE = (120, 160)


@pytest.fixture(scope="module")
def concepts() -> DefaultConcepts:
    return DefaultConcepts(mirror=False)


def test_the_default_tracker_follows_a_ball(tmp_path: Path, concepts: DefaultConcepts) -> None:
    folders = [tmp_path / name / "480p" / "ball" for name in ("JPEGImages", "Annotations")]
    folders[0].mkdir(parents=True)
    for index in range(4):
        image = make_wall(size=SIZE)
        mask = draw_ball(image, (60, 40 + 8 * index), 24, (220, 60, 40))
        Image.fromarray(image).save(folders[0] / f"{index:05}.jpg", quality=95)
        write_labels(folders[1] / f"{index:05}.png", [mask])
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2017" / "val.txt").write_text("ball\n")
    scores = run_evaluation(load_benchmark("davis", tmp_path), concepts, tmp_path / "out").scores
    assert (scores["J"] or 0) > 0.85 and (scores["F"] or 0) > 0.85


def test_the_default_concepts_know_what_is_there(tmp_path: Path, concepts: DefaultConcepts) -> None:
    cat = data.chelsea()[::2, ::2]
    # the cat's head fills most of the photo
    mask = draw_box(cat.shape[:2], 10, 0, cat.shape[1] - 20, cat.shape[0])
    for letter in "abc":
        write_gold(
            tmp_path,
            letter,
            {10: {"cat": [(1.0, mask)], "truck": [], "a rusty bolt": []}},
            size=cat.shape[:2],
        )
    Image.fromarray(cat).save(tmp_path / "images" / "metaclip" / "1" / "10.jpg")
    benchmark = load_benchmark("sa-co-gold", tmp_path, split="crowded")
    report = run_evaluation(benchmark, concepts, tmp_path / "out")
    # found, rightly silent, and refused, which counts as silence
    assert report.scores["IL_MCC"] == pytest.approx(1) and report.refused == 1
    assert (report.scores["cgF1@0.5"] or 0) > 0.99


def test_the_default_objects_resemble_a_block(tmp_path: Path) -> None:
    block, view = make_object("block"), cameras_around(2, 40)[0]
    image, depth = render_mesh(
        block.vertices, block.faces, block.colors, view.camera, view.cam_from_world, ambient=1.0
    )
    mask = np.isfinite(depth)
    folder = tmp_path / "sets" / "block"
    folder.mkdir(parents=True)
    Image.fromarray(image).save(folder / "image.png")
    Image.fromarray(mask).save(folder / "mask.png")
    trimesh.Trimesh(block.vertices, block.faces, process=False).export(folder / "mesh.glb")
    pose, camera = view.cam_from_world, view.camera
    write_json(
        folder / "pose.json",
        {"rotation": pose.rotation, "translation": pose.translation, "scale": pose.scale},
    )
    write_json(folder / "camera.json", {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy")})
    np.save(folder / "depth.npy", np.where(mask, depth, np.nan))
    benchmark = load_benchmark("sa-3dao", tmp_path / "sets", changes=["points=5000", "voxels=16", "yaws=4"])
    scores = run_evaluation(benchmark, DefaultObjects(splats=500), tmp_path / "out").scores
    assert (scores["Chamfer"] or 1) < 0.05 and (scores["vIoU"] or 0) > 0.5
    assert (scores["3D_IoU"] or 0) > 0.8 and (scores["ADD_S"] or 1) < 0.05
