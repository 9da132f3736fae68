"""Splats and meshes in other formats, by the SDK and the command line."""

import io
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import trimesh
from maquette import ApiError, JobFailed, Maquette
from maquette.contract import AssetFormat, MediaRef

from service.embedded import Stack
from storage.artefacts import ArtefactStore
from tests.support.cli import run_cli
from tests.support.raw_glb import build_cube
from tests.support.scenes import draw_ball, make_wall
from tests.support.splats import random_splat
from tests.workers.formats.test_converted_textures import TexturedGlb
from workers.errors import JobProblem
from workers.formats.splat_ply import read_splat_ply, write_splat_ply
from workers.formats.spz import read_spz
from workers.geometry.boxes import bounding_box
from workers.jobs.media_loader import MAX_ASSET_BYTES, MediaLoader


def test_a_splat_goes_through_every_format(mq: Maquette, tmp_path: Path) -> None:
    splat = random_splat(200)
    result = mq.convert(write_splat_ply(splat), ["spz", "sog", "khr_glb", "ply"]).wait()
    assert (result.data.asset, result.data.source) == ("splat", "ply")
    folder = result.save(tmp_path)
    again = read_spz((folder / result.data.files["spz"]).read_bytes())
    assert len(again.means) == 200
    np.testing.assert_allclose(again.means, splat.means, atol=1e-3)
    same = read_splat_ply((folder / result.data.files["ply"]).read_bytes())
    np.testing.assert_array_equal(same.means, splat.means)
    again = mq.convert(folder / result.data.files["spz"], ["ply"]).wait()
    assert again.data.source == "spz"


def test_the_mesh_of_a_job_becomes_obj(mq: Maquette) -> None:
    image = make_wall()
    mask = draw_ball(image, (120, 150), 60, (220, 60, 40))
    lifted = mq.objects(image, boxes=[bounding_box(mask)]).wait()
    mesh = next(item for item in lifted.artefacts if item.name == lifted.objects[0].mesh)
    result = mq.convert(mesh, ["obj", "ply"]).wait()
    [stored] = [item for item in result.artefacts if item.name == result.data.files["obj"]]
    read = trimesh.load(io.BytesIO(mq.read(stored)), file_type="obj", process=False)
    assert len(read.faces) == lifted.objects[0].faces and read.is_watertight
    assert result.provenance.sources == [mesh.sha256]


def test_broken_and_foreign_files_are_refused(mq: Maquette) -> None:
    whole = write_splat_ply(random_splat(50))
    with pytest.raises(JobFailed) as caught:
        mq.convert(whole[: len(whole) // 2], ["spz"]).wait()
    assert caught.value.code == "asset_unreadable"
    promising = whole.replace(b"element vertex 50", b"element vertex 10000000")
    with pytest.raises(JobFailed) as caught:
        mq.convert(promising, ["spz"]).wait()
    assert caught.value.code == "asset_unreadable" and "promises" in str(caught.value)
    with pytest.raises(JobFailed) as caught:
        mq.convert(whole, ["obj"]).wait()
    assert caught.value.code == "format_unfit"
    with pytest.raises(ApiError) as refused:
        mq.convert(make_wall(), ["ply"])
    assert refused.value.code == "not_an_asset"
    with pytest.raises(ApiError) as refused:
        mq.segment(whole, text="cat")
    assert refused.value.code == "not_an_image"
    with pytest.raises(ApiError) as refused:
        mq.upload(b"PK\x03\x04 a zip of something else")
    assert refused.value.code == "unsupported_media"


@pytest.mark.parametrize(
    ("data", "target", "count", "flags"),
    [
        (
            b"\xef\xbb\xbf#" + b"x" * 80_000 + b"\r\nv 0 0 0 1\r\nv 1 0 0 1\r\nv 0 1 0 1\r\nf 1 2 \\\r\n 3",
            "stl",
            1,
            [],
        ),
        (build_cube(COLOR_0=np.full((8, 3), 40000, np.uint16)), "ply", 12, []),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nl 1 2\nf 1 2 3\n", "glb", 1, ["lines_dropped"]),
    ],
    ids=["obj", "glb", "lines"],
)
def test_meshes_of_other_tools(
    mq: Maquette, data: bytes, target: AssetFormat, count: int, flags: list[str]
) -> None:
    result = mq.convert(data, [target]).wait()
    [stored] = result.artefacts
    mesh = trimesh.load(io.BytesIO(mq.read(stored)), file_type=target, force="mesh")
    assert (len(mesh.faces), result.flags) == (count, flags)
    assert result.dropped == ({target: {"lines": 1}} if flags else {})


def test_a_textured_mesh_keeps_its_texture(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_bytes(TexturedGlb().build())
    targets = [str(tmp_path / f"b.{suffix}") for suffix in ("obj", "ply")]
    outcome = run_cli(stack, "convert", str(tmp_path / "a.glb"), *targets)
    assert "b.ply leaves out textures: 2" in outcome.stderr.replace("\n", "")
    scene = trimesh.load_scene(tmp_path / "b.obj")
    images = [mesh.visual.material.image for mesh in scene.geometry.values()]
    assert sum(image is not None for image in images) == 2


def test_an_asset_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        def size(self, sha256: str) -> int:
            return MAX_ASSET_BYTES + 1

        def path(self, sha256: str) -> Path:
            raise AssertionError("read whole")

    loader = object.__new__(MediaLoader)
    loader._store = cast(ArtefactStore, Store())
    monkeypatch.setattr(MediaLoader, "resolve", lambda self, ref: ("00" * 32, {"kind": "asset"}))
    with pytest.raises(JobProblem) as caught:
        loader.find_asset(MediaRef(url="https://example.org/splat.ply"))
    assert caught.value.problem.code == "asset_too_large"


def test_the_command_converts(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(write_splat_ply(random_splat(30)))
    outcome = run_cli(
        stack, "convert", str(tmp_path / "a.ply"), str(tmp_path / "b.spz"), str(tmp_path / "c.khr.glb")
    )
    assert "splat (ply)" in outcome.stdout
    assert len(read_spz((tmp_path / "b.spz").read_bytes()).means) == 30
    assert (tmp_path / "c.khr.glb").read_bytes()[:4] == b"glTF"
    refused = run_cli(stack, "convert", str(tmp_path / "a.ply"), str(tmp_path / "b.doc"), check=False)
    assert refused.status != 0
