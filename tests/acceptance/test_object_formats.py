"""An objects job writes the formats that it asks for, and every file holds the same object."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from maquette import Maquette
from PIL import Image

from service.embedded import Stack
from tests.support.cli import run_cli
from tests.support.media_files import count_frames, encode_png
from tests.support.scenes import draw_ball, make_wall
from tests.support.viewer_pages import PageReader
from workers.formats.convert import detect
from workers.formats.registry import MESH_CODECS, SPLAT_CODECS
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

ROLES = {
    **dict.fromkeys(("ply", "spz", "sog", "khr_glb", "html"), "splat"),
    **dict.fromkeys(("glb", "obj"), "mesh"),
}


@pytest.fixture(scope="module")
def image() -> tuple[bytes, tuple[int, int, int, int]]:
    pixels = make_wall()
    box = bounding_box(draw_ball(pixels, (120, 90), 50, (220, 60, 40)))
    return encode_png(pixels), box


def test_all_formats_hold_one_object(mq: Maquette, image, tmp_path: Path) -> None:
    data, box = image
    result = mq.objects(data, boxes=[box], formats=list(ROLES)).wait()
    result.save(tmp_path)
    [lifted] = result.objects
    assert set(lifted.files) == set(ROLES)
    assert (lifted.files["glb"], lifted.files["ply"]) == (lifted.mesh, lifted.splat)
    files = {name: (tmp_path / file).read_bytes() for name, file in lifted.files.items()}
    assert {a.name: a.role for a in result.artefacts}.items() >= {
        lifted.files[name]: role for name, role in ROLES.items()
    }.items()
    reference = SPLAT_CODECS["ply"].read(files["ply"])
    for name in ("spz", "sog", "khr_glb"):
        assert detect(files[name]) == ("splat", name)
        splat = SPLAT_CODECS[name].read(files[name])
        assert len(splat) == lifted.gaussians
        for pick in (np.min, np.mean, np.max):
            np.testing.assert_allclose(pick(splat.means, 0), pick(reference.means, 0), rtol=0, atol=1e-5)
    page = PageReader(files["html"])
    assert page.texts["h1"] == "object-000" and len(page.payload) == 32 * lifted.gaussians
    # nothing says how large the ball is
    assert page.fields["metres_per_unit"] is None
    meshes = [MESH_CODECS[name].read(files[name]) for name in ("glb", "obj")]
    np.testing.assert_allclose(meshes[0].vertices, meshes[1].vertices, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(meshes[0].faces, meshes[1].faces)


def test_mesh_and_splat_are_always_written(mq: Maquette, image) -> None:
    data, box = image
    [lifted] = mq.objects(data, boxes=[box], formats=["spz"]).wait().objects
    assert lifted.files == {"glb": "object-000.glb", "ply": "object-000.ply", "spz": "object-000.spz"}


def test_the_command_takes_formats(stack: Stack, image, tmp_path: Path) -> None:
    data, box = image
    (tmp_path / "a.png").write_bytes(data)
    words = ["objects", str(tmp_path / "a.png"), "--box", ",".join(map(str, box)), "--out", str(tmp_path)]
    run_cli(stack, *words, "--format", "sog,obj")
    assert detect((tmp_path / "object-000.sog").read_bytes()) == ("splat", "sog")
    assert detect((tmp_path / "object-000.obj").read_bytes()) == ("mesh", "obj")
    refused = run_cli(stack, *words, "--format", "fbx", check=False)
    assert refused.status == 2
    assert "fbx" in refused.stderr and "khr_glb" in refused.stderr


def test_placed_turntable_and_simulation(mq: Maquette, tmp_path: Path) -> None:
    image = make_wall()
    mask = draw_ball(image, (120, 150), 60, (220, 60, 40))
    options = {"outputs": ["placed", "turntable", "simulation"], "density": 600.0, "longest_side_m": 0.2}
    options |= {"turntable_size": 64, "turntable_seconds": 0.5}
    result = mq.objects(image, boxes=[bounding_box(mask)], **options).wait()
    [lifted] = result.objects
    folder = result.save(tmp_path)
    placed = np.asarray(Image.open(folder / lifted.extras["placed"]))
    changed = np.abs(placed.astype(int) - (0.5 * image + 127.5)).max(axis=2) > 12
    assert mask_iou(changed, mask) > 0.85
    assert count_frames((folder / lifted.extras["turntable"]).read_bytes()) == 12
    with zipfile.ZipFile(folder / lifted.extras["simulation"]) as archive:
        package = json.loads(archive.read("simulation.json"))
        names = set(archive.namelist())
    assert {"object.urdf", "object.xml", "visual_lod0.obj", "collision_00.obj"} <= names
    assert package["scale_source"] == "given" and "mass_not_metric" not in lifted.flags
    ball_mass = 600 * 4 / 3 * np.pi * 0.1**3
    assert 0.5 * ball_mass < package["mass_kg"] < 1.3 * ball_mass
