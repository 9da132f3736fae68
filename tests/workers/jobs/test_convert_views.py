"""Views of a convert job: images and depth maps of a splat from the cameras of the request."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import ConvertJob
from PIL import Image
from pydantic import ValidationError

from workers.errors import JobProblem
from workers.formats.mesh_writers import write_mesh_ply
from workers.formats.splat_ply import write_splat_ply
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh
from workers.jobs.convert.job import run

SIDE = 33
# at z = 3, looking back along -z: y up becomes y down
POSE = [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 3], [0, 0, 0, 1]]
VIEW = {
    "width": SIDE,
    "height": SIDE,
    "camera": {"fx": 60, "fy": 60, "cx": SIDE / 2, "cy": SIDE / 2},
    "world_from_cam": POSE,
}


def make_splat() -> Gaussians:
    """One red Gaussian at the origin that is blue from behind, and a green one above it."""
    harmonics = np.zeros((2, 3, 3), np.float32)
    harmonics[0, 1] = np.array([-0.5, 0, 0.5]) / 0.4886025
    return Gaussians(
        np.array([[0, 0, 0], [0, 0.5, 0]], np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (2, 1)),
        np.full((2, 3), 0.1, np.float32),
        np.full(2, 0.9, np.float32),
        np.array([[0.5, 0, 0.5], [0, 1, 0]], np.float32),
        harmonics,
    )


def convert(data: bytes, folder: Path, **fields: Any) -> tuple[Any, dict[str, bytes]]:
    (folder / "asset").write_bytes(data)
    saved: dict[str, bytes] = {}

    def save(name: str, _role: str, _media_type: str, content: bytes) -> Any:
        saved[name] = content
        return SimpleNamespace(name=name)

    context: Any = SimpleNamespace(
        media=SimpleNamespace(find_asset=lambda _: folder / "asset"),
        progress=lambda *_: None,
        save=save,
        build_manifest=lambda result, **_: result,
    )
    body = {"asset": {"url": "https://example.org/a"}, "formats": ["spz"]} | fields
    return run(context, ConvertJob.model_validate(body)), saved


@pytest.mark.slow
def test_a_splat_is_seen_by_the_cameras_of_the_request(tmp_path: Path) -> None:
    behind = {**VIEW, "world_from_cam": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -3], [0, 0, 0, 1]]}
    result, saved = convert(write_splat_ply(make_splat()), tmp_path, views=[VIEW, behind], depth=True)
    assert [view.image for view in result.views] == ["view-000.png", "view-001.png"]
    middle = SIDE // 2
    colors = [np.asarray(Image.open(io.BytesIO(saved[view.image])))[middle, middle] for view in result.views]
    assert np.abs(colors[0].astype(int) - (255, 0, 0, 230)).max() <= 2
    assert np.abs(colors[1].astype(int) - (0, 0, 255, 230)).max() <= 2
    depth = np.load(io.BytesIO(saved[result.views[0].depth]))
    assert depth.shape == (SIDE, SIDE) and depth[middle, middle] == pytest.approx(3, abs=0.01)
    assert np.isnan(depth[-1, 0])
    # the green one is above, so in a smaller row
    above = np.asarray(Image.open(io.BytesIO(saved["view-000.png"])))[middle - 10, middle]
    assert above[1] > 200 > 50 > above[0]


def test_a_mesh_has_no_views(tmp_path: Path) -> None:
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
    with pytest.raises(JobProblem) as caught:
        convert(write_mesh_ply(mesh), tmp_path, formats=["obj"], views=[VIEW])
    assert caught.value.problem.code == "views_of_mesh"


@pytest.mark.parametrize(
    "fields",
    [
        {"depth": True},
        {"anti_aliased": True},
        {"views": [{**VIEW, "camera": {"fx": 1, "fy": 1, "cx": 16, "cy": 16}}]},
        {"views": [{**VIEW, "world_from_cam": [[2, 0, 0, 0], *POSE[1:]]}]},
    ],
)
def test_views_that_no_camera_has_are_invalid(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ConvertJob.model_validate({"asset": {"url": "https://example.org/a"}, "formats": ["ply"]} | fields)
