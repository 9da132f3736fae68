"""An objects job writes what its `formats` ask for, and every file holds the same object."""

import json
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from maquette import Maquette
from maquette.cli.main import app
from PIL import Image
from typer.testing import CliRunner

from service.embedded import Stack
from tests.support.media_files import png
from tests.support.scenes import ball, wall
from workers.formats.convert import detect
from workers.formats.registry import MESH_CODECS, SPLAT_CODECS
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

ROLES = {"glb": "mesh", "ply": "splat", "spz": "splat", "sog": "splat", "khr_glb": "splat", "obj": "mesh"}


@pytest.fixture(scope="module")
def picture() -> tuple[bytes, tuple[int, int, int, int]]:
    pixels = wall()
    box = bounding_box(ball(pixels, (120, 90), 50, (220, 60, 40)))
    return png(pixels), box


def test_all_formats_hold_one_object(mq: Maquette, picture, tmp_path: Path) -> None:
    data, box = picture
    result = mq.objects(data, boxes=[box], formats=list(ROLES)).wait()
    result.save(tmp_path)
    (found,) = result.objects
    assert set(found.files) == set(ROLES)
    assert (found.files["glb"], found.files["ply"]) == (found.mesh, found.splat)
    files = {name: (tmp_path / file).read_bytes() for name, file in found.files.items()}
    assert {a.name: a.role for a in result.artefacts}.items() >= {
        found.files[name]: role for name, role in ROLES.items()
    }.items()
    reference = SPLAT_CODECS["ply"].read(files["ply"])
    for name in ("spz", "sog", "khr_glb"):
        assert detect(files[name]) == ("splat", name)
        splat = SPLAT_CODECS[name].read(files[name])
        assert len(splat) == found.gaussians
        for pick in (np.min, np.mean, np.max):
            np.testing.assert_allclose(pick(splat.means, 0), pick(reference.means, 0), rtol=0, atol=1e-5)
    meshes = [MESH_CODECS[name].read(files[name]) for name in ("glb", "obj")]
    np.testing.assert_allclose(meshes[0].vertices, meshes[1].vertices, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(meshes[0].faces, meshes[1].faces)


def test_mesh_and_splat_are_written_in_any_case(mq: Maquette, picture) -> None:
    data, box = picture
    (found,) = mq.objects(data, boxes=[box], formats=["spz"]).wait().objects
    assert found.files == {"glb": "object-000.glb", "ply": "object-000.ply", "spz": "object-000.spz"}


def test_the_command_takes_formats(stack: Stack, picture, tmp_path: Path) -> None:
    data, box = picture
    (tmp_path / "a.png").write_bytes(data)
    words = [
        "objects",
        str(tmp_path / "a.png"),
        "--box",
        ",".join(map(str, box)),
        "--out",
        str(tmp_path / "o"),
    ]
    told = {"MAQUETTE_URL": stack.url, "MAQUETTE_API_KEY": stack.api_key}
    done = CliRunner().invoke(app, [*words, "--format", "sog,obj"], env=told)
    assert done.exit_code == 0, done.output
    assert detect((tmp_path / "o" / "object-000.sog").read_bytes()) == ("splat", "sog")
    assert detect((tmp_path / "o" / "object-000.obj").read_bytes()) == ("mesh", "obj")
    wrong = CliRunner().invoke(app, [*words, "--format", "fbx"], env=told)
    assert wrong.exit_code == 2
    assert "fbx" in wrong.output and "khr_glb" in wrong.output


def test_placed_turntable_and_simulation(mq: Maquette, tmp_path: Path) -> None:
    picture = wall()
    mask = ball(picture, (120, 150), 60, (220, 60, 40))
    asked = {"outputs": ["placed", "turntable", "simulation"], "density": 600.0, "longest_side_m": 0.2}
    result = mq.objects(picture, boxes=[bounding_box(mask)], **asked).wait()
    [thing] = result.objects
    folder = result.save(tmp_path)
    shown = np.asarray(Image.open(folder / thing.extras["placed"]))
    changed = np.abs(shown.astype(int) - (0.5 * picture + 127.5)).max(axis=2) > 12
    assert mask_iou(changed, mask) > 0.85
    with av.open(str(folder / thing.extras["turntable"])) as film:
        assert sum(1 for _ in film.decode(video=0)) == 48
    with zipfile.ZipFile(folder / thing.extras["simulation"]) as archive:
        told = json.loads(archive.read("simulation.json"))
        names = set(archive.namelist())
    assert {"object.urdf", "object.xml", "visual_lod0.obj", "collision_00.obj"} <= names
    assert told["scale_source"] == "given" and "mass_not_metric" not in thing.flags
    ball_mass = 600 * 4 / 3 * np.pi * 0.1**3
    assert 0.5 * ball_mass < told["mass_kg"] < 1.3 * ball_mass
    unknown = mq.objects(picture, boxes=[bounding_box(mask)], outputs=["simulation"]).wait().objects[0]
    assert "mass_not_metric" in unknown.flags
