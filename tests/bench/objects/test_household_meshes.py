"""Household objects are laid out from a wheel: upright, of their size, in the colours of their texture."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from bench.objects.household_meshes import YCB, lay_out


@pytest.fixture
def wheel(tmp_path):
    """A wheel with one object: a wall 20 cm high (z up), whose texture is red above and blue below."""
    corners = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0, 0.2], [0, 0, 0.2]], dtype="<f4")
    # texture coordinates run from the top of the image down, as MuJoCo's do
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], dtype="<f4")
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype="<i4")
    data = b"".join(part.tobytes() for part in (np.array([4, 0, 4, 2], "<i4"), corners, uv, faces))
    texture = np.zeros((64, 64, 3), dtype=np.uint8)
    texture[:32, :, 0], texture[32:, :, 2] = 255, 255
    stream = io.BytesIO()
    Image.fromarray(texture).save(stream, "PNG")
    path = tmp_path / "goods.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{YCB}/meshes/001_Wall.msh", data)
        archive.writestr(f"{YCB}/textures/001_Wall.png", stream.getvalue())
        archive.writestr("elsewhere/secret.txt", "not unpacked")
    return path


def test_an_object_is_laid_out_upright_with_its_texture(wheel, tmp_path):
    [record] = lay_out([wheel], tmp_path / "out")
    assert (record.name, round(record.longest_cm, 3), record.held) == ("ycb-001_wall", 20.0, True)
    assert [entry["name"] for entry in json.loads((tmp_path / "out/index.json").read_text())] == [record.name]
    with np.load(tmp_path / "out" / "ycb-001_wall.npz") as arrays:
        vertices, colors = arrays["vertices"], arrays["colors"]
    assert np.allclose(np.ptp(vertices, axis=0), [0.5, 1.0, 0.0], atol=1e-6)
    upper, lower = (colors[vertices[:, 1] * sign > 0.1].mean(axis=0) for sign in (1, -1))
    assert upper[0] > 250 > 5 > upper[2] and lower[2] > 250 > 5 > lower[0]
