"""USDZ packages, opened by OpenUSD itself and judged by its own validators."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

pytest.importorskip("pxr", reason="the extra 'usd' is not installed")

from pxr import Usd, UsdGeom, UsdShade, UsdUtils, UsdValidation

from tests.workers.formats.test_texture import paint, shape
from workers.engines.objects.export import bake_asset, write_asset_textured_glb, write_asset_usdz
from workers.engines.protocols import ObjectAsset
from workers.errors import JobProblem
from workers.formats import usdz
from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity
from workers.jobs.objects.files import check_formats

pytestmark = pytest.mark.slow


def make_painted_asset(scale_source: Any) -> ObjectAsset:
    mesh, splat = shape("torus")
    return ObjectAsset(
        mesh,
        splat,
        Similarity(scale=0.25, rotation=(1.0, 0.0, 0.0, 0.0), translation=(0.0, 0.0, 2.0)),
        Camera.assumed(64, 64),
        scale_source,
        0.5,
        0.9,
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("usd") / "torus.usdz"
    asset = make_painted_asset("metric")
    path.write_bytes(write_asset_usdz(asset, bake_asset(asset)))
    return path


def test_the_stage_has_the_mesh_its_scale_and_its_texture(package: Path, tmp_path: Path) -> None:
    stage = Usd.Stage.Open(str(package))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 0.25
    mesh = UsdGeom.Mesh(stage.GetDefaultPrim().GetChild("mesh"))
    points = np.array(mesh.GetPointsAttr().Get())
    faces = np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
    truth, _ = shape("torus")
    assert np.allclose(points[faces], truth.vertices[truth.faces], atol=1e-6)
    st = np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get())
    UsdUtils.ExtractUsdzPackage(str(package), str(tmp_path / "open"), True, False)
    [image] = (tmp_path / "open").rglob("*.png")
    from PIL import Image

    pixels = np.asarray(Image.open(image).convert("RGB"))
    side = len(pixels)
    columns = np.clip(st[:, 0] * side, 0, side - 1).astype(int)
    rows = np.clip((1 - st[:, 1]) * side, 0, side - 1).astype(int)
    assert np.abs(pixels[rows, columns] / 255 - paint(points)).mean() < 0.02
    bound, _ = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()
    assert bound.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"


def test_openusds_validators_report_nothing(package: Path) -> None:
    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadAllValidators()
    assert len(validators) > 5
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(package)))
    assert [error.GetMessage() for error in errors] == []


def test_a_relative_scale_is_not_written_as_metres_and_both_files_hold_the_same_mesh(tmp_path: Path) -> None:
    asset = make_painted_asset("relative")
    path = tmp_path / "torus.usdz"
    texture = bake_asset(asset)
    path.write_bytes(write_asset_usdz(asset, texture))
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    other: Any = trimesh.load(
        io.BytesIO(write_asset_textured_glb(asset, "torus", texture)), file_type="glb", force="mesh"
    )
    points = np.array(UsdGeom.Mesh(stage.GetPrimAtPath("/object/mesh")).GetPointsAttr().Get())
    assert np.allclose(points, other.vertices, atol=1e-6)


def test_without_the_library_the_job_fails_with_extra_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usdz.importlib.util, "find_spec", lambda name: None)
    check_formats(["glb", "ply"])
    with pytest.raises(JobProblem) as missing:
        check_formats(["usdz"])
    assert missing.value.problem.code == "extra_missing"
